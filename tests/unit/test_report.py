"""What ``neet status`` says: late feeds, the next point, and how a stopped installation reads."""

from __future__ import annotations

import datetime as dt

from neet import report
from neet.database import connect
from neet.settings import Settings


def status(warehouse, today: str, states: dict | None = None) -> dict:
    return report.status(warehouse.settings, states or {}, [], dt.date.fromisoformat(today))


def test_nothing_is_late_before_the_run_of_the_first_point_is_due(warehouse):
    assert status(warehouse, "2021-12-15")["late"] == []


def test_every_feed_of_the_next_point_is_late_once_its_run_was_due(warehouse):
    late = status(warehouse, "2022-02-01")["late"]
    assert {row["census_point"] for row in late} == {"2021-12"}
    assert {row["feed"] for row in late} == {
        "core_plus_people", "core_plus_activities", "core_plus_characteristics",
        "core_plus_september_guarantee",
    }  # fmt: skip


def test_a_feed_that_arrived_is_not_late(warehouse):
    with connect(warehouse.dsn["owner"]) as connection:
        connection.execute(
            """insert into control.delivery (delivery_id, la_code, feed, provider, period, as_at, mode, file_name,
                 file_sha256, file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
               values ('d', '886', 'core_plus_people', '886', '2021-12-31', '2021-12-31', 'snapshot', 'f', 'x', 1, 'p',
                 now(), 'accepted', now(), 1)"""
        )
    found = status(warehouse, "2022-02-01")
    assert "core_plus_people" not in {row["feed"] for row in found["late"]}
    assert len(found["late"]) == 3
    assert [row["feed"] for row in found["deliveries"]] == ["core_plus_people"]


def test_past_the_calendar_it_says_so_instead_of_failing(warehouse):
    found = status(warehouse, "2099-01-01")
    assert found["next_point"] is None
    assert "calendar" in found


def test_without_a_database_it_still_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(tmp_path))
    found = report.status(Settings.load(), {}, [], dt.date(2022, 2, 1))
    assert "make up" in found["database"]
