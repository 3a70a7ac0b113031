"""Deciding on a landed file and loading it, in one transaction.

The rows of a file are compared with the latest version of each key, and only what differs is copied
into ``raw``, straight from the parser: staging the file first would write every row twice.

Numbers are given, and rows written, while holding :data:`neet.database.DELIVERY_LOCK`: without gaps, in
the order of COMMIT. A file is read and compared before that, until the changes found fill
:data:`PREPARED_CHARACTERS`: of most files that is all of it. Should another delivery of the feed be
accepted meanwhile, what was prepared is thrown away and the file read again under the lock.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import json
import logging
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import compress, repeat
from operator import ne
from typing import Any

import psycopg
from psycopg import sql

from neet import lineage
from neet.database import DELIVERY_LOCK, connect
from neet.feeds import landing
from neet.feeds.contract import Contract
from neet.feeds.landing import DeliveryResult, Landed
from neet.feeds.profile import profile
from neet.feeds.reading import (
    DELETED,
    ODD,
    QUOTE,
    SEPARATOR,
    FileRefused,
    Reading,
    Reject,
    Rows,
    open_file,
)
from neet.progress import Progress
from neet.settings import Settings

log = logging.getLogger(__name__)

FRAME = (
    "la_code", "provider", "period", "row_key", "row_hash", "operation", "delivery_seq", "line_number",
)  # fmt: skip
CLAIM_LOCK = 8_860_003
"""First key of the advisory lock on one landed file; the second is a checksum of its delivery's id."""
KEYS_AT_ONCE = 20_000
LOCK_MINUTES = 15
PREPARED_CHARACTERS = 4 << 20
# Below this size the keys of a delta are looked up one by one; above, all that is known is read.
SMALL_DELTA_BYTES = 4 << 20


class LoadFailed(RuntimeError):
    """The database could not take a delivery that may be right; it stays landed and undecided."""


class ReplayDiffers(RuntimeError):
    """A delivery replayed from landing did not come out as it did the first time."""


@dataclass(frozen=True)
class Counts:
    """Rows of one delivery; see :class:`neet.feeds.landing.DeliveryResult`."""

    rows_in: int = 0
    rows_loaded: int = 0
    rows_unchanged: int = 0
    rows_rejected: int = 0
    rows_closed: int = 0
    closures_held: bool = False


@dataclass(frozen=True)
class Verdict:
    """What is written of a delivery, to its sidecar and to ``control.delivery`` alike."""

    status: str
    reason: str | None = None
    delivery_seq: int | None = None
    accepted_at: dt.datetime | None = None
    counts: Counts = Counts()
    warnings: tuple[str, ...] = ()
    duplicate_of: str | None = None
    settled_by: str | None = None
    rejects: tuple[Reject, ...] = field(default=(), repr=False)

    def sidecar(
        self, landed: Landed, contract_version: str, contract_sha256: str
    ) -> dict[str, Any]:
        """The content of ``<status>.json``."""
        return {
            "delivery_id": landed.delivery_id,
            "status": self.status,
            "status_reason": self.reason,
            "delivery_seq": self.delivery_seq,
            "accepted_at": self.accepted_at and self.accepted_at.isoformat(),
            "contract_version": contract_version,
            "contract_sha256": contract_sha256,
            **vars(self.counts),
            "warnings": list(self.warnings),
            "duplicate_of": self.duplicate_of,
            "settled_by": self.settled_by,
        }


class _Held(Exception):
    """The file is readable, but a person must look before it counts."""

    def __init__(self, verdict: Verdict):
        super().__init__(verdict.reason)
        self.verdict = verdict


@contextlib.contextmanager
def turn(settings: Settings, dsn: str) -> Iterator[psycopg.Connection]:
    """Hold the delivery lock, with everything decided before finished.

    The connection is in autocommit mode: open the delivery's transaction on it. The server frees the
    lock when the process ends, however it ends.

    Raises:
        LoadFailed: somebody else held the lock for :data:`LOCK_MINUTES`.
    """
    with locked(dsn) as connection:
        _settle(settings, connection, dsn)
        yield connection


def _settle(settings: Settings, connection: psycopg.Connection, dsn: str) -> None:
    from neet.feeds import recovery

    recovery.settle(settings, connection, dsn)


@contextlib.contextmanager
def locked(dsn: str) -> Iterator[psycopg.Connection]:
    """The delivery lock alone; see :func:`turn`."""
    with connect(dsn, autocommit=True) as connection:
        _lock(connection)
        yield connection


def claim(connection: psycopg.Connection, landed: Landed) -> bool:
    """Take a landed file as one's own until the connection ends; ``False`` when another process has it.

    Whoever waits for the delivery lock may hold a claim, so whoever holds the lock must not wait for one.
    """
    key = zlib.crc32(landed.delivery_id.encode()) - (1 << 31)
    return connection.execute(
        "select pg_try_advisory_lock(%s::int, %s::int)", [CLAIM_LOCK, key]
    ).fetchone()[0]


