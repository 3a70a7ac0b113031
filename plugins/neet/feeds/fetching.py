"""Files from where their senders left them into the inbox: whole, once, and only what was asked for.

A file is copied to ``<inbox>/.fetching/<feed>/`` first and appears in ``<inbox>/<feed>/`` by one rename, when its size
and, where the source tells one, its hash are right and the source has not changed it meanwhile. A copy that broke off
goes on where it stopped, if the file at the source is still the same.

``<home>/fetched/<feed>.jsonl`` remembers every file ever taken. Before the rename it says ``placing``, after it
``placed``: whoever is killed between the two is finished by the next, and what was taken is never taken again unless
the source changed it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import fnmatch
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from neet import lineage
from neet.feeds import landing
from neet.feeds.contract import Contract
from neet.feeds.ingest import UNFINISHED
from neet.feeds.sources import Source
from neet.progress import Progress
from neet.settings import Settings

log = logging.getLogger(__name__)

FETCHING = ".fetching"
READ_BYTES = 1 << 20
CHECKSUM = ".sha256"
CHECKSUM_BYTES = 4096


class FetchFailed(RuntimeError):
    """A source or a file of it could not be fetched now; trying again may help. Nothing half of it is in the inbox."""


class FetchRefused(RuntimeError):
    """A file is not taken, however often it is tried; the message says why and who must mend it."""


@dataclass(frozen=True)
class Remote:
    """A file as its source lists it.

    Attributes:
        path: by which the source finds it.
        version: changes whenever the content may have changed (entity tag, or time and size); ``None``: the source
            tells nothing.
        size: in bytes, where it is told.
        modified: when it was last written, where that is told.
        md5: of the content in hexadecimal, where it is told.
    """

    name: str
    path: str
    version: str | None
    size: int | None = None
    modified: dt.datetime | None = None
    md5: str | None = None


class Store(Protocol):
    """A place that files are fetched from."""

    def list(self, known: Callable[[str], str | None]) -> list[Remote]:
        """Every file there. ``known`` gives the version of a path fetched last, so that a source may answer from it."""

    def open(self, remote: Remote, offset: int) -> contextlib.AbstractContextManager[BinaryIO]:
        """The content from a byte on.

        Raises:
            NotResumable: it is to be had only from the beginning.
        """

    def again(self, remote: Remote) -> Remote | None:
        """The same file as it is now; ``None`` when it is gone."""

    def delete(self, remote: Remote) -> None: ...

    def move(self, remote: Remote, folder: str, name: str) -> None: ...


class NotResumable(Exception):
    """The source gives the file only from its beginning, or it has changed."""


@dataclass(frozen=True)
class Fetched:
    """One line of the ledger.

    Attributes:
        url: of the file, without any account.
        state: ``placing`` or ``placed``.
        part: name of the whole copy, while ``placing``.
    """

    feed: str
    url: str
    name: str
    version: str | None
    size: int
    sha256: str
    state: str
    at: str
    part: str


class Ledger:
    """What has been fetched of one feed; held by one process at a time.

    Args:
        settings: the installation.
        feed: whose.
    """

    def __init__(self, settings: Settings, feed: str) -> None:
        self.file = settings.home / "fetched" / f"{feed}.jsonl"
        self.latest: dict[str, Fetched] = {}
        self._read()

    def _read(self) -> None:
        if not self.file.exists():
            return
        for line in self.file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError):  # a killed process left half a line
                entry = Fetched(**json.loads(line))
                self.latest[entry.url] = entry

    def write(self, entry: Fetched) -> None:
        """Remember, durably."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+b") as out:
            out.seek(0, os.SEEK_END)
            if out.tell():
                out.seek(-1, os.SEEK_END)
                if out.read(1) != b"\n":
                    out.write(b"\n")
            out.write(json.dumps(asdict(entry)).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
        self.latest[entry.url] = entry


def is_listed(source: Source, remote: Remote) -> bool:
    """Whether a file of the source's folder is one to take: its name fits and is not that of an unfinished one."""
    name = remote.name
    if "/" in name:  # outside its folder: not passed over but refused, so that somebody hears of it
        return True
    if name.startswith((".", "~")) or name.lower().endswith((*UNFINISHED, CHECKSUM)):
        return False
    return source.name is not None or fnmatch.fnmatchcase(name, source.glob)


def news(settings: Settings, source: Source, store: Store) -> list[str]:
    """Names that the source has and that were never taken, or were changed since. Nothing is fetched.

    Raises:
        FetchFailed: the source does not answer.
    """
    ledger = Ledger(settings, source.feed)
    with _answering(source):
        listed = store.list(lambda path: _version(ledger, source, path))
    return [
        remote.name
        for remote in listed
        if is_listed(source, remote) and not _is_known(ledger, source, remote)
    ]


def fetch(settings: Settings, contract: Contract, source: Source, store: Store) -> list[Fetched]:
    """Everything new at a source into the inbox.

    Returns:
        what was placed, with what an earlier process had left half done.
    Raises:
        ExceptionGroup: of :class:`FetchFailed` and :class:`FetchRefused`; all other files were placed.
    """
    place = _Place(settings, contract)
    failures: list[Exception] = []
    placed: list[Fetched] = []
    with place.alone():
        ledger = Ledger(settings, contract.feed)
        placed += place.finish(ledger)
        try:
            with _answering(source):
                listed = store.list(lambda path: _version(ledger, source, path))
        except (FetchFailed, FetchRefused) as error:
            raise ExceptionGroup(f"{source.words}: not fetched", [error]) from error
        names = {remote.name: remote for remote in listed}
        waiting = {entry.url for entry in ledger.latest.values() if entry.state == "placing"}
        for remote in sorted(listed, key=lambda each: each.name):
            if not is_listed(source, remote) or _url(source, remote.path) in waiting:
                continue
            try:
                with _answering(source):
                    entry = _one(place, ledger, source, store, remote, names)
            except (FetchFailed, FetchRefused) as error:
                log.error("%s", error)
                failures.append(error)
                continue
            if entry is not None:
                placed.append(entry)
    if failures:
        raise ExceptionGroup(f"{source.words}: not everything was fetched", failures)
    return placed


@contextlib.contextmanager
def _answering(source: Source) -> Iterator[None]:
    """Whatever a client library raises becomes one kind of error, with the source's name."""
    try:
        yield
    except (FetchFailed, FetchRefused):
        raise
    except FileNotFoundError as error:
        raise FetchFailed(
            f"{source.words}: {error} is not there. Ask the sender whether the folder or the account changed; the "
            "address stands in expectations/sources.yml."
        ) from error
    except Exception as error:
        raise FetchFailed(
            f"{source.words}: {type(error).__name__}: {error}. The next run tries again; if it goes on, ask the sender, "
            "or look at the Airflow connection."
        ) from error


def _url(source: Source, path: str) -> str:
    if source.name is not None:
        return source.url
    if source.scheme == "s3":
        return f"s3://{path.lstrip('/')}"
    return f"{source.scheme}://{source.connection or ''}{path}"


def _version(ledger: Ledger, source: Source, path: str) -> str | None:
    entry = ledger.latest.get(_url(source, path))
    return entry.version if entry else None


def _is_known(ledger: Ledger, source: Source, remote: Remote) -> bool:
    entry = ledger.latest.get(_url(source, remote.path))
    if entry is None or remote.version is None or entry.version != remote.version:
        return False
    return remote.size is None or remote.size == entry.size


def _one(
    place: _Place,
    ledger: Ledger,
    source: Source,
    store: Store,
    remote: Remote,
    names: dict[str, Remote],
) -> Fetched | None:
    owner = place.contract.owner_service
    if not landing.SAFE_NAME.fullmatch(remote.name) or remote.name in landing.SIDECARS:
        raise FetchRefused(
            f"{source.words}: the name {remote.name!r} is not taken: a name has letters, digits, blank and . _ - ( ) + "
            f"only, begins with a letter or digit and never climbs out of its folder. {owner} must have it renamed."
        )
    if _is_known(ledger, source, remote):
        _settle(source, store, remote, ledger.latest[_url(source, remote.path)])
        return None
    if remote.modified is not None and source.quiet_seconds:
        age = (dt.datetime.now(dt.UTC) - remote.modified).total_seconds()
        if 0 <= age < source.quiet_seconds:
            log.info("%s changed %.0f s ago; it is left for the next time", remote.name, age)
            return None
    limit = place.contract.max_bytes
    if remote.size is not None and remote.size > limit:
        raise FetchRefused(_too_big(source, remote, f"{remote.size:,} bytes", limit, owner))
    part = place.copy(source, store, remote, limit, owner)
    now = store.again(remote)
    if now is not None and (now.version, now.size) != (remote.version, remote.size):
        part.discard()
        raise FetchFailed(
            f"{source.words}: {remote.name} changed while it was copied; its sender has not finished. The next run "
            "takes it."
        )
    _compare(source, store, remote, part, names.get(remote.name + CHECKSUM))
    before = ledger.latest.get(_url(source, remote.path))
    if remote.version is None and before is not None and before.sha256 == part.sha256:
        part.discard()
        return None
    entry = Fetched(
        feed=source.feed,
        url=_url(source, remote.path),
        name=remote.name,
        version=remote.version,
        size=part.size,
        sha256=part.sha256,
        state="placing",
        at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        part=part.file.name,
    )
    entry = place.place(ledger, entry)
    if entry is not None:
        _settle(source, store, remote, entry)
    return entry


def _too_big(source: Source, remote: Remote, size: str, limit: int, owner: str) -> str:
    return (
        f"{source.words}: {remote.name} has {size}, more than the {limit:,} that the contract allows (maxBytes). It is not "
        f"taken. {owner} must say whether that is right; if so, raise maxBytes in expectations/feeds/{source.feed}.yml."
    )


def _compare(
    source: Source, store: Store, remote: Remote, part: _Part, beside: Remote | None
) -> None:
    """The copy against everything the source tells about the file.

    Raises:
        FetchFailed: they differ; the copy is gone.
    """
    problem = None
    if remote.size is not None and part.size != remote.size:
        problem = f"{part.size:,} bytes came of {remote.size:,}"
    elif remote.md5 is not None and part.md5 != remote.md5:
        problem = f"its MD5 is {part.md5}, not {remote.md5}"
    elif beside is not None:
        with store.open(beside, 0) as reader:
            told = reader.read(CHECKSUM_BYTES).decode("ascii", "replace").split()
        if not told or told[0].lower() != part.sha256:
            problem = f"its SHA-256 is {part.sha256}, not that of {beside.name}"
    if problem:
        part.discard()
        raise FetchFailed(
            f"{source.words}: {remote.name} did not come whole: {problem}. The next run tries again."
        )


def _settle(source: Source, store: Store, remote: Remote, entry: Fetched) -> None:
    """Clear away at the source what is safely here. That it could not be done loses nothing: it is known."""
    try:
        if source.after == "delete":
            store.delete(remote)
        elif source.after == "archive":
            store.move(remote, source.archive, f"{entry.sha256[:8]}_{remote.name}")
    except Exception as error:
        log.warning(
            "%s: %s was fetched but could not be cleared away there (%s: %s); the next run tries again",
            source.words, remote.name, type(error).__name__, error,
        )  # fmt: skip


@dataclass
class _Part:
    """A copy being made, with what its content hashes to so far."""

    file: Path
    note: Path
    size: int
    sha256: str
    md5: str

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


class _Place:
    """Where copies of one feed are made and where they appear."""

    def __init__(self, settings: Settings, contract: Contract) -> None:
        self.settings = settings
        self.contract = contract
        self.inbox = settings.inbox / contract.feed
        self.parts = settings.inbox / FETCHING / contract.feed

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time fetches a feed."""
        self.parts.mkdir(parents=True, exist_ok=True)
        with (self.parts / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def finish(self, ledger: Ledger) -> list[Fetched]:
        """What a killed process had whole but not yet in the inbox, or not yet written down as placed."""
        done = []
        for entry in list(ledger.latest.values()):
            if entry.state == "placing":
                finished = self.place(ledger, entry)
                if finished is not None:
                    done.append(finished)
        return done

    def place(self, ledger: Ledger, entry: Fetched) -> Fetched | None:
        """Show a whole copy in the inbox, once; ``None`` when one of that name still waits there."""
        part, target = self.parts / entry.part, self.inbox / entry.name
        self.inbox.mkdir(parents=True, exist_ok=True)
        if part.exists():
            if target.exists() and not _same(target, entry.sha256):
                log.warning(
                    "%s is still in the inbox with other content; the new one is placed when that is loaded", target
                )  # fmt: skip
                return None
            ledger.write(entry)
            os.replace(part, target)
            landing.sync_folder(self.inbox)
        placed = Fetched(**(asdict(entry) | {"state": "placed"}))
        ledger.write(placed)
        lineage.file_fetched(self.settings, placed)
        part.with_suffix(".json").unlink(missing_ok=True)
        log.info("%s of %s is in the inbox: %s bytes from %s", entry.name, entry.feed, f"{entry.size:,}", entry.url)  # fmt: skip
        return placed

    def copy(self, source: Source, store: Store, remote: Remote, limit: int, owner: str) -> _Part:
        """The content, from where an earlier attempt stopped.

        Raises:
            FetchRefused: it is longer than the limit.
            Exception: the source broke off; what came is kept for the next attempt.
        """
        key = hashlib.sha256(_url(source, remote.path).encode()).hexdigest()[:24]
        file, note = self.parts / f"{key}.part", self.parts / f"{key}.json"
        version = {"version": remote.version, "size": remote.size}
        if not (file.exists() and remote.version and _read_json(note) == version):
            file.unlink(missing_ok=True)
            landing.write_json(note, version) if remote.version else note.unlink(missing_ok=True)
        try:
            return self._copy(source, store, remote, limit, owner, file, note)
        except NotResumable:
            file.unlink(missing_ok=True)
            return self._copy(source, store, remote, limit, owner, file, note)

    def _copy(self, source, store, remote, limit, owner, file: Path, note: Path) -> _Part:
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with (
            Progress(self.settings, f"fetch of {remote.name}") as progress,
            file.open("a+b") as out,
        ):
            out.seek(0)
            while chunk := out.read(READ_BYTES):
                sha256.update(chunk)
                md5.update(chunk)
                size += len(chunk)
            if size == 0 or remote.size is None or size < remote.size:
                with store.open(remote, size) as reader:
                    while chunk := reader.read(READ_BYTES):
                        size += len(chunk)
                        if size > limit:
                            out.close()
                            _Part(file, note, 0, "", "").discard()
                            raise FetchRefused(
                                _too_big(source, remote, f"more than {limit:,} bytes", limit, owner)
                            )
                        sha256.update(chunk)
                        md5.update(chunk)
                        out.write(chunk)
                        share = size / remote.size if remote.size else None
                        progress.at("copying", size // 1024, share, "KiB")
            out.flush()
            os.fsync(out.fileno())
        return _Part(file, note, size, sha256.hexdigest(), md5.hexdigest())


def _read_json(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _same(file: Path, sha256: str) -> bool:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == sha256
