"""A warehouse for a whole module: builds take seconds, so tests of one module share what one build made."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest
from county_rows import County

from neet import database, transform
from neet.settings import Settings


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


@pytest.fixture(scope="session")
def seeded(warehouses, tmp_path_factory, parsed_project) -> str:
    """Name of a database that holds the seeds and nothing else, to be copied: loading them takes as long as many a build."""
    made = warehouses.make(tmp_path_factory.mktemp("seeded"))
    parsed_project.lend(made.settings, made.dsn["builder"], "live")
    transform.build_live(made.settings, made.dsn["builder"], layer="seeds")
    with database.connect(made.dsn["owner"]) as owner:
        owner.execute("truncate control.build restart identity")
    return made.name


@pytest.fixture(scope="module")
def new_warehouse(warehouses, seeded, tmp_path_factory, parsed_project):
    """A function that makes a migrated warehouse with nothing in it but seeds; all of them go when the module ends."""
    made = []

    def make() -> Built:
        made.append(warehouses.make(tmp_path_factory.mktemp("warehouse"), seeded))
        settings, dsn = made[-1].settings, made[-1].dsn
        parsed_project.lend(settings, dsn["builder"], "live", "census")
        return Built(settings, dsn, County(dsn["owner"]))

    yield make
    for one in made:
        with contextlib.suppress(Exception):
            warehouses.drop(one)
