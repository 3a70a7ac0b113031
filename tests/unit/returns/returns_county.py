"""A county of a few rows: a census schema as the builder makes it, and the gate's decision on it."""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import hashlib
import io
from dataclasses import dataclass, field

from psycopg import sql

from neet.census import CensusRun
from neet.database import connect
from neet.nccis.layout import record_columns

SCHEMA = """
create table {schema}.ret_nccis_header (
    la_code text, census_point text, database_ids text, source_leas text, date_of_send text, period_end text,
    supplier_name text, supplier_xml_version text, xml_schema_version text, doctype text);
create table {schema}.ret_nccis_record (
    la_code text, census_point text, record_number integer, person_id text, owner_service_code text, {columns});
create table {schema}.ret_nccis_characteristic (
    la_code text, census_point text, record_number integer, young_persons_id text,
    characteristic_number integer, characteristic_code text);
create table {schema}.fct_cohort_month (
    la_code text, month_end date, person_id text, census_point text, young_persons_id text,
    cohort_status_code text, academic_age integer, district_code text, school_of_origin text, sen_group text,
    is_vulnerable boolean, activity_code text, status_bucket text, is_lapsed boolean,
    is_participating boolean, is_in_denominator boolean, is_measured boolean, neet_days integer);
create table {schema}.fct_kpi_value (
    la_code text, kpi_id text, period_code text, period_end date, area_type text, area_code text,
    group_code text, basis text, numerator numeric, denominator numeric, value numeric, target numeric,
    floor numeric, rag text, previous_value numeric, polarity text, unit text);
"""

RESULT_COLUMNS = (
    "run_id la_code census_point known_seq suite check_id priority blocks status failed_count checked_count "
    "protects owner_service reason how_to_mend"
).split()
FAILURE_COLUMNS = (
    "run_id la_code census_point suite check_id failure_number young_persons_id record_number field value detail"
).split()
CHANGE_COLUMNS = (
    "run_id la_code census_point young_persons_id change before_code after_code detail"
).split()


def person(number: int, **values) -> dict:
    """A record of the return, with a characteristic list and the bucket it is counted in."""
    defaults = {
        "young_persons_id": f"886{number:010}",
        "cohort_status": "P",
        "given_name": "Zoë",
        "family_name": f"Testcase-{number}",
        "postcode": "ZZ99 9ZZ",
        "activity_code": "210",
        "currency_lapsed": "N",
        "characteristic_codes": ["110"] if number % 2 else [],
        "status_bucket": "EET",
    }
    return defaults | values


