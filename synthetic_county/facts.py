"""Facts about people that matter once a second system writes them down: twins, siblings, households, names that change.

Laid over the population by streams of chance of their own, so that lives and what Core+ learns of them hardly move.
Only a county with other sources has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from faker.providers.person.en_GB import Provider as EnglishNames

from synthetic_county.core_plus import PEOPLE, Change, PersonRow, key_of
from synthetic_county.dates import DAY, academic_year
from synthetic_county.parameters import Dice
from synthetic_county.people import Person, nobodys_learner_number
from synthetic_county.places import Place, Places
from synthetic_county.schedule import Rhythm
from synthetic_county.spelling import (
    day_month_swapped,
    digits_transposed,
    half,
    same_school_year,
    short_form,
    slip,
    variant,
    without_marks,
    wrong_learner_number,
    wrong_postcode,
    year_off,
)

CORRUPTION = Path(__file__).with_name("corruption.yml")
CORE_PLUS = "core_plus"
_BOYS = list(EnglishNames.first_names_male)
_GIRLS = list(EnglishNames.first_names_female)
_FAMILIES = list(EnglishNames.last_names)
_MARKED_GIRLS = [
    "Zoë",
    "Chloé",
    "Renée",
    "Siân",
    "Anaïs",
    "Inês",
    "Noémie",
    "Zoé",
    "Séverine",
    "Esmée",
]
_MARKED_BOYS = ["André", "José", "Noël", "Jörg", "Tomáš", "René", "Léo", "Raúl", "Óscar", "Björn"]
_MARKED_FAMILIES = [
    "Müller",
    "Núñez",
    "García",
    "Öztürk",
    "Gonçalves",
    "Simões",
    "Žukauskas",
    "Šimek",
    "Gómez",
    "Ibáñez",
]
_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_FIRST_PRIMARY = 2000
_MERGED = 9901

Address = tuple[str, str, str, str]
"""First line, town, postcode, district."""


def load_corruption() -> dict[str, Any]:
    """Rates and reasons of ``corruption.yml``."""
    return yaml.safe_load(CORRUPTION.read_text(encoding="utf-8"))


def _nobodys_pupil_number(la_code: str, year_11: int, index: int) -> str:
    """As ``people.nobodys_pupil_number``, and unique by index: UPNs are given by primary schools."""
    primary, serial = divmod(index, 1000)
    digits = f"{la_code}{_FIRST_PRIMARY + primary % 7000:04d}{(year_11 - 11) % 100:02d}{serial:03d}"
    right = (
        sum(int(digit) * weight for digit, weight in zip(digits, range(2, 14), strict=True)) % 23
    )
    return _UPN_LETTERS[(right + 1) % 23] + digits


@dataclass(slots=True)
class Named:
    """Who a person is, whatever anybody writes down.

    Attributes:
        truth_id: the YoungPersonsID of the person's one good record; of a stranger a number of their own.
        names: given and family name from a day on, oldest first.
        addresses: likewise; filled once the life is known.
        other_name: the given name in use, where it is not the first.
    """

    person: Person
    truth_id: str
    upn: str
    uln: str
    names: list[tuple[date, str, str]]
    addresses: list[tuple[date, Address]] = field(default_factory=list)
    other_name: str = ""
    twin: Named | None = None
    moves: list[tuple[date, Address]] = field(default_factory=list)
    """Moves that nobody tells Core+ of."""
    core_learns: list[tuple[date, str, str]] = field(default_factory=list)
    is_stranger: bool = False
    core_kinds: tuple[str, ...] = ()
    """Faults of Core+'s own record."""

    def address_on(self, day: date) -> Address:
        found = self.addresses[0][1]
        for since, address in self.addresses:
            if since > day:
                break
            found = address
        return found


@dataclass(frozen=True, slots=True)
class Written:
    """Who somebody is as one source has it."""

    given: str
    family: str
    middle: str
    born: date
    gender: str
    postcode: str
    address: Address
    upn: str
    uln: str
    kinds: tuple[str, ...]


