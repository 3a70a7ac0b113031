"""Deliveries written straight into the raw tables: small rows in, for tests that look at rows out."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field

from psycopg import sql

from neet.database import connect

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
                key = "|".join(str(row[column]) for column in KEYS[feed])
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
