"""The calendar: facts of the published years, what was known when, and rows that contradict each other."""

from __future__ import annotations

import csv
import datetime as dt
import os
import shutil
from collections import Counter

import pytest

from neet import calendar, calendar_seeds

KENT = "886"
YEARS = ["2021-22", "2022-23", "2023-24", "2024-25", "2025-26", "2026-27"]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.fixture(scope="module")
def facts():
    return calendar.load()


@pytest.fixture
def folder(tmp_path):
    """A copy of the seeds to spoil."""
    copy = tmp_path / "calendar"
    shutil.copytree(calendar.FOLDER, copy)
    return copy


def change(folder, file, old, new):
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text, "the row to spoil is not there: the test would prove nothing"
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")


# -- terms and working days --------------------------------------------------------------------


@pytest.mark.parametrize(("year", "days"), zip(YEARS, [194, 193, 195, 195, 195, 191], strict=True))
def test_days_of_a_school_year_agree_with_the_published_count(facts, year, days):
    terms = facts.terms_of(KENT, year)
    assert [term.term_no for term in terms] == [1, 2, 3, 4, 5, 6]
    assert sum(len(facts.working_days(t.starts_on, t.ends_on)) for t in terms) == days


@pytest.mark.parametrize("year", YEARS)
def test_terms_follow_each_other_without_overlap(facts, year):
    terms = facts.terms_of(KENT, year)
    for before, after in zip(terms, terms[1:], strict=False):
        assert before.ends_on < after.starts_on


def test_the_year_of_the_jubilee_had_195_days_before_the_last_day_moved(facts):
    before = facts.terms_of(KENT, "2021-22", known_on=day("2021-12-31"))
    assert before[-1].ends_on == day("2022-07-22")
    assert sum(len(facts.working_days(t.starts_on, t.ends_on)) for t in before) == 195
    after = facts.terms_of(KENT, "2021-22", known_on=day("2022-01-04"))
    assert after[-1].ends_on == day("2022-07-21")


def test_term_of_a_date(facts):
    assert facts.term_of(KENT, day("2022-01-04")).term_no == 3
    assert facts.term_of(KENT, day("2022-02-11")).term_no == 3
    assert facts.term_of(KENT, day("2022-02-14")) is None
    assert facts.term_of(KENT, day("2022-08-31")) is None
    # The day that was first in the term and then not.
    assert facts.term_of(KENT, day("2022-07-22")) is None
    assert facts.term_of(KENT, day("2022-07-22"), known_on=day("2021-09-01")).term_no == 6


@pytest.mark.parametrize(
    ("holiday", "eve", "announced"),
    [
        ("2022-09-19", "2022-09-09", "2022-09-10"),
        ("2023-05-08", "2022-11-05", "2022-11-06"),
        ("2022-06-03", "2020-11-11", "2020-11-12"),
    ],
)
def test_a_bank_holiday_counts_from_its_announcement(facts, holiday, eve, announced):
    assert facts.is_working_day(day(holiday), known_on=day(eve))
    assert not facts.is_working_day(day(holiday), known_on=day(announced))
    assert not facts.is_working_day(day(holiday))


def test_a_moved_bank_holiday_is_a_working_day_again(facts):
    assert facts.is_working_day(day("2022-05-30"))
    assert facts.is_working_day(day("2022-05-30"), known_on=day("2020-11-12"))
    assert not facts.is_working_day(day("2022-05-30"), known_on=day("2020-11-11"))
    assert not facts.is_working_day(day("2022-05-30"), known_on=day("2019-09-01"))


def test_working_days_are_counted_from_the_first_after_day_nought(facts):
    # Thursday before Easter 2022: Good Friday and Easter Monday do not count.
    assert facts.add_working_days(day("2022-04-14"), 1) == day("2022-04-19")
    assert facts.add_working_days(day("2022-04-16"), 1) == day("2022-04-19")
    assert facts.add_working_days(day("2021-12-31"), 8) == day("2022-01-13")
    # A deadline across the funeral, as it was known before it and as it is known now.
    assert facts.add_working_days(day("2022-09-16"), 1, known_on=day("2022-09-08")) == day(
        "2022-09-19"
    )
    assert facts.add_working_days(day("2022-09-16"), 1) == day("2022-09-20")
    with pytest.raises(ValueError, match="from 1"):
        facts.add_working_days(day("2022-09-16"), 0)


