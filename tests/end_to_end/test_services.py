"""The services come up, a crash is noticed and mended, a stop stops all of them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from neet.services import postgres
from neet.services.stack import AIRFLOW_DAEMONS, PROGRAMS, Stack, end_group
from neet.settings import Settings

pytestmark = pytest.mark.services


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def processes_of(home: Path) -> list[str]:
    """Command lines of all processes whose environment or arguments name this installation."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        mentions = f"{home}".encode()
        if int(process.name) != os.getpid() and (
            b"NEET_HOME=" + mentions in environment or mentions in command
        ):
            found.append(command.replace(b"\0", b" ").decode())
    return found


def members_of_group(group: int) -> list[str]:
    """Living processes of a process group (the dead that nobody has fetched yet do not count)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (process / "stat").read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(process.name)
    return found


def test_everything_is_healthy(installation):
    assert installation.stack.health() == {daemon: "healthy" for daemon in AIRFLOW_DAEMONS}
    assert set(installation.stack.states()) == set(PROGRAMS)
    assert set(installation.stack.states().values()) == {"RUNNING"}


def test_a_second_up_changes_nothing_and_is_quick(installation):
    before = installation.stack.installation()
    pids = {p["name"]: p["pid"] for p in installation.stack._rpc.getAllProcessInfo()}
    installation.neet("up")
    assert installation.stack.installation() == before
    assert {p["name"]: p["pid"] for p in installation.stack._rpc.getAllProcessInfo()} == pids


def test_no_password_is_in_a_file_that_others_may_read(installation):
    for file in installation.settings.run.rglob("*"):
        if file.is_file() and not file.is_socket():
            private = (file.stat().st_mode & 0o077) == 0
            text = file.read_text(errors="replace")
            secrets = installation.stack.installation()["role_passwords"].values()
            assert private or not any(secret in text for secret in secrets), file


def test_postgres_listens_on_loopback_and_wants_a_password(installation):
    server = installation.stack.server
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{server.port}/postgres")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"postgresql://neet_loader:neet_loader@127.0.0.1:{server.port}/neet")
    with psycopg.connect(server.admin_dsn) as admin:
        assert admin.execute("show listen_addresses").fetchone()[0] == "127.0.0.1"
        methods = admin.execute(
            "select distinct auth_method from pg_hba_file_rules where error is null"
        ).fetchall()
    assert methods == [("scram-sha-256",)]


def test_a_crash_is_noticed_and_leaves_nothing_of_the_dead_behind(installation):
    stack = installation.stack
    before = len(stack.crashes())
    pid = stack._rpc.getProcessInfo("scheduler")["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(stack.crashes()) > before)
    assert stack.crashes()[-1]["name"] == "scheduler"
    wait_until(lambda: stack._rpc.getProcessInfo("scheduler")["pid"] not in (0, pid))
    wait_until(lambda: stack.health().get("scheduler") == "healthy")
    wait_until(lambda: not members_of_group(pid))
    assert "scheduler" in installation.neet("status", expect=None).stdout


def test_a_stop_stops_all_and_a_taken_port_is_left_alone():
    home = Path(tempfile.mkdtemp(prefix="neet-stop-"))
    stack = Stack(Settings.load(home))
    try:
        stack.database_up()
        port = stack.server.port
        assert processes_of(home)
        stack.down()
        wait_until(lambda: not processes_of(home), 20)
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", port))
            squatter.listen()
            stack.database_up()
            assert stack.server.port != port
            with psycopg.connect(stack.settings.dsn("auditor")) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
    finally:
        stack.down()
        shutil.rmtree(home, ignore_errors=True)


def test_a_worker_that_outlives_its_scheduler_is_ended():
    """As in a stop that falls on the moment of a fork: the leader is gone, a child that heard no signal is not."""
    leader = subprocess.Popen(
        ["bash", "-c", "trap '' TERM; sleep 300 & exec sleep 0.2"], start_new_session=True
    )
    leader.wait(10)
    assert members_of_group(leader.pid)
    end_group(leader.pid)
    wait_until(lambda: not members_of_group(leader.pid), 10)
    end_group(leader.pid)


def test_a_killed_initdb_does_not_stand_in_the_way(tmp_path):
    folder = Path(tempfile.mkdtemp(prefix="neet-initdb-"))
    try:
        data = folder / "postgres"
        data.mkdir()
        (data / "half-made").write_text("by a process that was killed")
        postgres.create(data, "a-password")
        assert (data / "PG_VERSION").exists()
        assert not (data / "half-made").exists()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
