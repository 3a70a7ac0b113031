"""A pupil who has no UPN yet is loaded under a key made of name and birth date, the same in every file."""

from __future__ import annotations

import pytest
from feed_desk import as_csv

CENSUS = ("Estab", "UPN", "Surname", "Forename", "DoB")


@pytest.fixture
def census(desk):
    """Deliver rows of the school census, the other columns blank."""
    layout = desk.contract("school_census").layouts[0]
    header = [column.header for column in layout.columns]

    def deliver(day: str, *rows: tuple):
        table = [
            [dict(zip(CENSUS, row, strict=True)).get(name, "") for name in header] for row in rows
        ]
        return desk.deliver("school_census", f"886_school_census_{day}.csv", as_csv(header, table))

    return deliver


def keys(desk) -> list[str]:
    return sorted(desk.current("school_census", "surname"))


NOA = ("4001", "", "Newcomer", "Noa", "2006-01-09")
TWIN = ("4001", "", "Newcomer", "Nia", "2006-01-09")


def test_it_is_loaded_and_twins_are_two(desk, census):
    result = census(
        "20220120", NOA, TWIN, ("4001", "A886999900011", "Testwood", "Zoë", "2005-03-14")
    )
    assert (result.status, result.rows_loaded, result.rows_rejected) == ("accepted", 3, 0)
    one, two, known = sorted(keys(desk), key=lambda key: "NO-UPN-" not in key)
    assert one != two and {one[:12], two[:12]} == {"4001|NO-UPN-"}
    assert known == "4001|A886999900011"


def test_the_next_file_knows_the_pupil_again_however_the_name_is_typed(desk, census):
    census("20220120", NOA)
    before = keys(desk)
    result = census("20220519", ("4001", " ", " newcomer ", "NOA", "09/01/2006"))
    assert (result.rows_loaded, result.rows_closed) == (1, 0), (
        "the spelling changed, the pupil did not"
    )
    assert keys(desk) == before


def test_once_there_is_a_upn_the_stand_in_is_closed(desk, census):
    census("20220120", NOA)
    census("20220519", ("4001", "A886999900055", *NOA[2:]))
    assert keys(desk) == ["4001|A886999900055"]


@pytest.mark.parametrize("blank", ["Surname", "Forename", "DoB"])
def test_without_all_it_is_made_of_the_row_is_rejected(desk, census, blank):
    row = [*NOA]
    row[CENSUS.index(blank)] = ""
    result = census("20220120", tuple(row), ("4001", "A886999900011", "Testwood", "Zoë", ""))
    assert desk.rejects(result.delivery_id, "column_name, rule") == [
        ("UPN", "required_value_missing")
    ]


def test_an_unreadable_birth_date_makes_no_key(desk, census):
    result = census("20220120", (*NOA[:4], "31/02/2006"))
    assert desk.rejects(result.delivery_id, "row_key, column_name, rule") == [
        (None, "DoB", "not_a_date")
    ], "what must be mended is the date"


def test_characters_that_are_no_text_make_no_key(desk, census):
    result = census("20220120", ("4001", "", "New\x01comer", "Noa", "2006-01-09"))
    assert result.rows_rejected == 1 and result.rows_loaded == 0


def test_the_same_pupil_twice_is_a_duplicate(desk, census):
    result = census("20220120", NOA, NOA)
    assert desk.rejects(result.delivery_id, "rule") == [("duplicate_row",)]
