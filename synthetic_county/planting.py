"""Chooses whom each defect is planted on, and spoils the exported rows accordingly.

Defects are laid over the exports. Neither the recorded data nor the truth changes, so that the same seed has the same
truth whatever is planted.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from faker.providers.person.en_GB import Provider as EnglishNames

from synthetic_county.core_plus import (
    ACTIVITIES,
    CHARACTERISTICS,
    COLUMNS,
    GUARANTEE,
    PEOPLE,
    ActivityRow,
    Change,
    CharacteristicRow,
    GuaranteeRow,
    Image,
    Key,
    PersonRow,
    file_name,
    person_of,
)
from synthetic_county.dates import academic_age, academic_year, month_end
from synthetic_county.defects import (
    CONTRACT,
    KINDS,
    MOVEMENT,
    Context,
    Effect,
    Kind,
    Subject,
)
from synthetic_county.parameters import Dice
from synthetic_county.schedule import (
    CORRECTIONS,
    MID_MONTH,
    SECOND_CORRECTIONS,
    SNAPSHOT,
    Extract,
)

ONLY_BY_NAME = frozenset({"truncated_snapshot"})
NEVER = "never"
_TOKEN = re.compile(
    r"(?P<kind>\w+)(@(?P<month>\d{4}-\d\d))?(\+(?P<mended>corrections|second_corrections))?"
)
_NEW_PEOPLE, _NEW_ACTIVITIES = 90_000_000, 9_900_000_000

DEFECT_COLUMNS = (
    "defect_id", "kind", "stage", "census_point", "feed", "file", "line_number", "young_persons_id",
    "expected_check", "detail", "alters_truth", "corrected_in",
)  # fmt: skip


class DefectError(ValueError):
    """The defects asked for cannot be planted."""


@dataclass(frozen=True, slots=True)
class Order:
    """One kind to plant: in which month, in which delivery, and when it is mended."""

    kind: Kind
    month: str
    where: str = SNAPSHOT
    mended: str = NEVER


def orders(wanted: str, points: list[str], parameters: dict[str, Any]) -> list[Order]:
    """What to plant, from ``none``, ``all``, a preset or ``NAME[@YYYY-MM][+corrections|+second_corrections],...``.

    Args:
        points: the census points wanted, in order. Without a month, movement defects go to the second, the others to
            the first.
    Raises:
        DefectError: a name, a month or a way of mending that does not exist.
    """
    wanted = wanted.strip()
    if wanted in ("", "none"):
        return []
    presets = parameters["defect_presets"]
    if wanted == "all":
        # A movement is a difference between two returns: with one point there is none.
        kinds = [kind for kind in KINDS.values() if len(points) > 1 or kind.stage != MOVEMENT]
        return [
            Order(kind, _usual_month(kind, points))
            for kind in kinds
            if kind.name not in ONLY_BY_NAME
        ]
    if isinstance(presets.get(wanted), list):
        return list(_preset(presets[wanted], points))
    found = []
    for token in wanted.split(","):
        match = _TOKEN.fullmatch(token.strip())
        if not match or match["kind"] not in KINDS:
            raise DefectError(
                f"There is no defect {token.strip()!r}. Write none, all, a preset "
                f"({', '.join(name for name, value in presets.items() if isinstance(value, list))}) or names from "
                "--list-defects, each with an optional month and delivery that mends it: "
                "rule_43, rule_225@2022-01, rule_203@2022-02+second_corrections."
            )
        kind = KINDS[match["kind"]]
        month = match["month"] or _usual_month(kind, points)
        if month not in points:
            raise DefectError(
                f"{token.strip()!r}: {month} is not among the census points {points[0]} to {points[-1]}."
            )
        found.append(Order(kind, month, mended=match["mended"] or NEVER))
    return found


def _usual_month(kind: Kind, points: list[str]) -> str:
    return points[min(1, len(points) - 1)] if kind.stage == MOVEMENT else points[0]


def _preset(entries: list[dict[str, Any]], points: list[str]) -> Iterator[Order]:
    for entry in entries:
        for point in points:
            if entry["month"] == "each" or entry["month"] == int(point[5:]):
                yield Order(
                    KINDS[entry["kind"]],
                    point,
                    entry.get("where", SNAPSHOT),
                    entry.get("mended", NEVER),
                )


class Book:
    """Core+ by person, to look up who could bear a defect."""

    def __init__(self, changes: list[Change], la_code: str):
        self.la_code = la_code
        self.by_person: dict[str, list[Change]] = defaultdict(list)
        owner: dict[Key, str] = {}
        for change in changes:
            if change.row is None:
                person_id = owner[change.key]
            elif isinstance(change.row, PersonRow):
                person_id = change.row.id
            else:
                person_id = change.row.person_id
                if isinstance(change.row, ActivityRow):
                    owner[change.key] = person_id
            self.by_person[person_id].append(change)
        self.ids = sorted(self.by_person)

    def subject(self, person_id: str, as_at: date, period_end: date) -> Subject | None:
        """The person as known on ``as_at``, if they are in the return with one unbroken activity in force."""
        rows: dict[tuple[str, Key], Any] = {}
        for change in self.by_person[person_id]:
            if change.keyed_on > as_at:
                break
            rows[change.feed, change.key] = change.row
        held = [row for row in rows.values() if row is not None]
        people = [row for row in held if isinstance(row, PersonRow)]
        in_force = [
            row for row in held
            if isinstance(row, ActivityRow) and row.start <= period_end and (row.end is None or row.end >= period_end)
        ]  # fmt: skip
        if not people or len(in_force) != 1 or in_force[0].end is not None:
            return None
        person, activity = people[0], in_force[0]
        if (
            person.status != "P"
            or person.lead_authority != self.la_code
            or person.entry_on > period_end
        ):
            return None
        if activity.due is not None and activity.due < as_at:
            return None
        year_group = academic_age(person.born, period_end) - 4
        is_own_year = 4 <= period_end.month <= 8
        node_key = (
            academic_year(period_end) + is_own_year,
            year_group if is_own_year else year_group - 1,
        )
        nodes = [
            row
            for row in held
            if isinstance(row, GuaranteeRow) and (row.year, row.year_group) == node_key
        ]
        return Subject(
            person, activity,
            [row for row in held if isinstance(row, CharacteristicRow)],
            nodes[0] if nodes else None, year_group, as_at, period_end,
        )  # fmt: skip

    def is_still(
        self, person_id: str, since: date, until: date, kind: Kind, may_lapse: bool
    ) -> bool:
        """Whether nothing that matters to the defect changes after ``since`` and up to ``until``."""
        is_strict = kind.stage == CONTRACT
        is_about_guarantee = is_strict or kind.guarantee
        latest: PersonRow | None = None
        for change in self.by_person[person_id]:
            row = change.row
            if change.keyed_on > until:
                break
            if change.keyed_on > since:
                if change.feed in (ACTIVITIES, CHARACTERISTICS) or (
                    is_about_guarantee and change.feed == GUARANTEE
                ):
                    return False
                if change.feed == PEOPLE and (
                    is_strict or not _same_but_for_guarantee(latest, row)
                ):
                    return False
            if isinstance(row, PersonRow):
                latest = row
            elif isinstance(row, ActivityRow) and row.due and row.end is None:
                if since <= row.due < until and not may_lapse:
                    return False
        return True


def _same_but_for_guarantee(before: PersonRow | None, after: PersonRow) -> bool:
    if before is None:
        return False
    return (
        after._replace(
            guarantee_indicator=before.guarantee_indicator,
            intended_destination=before.intended_destination,
            updated_on=before.updated_on,
        )
        == before
    )


@dataclass(slots=True)
class Plant:
    """A defect planted: on whom, from which extract on, until which."""

    number: int
    kind: Kind
    effect: Effect
    starts: Extract
    ends: Extract | None
    file: str = ""
    line_number: int | None = None

    def holds(self, extract: Extract) -> bool:
        """Whether the defect sits in this extract. A spoilt line sits in one file alone."""
        if self.kind.stage == CONTRACT:
            return extract is self.starts
        return self.starts.order <= extract.order and (
            self.ends is None or extract.order < self.ends.order
        )


class PlantedFaults:
    """The planted defects, as ``exports.Exporter`` asks for them."""

    def __init__(self, plants: list[Plant], book: Book | None, la_code: str):
        self.plants = plants
        self.la_code = la_code
        self._by_key: dict[tuple[str, Key], list[Plant]] = defaultdict(list)
        self._dropping: dict[str, Plant] = {}
        self._dropped_keys: dict[str, set[tuple[str, Key]]] = {}
        for plant in plants:
            effect = plant.effect
            keys = {*effect.edits, *effect.added}
            if effect.lines or effect.kept_share:
                keys.add(effect.at)
            for key in keys:
                self._by_key[key].append(plant)
            if effect.drops_person:
                self._dropping[effect.drops_person] = plant
                self._dropped_keys[effect.drops_person] = {
                    (change.feed, change.key) for change in book.by_person[effect.drops_person]
                }

    def keys_touched(self, extract: Extract) -> set[tuple[str, Key]]:
        keys: set[tuple[str, Key]] = set()
        for plant in self.plants:
            if extract in (plant.starts, plant.ends):
                keys |= plant.effect.edits.keys() | plant.effect.added.keys()
                if plant.effect.drops_person:
                    keys |= self._dropped_keys[plant.effect.drops_person]
        return keys

    def image(self, extract: Extract, feed: str, key: Key, image: Image | None) -> Image | None:
        if image is not None and self._dropping:
            plant = self._dropping.get(person_of(feed, image))
            if plant and plant.holds(extract):
                return None
        for plant in self._by_key.get((feed, key), ()):
            if not plant.holds(extract):
                continue
            if (feed, key) in plant.effect.added:
                image = plant.effect.added[feed, key]
            edits = plant.effect.edits.get((feed, key))
            if edits and image is not None:
                cells = dict(zip(COLUMNS[feed], image, strict=True)) | edits
                image = tuple(cells[column] for column in COLUMNS[feed])
        return image

    def lines(self, extract: Extract, feed: str, key: Key, cells: list[str]) -> list[list[str]]:
        for plant in self._by_key.get((feed, key), ()):
            if plant.effect.lines and plant.holds(extract):
                return plant.effect.lines(cells)
        return [cells]

    def written(self, extract: Extract, feed: str, key: Key, file: str, line_number: int) -> None:
        for plant in self._by_key.get((feed, key), ()):
            if plant.effect.at == (feed, key) and not plant.file and plant.holds(extract):
                plant.file, plant.line_number = file, line_number

    def kept_share(self, extract: Extract, feed: str) -> float | None:
        for plant in self.plants:
            if plant.effect.kept_share and plant.starts is extract and plant.effect.at[0] == feed:
                return plant.effect.kept_share
        return None

    def write(self, path: Path) -> None:
        """Write ``defects.csv``."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(DEFECT_COLUMNS)
            for plant in self.plants:
                writer.writerow(self._row(plant))

    def _row(self, plant: Plant) -> tuple:
        effect, kind = plant.effect, plant.kind
        feed = effect.at[0] if effect.at else PEOPLE
        file, line_number = plant.file, plant.line_number
        if effect.drops_person or effect.kept_share:
            file = file_name(self.la_code, feed, plant.starts.mode, plant.starts.as_at)
            line_number = None
        corrected_in = (
            file_name(self.la_code, feed, "delta", plant.ends.as_at) if plant.ends else ""
        )
        # Mended before the census run, or the run repeated after: the run's answer is the truth's.
        alters = kind.alters_truth and plant.ends is None
        return (
            f"D{plant.number:03d}", kind.name, kind.stage, plant.starts.census_point, feed, file,
            "" if line_number is None else line_number, effect.person_id, kind.expected, effect.detail,
            "Y" if alters else "N", corrected_in,
        )  # fmt: skip


