"""When feeds are due, and what is late since when: small rows in, a plain answer out."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest

from neet import calendar
from neet.database import connect
from neet.feeds import lateness, schedule
from neet.feeds.contract import load_contracts
from neet.settings import PROJECT_ROOT

KENT = "886"
OWNERS = {"liberi_care": "VSK", "contact_attempts": "TEP", "core_plus_people": "MI"}


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def came(
    feed: str,
    as_at: str | None,
    *,
    period: str | None = None,
    status: str = "accepted",
    mode="snapshot",
):
    return schedule.Delivery(
        KENT, feed, KENT, period or as_at, as_at and day(as_at), mode, status,
        day(as_at or "2022-01-05"), f"{feed}-{as_at or period}",
    )  # fmt: skip


def state_of(
    feed: str, on: str, *deliveries: schedule.Delivery, **more
) -> schedule.FeedState | None:
    arrived: dict[str, list] = {}
    for each in deliveries:
        arrived.setdefault(each.feed, []).append(each)
    found = schedule.states(arrived, KENT, day(on), {feed: OWNERS.get(feed, "MI")}, **more)
    return found[0] if found else None


@pytest.fixture
def folder(tmp_path):
    """A copy of the calendar whose schedule a test may write."""
    shutil.copytree(calendar.FOLDER, tmp_path / "calendar")

    def write(*rows: str):
        header = (calendar.FOLDER / schedule.FILE).read_text().splitlines()[0]
        (tmp_path / "calendar" / schedule.FILE).write_text("\n".join([header, *rows, ""]))
        return schedule.rules(KENT, tmp_path / "calendar")

    return write


def test_every_contract_has_a_rule_and_every_rule_a_contract():
    contracts = load_contracts(PROJECT_ROOT / "expectations" / "feeds")
    assert {rule.feed for rule in schedule.rules(KENT)} == set(contracts)


@pytest.mark.slow
def test_collections_of_a_feed_never_overlap_so_no_file_counts_twice():
    by_feed: dict[str, list] = {}
    for each in schedule.collections(KENT, day("2021-09-01"), day("2026-07-31")):
        by_feed.setdefault(each.feed, []).append(each)
    assert len(by_feed) > 30
    for feed, found in by_feed.items():
        for before, after in zip(found, found[1:], strict=False):
            assert before.closes_on <= after.opens_on, (feed, before, after)
            assert before.due_on <= after.due_on
        assert all(calendar.is_working_day(each.due_on) for each in found), feed


def test_a_monthly_feed_is_due_then_in_grace_then_late():
    december = came("liberi_care", "2021-11-30")
    assert state_of("liberi_care", "2022-01-09", december).state == schedule.RECEIVED
    in_grace = state_of("liberi_care", "2022-01-10", december)
    assert (in_grace.state, in_grace.gates) == (schedule.DUE, ())
    late = state_of("liberi_care", "2022-01-14", december)
    assert (late.state, late.since, late.missing) == (schedule.LATE, day("2022-01-14"), 1)
    assert {"M-12", "SG-COHORT"} <= set(late.gates)
    assert "due on 2022-01-10" in late.sentence and "Owner: VSK" in late.sentence


def test_the_file_of_the_month_makes_it_good_even_when_it_comes_late():
    deliveries = [came("liberi_care", "2021-11-30"), came("liberi_care", "2021-12-31")]
    assert state_of("liberi_care", "2022-02-04", *deliveries).state == schedule.RECEIVED


def test_a_newer_snapshot_makes_older_ones_good_but_events_stay_missing():
    deliveries = [came("liberi_care", "2021-09-30"), came("liberi_care", "2022-01-31")]
    missing = state_of("liberi_care", "2022-02-20", *deliveries)
    assert (missing.state, missing.missing) == (schedule.LATE, 3)
    snapshots = {"snapshots": ["liberi_care"]}
    assert (
        state_of("liberi_care", "2022-02-20", *deliveries, **snapshots).state == schedule.RECEIVED
    )


def test_what_was_never_expected_is_never_late():
    assert state_of("liberi_care", "2022-06-01") is None
    refused = came("liberi_care", "2021-11-30", status="refused")
    assert state_of("liberi_care", "2022-06-01", refused) is None


def test_a_configured_source_is_expected_from_its_day_on():
    configured = {"expected_from": {"liberi_care": day("2022-03-01")}}
    assert state_of("liberi_care", "2022-02-20", **configured) is None
    late = state_of("liberi_care", "2022-06-01", **configured)
    assert (late.state, late.missing, late.received_on) == (schedule.LATE, 3, None)
    assert "none ever came" in late.sentence


def test_a_refused_file_is_not_received_and_is_named():
    deliveries = [
        came("liberi_care", "2021-11-30"),
        came("liberi_care", "2021-12-31", status="refused"),
    ]
    late = state_of("liberi_care", "2022-01-20", *deliveries)
    assert late.state == schedule.LATE
    assert "refused (liberi_care-2021-12-31)" in late.sentence


def test_a_delta_is_no_snapshot_of_the_month_end():
    before = came("core_plus_people", "2021-11-30")
    delta = came("core_plus_people", "2021-12-31", mode="delta")
    assert state_of("core_plus_people", "2022-01-13", before, delta).state == schedule.LATE
    whole = came("core_plus_people", "2021-12-31")
    assert state_of("core_plus_people", "2022-01-13", before, whole).state == schedule.RECEIVED


def test_a_daily_feed_takes_the_weekend_and_the_bank_holidays_into_account():
    friday = came("contact_attempts", "2021-12-24", mode="event")
    assert state_of("contact_attempts", "2021-12-29", friday).state == schedule.RECEIVED
    assert state_of("contact_attempts", "2021-12-30", friday).state == schedule.DUE
    assert state_of("contact_attempts", "2022-01-04", friday).state == schedule.LATE


@pytest.mark.parametrize(
    ("feed", "period", "due_on"),
    [
        ("school_joiners_leavers", "2021-12", "2022-01-10"),
        ("school_post16_enrolment", "AY2021-22", "2021-09-13"),
        ("calendar_dates", "AY2022-23", "2022-07-01"),
    ],
)  # fmt: skip
def test_a_period_counts_for_the_collection_it_was_made_for(feed, period, due_on):
    found = schedule.collections(KENT, day("2021-09-01"), day("2022-08-31"))
    delivery = came(feed, None, period=period)
    assert [str(each.due_on) for each in found if each.feed == feed and each.takes(delivery)] == [
        due_on
    ]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("886,x,fortnightly,1,,,0,0,0,,false,,,s,true", "rule: 'fortnightly' is none of"),
        ("886,x,weekday,8,,,0,0,0,,false,,,s,true", "no day of the week"),
        ("886,x,weekday,,,,0,0,0,,false,,,s,true", "must be given for weekday"),
        ("886,x,year_day,1,13,,0,0,0,,false,,,s,true", "not a month"),
        ("886,x,year_day,1,,,0,0,0,,false,,,s,true", "must be given for year_day"),
        ("886,x,term_working_day,1,,,0,0,0,,false,,,s,true", "must be given for term_working_day"),
        ("886,x,year_day,1,one,,0,0,0,,false,,,s,true", "list of numbers"),
        ("886,x,ad_hoc,,,,0,0,0,M-13,false,,,s,true", "names M-13, no row of gates.csv"),
        ("886,x,ad_hoc,,,,0,0,-1,,false,,,s,true", "below 0"),
        ("886,x,ad_hoc,,,,0,0,,,false,,,s,true", "must not be blank"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(folder, row, what):
    with pytest.raises(calendar.CalendarBroken) as broken:
        folder(row)
    assert f"{schedule.FILE}, line 2" in str(broken.value) and what in str(broken.value)


def test_two_rows_in_force_at_once_are_refused_and_successive_ones_are_not(folder):
    first = "886,x,weekday,1,,,0,0,0,,false,,2022-01-01,s,true"
    assert len(folder(first, "886,x,weekday,2,,,0,0,0,,false,2022-01-01,,s,true")) == 2
    with pytest.raises(calendar.CalendarBroken, match="two rows in force"):
        folder(first, "886,x,weekday,2,,,0,0,0,,false,2021-12-31,,s,true")


def test_a_collection_waits_until_before_the_census_run_and_for_nothing_late(
    tmp_path, monkeypatch, warehouse
):
    assert calendar.is_working_day(day("2022-01-12"))
    ordinary, census = (
        lateness.cut_off(KENT, day("2022-01-12")),
        lateness.cut_off(KENT, day("2022-01-13")),
    )
    assert f"{ordinary:%H:%M}" == "09:30"
    assert census < calendar.load().moment("monthly_return_starts_at", day("2022-01-13"))
    listed = tmp_path / "sources.yml"
    listed.write_text("sources: {liberi_care: [{url: 'file:///out', expected_from: 2021-12-20}]}")
    monkeypatch.setenv("NEET_SOURCES", str(listed))

    def awaited(on: str) -> list[str]:
        with connect(warehouse.dsn["auditor"]) as connection:
            return lateness.awaited(warehouse.settings, connection, day(on))

    assert awaited("2022-01-07") == [], "not due yet"
    assert awaited("2022-01-10") == awaited("2022-01-13") == ["liberi_care"]
    assert awaited("2022-01-14") == [], "late: nobody waits for it"
