"""Dated seed rows that rules and gates need: code lists, priorities, owners, thresholds.

The seed CSVs themselves are read, not the tables dbt makes of them, so that a file can be judged on
a machine where dbt has never run.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from neet.settings import PROJECT_ROOT

CODE_LISTS = PROJECT_ROOT / "expectations" / "nccis" / "code_lists.yml"
PRIORITIES = PROJECT_ROOT / "expectations" / "nccis" / "priorities.csv"
OWNERS = PROJECT_ROOT / "expectations" / "nccis" / "owners.csv"
SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"


TEXT_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Reads every value of a YAML file as text; the one in C is ten times faster, where there is one."""


class SeedError(ValueError):
    """A seed is missing, unreadable or empty for the day asked about; the message names it."""


@dataclass(frozen=True)
class Priority:
    """What follows from a failing rule of this priority.

    Attributes:
        blocks: whether the return is stopped by more failing rows than ``failures_allowed``.
        failures_allowed: rows; ``None`` where the priority never blocks.
        severity: Great Expectations' word for it: critical, warning or info.
    """

    priority: int
    name: str
    blocks: bool
    failures_allowed: int | None
    severity: str


@dataclass(frozen=True)
class Threshold:
    """One row of ``gate_threshold.csv`` as it stands on a day."""

    threshold_id: str
    value: Decimal
    unit: str
    meaning: str
    assumed: bool


def _rows_on(file: Path, on: dt.date) -> list[dict[str, str]]:
    """Rows of a dated seed in force on a day: ``valid_from <= on < valid_to``, blank being open."""
    if not file.is_file():
        raise SeedError(
            f"The seed {file} does not exist. Rules and gates read it; restore it, or mend the name "
            "where it is used (code_lists.yml, or expectations/gates/)."
        )
    with file.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    in_force = []
    for line, row in enumerate(rows, 2):
        try:
            begins = dt.date.fromisoformat(row["valid_from"]) if row["valid_from"] else None
            ends = dt.date.fromisoformat(row["valid_to"]) if row["valid_to"] else None
        except (KeyError, TypeError, ValueError) as error:
            raise SeedError(
                f"{file.name} line {line}: valid_from or valid_to is missing or is not CCYY-MM-DD "
                f"({error}). Every seed row is dated; mend the row."
            ) from error
        if (begins is None or begins <= on) and (ends is None or on < ends):
            in_force.append(row)
    return in_force


def load_code_lists(
    on: dt.date, definitions: Path = CODE_LISTS, root: Path = PROJECT_ROOT
) -> dict[str, tuple[str, ...]]:
    """Every list of ``code_lists.yml`` as it stands on a day, sorted.

    Raises:
        SeedError: a seed or column is missing, or a list is empty: ``x not in ()`` would let
            every value pass.
    """
    text = yaml.load(definitions.read_text(encoding="utf-8"), Loader=TEXT_LOADER)
    folder = root / text["seeds"]
    seeds: dict[str, list[dict[str, str]]] = {}
    lists = {}
    for name, definition in text["lists"].items():
        file = definition["seed"]
        rows = seeds.setdefault(file, _rows_on(folder / file, on))
        where = definition.get("where", {})
        codes = set()
        for row in rows:
            try:
                fits = all(
                    row[column] in ([value] if isinstance(value, str) else value)
                    for column, value in where.items()
                )
                if fits:
                    codes.add(row[definition["column"]])
            except KeyError as error:
                raise SeedError(
                    f"{file} has no column {error}, which the list {name} of {definitions.name} needs."
                ) from error
        if not codes:
            raise SeedError(
                f"The code list {name} is empty on {on}: no row of {file} fits {where or 'it'}. "
                "A rule over an empty list could never fail."
            )
        lists[name] = tuple(sorted(codes))
    return lists


def load_priorities(on: dt.date, file: Path = PRIORITIES) -> dict[int, Priority]:
    """Priorities 1 to 3 as they stand on a day.

    Raises:
        SeedError: a row cannot be read, or a priority is given twice or not at all.
    """
    found: dict[int, Priority] = {}
    for row in _rows_on(file, on):
        try:
            number = int(row["priority"])
            allowed = int(row["failures_allowed"]) if row["failures_allowed"] else None
            blocks = {"true": True, "false": False}[row["blocks"]]
        except (KeyError, ValueError) as error:
            raise SeedError(f"{file.name}: {row} cannot be read ({error}).") from error
        if number in found:
            raise SeedError(f"{file.name}: priority {number} is given twice on {on}.")
        if blocks and allowed is None:
            raise SeedError(
                f"{file.name}: priority {number} blocks but has no failures_allowed. Give a number; 0 "
                "stops the return at the first failing row."
            )
        found[number] = Priority(number, row["name"], blocks, allowed, row["severity"])
    if set(found) != {1, 2, 3}:
        raise SeedError(
            f"{file.name}: priorities 1, 2 and 3 are needed on {on}; found {set(found)}."
        )
    return found


def load_owners(on: dt.date, file: Path = OWNERS) -> dict[str, str]:
    """Which service mends which field, as it stands on a day; ``*`` is every other field.

    Raises:
        SeedError: a field is given twice, or ``*`` is missing.
    """
    owners: dict[str, str] = {}
    for row in _rows_on(file, on):
        if row["field"] in owners:
            raise SeedError(f"{file.name}: field {row['field']} has two owners on {on}.")
        owners[row["field"]] = row["owner_service"]
    if "*" not in owners:
        raise SeedError(f"{file.name}: no row for * on {on}, so some fields would have no owner.")
    return owners


def load_thresholds(on: dt.date, seeds: Path = SEEDS) -> dict[str, Threshold]:
    """Every gate threshold as it stands on a day, by ``threshold_id``.

    Raises:
        SeedError: there is not exactly one ``gate_threshold.csv`` below ``seeds``, a value is no
            number, or a threshold is given twice.
    """
    files = sorted(seeds.rglob("gate_threshold.csv"))
    if len(files) != 1:
        raise SeedError(
            f"Expected one gate_threshold.csv below {seeds}, found {len(files)}: gates need their "
            "thresholds from one place."
        )
    found: dict[str, Threshold] = {}
    for row in _rows_on(files[0], on):
        name = row["threshold_id"]
        if name in found:
            raise SeedError(f"{files[0].name}: threshold {name} is given twice on {on}.")
        try:
            value = Decimal(row["value"])
        except InvalidOperation as error:
            raise SeedError(
                f"{files[0].name}: {name} has the value {row['value']!r}, which is no number."
            ) from error
        found[name] = Threshold(
            name, value, row["unit"], row["meaning"], row["assumed"].lower() == "true"
        )
    return found


def load_policy(on: dt.date, file: Path = SEEDS / "policy" / "policy.csv") -> dict[str, str]:
    """Policy values as they stand on a day, by ``policy_id``, as text."""
    return {row["policy_id"]: row["value"] for row in _rows_on(file, on)}


def load_service_names(
    on: dt.date, file: Path = SEEDS / "codes" / "services.csv"
) -> dict[str, str]:
    """Names of the services that mend what is wrong, by code, as they stand on a day."""
    return {row["service_code"]: row["service_name"] for row in _rows_on(file, on)}


def owner_of(fields: tuple[str, ...], owners: Mapping[str, str]) -> str:
    """Owner of a rule: that of the first field it names, being the one to mend."""
    return owners.get(fields[0], owners["*"]) if fields else owners["*"]
