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

    @property
    def name(self) -> str:
        return self.dsn["owner"].rsplit("/", 1)[1]

    def set_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it the installation that a command would find."""
        monkeypatch.setenv("NEET_HOME", str(self.settings.home))
        for role, value in self.dsn.items():
            monkeypatch.setenv(f"NEET_DSN_{role.upper()}", value)


@dataclass(frozen=True)
class Warehouses:
    """Makes databases: copies of one that is migrated once a session."""

    server: postgres.Server
    passwords: dict[str, str]
    template: str

    def make(self, home: Path, template: str | None = None) -> Warehouse:
        """A new database, a copy of the migrated one or of another ``template`` that nobody is connected to."""
        name = f"neet_{secrets.token_hex(6)}"
        with database.connect(self.server.admin_dsn, autocommit=True) as admin:
            admin.execute(
                f"create database {name} template {template or self.template} owner neet_owner"
            )
            admin.execute(f"revoke all on database {name} from public")
            admin.execute(
                f"grant connect, temporary on database {name} to neet_loader, neet_builder, neet_gate, neet_bi, neet_auditor"
            )
            admin.execute(f"grant create on database {name} to neet_builder")
        dsn = {
            role: self.server.role_dsn(f"neet_{role}", self.passwords[role], name) for role in ROLES
        }
        return Warehouse(Settings(ROOT, home, "886"), dsn)

    def drop(self, warehouse: Warehouse) -> None:
        with database.connect(self.server.admin_dsn, autocommit=True) as admin:
            admin.execute(f"drop database {warehouse.name} with (force)")


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
def warehouses(postgres_server, role_passwords):
    """Whatever makes and drops databases; most tests want ``warehouse`` or ``shared_warehouse``."""
    database.create_roles(postgres_server.admin_dsn, "neet_template", role_passwords)
    database.migrate(
        postgres_server.role_dsn("neet_owner", role_passwords["owner"], "neet_template")
    )
    return Warehouses(postgres_server, role_passwords, "neet_template")


@pytest.fixture(scope="session")
def parsed_project(tmp_path_factory):
    """The dbt project parsed once for all workers of a session (made when first asked for)."""
    from tests.parsed_project import ParsedProject  # imports dbt: only for those who build

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return ParsedProject(shared / "parsed")


@pytest.fixture
def warehouse(warehouses, tmp_path, monkeypatch):
    """An empty migrated warehouse, with ``NEET_HOME`` and ``NEET_DSN_*`` set to it."""
    made = warehouses.make(tmp_path / "home")
    made.set_environment(monkeypatch)
    yield made
    warehouses.drop(made)


@pytest.fixture(scope="module")
def shared_warehouse(warehouses, tmp_path_factory):
    """One for all tests of a module, which leave nothing behind in it: a copy costs as much as a quick test."""
    made = warehouses.make(tmp_path_factory.mktemp("shared"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        made.set_environment(monkeypatch)
        yield made
    warehouses.drop(made)


os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "False")


def pytest_collection_modifyitems(items):
    """The longest files first: a file is one worker's, and one that starts last would be waited for alone."""
    haste = {}
    for item in items:
        unmarked = (item.get_closest_marker(name) is None for name in ("services", "slow"))
        late = (item.path.parent.name != "system", *unmarked)
        haste[item.path] = min(haste.get(item.path, late), late)
    items.sort(key=lambda item: haste[item.path])
