"""What people decided about identities, and what of it is in force.

A decision is about two records, each named by its feed and source key. A person on Core+ is named by the Core+ record.
Kinds: ``identity_link`` (one person), ``identity_split`` (two people), ``identity_unsure`` (looked at, not known) and
``identity_undo`` (the latest on the two is as if it had never been). The latest decision on the same two stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from neet import decisions
from neet.database import connect
from neet.identity.records import CORE, RecordKey, key_of
from neet.settings import Settings

LINK, SPLIT, UNSURE, UNDO = "identity_link", "identity_split", "identity_unsure", "identity_undo"
KINDS = (LINK, SPLIT, UNSURE, UNDO)

LONGEST_SUBJECT = 400

IN_FORCE, SUPERSEDED, UNDONE, OVERRULED = "in_force", "superseded", "undone", "overruled"


@dataclass(frozen=True, slots=True)
class Ruling:
    """One decision on two records."""

    decision_id: str
    delivery_seq: int
    kind: str
    one: RecordKey
    other: RecordKey
    decided_by: str
    decided_on: str

    @property
    def words(self) -> str:
        return f"{self.decided_by} decided it on {self.decided_on}"


@dataclass(frozen=True)
class Rulings:
    """What is in force at a known time, for one authority.

    Attributes:
        persons: record -> (young_persons_id, decision_id, words): it is that person.
        barred: record -> people on Core+ that it is not.
        same, different: pairs of records.
        unsure: record -> words; it stays in the queue.
        states: decision_id -> (state, words): why a decision is in force or not.
    """

    persons: Mapping[RecordKey, tuple[str, str, str]] = field(default_factory=dict)
    barred: Mapping[RecordKey, frozenset[str]] = field(default_factory=dict)
    same: frozenset[tuple[RecordKey, RecordKey]] = frozenset()
    different: frozenset[frozenset[RecordKey]] = frozenset()
    unsure: Mapping[RecordKey, str] = field(default_factory=dict)
    states: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def subject_of(one: RecordKey, other: RecordKey) -> str:
    """Subject of a decision: the two records in order; their hash where keys are too long to stand there."""
    text = " = ".join(" ".join(key) for key in sorted((one, other)))
    return text if len(text) <= LONGEST_SUBJECT else key_of(text)


def why_not(dsn: str, la_code: str, kind: str, one: RecordKey, other: RecordKey) -> str:
    """Why a decision on two records would be about nothing; empty when it may be recorded.

    Args:
        dsn: the builder's.
    """
    with connect(dsn) as connection:
        if (
            connection.execute("select to_regclass('intermediate.int_source_person')").fetchone()[0]
            is None
        ):
            return "Nothing has been built yet. Run the build, then decide."
        for feed, key in (one, other):
            found = connection.execute(
                "select 1 from intermediate.int_source_person where (la_code, source_feed, source_key) = (%s, %s, %s)",
                [la_code, feed, key],
            ).fetchone()
            if not found:
                return f"There is no record {key!r} of {feed!r} in authority {la_code}. See intermediate.int_source_person."
        if kind == UNDO:
            standing = connection.execute(
                """select sum(case when kind = %s then -1 else 1 end) from control.decision
                   where la_code = %s and kind = any(%s) and subject = %s""",
                [UNDO, la_code, list(KINDS), subject_of(one, other)],
            ).fetchone()[0]
            if not standing or standing < 1:
                return f"Nothing was decided about {one[1]} of {one[0]} and {other[1]} of {other[0]}, so there is nothing to undo."
    return ""


def body_of(one: RecordKey, other: RecordKey) -> dict[str, Any]:
    """Body of a decision."""
    first, second = sorted((one, other))
    return {"one_feed": first[0], "one_key": first[1], "other_feed": second[0], "other_key": second[1]}  # fmt: skip


def record(
    settings: Settings,
    dsn_gate: str,
    kind: str,
    one: RecordKey,
    other: RecordKey,
    by: str,
    reason: str,
) -> decisions.Decision:
    """Record a decision on two records; the very one that was the latest on them is found, not repeated.

    It names the decision it comes after: same, different, same again are three, though the third says what the first did.

    Raises:
        neet.decisions.DecisionError: it cannot be recorded.
    """
    subject = subject_of(one, other)
    with connect(dsn_gate) as connection:
        latest = connection.execute(
            """select decision_id, delivery_seq, kind, decided_by, reason from control.decision
               where la_code = %s and kind = any(%s) and subject = %s order by delivery_seq desc limit 1""",
            [settings.la_code, list(KINDS), subject],
        ).fetchone()
    if latest and kind != UNDO and latest[2:] == (kind, by, reason):
        return decisions.Decision(latest[0], latest[1], "")
    body = body_of(one, other) | {"detail": {"after": latest[0] if latest else None}}
    return decisions.record(settings, dsn_gate, kind, settings.la_code, subject, body, by, reason)


def read(connection: psycopg.Connection, la_code: str, known_seq: int) -> Rulings:
    """What is in force at a known time."""
    return in_force(read_all(connection, la_code, known_seq))


def read_all(connection: psycopg.Connection, la_code: str, known_seq: int) -> list[Ruling]:
    """Every decision known at a time, in the order of ``delivery_seq``."""
    rows = connection.execute(
        """select decision_id, delivery_seq, kind, body->>'one_feed', body->>'one_key', body->>'other_feed',
                  body->>'other_key', decided_by, to_char(decided_at, 'YYYY-MM-DD')
           from control.decision where la_code = %s and kind = any(%s) and delivery_seq <= %s order by delivery_seq""",
        [la_code, list(KINDS), known_seq],
    ).fetchall()
    return [Ruling(*row[:3], (row[3], row[4]), (row[5], row[6]), *row[7:]) for row in rows]


def in_force(rulings: list[Ruling]) -> Rulings:
    """Sort out decisions on the same two, and those that cannot all be true: the later one wins and says so.

    Args:
        rulings: in the order of ``delivery_seq``.
    """
    states: dict[str, tuple[str, str]] = {}
    latest: dict[frozenset[RecordKey], list[Ruling]] = defaultdict(list)
    for ruling in rulings:
        stack = latest[frozenset((ruling.one, ruling.other))]
        if ruling.kind == UNDO:
            if stack:
                undone = stack.pop()
                states[undone.decision_id] = (UNDONE, f"undone: {ruling.words}")
            states[ruling.decision_id] = (IN_FORCE, "undid the decision before it")
        else:
            stack.append(ruling)
    standing = []
    for stack in latest.values():
        for earlier in stack[:-1]:
            states[earlier.decision_id] = (
                SUPERSEDED,
                f"a later decision on the same two: {stack[-1].words}",
            )
        standing += stack[-1:]
    standing.sort(key=lambda one: -one.delivery_seq)
    whose: dict[RecordKey, Ruling] = {}
    persons, same, unsure = {}, set(), {}
    barred: dict[RecordKey, set[str]] = defaultdict(set)
    different: set[frozenset[RecordKey]] = set()
    for ruling in standing:
        states[ruling.decision_id] = (IN_FORCE, ruling.words)
        record, person = _record_and_person(ruling)
        if ruling.kind == UNSURE:
            for key in (ruling.one, ruling.other):
                if key[0] != CORE:
                    unsure.setdefault(
                        key,
                        f"{ruling.decided_by} looked at it on {ruling.decided_on} and was not sure",
                    )
        elif ruling.kind == SPLIT:
            if person is not None:
                barred[record].add(person)
            else:
                different.add(frozenset((ruling.one, ruling.other)))
        elif person is not None:
            if record in whose:
                later = whose[record]
                states[ruling.decision_id] = (
                    OVERRULED,
                    f"{record[0]} {record[1]} was later said to be {later.one[1] if later.one[0] == CORE else later.other[1]}: {later.words}",
                )
                continue
            whose[record] = ruling
            persons[record] = (person, ruling.decision_id, ruling.words)
        else:
            same.add((ruling.one, ruling.other))
    for record in persons:
        unsure.pop(record, None)
    return Rulings(
        persons,
        {key: frozenset(people) for key, people in barred.items()},
        frozenset(same),
        frozenset(different),
        unsure,
        states,
    )


def _record_and_person(ruling: Ruling) -> tuple[RecordKey, str | None]:
    """The record and the person on Core+ that it is about; None for two records neither of which, or each of which, is
    a Core+ record."""
    cores = [key for key in (ruling.one, ruling.other) if key[0] == CORE]
    if len(cores) != 1:
        return ruling.one, None
    (core,) = cores
    record = ruling.other if core == ruling.one else ruling.one
    return record, core[1]
