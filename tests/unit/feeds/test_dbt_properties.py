"""What dbt is told of the feeds is what their contracts say, and what the calendar says of their dates."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest

from neet import calendar
from neet.feeds import dbt_properties, landing, schedule
from neet.settings import PROJECT_ROOT, Settings

SETTINGS = Settings(PROJECT_ROOT, PROJECT_ROOT / "var", "886")


@pytest.fixture
def copy(tmp_path):
    """Contracts and history models in a folder of their own."""
    for part in ("expectations/feeds", "dbt_project/models/hist"):
        shutil.copytree(PROJECT_ROOT / part, tmp_path / part)
    return Settings(tmp_path, tmp_path / "var", "886")


def test_the_files_are_what_the_contracts_say():
    stale = [
        path.name
        for path, text in dbt_properties.render(SETTINGS).items()
        if path.read_text(encoding="utf-8") != text
    ]
    assert not stale, f"run `{dbt_properties.COMMAND}` and commit {', '.join(stale)}"


def test_what_is_right_is_not_touched_and_what_is_not_is_mended(copy):
    assert dbt_properties.write(copy) == []
    file = copy.dbt_project / dbt_properties.SOURCES
    right = file.read_text()
    file.write_text(right.replace("count: 50", "count: 51", 1))
    assert dbt_properties.write(copy) == [file]
    assert file.read_text() == right
    assert list(file.parent.glob(".*")) == []


def test_where_it_cannot_be_mended_it_says_what_to_run(copy):
    file = copy.dbt_project / dbt_properties.SOURCES
    file.unlink()
    file.mkdir()
    (file / "something").write_text("")
    with pytest.raises(dbt_properties.PropertiesStale, match=dbt_properties.COMMAND):
        dbt_properties.write(copy)


def test_a_history_is_described_only_once_it_has_a_model(copy):
    (copy.dbt_project / "models" / "hist" / "hist_course_offer.sql").unlink()
    text = dbt_properties.render(copy)[copy.dbt_project / dbt_properties.HISTORIES]
    assert "hist_course_offer" not in text and "hist_school_census" in text


def test_freshness_leaves_time_for_the_longest_pause_between_two_collections():
    """A source is stale when a collection was missed, not when nobody was asked to deliver."""
    facts = calendar.load()
    contracts = landing.contracts_of(SETTINGS)
    first, last = dt.date(2021, 9, 1), dt.date(2026, 6, 30)
    looked_at = set()
    for rule in schedule.rules("886"):
        latency = contracts[rule.feed].latency_days
        if rule.rule == "ad_hoc":
            assert latency is None, rule.feed
            continue
        due = schedule.collections_of(rule, "886", first, last, facts)
        pause = max(
            (after.late_from - before.due_on).days
            for before, after in zip(due, due[1:], strict=False)
        )
        assert pause <= latency <= pause + max(20, pause // 10), (rule.feed, pause)
        looked_at.add(rule.feed)
    assert len(looked_at) == 38
