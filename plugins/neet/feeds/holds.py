"""Deliveries that wait for a person: what they are, what either choice would do, and settling them.

A delivery is held because it loses more than its contract tolerates, or is older than what is loaded. It is not known
to anybody until it is released; discarded it is refused for good. Both are decisions (:mod:`neet.decisions`).

Whoever releases has seen the feed as it stood at that moment. So the decision carries the number of the feed's newest
accepted delivery, and is not made when another was accepted meanwhile.
"""

from __future__ import annotations

import datetime as dt
import difflib
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from neet import decisions
from neet.database import connect
from neet.feeds import landing, loading
from neet.feeds.contract import Contract
from neet.feeds.landing import Landed
from neet.feeds.loading import Counts
from neet.feeds.reading import FileRefused, Reject
from neet.settings import Settings

KINDS = ("release", "discard")
SAMPLE = 10

IF_RELEASED = {
    "older_than_latest": "Its older values replace the newer ones that are loaded, and what it leaves out is closed.",
    "too_many_rejects": "The readable rows are loaded. The unreadable ones stay at their last good version, marked stale.",
    "snapshot_shrank": "Everybody it leaves out is closed: they count as gone from the source system.",
    "snapshot_replaces": "Everybody it leaves out is closed, and those it brings instead are loaded.",
}
IF_DISCARDED = "Nothing is loaded or closed; the file stays in landing as refused. Ask {owner} for the right file, if one is owed."


class CannotSettle(ValueError):
    """The delivery cannot be settled that way; nothing was changed. The message says why and what to do."""


@dataclass(frozen=True)
class Hold:
    """One delivery that waits.

    Attributes:
        code: why in a word: a key of :data:`IF_RELEASED`.
        reason: why, in words for a person.
        since: when it was received.
        days: since then, whole days.
        owner_service: who can say which choice is right.
        newer: deliveries of the same provider (and period, where the feed is by period) accepted since, oldest first.
        rows_in, rows_rejected: of the file, where it was read to the end before it was held.
    """

    la_code: str
    delivery_id: str
    feed: str
    provider: str
    period: str
    file_name: str
    code: str
    reason: str
    since: dt.datetime
    days: int
    owner_service: str
    rows_in: int
    rows_rejected: int
    newer: tuple[str, ...]
    if_released: str
    if_discarded: str


@dataclass(frozen=True)
class Preview:
    """What releasing a held delivery would do now, from doing it and taking it back.

    Attributes:
        counts: rows, as ``control.delivery`` would have them; ``None`` when the file cannot be loaded at all.
        refused: then why.
        rows_stale: keys that stay at their last good version because the new row cannot be read.
        closed: of the first rows that would be closed: key, who delivered it, and what names nobody.
        rejects: the first rows that would be rejected.
        newest_seq: the feed's newest accepted delivery, with which the file was compared; 0 when there is none.
        newest: its ``delivery_id`` and period, in words.
    """

    delivery_id: str
    feed: str
    period: str
    counts: Counts | None
    refused: str | None
    rows_stale: int
    closed: tuple[dict[str, Any], ...]
    rejects: tuple[Reject, ...]
    warnings: tuple[str, ...]
    newest_seq: int
    newest: str | None


@dataclass(frozen=True)
class Settled:
    """How a delivery was settled.

    Attributes:
        is_new: False when it had been settled that way before, by whom the sentence says.
    """

    delivery_id: str
    decision_id: str
    delivery_seq: int
    is_new: bool
    sentence: str


HELD = """
select delivery.la_code, delivery.delivery_id, delivery.feed, delivery.provider, delivery.period, delivery.file_name,
       delivery.mode, delivery.status_reason, delivery.received_at, delivery.rows_in, delivery.rows_rejected
from control.delivery
where status = 'held'
order by received_at, delivery_id
"""

NEWER = """
select delivery_id, period from control.delivery
where la_code = %(la_code)s and feed = %(feed)s and provider = %(provider)s and status = 'accepted'
  and accepted_at > %(received_at)s
order by delivery_seq
"""

SETTLED = """
select decision.decision_id, decision.delivery_seq, decision.kind, decision.decided_by, decision.decided_at,
       decision.reason
from control.decision
where subject = %s and kind in ('release', 'discard')
order by delivery_seq desc limit 1
"""


def held(
    settings: Settings, connection: psycopg.Connection, now: dt.datetime | None = None
) -> list[Hold]:
    """Every delivery that waits, longest first.

    Args:
        connection: of a role that may read ``control``.
        now: for the days; default: now.
    """
    contracts = landing.contracts_of(settings)
    cursor = connection.cursor(row_factory=dict_row)
    return [
        _hold(connection, contracts.get(row["feed"]), row, now or dt.datetime.now(dt.UTC))
        for row in cursor.execute(HELD).fetchall()
    ]