class Planter:
    """Finds a person for every order. No person gets two defects.

    Args:
        blocks: how many blocks of people the county has; the book is the first.
    """

    def __init__(
        self,
        book: Book,
        extracts: list[Extract],
        places: Any,
        parameters: dict[str, Any],
        seed: int,
        blocks: int = 1,
    ):
        self.book = book
        self.blocks = blocks
        self.extracts = extracts
        self.places = places
        self.presets = parameters["defect_presets"]
        self.seed = seed
        self.taken: set[str] = set()
        self._subjects: dict[tuple[date, date], dict[str, Subject]] = {}
        self._new_people = 0
        self._new_activities = 0
        self._names = Dice.of(seed, places.la_code, "defect names")

    def plant(self, wanted: list[Order]) -> list[Plant]:
        """The plants. Whatever few people can bear is planted first, whatever needs many people last.

        Raises:
            DefectError: nobody is left who could bear one.
        """
        plants: list[Plant] = []
        for order in sorted(
            wanted, key=lambda one: (self._how_many(one.kind) > 1, self._bearers(one))
        ):
            starts = self._extract(order.where, order.month)
            ends = None if order.mended == NEVER else self._extract(order.mended, order.month)
            for repeat in range(self._wanted(order, starts)):
                effect = self._find(order, starts, ends, repeat)
                plants.append(Plant(len(plants) + 1, order.kind, effect, starts, ends))
        return plants

    def _how_many(self, kind: Kind) -> int:
        return {"vanished": self.presets["vanished_people"], "not_known_jump": 10**6}.get(
            kind.name, 1
        )

    def _wanted(self, order: Order, starts: Extract) -> int:
        if order.kind.name != "not_known_jump":
            return self._how_many(order.kind)
        cohort = sum(
            one.year_group in (12, 13) for one in self._all_subjects(order, starts).values()
        )
        # It must show in the whole county, of which the book is one block.
        return max(1, round(self.blocks * cohort * self.presets["not_known_jump_share"]))

    def _extract(self, role: str, month: str) -> Extract:
        if role not in (SNAPSHOT, MID_MONTH, CORRECTIONS, SECOND_CORRECTIONS):
            raise DefectError(
                f"{role!r} is not a delivery: snapshot, mid_month, corrections or second_corrections."
            )
        return next(one for one in self.extracts if one.role == role and one.month == month)

    def _candidates(self, order: Order, starts: Extract, repeat: int) -> Iterator[str]:
        """Everybody once, from a place in the list that depends on the order alone."""
        ids = self.book.ids
        dice = Dice.of(
            self.seed, self.places.la_code, "defect", order.kind.name, order.month, repeat
        )
        first, step = dice.within((0, len(ids) - 1)), 1 + 2 * dice.within((0, 40))
        while len(ids) > 1 and _share_a_divisor(step, len(ids)):
            step += 1
        for position in range(len(ids)):
            person_id = ids[(first + position * step) % len(ids)]
            if person_id not in self.taken:
                yield person_id

    def _find(self, order: Order, starts: Extract, ends: Extract | None, repeat: int) -> Effect:
        """Someone whose record stays as it is while the defect sits in it; failing that, until the census run."""
        run = self._extract(CORRECTIONS, order.month)
        last = ends or self.extracts[-1]
        before = self.extracts[max(0, starts.order - 1)]
        since = before.as_at if order.kind.stage == CONTRACT else starts.as_at
        # In August every course is about to lapse; its defects must bear that.
        horizons = [(run.as_at, False)] if order.kind.stage == CONTRACT else [
            (last.as_at, False), (run.as_at, False), (run.as_at, True)
        ]  # fmt: skip
        for until, may_lapse in horizons:
            for person_id in self._candidates(order, starts, repeat):
                subject = self._subject(person_id, order, starts)
                if subject is None or not order.kind.wants(subject):
                    continue
                if not self.book.is_still(person_id, since, until, order.kind, may_lapse):
                    continue
                effect = order.kind.make(subject, self._context(order, starts))
                if effect is not None:
                    self.taken |= {subject.person.id, effect.person_id, *effect.uses}
                    return effect
        raise DefectError(
            f"Nobody is left to plant {order.kind.name} on in {order.month}: ask for more people (500 carry every "
            "kind once) or fewer defects."
        )

    def _bearers(self, order: Order) -> int:
        subjects = self._all_subjects(order, self._extract(order.where, order.month))
        return sum(map(order.kind.wants, subjects.values()))

    def _all_subjects(self, order: Order, starts: Extract) -> dict[str, Subject]:
        key = starts.as_at, month_end(order.month)
        found = self._subjects.get(key)
        if found is None:
            everybody = (
                (person_id, self.book.subject(person_id, *key)) for person_id in self.book.ids
            )
            found = {person_id: one for person_id, one in everybody if one is not None}
            self._subjects[key] = found
        return found

    def _subject(self, person_id: str, order: Order, starts: Extract) -> Subject | None:
        return self._all_subjects(order, starts).get(person_id)

    def _context(self, order: Order, starts: Extract) -> Context:
        def another(wants: Callable[[Subject], bool]) -> Subject | None:
            for person_id in self._candidates(order, starts, -1):
                subject = self._subject(person_id, order, starts)
                if subject is not None and wants(subject):
                    return subject
            return None

        return Context(
            self.places.la_code,
            self.places.neighbours[0],
            self._new_id,
            self._new_activity_id,
            self._new_name,
            another,
        )

    def _new_id(self) -> str:
        self._new_people += 1
        return f"{self.places.la_code}{_NEW_PEOPLE + self._new_people:010d}"

    def _new_activity_id(self) -> str:
        self._new_activities += 1
        return f"{_NEW_ACTIVITIES + self._new_activities:010d}"

    def _new_name(self) -> tuple[str, str]:
        return (
            self._names.one_of(list(EnglishNames.first_names_female)),
            self._names.one_of(list(EnglishNames.last_names)),
        )


def _share_a_divisor(one: int, other: int) -> bool:
    while other:
        one, other = other, one % other
    return one > 1


def nothing_planted(la_code: str) -> PlantedFaults:
    return PlantedFaults([], None, la_code)
