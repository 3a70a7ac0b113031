"""The timetables, walked over whole years without a scheduler."""

from __future__ import annotations

import datetime as dt
import importlib
import logging
import shutil
import sys
from types import SimpleNamespace

import pytest

from tests import airflow_environment  # noqa: F401  isort: skip
from airflow.exceptions import InvalidPartitionKeyError
from airflow.models.backfill import InvalidBackfillDate
from airflow.timetables.base import TimeRestriction

import timetables
from neet import calendar, calendar_seeds
from timetables import CensusPointTimetable, WorkingDayTimetable

KENT = "886"
NOVEMBER_2026 = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
ANY_TIME = TimeRestriction(earliest=None, latest=None, catchup=True)
NO_CATCHUP = TimeRestriction(earliest=None, latest=None, catchup=False)


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def at(monkeypatch):
    """Sets the time of day; November 2026 unless a test says otherwise."""

    def set_to(now: dt.datetime) -> None:
        monkeypatch.setattr(timetables, "_now", lambda: now)

    set_to(NOVEMBER_2026)
    return set_to


def walk(timetable, restriction=ANY_TIME, last=None):
    """Every automatic run, one after the other."""
    while info := timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction):
        yield info
        last = info


# -- the automatic side ------------------------------------------------------------------------


def test_six_years_each_point_once_and_in_order():
    infos = list(walk(CensusPointTimetable(KENT, "2021-01-01")))
    assert len(infos) == 72
    keys = [info.partition_key for info in infos]
    assert keys == calendar_seeds.months("2021-09", "2027-08")
    points = calendar.load().all_census_points(KENT)
    for info, point in zip(infos, points, strict=True):
        assert info.run_after.date() == point.due_on
        assert info.run_after.in_timezone("Europe/London").hour == 7
        assert info.partition_date.date() == point.period_end.replace(day=1)
        assert info.data_interval is None and info.logical_date is None


def test_past_the_end_nothing_runs_and_the_log_says_so(caplog):
    timetable = CensusPointTimetable(KENT, "2021-01-01")
    *_, last = walk(timetable)
    with caplog.at_level(logging.ERROR, logger="timetables"):
        assert timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=ANY_TIME) is None
    assert "2021-09 to 2027-08" in caplog.text and "calendar_seeds" in caplog.text


def test_a_fresh_installation_starts_with_the_next_point_due():
    timetable = CensusPointTimetable(KENT, "2026-11-21")
    first = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=ANY_TIME)
    assert (first.partition_key, first.run_after.date()) == ("2026-11", dt.date(2026, 12, 10))


def test_live_from_is_a_bound_on_the_due_moment():
    due = calendar.census_point(KENT, "2026-10").due_on
    assert next(walk(CensusPointTimetable(KENT, due.isoformat()))).partition_key == "2026-10"
    later = f"{due}T07:00:01+00:00"
    assert next(walk(CensusPointTimetable(KENT, later))).partition_key == "2026-11"


def test_a_backfill_of_the_past_does_not_wake_the_past():
    timetable = CensusPointTimetable(KENT, "2026-11-21")
    *_, backfilled = timetable.iter_partition_dagrun_infos(
        earliest=moment("2021-12-01"), latest=moment("2022-03-31")
    )
    then = timetable.next_dagrun_info_v2(last_dagrun_info=backfilled, restriction=ANY_TIME)
    assert then.partition_key == "2026-11"


def test_nothing_starts_by_itself_before_an_installation_is_live(caplog):
    timetable = CensusPointTimetable(KENT)
    assert list(walk(timetable)) == []
    assert "NEET_LIVE_FROM" in caplog.text and "not live" in timetable.summary
    assert len(list(backfill(timetable, "2021-12-01", "2022-03-31"))) == 4


def test_points_missed_while_nothing_ran_are_caught_up_in_order(at):
    timetable = CensusPointTimetable(KENT, "2026-11-21")
    november = next(walk(timetable))
    at(moment("2027-03-20"))
    caught_up = [
        info.partition_key
        for info in walk(timetable, last=november)
        if info.run_after <= moment("2027-03-20")
    ]
    assert caught_up == ["2026-12", "2027-01", "2027-02"]


def test_without_catchup_only_the_newest_missed_point_runs(at):
    timetable = CensusPointTimetable(KENT, "2026-11-21")
    november = next(walk(timetable))
    at(moment("2027-03-20"))
    infos = walk(timetable, NO_CATCHUP, last=november)
    assert [next(infos).partition_key, next(infos).partition_key] == ["2027-02", "2027-03"]


