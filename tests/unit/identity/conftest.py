"""What linkage is told, from the seeds of the repository."""

from __future__ import annotations

import contextlib
import csv
import secrets
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from linkage_in_memory import Linkage  # noqa: E402
from linkage_in_warehouse import LinkedDatabase  # noqa: E402

from neet import database  # noqa: E402
from neet.identity import model, resolving  # noqa: E402
from neet.settings import PROJECT_ROOT, ROLES  # noqa: E402

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
def two_databases(postgres_server, role_passwords, template_database):
    """One that links in steps, one that links from nothing; whoever uses them empties them first."""
    seeds = {
        name.split("/")[1]: seed(name)
        for name in ("policy/identity_policy", "policy/identity_source", "codes/short_names", "codes/name_placeholders")
    }  # fmt: skip
    made = []
    for _ in range(2):
        name = f"neet_{secrets.token_hex(6)}"
        with database.connect(postgres_server.admin_dsn, autocommit=True) as admin:
            admin.execute(f"create database {name} template {template_database} owner neet_owner")
            admin.execute(f"grant create, temporary on database {name} to neet_builder")
        made.append(
            LinkedDatabase(
                {
                    role: postgres_server.role_dsn(f"neet_{role}", role_passwords[role], name)
                    for role in ROLES
                }
            )
        )
        made[-1].prepare(seeds)
    yield made
    with database.connect(postgres_server.admin_dsn, autocommit=True) as admin:
        for one in made:
            with contextlib.suppress(Exception):
                name = one.dsn["owner"].rsplit("/", 1)[1]
                admin.execute(f"drop database {name} with (force)")
