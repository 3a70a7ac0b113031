"""Conflicts of a synthetic county against its truth, person by person: the truth reads the files as a stranger would and
shares no SQL, seed or line of code with the warehouse."""

from __future__ import annotations

import csv

import pytest

from neet.feeds import landing
from neet.transform import build_live
from synthetic_county.generate import Config, generate

# A county with every source, delivered file by file: minutes.
pytestmark = [pytest.mark.slow, pytest.mark.system]

REGISTERS = {
    "CARE": "liberi_care",
    "SEN": "synergy_send",
    "YOUTH_JUSTICE": "youth_justice_orders",
    "PARENTHOOD": "early_help_parents",
}
CORE = ("core_plus_people", "core_plus_activities", "core_plus_characteristics")


def table(file) -> list[dict]:
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def still_open(rows) -> set[tuple[str, str, bool]]:
    """Kind, person and whether any of their conflicts is open."""
    found: dict[tuple[str, str], bool] = {}
    for kind, young_person, is_open in rows:
        found[kind, young_person] = found.get((kind, young_person), False) or is_open
    return {(*key, is_open) for key, is_open in found.items()}


@pytest.fixture(scope="module")
def county(new_warehouse, tmp_path_factory):
    """Three months of Core+ and of the systems that own a fact about a person."""
    warehouse, folder = new_warehouse(), tmp_path_factory.mktemp("county") / "out"
    generate(
        Config(people=700, seed=23, first_month="2021-10", last_month="2021-12", out=folder, truth_months="none", sources=True)
    )  # fmt: skip
    for row in table(folder / "schedule.csv"):
        if row["feed"] in (*CORE, *REGISTERS.values()):
            landing.receive(
                warehouse.settings, warehouse.dsn["loader"], row["feed"],
                folder / "exports" / row["deliver_on"] / row["file"],
            )  # fmt: skip
    build_live(warehouse.settings, warehouse.dsn["builder"])
    return warehouse, table(folder / "truth" / "conflicts.csv")


def test_every_register_conflict_of_everybody_linked(county):
    warehouse, truth = county
    linked = set(
        warehouse.rows(
            "select source_feed, source_key, young_persons_id from intermediate.int_person_link where status = 'linked'"
        )
    )
    # The truth begins anew when one of the two changes its mind; what lasts is one conflict here. So: who, and is it open?
    expected = still_open(
        (row["kind"], row["young_persons_id"], row["known_to"] == "")
        for row in truth
        if REGISTERS.get(row["kind"]) == row["source_feed"]
        and (row["source_feed"], row["source_key"], row["young_persons_id"]) in linked
    )
    found = still_open(
        warehouse.rows(
            """select conflict_kind, young_persons_id, state = 'open' from marts_conflicts.fct_source_conflict
               where conflict_kind in ('CARE', 'SEN', 'YOUTH_JUSTICE', 'PARENTHOOD')"""
        )
    )
    assert len(expected) >= 5
    assert {kind for kind, _, _ in expected} >= {"CARE", "SEN"}
    assert expected <= found
    # The truth ends with a source's last word. A register that drops somebody has said that the fact is no longer so.
    dropped = set(
        warehouse.rows(
            """select link.young_persons_id from intermediate.int_person_link as link
               join hist.hist_synergy_send as row on row.synergy_id = link.source_key and row.is_deleted
               where link.source_feed = 'synergy_send'"""
        )
    )
    assert {(kind, (person,) in dropped) for kind, person, _ in found - expected} <= {("SEN", True)}
