"""The command: exit statuses, CSV, JSON, and errors that say what to do."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from neet.cli import main

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_help_teaches_a_month_by_hand():
    help_text = run("--help").output
    for word in ("up", "deliver", "census", "--sign", "verify", "Exit status"):
        assert word in help_text


@pytest.mark.parametrize(
    "command",
    ["up", "down", "status", "deliver", "census", "sql", "demo", "release", "discard", "waive", "rebuild", "check-return", "feeds", "movement"],
)  # fmt: skip
def test_every_command_has_help(command):
    done = run(command, "--help")
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 3


def test_sql_writes_csv(warehouse):
    done = run("sql", "select 1 as a, 'x,\"y' as b;")
    assert done.exit_code == 0
    assert list(csv.DictReader(io.StringIO(done.output))) == [{"a": "1", "b": 'x,"y'}]


def test_sql_of_an_auditor_sees_deliveries_and_that_of_bi_does_not(warehouse):
    query = "select count(*) from control.delivery"
    assert run("sql", query).output.splitlines() == ["count", "0"]
    refused = run("sql", "--role", "bi", query)
    assert refused.exit_code == 1
    assert "permission denied" in refused.output


@pytest.mark.parametrize(
    "query",
    ["delete from control.delivery", "select 1); drop schema control cascade; copy (select 2", "", "select"],
)  # fmt: skip
def test_sql_cannot_write(warehouse, query):
    done = run("sql", query)
    assert done.exit_code == (0 if query == "select" else 1)
    assert run("sql", "select count(*) from control.delivery").exit_code == 0


def test_before_the_first_start_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(tmp_path))
    done = run("sql", "select 1")
    assert done.exit_code == 1
    assert "make up" in done.output
    as_json = run("--json", "sql", "select 1")
    assert "make up" in json.loads(as_json.output)["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("census", "2021-12", "--sign"),
        ("census", "2021-12", "--refuse", "--by", "Somebody"),
        ("census", "2021-12", "--known-seq", "1", "--known-at", "2022-01-01"),
        ("deliver", "core_plus_people", "there-is-no-such-file.csv"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_is_status_2(warehouse, arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.output.strip()


def test_an_unknown_feed_is_named_with_those_that_exist(warehouse, tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a\n1\n")
    done = run("deliver", "core_plus_peopel", str(file))
    assert done.exit_code == 2
    assert "core_plus_people" in done.output


def test_a_census_point_that_is_not_in_the_calendar_is_usage(warehouse):
    done = run("census", "1999-01")
    assert done.exit_code == 2
    assert "1999-01" in done.output


def test_the_script_runs_from_any_folder(tmp_path):
    done = subprocess.run([ROOT / "neet", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "census" in done.stdout
