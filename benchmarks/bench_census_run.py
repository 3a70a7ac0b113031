"""The census run through Airflow against plain ``dbt build``, and against the same SQL alone.

All three make the same schema from the same deliveries. Through Airflow, a manual run of ``monthly_return`` is timed by
Airflow's own times: to the end of ``build_census``, and to the seal without the seconds that the sign-off waits for a
person. Plain dbt is its command line in a process of its own, as a person would type it, with the selection that the run
uses and warm caches. The SQL alone is every statement that the build sent, sent again over one connection.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from psycopg import sql

from benchmarks.bench_build import Recorder
from benchmarks.harness import Bench, Figure, seconds_of
from neet import transform
from neet.census import CensusRun, resolve
from neet.database import connect
from neet.feeds import landing
from neet.services import census_run
from neet.services.stack import Stack
from neet.settings import Settings

ROUNDS = 3
PLAIN = "census_886_plain"
BUILDING = "census_886_building"


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    """Three figures: the build through Airflow, the run to the seal, and dbt against its own SQL."""
    point = "2021-12"
    bench.stack.up()
    settings = bench.stack.settings
    for row in bench.schedule(people, point):
        landing.receive(settings, settings.dsn("loader"), row["feed"], bench.file_of(people, row))
    run = resolve(settings, settings.dsn("gate"), settings.la_code, point)
    _through_airflow(bench.stack, run)  # seeds, dbt's parse and every cache
    _plain_dbt(settings, run)
    statements = _statements(settings, run)
    taken: list[tuple[float, ...]] = []
    for _ in range(ROUNDS):
        dbt = seconds_of(lambda: _plain_dbt(settings, run))
        _empty(settings, BUILDING)
        alone = seconds_of(lambda: _send(settings, statements))
        _empty(settings, BUILDING)
        build, whole = _through_airflow(bench.stack, run)
        taken.append((dbt, alone, build, whole))
    dbt, alone, build, whole = (statistics.median(column) for column in zip(*taken, strict=True))
    yield Figure(
        "census_build_airflow_vs_dbt", people, "people", build, dbt,
        note="queued to the end of build_census; reference: dbt build of the same selection in a process of its own",
    )  # fmt: skip
    yield Figure(
        "census_run_airflow_vs_dbt", people, "people", whole, dbt,
        note="queued to sealed: build, gate, candidate, package, without the wait for a person's signature; same reference",
    )  # fmt: skip
    yield Figure(
        "census_dbt_vs_sql_alone", people, "people", dbt, alone,
        note="dbt build; reference: the same statements over one connection, without dbt",
    )  # fmt: skip


def _through_airflow(stack: Stack, run: CensusRun) -> tuple[float, float]:
    """Seconds from queued to built, and to sealed without the wait for an answer."""
    ended = census_run.take(
        stack, run.census_point, "sign", "Benchmark", "measured",
        {"known_seq": run.known_seq, "known_at": None}, lambda _: None,
    )  # fmt: skip
    if ended.outcome != "sealed":
        raise RuntimeError(f"the run ended as {ended.outcome}: {ended.lines}")
    api = census_run.client(stack)
    run_id = ended.data["run"]
    times = {task["task_id"]: task for task in api.tasks(census_run.DAG, run_id)}
    queued = _moment(api.run(census_run.DAG, run_id)["queued_at"])
    asked = times["sign_off"]
    waited = _moment(asked["end_date"]) - _moment(asked["start_date"])
    built = _moment(times["build_census"]["end_date"]) - queued
    sealed = _moment(times["conclude"]["end_date"]) - queued - waited
    return built.total_seconds(), sealed.total_seconds()


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _target(settings: Settings) -> Path:
    return settings.home / "dbt" / "plain" / "target"


def _plain_dbt(settings: Settings, run: CensusRun) -> None:
    """What a person would type, in a process of its own; the schema is emptied first, as the run does."""
    _empty(settings, PLAIN)
    variables = transform.census_variables(run, PLAIN)
    told = {
        f"NEET_RUN_{name.upper()}": str(value)
        for name, value in variables.items()
        if name in transform.RUN_VALUES
    }
    steady = {name: value for name, value in variables.items() if name not in transform.RUN_VALUES}
    project = str(settings.dbt_project)
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "build", "--selector", "census", "--project-dir", project,
         "--profiles-dir", project, "--target-path", str(_target(settings)), "--vars", json.dumps(steady),
         "--log-path", str(settings.logs / "dbt" / "plain"), "--exclude-resource-type", "unit_test"],
        env=os.environ | transform.profile_environment(settings.dsn("builder")) | told,
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"dbt build failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def _empty(settings: Settings, schema: str) -> None:
    with connect(settings.dsn("builder")) as connection:
        name = sql.Identifier(schema)
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(name))
        connection.execute(sql.SQL("create schema {}").format(name))


def _statements(settings: Settings, run: CensusRun) -> list[str]:
    """What the build of the run sends, models and data tests."""
    Recorder.statements = []
    with mock.patch.object(transform, "_Progress", Recorder):
        transform.build_census(settings, settings.dsn("builder"), run)
    return list(Recorder.statements)


def _send(settings: Settings, statements: list[str]) -> None:
    with connect(settings.dsn("builder"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
