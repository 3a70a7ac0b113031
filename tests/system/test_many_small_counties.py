"""Two hundred random small counties in one installation: each is the truth, and its sums come out to the person."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from neet import database

sys.path.append(str(Path(__file__).resolve().parents[1] / "dbt"))
import small_counties  # noqa: E402

pytestmark = [pytest.mark.system, pytest.mark.slow]

NUMBERS = range(2000, 2200)
ENOUGH = {
    "person-months": 30_000, "NEET person-months": 2_000, "second spells": 200, "spells with days not known": 300,
    "suspended spells": 50, "counts of the truth": 10_000, "cells": 10_000, "flows": 30_000, "joiners and leavers": 10_000,
    "accounts": 5_000, "moves": 10, "medians": 5_000, "ended spells": 200, "curves": 2_000, "forecasts": 5_000,
}  # fmt: skip
"""So much is looked at, at least: numbers no larger than a random draw gives, so that an empty county cannot pass."""


def test_two_hundred_counties(warehouse, tmp_path):
    """Everything that is wrong is told at once, county by county."""
    counties = [
        small_counties.draw(number, la_code, tmp_path / la_code)
        for number, la_code in zip(NUMBERS, small_counties.codes(len(NUMBERS)), strict=True)
    ]
    for county in counties:
        small_counties.deliver(warehouse.settings, warehouse.dsn["loader"], county)
    small_counties.build(warehouse.settings, warehouse.dsn["builder"])
    with database.connect(warehouse.dsn["builder"]) as connection:
        found = small_counties.Warehouse.read(connection)
    assert found.cohort.keys() == {county.la_code for county in counties}
    looked, wrong = Counter(), []
    for county in counties:
        try:
            looked += small_counties.check(county, found)
        except AssertionError as error:
            wrong.append(f"{county}: {str(error)[:500]}")
    assert not wrong, "\n".join(wrong)
    assert {what: looked[what] for what, least in ENOUGH.items() if looked[what] < least} == {}
    assert sum(county.defects != "none" for county in counties) > 50
