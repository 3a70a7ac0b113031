"""What neet.transform decides before and after dbt runs. Builds for real are in tests/dbt."""

from __future__ import annotations

import shutil

import pytest

from neet import publishing, transform
from neet.database import connect
from neet.settings import PROJECT_ROOT, Settings


def begin(warehouse, status: str, known_seq: int = 0) -> int:
    with connect(warehouse.dsn["builder"]) as connection:
        return connection.execute(
            """insert into control.build (lineage, known_seq, code_version, seed_fingerprint, status)
               values ('live', %s, 'test', 'test', %s) returning build_id""",
            [known_seq, status],
        ).fetchone()[0]


def test_the_seed_fingerprint_follows_every_byte_and_name(tmp_path):
    shutil.copytree(PROJECT_ROOT / "dbt_project" / "seeds", tmp_path / "dbt_project" / "seeds")
    settings = Settings(tmp_path, tmp_path / "home", "886")
    original = transform.seed_fingerprint(Settings(PROJECT_ROOT, tmp_path, "886"))
    assert transform.seed_fingerprint(settings) == original
    policy = tmp_path / "dbt_project" / "seeds" / "policy" / "policy.csv"
    text = policy.read_text()
    policy.write_text(text.replace("neet_gap_tolerance_days,14", "neet_gap_tolerance_days,15"))
    changed = transform.seed_fingerprint(settings)
    assert changed != original
    policy.write_text(text)
    assert transform.seed_fingerprint(settings) == original
    policy.rename(policy.with_name("renamed.csv"))
    assert transform.seed_fingerprint(settings) not in (original, changed)


def test_the_profile_reads_what_the_connection_string_says():
    assert transform.profile_environment(
        "postgresql://neet_builder:p%40ss%2Fword@db.example:6543/warehouse"
    ) == {
        "NEET_DBT_HOST": "db.example",
        "NEET_DBT_PORT": "6543",
        "NEET_DBT_USER": "neet_builder",
        "NEET_DBT_PASSWORD": "p@ss/word",
        "NEET_DBT_DBNAME": "warehouse",
        "PGOPTIONS": "-c client_connection_check_interval=2s -c synchronous_commit=off -c default_statistics_target=30",
    }


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("NEET_DBT_HOST", "before")
    monkeypatch.delenv("NEET_DBT_PORT", raising=False)
    with (
        pytest.raises(RuntimeError),
        transform._environment({"NEET_DBT_HOST": "during", "NEET_DBT_PORT": "1"}),
    ):
        raise RuntimeError
    import os

    assert os.environ["NEET_DBT_HOST"] == "before"
    assert "NEET_DBT_PORT" not in os.environ


def test_the_marts_to_publish_come_from_their_contracts(warehouse):
    marts = publishing.published_marts(warehouse.settings)
    assert marts["fct_kpi_value"] == "marts_kpi"
    assert marts["fct_cohort_month"] == "marts_neet"
    assert marts["dim_date"] == "marts_core"
    assert "ret_nccis_record" not in marts and "dim_young_person" not in marts
    assert list(marts) == sorted(marts)


@pytest.mark.parametrize("status", ["running", "failed"])
def test_only_a_finished_build_is_published(warehouse, status):
    build_id = begin(warehouse, status)
    with pytest.raises(
        transform.BuildRefused, match=f"Build {build_id} cannot be published: it is {status}"
    ):
        publishing.publish(warehouse.settings, warehouse.dsn["builder"])


def test_nothing_to_publish_is_said_so(warehouse):
    with pytest.raises(transform.BuildRefused, match="no live build"):
        publishing.publish(warehouse.settings, warehouse.dsn["builder"])


def test_a_layer_belongs_to_a_build(warehouse):
    with pytest.raises(
        ValueError, match="expected one of seeds, hist, identity, intermediate, marts"
    ):
        transform.build_live(warehouse.settings, warehouse.dsn["builder"], layer="staging")
    with pytest.raises(ValueError, match="give the build_id"):
        transform.build_live(warehouse.settings, warehouse.dsn["builder"], layer="hist")


def test_known_time_must_have_been_reached_and_may_not_go_back(warehouse):
    with pytest.raises(transform.BuildRefused, match="newest accepted delivery is 0"):
        transform.build_live(warehouse.settings, warehouse.dsn["builder"], known_seq=1)
    begin(warehouse, "published", known_seq=5)
    with pytest.raises(transform.BuildRefused, match="delivery 5 is already published"):
        transform.build_live(warehouse.settings, warehouse.dsn["builder"])