def test_no_working_day_outside_the_loaded_years(facts):
    with pytest.raises(calendar.CalendarEnd, match="2028-12-31.*neet.calendar_seeds"):
        facts.add_working_days(day("2028-12-29"), 3)
    with pytest.raises(calendar.CalendarEnd):
        facts.is_working_day(day("2018-12-31"))


# -- academic years ----------------------------------------------------------------------------


def test_the_academic_year_turns_on_the_first_of_september(facts):
    assert facts.academic_year_of(day("2022-08-31")).academic_year == "2021-22"
    rolled = facts.academic_year_of(day("2022-09-01"))
    assert (rolled.academic_year, rolled.academic_age_on) == ("2022-23", day("2022-08-31"))
    with pytest.raises(calendar.CalendarEnd, match="2027-09-01 is outside"):
        facts.academic_year_of(day("2027-09-01"))


# -- census points -----------------------------------------------------------------------------


def test_six_years_of_census_points_without_a_gap(facts):
    points = facts.all_census_points(KENT)
    assert len(points) == 72
    assert (points[0].census_point, points[-1].census_point) == ("2021-09", "2027-08")
    assert len({point.census_point for point in points}) == 72
    for before, after in zip(points, points[1:], strict=False):
        assert after.previous_census_point == before.census_point
        assert after.period_end.replace(day=1) - calendar.DAY == before.period_end
    for point in points:
        assert facts.is_working_day(point.due_on)
        assert facts.is_working_day(point.date_of_send)
        assert (
            point.due_on
            == facts.working_days(point.period_end + calendar.DAY, point.date_of_send)[7]
        )


@pytest.mark.parametrize(
    ("point", "year", "gate", "role"),
    [
        ("2021-09", "2021-22", "SG-FINAL", "SEPTEMBER_GUARANTEE"),
        ("2021-11", "2021-22", "M", None),
        ("2021-12", "2021-22", "M-12", "NEET_NOT_KNOWN"),
        ("2022-01", "2021-22", "M-01", "NEET_NOT_KNOWN"),
        ("2022-02", "2021-22", "M-02", "NEET_NOT_KNOWN"),
        ("2022-03", "2021-22", "PART-MAR", "PARTICIPATION"),
        ("2022-04", "2022-23", "M", None),
    ],
)
def test_gate_role_and_requirement_year_of_a_point(facts, point, year, gate, role):
    row = facts.census_point(KENT, point)
    assert (row.requirement_year, row.gate_id, row.scorecard_role) == (year, gate, role)


def test_every_scorecard_year_has_its_five_months(facts):
    for start in range(2021, 2027):
        months = facts.census_points(KENT, f"{start}-09", f"{start + 1}-08")
        roles = Counter(point.scorecard_role for point in months)
        assert roles == {
            None: 7, "NEET_NOT_KNOWN": 3, "PARTICIPATION": 1, "SEPTEMBER_GUARANTEE": 1
        }  # fmt: skip


def test_leap_day_is_a_period_end(facts):
    assert facts.census_point(KENT, "2024-02").period_end == day("2024-02-29")


def test_outside_the_calendar_is_refused_with_what_to_do(facts):
    for point in ("2027-09", "2021-08", "2031-12"):
        with pytest.raises(calendar.CalendarEnd) as refused:
            facts.census_point(KENT, point)
        message = str(refused.value)
        assert point in message and "2021-09 to 2027-08" in message
        assert "neet.calendar_seeds" in message and "Management Information" in message


@pytest.mark.parametrize(
    "text", ["2021-13", "2021-00", "2021-1", "202112", "", "2021-12-31", "2021-12 ", "0000-01"]
)
def test_what_is_no_census_point_is_said_to_be_none(facts, text):
    with pytest.raises(ValueError):
        facts.census_point(KENT, text)


