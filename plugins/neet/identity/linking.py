"""Linkage of a build: reads ``int_source_person``, writes the schema ``identity``, all in one transaction.

What changed since the last linkage is found by hashes, what it reaches by what records share (:mod:`neet.identity.reaching`),
and only that is read, settled, weighed, ranked and written. A linkage from nothing is the same with everybody changed. So a
build that went in steps and one that starts from nothing end in the same rows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from neet.database import connect
from neet.identity import deciding, keeping, records, resolving
from neet.identity import model as models
from neet.identity.model import Model
from neet.identity.reaching import Reach
from neet.identity.records import Cleaning
from neet.identity.resolving import Candidate, Duplicate, Link, Policy
from neet.identity.tables import copy


@dataclass(frozen=True)
class Linked:
    """What a linkage did.

    Attributes:
        records: records of all systems.
        news: those that are new, gone or changed since the last linkage.
        touched: those that were read, settled and ranked this time.
        beside: others that were read to be compared with them.
        methods: how many were settled by each method.
        queued: records that wait for a person.
        questions: groups of them: what a person is asked.
        compared: pairs of contents that were weighed this time.
        changed: rows of ``identity.link`` that differ from before.
        crowded: blocks too large to compare.
    """

    records: int
    news: int
    touched: int
    beside: int
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
            f"{self.news:,} new, gone or changed, {self.touched:,} touched and {self.beside:,} looked at beside them, "
            f"{self.compared:,} pairs weighed, {self.changed:,} rows changed, {self.seconds} s{crowded}"
        )


def link(dsn: str, known_seq: int) -> Linked:
    """Link the records of the build at hand: those that changed since the last linkage, and all whom that reaches.

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
    done: Counter[str] = Counter()
    with connect(dsn) as connection:
        policy, cleaning = read_policy(connection, known_seq)
        for (la_code,) in connection.execute(
            """select la_code from intermediate.int_source_person union select la_code from identity.state
               order by la_code"""
        ).fetchall():
            _link(connection, la_code, policy, cleaning, model, known_seq, done)
        methods = dict(
            connection.execute("select method, count(*) from identity.link group by method order by method").fetchall()
        )  # fmt: skip
        queued, questions, crowded = connection.execute(
            """select (select count(*) from identity.link where status = 'queued'),
                 (select count(*) from (select distinct la_code, source_feed, source_key from identity.candidate) as asked),
                 (select count(*) from identity.crowded_block)"""
        ).fetchone()
    return Linked(
        sum(methods.values()), done["news"], done["touched"], done["beside"], queued, questions, done["compared"],
        done["changed"], crowded, round(time.monotonic() - started, 1), methods,
    )  # fmt: skip