def test_a_build_left_running_is_closed_by_the_next(warehouse):
    left = begin(warehouse, "running")
    build = transform._begin(warehouse.dsn["builder"], lineage="live", known_seq=0, fingerprint="x")
    assert build.build_id > left
    with connect(warehouse.dsn["builder"]) as connection:
        rows = connection.execute(
            "select build_id, status, detail->>'error' from control.build order by 1"
        ).fetchall()
    assert rows == [
        (left, "failed", "left running by a process that ended; superseded"),
        (build.build_id, "running", None),
    ]


def test_a_census_build_left_running_is_not_the_live_ones_business(warehouse):
    dsn = warehouse.dsn["builder"]
    census = transform._begin(
        dsn, lineage="census", la_code="886", census_point="2021-12", schema_name="census_886_2021_12",
        known_seq=0, fingerprint="x",
    )  # fmt: skip
    transform._begin(dsn, lineage="live", known_seq=0, fingerprint="x")
    with connect(dsn) as connection:
        (status,) = connection.execute(
            "select status from control.build where build_id = %s", [census.build_id]
        ).fetchone()
    assert status == "running"


def test_an_outcome_is_written_even_when_the_work_breaks(warehouse):
    dsn = warehouse.dsn["builder"]
    build = transform._begin(dsn, lineage="live", known_seq=0, fingerprint="x")
    with pytest.raises(KeyError), transform._recorded(dsn, build):
        raise KeyError("broken")
    with connect(dsn) as connection:
        status, error, finished = connection.execute(
            "select status, detail->>'error', finished_at is not null from control.build where build_id = %s",
            [build.build_id],
        ).fetchone()
    assert (status, error, finished) == ("failed", "'broken'", True)


@pytest.mark.slow
def test_a_project_that_does_not_compile_says_which_file(warehouse, tmp_path):
    root = tmp_path / "checkout"
    shutil.copytree(
        PROJECT_ROOT / "dbt_project",
        root / "dbt_project",
        ignore=shutil.ignore_patterns("target", "logs"),
    )
    (root / "dbt_project" / "models" / "hist" / "hist_core_plus_people.sql").write_text(
        "{{ history_of('core_plus_people'"
    )
    settings = Settings(root, tmp_path / "home", "886")
    with pytest.raises(transform.BuildFailed, match="hist_core_plus_people"):
        transform.build_live(settings, warehouse.dsn["builder"])
    with connect(warehouse.dsn["builder"]) as connection:
        assert connection.execute("select status from control.build").fetchall() == [("failed",)]


def test_the_log_of_a_build_says_how_far_it_is(caplog):
    """A line a model, with its rows and its place among all; tests are counted and only told when they do not pass."""
    from types import SimpleNamespace as Event

    def finished(name, kind, status, seconds, response):
        return Event(
            info=Event(name="NodeFinished"),
            data=Event(
                node_info=Event(node_name=name, resource_type=kind),
                run_result=Event(status=status, execution_time=seconds, adapter_response=response),
            ),
        )

    caplog.set_level("INFO", logger="neet.transform")
    progress = transform._Progress("hist")
    for event in (
        Event(info=Event(name="ConcurrencyLine"), data=Event(node_count=12)),
        finished("hist_people", "model", "success", 2.04, {"rows_affected": 71593.0}),
        finished("key_people", "test", "pass", 0.5, {"rows_affected": 1.0}),
        Event(info=Event(name="NodeStart"), data=None),
        finished("key_activities", "test", "fail", 0.25, {"rows_affected": 1.0}),
        Event(info=Event(name="SkippingDetails"), data=None),
        finished("int_view", "model", "success", 0.1, {}),
    ):
        progress(event)
    progress.conclude()
    lines = [" ".join(record.getMessage().split()) for record in caplog.records]
    assert lines == [
        "1 of 12 hist_people 2.0 s 71,593 rows",
        "3 of 12 key_activities 0.2 s fail",
        "5 of 12 int_view 0.1 s success",
        "hist: 2 models and seeds; the slowest: hist_people 2.0 s, int_view 0.1 s",
        "hist: 2 data tests in 0.8 s",
    ]