def test_an_authority_that_is_not_loaded(facts):
    with pytest.raises(calendar.CalendarEnd, match="--la 887"):
        facts.census_point("887", "2021-12")


def test_a_range_of_points(facts):
    found = facts.census_points(KENT, "2021-12", "2022-03")
    assert [point.census_point for point in found] == ["2021-12", "2022-01", "2022-02", "2022-03"]
    with pytest.raises(ValueError, match="before the first"):
        facts.census_points(KENT, "2022-03", "2021-12")


def test_the_next_point_is_the_first_still_due(facts):
    due = facts.census_point(KENT, "2026-11").due_on
    assert facts.next_census_point(KENT, due).census_point == "2026-11"
    assert facts.next_census_point(KENT, due + calendar.DAY).census_point == "2026-12"
    with pytest.raises(calendar.CalendarEnd):
        facts.next_census_point(KENT, day("2027-10-01"))


# -- the action plan ---------------------------------------------------------------------------


@pytest.mark.parametrize("year", YEARS)
def test_the_plan_lies_in_its_year(facts, year):
    span = facts.academic_year(year)
    events = facts.plan(year)
    assert {event.event_id for event in events} == {rule.event_id for rule in facts.plan_rules}
    for event in events:
        assert span.starts_on <= event.starts_on <= event.ends_on <= span.ends_on, event
    assert Counter(event.event_id for event in events)["M-3"] == 12


def test_every_activity_of_the_six_terms_is_there(facts):
    counts = Counter(
        rule.term_no for rule in facts.plan_rules if "-G" not in rule.event_id and rule.term_no
    )
    assert counts == {1: 8, 2: 11, 3: 7, 4: 10, 5: 7, 6: 5}
    standing = {rule.event_id for rule in facts.plan_rules if rule.term_no is None}
    assert standing == {f"M-{n}" for n in range(1, 7)} | {"S-1", "S-2"}


def test_dates_of_known_activities(facts):
    events = {event.event_id: event for event in facts.plan("2021-22")}
    assert events["T5-1"].starts_on == events["T5-1"].ends_on == day("2022-05-31")
    assert events["T2-G1"].starts_on == day("2021-11-01")
    assert (events["T1-8"].starts_on, events["T1-8"].ends_on) == (
        day("2021-09-01"),
        day("2021-11-30"),
    )
    assert events["T3-G2"].ends_on == day("2022-02-28")


def test_the_gates_named_by_the_plan_exist(facts):
    named = {
        word.strip(";:")
        for rule in facts.plan_rules
        if "GATE" in rule.kinds
        for word in rule.pipeline_work.split()
        if word.strip(";:").isupper() and "-" in word or word.strip(";:") == "SCORECARD"
    }
    assert named == set(facts.gates) - {"M"}


# -- rows that are wrong -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("census_points.csv", "2021-12-31", "31/12/2021", "line 5, column period_end"),
        ("census_points.csv", "2021-12-31", "2021-12-30", "not the last day of 2021-12"),
        ("census_points.csv", "886,2021-12,", "886,2021-11,", "line 5"),
        ("census_points.csv", "2022-01-13", "2021-12-30", "not after the month it reports"),
        ("census_points.csv", "2022-01-17", "2022-01-12", "before the run is due"),
        ("census_points.csv", ",M-12,", ",M-13,", "not a row of gates.csv"),
        ("census_points.csv", ",true\n", ",maybe\n", "neither true nor false"),
        ("census_points.csv", ",true\n", ",true,more\n", "cells"),
        ("term_dates.csv", "2021-09-01", "2021-08-30", "does not lie in 2021-22"),
        ("term_dates.csv", "2021-22,1,", "2021-22,2,", "stands twice"),
        ("term_dates.csv", "2021-22,1,", "1999-00,1,", "not a row of academic_years.csv"),
        ("academic_years.csv", "2022-08-31,2021-08-31", "2022-08-30,2021-08-31", "does not follow"),
        ("academic_years.csv", "2021-08-31,DfE", "2021-09-01,DfE", "the day before"),
        ("bank_holidays.csv", "2022-05-02", "", "must not be blank"),
        ("gates.csv", "M-01,4", "M-12,4", "stands twice"),
        ("action_plan_events.csv", "M-1,,monthly", "M-1,,weekly", "neither monthly nor yearly"),
        ("action_plan_events.csv", ",IN OUT,", ",INOUT,", "other than IN, OUT and GATE"),
        ("calendar_rules.csv", "rule_id,", "rule,", "column rule_id"),
    ],
)
def test_a_wrong_row_is_named(folder, file, old, new, says):
    change(folder, file, old, new)
    with pytest.raises(calendar.CalendarBroken, match=says) as broken:
        calendar.Calendar(folder)
    assert file in str(broken.value)