def test_without_catchup_a_point_that_is_not_due_is_not_skipped():
    timetable = CensusPointTimetable(KENT, "2026-11-21")
    assert next(walk(timetable, NO_CATCHUP)).partition_key == "2026-11"


def test_start_and_end_date_of_the_dag_bound_the_runs():
    restriction = TimeRestriction(moment("2022-01-01"), moment("2022-03-01"), True)
    infos = walk(CensusPointTimetable(KENT, "2021-01-01"), restriction)
    assert [info.partition_key for info in infos] == ["2022-01", "2022-02", "2022-03"]


def test_the_year_rolls_without_a_break():
    keys = [info.partition_key for info in walk(CensusPointTimetable(KENT, "2021-01-01"))]
    for year in range(2022, 2027):
        at = keys.index(f"{year}-08")
        assert keys[at : at + 2] == [f"{year}-08", f"{year}-09"]
        assert keys[keys.index(f"{year}-12") - 1] == f"{year}-11"


def test_a_moved_due_day_moves_the_run(tmp_path, monkeypatch):
    folder = tmp_path / "calendar"
    shutil.copytree(calendar.FOLDER, folder)
    file = folder / "census_points.csv"
    text = file.read_text()
    assert "2026-12-10" in text
    file.write_text(text.replace("2026-12-10", "2026-12-09"))
    monkeypatch.setattr(calendar, "load", lambda: calendar.Calendar(folder))
    moved = next(walk(CensusPointTimetable(KENT, "2026-11-21")))
    assert (moved.partition_key, moved.run_after.date()) == ("2026-11", dt.date(2026, 12, 9))


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01", "21/11/2026"])
def test_a_live_from_that_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match="NEET_LIVE_FROM"):
        CensusPointTimetable(KENT, text)


# -- backfills ---------------------------------------------------------------------------------


def backfill(timetable, first, last):
    return timetable.iter_partition_dagrun_infos(earliest=moment(first), latest=moment(last))


def test_a_backfill_takes_exactly_its_points():
    infos = backfill(CensusPointTimetable(KENT, "2026-11-21"), "2021-12-01", "2022-03-31")
    assert [info.partition_key for info in infos] == ["2021-12", "2022-01", "2022-02", "2022-03"]


def test_a_backfill_bound_inside_a_month_leaves_that_month_out():
    infos = backfill(CensusPointTimetable(KENT), "2021-12-02", "2022-02-01")
    assert [info.partition_key for info in infos] == ["2022-01", "2022-02"]


def test_a_backfill_leaves_what_is_not_due_to_the_scheduler():
    infos = backfill(CensusPointTimetable(KENT, "2026-11-21"), "2026-09-01", "2026-12-31")
    assert [info.partition_key for info in infos] == ["2026-09", "2026-10"]


def test_a_backfill_of_nothing_but_the_future_is_refused_with_the_way_out():
    with pytest.raises(InvalidBackfillDate, match="2026-12-10 07:00 UTC.*partition key 2026-11"):
        list(backfill(CensusPointTimetable(KENT, "2026-11-21"), "2026-11-01", "2026-11-30"))


@pytest.mark.parametrize(
    ("first", "last"), [("2027-08-01", "2027-09-01"), ("2021-08-31", "2021-12-31")]
)
def test_a_backfill_outside_the_calendar_is_refused(first, last):
    with pytest.raises(InvalidBackfillDate, match="2021-09 to 2027-08"):
        list(backfill(CensusPointTimetable(KENT), first, last))


# -- partition keys ----------------------------------------------------------------------------


def test_a_key_is_decoded_to_the_first_of_its_month():
    timetable = CensusPointTimetable(KENT)
    assert timetable.resolve_partition_date("2024-02") == moment("2024-02-01")
    assert timetable.resolve_partition_date(None) is None


@pytest.mark.parametrize("key", ["2027-09", "2021-08", "1999-12"])
def test_a_key_outside_the_calendar_is_refused(key):
    with pytest.raises(InvalidPartitionKeyError, match="2021-09 to 2027-08"):
        CensusPointTimetable(KENT).resolve_partition_date(key)


@pytest.mark.parametrize("key", ["2021-13", "december", "2021-12-31", "2021-12'; drop table x"])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(InvalidPartitionKeyError, match="YYYY-MM"):
        CensusPointTimetable(KENT).resolve_partition_date(key)


