"""What linkage is told, from the seeds of the repository."""

from __future__ import annotations

import contextlib
import csv
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from linkage_in_memory import Linkage  # noqa: E402
from linkage_in_warehouse import LinkedDatabase  # noqa: E402

from neet.identity import model, resolving  # noqa: E402
from neet.settings import PROJECT_ROOT  # noqa: E402

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"


def seed(name: str) -> list[dict]:
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="session")
def policy() -> resolving.Policy:
    values = {row["policy_id"]: row["value"] for row in seed("policy/identity_policy")}
    return resolving.Policy(
        float(values["upper"]), float(values["lower"]), float(values["margin"]), float(values["duplicate"]),
        int(values["block_cap"]), {row["source_feed"]: row["one_key_within"] for row in seed("policy/identity_source")},
        frozenset((row["name"], row["short_name"]) for row in seed("codes/short_names")),
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained() -> model.Model:
    return model.load()


@pytest.fixture
def linkage(policy, trained) -> Linkage:
    return Linkage(policy, trained)


@pytest.fixture(scope="session")
def two_databases(warehouses, tmp_path_factory):
    """One that links in steps, one that links from nothing; whoever uses them empties them first."""
    seeds = {
        name.split("/")[1]: seed(name)
        for name in ("policy/identity_policy", "policy/identity_source", "codes/short_names", "codes/name_placeholders")
    }  # fmt: skip
    made = [warehouses.make(tmp_path_factory.mktemp("linked")) for _ in range(2)]
    linked = [LinkedDatabase(one.dsn) for one in made]
    for one in linked:
        one.prepare(seeds)
    yield linked
    for one in made:
        with contextlib.suppress(Exception):
            warehouses.drop(one)
