"""One person as the sources meet them, and the ledger of what each source said of whom."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from synthetic_county.core_plus import (
    ACTIVITIES,
    CHARACTERISTICS,
    GUARANTEE,
    PEOPLE,
    Change,
    PersonRow,
)
from synthetic_county.dates import DAY, academic_year
from synthetic_county.facts import Facts, Named, Record, Written
from synthetic_county.lives import Spell
from synthetic_county.parameters import Dice, Tables
from synthetic_county.people import Person
from synthetic_county.schedule import Extract

KEY_COLUMNS = ("source_feed", "source_key", "young_persons_id", "corruption", "district")
CONFLICT_COLUMNS = (
    "kind", "young_persons_id", "source_feed", "source_key", "source_value", "core_value", "known_from", "known_to",
)  # fmt: skip
FACT_COLUMNS = ("kind", "young_persons_id", "other", "since")
NOTHING = "NONE"
_WHOLE_LISTS = frozenset(
    """synergy_send liberi_care youth_justice_orders early_help_parents training_provider_learners school_census""".split()
)
_PARENTHOOD = {"180": "PREGNANT", "120": "PARENT", "190": "PARENT"}
_CARE = {"110": "IN_CARE", "160": "CARE_LEAVER"}


@dataclass(slots=True)
class Subject:
    """A person, what they truly did, and every entry of Core+ about them.

    Attributes:
        changes: none for a stranger, of whom Core+ knows nothing.
    """

    named: Named
    person: Person
    spells: list[Spell]
    changes: list[Change]
    records: dict[str, Record] = field(default_factory=dict)
    facts: Facts | None = None
    said: dict[tuple[str, str, str], list[tuple[date, str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    said_last: dict[tuple[str, str, str], tuple[str, date]] = field(default_factory=dict)

    @property
    def is_double(self) -> bool:
        return self.person.duplicate_of is not None

    @property
    def index(self) -> int:
        return self.person.index

    def dice(self, *purpose: object) -> Dice:
        """A stream of chance of this person and purpose alone."""
        return self.facts.dice("source", self.person.index, *purpose)

    def written(self, source: str, day: date) -> Written:
        """Who the person is as ``source`` has it on ``day``."""
        record = self.records.get(source)
        if record is None:
            record = self.records[source] = self.facts.record(self.named, source)
        return record.on(day)

    def spell_on(self, day: date) -> Spell | None:
        """What the person truly does on ``day``; nothing once they have left."""
        if day >= self.person.gone_on:
            return None
        for spell in reversed(self.spells):
            if spell.start <= day:
                return spell if spell.end is None or spell.end >= day else None
        return None

    def is_here(self, day: date) -> bool:
        """Whether the person lives in the county (or learns in it, if a stranger)."""
        return self.person.entered_on <= day < self.person.gone_on


class Ledger:
    """Which person each source's key means, with which faults, and where a source and Core+ disagree."""

    def __init__(self, tables: Tables, extracts: list[Extract]):
        self.tables = tables
        self.extracts = [one for one in extracts if not one.after_block]
        self._keys: dict[tuple[str, str], tuple[str, set[str], str]] = {}
        self._conflicts: list[tuple] = []
        self._snapshots: dict[str, list[date]] = {}

    def expect(self, snapshots: Iterable[tuple[str, date]]) -> None:
        """Days on which whole lists arrive: whoever is on a list no more, of them it says nothing more."""
        for feed, day in snapshots:
            if feed in _WHOLE_LISTS:
                self._snapshots.setdefault(feed, []).append(day)
        self._snapshots = {feed: sorted(set(days)) for feed, days in self._snapshots.items()}

    def key(self, one: Subject, feed: str, key: str, kinds: tuple[str, ...] = ()) -> None:
        """``key`` of ``feed`` means this person; ``kinds`` are the faults it is written with."""
        found = self._keys.get((feed, key))
        if found is None:
            self._keys[feed, key] = (one.named.truth_id, set(kinds), one.person.district)
        elif found[0] != one.named.truth_id:
            raise AssertionError(f"{key} of {feed} means {found[0]} and {one.named.truth_id}")
        else:
            found[1].update(kinds)

    def stranger(self, feed: str, key: str, truth_id: str) -> None:
        """``key`` means somebody of whom nobody else has heard."""
        self._keys[feed, key] = (truth_id, set(), "")

    def core_plus(self, one: Subject) -> None:
        """Core+'s own record of the person; a duplicate record means whom it doubles."""
        if not one.changes or one.changes[0].keyed_on > self.extracts[-1].as_at:
            return
        kinds = ("duplicate_record",) if one.is_double else one.named.core_kinds
        self.key(one, PEOPLE, one.person.id, kinds)

    def say(self, one: Subject, kind: str, feed: str, key: str, day: date, value: str) -> None:
        """On ``day`` ``feed`` said ``value`` of the person. All feeds of one system speak with one voice."""
        said = one.said[kind, feed.split("_")[0], key]
        one.said_last[kind, feed.split("_")[0], key] = (feed, day)
        if not said or said[-1][1] != value:
            said.append((day, value, feed))

    def compare(self, one: Subject) -> None:
        """Note every stretch of days in which a source and Core+, both as delivered, said different things."""
        if not one.said or not one.changes or one.is_double:
            return
        core = self._core(one)
        for (kind, system, key), said in one.said.items():
            feed, last = one.said_last[kind, system, key]
            gone = [day for day in self._snapshots.get(feed, ()) if day > last]
            if gone:
                said.append((gone[0], "", feed))
            said.sort(key=lambda entry: entry[0])
            days = sorted({entry[0] for entry in said} | {entry[0] for entry in core})
            opened: tuple | None = None
            for day in days:
                told, held = _at(said, day), _at(core, day)
                here = None
                if told and held:
                    source_value, core_value = told[1], held[1].get(kind, NOTHING)
                    if _differ(source_value, core_value):
                        here = (source_value, core_value, told[2])
                if opened and here != opened[:3]:
                    self._note(one, kind, key, opened, (day - DAY).isoformat())
                    opened = None
                if here and not opened:
                    opened = (*here, day)
            if opened:
                self._note(one, kind, key, opened, "")

    def _note(self, one: Subject, kind: str, key: str, opened: tuple, until: str) -> None:
        source_value, core_value, feed, since = opened
        self._conflicts.append(
            (
                kind,
                one.named.truth_id,
                feed,
                key,
                source_value,
                core_value,
                since.isoformat(),
                until,
            )
        )

    def _core(self, one: Subject) -> list[tuple[date, dict[str, str]]]:
        """What Core+'s deliveries said: day of delivery, value by kind."""
        found: list[tuple[date, dict[str, str]]] = []
        rows: dict[tuple, object] = {}
        changes, position = one.changes, 0
        for extract in self.extracts:
            before = position
            while position < len(changes) and changes[position].keyed_on <= extract.as_at:
                change = changes[position]
                position += 1
                if change.row is None:
                    rows.pop((change.feed, change.key), None)
                else:
                    rows[change.feed, change.key] = change.row
            if rows and (position > before or extract.role == "snapshot"):
                values = self._values(rows, extract.as_at)
                if values and (not found or found[-1][1] != values):
                    found.append((extract.deliver_on, values))
        return found

    def _values(self, rows: dict[tuple, object], day: date) -> dict[str, str]:
        person = next((row for (feed, _), row in rows.items() if feed == PEOPLE), None)
        if not isinstance(person, PersonRow):
            return {}
        values = {
            "ADDRESS": person.postcode,
            "SEN": "E" if person.has_plan == "Y" else "K" if person.has_support == "Y" else "N",
        }
        latest = None
        for (feed, _), row in rows.items():
            if feed == CHARACTERISTICS and (row.end is None or row.end >= day):
                if row.code in _CARE:
                    values["CARE"] = _CARE[row.code]
                elif row.code == "170":
                    values["YOUTH_JUSTICE"] = "OPEN"
                elif row.code in _PARENTHOOD:
                    values["PARENTHOOD"] = _PARENTHOOD[row.code]
            elif feed == GUARANTEE and row.year == academic_year(day) + 1:
                values["GUARANTEE"] = row.status
            elif feed == ACTIVITIES and row.start <= day and (row.end is None or row.end >= day):
                if latest is None or (row.start, row.id) > (latest.start, latest.id):
                    latest = row
        if latest is not None:
            values["ACTIVITY"] = activity_of(self.tables, latest.code)
        return values

    def write(self, folder: Path, with_header: bool, facts: Iterable[tuple]) -> None:
        """Write ``source_keys.csv``, ``conflicts.csv`` and ``facts.csv``."""
        folder.mkdir(parents=True, exist_ok=True)
        keys = (
            (feed, key, person, "|".join(sorted(kinds)), district)
            for (feed, key), (person, kinds, district) in self._keys.items()
        )
        for name, header, rows in (
            ("source_keys.csv", KEY_COLUMNS, keys),
            ("conflicts.csv", CONFLICT_COLUMNS, self._conflicts),
            ("facts.csv", FACT_COLUMNS, facts),
        ):
            with (folder / name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if with_header:
                    writer.writerow(header)
                writer.writerows(rows)


def activity_of(tables: Tables, code: str) -> str:
    """The kind of an activity as two systems can agree on it."""
    kind = tables.kind_of.get(code)
    return {
        "sixth_form": "SIXTH_FORM", "college": "COLLEGE", "training": "TRAINING", "apprenticeship": "APPRENTICESHIP",
    }.get(kind, "NOT_KNOWN" if code in tables.not_known else "OTHER")  # fmt: skip


def _differ(source_value: str, core_value: str) -> bool:
    """Whether both cannot be right. Who left somewhere may be anywhere else; a blank says nothing."""
    if not source_value or not core_value:
        return False
    if source_value.startswith("LEFT_"):
        return core_value == source_value.removeprefix("LEFT_")
    return source_value != core_value


def _at(timeline: list[tuple], day: date) -> tuple | None:
    found = None
    for entry in timeline:
        if entry[0] > day:
            break
        found = entry
    return found
