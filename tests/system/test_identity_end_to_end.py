"""Identity on a county with every source: what landing holds is enough to link it all again, and a model can be trained."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from neet import rebuilding
from neet.cli import main
from neet.database import connect
from neet.feeds import landing
from neet.identity import deciding, model
from neet.identity.deciding import LINK, SPLIT, UNDO, UNSURE
from neet.identity.records import CORE
from neet.transform import build_live
from synthetic_county.generate import Config, generate

# Every feed of a county, file by file, and builds of the whole warehouse: minutes.
pytestmark = [pytest.mark.slow, pytest.mark.system]

TABLES = {
    "link": "la_code, source_feed, source_key", "candidate": "la_code, source_feed, source_key, candidate_rank",
    "core_plus_duplicate": "la_code, young_persons_id, other_young_persons_id", "ruling": "la_code, decision_id",
    "pair": "la_code, left_hash, right_hash", "content": "la_code, content_hash",
}  # fmt: skip
MADE_BY = "the test's own county"


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    out = tmp_path_factory.mktemp("county") / "out"
    generate(
        Config(people=400, seed=61, first_month="2021-12", last_month="2022-01", out=out, truth_months="none", sources=True)
    )  # fmt: skip
    return out


def deliver(warehouse, county, rows) -> None:
    for row in rows:
        landing.receive(
            warehouse.settings, warehouse.dsn["loader"], row["feed"], county / "exports" / row["deliver_on"] / row["file"]
        )  # fmt: skip


def kept(warehouse) -> dict[str, list[tuple]]:
    with connect(warehouse.dsn["builder"]) as connection:
        return {
            table: connection.execute(f"select * from identity.{table} order by {key}").fetchall()
            for table, key in TABLES.items()
        }


def built(warehouse) -> dict:
    build = build_live(warehouse.settings, warehouse.dsn["builder"])
    with connect(warehouse.dsn["builder"]) as connection:
        return connection.execute(
            "select detail->'identity' from control.build where build_id = %s", [build.build_id]
        ).fetchone()[0]


def test_dropped_and_rebuilt_from_landing_the_links_are_the_same(warehouse, county):
    """They came about in three builds with decisions between, and come about again in one."""
    with (county / "schedule.csv").open(newline="", encoding="utf-8") as lines:
        schedule = list(csv.DictReader(lines))
    half = len(schedule) // 2
    deliver(warehouse, county, schedule[:half])
    assert built(warehouse)["records"] > 400

    def decide(kind, one, other) -> None:
        deciding.record(warehouse.settings, warehouse.dsn["gate"], kind, one, other, "Ada Clerk", "looked at both")  # fmt: skip

    links = [row for row in kept(warehouse)["link"] if row[1] != CORE]
    linked = [row for row in links if row[4]]
    people = sorted({row[4] for row in linked})
    for row in linked[:3]:
        decide(SPLIT, (row[1], row[2]), (CORE, row[4]))
    for row, person in zip(linked[3:6], people, strict=False):
        decide(LINK, (row[1], row[2]), (CORE, person))
    decide(UNSURE, (linked[6][1], linked[6][2]), (CORE, people[0]))
    decide(UNDO, (linked[0][1], linked[0][2]), (CORE, linked[0][4]))
    step = built(warehouse)
    assert 0 < step["touched"] < step["records"] / 2 and step["changed"] >= 5
    deliver(warehouse, county, schedule[half:])
    built(warehouse)
    before = kept(warehouse)
    assert all(before[table] for table in ("link", "ruling", "pair", "content"))

    rebuilding.rebuild(warehouse.settings, lambda line: None)
    assert kept(warehouse)["link"] == []
    whole = built(warehouse)
    assert whole["touched"] == whole["records"] == len(before["link"])
    after = kept(warehouse)
    for table, rows in before.items():
        assert after[table] == rows, table


def test_a_model_is_trained_by_the_command_and_never_changed(county, tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(model, "FOLDER", tmp_path)
    command = ["identity", "train", str(county), "--version", "test-1", "--made-by", MADE_BY]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "test-1.json" in done.output and "docs/identity.md" in done.output
    content = json.loads((tmp_path / "test-1.json").read_text())
    assert content["training"]["county"] == MADE_BY
    assert content["training"]["people"] > 400 and content["training"]["records"] > 1_000
    trained = model.load("test-1")
    assert trained.version == "test-1" and trained.terms["given"]
    weights = {
        one["output_column_name"]: {
            level["label_for_charts"]: (level["m_probability"], level["u_probability"])
            for level in one["comparison_levels"]
            if not level.get("is_null_level")
        }
        for one in trained.settings["comparisons"]
    }
    for column in ("given", "family", "dob", "postcode"):
        m, u = weights[column]["the same"]
        assert m > 0.8 and u < 0.02, column
    (m, u) = weights["dob"]["different"]
    assert m < 0.01 and u > 0.9
    again = CliRunner().invoke(main, command, catch_exceptions=False)
    assert again.exit_code != 0 and "never changed" in again.output
    assert json.loads((tmp_path / "test-1.json").read_text()) == content
