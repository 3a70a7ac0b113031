"""Drop every warehouse schema and make it again from landing (design rule 6).

If the result is not what was there before, something was kept that landing does not know of: that is the
audit this module exists for.
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from neet import database
from neet.settings import Settings

# Marked in the database itself, so that a new schema of a migration is dropped without being listed here.
SCHEMAS_OF = """
select nspname from pg_namespace join pg_roles on pg_roles.oid = nspowner
where rolname = %s and nspname not in ('public') and nspname not like 'pg\\_%%'
"""


def drop_everything(dsn: dict[str, str]) -> list[str]:
    """Drop all schemas that the builder, the gate or the owner made, and the record of migrations.

    Args:
        dsn: connection strings of ``owner``, ``builder`` and ``gate``.
    Returns:
        names of the dropped schemas.
    """
    dropped = []
    for role in ("gate", "builder", "owner"):
        with database.connect(dsn[role]) as connection:
            for (schema,) in connection.execute(SCHEMAS_OF, [f"neet_{role}"]).fetchall():
                connection.execute(
                    sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema))
                )
                dropped.append(schema)
            if role == "owner":
                connection.execute("drop table if exists public.schema_version")
    return dropped


def count(settings: Settings) -> int:
    """How many deliveries and decisions landing holds."""
    return sum(1 for _ in settings.landing.rglob("received.json"))


def rebuild(settings: Settings, say: Callable[[str], None]) -> int:
    """Drop, migrate, replay. Landing is checked against its own hashes first.

    Returns:
        the number of deliveries and decisions replayed.
    Raises:
        neet.feeds.replay.LandingDamaged: a file of landing is not what its receipt says; nothing was dropped.
    """
    from neet.feeds import replay

    dsn = {role: settings.dsn(role) for role in ("owner", "loader", "builder", "gate")}
    say("Checking landing against its hashes")
    replay.check_landing(settings)
    say("Dropping " + ", ".join(drop_everything(dsn)))
    database.migrate(dsn["owner"])
    return replay.rebuild(settings, dsn["owner"], dsn["loader"], dsn["gate"], say)
