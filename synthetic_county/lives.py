"""What young people really do, day by day, whether or not anybody knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from synthetic_county.dates import DAY, academic_year, months_from, year_end
from synthetic_county.parameters import Dice, Tables
from synthetic_county.people import Person
from synthetic_county.places import Place, Places

_NEET, _CUSTODY = "neet", "custody"
_JUVENILE, _ADULT = "290", "710"
_FATHERS_AT_HOME = 0.1
_SHORTEST_STAY = timedelta(days=7)
# Someone who begins later than this in September was waiting, not studying, until then.
_WAITING = timedelta(days=14)


@dataclass(slots=True)
class Spell:
    """One activity as it truly was: first day, last day (None: still going on), where, and when its course ends."""

    code: str
    start: date
    end: date | None = None
    place: Place | None = None
    course_end: date | None = None


class Lives:
    """Draws the spells of a person between the simulation's first day and ``until``."""

    def __init__(self, tables: Tables, places: Places, begins: date, until: date):
        self.tables = tables
        self.places = places
        self.begins = begins
        self.until = until
        self.settings = tables.parameters["lives"]
        season = self.settings["season"]
        self._season = {kind: season["education"] for kind in self.settings["education_kinds"]} | {
            _NEET: season["neet"]
        }

    def live(self, person: Person, dice: Dice) -> list[Spell]:
        """The person's spells in order, without a hole from the day they enter until they leave or time ends."""
        spells = self._compulsory(person, dice)
        first_day = max(person.post_16_on, person.entered_on, self.begins)
        last_day = min(self.until, person.gone_on)
        for month in months_from(first_day, last_day):
            if spells and month >= person.post_16_on and month.month == 9:
                self._begin_year(person, spells, month, dice)
            elif not spells or spells[-1].code in self.tables.compulsory:
                self._arrive(person, spells, max(month, first_day), dice)
            self._pass_month(person, spells, month, dice)
        for spell, following in zip(spells, spells[1:], strict=False):
            spell.end = following.start - DAY
        return spells

    # -- compulsory school age

    def _compulsory(self, person: Person, dice: Dice) -> list[Spell]:
        start = max(person.entered_on, date(person.year_11, 9, 1))
        if start >= person.post_16_on or person.post_16_on <= self.begins:
            return []
        spells = [self._at_school(person, self._draw_compulsory("compulsory", dice), start)]
        switch = self.settings["compulsory_switch"]
        for month in months_from(start, person.post_16_on - DAY):
            if month > start + timedelta(days=20) and dice.chance(switch["monthly"]):
                code = self._draw_compulsory("compulsory_switch", dice)
                day = month + dice.days((0, 27))
                if code != spells[-1].code and day - spells[-1].start > _SHORTEST_STAY:
                    spells.append(self._at_school(person, code, day))
        return spells

    def _draw_compulsory(self, table: str, dice: Dice) -> str:
        path = ("lives", table) if table == "compulsory" else ("lives", table, "to")
        return self.tables.weighted(*path).draw(dice)

    def _at_school(self, person: Person, code: str, start: date) -> Spell:
        place = {"110": person.school, "120": self.places.home}.get(code)
        return Spell(code, start, None, place, person.post_16_on - DAY)

    # -- after it

    def _arrive(self, person: Person, spells: list[Spell], day: date, dice: Dice) -> None:
        """Somebody who comes into the county, or into the simulation, in mid-course."""
        code = self._destination(
            person, "later" if person.year_group(day) > 12 else "year_12", dice
        )
        spells.append(self._spell(person, code, day, dice))

    def _begin_year(self, person: Person, spells: list[Spell], september: date, dice: Dice) -> None:
        """1 September: Year 11 goes on to something; whose course is over, or who wants a new one, begins it."""
        current = spells[-1]
        kind = self.tables.kind_of.get(current.code)
        first_time = current.code in self.tables.compulsory
        course_over = kind in self.settings["education_kinds"] and current.course_end < september
        if first_time or course_over:
            code = self._destination(person, "year_12" if first_time else "later", dice)
            start = self._september_start(code, september, dice)
            if start - september > _WAITING and self.tables.kind_of[code] != _NEET:
                self._add(
                    spells, self._spell(person, self._neet_code(person, dice), september, dice)
                )
            self._add(spells, self._spell(person, code, start, dice))
        elif dice.chance(self.settings["september_takes_up_course"].get(kind, 0)):
            code = self._destination(person, "later", dice)
            start = self._september_start(code, september, dice)
            if (
                self.tables.kind_of[code] not in (kind, _NEET)
                and start - current.start > _SHORTEST_STAY
            ):
                self._add(spells, self._spell(person, code, start, dice))

    def _pass_month(self, person: Person, spells: list[Spell], month: date, dice: Dice) -> None:
        current = spells[-1]
        kind = self.tables.kind_of.get(current.code)
        if kind is None:
            return
        draw, day = dice.random(), month + dice.days((0, 27))
        stayed = timedelta(days=self.settings["shortest_days"].get(kind, _SHORTEST_STAY.days))
        if day - current.start < stayed or day > self.until:
            return
        hazard = self._hazard(person, kind, month.month)
        if draw < hazard:
            self._leave(person, spells, kind, day, dice)
        elif kind == _NEET and draw < hazard + self.settings["neet_code_change_monthly"]:
            code = self._neet_code(person, dice)
            if code != current.code and current.code != "650":
                self._add(spells, self._spell(person, code, day, dice))

    def _hazard(self, person: Person, kind: str, month: int) -> float:
        settings = self.settings
        hazard = settings["leaving"][kind] * self._season.get(kind, {}).get(month, 1)
        if kind == _NEET:
            return hazard * settings["leaving_neet_multiplier"][person.group]
        return hazard * settings["multiplier"][person.group] * person.unsettled

    def _leave(self, person: Person, spells: list[Spell], kind: str, day: date, dice: Dice) -> None:
        current = spells[-1]
        if current.code == "650" and dice.chance(self.settings["parenthood_follows_pregnancy"]):
            self._add(spells, self._spell(person, "630", day, dice))
            return
        short = self.settings["short_stay"]
        if kind == _NEET and dice.chance(short["share"]):
            code = self.tables.weighted("lives", "short_stay", "codes").draw(dice)
            self._add(spells, self._spell(person, code, day, dice))
            back = day + dice.days(short["days"])
            self._add(spells, self._spell(person, self._neet_code(person, dice), back, dice))
            return
        code = self.tables.weighted("lives", "next", kind).draw(dice)
        code = self._resolve(person, code, day, dice)
        if code != current.code or kind in ("college", "work", "apprenticeship"):
            self._add(spells, self._spell(person, code, day, dice))

    @staticmethod
    def _add(spells: list[Spell], spell: Spell) -> None:
        if spell.start > spells[-1].start:
            spells.append(spell)

    def _destination(self, person: Person, table: str, dice: Dice) -> str:
        weights = self.tables.weighted("lives", "september", table, person.group)
        # A place that needs a plan must not outlive it (rules 254 and 255).
        ceases = person.leaving is not None and person.leaving.status == "L"
        while True:
            code = weights.draw(dice)
            if not (ceases and code in ("280", "460")):
                return self._resolve(person, code, person.post_16_on, dice)

    def _resolve(self, person: Person, code: str, day: date, dice: Dice) -> str:
        if code == _NEET:
            return self._neet_code(person, dice)
        if code == _CUSTODY:
            return _ADULT if (day - person.born).days >= 18 * 365.25 else _JUVENILE
        return code

    def _neet_code(self, person: Person, dice: Dice) -> str:
        while True:
            code = self.tables.weighted("lives", "neet_codes").draw(dice)
            if code == "650" and person.gender != "F":
                continue
            if code == "630" and person.gender != "F" and not dice.chance(_FATHERS_AT_HOME):
                continue
            if code == "670" and person.sen != "plan":
                continue
            return code

    def _september_start(self, code: str, september: date, dice: Dice) -> date:
        kind = self.tables.kind_of[code]
        return september - DAY + dice.days(self.settings["starts_in_september"][kind])

    def _spell(self, person: Person, code: str, start: date, dice: Dice) -> Spell:
        kind = self.tables.kind_of[code]
        return Spell(
            code, start, None, self._place(person, kind, dice), self._course_end(kind, start, dice)
        )

    def _course_end(self, kind: str, start: date, dice: Dice) -> date | None:
        if kind in self.settings["education_kinds"] or kind == "gap_year":
            years = 3 if kind == "higher_education" else 1
            years += dice.chance(self.settings["two_year_course_share"].get(kind, 0))
            return date(academic_year(start) + years, 8, 31)
        length = self.settings["course_length_days"].get(kind)
        return start + dice.days(length) if length else None

    def _place(self, person: Person, kind: str, dice: Dice) -> Place | None:
        places = self.places
        if kind == "sixth_form":
            stays = person.school is not None and dice.chance(0.8)
            return person.school if stays else places.school_near(person.district, dice)
        if kind in ("college", "higher_education"):
            return places.campus_near(person.district, dice)
        if kind == "special":
            return dice.one_of(places.specialists)
        given = self.tables.parameters["recording"]["establishment_given_share"].get(kind, 0)
        if not dice.chance(given):
            return None
        if kind in ("work", "work_and_study"):
            return dice.one_of(places.employers)
        return dice.one_of(places.providers)


def spell_at(spells: list[Spell], day: date) -> int | None:
    """Position of the spell that ``day`` lies in."""
    for position in range(len(spells) - 1, -1, -1):
        if spells[position].start <= day:
            return position
    return None


def ends_with_year(spell: Spell, following: Spell) -> bool:
    """Whether the change was the turn of the academic year, which no provider reports as leaving."""
    return (
        following.start - (year_end(spell.start)) <= timedelta(days=80)
        and following.start.month in (9, 10, 11)
        and (spell.course_end is not None and spell.course_end < following.start)
    )
