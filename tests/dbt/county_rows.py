"""Deliveries written straight into the raw tables: small rows in, for tests that look at rows out."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from neet.database import connect
from neet.feeds.contract import load_contract
from neet.settings import PROJECT_ROOT

FEEDS = PROJECT_ROOT / "expectations" / "feeds"

KEYS = {
    "core_plus_people": ["young_persons_id"],
    "core_plus_activities": ["activity_id"],
    "core_plus_characteristics": ["young_persons_id", "characteristic_code", "start_on"],
    "core_plus_september_guarantee": ["young_persons_id", "guarantee_year", "year_group"],
    "dfe_la_scorecard": ["time_period", "geographic_level", "country_code", "region_code", "new_la_code"],
}  # fmt: skip


def ypid(number: int, la_code: str = "886") -> str:
    """YoungPersonsID: DatabaseID and ten digits."""
    return f"{la_code}{number:010d}"


def person(number: int, **changes) -> dict:
    """A Core+ person of Year 12 in 2021-22, in the cohort since September 2021, with nothing wrong."""
    row = {
        "young_persons_id": ypid(number),
        "cohort_status": "P",
        "cohort_status_on": "2021-09-01",
        "cohort_entry_on": "2021-09-01",
        "given_name": f"Given{number}",
        "family_name": f"Family{number}",
        "address_line1": "1 Invented Street",
        "town": "Ashford",
        "county": "Kent",
        "postcode": "ZZ99 9ZZ",
        "gender": "F",
        "dob": "2005-01-15",
        "ethnicity": "WBRI",
        "lead_lea": "886",
        "educated_lea": "886",
        "guarantee_status_indicator": "N",
        "level_of_need_code": "3",
        "send_flag": "N",
        "sen_support_flag": "N",
        "district_code": "E07000105",
        "owner_service_code": "TEP",
    }
    return row | changes


def activity(activity_id: str, number: int, code: str, start_on: str, **changes) -> dict:
    """An activity confirmed on the day it began."""
    row = {
        "activity_id": activity_id,
        "young_persons_id": ypid(number),
        "activity_code": code,
        "start_on": start_on,
        "ascertained_on": start_on,
        "verified_on": start_on,
        "currency_lapsed": "N",
    }
    if code.startswith(("2", "4")):
        row |= {"due_to_lapse_on": "2022-08-31", "predicted_end_on": "2023-07-21"}
    return row | changes


@dataclass
class County:
    """Deliveries of one authority, in order."""

    owner_dsn: str
    la_code: str = "886"
    seq: int = 0
    started: dt.datetime = dt.datetime(2022, 1, 4, 9, tzinfo=dt.UTC)
    row_hashes: dict = field(default_factory=dict)

    def deliver(
        self,
        feed: str,
        as_at: str,
        rows: list[dict],
        *,
        operation: str = "U",
        provider: str | None = None,
        la_code: str | None = None,
    ) -> int:
        """Accept one delivery; returns its ``delivery_seq``.

        Args:
            operation: one for all rows: U, D, or S (stale: the row's newest version was unreadable).
        """
        self.seq += 1
        provider = provider or self.la_code
        key_columns = KEYS.get(feed) or [
            column.name for column in load_contract(FEEDS / f"{feed}.yml").key
        ]
        la_code = la_code or self.la_code
        accepted_at = self.started + dt.timedelta(hours=self.seq)
        delivery_id = hashlib.sha256(f"{feed}|{self.seq}".encode()).hexdigest()[:32]
        with connect(self.owner_dsn) as connection:
            connection.execute(
                """insert into control.delivery (delivery_id, la_code, feed, provider, period, as_at, mode,
                     file_name, file_sha256, file_bytes, landing_path, received_at, status, accepted_at,
                     delivery_seq, rows_in, rows_loaded)
                   values (%s, %s, %s, %s, %s, %s, 'snapshot', %s, 'none', 0, %s, %s, 'accepted', %s, %s, %s, %s)""",
                [delivery_id, la_code, feed, provider, as_at, as_at, f"{feed}_{as_at}.csv", delivery_id,
                 accepted_at, accepted_at, self.seq, len(rows), len(rows)],
            )  # fmt: skip
            for number, row in enumerate(rows, start=2):
                key = "|".join(str(row[column]) for column in key_columns)
                values = {
                    "la_code": la_code,
                    "provider": provider,
                    "period": as_at,
                    "row_key": key,
                    "row_hash": hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest(),
                    "operation": operation,
                    "delivery_seq": self.seq,
                    "line_number": number,
                } | row
                connection.execute(
                    sql.SQL("insert into raw.{} ({}) values ({})").format(
                        sql.Identifier(feed),
                        sql.SQL(", ").join(map(sql.Identifier, values)),
                        sql.SQL(", ").join([sql.Placeholder()] * len(values)),
                    ),
                    list(values.values()),
                )
        return self.seq


def seal(gate_dsn: str, run, chain_number: int, submission_id: str | None = None) -> int:
    """Put what a census build holds into the ledger and ``submitted``, as sealing a package does.

    Args:
        run: the :class:`neet.census.CensusRun` whose schema has been built.
    Returns:
        the ``delivery_seq`` of the submission.
    """
    submission_id = submission_id or f"{run.la_code}-{run.census_point}-{chain_number}"
    with connect(gate_dsn) as connection:
        (seq,) = connection.execute(
            "select coalesce(max(delivery_seq), 0) + 1 from control.delivery"
        ).fetchone()
        (accepted_at,) = connection.execute(
            "select max(accepted_at) + interval '1 minute' from control.delivery"
        ).fetchone()
        decision_id = hashlib.sha256(submission_id.encode()).hexdigest()[:32]
        connection.execute(
            """insert into control.delivery (delivery_id, la_code, feed, provider, period, mode, file_name,
                 file_sha256, file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
               values (%s, %s, 'decision.submission', 'test', %s, 'decision', 'decision.json', 'none', 0, %s, %s,
                 'accepted', %s, %s)""",
            [decision_id, run.la_code, run.census_point, decision_id, accepted_at, accepted_at, seq],
        )  # fmt: skip
        connection.execute(
            """insert into control.decision (decision_id, la_code, delivery_seq, kind, subject, decided_by, decided_at,
                 reason, body) values (%s, %s, %s, 'submission', %s, 'tester', %s, 'test', '{}')""",
            [decision_id, run.la_code, seq, run.census_point, accepted_at],
        )
        connection.execute(
            """insert into ledger.submission (submission_id, la_code, census_point, outcome, chain_number, known_seq,
                 signed_by, sealed_at, delivery_seq, decision_id)
               values (%s, %s, %s, 'sealed', %s, %s, 'tester', %s, %s, %s)""",
            [submission_id, run.la_code, run.census_point, chain_number, run.known_seq, accepted_at, seq,
             decision_id],
        )  # fmt: skip
        schema = sql.Identifier(run.schema_name)
        connection.execute(
            sql.SQL(
                """insert into submitted.cohort_month (submission_id, la_code, census_point, period_end, person_id,
                     young_persons_id, cohort_status_code, academic_age, district_code, school_of_origin, sen_group,
                     is_vulnerable, activity_code, status_bucket, is_lapsed, is_participating, is_in_denominator,
                     is_measured, neet_days)
                   select %s, la_code, census_point, month_end, person_id, young_persons_id, cohort_status_code,
                     academic_age, district_code, school_of_origin, sen_group, is_vulnerable, activity_code,
                     status_bucket, is_lapsed, is_participating, is_in_denominator, is_measured, neet_days
                   from {}.fct_cohort_month where month_end = %s"""
            ).format(schema),
            [submission_id, run.period_end],
        )
        connection.execute(
            sql.SQL(
                """insert into submitted.return_record (submission_id, la_code, census_point, record_number,
                     young_persons_id, cohort_status, activity_code, start_date, date_verified, due_to_lapse_date,
                     currency_lapsed, neet_start_date, record_sha256)
                   select %s, la_code, census_point, record_number, young_persons_id, cohort_status, activity_code,
                     start_date, date_verified, due_to_lapse_date, currency_lapsed, neet_start_date, 'none'
                   from {}.ret_nccis_record"""
            ).format(schema),
            [submission_id],
        )
    return seq


def small_county(county: County) -> None:
    """Thirty people at the end of November and December 2021: every fifth NEET, every seventh with a plan."""
    people = [person(n, **({"send_flag": "Y"} if n % 7 == 0 else {})) for n in range(1, 31)]
    activities = [
        activity(f"A{n:07d}", n, "619", "2021-10-11", neet_start_on="2021-10-04")
        if n % 5 == 0
        else activity(f"A{n:07d}", n, "210", "2021-09-06")
        for n in range(1, 31)
    ]
    county.deliver("core_plus_people", "2021-11-30", people)
    county.deliver("core_plus_activities", "2021-11-30", activities)
    county.deliver(
        "core_plus_characteristics",
        "2021-11-30",
        [
            {"young_persons_id": ypid(n), "characteristic_code": "110", "start_on": "2020-01-01"}
            for n in (5, 6)
        ],
    )
    county.deliver(
        "core_plus_september_guarantee",
        "2021-11-30",
        [
            {
                "young_persons_id": ypid(1),
                "guarantee_year": "2021",
                "year_group": "11",
                "guarantee_status": "110",
                "lea_code": "886",
            }
        ],
    )
    # In December the fifth finds a place, and the first becomes NEET.
    county.deliver(
        "core_plus_activities",
        "2021-12-31",
        [
            activity("B0000005", 5, "230", "2021-12-06"),
            activity("B0000001", 1, "610", "2021-12-13", neet_start_on="2021-12-13"),
        ],
    )
    county.deliver("core_plus_people", "2021-12-31", [person(31, cohort_entry_on="2021-12-01")])


SCORECARDS = sorted((PROJECT_ROOT / "data" / "dfe_scorecard").glob("*.csv"))


def deliver_scorecards(county: County, files: list[Path] = SCORECARDS) -> None:
    """The department's own files, straight into raw."""
    for file in files:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            rows = [
                {name.lower(): value for name, value in row.items()}
                for row in csv.DictReader(handle)
            ]
        county.deliver(
            "dfe_la_scorecard", f"{file.stem[-4:]}-07-15", rows, la_code="ENG", provider="DfE"
        )
