"""A synthetic county in a warehouse of its own, for training and for measuring: its truth is known."""

from __future__ import annotations

import contextlib
import csv
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from neet import database
from neet.feeds import landing
from neet.identity import linking, records
from neet.identity.records import Record, RecordKey
from neet.identity.resolving import Policy
from neet.services import postgres
from neet.settings import ROLES, Settings


@dataclass(frozen=True)
class Truth:
    """Who a record is about and what was done to it.

    Attributes:
        person: young_persons_id of the person's good record, or a number of their own for somebody not on Core+.
        corruption: kinds of fault, ``|`` between; empty for none.
        district: ONS code of where the person lives.
    """

    person: str
    corruption: str
    district: str


@dataclass(frozen=True)
class Trial:
    """A county loaded as far as linkage reads it."""

    settings: Settings
    dsn: dict[str, str]
    truth: dict[RecordKey, Truth]
    known_seq: int

    def records(self) -> tuple[list[Record], Policy]:
        with database.connect(self.dsn["builder"]) as connection:
            policy, cleaning = linking.read_policy(connection, self.known_seq)
            return records.read(connection, cleaning), policy


def read_truth(county: Path) -> dict[RecordKey, Truth]:
    """``truth/source_keys.csv`` of a county written with ``--sources``."""
    with (county / "truth" / "source_keys.csv").open(newline="", encoding="utf-8") as lines:
        return {
            (row["source_feed"], row["source_key"]): Truth(
                row["young_persons_id"], row["corruption"], row["district"]
            )
            for row in csv.DictReader(lines)
        }


@contextlib.contextmanager
def loaded(county: Path, say: Callable[[str], None] = lambda line: None) -> Iterator[Trial]:
    """Deliver every file of a county to a new warehouse on a server of its own, and build what linkage reads.

    Both are gone afterwards.

    Args:
        county: folder that the synthetic county wrote, with ``--sources``.
    """
    folder = Path(tempfile.mkdtemp(prefix="neet-trial-"))
    folder.chmod(0o755)
    password = postgres.create(folder / "postgres", durable=False)
    server = postgres.Server(folder / "postgres", postgres.free_port(), password)
    postgres.start(server.data, server.port, folder / "postgres.log")
    try:
        passwords = {role: secrets.token_urlsafe(12) for role in ROLES}
        database.create_roles(server.admin_dsn, "neet", passwords)
        dsn = {role: server.role_dsn(f"neet_{role}", passwords[role], "neet") for role in ROLES}
        database.migrate(dsn["owner"])
        settings = replace(Settings.load(folder / "home"), la_code="886")
        yield _deliver(county, settings, dsn, say)
    finally:
        postgres.stop(server.data, "immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _deliver(
    county: Path, settings: Settings, dsn: dict[str, str], say: Callable[[str], None]
) -> Trial:
    from neet import transform

    with (county / "schedule.csv").open(newline="", encoding="utf-8") as lines:
        schedule = list(csv.DictReader(lines))
    for number, row in enumerate(schedule, start=1):
        file = county / "exports" / row["deliver_on"] / row["file"]
        result = landing.receive(settings, dsn["loader"], row["feed"], file)
        if result.status not in ("accepted", "duplicate"):
            say(f"{row['file']} is {result.status}: {result.reason}")
        if number % 100 == 0:
            say(f"{number} of {len(schedule)} files delivered")
    build = transform.build_live(settings, dsn["builder"], layer="seeds")
    outcome = transform._Outcome(build)
    variables = {"lineage": "live", "known_seq": build.known_seq, "la_code": settings.la_code}
    transform._dbt(settings, dsn["builder"], ["--selector", "before_linkage"], variables, outcome)
    return Trial(settings, dsn, read_truth(county), build.known_seq)
