"""The inbox: where source systems leave files, one folder a feed."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import psycopg

from neet.database import connect
from neet.feeds import landing, loading, recovery
from neet.feeds.contract import Contract
from neet.feeds.landing import DeliveryResult, Landed
from neet.settings import Settings

log = logging.getLogger(__name__)

INBOX_LOCK = 8_860_002
"""First key of the advisory lock on one feed's inbox; the second is a checksum of the feed's name."""
UNFINISHED = (".part", ".tmp", ".partial", ".filepart", ".crdownload", ".swp")


def ingest_inbox(
    settings: Settings, dsn_loader: str, feed: str | None = None
) -> list[DeliveryResult]:
    """Land and load everything in ``<inbox>/<feed>/``, oldest period first.

    What a killed process left half done is finished first. A file leaves the inbox once it is landed.
    Files that are hidden, end like an unfinished transfer, or still change are left for the next time.

    Args:
        feed: default: every feed with a contract.
    Raises:
        neet.feeds.landing.UnknownFeed: no contract of that name.
        neet.feeds.contract.ContractError: a contract is broken.
        ExceptionGroup: some files could not be loaded; all others were.
    """
    contracts = landing.contracts_of(settings)
    if feed is not None:
        contracts = {feed: landing.contract_of(settings, feed)}
    failures: list[Exception] = []
    results: dict[str, DeliveryResult] = {}
    try:
        for result in recovery.recover(settings, dsn_loader):
            results[result.delivery_id] = result
    except ExceptionGroup as group:
        failures += group.exceptions
    if feed is None:
        _warn_of_strangers(settings, contracts)
    for contract in contracts.values():
        with _inbox(dsn_loader, contract.feed):
            for file in _files(settings, contract):
                try:
                    result = _take(settings, dsn_loader, contract, file)
                    results[result.delivery_id] = result
                except FileNotFoundError:
                    log.info("%s is gone; another process took it", file)
                except landing.StillArriving as error:
                    log.warning("%s", error)
                except (loading.LoadFailed, OSError) as error:
                    log.error("%s: %s", file, error)
                    failures.append(error)
    if failures:
        raise ExceptionGroup("Some files could not be loaded", failures)
    return list(results.values())


def feeds_with_work(settings: Settings, dsn: str) -> list[str]:
    """Feeds with files in the inbox, or with landed files that nobody has decided on, by name.

    Folders of the inbox that no contract is for are told to the log.

    Args:
        dsn: of a role that may read ``control``.
    Raises:
        neet.feeds.contract.ContractError: a contract is broken.
    """
    contracts = landing.contracts_of(settings)
    _warn_of_strangers(settings, contracts)
    found = {feed for feed, contract in contracts.items() if _files(settings, contract)}
    return sorted(found | (recovery.undecided_feeds(settings, dsn) & contracts.keys()))


@contextlib.contextmanager
def _inbox(dsn: str, feed: str) -> Iterator[None]:
    """One process at a time takes a feed's files, or each would be landed twice."""
    with connect(dsn, autocommit=True) as connection:
        key = zlib.crc32(feed.encode()) - (1 << 31)
        connection.execute(f"set lock_timeout = '{loading.LOCK_MINUTES}min'")
        try:
            connection.execute("select pg_advisory_lock(%s::int, %s::int)", [INBOX_LOCK, key])
        except psycopg.errors.LockNotAvailable:
            raise loading.LoadFailed(
                f"Another process has been working on the inbox of {feed} for "
                f"{loading.LOCK_MINUTES} minutes. Its files are still there."
            ) from None
        yield


def _files(settings: Settings, contract: Contract) -> list[Path]:
    """The feed's files in the order their content happened: else an older month that arrives together
    with a newer one would be held as late."""
    folder = settings.inbox / contract.feed
    if not folder.is_dir():
        return []
    found = []
    for entry in os.scandir(folder):
        name = entry.name
        if name.startswith((".", "~")) or name.lower().endswith(UNFINISHED):
            continue
        if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            log.warning("%s is no ordinary file and was left where it is", entry.path)
            continue
        found.append(Path(entry.path))

    def order(file: Path) -> tuple:
        match = contract.match_name(file.name)
        groups = match.groupdict() if match else {}
        when = groups.get("as_at") or groups.get("period") or ""
        return (not match, when, groups.get("mode", "") != "snapshot", file.name)

    return sorted(found, key=order)


def _take(settings: Settings, dsn_loader: str, contract: Contract, file: Path) -> DeliveryResult:
    status = file.stat()
    source = f"{status.st_dev}:{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"
    landed = _already_landed(settings, contract, file, source)
    if landed is None:
        landed = landing.land(settings, contract, file, source=source)
    file.unlink(missing_ok=True)
    return loading.load(settings, dsn_loader, contract, landed)


def _already_landed(
    settings: Settings, contract: Contract, file: Path, source: str
) -> Landed | None:
    """The newest landing of the file's period when it is this very file: a process was killed before
    it could take it out of the inbox."""
    identity = landing.identify(contract, file, settings.la_code)
    place = settings.landing / contract.feed / identity.provider / identity.period
    newest = max(place.glob(f"*/{landing.RECEIVED}"), default=None)
    if newest is None:
        return None
    landed = landing.read_landed(settings, newest.parent)
    if landed.source != source:
        return None
    with file.open("rb") as handle:
        same = hashlib.file_digest(handle, "sha256").hexdigest() == landed.sha256
    return landed if same else None


def _warn_of_strangers(settings: Settings, contracts: dict[str, Contract]) -> None:
    if settings.inbox.is_dir():
        for folder in sorted(settings.inbox.iterdir()):
            if folder.name not in contracts and not folder.name.startswith("."):
                log.warning(
                    "%s is not read: there is no contract expectations/feeds/%s.yml",
                    folder,
                    folder.name,
                )
