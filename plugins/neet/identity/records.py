"""Records as linkage sees them, and the keys of people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

CORE = "core_plus_people"
"""Feed of the people that are on Core+; the source key of their records is the ``young_persons_id``."""

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
    row_hash: str = ""

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


LONGEST_KEY = 200


def indexable(text: str) -> str:
    """A text as a key of an index: itself, or its hash where a hostile record makes it too long."""
    return text if len(text) <= LONGEST_KEY else key_of(text)


ROW_HASH = f"encode(sha256(convert_to(row({', '.join(f'record.{name}' for name in COLUMNS)})::text, 'UTF8')), 'hex')"
"""SQL: hash of all that linkage reads of a row ``record``, before anything of it is taken for empty."""


@dataclass(frozen=True)
class Cleaning:
    """What is taken for empty.

    Attributes:
        nothing: normal forms that stand for want of a name.
        dobs: earliest and latest date of birth that says anything.
    """

    nothing: frozenset[str]
    dobs: tuple[date, date]


def read(
    connection: psycopg.Connection,
    cleaning: Cleaning,
    which: str = "",
    values: Mapping[str, Any] | None = None,
) -> list[Record]:
    """Records of ``int_source_person``, in the order of their keys.

    Args:
        which: SQL that joins ``record`` to those asked for; all of them without.
        values: of its placeholders.
    """
    columns = ", ".join(f"record.{name}" for name in COLUMNS)
    found = []
    with connection.cursor(name="records") as cursor:
        cursor.itersize = 20_000
        cursor.execute(
            f'''select {columns}, {ROW_HASH} from intermediate.int_source_person as record {which}
                order by record.la_code collate "C", record.source_feed collate "C", record.source_key collate "C"''',
            values,
        )
        for *row, row_hash in cursor:
            values = [
                None if name in NAMES and value in cleaning.nothing else value
                for name, value in zip(COLUMNS, row, strict=True)
            ]
            first, last = cleaning.dobs
            if values[DOB] is not None and not first <= values[DOB] <= last:
                values[DOB] = None
            found.append(Record(*values, row_hash))
    return found
