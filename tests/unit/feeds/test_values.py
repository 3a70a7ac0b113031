"""How one cell is read as its type."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neet.feeds.contract import DATE_FORMS
from neet.feeds.values import EXCEL_ORIGIN, Unreadable, read_date, read_integer, read_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-01-27", "2022-01-27"),
        (" 2022-01-27 ", "2022-01-27"),
        ("2022-01-27 00:00:00", "2022-01-27"),
        ("2022-01-27T13:45", "2022-01-27"),
        ("2022-01-27T13:45:10.123Z", "2022-01-27"),
        ("27/01/2022", "2022-01-27"),
        ("7/1/2022", "2022-01-07"),
        ("07.01.2022", "2022-01-07"),
        ("27/01/2022 00:00", "2022-01-27"),
        ("44629", "2022-03-09"),
        ("44629.5", "2022-03-09"),
        ("29/02/2004", "2004-02-29"),
        ("0001-01-01", "0001-01-01"),
    ],
)
def test_dates_as_they_arrive(text, expected):
    assert read_date(text, DATE_FORMS) == expected


@pytest.mark.parametrize(
    "text",
    [
        "31/02/2021", "2021-02-30", "12/25/2005", "2021-13-01", "01/09/21", "1 Sept 2021", "20210901",
        "2021-09", "0", "99999", "9999", "-44629", "2022-01-27 25:00:00", "2022-01-27 x", "2022-01-277",
        "٢٠٢٢-٠١-٢٧", "0000-00-00", "31/12/0000", "2021-09-01/2021-09-02", "=TODAY()", "44629,5",
    ],
)  # fmt: skip
def test_what_is_no_date(text):
    with pytest.raises(Unreadable) as error:
        read_date(text, DATE_FORMS)
    assert error.value.rule == "not_a_date"


def test_a_form_that_the_contract_does_not_list_is_not_guessed():
    for text, form in [("44629", "excel_serial"), ("27/01/2022", "day_first")]:
        assert read_date(text, (form,))
        with pytest.raises(Unreadable, match="not a date in an accepted form"):
            read_date(text, ("iso", "iso_time"))
    with pytest.raises(Unreadable):
        read_date("2022-01-27 00:00:00", ("iso",))


@given(st.dates(dt.date(1928, 1, 1), dt.date(2099, 12, 31)))
def test_every_form_of_a_day_is_that_day(day):
    serial = (day - EXCEL_ORIGIN).days
    texts = [
        day.isoformat(),
        f"{day} 00:00:00",
        f"{day:%d/%m/%Y}",
        f"{day:%d/%m/%Y} 00:00",
        str(serial),
    ]
    assert {read_date(text, DATE_FORMS) for text in texts} == {day.isoformat()}


@given(st.text(max_size=30))
def test_no_text_makes_the_readers_fail_otherwise(text):
    for read in (lambda t: read_date(t, DATE_FORMS), read_integer, read_number):
        try:
            again = read(text)
        except Unreadable:
            continue
        assert read(again) == again, "the canonical form is its own canonical form"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", "7"),
        (" 007 ", "7"),
        ("16.0", "16"),
        ("-3", "-3"),
        ("+3", "3"),
        ("-0", "0"),
        ("0", "0"),
    ],
)
def test_whole_numbers(text, expected):
    assert read_integer(text) == expected


@pytest.mark.parametrize("text", ["7.5", "1,000", "seven", "1e3", "0x10", "--1", "9" * 40, "٣"])
def test_what_is_no_whole_number(text):
    with pytest.raises(Unreadable, match="not a whole number"):
        read_integer(text)


@pytest.mark.parametrize("text", ["7", "7.50", "-0.1", ".5", "1e-3", "1181088"])
def test_numbers_stay_as_written(text):
    assert read_number(text) == text


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1,000", "£5", "5%", "1.2.3", "z", "1 000"])
def test_what_is_no_number(text):
    with pytest.raises(Unreadable, match="not a number"):
        read_number(text)


def test_markers_stand_for_a_number_where_the_contract_says_so():
    assert read_number("z", ("z", "c")) == "z"
    with pytest.raises(Unreadable, match="nor one of the markers z, c"):
        read_number("x", ("z", "c"))
