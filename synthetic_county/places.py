"""Districts, schools, colleges and training providers of one authority. All names are invented and say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synthetic_county.parameters import Dice, Weighted

# Blocks of numbers, so that the kind of a place can be told from its number.
_SECONDARY, _SPECIAL, _COLLEGE = 9001, 9501, 9701
_COLLEGE_UKPRN, _SPECIALIST_UKPRN, _TRAINING_UKPRN = 19900001, 19950001, 19960001
NO_SCHOOL_NUMBER = "9999"

_STREETS = [
    f"{first} {second}"
    for first in (
        "Orchard",
        "Hopfield",
        "Oast",
        "Cherry",
        "Chalk",
        "Lighthouse",
        "Windmill",
        "Saxon",
    )
    for second in ("Road", "Lane", "Close", "Way", "Avenue", "Street")
]
_POSTCODE_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to learn: ``number`` is authority + DfE number or blank, ``ukprn`` eight digits or blank."""

    number: str
    name: str
    ukprn: str
    district: str


class Places:
    """Everything about the authority that people and activities refer to."""

    def __init__(self, la_code: str, parameters: dict[str, Any]):
        entry = parameters["authorities"].get(la_code) or parameters["authorities"]["other"]
        self.la_code = la_code
        self.county = entry["name"]
        self.neighbours = [code for code in entry["neighbours"] if code != la_code]
        self.districts = {code: name for code, (name, _) in entry["districts"].items()}
        self._district_weights = Weighted(
            {code: weight for code, (_, weight) in entry["districts"].items()}
        )
        self.schools = self._schools(entry)
        self.special_schools = [
            Place(f"{la_code}{_SPECIAL + i}", f"Imaginary Special School {i + 1}", "", district)
            for i, district in enumerate(self._spread(entry, entry["special_schools"]))
        ]
        self.campuses = self._campuses(entry)
        self.specialists = [
            Place("", f"Imaginary Specialist College {i + 1}", str(_SPECIALIST_UKPRN + i), "")
            for i in range(3)
        ]
        self.providers = [
            Place("", f"Imaginary Training Provider {i + 1}", str(_TRAINING_UKPRN + i), "")
            for i in range(entry["training_providers"])
        ]
        self.employers = [
            Place("", f"Imaginary {trade} Ltd", "", "")
            for trade in (
                "Bakery",
                "Garage",
                "Care Home",
                "Packhouse",
                "Builders",
                "Salon",
                "Ferry",
            )
        ]
        self.home = Place(f"{la_code}{NO_SCHOOL_NUMBER}", "Educated at home", "", "")
        self._schools_of: dict[str, list[Place]] = {}
        for school in self.schools:
            self._schools_of.setdefault(school.district, []).append(school)
        self._campuses_of: dict[str, list[Place]] = {}
        for campus in self.campuses:
            self._campuses_of.setdefault(campus.district, []).append(campus)

    @staticmethod
    def _spread(entry: dict[str, Any], count: int) -> list[str]:
        """Districts for ``count`` places, by weight, every district having at least its share rounded down."""
        total = sum(weight for _, weight in entry["districts"].values())
        spread: list[str] = []
        carried = 0.0
        for code, (_, weight) in entry["districts"].items():
            carried += count * weight / total
            while len(spread) + 0.5 < carried:
                spread.append(code)
        return spread

    def _schools(self, entry: dict[str, Any]) -> list[Place]:
        counts: dict[str, int] = {}
        schools = []
        for i, district in enumerate(self._spread(entry, entry["secondary_schools"])):
            counts[district] = counts.get(district, 0) + 1
            name = f"Imaginary {self.districts[district]} School {counts[district]}"
            schools.append(Place(f"{self.la_code}{_SECONDARY + i}", name, "", district))
        return schools

    def _campuses(self, entry: dict[str, Any]) -> list[Place]:
        campuses = []
        for group, (name, districts) in enumerate(entry["colleges"].items()):
            for district in districts:
                number = f"{self.la_code}{_COLLEGE + len(campuses)}"
                campus = f"{name}, {self.districts[district]}"
                campuses.append(Place(number, campus, str(_COLLEGE_UKPRN + group), district))
        return campuses

    def draw_district(self, dice: Dice) -> str:
        return self._district_weights.draw(dice)

    def school_near(self, district: str, dice: Dice) -> Place:
        return dice.one_of(self._schools_of.get(district) or self.schools)

    def campus_near(self, district: str, dice: Dice) -> Place:
        near = self._campuses_of.get(district)
        return dice.one_of(near if near and dice.chance(0.7) else self.campuses)

    def address(self, district: str, dice: Dice) -> tuple[str, str, str]:
        """First line, town and postcode; ZZ99 is the postcode area of nowhere."""
        line = f"{dice.within((1, 140))} {dice.one_of(_STREETS)}"
        inward = (
            f"{dice.within((0, 9))}{dice.one_of(_POSTCODE_LETTERS)}{dice.one_of(_POSTCODE_LETTERS)}"
        )
        return line, self.districts[district], f"ZZ99 {inward}"
