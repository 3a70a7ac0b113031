"""Small counties at random, and the cases of docs/neet-duration.md through the whole chain, in one warehouse.

Three counties here, two hundred in ``make test-all`` (tests/system): small_counties.py says what must hold of each.
"""

from __future__ import annotations

import pytest
import small_counties
from county_rows import County, activity, person, ypid

from neet import database, duration_scenarios

pytestmark = pytest.mark.slow

NUMBERS = range(1000, 1003)
SCENARIOS = duration_scenarios.load()
CODE_OF_RANDOM = ("201", "202", "203")


def deliver_scenarios(owner_dsn: str) -> None:
    """Every case as a person of Core+; an authority for each month reported."""
    county = County(owner_dsn)
    months = {one.la_code: one.month for one in SCENARIOS}
    for la_code, month in months.items():
        mine = [one for one in SCENARIOS if one.la_code == la_code]
        people = []
        for one in mine:
            facts = one.raw.get("person", {})
            people.append(
                person(
                    one.number,
                    young_persons_id=ypid(one.number, la_code),
                    lead_lea=la_code,
                    dob=str(facts.get("dob", "2004-01-15")),
                    cohort_status=facts.get("status", "P"),
                    cohort_status_on=str(facts.get("status_on", "2020-09-01")),
                    cohort_entry_on="2020-09-01",
                )
            )
        county.deliver("core_plus_people", "2021-07-31", people, la_code=la_code, provider=la_code)
        county.deliver(
            "core_plus_activities",
            str(month),
            [
                activity(
                    f"S{one.number:04d}{place}",
                    one.number,
                    row["code"],
                    str(row["from"]),
                    young_persons_id=ypid(one.number, la_code),
                    end_on=str(row["to"]) if row.get("to") else "",
                    neet_start_on=str(row["neet_start"]) if row.get("neet_start") else "",
                    **({"due_to_lapse_on": str(row["lapses"])} if row.get("lapses") else {}),
                    **({"ascertained_on": str(row["ascertained"])} if row.get("ascertained") else {}),
                )
                for one in mine
                for place, row in enumerate(one.activities)
            ],
            la_code=la_code,
            provider=la_code,
        )  # fmt: skip
        county.deliver("core_plus_people", str(month), [], la_code=la_code, provider=la_code)


@pytest.fixture(scope="module")
def built(new_warehouse, tmp_path_factory):
    """The counties and the cases, built once: (counties, rows of the warehouse, its fixture)."""
    made = new_warehouse()
    deliver_scenarios(made.dsn["owner"])
    folder = tmp_path_factory.mktemp("counties")
    counties = [
        small_counties.draw(number, la_code, folder / la_code)
        for number, la_code in zip(NUMBERS, CODE_OF_RANDOM, strict=True)
    ]
    for county in counties:
        assert small_counties.deliver(made.settings, made.dsn["loader"], county) >= 8
    small_counties.build(made.settings, made.dsn["builder"])
    with database.connect(made.dsn["builder"]) as connection:
        return counties, small_counties.Warehouse.read(connection), made


@pytest.mark.parametrize("place", range(len(NUMBERS)), ids=lambda place: f"county-{NUMBERS[place]}")
def test_truth_and_every_sum(built, place):
    counties, warehouse, _ = built
    looked = small_counties.check(counties[place], warehouse)
    for what in ("person-months", "cells", "flows", "accounts", "medians", "spells", "curves"):
        assert looked[what] > 0, what


@pytest.mark.parametrize("one", SCENARIOS, ids=lambda one: one.id)
def test_each_case_from_core_plus_to_the_month_end(built, one):
    _, warehouse, _ = built
    mine = {
        row["month_end"]: row
        for row in warehouse.cohort[one.la_code]
        if row["young_persons_id"] == ypid(one.number, one.la_code)
    }
    for expected in one.month_rows():
        row = mine[expected["month_end"]]
        names = expected.keys() - {"person_id"}
        assert {name: row[name] for name in names} == {name: expected[name] for name in names}
    person_id = mine[one.month]["person_id"]
    spells = [row for row in warehouse.spells[one.la_code] if row["person_id"] == person_id]
    names = [
        "neet_spell_number", "neet_start_on", "first_neet_on", "ends_before", "is_open", "is_suspended", "not_known_days",
        "tolerated_gap_days",
    ]  # fmt: skip
    spells.sort(key=lambda row: row["neet_spell_number"])
    assert [[row[name] for name in names] for row in spells] == [
        [row[name] for name in names] for row in one.spell_rows()
    ]
    ends = [row for row in warehouse.ends[one.la_code] if row["person_id"] == person_id]
    ends.sort(key=lambda row: row["neet_spell_number"])
    names = ["neet_spell_number", "ends_before", "neet_days", "ended_by", "next_activity_code"]
    assert [[row[name] for name in names] for row in ends] == [
        [row[name] for name in names] for row in one.end_rows()
    ]


def test_the_cases_are_summed_like_any_county(built):
    _, warehouse, _ = built
    looked = small_counties.Counter()
    for la_code in {one.la_code for one in SCENARIOS}:
        cohort, cells = warehouse.cohort[la_code], warehouse.cells[la_code]
        small_counties._cells(cohort, cells, looked, la_code)
        small_counties._flows(cohort, cells, warehouse.flows[la_code], looked, la_code)
        small_counties._spells(cohort, warehouse.spells[la_code], warehouse.ends[la_code], looked, la_code)  # fmt: skip
    assert looked["joiners and leavers"] > 50 and looked["suspended spells"] == 2
