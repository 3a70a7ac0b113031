"""The chain of submissions: what may be sealed next, and under which identity.

The ledger is apart from the payload (design rule 8): a payload depends on its known time alone, its
place in the chain on what was sealed before it.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from neet import calendar
from neet.database import connect

RETURN_LOCK = 8_860_003
"""Advisory lock held while a candidate is made, sealed or refused: one at a time, on any machine."""
LOCK_SECONDS = 120
START_FILE = calendar.FOLDER / "ledger_start.csv"
POINT = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class ChainBroken(RuntimeError):
    """The point may not be sealed or marked now; the message says what has to come first."""


@dataclass(frozen=True)
class Entry:
    """A row of ``ledger.submission``."""

    submission_id: str
    la_code: str
    census_point: str
    outcome: str
    chain_number: int
    previous_submission_id: str | None
    package_path: str | None
    payload_sha256: str | None
    manifest_sha256: str | None
    known_seq: int | None
    signed_by: str
    sealed_at: dt.datetime
    delivery_seq: int


ENTRIES = """
select submission_id, la_code, census_point, outcome, chain_number, previous_submission_id,
       package_path, payload_sha256, manifest_sha256, known_seq, signed_by, sealed_at, delivery_seq
from ledger.submission where la_code = %s order by chain_number
"""


@contextlib.contextmanager
def lock(dsn: str) -> Iterator[None]:
    """Hold :data:`RETURN_LOCK`; the server frees it when this process ends, however it ends.

    Raises:
        ChainBroken: somebody else held it for :data:`LOCK_SECONDS`.
    """
    with connect(dsn, autocommit=True) as connection:
        connection.execute(f"set lock_timeout = '{LOCK_SECONDS}s'")
        try:
            connection.execute("select pg_advisory_lock(%s)", [RETURN_LOCK])
        except psycopg.errors.LockNotAvailable:
            raise ChainBroken(
                f"Another return has been in work for {LOCK_SECONDS} s. Wait for it to end, then try again."
            ) from None
        yield


def entries(connection: psycopg.Connection, la_code: str) -> list[Entry]:
    """The whole chain of an authority, oldest first."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(ENTRIES, [la_code]).fetchall()


def latest_of_point(chain: list[Entry], census_point: str) -> Entry | None:
    """The last entry about a point, or ``None``."""
    return next((entry for entry in reversed(chain) if entry.census_point == census_point), None)


def submission_id(la_code: str, census_point: str, content: str, chain_number: int) -> str:
    """Identity of an entry: 32 hex digits of its authority, point, content and place in the chain.

    Args:
        content: the payload's hash, or ``not_sent``.
    """
    text = f"{la_code}|{census_point}|{content}|{chain_number}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def start(la_code: str, file: Path | None = None) -> str:
    """The first point of an authority's ledger: ``NEET_LEDGER_START`` or the row of ``ledger_start.csv``.

    Raises:
        ChainBroken: neither says, or what it says is no point.
    """
    found = os.environ.get("NEET_LEDGER_START")
    file = file or START_FILE
    if not found and file.exists():
        with file.open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                if row["la_code"] == la_code:
                    found = row["census_point"]
    if not found or not POINT.fullmatch(found):
        raise ChainBroken(
            f"Nothing says at which census point the ledger of authority {la_code} begins. Add its row "
            f"to {file.name}, or set NEET_LEDGER_START=YYYY-MM."
        )
    return found


def check_order(chain: list[Entry], la_code: str, census_point: str) -> None:
    """Raise :class:`ChainBroken` unless the point before is sealed or recorded as not sent.

    Raises:
        ValueError: the point is not written ``YYYY-MM``.
        neet.calendar.CalendarEnd: it is not in the loaded calendar.
    """
    before = calendar.census_point(la_code, census_point).previous_census_point
    first = start(la_code)
    if census_point < first:
        raise ChainBroken(
            f"The ledger of {la_code} begins with {first}; {census_point} is before it."
        )
    if census_point > first and latest_of_point(chain, before) is None:
        raise ChainBroken(
            f"{census_point} cannot be sealed: the point before it, {before}, is neither sealed nor "
            f"recorded as not sent. Seal it (`./neet census {before}`), or, if no return was sent for "
            f"it, record that (`./neet not-sent {before}`). Leavers are reported once, so the order matters."
        )
