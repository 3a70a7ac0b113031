"""Roles hold the least they need (design: loader, builder, gate, BI, auditor)."""

import psycopg
import pytest

from neet.database import connect


@pytest.mark.parametrize("role", ["bi", "auditor"])
def test_readers_cannot_write(warehouse, role):
    with (
        connect(warehouse.dsn[role]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("delete from control.delivery")


@pytest.mark.parametrize("schema", ["control", "raw", "assurance", "submitted", "ledger"])
def test_bi_sees_nothing_but_what_is_published(warehouse, schema):
    with connect(warehouse.dsn["bi"]) as connection:
        allowed = connection.execute(
            "select has_schema_privilege(current_user, %s, 'usage')", [schema]
        ).fetchone()[0]
        published = connection.execute(
            "select has_schema_privilege(current_user, 'published_internal', 'usage')"
        ).fetchone()[0]
    assert not allowed
    assert published


def test_the_builder_cannot_change_what_was_delivered_or_decided(warehouse):
    for statement in (
        "update control.delivery set status = 'accepted'",
        "insert into assurance.gate_decision default values",
        "delete from submitted.kpi_value",
    ):
        with (
            connect(warehouse.dsn["builder"]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def test_nobody_but_the_owner_deletes(warehouse):
    with connect(warehouse.dsn["owner"]) as connection:
        rows = connection.execute(
            """select grantee, table_schema, table_name from information_schema.role_table_grants
               where privilege_type in ('DELETE', 'TRUNCATE') and grantee <> 'neet_owner'
                 and table_schema in ('control', 'raw', 'assurance', 'ledger', 'submitted')"""
        ).fetchall()
    assert rows == []
