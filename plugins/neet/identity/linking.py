"""Linkage of a build: reads ``int_source_person``, writes the schema ``identity``, all in one transaction.

Weights of pairs are kept from build to build and only what is new or changed is weighed. The rest is worked out from all
records each time, which takes seconds, and only rows that differ are written. So a build that went in steps and one
that starts from nothing end in the same rows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from neet.database import connect
from neet.identity import deciding, records, resolving, scoring
from neet.identity import model as models
from neet.identity.model import Model
from neet.identity.records import Record
from neet.identity.resolving import Candidate, Duplicate, Link, Policy
from neet.identity.scoring import Pair


@dataclass(frozen=True)
class Linked:
    """What a linkage did.

    Attributes:
        records: records of all systems.
        methods: how many were settled by each method.
        queued: records that wait for a person.
        questions: groups of them: what a person is asked.
        compared: pairs of contents that were weighed this time.
        changed: rows of ``identity.link`` that differ from before.
        crowded: blocks too large to compare.
    """

    records: int
    queued: int
    questions: int
    compared: int
    changed: int
    crowded: int
    seconds: float
    methods: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        how = ", ".join(f"{name} {count:,}" for name, count in sorted(self.methods.items()))
        crowded = (
            f"; {self.crowded} blocks too large to compare (identity.crowded_block)"
            if self.crowded
            else ""
        )
        return (
            f"Linkage: {self.records:,} records ({how}); {self.questions:,} questions for a person; "
            f"{self.compared:,} pairs weighed, {self.changed:,} rows changed, {self.seconds} s{crowded}"
        )


def link(dsn: str, known_seq: int) -> Linked:
    """Link every record of the build at hand.

    Whose links changed stands in ``identity.link_change``: a row for every ``person_id`` that gained, lost or changed a
    row of ``identity.link``, in any column, the one before and the one after. It is append-only and numbered by
    ``change_seq``; whoever works by people takes those after the highest number it has seen. When everybody is linked
    anew (another model, policy or code) only those whose rows came out different are named.

    Args:
        dsn: the builder's.
        known_seq: the build's known time.
    """
    started = time.monotonic()
    model = models.load()
    totals: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    with connect(dsn) as connection:
        policy, nothing, dobs = read_policy(connection, known_seq)
        found = records.read(connection, nothing, dobs)
        by_authority = {
            la_code: list(group)
            for la_code, group in itertools.groupby(found, key=lambda one: one.la_code)
        }
        known = {
            row[0]
            for row in connection.execute("select distinct la_code from identity.link").fetchall()
        }
        for la_code in sorted(by_authority.keys() | known):
            rulings = deciding.read(connection, la_code, known_seq)
            links = _link(
                connection,
                la_code,
                by_authority.get(la_code, []),
                rulings,
                policy,
                model,
                known_seq,
                totals,
            )
            methods.update(row.method for row in links)
    return Linked(
        len(found), totals["queued"], totals["questions"], totals["compared"], totals["changed"], totals["crowded"],
        round(time.monotonic() - started, 1), dict(sorted(methods.items())),
    )  # fmt: skip


def read_policy(
    connection: psycopg.Connection, known_seq: int
) -> tuple[Policy, frozenset[str], tuple[dt.date, dt.date]]:
    """Thresholds in force on the day of the newest delivery seen, placeholders of names, and dates of birth that say
    anything.

    Raises:
        ValueError: the seed has no value for a threshold on that day.
    """
    (day,) = connection.execute(
        "select coalesce(max(accepted_at), now())::date from control.delivery where delivery_seq <= %s",
        [known_seq],
    ).fetchone()
    valid = "(valid_from is null or valid_from <= %s) and (valid_to is null or %s < valid_to)"
    values = dict(
        connection.execute(
            f"select policy_id, value from reference.identity_policy where {valid}", [day, day]
        ).fetchall()
    )
    wanted = (
        "upper",
        "lower",
        "margin",
        "duplicate",
        "block_cap",
        "dob_years_before",
        "dob_years_after",
    )
    missing = [name for name in wanted if name not in values]
    if missing:
        raise ValueError(
            f"identity_policy.csv has no {', '.join(missing)} on {day}: linkage cannot run. Add the dated row."
        )
    within = dict(
        connection.execute(
            f"select source_feed, one_key_within from reference.identity_source where {valid}",
            [day, day],
        ).fetchall()
    )
    short = frozenset(
        connection.execute("select name, short_name from reference.short_names").fetchall()
    )
    nothing = frozenset(
        one
        for (one,) in connection.execute(
            "select name_form from reference.name_placeholders"
        ).fetchall()
    )
    policy = Policy(
        float(values["upper"]), float(values["lower"]), float(values["margin"]), float(values["duplicate"]),
        int(values["block_cap"]), within, short,
    )  # fmt: skip
    first = dt.date(day.year - int(values["dob_years_before"]), 1, 1)
    last = dt.date(day.year - int(values["dob_years_after"]), 12, 31)
    return policy, nothing, (first, last)


def fingerprint(model: Model, policy: Policy) -> str:
    """What kept weights depend on: 64 hex digits."""
    parts = [
        model.sha256, models.FEATURES, json.dumps(models.BLOCKS), str(policy.lower), str(policy.block_cap),
        json.dumps(sorted(policy.short_names)), importlib.metadata.version("splink"), importlib.metadata.version("duckdb"),
    ]  # fmt: skip
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _link(
    connection: psycopg.Connection,
    la_code: str,
    found: list[Record],
    rulings: deciding.Rulings,
    policy: Policy,
    model: Model,
    known_seq: int,
    totals: Counter[str],
) -> list[Link]:
    settled = resolving.settle(found, rulings, policy)
    pairs = _kept_pairs(connection, la_code, settled, policy, model, known_seq, totals)
    links, candidates, duplicates = resolving.conclude(settled, pairs, rulings, policy, model)
    keys = ["la_code", "source_feed", "source_key"]
    totals["changed"] += _write(connection, la_code, "link", Link, links, keys, known_seq)
    _write(connection, la_code, "candidate", Candidate, candidates, [*keys, "candidate_rank"])
    _write(
        connection, la_code, "core_plus_duplicate", Duplicate, duplicates,
        ["la_code", "young_persons_id", "other_young_persons_id"],
    )  # fmt: skip
    states = [Ruled(la_code, one, *state) for one, state in sorted(rulings.states.items())]
    _write(connection, la_code, "ruling", Ruled, states, ["la_code", "decision_id"])
    totals["queued"] += sum(row.status == "queued" for row in links)
    totals["questions"] += len({(row.source_feed, row.source_key) for row in candidates})
    return links


@dataclass(frozen=True, slots=True)
class Ruled:
    """A row of ``identity.ruling``: whether a decision is in force, and why."""

    la_code: str
    decision_id: str
    state: str
    reason: str


def _kept_pairs(connection, la_code, settled, policy, model, known_seq, totals) -> list[Pair]:
    """Weights of all pairs that are wanted: the kept ones, after weighing what is new or changed."""
    mark = fingerprint(model, policy)
    row = connection.execute(
        "select fingerprint from identity.state where la_code = %s", [la_code]
    ).fetchone()
    if row is None or row[0] != mark:
        for table in ("content", "pair", "crowded_block"):
            connection.execute(sql.SQL("delete from {} where la_code = %s").format(sql.Identifier("identity", table)), [la_code])  # fmt: skip
    before = dict(
        connection.execute(
            "select content_hash, flag from identity.content where la_code = %s", [la_code]
        ).fetchall()
    )
    crowded_before = {
        (rule, key): count
        for rule, key, count in connection.execute(
            "select rule, block_key, content_count from identity.crowded_block where la_code = %s",
            [la_code],
        ).fetchall()
    }
    scored = scoring.score(
        model,
        settled.contents,
        settled.flags,
        policy.short_names,
        policy.lower,
        policy.block_cap,
        before,
        crowded_before,
    )
    kept = [
        pair
        for pair in itertools.starmap(
            Pair,
            connection.execute(
                "select left_hash, right_hash, score::float, levels from identity.pair where la_code = %s",
                [la_code],
            ),
        )
        if pair.left_hash not in scored.again and pair.right_hash not in scored.again
    ]
    if scored.again:
        connection.execute(
            "create temporary table again (content_hash text primary key) on commit drop"
        )
        _copy(
            connection,
            sql.Identifier("pg_temp", "again"),
            ["content_hash"],
            ([one] for one in sorted(scored.again)),
        )
        connection.execute("analyze again")
        for column in ("left_hash", "right_hash"):
            connection.execute(
                sql.SQL("delete from identity.pair using again where la_code = %s and {} = again.content_hash").format(sql.Identifier(column)),
                [la_code],
            )  # fmt: skip
        connection.execute(
            "delete from identity.content using again where la_code = %s and content.content_hash = again.content_hash",
            [la_code],
        )
        connection.execute("drop table again")
        _copy(
            connection, sql.Identifier("identity", "content"), ["la_code", "content_hash", "flag"],
            ((la_code, one, settled.flags[one]) for one in sorted(scored.again & settled.flags.keys())),
        )  # fmt: skip
        _copy(
            connection, sql.Identifier("identity", "pair"), ["la_code", "left_hash", "right_hash", "score", "levels"],
            ((la_code, one.left_hash, one.right_hash, one.score, one.levels) for one in scored.pairs),
        )  # fmt: skip
    connection.execute("delete from identity.crowded_block where la_code = %s", [la_code])
    _copy(
        connection, sql.Identifier("identity", "crowded_block"), ["la_code", "rule", "block_key", "content_count"],
        ((la_code, rule, key, count) for (rule, key), count in sorted(scored.crowded.items())),
    )  # fmt: skip
    connection.execute(
        """insert into identity.state (la_code, fingerprint, known_seq, detail) values (%s, %s, %s, %s)
           on conflict (la_code) do update set fingerprint = excluded.fingerprint, known_seq = excluded.known_seq,
             detail = excluded.detail""",
        [la_code, mark, known_seq, json.dumps({"model": model.version})],
    )
    totals["compared"] += scored.compared
    totals["crowded"] += len(scored.crowded)
    return kept + scored.pairs


def _copy(
    connection: psycopg.Connection,
    table: sql.Identifier,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} ({}) from stdin").format(table, names)) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _write(
    connection: psycopg.Connection,
    la_code: str,
    table: str,
    kind: type,
    rows: list,
    keys: list[str],
    known_seq: int | None = None,
) -> int:
    """Make a table hold these rows of an authority; returns how many it had to change.

    Args:
        known_seq: name whose rows changed in ``identity.link_change``, at this known time.
    """
    columns = list(kind.__slots__)
    target, given = sql.Identifier("identity", table), sql.Identifier("pg_temp", "given")
    connection.execute(
        sql.SQL(
            "create temporary table given on commit drop as select * from {} with no data"
        ).format(target)
    )
    _copy(connection, given, columns, ([getattr(row, name) for name in columns] for row in rows))
    connection.execute("analyze given")
    same = sql.SQL(" and ").join(
        sql.SQL("given.{0} = there.{0}").format(sql.Identifier(key)) for key in keys
    )
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    ours = sql.SQL(", ").join(sql.SQL("given.{}").format(sql.Identifier(name)) for name in columns)
    theirs = sql.SQL(", ").join(
        sql.SQL("there.{}").format(sql.Identifier(name)) for name in columns
    )
    delete = sql.SQL(
        """delete from {} as there where there.la_code = %s and not exists (
             select from given where {} and ({}) is not distinct from ({}))"""
    ).format(target, same, ours, theirs)
    insert = sql.SQL(
        "insert into {} ({}) select {} from given where not exists (select from {} as there where {})"
    ).format(target, names, ours, target, same)
    if known_seq is not None:
        connection.execute("create temporary table changed (person_id text) on commit drop")
        delete, insert = (
            sql.SQL(
                "with done as ({} returning person_id) insert into changed select person_id from done"
            ).format(one)
            for one in (delete, insert)
        )
    gone = connection.execute(delete, [la_code]).rowcount
    new = connection.execute(insert).rowcount
    if known_seq is not None:
        connection.execute(
            """insert into identity.link_change (la_code, person_id, known_seq)
               select %s, person_id, %s from (select distinct person_id from changed) as one order by person_id collate "C" """,
            [la_code, known_seq],
        )
        connection.execute("drop table changed")
    connection.execute("drop table pg_temp.given")
    return max(gone, new)