def read_policy(connection: psycopg.Connection, known_seq: int) -> tuple[Policy, Cleaning]:
    """Thresholds in force on the day of the newest delivery seen, and what then stands for nothing.

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
    return policy, Cleaning(nothing, (first, last))


def fingerprint(model: Model, policy: Policy, cleaning: Cleaning) -> str:
    """What every link depends on beside records and decisions: 64 hex digits."""
    code = [file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))]
    parts = [
        model.sha256, hashlib.sha256(b"\0".join(code)).hexdigest(), *(str(value) for value in (
            policy.upper, policy.lower, policy.margin, policy.duplicate, policy.block_cap, sorted(policy.one_key_within.items()),
            sorted(policy.short_names), sorted(cleaning.nothing), cleaning.dobs)),
        *(importlib.metadata.version(name) for name in ("splink", "duckdb", "rapidfuzz")),
    ]  # fmt: skip
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _link(
    connection: psycopg.Connection,
    la_code: str,
    policy: Policy,
    cleaning: Cleaning,
    model: Model,
    known_seq: int,
    done: Counter[str],
) -> None:
    """Link what changed in an authority and all whom it reaches."""
    decisions = deciding.read_all(connection, la_code, known_seq)
    rulings = deciding.in_force(decisions)
    differing = _begin(connection, la_code, fingerprint(model, policy, cleaning), known_seq, model)
    reach = Reach(connection, la_code, cleaning, policy, decisions, differing)
    whole = reach.settle(_ruled(connection, la_code, decisions, rulings))
    settled = resolving.settle(whole.records, rulings, policy, whole.namesakes)
    gone = reach.gone_contents() - settled.flags.keys()
    stirred = keeping.partners(connection, la_code, settled.flags.keys() | gone, policy)
    weighed = keeping.weigh(
        connection, la_code, settled.contents, settled.flags, gone, reach.contents, policy, model
    )
    others = reach.conclude(stirred | weighed.stirred)
    if others.records:
        settled = settled.joined(
            resolving.settle(others.records, rulings, policy, others.namesakes)
        )
    pairs = keeping.pairs_among(connection, la_code, settled.contents.keys())
    links, candidates, duplicates = resolving.conclude(settled, pairs, rulings, policy, model)
    keys = ["la_code", "source_feed", "source_key"]
    of_record, of_person = (
        "" if reach.everybody else _within(key)
        for key in ("there.source_feed, there.source_key", f"'{records.CORE}', there.young_persons_id")
    )  # fmt: skip
    done["changed"] += _write(connection, la_code, "link", Link, links, keys, of_record, known_seq)
    _write(connection, la_code, "candidate", Candidate, candidates, [*keys, "candidate_rank"], of_record)  # fmt: skip
    _write(
        connection, la_code, "core_plus_duplicate", Duplicate, duplicates,
        ["la_code", "young_persons_id", "other_young_persons_id"], of_person,
    )  # fmt: skip
    states = [Ruled(la_code, one, *state) for one, state in sorted(rulings.states.items())]
    _write(connection, la_code, "ruling", Ruled, states, ["la_code", "decision_id"])
    done.update(
        news=reach.changed, touched=reach.count, beside=len(reach.beside), compared=weighed.compared
    )  # fmt: skip


def _begin(connection, la_code, mark: str, known_seq: int, model: Model) -> str:
    """Which records may differ from those of the last linkage: ``all`` when it was made with something else or of
    something later (what is kept is then forgotten), ``none`` when ``int_source_person`` is the same table by the ledger
    of increments, else ``some``."""
    row = connection.execute(
        "select fingerprint, known_seq, detail ->> 'records_at' from identity.state where la_code = %s",
        [la_code],
    ).fetchone()
    (records_at,) = connection.execute(
        "select max(changed_at) from increments.model_state where model = 'int_source_person'"
    ).fetchone()
    anew = row is None or row[0] != mark or row[1] > known_seq
    if anew:
        keeping.forget(connection, la_code)
        for table in ("seen", "mention"):
            connection.execute(f"delete from identity.{table} where la_code = %s", [la_code])
    connection.execute(
        """insert into identity.state (la_code, fingerprint, known_seq, detail) values (%s, %s, %s, %s)
           on conflict (la_code) do update set fingerprint = excluded.fingerprint, known_seq = excluded.known_seq,
             detail = excluded.detail""",
        [la_code, mark, known_seq, json.dumps({"model": model.version, "records_at": records_at})],
    )
    if anew:
        return "all"
    return "none" if records_at is not None and row[2] == str(records_at) else "some"


def _ruled(connection, la_code, decisions, rulings: deciding.Rulings) -> list[records.RecordKey]:
    """Records with a decision that is new, or not in the state in which it was."""
    before = {
        one: (state, reason)
        for one, state, reason in connection.execute(
            "select decision_id, state, reason from identity.ruling where la_code = %s", [la_code]
        ).fetchall()
    }
    return [
        key
        for ruling in decisions
        if before.get(ruling.decision_id) != rulings.states.get(ruling.decision_id)
        for key in (ruling.one, ruling.other)
    ]


@dataclass(frozen=True, slots=True)
class Ruled:
    """A row of ``identity.ruling``: whether a decision is in force, and why."""

    la_code: str
    decision_id: str
    state: str
    reason: str


def _within(key: str) -> str:
    """SQL: a row ``there`` is of a record that was reached or is gone."""
    found = "(select source_feed, source_key from reached union select source_feed, source_key from changed)"
    return f"and ({key}) in {found}"


def _write(
    connection: psycopg.Connection,
    la_code: str,
    table: str,
    kind: type,
    rows: list,
    keys: list[str],
    within: str = "",
    known_seq: int | None = None,
) -> int:
    """Make a table hold these rows of an authority; returns how many it had to change.

    Args:
        within: SQL that picks the rows ``there`` which these replace; without it all.
        known_seq: name whose rows changed in ``identity.link_change``, at this known time.
    """
    columns = list(kind.__slots__)
    target = sql.Identifier("identity", table)
    connection.execute(
        sql.SQL(
            "create temporary table given on commit drop as select * from {} with no data"
        ).format(target)
    )
    copy(connection, "pg_temp.given", columns, ([getattr(row, name) for name in columns] for row in rows))  # fmt: skip
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
        """delete from {} as there where there.la_code = %s {} and not exists (
             select from given where {} and ({}) is not distinct from ({}))"""
    ).format(target, sql.SQL(within), same, ours, theirs)
    insert = sql.SQL(
        "insert into {} ({}) select {} from given where not exists (select from {} as there where {})"
    ).format(target, names, ours, target, same)
    if known_seq is not None:
        connection.execute("create temporary table struck (person_id text) on commit drop")
        delete, insert = (
            sql.SQL(
                "with done as ({} returning person_id) insert into struck select person_id from done"
            ).format(one)
            for one in (delete, insert)
        )
    gone = connection.execute(delete, [la_code]).rowcount
    new = connection.execute(insert).rowcount
    if known_seq is not None:
        connection.execute(
            """insert into identity.link_change (la_code, person_id, known_seq)
               select %s, person_id, %s from (select distinct person_id from struck) as one order by person_id collate "C" """,
            [la_code, known_seq],
        )
        connection.execute("drop table struck")
    connection.execute("drop table pg_temp.given")
    return max(gone, new)
