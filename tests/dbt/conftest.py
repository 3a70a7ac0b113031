"""A warehouse for a whole module: builds take seconds, so tests of one module share what one build made."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

import pytest
from county_rows import County

from neet import database
from neet.settings import PROJECT_ROOT, ROLES, Settings


@dataclass(frozen=True)
class Built:
    """A migrated database of its own, its settings, and the deliveries it was given."""

    settings: Settings
    dsn: dict[str, str]
    county: County

    def rows(self, query: str, role: str = "builder") -> list[tuple]:
        with database.connect(self.dsn[role]) as connection:
            return connection.execute(query).fetchall()

    def value(self, query: str, role: str = "builder"):
        return self.rows(query, role)[0][0]


@pytest.fixture(scope="module")
def new_warehouse(postgres_server, role_passwords, template_database, tmp_path_factory):
    """A function that makes an empty migrated warehouse; all of them go when the module ends."""
    made = []

    def make() -> Built:
        name = f"neet_{secrets.token_hex(6)}"
        made.append(name)
        with database.connect(postgres_server.admin_dsn, autocommit=True) as admin:
            admin.execute(f"create database {name} template {template_database} owner neet_owner")
            admin.execute(f"grant create, temporary on database {name} to neet_builder")
        dsn = {
            role: postgres_server.role_dsn(f"neet_{role}", role_passwords[role], name)
            for role in ROLES
        }
        home = tmp_path_factory.mktemp(name)
        return Built(Settings(PROJECT_ROOT, home, "886"), dsn, County(dsn["owner"]))

    yield make
    with database.connect(postgres_server.admin_dsn, autocommit=True) as admin:
        for name in made:
            with contextlib.suppress(Exception):
                admin.execute(f"drop database {name} with (force)")