def _lock(connection: psycopg.Connection) -> None:
    """Take the delivery lock until the connection ends.

    Raises:
        LoadFailed: somebody else held it for :data:`LOCK_MINUTES`.
    """
    if connection.execute("select pg_try_advisory_lock(%s)", [DELIVERY_LOCK]).fetchone()[0]:
        return
    log.info("Waiting for another delivery or decision to be finished")
    connection.execute(f"set lock_timeout = '{LOCK_MINUTES}min'")
    try:
        connection.execute("select pg_advisory_lock(%s)", [DELIVERY_LOCK])
    except psycopg.errors.LockNotAvailable:
        raise LoadFailed(
            f"Another delivery has been loading for {LOCK_MINUTES} minutes. Nothing is lost: what was "
            "landed is loaded by the next run of ingest. See `./neet status` for what hangs."
        ) from None
    connection.execute("set lock_timeout = 0")


def next_acceptance(connection: psycopg.Connection) -> tuple[int, dt.datetime]:
    """The next ``delivery_seq`` and the moment that goes with it; both only ever grow.

    The delivery lock must be held.
    """
    last_seq, last_at = connection.execute(
        "select coalesce(max(delivery_seq), 0), max(accepted_at) from control.delivery"
    ).fetchone()
    now = dt.datetime.now(dt.UTC)
    if last_at is not None and now <= last_at:  # a clock was put back
        now = last_at + dt.timedelta(microseconds=1)
    return last_seq + 1, now


def load(
    settings: Settings,
    dsn_loader: str,
    contract: Contract,
    landed: Landed,
    say: Callable[[str], None] | None = None,
) -> DeliveryResult:
    """Decide on a landed file for the first time.

    Args:
        say: told every few seconds how far a long load is; default: the log.
    Raises:
        LoadFailed: the database could not take it now.
    """
    what = f"load of {landed.feed} {landed.period}"
    with contextlib.ExitStack() as context:
        context.enter_context(_without_collection())
        progress = context.enter_context(Progress(settings, what, say))
        connection = context.enter_context(connect(dsn_loader, autocommit=True))
        prepared = None
        if claim(connection, landed):
            prepared = _prepare(settings, connection, contract, landed, progress)
        if prepared:
            context.callback(prepared.close)
        progress.at("waiting for its turn")
        _lock(connection)
        _settle(settings, connection, dsn_loader)
        result = decide(settings, connection, contract, landed, prepared, progress)
        log.info("%s, in %.1f s", words_of(result), progress.seconds)
    report(settings, dsn_loader, result)
    lineage.delivery_decided(settings, contract, landed, result)
    return result


def report(settings: Settings, dsn: str, result: DeliveryResult) -> None:
    """Write what its sender has to know of a delivery, where there is something; never fails."""
    if result.rows_rejected or result.status in ("held", "refused"):
        from neet.feeds import reject_report

        reject_report.write_if_needed(settings, dsn, result)


