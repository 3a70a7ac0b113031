"""The ledger of increments as Python reads and tidies it, on rows of its own."""

from __future__ import annotations

import pytest

from neet import database, increments

RUNS = """
insert into increments.model_state (model, ran_at, changed_at, full_at, mode, reason, rows_written)
values ('hist_a', 7, 7, 1, 'increment', 'source:raw.a', 4), ('fct_b', 8, 5, 5, 'same', 'hist_a', 9),
  ('seed:s', 2, 2, 2, 'full', 'loaded', 0), ('view_v', 9, 9, 9, 'full', 'a view', null);
insert into increments.touched_person (model, stamp, la_code, person_id)
values ('hist_a', 3, '886', 'p1'), ('hist_a', 4, '886', 'p1'), ('hist_a', 7, '886', 'p2'), ('hist_a', 7, '886', 'p3');
"""


@pytest.fixture
def ledger(warehouse):
    with database.connect(warehouse.dsn["builder"]) as connection:
        connection.execute(RUNS)
    return warehouse.dsn["builder"]


def test_what_happened_since_a_stamp(ledger):
    with database.connect(ledger) as connection:
        found = increments.changes_since(connection, ["hist_a", "fct_b", "new"], since=5)
        first, second = increments.stamp(connection), increments.stamp(connection)
    assert found["hist_a"] == increments.Changes("hist_a", has_changed=True, is_whole=False)
    assert found["fct_b"] == increments.Changes("fct_b", has_changed=False, is_whole=False)
    assert found["new"] == increments.Changes("new", has_changed=True, is_whole=True)
    assert first < second == increments.last_stamp(ledger)


def test_whoever_lags_behind_what_was_tidied_away_reads_everything(ledger, monkeypatch):
    monkeypatch.setattr(increments, "RUNS_KEPT", 2)
    increments.tidy(ledger)
    with database.connect(ledger) as connection:
        kept = connection.execute("select distinct stamp from increments.touched_person order by 1")
        assert kept.fetchall() == [(4,), (7,)]
        behind = increments.changes_since(connection, ["hist_a"], since=2)["hist_a"]
        in_time = increments.changes_since(connection, ["hist_a"], since=3)["hist_a"]
    assert behind.is_whole and not in_time.is_whole


def test_forgetting_is_of_tables_only(ledger):
    increments.forget(ledger)
    with database.connect(ledger) as connection:
        left = connection.execute("select model from increments.model_state").fetchall()
    assert left == [("seed:s",)], "what seeds and sources hold is known all the same"


def test_a_build_in_brief(ledger):
    done = increments.summary(ledger, ["hist_a", "fct_b", "view_v", "fct_quiet"], since=6)
    assert done.modes == {"increment": 1, "same": 1} and done.unchanged == 2
    assert done.touched == {"hist_a": 2} and done.rows_written == 13
    assert done.words == (
        "2 tables unchanged, 1 increment, 1 same; 13 rows written; people touched: 2 of hist_a"
    )


def test_other_macros_are_another_fingerprint(warehouse, tmp_path):
    import dataclasses
    import shutil

    before = increments.macros_fingerprint(warehouse.settings)
    shutil.copytree(
        warehouse.settings.dbt_project / "macros" / "increments",
        tmp_path / "dbt_project" / "macros" / "increments",
    )
    elsewhere = dataclasses.replace(warehouse.settings, root=tmp_path)
    assert increments.macros_fingerprint(elsewhere) == before
    with (tmp_path / "dbt_project" / "macros" / "increments" / "table.sql").open("a") as file:
        file.write("{# another #}")
    assert increments.macros_fingerprint(elsewhere) != before
