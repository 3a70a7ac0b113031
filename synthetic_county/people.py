"""Who lives in the county: birth, names, school, needs, and when each comes and goes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta

from faker.providers.person.en_GB import Provider as EnglishNames

from synthetic_county.dates import academic_year, year_end
from synthetic_county.parameters import Dice, Tables
from synthetic_county.places import Place, Places

_BOYS = list(EnglishNames.first_names_male)
_GIRLS = list(EnglishNames.first_names_female)
_FAMILIES = list(EnglishNames.last_names)
_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_AGE_IN_YEAR_11 = 15
PEOPLE_NUMBERED_IN_A_BLOCK = 100_000
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(slots=True)
class Leaving:
    """How a record leaves the cohort: status letter, first day away, day the authority knows."""

    status: str
    on: date
    known_on: date
    to_authority: str = ""
    guarantee_only_until: date | None = None


@dataclass(slots=True)
class Person:
    """One young person as they are; what Core+ makes of them is another matter (``recording``)."""

    index: int
    id: str
    year_11: int
    """Academic year, by its first calendar year, in which the person is in Year 11."""
    born: date
    gender: str
    given_name: str
    middle_name: str
    family_name: str
    ethnicity: str
    district: str
    address: tuple[str, str, str]
    school: Place | None
    learner_number: str
    pupil_number: str
    educated_in: str
    authority_in_year_11: str
    former_id: str
    entered_on: date
    known_on: date
    sen: str
    """SEN group at the start: plan, support or none."""
    is_vulnerable: bool
    unsettled: float
    level_of_need: str
    intended_destination: str
    lead_authority: str
    plan_granted_on: date | None = None
    characteristics: list[tuple[str, date, date | None]] = field(default_factory=list)
    leaving: Leaving | None = None
    duplicate_of: Person | None = None

    @property
    def group(self) -> str:
        """The group whose hazards apply."""
        return "vulnerable" if self.is_vulnerable else self.sen

    def year_group(self, day: date) -> int:
        return 11 + academic_year(day) - self.year_11

    @property
    def post_16_on(self) -> date:
        return date(self.year_11 + 1, 9, 1)

    @property
    def gone_on(self) -> date:
        """First day on which nobody looks for the person any more."""
        return self.leaving.on if self.leaving else date.max


def nobodys_learner_number(index: int, seed: int) -> str:
    """A ten-digit number shaped like a ULN, unique by index, whose check digit is wrong: it can belong to nobody."""
    base = str((index * 387_420_487 + seed * 1_000_003) % 900_000_000 + 100_000_000)
    remainder = (
        sum(int(digit) * weight for digit, weight in zip(base, range(10, 1, -1), strict=True)) % 11
    )
    right = (10 - remainder) % 10
    return base + str((right + 3) % 10)


def nobodys_pupil_number(la_code: str, school: Place | None, year_11: int, index: int) -> str:
    """Thirteen characters shaped like a UPN whose check letter is wrong."""
    school_number = school.number[3:] if school and school.number else "9000"
    digits = f"{la_code}{school_number}{(year_11 - 11) % 100:02d}{index % 1000:03d}"
    right = (
        sum(int(digit) * weight for digit, weight in zip(digits, range(2, 14), strict=True)) % 23
    )
    return _UPN_LETTERS[(right + 1) % 23] + digits


class Population:
    """Draws everybody of one block who is in Core+ at some time between ``opening`` and ``until``.

    Args:
        people: how many are in the return at any one time, about.
        opening, until: first and last day that an extract shows.
        shown_from: first day of the months whose returns are wanted.
        block: each has streams of chance and numbers of people of its own; the first shows every kind of leaver.
    """

    def __init__(
        self,
        tables: Tables,
        places: Places,
        people: int,
        seed: int,
        opening: date,
        until: date,
        shown_from: date,
        block: int = 0,
    ):
        self.tables = tables
        self.places = places
        self.people = people
        self.seed = seed
        self.opening = opening
        self.until = until
        self.shown_from = shown_from
        self.settings = tables.parameters["population"]
        self.block = block
        self._next_index = block * PEOPLE_NUMBERED_IN_A_BLOCK + 1

    def draw(self) -> list[Person]:
        """Everybody, by index. Each has a stream of chance of their own."""
        residents: list[Person] = []
        oldest, newest = academic_year(self.opening) - 2, academic_year(self.until)
        dice = Dice.of(self.seed, self.places.la_code, "population", self.block)
        size = self.people * self.settings["year_group_share"]
        for year_11 in range(oldest, newest + 1):
            count = self._whole(size, dice)
            residents += [self._resident(year_11) for _ in range(count)]
            first = date(year_11, 9, 1)
            months = (min(self.until, date(year_11 + 3, 8, 31)) - first).days / 30.4
            arrivals = size * self.settings["moves"]["into_the_county"] * max(months, 0)
            for _ in range(self._whole(arrivals, dice)):
                residents.append(self._resident(year_11, arrives=True))
        for age, share in self.settings["older_plan_share"].items():
            year_11 = academic_year(self.opening) - (age - _AGE_IN_YEAR_11)
            holders = size * self.settings["sen"]["plan_share"] * share
            for _ in range(self._whole(holders, dice)):
                residents.append(self._resident(year_11, sen="plan"))
        begins = date(academic_year(self.opening) - 1, 9, 1)
        residents = [one for one in residents if one.gone_on >= begins]
        self._show_every_leaver(residents, dice)
        duplicates = [
            self._duplicate(person, dice)
            for person in residents
            if dice.chance(self.settings["moves"]["duplicate_record"] * 12)
        ]
        if self._wants("M") and not any(self._is_shown(one.leaving) for one in duplicates):
            candidates = [
                one for one in residents
                if one.leaving is None and one.learner_number and one.lead_authority == self.places.la_code
            ]  # fmt: skip
            duplicates.append(self._duplicate(dice.one_of(candidates), dice))
        return residents + duplicates

    @staticmethod
    def _whole(expected: float, dice: Dice) -> int:
        return int(expected) + dice.chance(expected % 1)

    def _resident(self, year_11: int, arrives: bool = False, sen: str | None = None) -> Person:
        index = self._next_index
        self._next_index += 1
        dice = Dice.of(self.seed, self.places.la_code, "person", index)
        settings, tables, places = self.settings, self.tables, self.places
        born = dice.day_between(date(year_11 - 16, 9, 1), date(year_11 - 15, 8, 31))
        gender = tables.weighted("population", "gender").draw(dice)
        given = _BOYS if gender == "M" or (gender in "UW" and dice.chance(0.5)) else _GIRLS
        district = places.draw_district(dice)
        if sen is None:
            # Spread evenly rather than by chance: a quota sample, so that the groups have their right size.
            share = (self.seed + index) * _GOLDEN % 1 - settings["sen"]["plan_share"]
            sen = "plan" if share < 0 else "none"
            if 0 <= share < settings["sen"]["support_share"]:
                sen = "support"
        school = places.school_near(district, dice)
        if sen == "plan" and dice.chance(0.5):
            school = dice.one_of(places.special_schools)
        entered = date(year_11, 9, 1)
        known = (
            entered
            - timedelta(days=1)
            + dice.days(tables.parameters["recording"]["cohort_load_days"])
        )
        came_from = ""
        if arrives:
            entered = dice.day_between(
                entered + timedelta(days=30), min(self.until, date(year_11 + 3, 8, 31))
            )
            known = min(
                entered + dice.days(settings["moves"]["arrives_knowing_days"]), year_end(entered)
            )
            if academic_year(entered) > year_11:
                came_from = dice.one_of(places.neighbours)
        characteristics = self._characteristics(year_11, dice)
        lead = places.la_code
        if dice.chance(settings["secondary_registration_share"]):
            lead = dice.one_of(places.neighbours)
        person = Person(
            index=index,
            id=f"{places.la_code}{2_000_000 + index * 17 + dice.within((0, 16)):010d}",
            year_11=year_11,
            born=born,
            gender=gender,
            given_name=dice.one_of(given),
            middle_name=dice.one_of(given) if dice.chance(settings["middle_name_share"]) else "",
            family_name=dice.one_of(_FAMILIES),
            ethnicity=tables.weighted("population", "ethnicity").draw(dice),
            district=district,
            address=places.address(district, dice),
            school=None if came_from else school,
            learner_number=nobodys_learner_number(index, self.seed)
            if dice.chance(settings["learner_number_share"])
            else "",
            pupil_number=nobodys_pupil_number(places.la_code, school, year_11, index)
            if dice.chance(settings["pupil_number_share"])
            else "",
            educated_in=self._educated_in(dice),
            authority_in_year_11=came_from or places.la_code,
            former_id=f"{places.la_code}{900_000 + index:010d}"
            if dice.chance(settings["former_id_share"])
            else "",
            entered_on=entered,
            known_on=known,
            sen=sen,
            is_vulnerable=any(code in tables.vulnerable for code, _, _ in characteristics),
            unsettled=settings["frailty"]["multiplier"]
            if dice.chance(settings["frailty"]["share"])
            else settings["frailty"]["others"],
            level_of_need=tables.weighted(
                "population",
                "level_of_need",
                "supported" if sen != "none" or characteristics else "plain",
            ).draw(dice),
            intended_destination=tables.weighted("population", "intended_destination").draw(dice)
            if dice.chance(settings["intended_destination_share"])
            else "",
            lead_authority=lead,
            characteristics=characteristics,
        )
        if sen == "support" and dice.chance(
            settings["sen"]["plan_granted_later_share"]
            * settings["sen"]["plan_share"]
            / settings["sen"]["support_share"]
        ):
            person.plan_granted_on = dice.day_between(
                max(entered, date(year_11, 11, 1)), date(year_11 + 2, 7, 31)
            )
        person.leaving = self._leaving(person, dice)
        return person

    def _educated_in(self, dice: Dice) -> str:
        chance = dice.random()
        if chance < self.settings["educated_authority_blank_share"]:
            return ""
        chance -= self.settings["educated_authority_blank_share"]
        if chance < self.settings["educated_in_neighbour_share"]:
            return dice.one_of(self.places.neighbours)
        return self.places.la_code

    def _characteristics(self, year_11: int, dice: Dice) -> list[tuple[str, date, date | None]]:
        found = []
        for code, (share, ending_share) in self.settings["characteristics"].items():
            if not dice.chance(share):
                continue
            if dice.chance(0.85):
                start = dice.day_between(date(year_11 - 2, 9, 1), date(year_11 + 1, 8, 31))
            else:
                start = dice.day_between(date(year_11 + 1, 9, 1), date(year_11 + 3, 5, 31))
            end = start + dice.days((200, 900)) if dice.chance(ending_share) else None
            found.append((code, start, end))
        return found

    def _leaving(self, person: Person, dice: Dice) -> Leaving | None:
        """The first of: moving, dying, the plan ceasing, the age limit. None within the time simulated: no leaving."""
        moves = self.settings["moves"]
        # First in the list, so that on a tie the age limit wins: nobody of 18 transfers on 1 September.
        possible = [self._age_limit(person, dice)]
        since = max(person.entered_on, date(academic_year(self.opening) - 2, 9, 1))
        for status, name in (("T", "transfer"), ("E", "leave_england"), ("D", "die")):
            months = -math.log(1 - dice.random()) / moves[name]
            if months < 60:
                on = max(since, person.known_on) + timedelta(days=3 + int(months * 30.4))
                possible.append(self._move(person, status, on, dice))
        first = min(possible, key=lambda leaving: leaving.on)
        return first if first.on <= self.until else None

    def _move(self, person: Person, status: str, on: date, dice: Dice) -> Leaving:
        moves = self.settings["moves"]
        # A person who left before 1 September is known to have left by then: nobody moves up a year in absence.
        known = min(on + dice.days(moves["leaving_known_days"]), year_end(on))
        leaving = Leaving(status, on, known)
        if status == "T":
            leaving.to_authority = dice.one_of(self.places.neighbours)
        elif status == "E" and dice.chance(0.5):
            leaving.to_authority = f"00{dice.within((0, 3))}"
        guarantee = self.tables.parameters["guarantee"]
        opens, closes = guarantee["opens"], guarantee["closes"]
        fixed = date(on.year, *guarantee["cohort_fixed"])
        closing = date(on.year, *closes)
        has_row = person.year_group(fixed) in (11, 12) and person.known_on < date(
            on.year, opens[0], 1
        )
        if (
            status in "TE"
            and has_row
            and opens[0] < on.month < closes[0]
            and person.lead_authority == self.places.la_code
            and known < closing
            and dice.chance(moves["kept_for_guarantee_share"])
        ):
            leaving.guarantee_only_until = closing
        return leaving

    def _age_limit(self, person: Person, dice: Dice) -> Leaving:
        """A at 1 September after Year 13, or at academic age 25; L when an EHC plan ceases in between."""
        shares = self.settings["older_plan_share"]
        if person.sen != "plan" and person.plan_granted_on is None:
            return _aged_out(date(person.year_11 + 3, 9, 1))
        held = 1.0
        for age in sorted(shares):
            begins = date(person.year_11 + age - _AGE_IN_YEAR_11, 9, 1)
            if begins > date(academic_year(self.opening), 9, 1):
                if not dice.chance(shares[age] / held):
                    if age == min(shares):
                        return _aged_out(begins)
                    return self._plan_ceases(begins, dice)
            held = shares[age]
        return _aged_out(date(person.year_11 + max(shares) + 1 - _AGE_IN_YEAR_11, 9, 1))

    def _plan_ceases(self, before: date, dice: Dice) -> Leaving:
        first = date(before.year - 1, 9, 10)
        if dice.chance(self.settings["sen"]["plan_ceases_in_summer_share"]):
            first = date(before.year, 7, 10)
        on = dice.day_between(first, before - timedelta(days=12))
        return Leaving("L", on, min(on + dice.days((2, 30)), before - timedelta(days=1)))

    def _is_shown(self, leaving: Leaving | None) -> bool:
        return (
            leaving is not None
            and leaving.on >= self.shown_from
            and leaving.known_on <= self.until - timedelta(days=20)
            and leaving.guarantee_only_until is None
        )

    def _wants(self, status: str) -> bool:
        return (
            self.block == 0
            and status in self.settings["at_least_one"]
            and self.people >= self.settings["at_least_one_from_people"]
        )

    def _show_every_leaver(self, residents: list[Person], dice: Dice) -> None:
        """Make one leaver of each kind that chance left out, so that even a small county shows them all."""
        for status in ("T", "E", "D", "L"):
            shown = any(one.leaving and one.leaving.status == status and self._is_shown(one.leaving)
                        for one in residents)  # fmt: skip
            if shown or not self._wants(status):
                continue
            latest = self.until - timedelta(days=30)
            on = dice.day_between(self.shown_from, max(self.shown_from, latest))
            if status == "L":
                candidates = [
                    one for one in residents
                    if one.leaving is None and one.year_group(on) > 13 and one.sen == "plan"
                ]  # fmt: skip
            else:
                candidates = [
                    one for one in residents
                    if one.leaving is None and one.year_group(on) in (12, 13)
                    and one.lead_authority == self.places.la_code and one.known_on < on
                ]  # fmt: skip
            if not candidates:
                continue
            leaving = Leaving(status, on, min(on + timedelta(days=6), year_end(on)))
            if status == "T":
                leaving.to_authority = dice.one_of(self.places.neighbours)
            dice.one_of(candidates).leaving = leaving

    def _duplicate(self, original: Person, dice: Dice) -> Person:
        """A second record of the same young person, entered by mistake and marked M some weeks later.

        The name is spelt another way and there is no ULN, or the mistake would have been seen at once.
        """
        index = self._next_index
        self._next_index += 1
        earliest = max(original.known_on + timedelta(days=20), self.shown_from - timedelta(days=7))
        latest = min(self.until - timedelta(days=60), original.gone_on, year_end(earliest))
        entered = dice.day_between(earliest, max(earliest, latest - timedelta(days=45)))
        marked = min(entered + dice.days((8, 45)), year_end(entered))
        name = original.given_name
        return Person(
            index=index,
            id=f"{self.places.la_code}{2_000_000 + index * 17:010d}",
            year_11=original.year_11,
            born=original.born,
            gender=original.gender,
            given_name=name[:-1] if len(name) > 4 else name + name[-1],
            middle_name="",
            family_name=original.family_name,
            ethnicity="NOBT",
            district=original.district,
            address=original.address,
            school=None,
            learner_number="",
            pupil_number="",
            educated_in="",
            authority_in_year_11="",
            former_id="",
            entered_on=entered,
            known_on=entered,
            sen="plan" if original.year_group(marked) > 13 else "none",
            is_vulnerable=False,
            unsettled=1.0,
            level_of_need="3",
            intended_destination="",
            lead_authority=original.lead_authority,
            leaving=Leaving("M", marked, marked),
            duplicate_of=original,
        )


def _aged_out(on: date) -> Leaving:
    return Leaving("A", on, on)
