"""Every DAG keeps the house rules; a bag that is empty or in another place fails."""

from __future__ import annotations

import ast
import datetime as dt
import importlib.util
import re
import subprocess
import sys

import pytest

from tests.airflow_environment import ROOT  # isort: skip
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

DAGS = ROOT / "dags"
EXPECTED = {"ingest", "build_warehouse", "monthly_return"}
OWNERS = {"Management Information", "Data engineering"}
# These end a run on purpose, or wait for a person: trying again by itself would be wrong.
NOT_TRIED_AGAIN = {("ingest", "report"), ("monthly_return", "decide")}


@pytest.fixture(scope="module")
def bag():
    assert DAGS.is_absolute() and DAGS.is_dir()
    return DagBag(str(DAGS))


@pytest.fixture(scope="module")
def tasks(bag):
    return [(dag, task) for dag in bag.dags.values() for task in dag.tasks]


def test_the_bag_holds_every_dag_without_an_error(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == EXPECTED
    files = {file.name for file in DAGS.glob("*.py")}
    assert files == {f"{name}.py" for name in EXPECTED}


def test_every_dag_says_what_it_is_whose_it_is_and_what_red_means(bag):
    for dag in bag.dags.values():
        assert dag.description, dag.dag_id
        assert "neet" in dag.tags and len(dag.tags) >= 2, dag.dag_id
        assert "**Red means**" in dag.doc_md or "red means" in dag.doc_md, dag.dag_id
        assert dag.dagrun_timeout and dag.dagrun_timeout <= dt.timedelta(days=30), dag.dag_id
        assert dag.max_active_runs == 1, dag.dag_id
        assert dag.schedule is not None, dag.dag_id


def test_only_the_return_catches_up(bag):
    assert {dag.dag_id for dag in bag.dags.values() if dag.catchup} == {"monthly_return"}


def test_every_task_has_owner_words_timeout_and_retries(tasks):
    assert len(tasks) == 19
    for dag, task in tasks:
        where = f"{dag.dag_id}.{task.task_id}"
        assert task.owner in OWNERS, where
        assert task.doc_md, where
        limit = task.execution_timeout or getattr(task, "response_timeout", None)
        assert limit and limit <= dt.timedelta(days=21), where
        assert (task.retries == 0) == ((dag.dag_id, task.task_id) in NOT_TRIED_AGAIN), where
        assert task.retry_delay <= dt.timedelta(minutes=1), where


def test_every_connection_is_one_of_the_least_privileged_roles(tasks):
    connections = {
        getattr(task, "conn_id", None) or task.partial_kwargs["conn_id"] for _, task in tasks
    }
    assert connections == {"neet_loader", "neet_builder", "neet_gate"}


def test_every_task_of_the_return_is_named_in_its_page(bag):
    dag = bag.dags["monthly_return"]
    assert [task.task_id for task in dag.topological_sort()] == [
        "resolve", "build_census", "check", "decide", "prepare", "sign_off", "conclude"
    ]  # fmt: skip
    for task in dag.tasks:
        assert f"| `{task.task_id}` |" in dag.doc_md


def test_the_sign_off_asks_for_a_name_and_a_reason_and_nothing_else(bag):
    task = bag.dags["monthly_return"].get_task("sign_off")
    assert list(task.serialized_params) == ["signed_by", "reason"]
    assert task.options == ["Approve", "Reject"]
    assert task.execution_timeout is None and task.response_timeout == dt.timedelta(days=21)


def test_every_dag_survives_serialisation(bag):
    for dag in bag.dags.values():
        again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert again.dag_id == dag.dag_id
        assert type(again.timetable).__name__ == type(dag.timetable).__name__
        assert set(again.task_dict) == {task.task_id for task in dag.tasks}


def test_the_builder_waits_for_deliveries_and_for_sealed_returns(bag):
    (asset,) = bag.dags["ingest"].get_task("announce").outlets
    assert asset.name == "accepted_deliveries"
    assert bag.dags["build_warehouse"].timetable.asset_condition.name == asset.name
    assert bag.dags["monthly_return"].get_task("conclude").outlets == [asset]


def test_nothing_is_imported_from_the_dags_and_they_hold_no_logic():
    for folder in ("plugins", "synthetic_county", "migrations", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                assert not any(name.split(".")[0] == "dags" for name in names), file
    for file in DAGS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            logic = (ast.FunctionDef, ast.ClassDef, ast.If, ast.For, ast.While, ast.Try, ast.Lambda)
            assert not isinstance(node, logic), f"{file.name}, line {node.lineno}"


@pytest.mark.slow
def test_reading_the_dags_imports_nothing_heavy():
    """The DAG processor reads these files every minute."""
    heavy = "dbt.cli.main", "great_expectations", "pandas", "lxml", "neet.gate", "neet.transform"
    code = (
        "from tests import airflow_environment as e; import sys; "
        "from airflow.dag_processing.dagbag import DagBag; "
        "bag = DagBag(str(e.ROOT / 'dags')); assert bag.dags and not bag.import_errors; "
        f"print('HEAVY', sorted(set({heavy!r}) & set(sys.modules)))"
    )
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "HEAVY []" in done.stdout


def test_the_table_for_people_has_a_row_for_every_dag():
    rows = re.findall(r"^\| `(\w+)` \|", (DAGS / "README.md").read_text(encoding="utf-8"), re.M)
    assert set(rows) == EXPECTED


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NEET_LIVE_FROM": "2026-11-21"}, "census points, to 2027-08"),
        ({"NEET_LIVE_FROM": ""}, "not live: NEET_LIVE_FROM is not set"),
    ],
)
def test_the_schedule_says_whether_the_installation_is_live(monkeypatch, environment, words):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("a_monthly_return", DAGS / "monthly_return.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert words in module.timetable.summary
