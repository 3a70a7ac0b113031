"""Linkage of a build: reads ``int_source_person``, writes ``identity.link``, all in one transaction."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from neet.database import connect
from neet.identity import records
from neet.identity.records import Record, key_of, person_key


@dataclass(frozen=True)
class Linked:
    """What a linkage did.

    Attributes:
        records: records of all systems.
        methods: how many were settled by each method.
        queued: records that wait for a person.
    """

    records: int
    queued: int
    seconds: float
    methods: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        how = ", ".join(f"{name} {count:,}" for name, count in sorted(self.methods.items()))
        return f"Linkage: {self.records:,} records ({how}), {self.queued:,} wait for a person, {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Link:
    """A row of ``identity.link``."""

    la_code: str
    source_feed: str
    source_key: str
    person_id: str
    young_persons_id: str | None
    method: str
    score: float | None
    status: str
    evidence: str
    model_version: str
    decision_id: str | None
    content_hash: str


def link(dsn: str, known_seq: int) -> Linked:
    """Link every record of the build at hand.

    Args:
        dsn: the builder's.
        known_seq: the build's known time.
    """
    started = time.monotonic()
    with connect(dsn) as connection:
        links = resolve(records.read(connection))
        connection.execute("truncate identity.link")
        columns = ", ".join(Link.__slots__)
        with (
            connection.cursor() as cursor,
            cursor.copy(f"copy identity.link ({columns}) from stdin") as copy,
        ):
            for row in links:
                copy.write_row([getattr(row, name) for name in Link.__slots__])
    methods = Counter(row.method for row in links)
    queued = sum(row.status == "queued" for row in links)
    return Linked(len(links), queued, round(time.monotonic() - started, 1), dict(methods))


def resolve(found: list[Record]) -> list[Link]:
    """Links by exact keys."""
    holders: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for record in found:
        if record.is_core:
            for kind in ("young_persons_id", "upn", "uln"):
                if value := getattr(record, kind):
                    holders[record.la_code, kind, value].add(record.young_persons_id)
    return [_exact(record, holders) for record in found]


def _exact(record: Record, holders: dict[tuple[str, str, str], set[str]]) -> Link:
    known, method = None, "none"
    if record.is_core:
        known, method = record.young_persons_id, "core_plus"
    else:
        for kind, name in (("young_persons_id", "core_plus_id"), ("upn", "upn"), ("uln", "uln")):
            people = holders.get((record.la_code, kind, getattr(record, kind) or ""), set())
            if len(people) == 1:
                (known,) = people
                method = name
                break
    person_id = (
        person_key(record.la_code, known)
        if known
        else key_of(record.la_code, record.source_feed, record.source_key)
    )
    return Link(
        record.la_code, record.source_feed, record.source_key, person_id, known, method, None,
        "linked" if known else "alone", "" if not known else f"same {method}", "none", None, record.content_hash,
    )  # fmt: skip