def test_run_ids_show_the_point_and_the_scheduled_one_is_unique():
    timetable = CensusPointTimetable(KENT)

    def run_id(kind, key="2021-12"):
        return timetable.generate_run_id(
            run_type=SimpleNamespace(value=kind),
            run_after=timetables.instance(moment("2022-01-13")),
            data_interval=None,
            partition_key=key,
        )

    assert run_id("scheduled") == run_id("scheduled") == "scheduled__2021-12"
    backfills = {run_id("backfill") for _ in range(20)}
    assert len(backfills) == 20
    assert all(found.startswith("backfill__2021-12__") for found in backfills)


# -- working days ------------------------------------------------------------------------------


def test_working_days_skip_weekends_and_bank_holidays():
    infos = backfill(WorkingDayTimetable(), "2021-12-23", "2022-01-05")
    assert [info.partition_key for info in infos] == [
        "2021-12-23", "2021-12-24", "2021-12-29", "2021-12-30", "2021-12-31", "2022-01-04",
        "2022-01-05",
    ]  # fmt: skip


@pytest.mark.slow
def test_every_working_day_of_eight_years_once():
    keys = [info.partition_key for info in walk(WorkingDayTimetable("2019-01-01"))]
    assert len(keys) == len(set(keys)) and keys == sorted(keys)
    assert keys[0] == "2019-09-02" and keys[-1] == "2027-08-31"
    facts = calendar.load()
    assert len(keys) == len(facts.working_days(dt.date(2019, 9, 1), dt.date(2027, 8, 31)))


def test_after_a_gap_the_collection_runs_once(at):
    timetable = WorkingDayTimetable("2026-11-21")
    monday = next(walk(timetable, NO_CATCHUP))
    assert monday.partition_key == "2026-11-23"
    at(dt.datetime(2026, 12, 3, 9, tzinfo=dt.UTC))
    infos = walk(timetable, NO_CATCHUP, last=monday)
    assert [next(infos).partition_key, next(infos).partition_key] == ["2026-12-03", "2026-12-04"]


def test_a_sunday_is_no_working_day_and_2028_is_not_loaded():
    timetable = WorkingDayTimetable()
    with pytest.raises(InvalidPartitionKeyError, match="no working day"):
        timetable.resolve_partition_date("2021-12-12")
    with pytest.raises(InvalidPartitionKeyError, match="2019-09-01 to 2027-08-31"):
        timetable.resolve_partition_date("2028-01-03")
    with pytest.raises(InvalidPartitionKeyError, match="not a day"):
        timetable.resolve_partition_date("2021-12")


# -- what is kept and shown --------------------------------------------------------------------


def test_airflow_loads_the_timetables_and_nothing_else_of_the_plugins_folder():
    from airflow import plugins_manager

    _, errors = plugins_manager._get_plugins()
    assert errors == {}
    assert set(plugins_manager.get_timetables_plugins()) == {
        "timetables.CensusPointTimetable",
        "timetables.WorkingDayTimetable",
    }
    # plugins/neet/calendar.py loaded as a plugin would take the place of the standard library's module.
    assert hasattr(importlib.import_module("calendar"), "monthrange")
    assert "airflowignore" not in sys.modules and "census" not in sys.modules


@pytest.mark.parametrize(
    "timetable",
    [CensusPointTimetable(KENT, "2026-11-21"), CensusPointTimetable("887"), WorkingDayTimetable()],
)
def test_serialised_through_airflow_and_back(timetable, monkeypatch):
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable

    encoded = encode_timetable(timetable)
    assert encoded["__type"] == f"timetables.{type(timetable).__name__}"
    again = decode_timetable(encoded)
    assert type(again).__name__ == type(timetable).__name__
    assert again.serialize() == timetable.serialize()


def test_the_end_of_the_calendar_shows(at):
    timetable = CensusPointTimetable(KENT, "2026-11-21")
    assert timetable.summary == "census points, to 2027-08"
    assert (timetable.tags, timetable.note) == ([], "")
    at(moment("2027-06-01"))
    assert timetable.summary == "census points, CALENDAR ENDS with 2027-08"
    assert timetable.tags == ["calendar-ends-soon"] and "census_points.csv" in timetable.note
    at(moment("2027-09-30"))
    assert timetable.summary == "census points, CALENDAR ENDED with 2027-08"
    assert timetable.tags == ["calendar-ended"]
    assert timetable.note.startswith("**Calendar ended.** The calendar of authority 886")
