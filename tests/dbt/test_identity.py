"""Records of every system find their person, through a real build."""

from __future__ import annotations

import pytest
from county_rows import activity, person, ypid

from neet import transform

pytestmark = pytest.mark.slow

CENSUS = {
    "estab": "4601", "upn": "Z886000000001", "surname": "Family1", "forename": "Given1", "date_of_birth": "2005-01-15",
    "gender": "F", "postcode": "ZZ99 9ZZ",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(new_warehouse):
    built = new_warehouse()
    county = built.county
    county.deliver(
        "core_plus_people",
        "2022-01-01",
        [
            person(1, unique_pupil_number="Z886000000001", unique_learner_no="9000000001"),
            person(2, unique_learner_no="9000000002"),
        ],
    )
    county.deliver("core_plus_activities", "2022-01-01", [activity("A1", 1, "210", "2021-09-01")])
    county.deliver("school_census", "2022-01-01", [CENSUS])
    transform.build_live(built.settings, built.dsn["builder"])
    return built


def test_a_pupil_is_found_by_upn(built):
    assert built.rows(
        """select source_feed, source_key, young_persons_id, method, status from intermediate.int_person_link
           where source_feed = 'school_census'"""
    ) == [("school_census", "4601|Z886000000001", ypid(1), "upn", "linked")]


def test_the_person_is_the_one_of_every_mart(built):
    assert built.value(
        """select count(*) from intermediate.int_person_link as link
           join intermediate.int_young_person as person
             on person.la_code = link.la_code and person.person_id = link.person_id
             and person.young_persons_id = link.young_persons_id"""
    ) == 3  # fmt: skip