class Record:
    """What one source keeps of one person: drawn once, and changed only when the source is told of a change."""

    __slots__ = ("_versions",)

    def __init__(
        self, named: Named, source: str, settings: dict[str, Any], dice: Dice, of_twins: Dice
    ):
        rates = settings["sources"][source]["rates"]
        population = settings["population"]
        drawn = [kind for kind, rate in rates.items() if dice.chance(rate)]
        if named.twin is not None:
            # Whoever takes one twin's number for the other's takes the other's for the one's.
            drawn = [kind for kind in drawn if kind != "upn_of_twin"]
            if of_twins.chance(rates.get("upn_of_twin", 0)):
                drawn.append("upn_of_twin")
        learns = dice.days(population["source_learns_days"])
        seed = dice.random()
        days = {date.min}
        days |= {since + learns for since, _, _ in named.names[1:]}
        days |= {since + learns for since, _ in named.addresses[1:]}
        self._versions: list[tuple[date, Written]] = []
        for day in sorted(days):
            written = _write(named, drawn, day - learns if day > date.min else day, Dice.of(seed))
            if not self._versions or self._versions[-1][1] != written:
                self._versions.append((day, written))

    def on(self, day: date) -> Written:
        """As the source has it on ``day``."""
        found = self._versions[0][1]
        for since, written in self._versions[1:]:
            if since > day:
                break
            found = written
        return found


def _write(named: Named, drawn: list[str], day: date, dice: Dice) -> Written:
    person, has = named.person, set(drawn)
    kinds: list[str] = []

    def takes(kind: str, before: object, after: object) -> Any:
        if kind in has and after != before and after:
            kinds.append(kind)
            return after
        return before

    names = [entry for entry in named.names if entry[0] <= max(day, named.names[0][0])]
    _, given, family = names[-1]
    if len(names) > 1:
        if family != names[-2][2]:
            family = takes("former_family_name", family, names[-2][2])
        if given != names[-2][1]:
            given = takes("former_given_name", given, names[-2][1])
    middle = person.middle_name
    given = takes("preferred_name", given, named.other_name)
    given = takes("nickname", given, short_form(given))
    given = takes("given_variant", given, variant(given, dice))
    given = takes("diacritics_lost", given, without_marks(given))
    if middle and "middle_added" in has:
        given = takes("middle_added", given, f"{given} {middle}")
    family = takes("family_variant", family, variant(family, dice))
    if "-" in family:
        family = takes("double_barrelled_cut", family, half(family, dice))
    plain = without_marks(family)
    if "diacritics_lost" in has and plain != family:
        family = plain
        if "diacritics_lost" not in kinds:
            kinds.append("diacritics_lost")
    given = takes("given_typo", given, slip(given, dice))
    family = takes("family_typo", family, slip(family, dice))
    if "swapped_names" in has and given != family:
        given, family = family, given
        kinds.append("swapped_names")
    born = takes("birth_day_month_swapped", person.born, day_month_swapped(person.born))
    if born == person.born:
        born = takes("birth_digits_transposed", born, digits_transposed(born, dice))
    born = takes("birth_year_off", born, year_off(born, dice))
    gender = person.gender
    if "gender_wrong" in has and gender in "MF":
        gender = "F" if gender == "M" else "M"
        kinds.append("gender_wrong")
    if "gender_blank" in has:
        gender = ""
        kinds.append("gender_blank")
    address = named.address_on(day)
    if "postcode_old" in has:
        earlier = [one for since, one in named.addresses if since <= day and one != address]
        if earlier:
            address = earlier[-1]
            kinds.append("postcode_old")
    postcode = takes("postcode_typo", address[2], wrong_postcode(address[2], dice))
    if "postcode_blank" in has:
        postcode = ""
        kinds.append("postcode_blank")
    upn = named.upn
    if named.twin is not None:
        upn = takes("upn_of_twin", upn, named.twin.upn)
    if upn == named.upn:
        # Digits that no other number shares: the year differs, the rest is the person's own.
        upn = takes("upn_wrong", upn, f"{upn[:8]}{(int(upn[8:10]) + 7) % 100:02d}{upn[10:]}")
        if "upn_missing" in has:
            upn = ""
            kinds.append("upn_missing")
    uln = takes("uln_wrong", named.uln, wrong_learner_number(named.uln, dice))
    if "uln_missing" in has:
        uln = ""
        kinds.append("uln_missing")
    return Written(given, family, middle, born, gender, postcode, address, upn, uln, tuple(kinds))


