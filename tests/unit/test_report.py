"""What ``neet status`` says: late feeds, the next point, what to do, and how a stopped installation reads."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from neet import cli, progress, report
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


def arrived(warehouse, feed: str, as_at: str):
    with connect(warehouse.dsn["owner"]) as connection:
        connection.execute(
            """insert into control.delivery (delivery_id, la_code, feed, provider, period, as_at, mode, file_name,
                 file_sha256, file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
               values (%(id)s, '886', %(feed)s, '886', %(as_at)s::text, %(as_at)s::date, 'snapshot', 'f', 'x', 1, %(id)s,
                 now(), 'accepted', now(), (select coalesce(max(delivery_seq), 0) + 1 from control.delivery))""",
            {"id": f"{feed}-{as_at}", "feed": feed, "as_at": as_at},
        )


def test_a_feed_past_its_date_is_late_with_its_owner_and_the_gates_it_endangers(warehouse):
    arrived(warehouse, "liberi_care", "2021-10-31")
    assert status(warehouse, "2021-12-09")["late"] == []
    (late,) = status(warehouse, "2021-12-11")["late"]
    assert (late["feed"], late["owner_service"], late["census_point"]) == (
        "liberi_care",
        "VSK",
        None,
    )
    assert (str(late["due_on"]), str(late["since"])) == ("2021-12-07", "2021-12-11")
    assert "M-12" in late["gates"]
    hint = status(warehouse, "2021-12-11")["next"][0]
    assert "liberi_care was due on 2021-12-07" in hint and "It endangers" in hint


def test_what_fell_due_before_the_installation_went_live_is_not_chased(warehouse, monkeypatch):
    arrived(warehouse, "liberi_care", "2021-10-31")
    monkeypatch.setenv("NEET_LIVE_FROM", "2021-12-15T08:00:00+00:00")
    assert status(warehouse, "2022-01-12")["late"] == []
    assert status(warehouse, "2022-01-14")["late"][0]["feed"] != "liberi_care", "core first"
    assert "liberi_care" in {row["feed"] for row in status(warehouse, "2022-01-14")["late"]}


def test_a_schedule_that_cannot_be_read_is_said_and_the_rest_answers(
    warehouse, monkeypatch, tmp_path
):
    monkeypatch.setenv("NEET_SOURCES", str(tmp_path / "none.yml"))
    found = status(warehouse, "2021-12-11")
    assert any("cannot be told" in hint for hint in found["next"])


def test_past_the_calendar_it_says_so_instead_of_failing(warehouse):
    found = status(warehouse, "2099-01-01")
    assert found["next_point"] is None
    assert "calendar" in found


def test_without_a_database_it_still_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(tmp_path))
    found = report.status(Settings.load(), {}, [], dt.date(2022, 2, 1))
    assert "make up" in found["database"]


HEAVY = ("airflow", "dbt", "great_expectations", "pandas", "alembic", "sqlalchemy", "httpx", "lxml")


def test_status_imports_nothing_heavy(warehouse):
    """In a process of its own: this one has imported everything by now."""
    code = """
import json, sys
from neet import cli
try:
    cli.main(["--json", "status"])
except SystemExit as ended:
    print(json.dumps({"exit": ended.code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | _path()
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert [name for name in HEAVY if name in told["modules"]] == []
    assert "psycopg" in told["modules"], "it did ask the warehouse"
    assert "database" not in json.loads(done.stdout), done.stdout
    assert told["exit"] == cli.DONE, "services that others run are theirs to watch"


def _path() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(sys.path)}


def invoke(*arguments: str):
    return CliRunner().invoke(cli.main, list(arguments))


def test_an_installation_that_was_never_set_up_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(tmp_path / "nowhere"))
    shown = invoke("status")
    assert shown.exit_code == cli.FAILED
    assert "./neet up" in shown.output and "Traceback" not in shown.output
    assert not (tmp_path / "nowhere").exists(), "asking makes nothing"


def test_a_server_that_does_not_answer_is_named_and_what_to_type(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    (home / "run" / "installation.json").write_text("{}")
    monkeypatch.setenv("NEET_HOME", str(home))
    monkeypatch.setenv("NEET_DSN_AUDITOR", "postgresql://neet_auditor:x@127.0.0.1:1/neet")
    settings = Settings.load()
    stopped = report.status(settings, {}, [], dt.date(2021, 12, 15))
    assert "refused" in stopped["database"]
    assert stopped["next"] == [
        "Everything is stopped. Type `./neet up`; nothing is lost meanwhile."
    ]
    assert not report.is_well(stopped)
    states = {"postgres": "FATAL", "scheduler": "RUNNING"}
    crashed = report.status(settings, states, [], dt.date(2021, 12, 15))
    assert crashed["next"][0].startswith("postgres is not running. Type `./neet up`")
    states["postgres"] = "RUNNING"
    (hung,) = report.status(settings, states, [], dt.date(2021, 12, 15))["next"]
    assert "does not answer" in hung and "postgres.log" in hung


def test_a_dead_supervisor_is_told_though_the_database_answers(warehouse):
    warehouse.settings.run.mkdir(parents=True)
    (warehouse.settings.run / "installation.json").write_text("{}")
    found = status(warehouse, "2021-12-15")
    assert not report.is_well(found)
    assert "Supervisor does not run" in found["next"][0]
    assert report.is_well(status(warehouse, "2021-12-15", {"postgres": "RUNNING"}))
    assert not report.is_well(status(warehouse, "2021-12-15", {"postgres": "STOPPED"}))


def test_when_all_is_well_it_says_when_the_next_point_is(warehouse):
    assert status(warehouse, "2021-12-15", {"postgres": "RUNNING"})["next"] == [
        "Nothing needs you. The next census point is 2021-12, due 2022-01-13."
    ]


def test_it_says_what_a_person_must_do_about_held_refused_and_late(warehouse):
    with connect(warehouse.dsn["owner"]) as connection:
        for number, (feed, state) in enumerate(
            [("core_plus_people", "held"), ("core_plus_activities", "refused")], 1
        ):
            connection.execute(
                """insert into control.delivery (delivery_id, la_code, feed, provider, period, as_at, mode, file_name,
                     file_sha256, file_bytes, landing_path, received_at, status, status_reason)
                   values (%s, '886', %s, '886', '2021-12-31', '2021-12-31', 'snapshot', 'f', 'x', 1, %s, now(), %s,
                     'snapshot_shrank: it is short.')""",
                [f"d{number}", feed, f"p{number}", state],
            )
    held, refused, late = status(warehouse, "2022-02-01", {"postgres": "RUNNING"})["next"]
    assert "./neet release d1 --by NAME" in held
    assert "core_plus_activities" in refused and "it is short" in refused
    assert "2021-12" in late and "./neet deliver FEED FILE" in late


def test_a_silent_daemon_and_a_waiting_sign_off_are_told():
    now = dt.datetime.now(dt.UTC)
    beats = [
        {"job_type": "SchedulerJob", "latest": now - dt.timedelta(minutes=5)},
        {"job_type": "TriggererJob", "latest": now},
        {"job_type": "LocalTaskJob", "latest": now - dt.timedelta(days=5)},
    ]
    running = {"scheduler": "RUNNING", "triggerer": "RUNNING"}
    assert 295 < report._silent(beats, running).pop("scheduler") < 305
    assert report._silent(beats, {"scheduler": "STOPPED"}) == {}


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)


def test_long_work_says_how_far_it_is_to_people_and_to_status(warehouse, at_once):
    lines: list[str] = []
    with progress.Progress(warehouse.settings, "load of people", lines.append) as work:
        work.at("reading", 20_000, 0.4)
        time.sleep(0.01)
        (note,) = status(warehouse, "2021-12-15")["progress"]
    assert lines[0].startswith("load of people: reading, 20,000 rows, 40%, ")
    assert "rows a second" in lines[0]
    assert (note["what"], note["done"], note["share"]) == ("load of people", 20_000, 0.4)
    assert report._running_rows({"running": [], "progress": [note]})[0][0] == "load of people"
    assert progress.running(warehouse.settings) == [], "gone when the work has ended"


def test_what_a_killed_process_left_is_not_running(warehouse, at_once):
    code = """
import os, signal
from neet import progress
from neet.settings import Settings
progress.EVERY_SECONDS = 0.0
progress.Progress(Settings.load(), "load of people").at("reading", 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], env=os.environ | _path(), check=False)
    notes = list((warehouse.settings.run / progress.FOLDER).glob("*.json"))
    assert len(notes) == 1
    assert progress.running(warehouse.settings) == []


def test_short_work_leaves_no_trace(warehouse):
    lines: list[str] = []
    with progress.Progress(warehouse.settings, "load of people", lines.append) as work:
        work.at("reading", 20_000, 0.4)
    assert lines == [] and not (warehouse.settings.run / progress.FOLDER).exists()