def test_a_missing_file_is_named(folder):
    (folder / "gates.csv").unlink()
    with pytest.raises(calendar.CalendarBroken, match="gates.csv is missing"):
        calendar.Calendar(folder)


def test_two_rules_in_force_at_once_are_refused(folder):
    with (folder / "calendar_rules.csv").open("a") as file:
        file.write("return_due_working_day,6,working days,again,2022-01-01,,a test,true\n")
    rules = calendar.Calendar(folder)
    assert rules.rule("return_due_working_day", day("2021-12-31")) == "8"
    with pytest.raises(calendar.CalendarBroken, match="2 rows of return_due_working_day"):
        rules.rule("return_due_working_day", day("2022-01-01"))


def test_a_moved_date_is_seen_without_a_restart(folder):
    assert calendar.load(folder).census_point(KENT, "2021-12").due_on == day("2022-01-13")
    change(folder, "census_points.csv", "2022-01-13", "2022-01-11")
    file = folder / "census_points.csv"
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1))
    assert calendar.load(folder).census_point(KENT, "2021-12").due_on == day("2022-01-11")


def test_times_of_day_follow_englands_clock(facts):
    assert facts.moment("monthly_return_starts_at", day("2022-01-13")).hour == 7
    assert facts.moment("monthly_return_starts_at", day("2022-07-12")).hour == 6


# -- the generator -----------------------------------------------------------------------------


def test_the_rows_in_the_repository_are_what_the_rules_give(folder):
    for name in ("academic_years.csv", "bank_holidays.csv", "census_points.csv"):
        (folder / name).unlink()
    calendar_seeds.extend(folder, KENT, "2021-09", "2027-08")
    for name in ("academic_years.csv", "bank_holidays.csv", "census_points.csv"):
        assert (folder / name).read_text() == (calendar.FOLDER / name).read_text(), name


def test_a_new_year_is_added_and_a_moved_date_stays_moved(folder):
    change(folder, "census_points.csv", "2022-01-13", "2022-01-11")
    added = calendar_seeds.extend(folder, KENT, "2021-09", "2028-08")
    assert added["census_points.csv"] == 12 and added["academic_years.csv"] == 1
    longer = calendar.Calendar(folder)
    assert longer.census_point(KENT, "2021-12").due_on == day("2022-01-11")
    assert longer.census_point(KENT, "2028-02").period_end == day("2028-02-29")
    assert longer.census_point(KENT, "2028-04").requirement_year == "2028-29"
    assert not any(calendar_seeds.extend(folder, KENT, "2021-09", "2028-08").values())


def test_another_authority_can_be_added(folder):
    calendar_seeds.extend(folder, "887", "2021-12", "2022-03")
    both = calendar.Calendar(folder)
    assert len(both.all_census_points("887")) == 4
    assert len(both.all_census_points(KENT)) == 72


def test_a_gap_is_refused(folder):
    with pytest.raises(ValueError, match="would leave a gap"):
        calendar_seeds.extend(folder, KENT, "2028-01", "2028-08")
    with pytest.raises(ValueError, match="before the first"):
        calendar_seeds.extend(folder, KENT, "2028-01", "2027-08")


def test_every_assumption_says_so_and_every_row_has_a_source():
    for file in calendar.FOLDER.glob("*.csv"):
        with file.open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                assert row["source"].strip(), (file.name, row)
                assert row["assumed"] in ("true", "false"), (file.name, row)
