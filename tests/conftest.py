"""Fixtures shared by every tier: one throw-away PostgreSQL server a session, one database a test."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

from neet import database  # noqa: E402
from neet.services import postgres  # noqa: E402
from neet.settings import ROLES, Settings  # noqa: E402


@dataclass(frozen=True)
class Warehouse:
    """A migrated, empty warehouse database and the settings that point at it."""

    settings: Settings
    dsn: dict[str, str]


@pytest.fixture(scope="session")
def postgres_server():
    """A server of our own on a free port, gone after the session."""
    folder = Path(tempfile.mkdtemp(prefix="neet-tests-"))
    folder.chmod(0o755)
    password = postgres.create(folder / "postgres", durable=False)
    server = postgres.Server(folder / "postgres", postgres.free_port(), password)
    postgres.start(server.data, server.port, folder / "postgres.log")
    yield server
    postgres.stop(server.data, "immediate")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def role_passwords():
    return {role: secrets.token_urlsafe(12) for role in ROLES}


@pytest.fixture(scope="session")
def template_database(postgres_server, role_passwords):
    """Migrated once; each test's database is a copy, which takes a tenth of a second."""
    database.create_roles(postgres_server.admin_dsn, "neet_template", role_passwords)
    database.migrate(
        postgres_server.role_dsn("neet_owner", role_passwords["owner"], "neet_template")
    )
    return "neet_template"


@pytest.fixture
def warehouse(postgres_server, role_passwords, template_database, tmp_path, monkeypatch):
    """An empty migrated warehouse, with ``NEET_HOME`` and ``NEET_DSN_*`` set to it."""
    name = f"neet_{secrets.token_hex(6)}"
    with database.connect(postgres_server.admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} template {template_database} owner neet_owner")
        admin.execute(f"revoke all on database {name} from public")
        admin.execute(
            f"grant connect, temporary on database {name} to neet_loader, neet_builder, neet_gate, neet_bi, neet_auditor"
        )
        admin.execute(f"grant create on database {name} to neet_builder")
    dsn = {
        role: postgres_server.role_dsn(f"neet_{role}", role_passwords[role], name) for role in ROLES
    }
    monkeypatch.setenv("NEET_HOME", str(tmp_path / "home"))
    for role, value in dsn.items():
        monkeypatch.setenv(f"NEET_DSN_{role.upper()}", value)
    yield Warehouse(Settings.load(), dsn)
    with database.connect(postgres_server.admin_dsn, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "False")


def pytest_collection_modifyitems(items):
    """The longest files first: a file is one worker's, and one that starts last would be waited for alone."""
    haste = {}
    for item in items:
        unmarked = tuple(item.get_closest_marker(name) is None for name in ("services", "slow"))
        haste[item.path] = min(haste.get(item.path, unmarked), unmarked)
    items.sort(key=lambda item: haste[item.path])
