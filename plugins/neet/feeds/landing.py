"""Landing: the immutable store of every file and decision ever received.

``<landing>/<feed>/<provider>/<period>/<received>_<sha8>/`` holds the file itself, ``received.json``
(what arrived and when) and, once decided, one of ``accepted.json``, ``held.json``, ``refused.json`` or
``duplicate.json``; a held delivery gets its ``accepted.json`` or ``refused.json`` later, beside the
``held.json``. A folder appears by one rename, a sidecar by another, so neither is ever seen half
written. Beside the feeds stand three names of our own:

``.incoming``
    folders being filled; what a killed process left there was never received.
``.contracts/<feed>/<sha256>.yml``
    every contract a delivery was read by: a rebuild reads it by the same one.
``.deciding.json``
    the delivery decided last, written before its sidecar. When the database does not know that
    delivery, somebody was killed between the sidecar and COMMIT, or the database is an older copy; the
    next to take the lock then finishes what landing says was decided before deciding anything new.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neet.feeds.contract import Contract, ContractError, load_contracts, parse
from neet.settings import Settings

RECEIVED = "received.json"
# The last word first: a released delivery has both held.json and accepted.json.
DECIDED = ("accepted", "refused", "held", "duplicate")
SIDECARS = {RECEIVED, *(f"{status}.json" for status in DECIDED)}
INCOMING, CONTRACTS, DECIDING = ".incoming", ".contracts", ".deciding.json"
UNKNOWN = "unknown"
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ ()+-]{0,180}")
SAFE_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")
COPY_BYTES = 1 << 20


class UnknownFeed(LookupError):
    """No contract of that name."""


class StillArriving(RuntimeError):
    """The file changed while it was being copied: its sender has not finished. Nothing was landed."""


class LandingDamaged(RuntimeError):
    """Landing is not what it says it is; the message lists every folder concerned.

    Attributes:
        problems: one sentence each.
    """

    def __init__(self, problems: list[str]):
        self.problems = problems
        shown = "\n".join(f"- {problem}" for problem in problems[:50])
        more = f"\n- and {len(problems) - 50} more" if len(problems) > 50 else ""
        super().__init__(
            "Landing is the truth from which everything is rebuilt, and it is damaged. Restore these "
            f"from a backup before going on; nothing was changed.\n{shown}{more}"
        )


@dataclass(frozen=True)
class DeliveryResult:
    """What became of one delivery.

    Attributes:
        status: ``accepted``, ``duplicate``, ``held`` or ``refused``.
        reason: ``code: sentence`` for every status but a plain acceptance.
        delivery_seq: order of acceptance; ``None`` unless accepted.
        rows_in: data rows in the file = loaded + unchanged + rejected when accepted.
        rows_loaded: rows that wrote a version (of a delta: deletions too).
        rows_closed: versions that close a key: left out of a snapshot, or deleted by a delta.
        landing_path: folder of the file.
        closures_held: a key could not be read, so the snapshot closed nothing.
        warnings: what a person should know though it stopped nothing.
    """

    delivery_id: str
    feed: str
    provider: str
    period: str
    status: str
    reason: str | None
    delivery_seq: int | None
    rows_in: int
    rows_loaded: int
    rows_unchanged: int
    rows_rejected: int
    rows_closed: int
    landing_path: str
    closures_held: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Landed:
    """One folder of landing, as its ``received.json`` describes it.

    Attributes:
        landing_path: relative to the landing folder.
        file_name: as the sender called it; ``stored_name`` is its name in the folder.
        as_at: the date the content is as at, where the file says.
        problem: ``code: sentence`` when it was plain on arrival that the file cannot be used.
        source: device, inode, time and size of the file in the inbox, to know it again after a kill.
    """

    folder: Path
    landing_path: str
    delivery_id: str
    feed: str
    provider: str
    period: str
    la_code: str
    as_at: dt.date | None
    mode: str
    file_name: str
    stored_name: str
    sha256: str
    bytes: int
    received_at: dt.datetime
    problem: str | None = None
    source: str | None = None

    @property
    def file(self) -> Path:
        return self.folder / self.stored_name


@dataclass(frozen=True)
class Identity:
    """Whose file it is and for which period, or why that cannot be said."""

    provider: str
    period: str
    la_code: str
    as_at: dt.date | None
    mode: str
    problem: str | None = None


def contracts_of(settings: Settings) -> dict[str, Contract]:
    """The feed contracts in force.

    Raises:
        neet.feeds.contract.ContractError: one is broken.
    """
    return load_contracts(settings.expectations / "feeds")


def contract_of(settings: Settings, feed: str) -> Contract:
    """The contract of one feed.

    Raises:
        UnknownFeed: there is none.
        neet.feeds.contract.ContractError: a contract is broken.
    """
    contracts = contracts_of(settings)
    if feed not in contracts:
        raise UnknownFeed(
            f"There is no feed {feed!r}. Feeds with a contract: {', '.join(sorted(contracts))}. A new one "
            "needs expectations/feeds/<feed>.yml."
        )
    return contracts[feed]


def identify(contract: Contract, file: Path, la_code: str) -> Identity:
    """Provider, period, mode and as-at date of a file, from its name or, for NCCIS XML, its header.

    Args:
        la_code: the authority a file counts for that does not say whose it is.
    """
    unknown = Identity(UNKNOWN, UNKNOWN, la_code, None, contract.modes[0])
    match = contract.match_name(file.name)
    if not match:
        return replace(
            unknown,
            problem=f"unknown_file_name: the name {file.name!r} does not say whose file this is, for "
            f"when. This feed's files are called like {contract.example}. Rename it and deliver it again.",
        )
    if "nccis_xml" in contract.formats:
        return _identify_return(contract, file, unknown)
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    provider = groups.get("provider", contract.provider)
    try:
        as_at = _eight_digits(groups["as_at"]) if "as_at" in groups else None
        period = groups.get("period") or (
            f"AY{groups['academic_year']}" if "academic_year" in groups else as_at.isoformat()
        )
        first_day(period)
        if not SAFE_PART.fullmatch(provider):
            raise ValueError(provider)
    except ValueError:
        return replace(
            unknown,
            problem=f"unknown_period: the name {file.name!r} holds a date or a provider that cannot be. "
            f"Files of this feed are called like {contract.example}. Rename it and deliver it again.",
        )
    return Identity(
        provider=provider,
        period=period,
        la_code=contract.la_code or provider,
        as_at=as_at,
        mode=groups.get("mode", contract.modes[0]).lower(),
    )


def _identify_return(contract: Contract, file: Path, unknown: Identity) -> Identity:
    from neet.nccis import xml

    try:
        with xml.read(file) as found:
            header = found.header
    except (xml.NccisFileError, OSError) as error:
        return replace(
            unknown,
            problem=f"not_an_nccis_return: {error}. {contract.owner_service} must get a whole, "
            "well-formed file from whoever made it.",
        )
    provider = header.database_ids[0] if header.database_ids else ""
    la_code = header.source_leas[0] if header.source_leas else ""
    try:
        period_end = dt.date.fromisoformat(header.period_end or "")
        if not SAFE_PART.fullmatch(provider) or not SAFE_PART.fullmatch(la_code):
            raise ValueError
    except ValueError:
        return replace(
            unknown,
            problem="unknown_return: its FileHeader must name a DatabaseID, a source LEACode and a "
            f"PeriodEnd (YYYY-MM-DD); it has {provider[:40]!r}, {la_code[:40]!r} and "
            f"{(header.period_end or '')[:40]!r}. {contract.owner_service} must get a corrected file.",
        )
    return Identity(provider, period_end.isoformat(), la_code, period_end, contract.modes[0])


def _eight_digits(text: str) -> dt.date:
    if not re.fullmatch(r"[0-9]{8}", text):
        raise ValueError(text)
    return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))


def first_day(period: str) -> dt.date:
    """First day of a period, which is ``2021``, ``2021-12``, ``2021-12-31`` or ``AY2021-22``, an academic
    year: it picks the layout.

    Raises:
        ValueError: it is none of these, or no such day exists.
    """
    if period.startswith("AY"):
        first, last = period[2:].split("-")
        if (int(first) + 1) % 100 != int(last):
            raise ValueError(period)
        return dt.date(int(first), 9, 1)
    parts = [int(part) for part in period.split("-")]
    return dt.date(*(parts + [1, 1])[:3])


def delivery_id_of(feed: str, received_at: dt.datetime, landing_path: str) -> str:
    """The identity of a delivery: feed, day of receipt, hash of its place in landing."""
    digest = hashlib.sha256(landing_path.encode()).hexdigest()[:12]
    return f"{feed.removeprefix('decision.')}-{received_at:%Y%m%d}-{digest}"


def land(
    settings: Settings,
    contract: Contract,
    file: Path,
    received_at: dt.datetime | None = None,
    source: str | None = None,
) -> Landed:
    """Copy a file into landing, whatever it holds. Nothing is loaded yet.

    Args:
        received_at: default: now. Moved on by microseconds should that place be taken.
    Raises:
        OSError: the file cannot be read, or landing cannot be written.
        StillArriving: it changed while being copied.
    """
    before = os.stat(file)
    if not stat.S_ISREG(before.st_mode):
        raise OSError(f"{file} is not an ordinary file, so it cannot be delivered.")
    identity = identify(contract, file, settings.la_code)
    received_at = as_utc(received_at or dt.datetime.now(dt.UTC))
    usable = SAFE_NAME.fullmatch(file.name) and file.name not in SIDECARS
    stored_name = file.name if usable else "delivered_file"
    with incoming_folder(settings) as folder:
        digest, size = _copy(file, folder / stored_name)
        after = os.stat(file)
        if (after.st_size, after.st_mtime_ns, size) != (
            before.st_size,
            before.st_mtime_ns,
            before.st_size,
        ):
            raise StillArriving(
                f"{file} is still being written (it changed while it was copied). It stays where it is; "
                "deliver it when its sender has finished, best by renaming it into place."
            )
        while True:
            path = "/".join(
                (
                    contract.feed,
                    identity.provider,
                    identity.period,
                    f"{received_at:%Y%m%dT%H%M%S%f}_{digest[:8]}",
                )
            )
            landed = Landed(
                folder=settings.landing / path,
                landing_path=path,
                delivery_id=delivery_id_of(contract.feed, received_at, path),
                feed=contract.feed,
                provider=identity.provider,
                period=identity.period,
                la_code=identity.la_code,
                as_at=identity.as_at,
                mode=identity.mode,
                file_name=file.name.encode("utf-8", "backslashreplace").decode()[:400],
                stored_name=stored_name,
                sha256=digest,
                bytes=size,
                received_at=received_at,
                problem=identity.problem,
                source=source,
            )
            write_json(folder / RECEIVED, receipt(landed, {stored_name: digest}))
            if appear(folder, landed.folder):
                return landed
            received_at += dt.timedelta(microseconds=1)


def _copy(source: Path, target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(COPY_BYTES):
            digest.update(chunk)
            size += len(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    target.chmod(0o440)
    return digest.hexdigest(), size


def as_utc(moment: dt.datetime) -> dt.datetime:
    """A moment in UTC; one without a zone is taken to be UTC."""
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def receipt(landed: Landed, files: Mapping[str, str]) -> dict[str, Any]:
    """The content of ``received.json``: what arrived, and the SHA-256 of every file."""
    return {
        "delivery_id": landed.delivery_id,
        "feed": landed.feed,
        "provider": landed.provider,
        "period": landed.period,
        "la_code": landed.la_code,
        "as_at": landed.as_at and landed.as_at.isoformat(),
        "mode": landed.mode,
        "file_name": landed.file_name,
        "stored_name": landed.stored_name,
        "sha256": landed.sha256,
        "bytes": landed.bytes,
        "received_at": landed.received_at.isoformat(),
        "problem": landed.problem,
        "source": landed.source,
        "files": dict(files),
    }


def read_landed(settings: Settings, folder: Path) -> Landed:
    """A folder of landing.

    Raises:
        LandingDamaged: its ``received.json`` cannot be read, or is of another folder.
    """
    path = folder.relative_to(settings.landing).as_posix()
    try:
        found = json.loads((folder / RECEIVED).read_text(encoding="utf-8"))
        received_at = dt.datetime.fromisoformat(found["received_at"])
        landed = Landed(
            folder=folder,
            landing_path=path,
            delivery_id=found["delivery_id"],
            feed=found["feed"],
            provider=found["provider"],
            period=found["period"],
            la_code=found["la_code"],
            as_at=dt.date.fromisoformat(found["as_at"]) if found["as_at"] else None,
            mode=found["mode"],
            file_name=found["file_name"],
            stored_name=found["stored_name"],
            sha256=found["sha256"],
            bytes=found["bytes"],
            received_at=received_at,
            problem=found["problem"],
            source=found["source"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LandingDamaged([f"{path}/{RECEIVED} cannot be read ({error!r})"]) from error
    if landed.delivery_id != delivery_id_of(landed.feed, received_at, path):
        raise LandingDamaged([f"{path}/{RECEIVED} belongs to another folder, or was changed"])
    return landed


@contextlib.contextmanager
def incoming_folder(settings: Settings) -> Iterator[Path]:
    """A private folder on landing's file system, gone at the end unless it was renamed into place."""
    folder = settings.landing / INCOMING / uuid.uuid4().hex
    folder.mkdir(parents=True, mode=0o750)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def appear(folder: Path, place: Path) -> bool:
    """Rename a filled folder into its place; ``False`` when that place is taken."""
    sync_folder(folder)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    try:
        folder.rename(place)
    except OSError:
        if place.exists():
            return False
        raise
    for above in list(place.parents)[:4]:
        sync_folder(above)
    return True


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that the file is either wholly there or not at all."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_bytes(file, text.encode())


