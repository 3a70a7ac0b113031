"""The ledger of the live lineage as Python sees it: ``increments.model_state`` and ``increments.touched_person``.

dbt keeps it (``dbt_project/macros/increments``), in the transaction that writes a table. Here it is read, tidied and,
for a full refresh, forgotten. Whoever copies from live tables follows it the same way as a model does: keep the stamp
at which you last read (:func:`stamp`, drawn before reading); a table whose ``changed_at`` is not later than that is as
you know it; if ``full_at`` is later, read it all; otherwise the people named with a later stamp are the only ones whose
rows differ (:func:`changes_since`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from neet.database import connect
from neet.settings import Settings

RUNS_KEPT = 400
"""Runs of models whose touched people are kept, the newest ones; who lags behind further reads everything anew."""


@dataclass(frozen=True)
class Changes:
    """What happened to a table since a stamp.

    Attributes:
        has_changed: False: every row is as it was.
        is_whole: anything may have changed; False: only rows of people in ``increments.touched_person`` with a later
            stamp.
    """

    model: str
    has_changed: bool
    is_whole: bool


def stamp(connection: psycopg.Connection) -> int:
    """Draw the next stamp. Draw it before reading, and keep it in the transaction that writes what was read."""
    return connection.execute("select nextval('increments.model_stamp')").fetchone()[0]


def changes_since(
    connection: psycopg.Connection, models: Iterable[str], since: int
) -> dict[str, Changes]:
    """What happened to live tables since a stamp, by name; a table that the ledger does not know has changed whole.

    The people are ``select la_code, person_id from increments.touched_person where model = %s and stamp > %s``.
    """
    known = {
        model: Changes(model, changed_at > since, full_at > since)
        for model, changed_at, full_at in connection.execute(
            "select model, changed_at, full_at from increments.model_state"
        ).fetchall()
    }
    return {model: known.get(model, Changes(model, True, True)) for model in models}


@dataclass(frozen=True)
class Summary:
    """What a run of dbt did to live tables.

    Attributes:
        unchanged: models left alone.
        modes: how many were made in which way: ``increment``, ``rebuilt``, ``same`` (rebuilt, and equal), ``full``.
        reasons: why models that could be made in steps were made whole, by model.
        touched: people whose rows changed, by the history that told of them.
        rows_written: deleted and inserted.
    """

    unchanged: int
    modes: dict[str, int]
    reasons: dict[str, str]
    touched: dict[str, int]
    rows_written: int

    @property
    def words(self) -> str:
        done = ", ".join(f"{count} {mode}" for mode, count in sorted(self.modes.items()))
        people = ", ".join(f"{count:,} of {model}" for model, count in sorted(self.touched.items()))
        return (
            f"{self.unchanged} tables unchanged{', ' if done else ''}{done}; {self.rows_written:,} rows written"
            + (f"; people touched: {people}" if people else "")
        )


def last_stamp(dsn: str) -> int:
    """The newest stamp drawn."""
    with connect(dsn) as connection:
        return connection.execute("select last_value from increments.model_stamp").fetchone()[0]


def summary(dsn: str, models: list[str], since: int) -> Summary:
    """What became of models in the runs after a stamp."""
    with connect(dsn) as connection:
        ran = connection.execute(
            """select model, mode, reason, coalesce(rows_written, 0) from increments.model_state
               where model = any(%s) and ran_at > %s and reason <> 'a view'""",
            [models, since],
        ).fetchall()
        touched = connection.execute(
            """select model, count(*) from increments.touched_person
               where stamp > %s and model = any(%s) and model like 'hist\\_%%' group by model""",
            [since, models],
        ).fetchall()
    modes: dict[str, int] = {}
    for _, mode, _, _ in ran:
        modes[mode] = modes.get(mode, 0) + 1
    return Summary(
        unchanged=len(set(models)) - len(ran),
        modes=modes,
        reasons={model: reason for model, mode, reason, _ in ran if mode == "full"},
        touched=dict(touched),
        rows_written=sum(rows for _, _, _, rows in ran),
    )


def macros_fingerprint(settings: Settings) -> str:
    """Hash over the macros that make tables (32 hex digits): other macros may make other rows of the same SQL."""
    digest = hashlib.sha256()
    for file in sorted((settings.dbt_project / "macros" / "increments").glob("*.sql")):
        if file.name == "test.sql":  # makes no rows
            continue
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:32]


def forget(dsn: str) -> None:
    """Forget what tables were made from: each is made anew by the next build that comes to it."""
    with connect(dsn) as connection:
        connection.execute("delete from increments.model_state where model !~ ':'")


def tidy(dsn: str) -> None:
    """Delete the touched people of old runs. A reader that has not read since then finds ``full_at`` moved up."""
    with connect(dsn) as connection:
        connection.execute(
            """with old as (
                 select model, stamp, dense_rank() over (order by stamp desc) > %s as is_old
                 from (select distinct model, stamp from increments.touched_person) as run
               ), last as (
                 select model, max(stamp) as stamp from old where is_old group by model
               ), gone as (
                 delete from increments.touched_person as person using last
                 where person.model = last.model and person.stamp <= last.stamp
               )
               update increments.model_state as state set full_at = greatest(full_at, last.stamp)
               from last where state.model = last.model""",
            [RUNS_KEPT],
        )
