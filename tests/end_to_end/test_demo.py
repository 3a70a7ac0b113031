"""The demonstration, one month of it, on an installation of its own: what `make demo` does for a newcomer."""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path

import pytest
from installations import Installation, new_stack

from neet.database import connect
from neet.services import census_run

pytestmark = [pytest.mark.services, pytest.mark.system]

POINT = "2021-12"


@pytest.fixture
def newcomer(parsed_project):
    """Nothing started, nothing generated."""
    home = Path(tempfile.mkdtemp(prefix="neet-demo-"))
    stack = new_stack(home, parsed_project)
    try:
        yield Installation(stack)
    finally:
        stack.down()
        shutil.rmtree(home, ignore_errors=True)


def test_the_demonstration_shows_the_same_figures_twice(newcomer):
    """The second time nothing is delivered, built or sealed again; another county is refused."""
    arguments = (
        "demo",
        "--people",
        "300",
        "--seed",
        "5",
        "--from",
        POINT,
        "--to",
        POINT,
        "--core-plus-only",
    )
    first = newcomer.json(*arguments)
    assert [package["census_point"] for package in first["packages"]] == [POINT]
    assert {row["kpi_id"] for row in first["measures"]} >= {"AP-NEET", "AP-NK", "AP-PART"}
    runs = census_run.client(newcomer.stack).runs(census_run.DAG)
    assert {run["run_type"] for run in runs if run["partition_key"] == POINT} == {"backfill"}
    newest = newcomer.neet("sql", "select max(delivery_seq) from control.delivery").stdout
    assert newcomer.json(*arguments) == first
    assert newcomer.neet("sql", "select max(delivery_seq) from control.delivery").stdout == newest
    other = newcomer.neet("demo", "--people", "301", expect=1)
    assert "another" in other.stderr


def test_a_demonstration_that_is_killed_goes_on(newcomer):
    """Killed while December is built and January's files are there already: December still does not see them."""
    arguments = (
        "demo",
        "--people",
        "300",
        "--seed",
        "5",
        "--from",
        POINT,
        "--to",
        "2022-01",
        "--core-plus-only",
    )
    killed = newcomer.start(*arguments)
    try:
        for line in killed.stdout:
            if "2022-01:" in line:
                break
    finally:
        killed.kill()
        killed.wait()
    ended = newcomer.json(*arguments)
    assert [package["census_point"] for package in ended["packages"]] == [POINT, "2022-01"]
    schedule = newcomer.settings.home / "demo" / "county" / "schedule.csv"
    with schedule.open(encoding="utf-8", newline="") as lines:
        january = [row["file"] for row in csv.DictReader(lines) if row["census_point"] > POINT]
    with connect(newcomer.settings.dsn("auditor")) as connection:
        seen, first = connection.execute(
            """select (select known_seq from ledger.submission where census_point = %s),
                      (select min(delivery_seq) from control.delivery where file_name = any(%s))""",
            [POINT, january],
        ).fetchone()
    assert seen < first
    assert census_run.client(newcomer.stack).dag_ready("build_warehouse"), "it is left paused"
