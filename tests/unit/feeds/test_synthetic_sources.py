"""The synthetic county's other sources: every file is loaded under its contract, and the truth names whom it means."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from neet.feeds import landing
from synthetic_county.generate import Config, generate
from synthetic_county.parameters import load

pytestmark = pytest.mark.slow

NOT_SENT_TO_US = {"dfe_la_scorecard", "nccis_return"}
"""Published by the department, and the return itself: nobody's files to make up."""


def few_schools(folder: Path) -> Path:
    """Parameters of Kent with few schools: less files, everything else the same."""
    parameters = load()
    kent = parameters["authorities"]["886"]
    kent["secondary_schools"], kent["special_schools"], kent["training_providers"] = 14, 3, 4
    path = folder / "few_schools.yml"
    path.write_text(yaml.safe_dump(parameters, sort_keys=False))
    return path


def county(folder: Path, **changes) -> Path:
    options = {
        "people": 400, "seed": 11, "first_month": "2021-12", "last_month": "2022-03", "out": folder / "county",
        "parameters": few_schools(folder), "truth_months": "own", "sources": True,
    }  # fmt: skip
    config = Config(**(options | changes))
    generate(config, processes=1)
    return config.out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def schedule(out: Path) -> list[dict[str, str]]:
    return rows_of(out / "schedule.csv")


@dataclass
class Delivered:
    out: Path
    results: list = field(default_factory=list)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return county(tmp_path_factory.mktemp("sources"))


def test_every_file_is_loaded_under_its_contract(desk, made):
    outcomes: dict[str, Counter] = defaultdict(Counter)
    unusual = []
    for row in schedule(made):
        path = made / "exports" / row["deliver_on"] / row["file"]
        result = landing.receive(desk.settings, desk.dsn["loader"], row["feed"], path)
        outcomes[row["feed"]][result.status] += 1
        if result.status != "accepted" or result.rows_rejected or result.warnings:
            unusual.append(
                (
                    row["feed"],
                    row["file"],
                    result.status,
                    result.reason,
                    result.rows_rejected,
                    result.warnings,
                )
            )
    assert unusual == []
    assert set(outcomes) == set(landing.contracts_of(desk.settings)) - NOT_SENT_TO_US
