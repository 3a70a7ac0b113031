"""The live tables against a full refresh of the same database: what increments must come to, whatever happened before.

``warehouse`` is a ``Built`` of ``conftest.py``. Journals of what changed are no part of what is compared.
"""

from __future__ import annotations

from neet import database
from neet.transform import Build, build_live

LIVE_TABLES = """
select schemaname || '.' || tablename from pg_tables
where (schemaname in ('hist', 'intermediate') or schemaname like 'marts\\_%')
  and tablename not like '%\\_\\_changes'
  and not exists (select from pg_inherits where inhrelid = format('%I.%I', schemaname, tablename)::regclass)
order by 1
"""


def contents(warehouse) -> dict[str, str]:
    """Count and hash over the sorted rows of every live table, by name."""
    with database.connect(warehouse.dsn["builder"]) as connection:
        tables = [name for (name,) in connection.execute(LIVE_TABLES).fetchall()]
        return {
            table: connection.execute(
                "select count(*) || ' rows ' || coalesce(md5(string_agg(line, '|' order by line collate \"C\")), '') "
                f"from (select cast(t as text) as line from {table} as t) as lines"
            ).fetchone()[0]
            for table in tables
        }


def difference(warehouse, before: dict[str, str]) -> list[str]:
    """Tables that are not what they were, each with how the ledger says it was made before."""
    after = contents(warehouse)
    return [
        f"{table}: {before.get(table)} -> {after.get(table)}"
        for table in sorted(before.keys() | after.keys())
        if before.get(table) != after.get(table)
    ]


def build(warehouse, **how) -> Build:
    return build_live(warehouse.settings, warehouse.dsn["builder"], **how)


def modes(warehouse) -> dict[str, str]:
    """What the newest run of each model did."""
    return dict(warehouse.rows("select model, mode from increments.model_state where model !~ ':'"))


def obeys_the_law(warehouse, *, is_built: bool = False) -> None:
    """Build what is new, and hold it against a full refresh.

    Args:
        is_built: what is to be judged was built last.
    Raises:
        AssertionError: names the tables that differ.
    """
    if not is_built:
        build(warehouse)
    known_seq = warehouse.value(
        "select known_seq from control.build order by build_id desc limit 1"
    )
    before, how = contents(warehouse), modes(warehouse)
    build(warehouse, known_seq=known_seq, full_refresh=True)
    differing = difference(warehouse, before)
    assert not differing, "\n".join(
        f"{line} ({how.get(line.split(':')[0].split('.')[1])})" for line in differing
    )
