"""A census schema with a few people in it, made by the builder role as dbt would make it."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Mapping, Sequence

from psycopg import sql

from neet.census import CensusRun
from neet.database import connect
from neet.nccis.layout import record_columns
from neet.rules.codes import load_code_lists
from neet.rules.pack import load_pack

FEEDS = (
    "core_plus_people",
    "core_plus_activities",
    "core_plus_characteristics",
    "core_plus_september_guarantee",
)
COHORT = (
    "la_code text, month_end date, person_id text, census_point text, young_persons_id text, "
    "cohort_status_code text, activity_code text, status_bucket text, is_lapsed boolean, "
    "is_in_denominator boolean, is_measured boolean, is_stale boolean"
)
FLOW = (
    "la_code text, basis text, month_end date, census_point text, area_type text, area_code text, "
    "group_code text, measure text, opening bigint, joiners bigint, leavers bigint, closing bigint"
)
KPI = (
    "la_code text, kpi_id text, period_code text, period_end date, area_type text, area_code text, "
    "group_code text, basis text, numerator bigint, denominator bigint, value numeric, unit text"
)


def person_id(young_persons_id: str) -> str:
    return hashlib.sha256(f"886|core_plus|{young_persons_id}".encode()).hexdigest()[:32]


@functools.cache
def _base() -> Mapping[str, object]:
    _, (record,) = load_pack("2021-22").example_return()
    return record


def valid_record(number: int = 1, **differences: object) -> dict[str, object]:
    """A record that breaks no rule of 2021-22 at the end of December 2021."""
    return _base() | {
        "young_persons_id": f"886{number:010}",
        "unique_learner_no": f"{1_000_000_000 + number}",
        "given_name": f"Example{chr(96 + number % 26 + 1)}{'x' * (number // 26)}",
    } | differences  # fmt: skip


class SmallCensus:
    """Writes what a census run of Kent for one month finds in the warehouse."""

    def __init__(self, warehouse, census_point: str = "2021-12"):
        self.warehouse = warehouse
        year, month = map(int, census_point.split("-"))
        self.period_end = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
        self.census_point = census_point
        self.schema = f"census_886_{census_point.replace('-', '_')}"
        self.known_seq = 0

    def build(
        self,
        records: Sequence[Mapping[str, object]],
        header: Mapping[str, object] | None = None,
        *,
        feeds: Sequence[str] = FEEDS,
        build_status: str = "built",
    ) -> CensusRun:
        """Deliver the feeds, make every table and give the run that is to be judged."""
        for feed in feeds:
            self.deliver(feed)
        run = self.run()
        header = {
            "database_ids": "886",
            "source_leas": "886",
            "date_of_send": (self.period_end + dt.timedelta(days=6)).isoformat(),
            "period_end": self.period_end.isoformat(),
            **(header or {}),
        }
        columns = ("la_code", "census_point", "record_number", "person_id", "owner_service_code")
        texts = (*columns[:2], *columns[3:], *record_columns())
        with connect(self.warehouse.dsn["builder"]) as connection:
            connection.execute(f"drop schema if exists {self.schema} cascade")
            connection.execute(f"create schema {self.schema}")
            kinds = ", ".join(f"{name} text" for name in texts)
            connection.execute(
                f"create table {self.schema}.ret_nccis_record (record_number integer, {kinds})"
            )
            connection.execute(
                f"create table {self.schema}.ret_nccis_characteristic (la_code text, census_point text, "
                "record_number integer, young_persons_id text, characteristic_number integer, "
                "characteristic_code text)"
            )
            names = ("la_code", "census_point", *header)
            connection.execute(
                f"create table {self.schema}.ret_nccis_header ("
                + ", ".join(f"{name} text" for name in (*names, "supplier_name",
                  "supplier_xml_version", "xml_schema_version", "doctype")) + ")"
            )  # fmt: skip
            self._insert(
                connection,
                "ret_nccis_header",
                {"la_code": "886", "census_point": self.census_point, **header},
            )
            for table, kinds in (
                ("fct_cohort_month", COHORT), ("fct_flow", FLOW), ("fct_kpi_value", KPI),
            ):  # fmt: skip
                connection.execute(f"create table {self.schema}.{table} ({kinds})")
            lists = load_code_lists(self.period_end)
            for number, record in enumerate(records, 1):
                self._insert_record(connection, number, record, lists)
            self._insert_flow(connection)
            connection.execute(
                "insert into control.build (lineage, la_code, census_point, schema_name, known_seq, "
                "code_version, seed_fingerprint, status) values "
                "('census', '886', %s, %s, %s, 'test', 'test', %s)",
                [self.census_point, self.schema, run.known_seq, build_status],
            )
        return run

    def run(self) -> CensusRun:
        with connect(self.warehouse.dsn["owner"]) as connection:
            seq, at = connection.execute(
                "select coalesce(max(delivery_seq), 0), coalesce(max(accepted_at), now()) from control.delivery"
            ).fetchone()
        self.known_seq = seq
        return CensusRun(
            run_id=hashlib.sha256(f"{self.census_point}|{seq}".encode()).hexdigest()[:32],
            la_code="886",
            census_point=self.census_point,
            period_end=self.period_end,
            known_seq=seq,
            known_at=at,
            schema_name=self.schema,
            pack_version="2021-22",
            code_version="0.1.0+test",
        )

    def deliver(
        self,
        feed: str,
        status: str = "accepted",
        rows: int = 100,
        rejected: int = 0,
        reason: str | None = None,
        as_at: dt.date | None = None,
    ) -> str:
        """A snapshot of the month in ``control.delivery``, as the loader leaves it."""
        with connect(self.warehouse.dsn["owner"]) as connection:
            accepted = status == "accepted"
            (seq,) = connection.execute(
                "select coalesce(max(delivery_seq), 0) + 1 from control.delivery"
            ).fetchone()
            (count,) = connection.execute("select count(*) from control.delivery").fetchone()
            delivery_id = f"{feed}-{count + 1}"
            connection.execute(
                """insert into control.delivery (delivery_id, la_code, feed, provider, period, as_at, mode,
                     file_name, file_sha256, file_bytes, landing_path, received_at, status, status_reason,
                     accepted_at, delivery_seq, rows_in, rows_loaded, rows_rejected)
                   values (%(id)s, '886', %(feed)s, '886', %(period)s, %(as_at)s, 'snapshot', %(id)s, %(id)s,
                     1, %(id)s, now(), %(status)s, %(reason)s, case when %(ok)s then now() end,
                     case when %(ok)s then %(seq)s end, %(rows)s, %(rows)s::bigint - %(rejected)s::bigint, %(rejected)s)""",
                {
                    "id": delivery_id, "feed": feed, "period": (as_at or self.period_end).isoformat(),
                    "as_at": as_at or self.period_end, "status": status,
                    "reason": reason, "ok": accepted, "seq": seq, "rows": rows, "rejected": rejected,
                },
            )  # fmt: skip
            for number in range(1, rejected + 1):
                connection.execute(
                    """insert into control.reject (delivery_id, la_code, reject_number, line_number, row_key,
                         column_name, value, rule, reason, row_text)
                       values (%s, '886', %s, %s, 'key', 'DOB', 'not a date', 'date', 'is no date', 'row')""",
                    [delivery_id, number, number + 1],
                )
        return delivery_id

    def _insert(self, connection, table: str, values: Mapping[str, object]) -> None:
        connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(self.schema, table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        )

    def _insert_record(self, connection, number: int, record: Mapping, lists: Mapping) -> None:
        key = str(record.get("young_persons_id"))
        keys = {"la_code": "886", "census_point": self.census_point}
        texts = {name: record.get(name) or None for name in record_columns()}
        person = record.get("person_id") or person_id(f"{key}{number if key == 'None' else ''}")
        self._insert(
            connection,
            "ret_nccis_record",
            keys
            | {"record_number": number, "person_id": person, "owner_service_code": "TEP"}
            | texts,
        )
        for order, code in enumerate(record.get("characteristic_codes") or (), 1):
            self._insert(
                connection,
                "ret_nccis_characteristic",
                keys | {
                    "record_number": number, "young_persons_id": key, "characteristic_number": order,
                    "characteristic_code": code,
                },
            )  # fmt: skip
        if texts["cohort_status"] in lists["leaver_statuses"]:
            return
        code = texts["activity_code"]
        bucket = (
            "NEET" if code in lists["neet_activities"]
            else "NOT_KNOWN" if code in (None, "810", "820", "830") or texts["currency_lapsed"] == "Y"
            else "EET"
        )  # fmt: skip
        counted = texts["cohort_status"] == "P"
        self._insert(
            connection,
            "fct_cohort_month",
            keys | {
                "month_end": self.period_end, "person_id": person, "young_persons_id": key,
                "cohort_status_code": texts["cohort_status"], "activity_code": code, "status_bucket": bucket,
                "is_lapsed": texts["currency_lapsed"] == "Y", "is_in_denominator": counted,
                "is_measured": counted, "is_stale": bool(record.get("is_stale")),
            },
        )  # fmt: skip

    def _insert_flow(self, connection) -> None:
        (closing,) = connection.execute(
            f"select count(*) from {self.schema}.fct_cohort_month "
            "where status_bucket = 'NEET' and is_in_denominator"
        ).fetchone()
        for basis in ("restated", "as_submitted"):
            self._insert(
                connection,
                "fct_flow",
                {
                    "la_code": "886", "basis": basis, "month_end": self.period_end,
                    "census_point": self.census_point, "area_type": "county", "area_code": "886",
                    "group_code": "ALL", "measure": "neet", "opening": 2, "joiners": closing, "leavers": 2, "closing": closing,
                },
            )  # fmt: skip
        self._insert(
            connection,
            "fct_kpi_value",
            {
                "la_code": "886", "kpi_id": "AP-NEET", "period_code": self.census_point,
                "period_end": self.period_end, "area_type": "county", "area_code": "886",
                "group_code": "ALL", "basis": "restated", "numerator": closing, "denominator": 1_000,
                "value": 0, "unit": "rate",
            },
        )  # fmt: skip

    def execute(self, statement: str, *parameters: object) -> None:
        """Change something behind the gate's back, as the builder."""
        with connect(self.warehouse.dsn["builder"]) as connection:
            connection.execute(statement.replace("{census}", self.schema), list(parameters))

    def seal(self, census_point: str, records: Sequence[Mapping[str, object]]) -> str:
        """What a sealed submission of an earlier point leaves in the ledger and in submitted."""
        from neet.returns.candidate import record_hash

        submission_id = f"886-{census_point}-test"
        lists = load_code_lists(self.period_end)
        with connect(self.warehouse.dsn["owner"]) as connection:
            (seq,) = connection.execute(
                "select coalesce(max(delivery_seq), 0) + 1 from control.delivery"
            ).fetchone()
            connection.execute(
                """insert into control.delivery (delivery_id, la_code, feed, provider, period, mode, file_name,
                     file_sha256, file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
                   values (%(id)s, '886', 'decision.submission', '886', '2021-11-30', 'decision', %(id)s, %(id)s, 1,
                     %(id)s, now(), 'accepted', now(), %(seq)s)""",
                {"id": submission_id, "seq": seq},
            )
            connection.execute(
                """insert into control.decision values
                     (%s, '886', %s, 'submission', %s, 'somebody', now(), 'a test', '{}')""",
                [submission_id, seq, census_point],
            )
            connection.execute(
                """insert into ledger.submission (submission_id, la_code, census_point, outcome, chain_number,
                     known_seq, signed_by, sealed_at, delivery_seq, decision_id)
                   select %(id)s, '886', %(point)s, 'sealed', count(*) + 1, %(seq)s - 1, 'somebody', now(), %(seq)s,
                     %(id)s from ledger.submission""",
                {"id": submission_id, "point": census_point, "seq": seq},
            )
            for number, record in enumerate(records, 1):
                key = record["young_persons_id"]
                texts = {name: record.get(name) or None for name in record_columns()}
                hashed = record_hash(
                    texts | {"characteristic_codes": record.get("characteristic_codes") or []}
                )
                connection.execute(
                    """insert into submitted.return_record (submission_id, la_code, census_point, record_number,
                         young_persons_id, cohort_status, activity_code, start_date, date_verified,
                         due_to_lapse_date, currency_lapsed, neet_start_date, record_sha256)
                       values (%s, '886', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
                    [
                        submission_id, census_point, number, key, texts["cohort_status"],
                        texts["activity_code"], texts["start_date"], texts["date_verified"],
                        texts["due_to_lapse_date"], texts["currency_lapsed"], texts["neet_start_date"], hashed,
                    ],
                )  # fmt: skip
                connection.execute(
                    """insert into submitted.cohort_month (submission_id, la_code, census_point, period_end,
                         person_id, young_persons_id, cohort_status_code, status_bucket, is_in_denominator)
                       values (%s, '886', %s, '2021-11-30', %s, %s, %s, %s, true)""",
                    [
                        submission_id, census_point, person_id(key), key, texts["cohort_status"],
                        "NEET" if texts["activity_code"] in lists["neet_activities"] else "EET",
                    ],
                )  # fmt: skip
        return submission_id
