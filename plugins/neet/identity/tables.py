"""Rows into tables of the warehouse, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql


def copy(
    connection: psycopg.Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Append rows.

    Args:
        table: with its schema, as ``identity.pair``.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    target = sql.Identifier(*table.split("."))
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} ({}) from stdin").format(target, names)) as copying,
    ):
        for row in rows:
            copying.write_row(row)


RECORD = {"source_feed": "text", "source_key": "text"}
CONTENT = {"content_hash": "text"}


def temporary(
    connection: psycopg.Connection,
    name: str,
    columns: Mapping[str, str],
    rows: Iterable[Sequence[Any]] = (),
    key: str = "",
) -> None:
    """Make a table of this transaction anew, and fill it.

    Args:
        columns: name -> type.
        key: columns of its primary key.
    """
    described = [f"{column} {kind}" for column, kind in columns.items()]
    described += [f"primary key ({key})"] if key else []
    connection.execute(f"drop table if exists pg_temp.{name}")
    connection.execute(f"create temporary table {name} ({', '.join(described)}) on commit drop")
    copy(connection, f"pg_temp.{name}", list(columns), rows)
    connection.execute(f"analyze {name}")
