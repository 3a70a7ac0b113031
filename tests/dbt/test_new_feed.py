"""A feed is one contract and one model: nothing else is written by hand (CONTRIBUTING.md, Add a feed)."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml

from neet import database
from neet.feeds import dbt_properties, landing, raw
from neet.settings import PROJECT_ROOT
from neet.transform import build_live

pytestmark = pytest.mark.slow

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: library_cards
name: Library cards
version: 1.0.0
status: active
description:
  purpose: Who may borrow books, for this test.
  usage: An address that is newer than ours.
tags: [F-99, library, assumed_layout]
schema:
  - name: library_cards
    physicalType: table
    dataGranularityDescription: one row a card
    description: Cards, one row each.
    properties:
      - {name: card_id, physicalName: CardID, description: Number of the card, logicalType: string, physicalType: text,
         classification: identifier, primaryKey: true, primaryKeyPosition: 1, required: true}
      - {name: postcode, physicalName: Postcode, description: Postcode, logicalType: string, physicalType: text,
         classification: identifier}
      - name: issued_on
        physicalName: Issued
        description: Day it was issued
        logicalType: date
        physicalType: text
        classification: personal
        customProperties: [{property: acceptedFormats, value: [iso, day_first]}]
slaProperties:
  - {property: latency, value: 40, unit: d, element: library_cards}
  - {property: retention, value: 1, unit: y, element: library_cards}
customProperties:
  - {property: ownerService, value: TEP}
  - {property: sourceSystem, value: Libraries}
  - {property: cadence, value: monthly}
  - property: delivery
    value: {fileName: '(?P<provider>[0-9]{3})_library_cards_(?P<as_at>[0-9]{8})[.]csv',
            example: 886_library_cards_20220131.csv, format: csv, modes: [snapshot], maxBytes: 1000000}
  - {property: duplicateKeys, value: reject_later}
  - property: tolerance
    value: {rejectShare: 0.5, rejectRows: 5, shrinkShare: 0.5, shrinkRows: 5, closureShare: 0.9}
"""
MODEL = "{{ history_of('library_cards') }}\n"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_one_contract_and_one_model_make_a_feed(new_warehouse, tmp_path):
    warehouse = new_warehouse()
    for part in ("expectations", "dbt_project"):
        shutil.copytree(
            PROJECT_ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("target", "logs")
        )
    settings = dataclasses.replace(warehouse.settings, root=tmp_path)
    before = contents(tmp_path)
    (tmp_path / "expectations/feeds/library_cards.yml").write_text(CONTRACT)
    (tmp_path / "dbt_project/models/hist/hist_library_cards.sql").write_text(MODEL)
    by_hand = contents(tmp_path).keys() - before.keys()
    assert len(by_hand) == 2

    with database.connect(warehouse.dsn["owner"]) as owner:
        raw.ensure_raw_tables(owner, landing.contracts_of(settings).values())
    for day, rows in {
        "20220131": "1,ZZ99 1AA,31/01/2022\n2,ZZ99 2BB,2022-01-05\n",
        "20220228": "1,ZZ99 9ZZ,2022-01-31\n3,ZZ99 3CC,30/02/2022\n",
    }.items():
        file = tmp_path / f"886_library_cards_{day}.csv"
        file.write_text("CardID,Postcode,Issued\n" + rows)
        result = landing.receive(settings, warehouse.dsn["loader"], "library_cards", file)
        assert result.status == "accepted"
        file.unlink(missing_ok=True)

    build = build_live(settings, warehouse.dsn["builder"], layer="seeds")
    build_live(settings, warehouse.dsn["builder"], layer="hist", build_id=build.build_id)
    assert warehouse.rows(
        """select row_key, postcode, issued_on, is_deleted, known_to_seq is null
           from hist.hist_library_cards order by 1, known_from_seq"""
    ) == [
        ("1", "ZZ99 1AA", "2022-01-31", False, False),
        ("1", "ZZ99 9ZZ", "2022-01-31", False, True),
        ("2", "ZZ99 2BB", "2022-01-05", False, False),
        ("2", "ZZ99 2BB", "2022-01-05", True, True),
    ]
    after = contents(tmp_path)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {
        f"dbt_project/{name}" for name in (dbt_properties.SOURCES, dbt_properties.HISTORIES)
    }
    assert after.keys() - before.keys() == by_hand
    sources = yaml.safe_load((settings.dbt_project / dbt_properties.SOURCES).read_text())
    table = {t["name"]: t for t in sources["sources"][0]["tables"]}["library_cards"]
    assert table["config"]["freshness"]["warn_after"] == {"count": 40, "period": "day"}
    assert "Library cards (F-99)" in table["description"]
    (layer,) = warehouse.rows(
        f"select detail->'layers'->'hist' from control.build where build_id = {build.build_id}"
    )[0]
    assert {name: outcome for name, (outcome, _) in layer.items() if "library_cards" in name} == {
        "hist_library_cards": "success",
        "key_hist_library_cards_la_code__row_key__known_from_seq": "pass",
    }
