"""The raw tables: one a feed, made from its contract, append-only."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from neet.feeds.contract import Contract, load_contracts
from neet.settings import PROJECT_ROOT

FRAME = """
    la_code text not null,
    provider text not null,
    period text not null,
    row_key text not null,
    row_hash text not null,
    operation char(1) not null check (operation in ('U', 'D', 'S')),
    delivery_seq bigint not null,
    line_number bigint,
    primary key (la_code, row_key, delivery_seq)
"""
FRAME_COMMENTS = {
    "provider": "Who sent the row",
    "period": "Period of the delivery that brought this version",
    "row_key": "The key columns as one text; those of a composite key are joined with |",
    "row_hash": "Hash of the contract's columns; equal to the version before only after a D or S",
    "operation": "U: the row as delivered. D: closed or deleted, last values repeated. "
    "S: the newest row for the key was rejected, last good values repeated",
    "delivery_seq": "The delivery that brought this version: control.delivery",
    "line_number": "Line of the file; null where a snapshot closed the row by leaving it out",
}


def ensure_raw_tables(
    connection: psycopg.Connection, contracts: Iterable[Contract] | None = None
) -> None:
    """Create the raw tables that are missing and add the columns that new layouts brought.

    Nothing is ever dropped or retyped: raw is append-only, and old deliveries keep their columns.

    Args:
        connection: as the owner of schema ``raw``; default privileges grant the rest.
        contracts: default: every contract of ``expectations/feeds``.
    Raises:
        neet.feeds.contract.ContractError: a contract is broken.
    """
    if contracts is None:
        contracts = load_contracts(PROJECT_ROOT / "expectations" / "feeds").values()
    for contract in contracts:
        _ensure(connection, contract)


def _ensure(connection: psycopg.Connection, contract: Contract) -> None:
    table = sql.Identifier("raw", contract.feed)
    present = {
        name
        for (name,) in connection.execute(
            """select column_name from information_schema.columns
               where table_schema = 'raw' and table_name = %s""",
            [contract.feed],
        )
    }
    if not present:
        connection.execute(sql.SQL("create table {} (" + FRAME + ")").format(table))
        # Versions arrive in order of delivery, so a few pages of block ranges find a delivery's rows.
        connection.execute(
            sql.SQL(
                "create index on {} using brin (delivery_seq) with (autosummarize = on)"
            ).format(table)
        )
        for name, comment in FRAME_COMMENTS.items():
            _comment(connection, contract.feed, name, comment)
    missing = [column for column in contract.columns if column.name not in present]
    if missing:
        connection.execute(
            sql.SQL("alter table {} {}").format(
                table,
                sql.SQL(", ").join(
                    sql.SQL("add column {} text").format(sql.Identifier(column.name))
                    for column in missing
                ),
            )
        )
    for column in missing:
        _comment(connection, contract.feed, column.name, f"{column.description} [{column.privacy}]")
    connection.execute(
        sql.SQL("comment on table {} is {}").format(
            table,
            sql.Literal(f"{contract.title}, from {contract.source_system}. {contract.description}"),
        )
    )


def _comment(connection: psycopg.Connection, feed: str, column: str, text: str) -> None:
    connection.execute(
        sql.SQL("comment on column {} is {}").format(
            sql.Identifier("raw", feed, column), sql.Literal(text)
        )
    )