def words_of(result: DeliveryResult) -> str:
    """What became of a delivery, in a line."""
    counts = (
        f"; {result.rows_in:,} rows = {result.rows_loaded:,} loaded + {result.rows_unchanged:,} unchanged + "
        f"{result.rows_rejected:,} rejected; {result.rows_closed:,} closed"
        if result.status == "accepted"
        else ""
    )
    reason = f" ({result.reason})" if result.reason else ""
    return f"{result.feed} {result.period}: {result.status}{reason}{counts}"


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """A load makes no cycles, but enough objects to have the collector search the whole process for some
    again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _prepare(
    settings: Settings,
    connection: psycopg.Connection,
    contract: Contract,
    landed: Landed,
    progress: Progress,
) -> _Load | None:
    """Read a file as far as possible before anybody has to wait; ``None`` where that gains nothing."""
    if (
        landed.problem
        or _duplicate_of(connection, landed)
        or _newer_as_at(connection, contract, landed)
    ):
        return None
    try:
        prepared = _Load(connection, contract, landed, _reads_as_ever(settings, contract), progress)
    except FileRefused:
        return None
    try:
        prepared.prepare()
    except (FileRefused, LoadFailed):  # it will be found again, by who may say so
        prepared.close()
        return None
    except BaseException:
        prepared.close()
        raise
    return prepared


def _reads_as_ever(settings: Settings, contract: Contract) -> bool:
    """Whether every contract that this feed was ever read by accepts the same values."""
    return all(
        contract.reads_alike(landing.kept_contract(settings, contract.feed, sha256))
        for sha256 in landing.contracts_kept(settings, contract.feed)
        if sha256 != contract.sha256
    )


def decide(
    settings: Settings,
    connection: psycopg.Connection,
    contract: Contract,
    landed: Landed,
    prepared: _Load | None = None,
    progress: Progress | None = None,
) -> DeliveryResult:
    """Accept, hold or refuse a landed file, or find it a duplicate: rows, sidecar, commit.

    Args:
        connection: the loader's, in autocommit mode, holding the delivery lock.
        prepared: what was read of it before the lock was held.
    Raises:
        LoadFailed: the raw table is missing or older than the contract.
    """
    known = connection.execute(
        "select status from control.delivery where delivery_id = %s", [landed.delivery_id]
    ).fetchone()
    if known:  # another process was quicker
        return result_of(connection, landed.delivery_id, settings)
    seq, accepted_at = next_acceptance(connection)
    with connection.transaction():
        verdict = _judge(connection, contract, landed, seq, accepted_at, prepared, progress)
        insert_delivery(connection, landed, verdict, contract.version)
        insert_rejects(connection, landed, verdict.rejects)
        landing.keep_contract(settings, contract)
        landing.note_deciding(settings, landed.landing_path)
        landing.write_json(
            landed.folder / f"{verdict.status}.json",
            verdict.sidecar(landed, contract.version, contract.sha256),
        )
    return _result(landed, verdict)


def _judge(
    connection: psycopg.Connection,
    contract: Contract,
    landed: Landed,
    seq: int,
    accepted_at: dt.datetime,
    prepared: _Load | None,
    progress: Progress | None,
) -> Verdict:
    if landed.problem:
        return Verdict("refused", landed.problem)
    duplicate_of = _duplicate_of(connection, landed)
    if duplicate_of:
        return Verdict(
            "duplicate",
            f"same_as_latest: the file is byte for byte the one accepted last for {landed.period} "
            f"({duplicate_of}). Nothing was to be done.",
            duplicate_of=duplicate_of,
        )
    newest = _newer_as_at(connection, contract, landed)
    if newest:
        return Verdict(
            "held",
            f"older_than_latest: the file is as at {landed.as_at}, and one as at {newest} is loaded "
            "already, whose newer values this would put back. Release it only if the older file is the "
            f"right one; else discard it. Owner: {contract.owner_service}.",
        )
    try:
        with connection.transaction():  # a savepoint: what is held or refused leaves no row behind
            return load_rows(
                connection, contract, landed, seq, accepted_at,
                judge=True, prepared=prepared, progress=progress,
            )  # fmt: skip
    except _Held as held:
        return held.verdict
    except FileRefused as refused:
        return Verdict("refused", f"{refused.code}: {refused.reason}")
    except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
        return Verdict(
            "refused",
            f"cannot_be_stored: the database will not hold a value of it "
            f"({str(error).splitlines()[0][:300]}). {contract.owner_service} must look at the file in "
            "landing and export it again.",
        )


def _duplicate_of(connection: psycopg.Connection, landed: Landed) -> str | None:
    latest = connection.execute(
        """select delivery_id, file_sha256 from control.delivery
           where la_code = %s and feed = %s and provider = %s and period = %s and status = 'accepted'
           order by delivery_seq desc limit 1""",
        [landed.la_code, landed.feed, landed.provider, landed.period],
    ).fetchone()
    return latest[0] if latest and latest[1] == landed.sha256 else None


def _newer_as_at(
    connection: psycopg.Connection, contract: Contract, landed: Landed
) -> dt.date | None:
    if landed.as_at is None or contract.scope != "provider" or landed.mode == "event":
        return None
    (newest,) = connection.execute(
        """select max(as_at) from control.delivery
           where la_code = %s and feed = %s and provider = %s and status = 'accepted'""",
        [landed.la_code, landed.feed, landed.provider],
    ).fetchone()
    return newest if newest and newest > landed.as_at else None


def load_rows(
    connection: psycopg.Connection,
    contract: Contract,
    landed: Landed,
    seq: int,
    accepted_at: dt.datetime,
    *,
    judge: bool,
    settled_by: str | None = None,
    prepared: _Load | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Read a landed file and write its changed rows into ``raw``; nothing into ``control``.

    Args:
        judge: apply the contract's tolerances; not for a released or replayed delivery.
        settled_by: the decision that released it.
        prepared: what was read of it before the delivery lock was held; used only if nothing else of the
            feed was accepted since.
    Raises:
        FileRefused: the file cannot be used.
        LoadFailed: the raw table is missing or older than the contract.
    """
    load = prepared
    if load is None or load.is_outdated():
        if load is not None:
            log.info("Another delivery of %s was accepted meanwhile: comparing again", landed.feed)
        load = _Load(connection, contract, landed, False, progress)
    return _accept(load, seq, accepted_at, judge, settled_by)


