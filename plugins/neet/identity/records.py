"""Records as linkage sees them, and the keys of people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

import psycopg

CORE = "core_plus_people"
"""Feed of the people that are on Core+."""

COLUMNS = (
    "la_code", "source_feed", "source_key", "provider", "is_current", "first_known_seq", "young_persons_id", "upn", "uln", "given_form",
    "middle_form", "family_form", "former_family_form", "preferred_family_form", "alias_form", "dob", "gender_form",
    "postcode", "previous_postcode", "school_form",
)  # fmt: skip

CONTENT = (
    "given_form", "middle_form", "family_form", "former_family_form", "preferred_family_form", "alias_form", "dob",
    "gender_form", "postcode", "previous_postcode", "school_form",
)  # fmt: skip
"""What is compared; records that agree in all of it are scored once."""

NAMES = frozenset(
    name
    for name in CONTENT
    if name.endswith("_form") and name not in ("gender_form", "school_form")
)
DOB = COLUMNS.index("dob")

RecordKey = tuple[str, str]
"""``source_feed`` and ``source_key`` within an authority."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one system says about one person, in normal forms; the columns of ``int_source_person``."""

    la_code: str
    source_feed: str
    source_key: str
    provider: str | None
    is_current: bool
    first_known_seq: int
    young_persons_id: str | None
    upn: str | None
    uln: str | None
    given_form: str | None
    middle_form: str | None
    family_form: str | None
    former_family_form: str | None
    preferred_family_form: str | None
    alias_form: str | None
    dob: date | None
    gender_form: str | None
    postcode: str | None
    previous_postcode: str | None
    school_form: str | None

    @property
    def key(self) -> RecordKey:
        return self.source_feed, self.source_key

    @property
    def is_core(self) -> bool:
        return self.source_feed == CORE

    @property
    def content(self) -> tuple:
        return tuple(getattr(self, name) for name in CONTENT)

    @property
    def content_hash(self) -> str:
        """32 hex digits over what is compared."""
        text = "\x1f".join("" if value is None else str(value) for value in self.content)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def key_of(*parts: str) -> str:
    """The warehouse's derived key, as the macro ``key_of``: 32 hex digits over the parts joined by ``|``."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


def person_key(la_code: str, young_persons_id: str) -> str:
    """``person_id`` of somebody on Core+, as the macro ``person_key``."""
    return key_of(la_code, "core_plus", young_persons_id)


def read(
    connection: psycopg.Connection, nothing: frozenset[str], dobs: tuple[date, date]
) -> list[Record]:
    """Every record of ``int_source_person``, in the order of its key.

    Args:
        nothing: normal forms that stand for want of a name; they are taken for empty.
        dobs: earliest and latest date of birth that says anything; others are taken for empty.
    """
    columns = ", ".join(COLUMNS)
    found = []
    with connection.cursor(name="records") as cursor:
        cursor.itersize = 20_000
        cursor.execute(
            f'''select {columns} from intermediate.int_source_person
                order by la_code collate "C", source_feed collate "C", source_key collate "C"'''
        )
        for row in cursor:
            values = [
                None if name in NAMES and value in nothing else value
                for name, value in zip(COLUMNS, row, strict=True)
            ]
            if values[DOB] is not None and not dobs[0] <= values[DOB] <= dobs[1]:
                values[DOB] = None
            found.append(Record(*values))
    return found
