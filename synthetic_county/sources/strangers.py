"""People who learn in the county and live elsewhere: sources name them, Core+ has never heard of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from faker.providers.person.en_GB import Provider as EnglishNames

from synthetic_county.dates import academic_year
from synthetic_county.facts import Facts, Named
from synthetic_county.lives import Spell
from synthetic_county.parameters import Tables
from synthetic_county.people import PEOPLE_NUMBERED_IN_A_BLOCK, Person, nobodys_learner_number
from synthetic_county.places import Places
from synthetic_county.sources.subject import Subject

_FIRST = 60_000
"""Strangers are numbered from here within the numbers of a block."""
_BOYS = list(EnglishNames.first_names_male)
_GIRLS = list(EnglishNames.first_names_female)
_FAMILIES = list(EnglishNames.last_names)


def strangers(
    facts: Facts, tables: Tables, places: Places, opening: date, until: date, people: int
) -> Iterator[Subject]:
    """Some pupils and learners from across the border, each in one place all the time."""
    for number in range(round(people * facts.rates["from_another_county"])):
        index = facts.block * PEOPLE_NUMBERED_IN_A_BLOCK + _FIRST + number
        dice = facts.dice("stranger", index)
        year_11 = academic_year(opening) - dice.within((0, 2))
        boy = dice.chance(0.5)
        district = places.draw_district(dice)
        school = places.school_near(district, dice)
        neighbour = dice.one_of(places.neighbours)
        truth_id = f"X{places.la_code}{index:09d}"
        person = Person(
            index=index, id=truth_id, year_11=year_11,
            born=dice.day_between(date(year_11 - 16, 9, 1), date(year_11 - 15, 8, 31)), gender="M" if boy else "F",
            given_name=dice.one_of(_BOYS if boy else _GIRLS), middle_name="", family_name=dice.one_of(_FAMILIES),
            ethnicity=tables.weighted("population", "ethnicity").draw(dice), district=district,
            address=places.address(district, dice), school=school, learner_number="", pupil_number="",
            educated_in=places.la_code, authority_in_year_11=neighbour, former_id="", entered_on=date(year_11, 9, 1),
            known_on=date(year_11, 9, 1), sen="none", is_vulnerable=False, unsettled=1.0, level_of_need="3",
            intended_destination="", lead_authority=neighbour,
        )  # fmt: skip
        spells = [Spell("110", date(year_11, 9, 1), None, school, date(year_11 + 1, 8, 31))]
        later = date(year_11 + 1, 9, 4)
        if later <= until:
            stays = dice.chance(0.55)
            place = school if stays else places.campus_near(district, dice)
            spells[0].end = date(year_11 + 1, 8, 31)
            spells.append(
                Spell("210" if stays else "230", later, None, place, date(year_11 + 3, 7, 31))
            )
        upn = facts.pupil_number(person)
        named = Named(
            person, truth_id, upn, nobodys_learner_number(index, facts.seed),
            [(date.min, person.given_name, person.family_name)], [(date.min, (*person.address, district))],
            is_stranger=True,
        )  # fmt: skip
        yield Subject(named, person, spells, [], facts=facts)
