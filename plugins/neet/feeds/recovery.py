"""After a kill, or on an older copy of the database: landing has the last word.

Whatever landing says was decided and the database does not know is brought back, accepted ones in order
of ``delivery_seq``, before anything new is decided. On an empty database this *is* the rebuild.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from neet.database import connect
from neet.feeds import landing, loading
from neet.feeds.landing import DeliveryResult, Landed, LandingDamaged
from neet.settings import NotSetUp, Settings

log = logging.getLogger(__name__)

ABANDONED_SECONDS = 24 * 3600
DECISION = "decision."
FINAL = ("accepted", "refused", "duplicate")
LOADER_DECISIONS = ("decision.release", "decision.discard")


@dataclass
class Roles:
    """Connection strings by role; those not given come from the settings when they are needed."""

    settings: Settings
    given: dict[str, str]

    def dsn(self, role: str) -> str:
        try:
            return self.given.get(role) or self.settings.dsn(role)
        except NotSetUp as error:
            raise loading.LoadFailed(
                f"A delivery was left half decided, and only the {role} can finish it, whose connection "
                f"is not known here ({error}). Run ingest where it is; nothing new is decided until then."
            ) from error


def settle(settings: Settings, connection: psycopg.Connection, dsn: str) -> None:
    """Finish what the process before left between a sidecar and COMMIT, if it did.

    Costs one small query when it did not.

    Args:
        connection: any role's, holding the delivery lock.
        dsn: the connection string it was made with.
    """
    folder = landing.last_deciding(settings)
    if folder is None:
        return
    recorded = landing.decision_on(folder) if folder.exists() else None
    if recorded is None:  # killed before the sidecar: nothing was decided
        return
    if _status(connection, settings, folder) != recorded["status"]:
        role = connection.info.user.removeprefix("neet_")
        finish(settings, connection, Roles(settings, {role: dsn}))


def _status(connection: psycopg.Connection, settings: Settings, folder: Path) -> str | None:
    row = connection.execute(
        "select status from control.delivery where landing_path = %s",
        [folder.relative_to(settings.landing).as_posix()],
    ).fetchone()
    return row[0] if row else None


def finish(
    settings: Settings,
    connection: psycopg.Connection,
    roles: Roles,
    say: Callable[[str], None] | None = None,
) -> int:
    """Bring back everything that landing says was decided and the database does not know.

    Args:
        connection: any role's, holding the delivery lock; the work is done on connections of the
            roles that did it the first time.
        say: told what is being done, for long runs.
    Returns:
        how many deliveries and decisions were brought back.
    Raises:
        LandingDamaged: a folder cannot be read, or a ``delivery_seq`` is missing or given twice.
        neet.feeds.loading.ReplayDiffers: a file no longer loads to what it did.
    """
    known = dict(connection.execute("select landing_path, status from control.delivery").fetchall())
    accepted: list[tuple[int, Landed, dict[str, Any]]] = []
    others: list[tuple[Landed, dict[str, Any]]] = []
    for folder in landing.folders(settings):
        path = folder.relative_to(settings.landing).as_posix()
        if known.get(path) in FINAL:
            continue
        recorded = landing.decision_on(folder)
        if recorded is None or known.get(path) == recorded["status"]:
            continue
        landed = landing.read_landed(settings, folder)
        if recorded["status"] == "accepted":
            accepted.append((recorded["delivery_seq"], landed, recorded))
        else:
            others.append((landed, recorded))
    accepted.sort(key=lambda entry: entry[0])
    total = len(accepted) + len(others)
    done = 0
    with connect(roles.dsn("loader"), autocommit=True) as loader:
        for seq, landed, recorded in accepted:
            if recorded.get("settled_by"):
                continue  # its release brings it back
            (last,) = connection.execute(
                "select coalesce(max(delivery_seq), 0) from control.delivery"
            ).fetchone()
            if seq != last + 1:
                raise LandingDamaged(
                    [
                        f"{landed.landing_path} is number {seq}, but the database stands at {last}: "
                        "what lies between is not in landing, or another delivery has the number"
                    ]
                )
            if say:
                say(f"{done + 1} of {total}: {landed.feed} {landed.period} (delivery {seq})")
            _replay(settings, roles, loader, landed, recorded)
            done += 1
        for landed, recorded in sorted(others, key=lambda entry: entry[0].received_at):
            if _status(connection, settings, landed.folder) is None:
                if recorded.get("settled_by"):
                    raise LandingDamaged(
                        [
                            f"{landed.landing_path} was settled by decision {recorded['settled_by']}, "
                            "which is not in landing"
                        ]
                    )
                loading.replay(settings, loader, landed, recorded)
    left = [
        landed.landing_path
        for _, landed, recorded in accepted
        if recorded.get("settled_by") and _status(connection, settings, landed.folder) != "accepted"
    ]
    if left:
        raise LandingDamaged(
            [f"{path} was released by a decision that is not in landing" for path in left]
        )
    return total


def folder_of(settings: Settings, delivery_id: str) -> Path | None:
    """The folder of a delivery, by its id alone."""
    for folder in landing.folders(settings):
        if landing.read_landed(settings, folder).delivery_id == delivery_id:
            return folder
    return None


def _replay(
    settings: Settings,
    roles: Roles,
    loader: psycopg.Connection,
    landed: Landed,
    recorded: dict[str, Any],
) -> None:
    if not landed.feed.startswith(DECISION):
        loading.replay(settings, loader, landed, recorded)
        return
    from neet import decisions

    if landed.feed in LOADER_DECISIONS:
        decisions.replay(settings, loader, landed, recorded)
    else:
        with connect(roles.dsn("gate"), autocommit=True) as gate:
            decisions.replay(settings, gate, landed, recorded)


def undecided_feeds(settings: Settings, dsn: str) -> set[str]:
    """Feeds with landed files that the database has never heard of."""
    with connect(dsn) as connection:
        known = {
            path for (path,) in connection.execute("select landing_path from control.delivery")
        }
    paths = {folder.relative_to(settings.landing) for folder in landing.folders(settings)}
    return {path.parts[0] for path in paths if path.as_posix() not in known}


def recover(settings: Settings, dsn_loader: str) -> list[DeliveryResult]:
    """Finish what was half decided, then decide on what was landed and never decided.

    A file that a living process is reading is left to it. A file that cannot be decided on now (a raw table out of date) does not stop the others.

    Returns:
        results of the second kind, in order of receipt.
    Raises:
        LandingDamaged: see :func:`finish`.
        ExceptionGroup: some landed files could not be decided on.
    """
    roles = Roles(settings, {"loader": dsn_loader})
    results: list[DeliveryResult] = []
    failures: list[Exception] = []
    with loading.locked(dsn_loader) as connection:
        finish(settings, connection, roles)
        _sweep(settings)
        known = {
            path for (path,) in connection.execute("select landing_path from control.delivery")
        }
        undecided = [
            landing.read_landed(settings, folder)
            for folder in landing.folders(settings)
            if folder.relative_to(settings.landing).as_posix() not in known
        ]
        for landed in sorted(undecided, key=lambda entry: (entry.received_at, entry.delivery_id)):
            if not loading.claim(connection, landed):
                log.info("%s is being loaded by another process", landed.landing_path)
                continue
            try:
                contract = landing.contract_of(settings, landed.feed)
                results.append(loading.decide(settings, connection, contract, landed))
                log.info("%s", loading.words_of(results[-1]))
            except (landing.UnknownFeed, loading.LoadFailed) as error:
                log.error("%s stays undecided: %s", landed.landing_path, error)
                failures.append(error)
    for result in results:
        loading.report(settings, dsn_loader, result)
    if failures:
        raise ExceptionGroup(
            "Some landed files could not be loaded; they stay in landing", failures
        )
    return results


def _sweep(settings: Settings) -> None:
    """Remove what a killed process was filling; a living one is done long before."""
    incoming = settings.landing / landing.INCOMING
    if incoming.exists():
        for folder in incoming.iterdir():
            try:
                if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:
                pass
