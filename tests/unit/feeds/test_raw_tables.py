"""Raw tables come from the contracts, grow with them, and are only ever added to."""

from __future__ import annotations

import psycopg
import pytest
from feed_desk import TOY, Desk, with_contracts

from neet.database import connect
from neet.feeds import raw
from neet.feeds.contract import load_contracts
from neet.settings import PROJECT_ROOT

CONTRACTS = load_contracts(PROJECT_ROOT / "expectations" / "feeds")


def columns(desk, feed: str) -> list[str]:
    return [
        name
        for (name,) in desk.query(
            """select column_name from information_schema.columns
               where table_schema = 'raw' and table_name = %s order by ordinal_position""",
            feed,
        )
    ]


@pytest.mark.parametrize("feed", sorted(CONTRACTS))
def test_a_migrated_database_has_a_table_for_every_feed(shared_warehouse, feed, tmp_path):
    desk = Desk(shared_warehouse.settings, shared_warehouse.dsn, tmp_path)
    found = columns(desk, feed)
    assert found[:8] == [
        "la_code", "provider", "period", "row_key", "row_hash", "operation", "delivery_seq", "line_number",
    ]  # fmt: skip
    assert found[8:] == [column.name for column in CONTRACTS[feed].columns]
    ((comment,),) = desk.query("select obj_description(%s::regclass)", f"raw.{feed}")
    assert CONTRACTS[feed].title in comment


def test_again_changes_nothing_and_a_new_column_is_added_at_the_end(toy_desk):
    before = columns(toy_desk, "toy")
    with connect(toy_desk.dsn["owner"]) as owner:
        raw.ensure_raw_tables(owner, [toy_desk.contract("toy")])
    assert columns(toy_desk, "toy") == before
    text = TOY.read_text().replace("name: size", "name: weight")
    with_contracts(toy_desk, toy_desk.folder.parent / "changed", {"toy": text})
    assert columns(toy_desk, "toy") == [*before, "weight"], "size stays: nothing is dropped"


@pytest.mark.parametrize("role", ["loader", "builder", "gate", "auditor", "bi"])
def test_nobody_but_the_owner_changes_what_is_there(toy_desk, role):
    toy_desk.toy([["T1", "x", "", "", ""]])
    for statement in ("update raw.toy set label = 'y'", "delete from raw.toy", "truncate raw.toy"):
        with (
            connect(toy_desk.dsn[role]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


@pytest.mark.parametrize(("role", "may"), [("loader", True), ("builder", True), ("auditor", True), ("bi", False)])  # fmt: skip
def test_who_may_read_raw(toy_desk, role, may):
    with connect(toy_desk.dsn["owner"]) as owner:
        ((allowed,),) = owner.execute(
            "select has_table_privilege(%s, 'raw.toy', 'select')", [f"neet_{role}"]
        ).fetchall()
    assert allowed is may
