"""docker-compose.yml says what the compose schema allows, and nothing in it is a default password."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml

from neet.services import container
from neet.settings import ROLES

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ROOT / "docker-compose.yml"


def check_schema(file: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file],
        capture_output=True,
        text=True,
    )


def test_compose_file_obeys_the_compose_schema():
    done = check_schema(COMPOSE)
    assert done.returncode == 0, done.stdout


def test_the_schema_check_can_fail(tmp_path):
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(
        COMPOSE.read_text().replace("restart: unless-stopped", "restart: [sometimes]")
    )
    assert check_schema(broken).returncode != 0


def test_every_service_of_the_production_shape_is_there():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert set(services) == {
        "postgres", "migrate", "api-server", "scheduler", "dag-processor", "triggerer",
    }  # fmt: skip


def test_no_port_listens_beyond_loopback_and_no_password_has_a_default():
    text = COMPOSE.read_text()
    for service in yaml.safe_load(text)["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    for name in re.findall(r"\$\{([A-Z_]*(?:PASSWORD|SECRET|KEY)[A-Z_]*)([^}]*)\}", text):
        assert name[1].startswith(":?"), f"{name[0]} would fall back to a default"


def test_the_example_environment_names_every_variable_that_must_be_set():
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE.read_text()))
    example = {
        line.split("=")[0]
        for line in (ROOT / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert needed <= example


@pytest.mark.slow
def test_the_migration_container_makes_both_databases_and_may_run_again(
    warehouses, postgres_server, role_passwords, monkeypatch, tmp_path
):
    monkeypatch.setenv("NEET_ADMIN_DSN", postgres_server.admin_dsn)
    for role in ROLES:
        monkeypatch.setenv(f"NEET_{role.upper()}_PASSWORD", role_passwords[role])
    monkeypatch.setenv("AIRFLOW_DATABASE_PASSWORD", "only-for-this-test")
    airflow_dsn = postgres_server.role_dsn("neet_airflow", "only-for-this-test", "airflow")
    monkeypatch.setenv(
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        airflow_dsn.replace("postgresql://", "postgresql+psycopg2://"),
    )
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for _ in range(2):
        container.main()
    owner = postgres_server.role_dsn("neet_owner", role_passwords["owner"], "neet")
    with psycopg.connect(owner) as neet, psycopg.connect(airflow_dsn) as airflow:
        assert neet.execute("select to_regclass('control.delivery')").fetchone()[0]
        assert airflow.execute("select to_regclass('dag_run')").fetchone()[0]