def _hold(
    connection: psycopg.Connection, contract: Contract | None, row: dict[str, Any], now: dt.datetime
) -> Hold:
    code = row["status_reason"].partition(":")[0]
    owner = contract.owner_service if contract else "its owner"
    return Hold(
        **{
            name: row[name]
            for name in (
                "la_code", "delivery_id", "feed", "provider", "period", "file_name", "rows_in", "rows_rejected",
            )
        },
        code=code,
        reason=row["status_reason"].partition(": ")[2],
        since=row["received_at"],
        days=(now - row["received_at"]).days,
        owner_service=owner,
        newer=_newer(connection, contract, row),
        if_released=IF_RELEASED.get(code, "It is loaded as the newest of its feed."),
        if_discarded=IF_DISCARDED.format(owner=owner),
    )  # fmt: skip


def why_not_held(settings: Settings, connection: psycopg.Connection, delivery_id: str) -> str:
    """What is known of a delivery that does not wait, for a person.

    Raises:
        CannotSettle: there is no such delivery, or it is a decision.
    """
    return _what_it_is(settings, connection, _row(connection, delivery_id))


def _newer(
    connection: psycopg.Connection, contract: Contract | None, row: dict[str, Any]
) -> tuple[str, ...]:
    """What came in its place since: releasing the older file would take that back."""
    if row["mode"] == "event":
        return ()
    return tuple(
        delivery_id
        for delivery_id, period in connection.execute(NEWER, row)
        if contract is None or contract.scope == "provider" or period == row["period"]
    )


def preview(
    settings: Settings,
    dsn_loader: str,
    delivery_id: str,
    sample: int = SAMPLE,
) -> Preview:
    """What releasing a held delivery would do. It is done, under the lock of all deliveries, and rolled back.

    Args:
        sample: how many of the rows that would be closed, and of the rejects, are named.
    Raises:
        CannotSettle: it is not held.
        neet.feeds.landing.LandingDamaged: its file or contract is gone.
        neet.feeds.loading.LoadFailed: the database cannot do it now.
    """
    with loading.turn(settings, dsn_loader) as connection:
        row = _row(connection, delivery_id)
        if row["status"] != "held":
            raise CannotSettle(_what_it_is(settings, connection, row))
        landed, contract = _landed(settings, row)
        seq, accepted_at = loading.next_acceptance(connection)
        newest_seq = decisions.newest_of_feed(connection, landed.la_code, landed.feed)
        newest = connection.execute(
            "select delivery_id, period from control.delivery where delivery_seq = %s", [newest_seq]
        ).fetchone()
        common = {
            "delivery_id": delivery_id,
            "feed": landed.feed,
            "period": landed.period,
            "newest_seq": newest_seq,
            "newest": newest and f"{newest[0]} ({newest[1]})",
        }
        try:
            with connection.transaction(force_rollback=True):
                verdict = loading.load_rows(
                    connection, contract, landed, seq + 1, accepted_at, judge=False
                )
                return Preview(
                    **common,
                    counts=verdict.counts,
                    refused=None,
                    rows_stale=_stale(connection, contract, seq + 1),
                    closed=tuple(_closed(connection, contract, landed, seq + 1, sample)),
                    rejects=verdict.rejects[:sample],
                    warnings=verdict.warnings,
                )
        except FileRefused as refused:
            return Preview(
                **common, counts=None, refused=str(refused), rows_stale=0, closed=(), rejects=(), warnings=()
            )  # fmt: skip


def _stale(connection: psycopg.Connection, contract: Contract, seq: int) -> int:
    return connection.execute(
        sql.SQL("select count(*) from {} where delivery_seq = %s and operation = 'S'").format(
            sql.Identifier("raw", contract.feed)
        ),
        [seq],
    ).fetchone()[0]


def _closed(
    connection: psycopg.Connection, contract: Contract, landed: Landed, seq: int, sample: int
) -> list[dict[str, Any]]:
    """A few of the rows that would be closed, with those columns that say nothing of whom they are about."""
    columns = [column.name for column in contract.columns if column.privacy == "none"]
    query = sql.SQL(
        """select {columns} from {table} as closing where delivery_seq = %s and operation = 'D'
           order by row_key collate "C" limit %s"""
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, ["row_key", "provider", *columns])),
        table=sql.Identifier("raw", contract.feed),
    )
    return connection.cursor(row_factory=dict_row).execute(query, [seq, sample]).fetchall()


