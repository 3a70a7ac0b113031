"""Fixtures of the feed tests: a desk at a real, empty warehouse, and a second database."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from feed_desk import TOY, Desk, with_contracts

from neet import database
from neet.feeds import landing, raw
from neet.settings import ROLES, Settings


@pytest.fixture
def desk(warehouse, tmp_path) -> Desk:
    """The project's own feeds."""
    folder = tmp_path / "made"
    folder.mkdir()
    return Desk(warehouse.settings, warehouse.dsn, folder)


@pytest.fixture
def toy_desk(desk, tmp_path) -> Desk:
    """A feed of few columns with every feature of a contract."""
    return with_contracts(desk, tmp_path / "toys", {"toy": TOY.read_text()})


@pytest.fixture
def empty_twin(
    warehouses, tmp_path
) -> Iterator[Callable[[Desk], contextlib.AbstractContextManager[Desk]]]:
    """A second empty migrated database: ``with empty_twin(desk) as twin`` makes it the one that
    ``NEET_DSN_*`` names; landing stays the desk's, unless another home is given."""
    made = []

    @contextlib.contextmanager
    def twin(desk: Desk, home: Path | None = None) -> Iterator[Desk]:
        made.append(warehouses.make(tmp_path))
        dsn = made[-1].dsn
        before = {f"NEET_DSN_{role.upper()}": desk.dsn[role] for role in ROLES}
        os.environ.update({f"NEET_DSN_{role.upper()}": dsn[role] for role in ROLES})
        settings = Settings(
            root=desk.settings.root, home=home or desk.settings.home, la_code=desk.settings.la_code
        )
        with database.connect(dsn["owner"]) as owner:
            raw.ensure_raw_tables(owner, landing.contracts_of(settings).values())
        try:
            yield Desk(settings, dsn, desk.folder)
        finally:
            os.environ.update(before)

    yield twin
    for one in made:
        warehouses.drop(one)
