"""Increments by person: whatever was delivered, in whatever order, the tables are those of a build from nothing."""

from __future__ import annotations

import pytest
from county_rows import activity, small_county, ypid

from neet import database
from neet.transform import build_live

pytestmark = pytest.mark.slow

LIVE_TABLES = """
select schemaname || '.' || tablename from pg_tables
where schemaname in ('hist', 'intermediate') or schemaname like 'marts\\_%' order by 1
"""


def contents(warehouse) -> dict[str, str]:
    """Hash over the sorted rows of every live table, by name."""
    found = {}
    with database.connect(warehouse.dsn["builder"]) as connection:
        for (table,) in connection.execute(LIVE_TABLES).fetchall():
            found[table] = connection.execute(
                f"select count(*) || ' ' || coalesce(md5(string_agg(line, '|' order by line collate \"C\")), '') "
                f"from (select cast(t as text) as line from {table} as t) as lines"
            ).fetchone()[0]
    return found


def modes(warehouse) -> dict[str, str]:
    return dict(
        warehouse.rows(
            "select model, mode || ': ' || coalesce(reason, '') from control.model_state where model !~ ':'"
        )
    )


def test_try(new_warehouse):
    import time

    warehouse = new_warehouse()
    small_county(warehouse.county)
    def go(**kw):
        t = time.time()
        since = warehouse.value("select last_value from control.model_stamp")
        b = build_live(warehouse.settings, warehouse.dsn["builder"], **kw)
        print("BUILD", b.seconds, time.time() - t, b.nodes)
        for r in warehouse.rows(f"select model, mode, reason, people, rows_written, changed_at>{since} from control.model_state where model !~ ':' and ran_at > {since} order by ran_at"):
            print("   ", r)
    go()
    print("AGAIN")
    go()
    warehouse.county.deliver("core_plus_activities", "2021-12-31", [activity("C0000002", 2, "610", "2021-12-20")])
    print("DELTA")
    go()
    one = contents(warehouse)
    print("FULL")
    go(full_refresh=True)
    two = contents(warehouse)
    assert {k for k in two if two[k] != one.get(k)} == set()
