"""The cases of NEET duration: the page, the drawing and the dbt unit tests are those of the scenario file."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from neet import duration_scenarios as cases
from neet import yaml_files

SCENARIOS = cases.load()


def test_what_is_generated_is_up_to_date():
    how = "run: PYTHONPATH=plugins var/venv/bin/python -m neet.duration_scenarios"
    assert cases.UNIT_TESTS.read_text(encoding="utf-8") == cases.unit_tests_text(SCENARIOS), how
    assert cases.DRAWING.read_text(encoding="utf-8") == cases.svg(SCENARIOS), how
    page = cases.PAGE.read_text(encoding="utf-8")
    assert page == cases.page_text(page, SCENARIOS), how
    assert f"({cases.DRAWING.name})" in page


def test_every_case_is_one_dbt_unit_test_and_every_such_test_a_case():
    tests = yaml_files.read(cases.UNIT_TESTS)["unit_tests"]
    ids = {one.id for one in SCENARIOS}
    assert len(ids) == len(SCENARIOS) >= 40
    assert [test["name"] for test in tests if test["model"] == "int_neet_segment"] == [
        one.id for one in SCENARIOS
    ]
    for test in tests:
        named = {test["name"].split("__")[0]}
        assert named <= ids or test["name"].startswith("scenarios_"), test["name"]
        assert test["expect"]["rows"] or test["name"] == "record_that_ends_before_it_begins"
    led_through = {
        test["model"]: {row["person_id"] for row in test["expect"]["rows"]}
        for test in tests
        if test["name"].startswith("scenarios_from")
    }
    assert led_through["int_status_segment"] == led_through["fct_cohort_month"] == ids
    assert led_through["fct_neet_spell"] == {one.id for one in SCENARIOS if one.spells}


def test_the_page_names_every_case_once():
    page = cases.PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| \d+ \| `(\w+)`", page, flags=re.M) == [one.id for one in SCENARIOS]
    assert page.count("\n| ") > 80


def test_the_drawing_is_well_formed_and_has_a_line_a_case():
    root = ElementTree.fromstring(cases.svg(SCENARIOS))
    text = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    for one in SCENARIOS:
        assert f"{one.number}. {one.id.replace('_', ' ')}" in text


@pytest.mark.parametrize("one", SCENARIOS, ids=lambda one: one.id)
def test_a_case_agrees_with_itself(one):
    """Sums that whoever wrote the case by hand may have got wrong, checked against the days as painted."""
    days = {}
    for segment in one.segments():
        for day in cases._days(segment.start, min(segment.end or one.month, one.month)):
            days[day] = segment.bucket
    for spell in one.spells:
        last = spell.get("last", one.month)
        within = [bucket for day, bucket in days.items() if one.first(spell) <= day <= last]
        assert within.count(cases.NOT_KNOWN) == spell.get("not_known", 0)
        assert within.count(cases.EET) == spell.get("away", 0)
        assert days[one.first(spell)] == days[last] == cases.NEET
    for month, found in one.months.items():
        if isinstance(found, list):
            total, known, number = found
            spell = one.spells[number - 1]
            unknown = [
                day
                for day, bucket in days.items()
                if one.first(spell) <= day <= month and bucket == cases.NOT_KNOWN
            ]
            assert total == (month - spell["start"]).days
            assert known == total - len(unknown)
            assert days[month] == cases.NEET
        else:
            assert days.get(month, cases.NOT_KNOWN) == found