def write_bytes(file: Path, data: bytes) -> None:
    """Write a file so that it is either wholly there or not at all."""
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    with temporary.open("xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.rename(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def decision_on(folder: Path) -> dict[str, Any] | None:
    """The sidecar that holds a folder's last word, with its ``status``; ``None`` while undecided.

    Raises:
        LandingDamaged: it cannot be read.
    """
    for status in DECIDED:
        found = read_sidecar(folder, status)
        if found is not None:
            return found
    return None


def read_sidecar(folder: Path, status: str) -> dict[str, Any] | None:
    """One sidecar of a folder.

    Raises:
        LandingDamaged: it cannot be read.
    """
    file = folder / f"{status}.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LandingDamaged([f"{file} cannot be read ({error})"]) from error
    if not isinstance(found, dict) or found.get("status") != status:
        raise LandingDamaged([f"{file} does not hold the status its name says"])
    return found


def note_deciding(settings: Settings, landing_path: str) -> None:
    """Say which delivery is about to get its sidecar (see the module's text)."""
    write_json(settings.landing / DECIDING, {"landing_path": landing_path})


def last_deciding(settings: Settings) -> Path | None:
    """Folder of the delivery decided last, by whoever it was."""
    try:
        note = json.loads((settings.landing / DECIDING).read_text(encoding="utf-8"))
        return settings.landing / note["landing_path"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LandingDamaged([f"{settings.landing / DECIDING} cannot be read ({error})"]) from error


def keep_contract(settings: Settings, contract: Contract) -> None:
    """Keep the contract a delivery is read by."""
    file = settings.landing / CONTRACTS / contract.feed / f"{contract.sha256}.yml"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        write_bytes(file, contract.text.encode())


def contracts_kept(settings: Settings, feed: str) -> list[str]:
    """SHA-256 of every contract that a delivery of a feed was ever read by."""
    return sorted(file.stem for file in (settings.landing / CONTRACTS / feed).glob("*.yml"))


def kept_contract(settings: Settings, feed: str, sha256: str) -> Contract:
    """A contract as it was when a delivery was read by it.

    Raises:
        LandingDamaged: it is gone, changed, or no longer understood.
    """
    path = f"{CONTRACTS}/{feed}/{sha256}.yml"
    try:
        text = (settings.landing / path).read_bytes()
        if hashlib.sha256(text).hexdigest() != sha256:
            raise LandingDamaged([f"{path} is not what its name says: its content was changed"])
        return parse(text.decode(), f"expectations/feeds/{feed}.yml")
    except (OSError, UnicodeDecodeError, ContractError) as error:
        raise LandingDamaged([f"{path} cannot be used ({error})"]) from error


def folders(settings: Settings) -> list[Path]:
    """Every delivery folder of landing, in order of its path."""
    if not settings.landing.exists():
        return []
    found = []
    for feed in settings.landing.iterdir():
        if feed.is_dir() and not feed.name.startswith("."):
            found += [file.parent for file in feed.glob(f"*/*/*/{RECEIVED}")]
    return sorted(found)


def receive(
    settings: Settings,
    dsn_loader: str,
    feed: str,
    file: Path,
    received_at: dt.datetime | None = None,
    say: Callable[[str], None] | None = None,
) -> DeliveryResult:
    """Land one file and load it.

    Args:
        dsn_loader: connection of the loader.
        feed: name of a contract in ``expectations/feeds``.
        received_at: default: now. It says when the file came; acceptance has its own clock.
        say: told every few seconds how far a long load is; default: the log.
    Raises:
        UnknownFeed: no such contract.
        neet.feeds.contract.ContractError: a contract is broken.
        OSError, StillArriving: the file cannot be taken; nothing was landed.
        neet.feeds.loading.LoadFailed: landed, but the database could not take it now; the next
            :func:`neet.feeds.ingest.ingest_inbox` tries again.
    """
    from neet.feeds import loading

    contract = contract_of(settings, feed)
    landed = land(settings, contract, Path(file), received_at)
    return loading.load(settings, dsn_loader, contract, landed, say)


def recover(settings: Settings, dsn_loader: str) -> list[DeliveryResult]:
    """Finish what a killed process left half done, then load what was landed and never decided.

    Returns:
        the deliveries of the second kind.
    """
    from neet.feeds import recovery

    return recovery.recover(settings, dsn_loader)
