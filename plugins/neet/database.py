"""Connections to the warehouse, its roles and its migrations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from neet.settings import PROJECT_ROOT, ROLES

DELIVERY_LOCK = 8_860_001
"""Advisory lock that serialises the giving of ``delivery_seq`` (design rule 2)."""


@contextlib.contextmanager
def connect(dsn: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """One connection in UTC; commits at the end of the block, rolls back on an exception."""
    with psycopg.connect(dsn, autocommit=autocommit, options="-c TimeZone=UTC") as connection:
        yield connection


def replace_database(dsn: str, database: str) -> str:
    """The same connection string for another database of the same server."""
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()


def create_roles(admin_dsn: str, database: str, passwords: dict[str, str]) -> None:
    """Create or refresh the login roles ``neet_<role>`` and the database, owned by ``neet_owner``.

    Args:
        admin_dsn: a superuser's connection to any other database of the server.
        passwords: one a role of :data:`neet.settings.ROLES`.
    """
    with connect(admin_dsn, autocommit=True) as admin:
        for role in ROLES:
            name = f"neet_{role}"
            exists = admin.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
            statement = (
                "alter role {} login password {}" if exists else "create role {} login password {}"
            )
            admin.execute(
                sql.SQL(statement).format(sql.Identifier(name), sql.Literal(passwords[role]))
            )
        if not admin.execute("select 1 from pg_database where datname = %s", [database]).fetchone():
            admin.execute(
                sql.SQL("create database {} owner neet_owner").format(sql.Identifier(database))
            )
            admin.execute(
                sql.SQL("revoke all on database {} from public").format(sql.Identifier(database))
            )
    with connect(replace_database(admin_dsn, database), autocommit=True) as admin:
        # What the builder makes may be read by those who judge it. BI is not among them: it reads
        # published_internal, whose grants the publisher gives.
        admin.execute(
            "alter default privileges for role neet_builder grant usage on schemas to neet_gate, neet_auditor"
        )
        admin.execute(
            "alter default privileges for role neet_builder grant select on tables to neet_gate, neet_auditor"
        )


def create_login_database(admin_dsn: str, name: str, role: str, password: str) -> None:
    """Create or refresh one login role and the database it owns (Airflow's metadata)."""
    with connect(admin_dsn, autocommit=True) as admin:
        exists = admin.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
        verb = "alter" if exists else "create"
        admin.execute(
            sql.SQL(verb + " role {} login password {}").format(
                sql.Identifier(role), sql.Literal(password)
            )
        )
        if not admin.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            admin.execute(
                sql.SQL("create database {} owner {}").format(
                    sql.Identifier(name), sql.Identifier(role)
                )
            )
            admin.execute(
                sql.SQL("revoke all on database {} from public").format(sql.Identifier(name))
            )


def migrate(owner_dsn: str) -> None:
    """Bring the tables that dbt does not own to the newest revision (Alembic, ``migrations/``),
    then create the raw table of every feed contract that has none yet."""
    from alembic import command  # a third of a second that those who only connect need not wait for
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(PROJECT_ROOT / "migrations"))
    config.attributes["dsn"] = owner_dsn
    command.upgrade(config, "head")
    from neet.feeds.raw import ensure_raw_tables

    with connect(owner_dsn) as connection:
        ensure_raw_tables(connection)
