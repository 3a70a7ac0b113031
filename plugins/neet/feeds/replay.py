"""Rebuilding from landing alone, and proving that landing is what it was (design rule 6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from neet.database import connect
from neet.feeds import landing, loading, recovery
from neet.feeds.contract import Contract
from neet.feeds.landing import LandingDamaged
from neet.feeds.raw import ensure_raw_tables
from neet.settings import Settings

__all__ = [
    "LandingDamaged",
    "NotEmpty",
    "check_folder",
    "check_landing",
    "rebuild",
    "strangers",
    "verify_landing",
]


class NotEmpty(RuntimeError):
    """A rebuild begins with an empty migrated database."""


def verify_landing(settings: Settings, say: Callable[[str], None] | None = None) -> list[str]:
    """Compare every file of landing with its receipt, and the numbers given with each other.

    Returns:
        one sentence a problem; none when landing is whole.
    """
    problems: list[str] = []
    sequence: dict[int, str] = {}
    found = landing.folders(settings)
    for number, folder in enumerate(found, 1):
        if say and number % 200 == 0:
            say(f"Checked {number} of {len(found)} deliveries")
        try:
            problems += _check_folder(settings, folder, sequence)
        except LandingDamaged as error:
            problems += error.problems
    problems += _without_receipt(settings, set(found))
    for seq in sorted(set(range(1, max(sequence, default=0) + 1)) - set(sequence))[:100]:
        problems.append(f"delivery {seq} is missing: a folder that was accepted is gone")
    return problems


def check_folder(settings: Settings, folder: Path) -> list[str]:
    """Compare the files of one folder of landing with its receipt; one sentence a problem.

    Raises:
        LandingDamaged: its receipt or sidecar cannot be read.
    """
    return _check_folder(settings, folder, {})


def strangers(settings: Settings) -> list[str]:
    """Folders of landing that hold no receipt, one sentence each."""
    return _without_receipt(settings, set(landing.folders(settings)))


def _check_folder(settings: Settings, folder: Path, sequence: dict[int, str]) -> list[str]:
    landed = landing.read_landed(settings, folder)
    path = landed.landing_path
    files = json.loads((folder / landing.RECEIVED).read_text(encoding="utf-8"))["files"]
    problems = []
    for name, sha256 in sorted(files.items()):
        file = folder / name
        if not file.is_file():
            problems.append(f"{path}/{name} is missing")
            continue
        with file.open("rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != sha256:
                problems.append(
                    f"{path}/{name} was changed: its SHA-256 is not that of its receipt"
                )
    # the hash of a decision is of what was decided, without the moment
    if landed.mode != "decision" and files.get(landed.stored_name) != landed.sha256:
        problems.append(f"{path}/{landing.RECEIVED} contradicts itself")
    strangers = {file.name for file in folder.iterdir()} - set(files) - landing.SIDECARS
    problems += [
        f"{path}/{name} does not belong there"
        for name in sorted(strangers)
        if not name.startswith(".")  # a sidecar that a killed process was writing
    ]
    recorded = landing.decision_on(folder)
    if recorded is None:
        return problems
    if recorded["delivery_id"] != landed.delivery_id:
        problems.append(f"{path}/{recorded['status']}.json belongs to another delivery")
    if recorded.get("contract_sha256"):
        landing.kept_contract(settings, landed.feed, recorded["contract_sha256"])
    if recorded["status"] == "accepted":
        seq = recorded["delivery_seq"]
        if seq in sequence:
            problems.append(f"{path} and {sequence[seq]} both are delivery {seq}")
        sequence[seq] = path
    return problems


def _without_receipt(settings: Settings, found: set[Path]) -> list[str]:
    problems = []
    if settings.landing.exists():
        for feed in settings.landing.iterdir():
            if feed.name.startswith(".") or not feed.is_dir():
                continue
            problems += [
                f"{folder.relative_to(settings.landing)} has no {landing.RECEIVED}"
                for folder in sorted(feed.glob("*/*/*"))
                if folder not in found
            ]
    return problems


def check_landing(settings: Settings, say: Callable[[str], None] | None = None) -> None:
    """Raise :class:`LandingDamaged` unless :func:`verify_landing` finds nothing."""
    problems = verify_landing(settings, say)
    if problems:
        raise LandingDamaged(problems)


def rebuild(
    settings: Settings,
    dsn_owner: str,
    dsn_loader: str,
    dsn_gate: str,
    say: Callable[[str], None] | None = None,
) -> int:
    """Fill an empty migrated database from landing: the same deliveries, decisions, rejects and raw
    rows, under the same ``delivery_seq`` and ``accepted_at``.

    Files that were landed and never decided stay so; the next ingest takes them.

    Returns:
        how many deliveries and decisions were brought back.
    Raises:
        LandingDamaged: a file is not what its receipt says; nothing was written.
        NotEmpty: the database holds deliveries.
        neet.feeds.loading.ReplayDiffers: a file no longer loads to what it did.
    """
    check_landing(settings, say)
    with connect(dsn_owner) as owner:
        (count,) = owner.execute("select count(*) from control.delivery").fetchone()
        if count:
            raise NotEmpty(
                f"The database holds {count} deliveries already; a rebuild begins with an empty one. Drop "
                "the warehouse schemas first (`./neet rebuild`)."
            )
        ensure_raw_tables(owner, _contracts_ever_used(settings))
    roles = recovery.Roles(settings, {"loader": dsn_loader, "gate": dsn_gate})
    with loading.locked(dsn_loader) as connection:
        return recovery.finish(settings, connection, roles, say)


def _contracts_ever_used(settings: Settings) -> list[Contract]:
    """An old contract may have columns that today's no longer has."""
    folder = settings.landing / landing.CONTRACTS
    return [
        landing.kept_contract(settings, file.parent.name, file.stem)
        for file in sorted(folder.glob("*/*.yml"))
    ]