@dataclass
class County:
    """Makes census schemas and gate decisions in a real warehouse.

    ``people`` is what the next schema will hold; ``errors`` what the next gate decision will list.
    """

    warehouse: object
    people: list[dict] = field(default_factory=lambda: [person(n) for n in (1, 2, 3)])
    errors: list[dict] = field(default_factory=list)
    changes: list[dict] = field(default_factory=list)

    @property
    def settings(self):
        return self.warehouse.settings

    @property
    def gate(self) -> str:
        return self.warehouse.dsn["gate"]

    def run(
        self, point: str = "2021-12", known_seq: int = 10, code_version: str = "test"
    ) -> CensusRun:
        year, month = map(int, point.split("-"))
        return CensusRun(
            run_id=hashlib.sha256(f"{point}|{known_seq}|{code_version}".encode()).hexdigest()[:32],
            la_code="886",
            census_point=point,
            period_end=dt.date(year, month, calendar.monthrange(year, month)[1]),
            known_seq=known_seq,
            known_at=dt.datetime(2022, 1, 10, 9, tzinfo=dt.UTC) + dt.timedelta(seconds=known_seq),
            schema_name=f"census_886_{point.replace('-', '_')}",
            pack_version="2021-22",
            code_version=code_version,
        )

    def deliver(self, count: int) -> None:
        """Deliveries 1 to ``count``, for runs to know or not."""
        with connect(self.warehouse.dsn["owner"]) as connection:
            for seq in range(1, count + 1):
                connection.execute(
                    """insert into control.delivery
                         (delivery_id, la_code, feed, provider, period, mode, file_name, file_sha256, file_bytes,
                          landing_path, received_at, status, accepted_at, delivery_seq)
                       values (%(id)s, '886', 'core_plus_people', '886', '2021-12-31', 'delta', 'people.csv', %(sha)s,
                               1, %(id)s, %(at)s, 'accepted', %(at)s, %(seq)s)""",
                    {
                        "id": f"delivery-{seq}",
                        "sha": hashlib.sha256(str(seq).encode()).hexdigest(),
                        "at": dt.datetime(2022, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=seq),
                        "seq": seq,
                    },
                )

    def build(self, run: CensusRun, shuffled: bool = False) -> None:
        """The census schema of a run, as dbt would leave it, rows in whatever order."""
        columns = record_columns()
        people = sorted(self.people, key=lambda p: p["young_persons_id"] or "")
        with connect(self.warehouse.dsn["builder"]) as connection:
            connection.execute(
                sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(run.schema_name))
            )
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(run.schema_name)))
            connection.execute(
                sql.SQL(SCHEMA).format(
                    schema=sql.Identifier(run.schema_name),
                    columns=sql.SQL(", ").join(
                        sql.SQL("{} text").format(sql.Identifier(c)) for c in columns
                    ),
                )
            )

            def insert(table: str, rows: list[dict]) -> None:
                for row in reversed(rows) if shuffled else rows:
                    connection.execute(
                        sql.SQL("insert into {} ({}) values ({})").format(
                            sql.Identifier(run.schema_name, table),
                            sql.SQL(", ").join(map(sql.Identifier, row)),
                            sql.SQL(", ").join(sql.Placeholder() * len(row)),
                        ),
                        list(row.values()),
                    )

            keys = {"la_code": "886", "census_point": run.census_point}
            insert(
                "ret_nccis_header",
                [
                    keys
                    | {
                        "database_ids": "886", "source_leas": "886,887", "date_of_send": "2022-01-10",
                        "period_end": run.period_end.isoformat(), "supplier_name": "NEET warehouse",
                        "supplier_xml_version": "1.0", "xml_schema_version": "1.0", "doctype": "NCCIS2021",
                    }
                ],
            )  # fmt: skip
            records = [
                keys | {"record_number": n, "person_id": f"person{n:05}", "owner_service_code": "MI"}
                | {c: p.get(c) for c in columns}
                for n, p in enumerate(people, 1)
            ]  # fmt: skip
            insert("ret_nccis_record", records)
            insert(
                "ret_nccis_characteristic",
                [
                    keys
                    | {
                        "record_number": n, "young_persons_id": p["young_persons_id"],
                        "characteristic_number": k, "characteristic_code": code,
                    }
                    for n, p in enumerate(people, 1)
                    for k, code in enumerate(p["characteristic_codes"], 1)
                ],
            )  # fmt: skip
            cohort = []
            for n, p in enumerate(people, 1):
                for month_end in (
                    run.period_end,
                    run.period_end.replace(day=1) - dt.timedelta(days=1),
                ):
                    cohort.append(
                        {
                            "la_code": "886", "month_end": month_end, "person_id": f"person{n:05}",
                            "census_point": month_end.strftime("%Y-%m"), "young_persons_id": p["young_persons_id"],
                            "cohort_status_code": p["cohort_status"], "academic_age": 16,
                            "district_code": "E07000106", "school_of_origin": None, "sen_group": "NONE",
                            "is_vulnerable": False, "activity_code": p["activity_code"],
                            "status_bucket": p["status_bucket"], "is_lapsed": False, "is_participating": True,
                            "is_in_denominator": p["activity_code"] != "710", "is_measured": True, "neet_days": None,
                        }
                    )  # fmt: skip
            insert("fct_cohort_month", cohort)
            insert(
                "fct_kpi_value",
                [row for basis in ("as_submitted", "restated") for row in self._kpis(run, basis)],
            )
            connection.execute(
                """insert into control.build (lineage, la_code, census_point, schema_name, known_seq, code_version,
                                              seed_fingerprint, status)
                   values ('census', '886', %s, %s, %s, %s, 'seeds', 'built')""",
                [run.census_point, run.schema_name, run.known_seq, run.code_version],
            )

    def _kpis(self, run: CensusRun, basis: str) -> list[dict]:
        neet = sum(p["status_bucket"] == "NEET" for p in self.people)
        rows = [
            ("AP-NEET", run.census_point, run.period_end, "county", "886", "ALL", neet, len(self.people) or None, "rate"),
            ("AP-NEET", run.census_point, run.period_end, "district", "E07000106", "ALL", neet, len(self.people) or None, "rate"),
            ("FLOW-J", run.census_point, run.period_end, "county", "886", "ALL", neet, None, "count"),
            ("AP-NEET", "2021-01", dt.date(2021, 1, 31), "county", "886", "ALL", 9, 9, "rate"),
        ]  # fmt: skip
        names = "kpi_id period_code period_end area_type area_code group_code numerator denominator unit".split()
        return [
            {"la_code": "886", "basis": basis} | dict(zip(names, row, strict=True)) for row in rows
        ]

    def judge(self, run: CensusRun, outcome: str = "passed") -> str:
        """Record the gate's decision on a run; returns its id."""
        from neet import decisions

        identity = {"run_id": run.run_id, "la_code": run.la_code, "census_point": run.census_point}
        results, failures = [], []
        by_check: dict[tuple[str, str], list[dict]] = {}
        for error in self.errors:
            by_check.setdefault((error.get("suite", "nccis"), error["check_id"]), []).append(error)
        for (suite, check_id), rows in by_check.items():
            results.append(
                identity
                | {
                    "known_seq": run.known_seq, "suite": suite, "check_id": check_id,
                    "priority": rows[0].get("priority", 2), "blocks": outcome == "blocked",
                    "status": "failed", "failed_count": len(rows), "checked_count": len(self.people),
                    "protects": "the return", "owner_service": "MI", "reason": "it must be so",
                    "how_to_mend": "mend it in Core+",
                }
            )  # fmt: skip
            failures += [
                identity | {"suite": suite, "check_id": check_id, "failure_number": n}
                | {k: row.get(k) for k in ("young_persons_id", "record_number", "field", "value", "detail")}
                for n, row in enumerate(rows, 1)
                if row.get("field")
            ]  # fmt: skip
        changes = [identity | change for change in self.changes]
        decision = decisions.record(
            self.settings,
            self.gate,
            "gate_check",
            run.la_code,
            run.run_id,
            {
                "run_id": run.run_id,
                "census_point": run.census_point,
                "known_seq": run.known_seq, "outcome": outcome, "rules_run": 55,
                "rules_failed": len(by_check), "rules_waived": 0, "rules_not_applicable": 3,
                "rules_could_not_run": 0, "inputs": {"pack": run.pack_version},
            },
            "gate",
            "computed",
            files={
                "check_results.csv": as_csv(results, RESULT_COLUMNS),
                "check_failures.csv": as_csv(failures, FAILURE_COLUMNS),
                "submission_changes.csv": as_csv(changes, CHANGE_COLUMNS),
            },
        )  # fmt: skip
        return decision.decision_id

    def ready(self, point: str = "2021-12", known_seq: int = 10, outcome: str = "passed"):
        """Build, judge and prepare a point."""
        from neet.returns import package

        run = self.run(point, known_seq)
        self.build(run)
        decision = self.judge(run, outcome)
        return run, package.prepare(self.settings, self.gate, run, decision)

    def rows(self, query: str) -> list[tuple]:
        with connect(self.gate) as connection:
            return connection.execute(query).fetchall()


def as_csv(rows: list[dict], columns: list[str]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def tree(folder) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