def temporary_upn(upn: str) -> str:
    """A temporary number, as a school gives it who knows none: a letter at the end."""
    return f"{upn[:-1]}{_UPN_LETTERS[int(upn[-1])]}"


class Facts:
    """Twins, siblings, lodgers and changes of name of one block, and how Core+ writes its people down.

    Args:
        people: everybody of the block; they are changed in place, before they live.
        opening, until: the time shown.
    """

    def __init__(
        self, people: list[Person], places: Places, rhythm: Rhythm, seed: int, block: int, opening: date, until: date
    ):  # fmt: skip
        self.settings = load_corruption()
        self.rates = self.settings["population"]
        self.places = places
        self.rhythm = rhythm
        self.seed = seed
        self.block = block
        self.opening = opening
        self.until = until
        self._named: dict[int, Named] = {}
        originals = [one for one in people if one.duplicate_of is None]
        self._name_everybody(originals)
        self._make_households(originals)
        for person in originals:
            self._named[person.index] = self._name(person)
        for one, other in self._twins:
            self._named[one.index].twin = self._named[other.index]
            self._named[other.index].twin = self._named[one.index]
        for person in people:
            if person.duplicate_of is not None:
                self._follow(person)

    def of(self, person: Person) -> Named:
        """The facts of a person; of a duplicate record those of whom it doubles."""
        return self._named[(person.duplicate_of or person).index]

    def pupil_number(self, person: Person) -> str:
        """The person's own UPN, whether or not Core+ knows it."""
        return _nobodys_pupil_number(self.places.la_code, person.year_11, person.index)

    def record(self, named: Named, source: str) -> Record:
        """What ``source`` keeps of a person."""
        index = named.person.index
        pair = min(index, named.twin.person.index) if named.twin else index
        return Record(
            named, source, self.settings, self.dice(source, index), self.dice(source, "twins", pair)
        )

    def dice(self, *purpose: object) -> Dice:
        return Dice.of(self.seed, self.places.la_code, "facts", *purpose)

    # -- the population

    def _name_everybody(self, people: list[Person]) -> None:
        for person in people:
            dice = self.dice("name", person.index)
            if dice.chance(self.rates["double_barrelled"]):
                person.family_name = f"{person.family_name}-{dice.one_of(_FAMILIES)}"
            if dice.chance(self.rates["diacritics"]):
                if dice.chance(0.5):
                    person.given_name = dice.one_of(
                        _MARKED_BOYS if person.given_name in _BOYS else _MARKED_GIRLS
                    )
                else:
                    person.family_name = dice.one_of(_MARKED_FAMILIES)
            has_upn, has_uln = bool(person.pupil_number), bool(person.learner_number)
            upn = _nobodys_pupil_number(self.places.la_code, person.year_11, person.index)
            person.pupil_number = upn if has_upn else ""
            person.learner_number = (
                nobodys_learner_number(person.index, self.seed) if has_uln else ""
            )

    def _make_households(self, people: list[Person]) -> None:
        """Pairs by year of Year 11, in an order of chance, so that nobody is in two pairs."""
        dice = self.dice("households", self.block)
        self._twins: list[tuple[Person, Person]] = []
        self.siblings: list[tuple[Person, Person]] = []
        self.lodgers: list[tuple[Person, Person]] = []
        free = [
            one for one in people
            if one.school is not None and one.lead_authority == self.places.la_code
            and one.entered_on == date(one.year_11, 9, 1)
        ]  # fmt: skip
        dice.shuffle(free)
        waiting: dict[tuple[int, str], Person] = {}
        left = []
        alike = self.rates["twins_alike"]
        for person in free:
            if not dice.chance(self.rates["twins"]):
                left.append(person)
                continue
            wanted = (
                person.gender
                if dice.chance(alike)
                else {"M": "F", "F": "M"}.get(person.gender, person.gender)
            )
            other = waiting.pop((person.year_11, wanted), None)
            if other is None:
                waiting[person.year_11, person.gender] = person
                continue
            self._share_home(other, person)
            person.born, person.school = other.born, other.school
            if person.given_name == other.given_name or dice.chance(self.rates["twins_near_names"]):
                self._begin_alike(other, person, dice)
            self._twins.append((other, person))
        by_year: dict[int, Person] = {}
        for person in left:
            chance = dice.random()
            if chance < self.rates["siblings"]:
                older = by_year.pop(person.year_11 - 1, None) or by_year.pop(
                    person.year_11 - 2, None
                )
                if older is None:
                    by_year[person.year_11] = person
                    continue
                self._share_home(older, person)
                self.siblings.append((older, person))
                if dice.chance(0.6):
                    person.school = older.school
            elif chance < self.rates["siblings"] + self.rates["lodgers"]:
                host = dice.one_of(left)
                if host is not person:
                    person.address, person.district = host.address, host.district
                    self.lodgers.append((host, person))

    @staticmethod
    def _share_home(one: Person, other: Person) -> None:
        other.family_name = one.family_name
        other.address, other.district = one.address, one.district

    @staticmethod
    def _begin_alike(one: Person, other: Person, dice: Dice) -> None:
        pool = _BOYS if other.given_name in _BOYS or other.given_name in _MARKED_BOYS else _GIRLS
        alike = [name for name in pool if name[:2] == one.given_name[:2] and name != one.given_name]
        alike = alike or [
            name for name in pool if name[0] == one.given_name[0] and name != one.given_name
        ]
        other.given_name = dice.one_of(alike or [name for name in pool if name != one.given_name])

    def _name(self, person: Person) -> Named:
        dice = self.dice("changes", person.index)
        rates = self.rates["changes_a_year"]
        names = [(date.min, person.given_name, person.family_name)]
        learns: list[tuple[date, str, str]] = []
        moves: list[tuple[date, Address]] = []
        first = academic_year(self.opening) - 1
        pool = _BOYS if person.gender == "M" else _GIRLS
        for year in range(first, academic_year(self.until) + 1):
            day = date(year, 9, 1) + dice.days((0, 364))
            chance, other_given, other_family = (
                dice.random(),
                dice.one_of(pool),
                dice.one_of(_FAMILIES),
            )
            moved, delay, is_told = (
                dice.random(),
                dice.days(self.rates["core_plus_learns_days"]),
                dice.random(),
            )
            day_moved, district = date(year, 9, 1) + dice.days((0, 364)), person.district
            address = (*self.places.address(district, dice), district)
            given, family = names[-1][1:]
            if chance < rates["family_name"]:
                names.append((day, given, other_family))
            elif chance < rates["family_name"] + rates["given_name"]:
                names.append((day, other_given, family))
            if names[-1][0] == day and is_told < self.rates["core_plus_learns_of_change"]:
                learns.append((day + delay, *names[-1][1:]))
            if moved < rates["move_unknown_to_core_plus"]:
                moves.append((day_moved, address))
        other_name = ""
        if dice.chance(self.rates["uses_another_name"]):
            other_name = person.middle_name or dice.one_of(pool)
        return Named(
            person, person.id, _nobodys_pupil_number(self.places.la_code, person.year_11, person.index),
            nobodys_learner_number(person.index, self.seed), names, other_name=other_name, moves=moves,
            core_learns=learns,
        )  # fmt: skip

    def _follow(self, duplicate: Person) -> None:
        original = duplicate.duplicate_of
        name = original.given_name
        duplicate.born, duplicate.address, duplicate.district = (
            original.born,
            original.address,
            original.district,
        )
        duplicate.family_name = original.family_name
        duplicate.given_name = name[:-1] if len(name) > 4 else name + name[-1]

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """What is so of whom: kind, person, the other person or the new name, and since when."""
        for kind, pairs in (
            ("TWIN", self._twins),
            ("SIBLING", self.siblings),
            ("LODGER", self.lodgers),
        ):
            for one, other in pairs:
                yield kind, one.id, other.id, ""
        for named in self._named.values():
            for since, given, family in named.names[1:]:
                yield "NAME_CHANGED", named.truth_id, f"{given} {family}", since.isoformat()
            for since, address in named.moves:
                yield "MOVE_UNKNOWN_TO_CORE_PLUS", named.truth_id, address[2], since.isoformat()
            if named.other_name:
                yield "USES_ANOTHER_NAME", named.truth_id, named.other_name, ""

    # -- Core+

    def as_core_writes(self, person: Person, changes: list[Change]) -> list[Change]:
        """The changes of a person with the names, dates and postcodes that Core+ has for them, faults included."""
        if person.duplicate_of is not None:
            return changes
        named = self.of(person)
        named.addresses = [(date.min, (*person.address, person.district))]
        written = self.record(named, CORE_PLUS).on(person.known_on)
        named.core_kinds = written.kinds
        born = written.born if same_school_year(written.born, person.born) else person.born
        first_postcode = person.address[2]
        names = {"given_name": written.given, "family_name": written.family, "born": born}
        learns = [one for one in named.core_learns if person.known_on < one[0] < person.gone_on]
        found: list[Change] = []
        latest: PersonRow | None = None
        for change in changes:
            while learns and latest is not None and self._typed(learns[0][0]) < change.keyed_on:
                latest = self._learn(learns.pop(0), latest, names, found)
            if isinstance(change.row, PersonRow):
                row = change.row._replace(**names)
                if row.postcode == first_postcode:
                    row = row._replace(postcode=written.postcode or first_postcode)
                latest = row
                change = change._replace(row=row)
            found.append(change)
        while learns and latest is not None:
            latest = self._learn(learns.pop(0), latest, names, found)
        found.sort(key=lambda change: change.keyed_on)
        named.addresses += self._moves(named, changes)
        return [change for change in found if change.keyed_on <= self.until]

    def _typed(self, learned: date) -> date:
        return self.rhythm.keyed_on(learned, learned)

    def _learn(
        self, told: tuple[date, str, str], latest: PersonRow, names: dict[str, Any], found: list[Change]
    ) -> PersonRow:  # fmt: skip
        typed = max(self._typed(told[0]), latest.updated_on)
        names |= {"given_name": told[1], "family_name": told[2]}
        row = latest._replace(given_name=told[1], family_name=told[2], updated_on=typed)
        found.append(Change(typed, *key_of(row), row))
        return row

    @staticmethod
    def _moves(named: Named, changes: list[Change]) -> list[tuple[date, Address]]:
        """True moves: those that Core+ heard of, some days before, and those that it did not."""
        moves = list(named.moves)
        before = named.person.address[2]
        for change in changes:
            if change.feed == PEOPLE and change.row.postcode != before:
                row = change.row
                moves.append(
                    (
                        change.keyed_on - 12 * DAY,
                        (row.address, row.town, row.postcode, row.district),
                    )
                )
                before = row.postcode
        return sorted(moves)


def mergers(places: Places, opening: date, how_many: int) -> dict[str, tuple[date, Place]]:
    """Schools that become one: by old number, the first day of the new one and the school it is.

    The new number stands from the first day after Christmas in the academic year that begins with, or holds, the day
    after ``opening``.
    """
    on = date(academic_year(opening + DAY) + 1, 1, 4)
    found: dict[str, tuple[date, Place]] = {}
    by_district: dict[str, list[Place]] = {}
    for school in places.schools:
        by_district.setdefault(school.district, []).append(school)
    pairs = [schools[:2] for schools in by_district.values() if len(schools) > 1][:how_many]
    for number, (one, other) in enumerate(pairs):
        merged = Place(
            f"{places.la_code}{_MERGED + number}", f"{one.name} and {other.name}", "", one.district
        )
        found[one.number] = found[other.number] = (on, merged)
    return found