def settle(
    settings: Settings,
    dsn_loader: str,
    kind: str,
    delivery_id: str,
    by: str,
    reason: str,
    despite_newer: bool = False,
) -> Settled:
    """Release or discard a held delivery, as a recorded decision.

    Args:
        kind: ``release`` or ``discard``.
        by, reason: who decides and why; both stand in the audit for good.
        despite_newer: release it though a newer one of its provider was accepted since it came.
    Raises:
        CannotSettle: it is not held, was settled the other way, or newer ones came since.
        neet.decisions.DecisionError: by or reason will not do, or another delivery was accepted this moment.
        neet.feeds.landing.LandingDamaged, neet.feeds.loading.LoadFailed: see :func:`neet.decisions.record`.
    """
    decisions.recover(settings, dsn_loader)  # what is read next is the whole truth
    with connect(dsn_loader) as connection:
        row = _row(connection, delivery_id)
        if row["status"] != "held":
            before = _settlement(connection, delivery_id)
            if before and before["kind"] == kind:
                return Settled(
                    delivery_id, before["decision_id"], before["delivery_seq"], False,
                    _what_it_is(settings, connection, row),
                )  # fmt: skip
            raise CannotSettle(_what_it_is(settings, connection, row))
        body: dict[str, Any] = {}
        if kind == "release":
            newer = _newer(connection, landing.contracts_of(settings).get(row["feed"]), row)
            if newer and not despite_newer:
                raise CannotSettle(
                    f"{delivery_id} is out of date: {newer[-1]} of the same provider was accepted after it came. "
                    "Releasing the older file would put its values back over the newer ones. Most likely it is to be "
                    f"discarded. If it is the right one all the same: `./neet release {delivery_id} --dry-run` shows "
                    "what it would do, and --despite-newer releases it."
                )
            body["newest_seq"] = decisions.newest_of_feed(connection, row["la_code"], row["feed"])
        la_code = row["la_code"]
    decision = decisions.record(settings, dsn_loader, kind, la_code, delivery_id, body, by, reason)
    with connect(dsn_loader) as connection:
        sentence = _what_it_is(settings, connection, _row(connection, delivery_id))
    return Settled(delivery_id, decision.decision_id, decision.delivery_seq, True, sentence)


def _row(connection: psycopg.Connection, delivery_id: str) -> dict[str, Any]:
    row = (
        connection.cursor(row_factory=dict_row)
        .execute("select * from control.delivery where delivery_id = %s", [delivery_id])
        .fetchone()
    )
    if row is not None and row["mode"] != decisions.MODE:
        return row
    if row is not None:
        raise CannotSettle(
            f"{delivery_id} is a decision, not a file: it is in force and cannot be released or discarded."
        )
    waiting = [found for (found,) in connection.execute("select delivery_id from control.delivery where status = 'held'")]  # fmt: skip
    close = difflib.get_close_matches(delivery_id, waiting, n=3)
    raise CannotSettle(
        f"There is no delivery {delivery_id!r}. "
        + (f"Did you mean {' or '.join(close)}? " if close else "")
        + (f"`./neet held` lists the {len(waiting)} that wait." if waiting else "Nothing waits to be settled.")
    )  # fmt: skip


def _settlement(connection: psycopg.Connection, delivery_id: str) -> dict[str, Any] | None:
    return connection.cursor(row_factory=dict_row).execute(SETTLED, [delivery_id]).fetchone()


def _what_it_is(settings: Settings, connection: psycopg.Connection, row: dict[str, Any]) -> str:
    """What became of a delivery that waits no longer, by whom, and what can still be done."""
    delivery_id, status = row["delivery_id"], row["status"]
    file = landing.read_landed(settings, settings.landing / row["landing_path"]).file
    again = f"./neet deliver {row['feed']} {file}"
    settled = _settlement(connection, delivery_id)
    if settled:
        was = "released" if settled["kind"] == "release" else "discarded"
        said = (
            f"{delivery_id} was {was} by {settled['decided_by']} on {settled['decided_at']:%Y-%m-%d %H:%M} UTC "
            f"({settled['reason']}; decision {settled['delivery_seq']})"
        )
        if was == "released":
            return (
                f"{said} and loaded as delivery {row['delivery_seq']}: {row['rows_loaded']} rows loaded, "
                f"{row['rows_closed']} closed, {row['rows_rejected']} rejected. To take that back, deliver the file that "
                "is right: it becomes the newest."
            )
        return f"{said}; the file is kept. If it was the right one after all, deliver it again: `{again}`."
    if status == "accepted":
        return (
            f"{delivery_id} was accepted on {row['accepted_at']:%Y-%m-%d %H:%M} UTC as delivery {row['delivery_seq']} "
            "without being held, so there is nothing to settle. A corrected file delivered now replaces it."
        )
    return f"{delivery_id} is {status}, not held, so there is nothing to settle: {row['status_reason']}"


def _landed(settings: Settings, row: dict[str, Any]) -> tuple[Landed, Contract]:
    folder = settings.landing / row["landing_path"]
    landed = landing.read_landed(settings, folder)
    recorded = landing.read_sidecar(folder, "held")
    if recorded is None:
        raise landing.LandingDamaged([f"{row['landing_path']} has no held.json"])
    return landed, landing.kept_contract(settings, landed.feed, recorded["contract_sha256"])
