"""What linkage is told, from the seeds of the repository, and a whole linkage in memory."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from neet.identity import deciding, model, resolving, scoring  # noqa: E402
from neet.settings import PROJECT_ROOT  # noqa: E402

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"


def seed(name: str) -> list[dict]:
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@dataclass
class Linkage:
    """Links records as a build does, from nothing or keeping weights from one call to the next."""

    policy: resolving.Policy
    trained: model.Model

    def __post_init__(self) -> None:
        self.flags: dict = {}
        self.crowded: dict = {}
        self.pairs: dict = {}
        self.compared = 0

    def __call__(self, records, rulings=(), keep: bool = False):
        decided = deciding.in_force(list(rulings))
        settled = resolving.settle(records, decided, self.policy)
        if not keep:
            self.flags, self.crowded, self.pairs = {}, {}, {}
        scored = scoring.score(
            self.trained, settled.contents, settled.flags, self.policy.short_names, self.policy.lower,
            self.policy.block_cap, self.flags, self.crowded,
        )  # fmt: skip
        self.pairs = {
            key: pair for key, pair in self.pairs.items() if not scored.again & set(key)
        } | {(pair.left_hash, pair.right_hash): pair for pair in scored.pairs}
        self.flags, self.crowded, self.compared = (
            dict(settled.flags),
            scored.crowded,
            scored.compared,
        )
        links, candidates, duplicates = resolving.conclude(
            settled, self.pairs.values(), decided, self.policy, self.trained
        )
        return (
            {one.source_feed + " " + one.source_key: one for one in links},
            candidates,
            duplicates,
        )


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
