"""Deciding on a landed file and loading it, in one transaction.

The rows of a file are compared with the latest version of each key, and only what differs is copied
into ``raw``, straight from the parser: staging the file first would write every row twice. Everything
happens while holding :data:`neet.database.DELIVERY_LOCK`, so what was compared cannot change before it
is written, and numbers are given without gaps.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from neet.database import DELIVERY_LOCK, connect
from neet.feeds import landing
from neet.feeds.contract import Contract
from neet.feeds.landing import DeliveryResult, Landed
from neet.feeds.profile import profile
from neet.feeds.reading import (
    ODD,
    QUOTE,
    SEPARATOR,
    FileRefused,
    Reading,
    Reject,
    Row,
    open_file,
)
from neet.settings import Settings

FRAME = (
    "la_code", "provider", "period", "row_key", "row_hash", "operation", "delivery_seq", "line_number",
)  # fmt: skip
KEYS_AT_ONCE = 20_000
LOCK_MINUTES = 15


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
    from neet.feeds import recovery

    with locked(dsn) as connection:
        recovery.settle(settings, connection, dsn)
        yield connection


@contextlib.contextmanager
def locked(dsn: str) -> Iterator[psycopg.Connection]:
    """The delivery lock alone; see :func:`turn`."""
    with connect(dsn, autocommit=True) as connection:
        connection.execute(f"set lock_timeout = '{LOCK_MINUTES}min'")
        try:
            connection.execute("select pg_advisory_lock(%s)", [DELIVERY_LOCK])
        except psycopg.errors.LockNotAvailable:
            raise LoadFailed(
                f"Another delivery has been loading for {LOCK_MINUTES} minutes. Nothing is lost: what was "
                "landed is loaded by the next run of ingest. See `./neet status` for what hangs."
            ) from None
        connection.execute("set lock_timeout = 0")
        yield connection


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


def load(settings: Settings, dsn_loader: str, contract: Contract, landed: Landed) -> DeliveryResult:
    """Decide on a landed file for the first time.

    Raises:
        LoadFailed: the database could not take it now.
    """
    with turn(settings, dsn_loader) as connection:
        return decide(settings, connection, contract, landed)


def decide(
    settings: Settings, connection: psycopg.Connection, contract: Contract, landed: Landed
) -> DeliveryResult:
    """Accept, hold or refuse a landed file, or find it a duplicate: rows, sidecar, commit.

    Args:
        connection: the loader's, in autocommit mode, holding the delivery lock.
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
        verdict = _judge(connection, contract, landed, seq, accepted_at)
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
            return load_rows(connection, contract, landed, seq, accepted_at, judge=True)
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
) -> Verdict:
    """Read a landed file and write its changed rows into ``raw``; nothing into ``control``.

    Args:
        judge: apply the contract's tolerances; not for a released or replayed delivery.
        settled_by: the decision that released it.
    Raises:
        FileRefused: the file cannot be used.
        LoadFailed: the raw table is missing or older than the contract.
    """
    try:
        layout = contract.layout_on(landing.first_day(landed.period))
    except LookupError as error:
        raise FileRefused("unknown_layout", f"{error}. Add the layout of that time.") from error
    reading = open_file(landed.file, contract, layout, landed.mode, profile(landed.file))
    try:
        load = _Load(connection, contract, landed, seq, reading)
        counts = load.run(judge)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise LoadFailed(
            f"raw.{contract.feed} is not as {contract.path} says ({error.diag.message_primary}). Bring the database up to date "
            "(`make up`, or neet.database.migrate); the file stays landed and is loaded by the next "
            "ingest."
        ) from error
    finally:
        reading.close()
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
    """The comparison of one file with what is known, and the writing of what differs."""

    def __init__(
        self,
        connection: psycopg.Connection,
        contract: Contract,
        landed: Landed,
        seq: int,
        reading: Reading,
    ):
        self.connection = connection
        self.contract = contract
        self.landed = landed
        self.seq = seq
        self.reading = reading
        self.table = sql.Identifier("raw", contract.feed)
        self.columns = [column.name for column in contract.columns]
        self.loaded = self.unchanged = 0
        # key -> operation and hash; the operation in lower case when another provider, or another
        # period where that is the scope, brought the version: no snapshot of ours speaks for it
        self.latest: dict[str, str] = {}
        self.deleted: list[tuple[str, int]] = []

    def run(self, judge: bool) -> Counts:
        reading, landed = self.reading, self.landed
        is_snapshot = landed.mode == "snapshot"
        blocks: Iterable[list[Row]] = reading.blocks()
        if is_snapshot:
            self.latest = self._latest(None)
        else:
            # few rows, perhaps against a long history: ask for their keys only
            blocks = list(blocks)
            keys = [row[1] for rows in blocks for row in rows]
            self.latest = self._latest(keys + self._rejected_keys())
        written = self._copy(blocks)
        rejected_keys = {reject.row_key for reject in reading.rejects} - {None}
        open_keys = closing = ()
        if is_snapshot:
            open_keys = [key for key, state in self.latest.items() if state[0] in "US"]
            closing = [k for k in open_keys if k not in reading.seen and k not in rejected_keys]
        if judge:
            self._apply_tolerances(len(open_keys), len(closing), rejected_keys)
        closures_held = is_snapshot and reading.unreadable_keys > 0
        markers = [(key, "D", line) for key, line in self.deleted]
        if not closures_held:
            markers += [(key, "D", None) for key in closing]
        closed = len(markers)
        first_reject: dict[str, int] = {}
        for reject in reading.rejects:
            if reject.row_key is not None:
                first_reject.setdefault(reject.row_key, reject.line_number)
        markers += [
            (key, "S", line)
            for key, line in first_reject.items()
            if key not in reading.seen and self.latest.get(key, "D")[0] in "Uu"
        ]
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
        if written + len(self.deleted) != self.loaded:
            raise AssertionError(
                f"{landed.delivery_id}: {written} rows written, {self.loaded} counted"
            )
        return counts

    def _rejected_keys(self) -> list[str]:
        return [reject.row_key for reject in self.reading.rejects if reject.row_key is not None]

    def _latest(self, keys: list[str] | None) -> dict[str, str]:
        """The latest version of every key of the authority, or of some."""
        own = "provider = %(provider)s"
        if self.contract.scope == "period":
            own += " and period = %(period)s"
        query = sql.SQL(
            """select distinct on (row_key) row_key,
                 case when {own} then operation else lower(operation) end || row_hash
               from {table} where la_code = %(la_code)s {some}
               order by row_key, delivery_seq desc"""
        ).format(
            own=sql.SQL(own),
            table=self.table,
            some=sql.SQL("" if keys is None else "and row_key = any(%(keys)s)"),
        )
        parameters: dict[str, Any] = {
            "la_code": self.landed.la_code,
            "provider": self.landed.provider,
            "period": self.landed.period,
        }
        if keys is None:
            return dict(self.connection.execute(query, parameters).fetchall())
        found: dict[str, str] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            parameters["keys"] = keys[start : start + KEYS_AT_ONCE]
            found.update(self.connection.execute(query, parameters).fetchall())
        return found

    def _copy(self, blocks: Iterable[list[Row]]) -> int:
        """Write the rows that differ from the latest version of their key; returns how many."""
        landed, latest, quoting = self.landed, self.latest.get, self.reading.may_need_quotes
        prefix = SEPARATOR.join((landed.la_code, landed.provider, landed.period, ""))
        middle = f"{SEPARATOR}U{SEPARATOR}{self.seq}{SEPARATOR}"
        loaded = unchanged = 0
        statement = sql.SQL(
            "copy {} ({}) from stdin (format csv, delimiter E'\\x1f', quote E'\\x1e')"
        ).format(self.table, sql.SQL(", ").join(map(sql.Identifier, (*FRAME, *self.columns))))
        cursor = self.connection.cursor()
        with cursor.copy(statement) as copy:
            for rows in blocks:
                lines = []
                for line_number, key, digest, operation, text in rows:
                    before = latest(key)
                    if operation == "D":
                        if before is None or before[0] in "Dd":
                            unchanged += 1
                        else:
                            loaded += 1
                            self.deleted.append((key, line_number))
                        continue
                    if before == "U" + digest:
                        unchanged += 1
                        continue
                    loaded += 1
                    if quoting and ("\n" in text or "\r" in text):
                        key, text = _quoted(key), _quoted(text)
                    lines.append(
                        f"{prefix}{key}{SEPARATOR}{digest}{middle}{line_number}{SEPARATOR}{text}\n"
                    )
                if lines:
                    copy.write("".join(lines).encode())
        self.loaded, self.unchanged = loaded, unchanged
        return cursor.rowcount

    def _apply_tolerances(self, open_count: int, closing: int, rejected_keys: set[str]) -> None:
        """Raise :class:`_Held` when the delivery loses more than its contract tolerates."""
        contract, reading, limit = self.contract, self.reading, self.contract.tolerance
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
            present = len(reading.seen.keys() | rejected_keys) + reading.unreadable_keys
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
                """insert into {table} ({frame}, {columns})
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
            verdict = _restored(contract, landed, recorded)
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
    verdict = _restored(contract, landed, recorded)
    check_same(landed, verdict, recorded, contract)
    insert_delivery(connection, landed, verdict, contract.version)
    insert_rejects(connection, landed, verdict.rejects)


def has_odd_characters(text: str) -> bool:
    """Whether a text holds control characters or halves of a surrogate pair."""
    return ODD.search(text) is not None


def _restored(contract: Contract, landed: Landed, recorded: dict[str, Any]) -> Verdict:
    """The verdict on a delivery that was not accepted. Rejects are read again from its file."""
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
