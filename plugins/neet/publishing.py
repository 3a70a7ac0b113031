"""What readers see: the marts of one live build, brought up to date all at once.

``published_store`` holds the rows of the published build, ``published_internal`` the views and the pointer that say which
build that is. A publication changes only the rows that differ, in one transaction: a reader's statement sees the build before
or this one, never some of each, and whoever holds an older snapshot goes on seeing it (design rule 7).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import psycopg
from psycopg import sql

from neet import increments, yaml_files
from neet import lineage as events
from neet.database import connect
from neet.settings import Settings
from neet.transform import LIVE_LOCK, BuildRefused, lock

log = logging.getLogger(__name__)

READERS = ("neet_bi", "neet_auditor")

STORE, VIEWS = "published_store", "published_internal"

POINTER = sql.Identifier(VIEWS, "build")


@dataclass(frozen=True)
class Publication:
    """What readers see from now on.

    Attributes:
        rows: row count of each published mart.
        written: rows that were added or taken away, over all marts.
        is_new: False when the build was published already and nothing was done.
    """

    build_id: int
    known_seq: int
    rows: dict[str, int]
    written: int
    is_new: bool


def publish(settings: Settings, dsn_builder: str, build_id: int | None = None) -> Publication:
    """Show a finished live build to readers: every mart at once, or nothing.

    One transaction makes the stored rows of each mart that its contract marks ``publish: internal`` equal to the live
    ones, restores views and grants of ``published_internal``, and moves the pointer. Killed at any moment it leaves the
    former build published, and can be run again.

    Args:
        build_id: default: the newest live build.
    Raises:
        BuildRefused: there is no such build, it has not been built to the end, or a later one has begun, so that the
            live tables are no longer its own.
    """
    marts = published_marts(settings)
    with lock(dsn_builder, LIVE_LOCK, "the live lineage"), connect(dsn_builder) as connection:
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("set local timezone to 'UTC'")  # rows are compared as text
        newest = connection.execute(
            "select build_id, known_seq, status from control.build where lineage = 'live' order by build_id desc limit 1"
        ).fetchone()
        if newest is None:
            raise BuildRefused("There is no live build to publish. Run the build first.")
        build_id = build_id or newest[0]
        if build_id != newest[0]:
            raise BuildRefused(
                f"Build {build_id} cannot be published: build {newest[0]} began after it and writes to the same "
                f"tables. Publish build {newest[0]} when it is done."
            )
        _, known_seq, status = newest
        if status == "published":
            rows = connection.execute(
                "select detail->'published_rows' from control.build where build_id = %s", [build_id]
            ).fetchone()[0]
            return Publication(build_id, known_seq, rows, 0, is_new=False)
        if status != "built":
            raise BuildRefused(
                f"Build {build_id} cannot be published: it is {status}. Run the build again; readers keep the former one."
            )
        since, before = _last(connection)
        stamp = increments.stamp(connection)
        changes = increments.changes_since(connection, marts, since)
        stored = {
            mart: _store(connection, schema, changes[mart], since, before.get(mart))
            for mart, schema in marts.items()
        }
        rows = {mart: one.rows for mart, one in stored.items()}
        written = sum(one.added + one.gone for one in stored.values())
        _point_to(connection, build_id, known_seq)
        _restore_views(connection, list(marts))
        connection.execute(
            """update control.build set status = 'published', finished_at = coalesce(finished_at, now()),
                 detail = coalesce(detail, '{}'::jsonb) || jsonb_build_object('published_rows', %s::jsonb,
                   'published_written', %s::bigint, 'published_stamp', %s::bigint, 'published_at', now())
               where build_id = %s""",
            [json.dumps(rows), written, stamp, build_id],
        )
    _tidy(dsn_builder, stored)
    log.info("Published build %d: %d marts, %s rows written", build_id, len(marts), f"{written:,}")
    events.marts_published(settings, build_id, rows)
    return Publication(build_id, known_seq, rows, written, is_new=True)


def published_marts(settings: Settings) -> dict[str, str]:
    """Name and live schema of each mart whose contract says ``publish: internal``, by name."""
    marts = {}
    for file in sorted((settings.dbt_project / "models" / "marts").rglob("*.yml")):
        for model in yaml_files.read(file).get("models", []):
            if model.get("config", {}).get("meta", {}).get("publish") == "internal":
                marts[model["name"]] = f"marts_{file.parent.name}"
    return dict(sorted(marts.items()))


@dataclass(frozen=True)
class _Stored:
    rows: int
    added: int
    gone: int


def _last(connection: psycopg.Connection) -> tuple[int, dict[str, int]]:
    """The stamp at which the last publication read the live tables, and how many rows each store has had since."""
    last = connection.execute(
        """select (detail->>'published_stamp')::bigint, detail->'published_rows' from control.build
           where lineage = 'live' and status = 'published' order by build_id desc limit 1"""
    ).fetchone()
    return (last[0] or 0, last[1]) if last else (0, {})


def _store(
    connection: psycopg.Connection,
    schema: str,
    change: increments.Changes,
    since: int,
    before: int | None,
) -> _Stored:
    """Make the stored rows of a mart those of its live table: of the people whose rows changed, where the build knows
    them, else of everybody.

    Plain rows, no partitions: a statement planned before a partition is attached and begun after the pointer moved
    would find nothing, because its plan does not know of the partition its snapshot points to.
    """
    mart = change.model
    live = sql.Identifier(schema, mart)
    columns = _columns(connection, schema, mart)
    if _columns(connection, STORE, mart) != [("row_hash", "uuid"), *columns]:
        _make(connection, mart, columns)
        before = None
    if before is not None and not change.has_changed:
        return _Stored(before, 0, 0)
    if before is not None and not change.is_whole:
        added, gone = _follow_people(connection, mart, live, columns, since)
        return _Stored(before + added - gone, added, gone)
    return _follow_all(connection, mart, live, columns)


HASH = sql.SQL("md5(cast(live as text))::uuid")


def _add(mart: str, live: sql.Identifier, columns: list[tuple[str, str]]) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    return sql.SQL("insert into {} (row_hash, {}) select {}, {} from {} as live").format(
        sql.Identifier(STORE, mart), names, HASH, names, live
    )


def _follow_people(
    connection: psycopg.Connection,
    mart: str,
    live: sql.Identifier,
    columns: list[tuple[str, str]],
    since: int,
) -> tuple[int, int]:
    """Rows added and taken away, of people whose rows changed after the stamp."""
    store = sql.Identifier(STORE, mart)
    connection.execute(
        """create temporary table touched on commit drop as
           select distinct la_code, person_id from increments.touched_person where model = %s and stamp > %s""",
        [mart, since],
    )
    connection.execute("analyze touched")
    touched = sql.SQL("(la_code, person_id) in (select la_code, person_id from touched)")
    same = sql.SQL(
        "(live.la_code, live.person_id, {}) = (there.la_code, there.person_id, there.row_hash)"
    ).format(HASH)
    gone = connection.execute(
        sql.SQL(
            "delete from {} as there where {} and not exists (select from {} as live where {})"
        ).format(store, touched, live, same)
    ).rowcount
    added = connection.execute(
        _add(mart, live, columns)
        + sql.SQL(" where {} and not exists (select from {} as there where {})").format(
            touched, store, same
        )
    ).rowcount
    connection.execute("drop table touched")
    return added, gone


def _follow_all(
    connection: psycopg.Connection,
    mart: str,
    live: sql.Identifier,
    columns: list[tuple[str, str]],
) -> _Stored:
    store = sql.Identifier(STORE, mart)
    gone = connection.execute(
        sql.SQL(
            "delete from {} as there where not exists (select from {} as live where {} = there.row_hash)"
        ).format(store, live, HASH)
    ).rowcount
    add = _add(mart, live, columns)
    added = connection.execute(
        add
        + sql.SQL(" where not exists (select from {} as there where there.row_hash = {})").format(
            store, HASH
        )
    ).rowcount
    rows, wanted = (
        connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()[0]
        for table in (store, live)
    )
    if rows != wanted:  # the very same row more than once: hashes cannot tell how often
        gone += connection.execute(sql.SQL("delete from {}").format(store)).rowcount
        added += connection.execute(add).rowcount
    return _Stored(wanted, added, gone)


def _make(connection: psycopg.Connection, mart: str, columns: list[tuple[str, str]]) -> None:
    """A store for a mart that is new or whose columns changed; the view is made anew afterwards."""
    store = sql.Identifier(STORE, mart)
    connection.execute(sql.SQL("drop view if exists {}").format(sql.Identifier(VIEWS, mart)))
    connection.execute(sql.SQL("drop table if exists {}").format(store))
    connection.execute(
        sql.SQL("create table {} (row_hash uuid not null, {})").format(
            store,
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
                for name, kind in columns
            ),
        )
    )
    if {"la_code", "person_id"} <= {name for name, _ in columns}:
        connection.execute(sql.SQL("create index on {} (la_code, person_id)").format(store))


def _columns(connection: psycopg.Connection, schema: str, table: str) -> list[tuple[str, str]]:
    return connection.execute(
        """select attname, format_type(atttypid, atttypmod) from pg_attribute
           where attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) and attnum > 0 and not attisdropped
           order by attnum""",
        [schema, table],
    ).fetchall()


def _point_to(connection: psycopg.Connection, build_id: int, known_seq: int) -> None:
    connection.execute(
        """create table if not exists published_internal.build (
             only_row boolean primary key default true check (only_row),
             build_id bigint not null, known_seq bigint not null, code_version text not null,
             published_at timestamptz not null)"""
    )
    connection.execute(
        """insert into published_internal.build (build_id, known_seq, code_version, published_at)
           select %s, %s, code_version, now() from control.build where build_id = %s
           on conflict (only_row) do update set build_id = excluded.build_id, known_seq = excluded.known_seq,
             code_version = excluded.code_version, published_at = excluded.published_at""",
        [build_id, known_seq, build_id],
    )


def _restore_views(connection: psycopg.Connection, marts: list[str]) -> None:
    """Every published mart has its view and its readers; a view of a mart no longer published goes."""
    existing = {
        row[0]
        for row in connection.execute(
            "select viewname from pg_views where schemaname = %s", [VIEWS]
        ).fetchall()
    }
    for gone in sorted(existing - set(marts)):
        connection.execute(sql.SQL("drop view {}").format(sql.Identifier(VIEWS, gone)))
        connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(STORE, gone)))
    for mart in marts:
        if mart not in existing:
            names = [name for name, _ in _columns(connection, STORE, mart) if name != "row_hash"]
            connection.execute(
                sql.SQL("create view {} as select build.build_id, {} from {} as mart cross join {} as build").format(
                    sql.Identifier(VIEWS, mart),
                    sql.SQL(", ").join(sql.Identifier("mart", name) for name in names),
                    sql.Identifier(STORE, mart),
                    POINTER,
                )
            )  # fmt: skip
    for reader in READERS:
        connection.execute(
            sql.SQL("grant select on all tables in schema {} to {}").format(
                sql.Identifier(VIEWS), sql.Identifier(reader)
            )
        )


def _tidy(dsn: str, stored: dict[str, _Stored]) -> None:
    """Statistics, and room where rows went, of stores of which a tenth or more is new; autovacuum sees to smaller changes.
    Whoever still reads an older snapshot keeps its rows."""
    with connect(dsn, autocommit=True) as connection:
        for mart, one in stored.items():
            if 10 * (one.added + one.gone) > one.rows:
                how = (
                    "vacuum (analyze, truncate false, skip_locked) {}" if one.gone else "analyze {}"
                )
                connection.execute(sql.SQL(how).format(sql.Identifier(STORE, mart)))
