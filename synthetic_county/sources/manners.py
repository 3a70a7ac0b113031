"""What every source needs: the settings, the places as they are called on a day, and the manner in which each writes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml

from synthetic_county.core_plus import GUARANTEE
from synthetic_county.facts import Facts, Written, mergers
from synthetic_county.lives import Spell
from synthetic_county.parameters import Tables
from synthetic_county.places import Place, Places
from synthetic_county.sources.files import Days
from synthetic_county.sources.subject import Ledger, Subject

SETTINGS = Path(__file__).parents[1] / "sources.yml"
_WORDS = {"M": "Male", "F": "Female", "U": "Not known", "W": "Not said", "": ""}


def load_settings() -> dict[str, Any]:
    """``sources.yml``."""
    return yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))


class Desk:
    """Settings, places and the ledger, shared by all sources of a block."""

    def __init__(
        self,
        facts: Facts,
        tables: Tables,
        places: Places,
        days: Days,
        ledger: Ledger,
        county_people: int,
    ):
        self.settings = load_settings()
        self.facts = facts
        self.tables = tables
        self.places = places
        self.days = days
        self.ledger = ledger
        self.county_people = county_people
        self.files_end = days.last
        self.merged = mergers(places, days.opening, facts.rates["merged_schools"])
        self._begins = {place.number: on for on, place in self.merged.values()}
        self._manners = facts.settings["manners"]
        self._day_first = frozenset(self._manners["day_first_dates"])
        self._capitals = frozenset(self._manners["family_name_in_capitals"])
        self._without_space = frozenset(self._manners["postcode_without_space"])
        self._gender_words = frozenset(self._manners["gender_words"])
        self._small: dict[str, float] = self._manners["all_small_letters"]
        self.not_recorded = tables.parameters["guarantee"]["not_recorded"]

    # -- places

    def kind(self, spell: Spell) -> str:
        return self.tables.kind_of.get(spell.code, "")

    def is_sixth_form(self, spell: Spell) -> bool:
        return self.kind(spell) == "sixth_form" and spell.place is not None

    def at_school(self, spell: Spell) -> bool:
        """On the roll of a school, sixth form included."""
        return spell.place is not None and (spell.code == "110" or self.is_sixth_form(spell))

    def school_on(self, place: Place, day: date) -> Place:
        """The school as it is on ``day``: one that merged has another number."""
        merged = self.merged.get(place.number)
        return merged[1] if merged and day >= merged[0] else place

    def has_number(self, number: str, day: date) -> bool:
        """Whether a school of that number sends files on ``day``."""
        if number in self.merged:
            return day < self.merged[number][0]
        return number not in self._begins or day >= self._begins[number]

    def words_for(self, spell: Spell | None, table: dict[str, str]) -> str:
        return table.get(self.kind(spell), "") if spell is not None else "Moved away"

    @staticmethod
    def guarantee_of(one: Subject, year: int) -> tuple[str, date] | None:
        """Status and day of the guarantee of a year as Core+ has it in the end; none if it is never decided."""
        rows = [
            change.row for change in one.changes
            if change.feed == GUARANTEE and change.row is not None and change.row.year == year
        ]  # fmt: skip
        return (rows[-1].status, rows[-1].status_on) if len(rows) > 1 else None

    # -- manner

    def day(self, source: str, day: date | None) -> str:
        if day is None:
            return ""
        return f"{day:%d/%m/%Y}" if source in self._day_first else day.isoformat()

    def name(self, one: Subject, source: str, written: Written) -> dict[str, str]:
        family, given = written.family, written.given
        if source in self._capitals:
            family = family.upper()
        if source in self._small and one.dice("small letters", source).chance(self._small[source]):
            family, given = family.lower(), given.lower()
        return {"surname": family, "forename": given}

    def postcode(self, source: str, written: Written) -> str:
        return (
            written.postcode.replace(" ", "") if source in self._without_space else written.postcode
        )

    def gender(self, source: str, written: Written) -> str:
        return _WORDS[written.gender] if source in self._gender_words else written.gender