def load_again(
    connection: psycopg.Connection,
    contract: Contract,
    landed: Landed,
    seq: int,
    accepted_at: dt.datetime,
    into: sql.Identifier,
    settled_by: str | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """What delivery ``seq`` comes to when its file is read once more against what was known before it.

    Args:
        into: a table like the feed's in ``raw``, which is only read.
    Raises:
        FileRefused, LoadFailed: see :func:`load_rows`.
    """
    load = _Load(connection, contract, landed, False, progress)
    load.target, load.before = into, seq
    return _accept(load, seq, accepted_at, False, settled_by)


def _accept(
    load: _Load, seq: int, accepted_at: dt.datetime, judge: bool, settled_by: str | None
) -> Verdict:
    try:
        counts = load.run(seq, judge)
    finally:
        load.close()
    reading = load.reading
    return Verdict(
        status="accepted",
        reason=f"released: by decision {settled_by}" if settled_by else None,
        delivery_seq=seq,
        accepted_at=accepted_at,
        counts=counts,
        warnings=tuple(reading.warnings),
        settled_by=settled_by,
        rejects=tuple(reading.rejects),
    )


class _Load:
    """The comparison of one file with what is known, and the writing of what differs.

    Args:
        reads_as_ever: every contract the feed was ever read by accepts the same values.
    Raises:
        FileRefused: the file cannot be used.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        contract: Contract,
        landed: Landed,
        reads_as_ever: bool,
        progress: Progress | None,
    ):
        self.connection = connection
        self.contract = contract
        self.landed = landed
        self.progress = progress
        self.reading = self._open()
        self.table = self.target = sql.Identifier("raw", contract.feed)
        self.before: int | None = None  # only what was accepted before this delivery is known
        self.columns = [column.name for column in contract.columns]
        self.loaded = self.unchanged = self.written = 0
        # key -> hash of the latest version, where it is as delivered and ours. What the file repeats is
        # taken out, so in the end those remain that it left out.
        self.known: dict[str, str] = {}
        # key -> operation of any other latest version, in lower case when another provider, or another
        # period where that is the scope, brought it: no snapshot of ours speaks for it
        self.others: dict[str, str] = {}
        self.open_count = 0
        self.deleted: list[tuple[str, int]] = []
        self._changes: deque[Rows] = deque()
        self._waiting = 0  # characters of all changes found so far
        self._reads_as_ever = reads_as_ever
        self._is_exhausted = self._is_begun = False
        self._looks_up = landed.mode != "snapshot" and landed.bytes < SMALL_DELTA_BYTES
        self._blocks: Iterator[Rows] = iter(())

    def _open(self) -> Reading:
        contract, landed = self.contract, self.landed
        try:
            layout = contract.layout_on(landing.first_day(landed.period))
        except LookupError as error:
            raise FileRefused("unknown_layout", f"{error}. Add the layout of that time.") from error
        return open_file(landed.file, contract, layout, landed.mode, profile(landed.file))

    def close(self) -> None:
        """Let go of the file."""
        self.reading.close()

    @contextlib.contextmanager
    def _teaching(self) -> Iterator[None]:
        contract = self.contract
        try:
            yield
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise LoadFailed(
                f"raw.{contract.feed} is not as {contract.path} says ({error.diag.message_primary}). Bring the database up to date "
                "(`make up`, or neet.database.migrate); the file stays landed and is loaded by the next "
                "ingest."
            ) from error

    def prepare(self) -> None:
        """Read and compare until enough was found to write. Writes nothing."""
        with self._teaching():
            self._begin()
            while not self._is_exhausted and self._waiting < PREPARED_CHARACTERS:
                self._advance()

    def is_outdated(self) -> bool:
        """Whether a delivery of the feed was accepted after the comparison began."""
        return self._is_begun and self._newest() != self._compared_with

    def _newest(self) -> int:
        return self.connection.execute(
            """select coalesce(max(delivery_seq), 0) from control.delivery
               where la_code = %s and feed = %s and status = 'accepted'""",
            [self.landed.la_code, self.landed.feed],
        ).fetchone()[0]

    def _begin(self) -> None:
        if self._is_begun:
            return
        self._is_begun = True
        self._compared_with = self._newest()
        if not self._looks_up:
            self._at("comparing with what is known")
            self._know_everything()
            self.open_count = len(self.known) + sum(map("S".__eq__, self.others.values()))
            if self._reads_as_ever:
                self.reading.readable = self.known
        self._blocks = self.reading.blocks()

    def _at(self, step: str) -> None:
        if self.progress:
            read, size = self.reading.bytes_read(), self.landed.bytes
            share = None if read is None or not size else read / size
            rejected = len(self.reading.rejects)
            self.progress.at(
                f"{step}, {rejected:,} rejected" if rejected else step, self.reading.rows_in, share
            )

    def run(self, seq: int, judge: bool) -> Counts:
        """Read and compare what is left, and write everything that differs as delivery ``seq``.

        Raises:
            FileRefused: the file turns out unusable further on.
            LoadFailed: the raw table is missing or older than the contract.
        """
        self.seq = seq
        with self._teaching():
            self._begin()
            self._write_changes()
            return self._conclude(judge)

    def _conclude(self, judge: bool) -> Counts:
        reading, landed = self.reading, self.landed
        is_snapshot = landed.mode == "snapshot"
        first_reject: dict[str, int] = {}
        for reject in reading.rejects:
            if reject.row_key is not None:
                first_reject.setdefault(reject.row_key, reject.line_number)
        if self._looks_up:
            self._look_up([key for key in first_reject if key not in reading.seen])
        closing: list[str] = []
        if is_snapshot:
            closing = [key for key in self.known if key not in first_reject]
            closing += [
                key
                for key, operation in self.others.items()
                if operation == "S" and key not in reading.seen and key not in first_reject
            ]
        if judge:
            self._apply_tolerances(len(closing), first_reject)
        closures_held = is_snapshot and reading.unreadable_keys > 0
        markers = [(key, "D", line) for key, line in self.deleted]
        if not closures_held:
            markers += [(key, "D", None) for key in closing]
        closed = len(markers)
        markers += [
            (key, "S", line)
            for key, line in first_reject.items()
            if key in self.known or (self.others.get(key) == "u" and key not in reading.seen)
        ]
        self._at("writing closures")
        self._mark(markers)
        counts = Counts(
            rows_in=reading.rows_in,
            rows_loaded=self.loaded,
            rows_unchanged=self.unchanged,
            rows_rejected=len(reading.rejects),
            rows_closed=closed,
            closures_held=closures_held,
        )
        if counts.rows_in != counts.rows_loaded + counts.rows_unchanged + counts.rows_rejected:
            raise AssertionError(f"{landed.delivery_id} lost rows: {counts}")
        if self.written + len(self.deleted) != self.loaded:
            raise AssertionError(
                f"{landed.delivery_id}: {self.written} rows written, {self.loaded} counted"
            )
        return counts

    def _know_everything(self) -> None:
        """The latest version of every key of the authority: each delivery's, in turn."""
        versions = self.connection.execute(
            sql.SQL(
                """select case when {own} then operation else lower(operation) end as state,
                     string_agg(row_key, E'\\x1f'), string_agg(row_hash, E'\\x1f')
                   from {table} where la_code = %(la_code)s {before}
                   group by delivery_seq, 1 order by delivery_seq"""
            ).format(own=self._own(), table=self.table, before=self._before()),
            self._scope(),
        )
        for state, keys, digests in versions:
            self._know(state, keys.split(SEPARATOR), digests.split(SEPARATOR))

    def _know(self, state: str, keys: list[str], digests: list[str]) -> None:
        if state == "U":
            self.known.update(zip(keys, digests, strict=True))
            for key in self.others.keys() & keys:
                del self.others[key]
        else:
            self.others.update(zip(keys, repeat(state)))  # noqa: B905
            for key in keys:
                self.known.pop(key, None)

    def _look_up(self, keys: list[str]) -> None:
        """The latest version of some keys."""
        if not keys:
            return
        query = sql.SQL(
            """select case when {own} then operation else lower(operation) end, latest.row_key, row_hash
               from unnest(%(keys)s::text[]) as wanted (row_key)
               cross join lateral (
                 select * from {table} as version
                 where version.la_code = %(la_code)s and version.row_key = wanted.row_key {before}
                 order by version.delivery_seq desc limit 1
               ) as latest"""
        ).format(own=self._own(), table=self.table, before=self._before())
        for state, key, digest in self.connection.execute(query, self._scope() | {"keys": keys}):
            self._know(state, [key], [digest])

    def _own(self) -> sql.SQL:
        own = "provider = %(provider)s"
        return sql.SQL(own + " and period = %(period)s" if self.contract.scope == "period" else own)

    def _before(self) -> sql.SQL:
        return sql.SQL("" if self.before is None else "and delivery_seq < %(before)s")

    def _scope(self) -> dict[str, Any]:
        landed = self.landed
        return {
            "before": self.before,
            "la_code": landed.la_code,
            "provider": landed.provider,
            "period": landed.period,
        }

    def _advance(self) -> None:
        """Compare the next rows of the file."""
        blocks: list[Rows] = []
        while sum(map(len, blocks)) < (KEYS_AT_ONCE if self._looks_up else 1):
            rows = next(self._blocks, None)
            if rows is None:
                self._is_exhausted = True
                break
            blocks.append(rows)
        if self._looks_up:
            self._look_up([key for rows in blocks for key in rows.keys])
        for rows in blocks:
            self._compare(rows)
        self._at("reading and comparing")

    def _compare(self, rows: Rows) -> None:
        before = list(map(self.known.pop, rows.keys, repeat(None)))
        if before == rows.digests:
            self.unchanged += len(rows)
            return
        differs = list(map(ne, before, rows.digests))
        changed = Rows(
            *(
                list(compress(column, differs))
                for column in (rows.numbers, rows.keys, rows.digests, rows.texts)
            )
        )
        if DELETED in changed.digests:
            changed = self._without_deletions(changed, dict(zip(rows.keys, before, strict=True)))
        self.unchanged += len(rows) - len(changed)
        self.loaded += len(changed)
        self._changes.append(changed)
        self._waiting += sum(map(len, changed.texts))

    def _without_deletions(self, rows: Rows, before: dict[str, str | None]) -> Rows:
        kept = Rows()
        for number, key, digest, operation, text in rows:
            if operation != "D":
                kept.append(number, key, digest, text)
            elif before[key] is not None or self.others.get(key, "D") not in "Dd":
                self.deleted.append((key, number))
                self.loaded += 1
                self.unchanged -= 1
        return kept

    def _write_changes(self) -> None:
        """Write the rows that differ from the latest version of their key, as they are found."""
        landed = self.landed
        self._prefix = SEPARATOR.join((landed.la_code, landed.provider, landed.period, ""))
        self._middle = f"{SEPARATOR}U{SEPARATOR}{self.seq}{SEPARATOR}"
        statement = sql.SQL(
            "copy {} ({}) from stdin (format csv, delimiter E'\\x1f', quote E'\\x1e')"
        ).format(self.target, sql.SQL(", ").join(map(sql.Identifier, (*FRAME, *self.columns))))
        cursor = self.connection.cursor()
        while self._changes or not self._is_exhausted:
            if not self._changes:
                self._advance()
                continue
            with cursor.copy(statement) as copy:
                while True:
                    while self._changes:
                        copy.write(self._lines(self._changes.popleft()))
                    # a connection that copies cannot be asked for keys
                    if self._is_exhausted or self._looks_up:
                        break
                    self._advance()
            self.written += cursor.rowcount

    def _lines(self, rows: Rows) -> bytes:
        """Rows as COPY takes them."""
        prefix, middle = self._prefix, self._middle
        lines = [
            f"{prefix}{key}{SEPARATOR}{digest}{middle}{number}{SEPARATOR}{text}\n"
            for number, key, digest, text in zip(
                rows.numbers, rows.keys, rows.digests, rows.texts, strict=True
            )
        ]
        joined = "".join(lines)
        if self.reading.may_need_quotes and (joined.count("\n") > len(lines) or "\r" in joined):
            joined = "".join(_quoted(line[:-1]) + "\n" for line in lines)
        return joined.encode()

    def _apply_tolerances(self, closing: int, rejected_keys: Collection[str]) -> None:
        """Raise :class:`_Held` when the delivery loses more than its contract tolerates."""
        contract, reading, limit = self.contract, self.reading, self.contract.tolerance
        open_count = self.open_count
        rejected = len(reading.rejects)
        reason = None
        if rejected > limit.reject_rows and rejected > limit.reject_share * reading.rows_in:
            reason = (
                f"too_many_rejects: {rejected} of {reading.rows_in} rows cannot be read, more than the "
                f"{limit.reject_share:.0%} that {contract.path} tolerates. The rejects say which and why. "
                "Release it to load the readable rest; or discard it and deliver a corrected file."
            )
        elif self.landed.mode == "snapshot":
            # an unreadable row is somebody too, and a repeated one is nobody new
            present = len(reading.seen) + reading.unreadable_keys
            present += sum(key not in reading.seen for key in rejected_keys)
            shrank = open_count - present
            if shrank > limit.shrink_rows and shrank > limit.shrink_share * open_count:
                reason = (
                    f"snapshot_shrank: {present} rows where {open_count} are open, a loss of "
                    f"{shrank / open_count:.1%}, more than the {limit.shrink_share:.0%} that "
                    f"{contract.path} tolerates; the file may be cut short. Release it if they have really "
                    "gone: those left out are then closed. Else discard it and deliver the whole file."
                )
            elif closing > limit.shrink_rows and closing > limit.closure_share * open_count:
                reason = (
                    f"snapshot_replaces: {closing} of {open_count} open rows are not in it, "
                    f"{closing / open_count:.1%}, more than the {limit.closure_share:.0%} that "
                    f"{contract.path} tolerates, though it brings others; it may be of another population. "
                    "Release it if that is right: those left out are then closed. Else discard it."
                )
        if reason:
            raise _Held(
                Verdict(
                    "held",
                    f"{reason} Owner: {contract.owner_service}.",
                    counts=Counts(rows_in=reading.rows_in, rows_rejected=rejected),
                    warnings=tuple(reading.warnings),
                    rejects=tuple(reading.rejects),
                )
            )

    def _mark(self, markers: list[tuple[str, str, int | None]]) -> None:
        """Repeat the latest version of keys as closed (D) or stale (S)."""
        if not markers:
            return
        columns = [sql.Identifier(name) for name in self.columns]
        keys, operations, lines = (list(values) for values in zip(*markers, strict=True))
        written = self.connection.execute(
            sql.SQL(
                """insert into {target} ({frame}, {columns})
                   select latest.la_code, latest.provider, %(period)s, latest.row_key, latest.row_hash,
                          marker.operation, %(seq)s, marker.line_number, {latest_columns}
                   from unnest(%(keys)s::text[], %(operations)s::text[], %(lines)s::bigint[])
                        as marker (row_key, operation, line_number)
                   cross join lateral (
                     select * from {table} as version
                     where version.la_code = %(la_code)s and version.row_key = marker.row_key
                       and version.delivery_seq < %(seq)s
                     order by version.delivery_seq desc limit 1
                   ) as latest"""
            ).format(
                table=self.table,
                target=self.target,
                frame=sql.SQL(", ").join(map(sql.Identifier, FRAME)),
                columns=sql.SQL(", ").join(columns),
                latest_columns=sql.SQL(", ").join(
                    sql.Identifier("latest", name) for name in self.columns
                ),
            ),
            {
                "period": self.landed.period,
                "seq": self.seq,
                "la_code": self.landed.la_code,
                "keys": keys,
                "operations": operations,
                "lines": lines,
            },
        ).rowcount
        if written != len(markers):
            raise AssertionError(
                f"{self.landed.delivery_id}: {written} of {len(markers)} closures and markers written"
            )


def _quoted(text: str) -> str:
    """Cells joined by the separator, those with a line end quoted for COPY. The quote itself cannot
    occur: rows with control characters were rejected."""
    return SEPARATOR.join(
        f"{QUOTE}{cell}{QUOTE}" if "\n" in cell or "\r" in cell else cell
        for cell in text.split(SEPARATOR)
    )


INSERT_DELIVERY = """
insert into control.delivery (
    delivery_id, la_code, feed, provider, period, as_at, mode, file_name, file_sha256, file_bytes,
    landing_path, received_at, status, status_reason, accepted_at, delivery_seq, contract_version,
    rows_in, rows_loaded, rows_unchanged, rows_rejected, rows_closed, closures_held, duplicate_of, warnings)
values (
    %(delivery_id)s, %(la_code)s, %(feed)s, %(provider)s, %(period)s, %(as_at)s, %(mode)s, %(file_name)s,
    %(sha256)s, %(bytes)s, %(landing_path)s, %(received_at)s, %(status)s, %(reason)s, %(accepted_at)s,
    %(delivery_seq)s, %(contract_version)s, %(rows_in)s, %(rows_loaded)s, %(rows_unchanged)s,
    %(rows_rejected)s, %(rows_closed)s, %(closures_held)s, %(duplicate_of)s, %(warnings)s)
"""

UPDATE_DELIVERY = """
update control.delivery set
    status = %(status)s, status_reason = %(reason)s, accepted_at = %(accepted_at)s,
    delivery_seq = %(delivery_seq)s, contract_version = %(contract_version)s, rows_in = %(rows_in)s,
    rows_loaded = %(rows_loaded)s, rows_unchanged = %(rows_unchanged)s, rows_rejected = %(rows_rejected)s,
    rows_closed = %(rows_closed)s, closures_held = %(closures_held)s, warnings = %(warnings)s
where delivery_id = %(delivery_id)s and status = 'held'
"""


def _parameters(landed: Landed, verdict: Verdict, contract_version: str | None) -> dict[str, Any]:
    return {
        **{name: value for name, value in vars(landed).items() if name != "folder"},
        **vars(verdict.counts),
        "status": verdict.status,
        "reason": verdict.reason,
        "accepted_at": verdict.accepted_at,
        "delivery_seq": verdict.delivery_seq,
        "contract_version": contract_version,
        "duplicate_of": verdict.duplicate_of,
        "warnings": json.dumps(verdict.warnings),
    }


def insert_delivery(
    connection: psycopg.Connection, landed: Landed, verdict: Verdict, contract_version: str | None
) -> None:
    """Write the delivery's row of ``control.delivery``."""
    connection.execute(INSERT_DELIVERY, _parameters(landed, verdict, contract_version))


def update_held(
    connection: psycopg.Connection, landed: Landed, verdict: Verdict, contract_version: str | None
) -> None:
    """Turn a held delivery's row into an accepted or refused one."""
    done = connection.execute(UPDATE_DELIVERY, _parameters(landed, verdict, contract_version))
    if done.rowcount != 1:
        raise AssertionError(f"{landed.delivery_id} was not held")


def insert_rejects(
    connection: psycopg.Connection, landed: Landed, rejects: tuple[Reject, ...]
) -> None:
    """Write a delivery's rejects, numbered in the order of the file."""
    if not rejects:
        return
    with connection.cursor().copy(
        """copy control.reject (delivery_id, la_code, reject_number, line_number, row_key, column_name,
                                value, rule, reason, row_text) from stdin"""
    ) as copy:
        for number, reject in enumerate(rejects, 1):
            copy.write_row(
                (
                    landed.delivery_id, landed.la_code, number, reject.line_number, reject.row_key,
                    reject.column, reject.value, reject.rule, reject.reason, reject.row_text,
                )
            )  # fmt: skip


def _result(landed: Landed, verdict: Verdict) -> DeliveryResult:
    counts = vars(verdict.counts)
    return DeliveryResult(
        delivery_id=landed.delivery_id,
        feed=landed.feed,
        provider=landed.provider,
        period=landed.period,
        status=verdict.status,
        reason=verdict.reason,
        delivery_seq=verdict.delivery_seq,
        landing_path=str(landed.folder),
        warnings=verdict.warnings,
        **counts,
    )


def result_of(
    connection: psycopg.Connection, delivery_id: str, settings: Settings
) -> DeliveryResult:
    """What ``control.delivery`` says of a delivery.

    Raises:
        LookupError: it knows none of that name.
    """
    row = connection.execute(
        """select delivery_id, feed, provider, period, status, status_reason, delivery_seq, rows_in,
                  rows_loaded, rows_unchanged, rows_rejected, rows_closed, landing_path, closures_held,
                  warnings
           from control.delivery where delivery_id = %s""",
        [delivery_id],
    ).fetchone()
    if row is None:
        raise LookupError(f"There is no delivery {delivery_id!r}.")
    found = DeliveryResult(*row)
    return replace(
        found,
        landing_path=str(settings.landing / found.landing_path),
        warnings=tuple(found.warnings),
    )


def replay(
    settings: Settings, connection: psycopg.Connection, landed: Landed, recorded: dict[str, Any]
) -> None:
    """Bring a delivery back exactly as its sidecar says it was decided.

    Args:
        connection: the loader's, holding the delivery lock, without a transaction.
        recorded: the sidecar.
    Raises:
        ReplayDiffers: the file no longer loads to the same counts.
        neet.feeds.landing.LandingDamaged: the contract it was read by is gone.
    """
    contract = landing.kept_contract(settings, landed.feed, recorded["contract_sha256"])
    with connection.transaction():
        if recorded["status"] == "accepted":
            verdict = load_rows(
                connection,
                contract,
                landed,
                recorded["delivery_seq"],
                dt.datetime.fromisoformat(recorded["accepted_at"]),
                judge=False,
            )
        else:
            verdict = restored(contract, landed, recorded)
        check_same(landed, verdict, recorded, contract)
        insert_delivery(connection, landed, verdict, contract.version)
        insert_rejects(connection, landed, verdict.rejects)


def check_same(
    landed: Landed, verdict: Verdict, recorded: dict[str, Any], contract: Contract
) -> None:
    """Raise :class:`ReplayDiffers` unless a verdict is the recorded one."""
    again = verdict.sidecar(landed, contract.version, contract.sha256)
    different = [
        f"{name}: {recorded.get(name)!r} then, {value!r} now"
        for name, value in again.items()
        if recorded.get(name) != value
    ]
    if different:
        raise ReplayDiffers(
            f"{landed.landing_path} does not come out of landing as it went in: {'; '.join(different)}. "
            "Either its file or sidecar was changed, or the loader now reads it otherwise; the database "
            "was left as it was before this delivery."
        )


def restore_held(
    settings: Settings, connection: psycopg.Connection, landed: Landed, recorded: dict[str, Any]
) -> None:
    """Write the row and rejects of a held delivery anew, within the caller's transaction."""
    contract = landing.kept_contract(settings, landed.feed, recorded["contract_sha256"])
    verdict = restored(contract, landed, recorded)
    check_same(landed, verdict, recorded, contract)
    insert_delivery(connection, landed, verdict, contract.version)
    insert_rejects(connection, landed, verdict.rejects)


def has_odd_characters(text: str) -> bool:
    """Whether a text holds control characters or halves of a surrogate pair."""
    return ODD.search(text) is not None


def restored(contract: Contract, landed: Landed, recorded: dict[str, Any]) -> Verdict:
    """The verdict on a delivery that was not accepted. Rejects are read again from its file.

    Raises:
        FileRefused: it can no longer be read.
    """
    counts = Counts(**{name: recorded[name] for name in vars(Counts())})
    rejects: tuple[Reject, ...] = ()
    if counts.rows_rejected:
        layout = contract.layout_on(landing.first_day(landed.period))
        reading = open_file(landed.file, contract, layout, landed.mode, profile(landed.file))
        try:
            for _ in reading.blocks():
                pass
        finally:
            reading.close()
        rejects = tuple(reading.rejects)
        counts = replace(counts, rows_in=reading.rows_in, rows_rejected=len(rejects))
    return Verdict(
        status=recorded["status"],
        reason=recorded["status_reason"],
        counts=counts,
        warnings=tuple(recorded["warnings"]),
        duplicate_of=recorded["duplicate_of"],
        settled_by=recorded["settled_by"],
        rejects=rejects,
    )
