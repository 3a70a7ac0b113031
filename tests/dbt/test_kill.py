"""A build or a publication killed at any moment: readers never see half of it, and the next run completes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from county_rows import person, small_county
from full_refresh import obeys_the_law

from neet import database, publishing
from neet.publishing import publish
from neet.settings import PROJECT_ROOT
from neet.transform import build_live

# Some ten whole builds, most of them killed: minutes.
pytestmark = [pytest.mark.slow, pytest.mark.system]

BUILDS_KILLED = 8
PUBLICATIONS_KILLED = 12

CHILD = """
import sys
sys.path.insert(0, "plugins")
from pathlib import Path
from neet import publishing, transform
from neet.settings import PROJECT_ROOT, Settings
settings = Settings(PROJECT_ROOT, Path(sys.argv[1]), "886")
print("ready", flush=True)
if "build" in sys.argv[3:]:
    transform.build_live(settings, sys.argv[2])
if "publish" in sys.argv[3:]:
    publishing.publish(settings, sys.argv[2])
"""


class Reader(threading.Thread):
    """Reads every published view in one statement, again and again, as BI does."""

    def __init__(self, dsn: str, marts: list[str]):
        super().__init__(daemon=True)
        self.dsn, self.done = dsn, threading.Event()
        self.seen: set[tuple] = set()
        self.wrong: list = []
        self.reads = 0
        views = " union all ".join(
            f"select '{mart}' as mart, count(*) as rows, min(build_id) as least, max(build_id) as greatest "
            f"from published_internal.{mart}"
            for mart in marts
        )
        self.query = f"""
            select (select build_id from published_internal.build),
              array_agg(rows order by mart), min(least), max(greatest) from ({views}) as all_views"""

    def run(self) -> None:
        try:
            with database.connect(self.dsn, autocommit=True) as connection:
                while not self.done.is_set():
                    pointer, rows, least, greatest = connection.execute(self.query).fetchone()
                    self.seen.add((pointer, tuple(rows)))
                    self.reads += 1
                    if not pointer == least == greatest:
                        self.wrong.append((pointer, least, greatest))
        except Exception as error:
            self.wrong.append(error)


@pytest.fixture
def published(new_warehouse):
    warehouse = new_warehouse()
    small_county(warehouse.county)
    build_live(warehouse.settings, warehouse.dsn["builder"])
    publish(warehouse.settings, warehouse.dsn["builder"])
    return warehouse


def kill_after(warehouse, seconds: float, *steps: str) -> int | None:
    """Run steps in a process group of their own and kill it; returns its exit code if it was done before."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(warehouse.settings.home), warehouse.dsn["builder"], *steps],
        cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    try:
        return child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return None
    finally:
        child.stdout.close()


def wait_for_the_dead(warehouse) -> None:
    """The server needs a moment to notice that a client is gone, and holds its locks until then."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        others = warehouse.value(
            "select count(*) from pg_stat_activity where datname = current_database() and usename = 'neet_builder' "
            "and pid <> pg_backend_pid()"
        )
        if not others:
            return
        time.sleep(0.1)
    raise AssertionError("connections of a killed process are still there")


def test_killed_at_random_points_while_a_reader_polls(published):
    chance = random.Random(4)
    marts = sorted(publishing.published_marts(published.settings))
    reader = Reader(published.dsn["bi"], marts)
    reader.start()
    killed = 0
    started = time.monotonic()
    build_live(published.settings, published.dsn["builder"])
    duration = time.monotonic() - started

    for number in range(BUILDS_KILLED):
        published.county.deliver("core_plus_people", "2021-12-31", [person(100 + number)])
        if kill_after(published, chance.uniform(0.5, 1.5 * duration), "build", "publish") is None:
            killed += 1
        wait_for_the_dead(published)

    # Whatever state the last one left: the next run completes, and its publication is killed in its turn.
    for number in range(PUBLICATIONS_KILLED):
        status = published.value(
            "select status from control.build where lineage = 'live' order by build_id desc limit 1"
        )
        if status != "built":
            published.county.deliver("core_plus_people", "2021-12-31", [person(200 + number)])
            build_live(published.settings, published.dsn["builder"])
        if kill_after(published, chance.uniform(0.0, 0.6), "publish") is None:
            killed += 1
        wait_for_the_dead(published)

    build_live(published.settings, published.dsn["builder"])
    last = publish(published.settings, published.dsn["builder"])
    reader.done.set()
    reader.join(timeout=30)

    assert reader.wrong == []
    assert reader.reads > 50
    assert killed >= 3, (
        "hardly anything was killed in the middle: the delays no longer fit the durations"
    )
    whole = {
        build_id: tuple(rows[mart] for mart in marts)
        for build_id, rows in published.rows(
            "select build_id, detail->'published_rows' from control.build where status = 'published'"
        )
    }
    assert all(whole[build_id] == rows for build_id, rows in reader.seen)
    assert len(reader.seen) == len({build_id for build_id, _ in reader.seen}), (
        "one set of counts a build"
    )
    late = published.value(
        "select count(*) from raw.core_plus_people where row_key >= '8860000000100'"
    )
    assert last.rows["fct_activity_spell"] == 32
    people = "select count(distinct person_id) from published_internal.fct_cohort_month"
    assert published.value(people, role="bi") == 31 + late
    running = "select count(*) from control.build where status = 'running'"
    assert published.value(running) == 0, "what a killed process left running is closed"
    obeys_the_law(published, is_built=True)
