"""Small counties with other sources, for the tests of several folders."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import yaml

from synthetic_county.generate import Config, generate
from synthetic_county.parameters import load


def few_schools(folder: Path) -> Path:
    """Parameters of Kent with few schools: less files, everything else the same."""
    parameters = load()
    kent = parameters["authorities"]["886"]
    kent["secondary_schools"], kent["special_schools"], kent["training_providers"] = 14, 3, 6
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "few_schools.yml"
    path.write_text(yaml.safe_dump(parameters, sort_keys=False))
    return path


def county(folder: Path, processes: int = 1, **changes) -> Path:
    options = {
        "people": 400, "seed": 11, "first_month": "2021-12", "last_month": "2022-03", "out": folder / "county",
        "parameters": few_schools(folder), "truth_months": "own", "sources": True,
    }  # fmt: skip
    config = Config(**(options | changes))
    generate(config, processes=processes)
    return config.out


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, packed or not."""
    opened = gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else None
    with opened or path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
