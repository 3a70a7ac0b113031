"""Starts, stops and watches everything a one-machine installation runs.

Supervisor (the process manager) runs PostgreSQL and the four Airflow daemons, each in its own process
group, restarts what crashes and writes down that it did. Passwords, ports and keys are made once and kept in
``<home>/run/installation.json`` (mode 0600).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import psycopg
from supervisor.xmlrpc import SupervisorTransport

from neet import database
from neet.services import postgres
from neet.settings import ROLES, Settings
from neet.version import fingerprint

AIRFLOW_DAEMONS = ("api-server", "scheduler", "dag-processor", "triggerer")
PROGRAMS = ("postgres", *AIRFLOW_DAEMONS)
# user: role of Airflow's simple auth manager. The service account triggers runs and answers sign-offs
# for `neet census --sign --by`; people log in as themselves.
AIRFLOW_USERS = {"admin": "admin", "mi_officer": "op", "neet_cli": "op"}

Say = Callable[[str], None]


class StackError(RuntimeError):
    """A service would not start or died; the message names it, its log and what to do."""


def _silent(_: str) -> None: ...


def _atomic_write(file: Path, text: str) -> None:
    """Write a private file in one step: a reader sees the old text or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w") as out:
        out.write(text)
    os.replace(name, file)


def end_group(group: int) -> None:
    """Kill what is left of a process group whose leader has ended; nothing when nothing is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class Stack:
    """The services of one installation.

    Args:
        settings: which installation.
        say: called with a line of progress for a person.
    """

    def __init__(self, settings: Settings, say: Say = _silent) -> None:
        self.settings = settings
        self.say = say

    # -- what was generated once ---------------------------------------------------------------

    @property
    def _installation_file(self) -> Path:
        return self.settings.run / "installation.json"

    def installation(self) -> dict:
        """Ports, passwords and keys; made at the first call.

        ``live_from``: automatic runs begin with the first that falls due at or after this moment (ISO, UTC);
        earlier ones are backfilled.
        """
        if self._installation_file.exists():
            return json.loads(self._installation_file.read_text())
        from cryptography.fernet import Fernet

        made = {
            "postgres_port": postgres.free_port(),
            "api_port": postgres.free_port(preferred=8080),
            "worker_log_port": postgres.free_port(),
            "trigger_log_port": postgres.free_port(),
            "postgres_password": secrets.token_urlsafe(24),
            "airflow_database_password": secrets.token_urlsafe(24),
            "role_passwords": {role: secrets.token_urlsafe(24) for role in ROLES},
            "airflow_users": {user: secrets.token_urlsafe(12) for user in AIRFLOW_USERS},
            "fernet_key": Fernet.generate_key().decode(),
            "api_secret": secrets.token_hex(32),
            "jwt_secret": secrets.token_hex(32),
            "live_from": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        _atomic_write(self._installation_file, json.dumps(made, indent=1))
        return made

    @property
    def server(self) -> postgres.Server:
        installation = self.installation()
        return postgres.Server(
            self.settings.home / "postgres",
            installation["postgres_port"],
            installation["postgres_password"],
        )

    @property
    def airflow_dsn(self) -> str | None:
        """Connection string of Airflow's metadata; ``None`` before anything was set up."""
        if not self._installation_file.exists():
            return None
        password = self.installation()["airflow_database_password"]
        return self.server.role_dsn("neet_airflow", password, "airflow")

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.installation()['api_port']}"

    def environment(self) -> dict[str, str]:
        """The environment of every service and task: paths, connections, telemetry off."""
        settings, made = self.settings, self.installation()
        server = self.server
        airflow_dsn = (
            f"postgresql+psycopg2://neet_airflow:{made['airflow_database_password']}"
            f"@127.0.0.1:{server.port}/airflow"
        )
        roles = {
            role: server.role_dsn(f"neet_{role}", made["role_passwords"][role], "neet")
            for role in ROLES
        }
        # The owner's connection stays out: tasks have no business migrating or dropping.
        connections = {
            f"AIRFLOW_CONN_NEET_{role.upper()}": roles[role].replace(
                "postgresql://", "postgres://", 1
            )
            for role in ROLES
            if role != "owner"
        }
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "PYTHONPATH": str(settings.root / "plugins"),
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": os.environ.get("HOME", str(settings.home)),
            "NEET_HOME": str(settings.home),
            "NEET_LA_CODE": settings.la_code,
            "NEET_LIVE_FROM": made["live_from"],
            "GX_ANALYTICS_ENABLED": "False",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
            "SCARF_ANALYTICS": "false",
            "DO_NOT_TRACK": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(settings.home / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(settings.root / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.root / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__FERNET_KEY": made["fernet_key"],
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.api_url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{user}:{role}" for user, role in AIRFLOW_USERS.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(
                settings.run / "airflow_passwords.json"
            ),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow_dsn,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": airflow_dsn.replace("psycopg2", "asyncpg"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "5",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(made["api_port"]),
            "AIRFLOW__API__BASE_URL": self.api_url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": made["api_secret"],
            "AIRFLOW__API_AUTH__JWT_SECRET": made["jwt_secret"],
            "AIRFLOW__API_AUTH__JWT_ISSUER": "neet",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(settings.logs / "airflow"),
            # Great Expectations tells two lines about each rule's internals, and a library of Airflow's and dbt's that
            # a name of its own is out of date: nobody who reads a task's log can do anything about either.
            "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
            "PYTHONWARNINGS": "ignore:GitWildMatchPattern:DeprecationWarning",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(made["worker_log_port"]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(made["trigger_log_port"]),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            # Tasks are forked from a server that has dbt and Great Expectations in memory already: seven seconds a
            # task that each would otherwise spend on importing them.
            "AIRFLOW__SCHEDULER__MP_START_METHOD": "forkserver",
            "AIRFLOW__CORE__MP_FORKSERVER_PRELOAD": (
                "airflow.sdk.execution_time.task_runner,airflow.dag_processing.dagbag,dbt.cli.main,great_expectations,"
                "open_data_contract_standard.model,openlineage.client.event_v2"
            ),
            # The gaps between tasks: how long the scheduler rests, and how long a slot stays taken.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            # Airflow's own lineage events, beside those of neet.lineage; told in a thread, for a fork a task would cost more.
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {
                    "type": "file",
                    "log_file_path": str(settings.home / "lineage" / "airflow.ndjson"),
                    "append": True,
                }
            ),
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "neet",
            "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD": "True",
        }
        environment |= connections
        for name, value in os.environ.items():
            # Certificate settings that some networks need; the connections and the list of an installation's sources.
            if (
                "CERT" in name
                or "CA_BUNDLE" in name
                or name == "NEET_SOURCES"
                or name.startswith("AIRFLOW_CONN_")
            ):
                environment.setdefault(name, value)
        return environment

    # -- supervisor ----------------------------------------------------------------------------

    @property
    def _socket(self) -> Path:
        """Supervisor's socket: beside the other state, or, where that path is too long for a Unix
        socket (about 100 bytes), in the temporary folder."""
        beside = self.settings.run / "supervisor.sock"
        if len(str(beside).encode()) < 96:
            return beside
        key = hashlib.sha256(str(self.settings.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"neet-{os.geteuid()}-{key}.sock"

    @property
    def _rpc(self) -> xmlrpc.client.ServerProxy:
        return xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{self._socket}")
        ).supervisor

    def _supervised(self) -> bool:
        try:
            return self._rpc.getState()["statename"] == "RUNNING"
        except (OSError, xmlrpc.client.Error):
            return False

    def _configuration(self) -> str:
        logs, run = self.settings.logs, self.settings.run
        airflow = Path(sys.executable).parent / "airflow"
        postgres_command, postgres_user = postgres.command(self.server.data, self.server.port)
        sections = [
            "[unix_http_server]",
            f"file={self._socket}",
            "chmod=0600",
            "[supervisord]",
            f"logfile={logs / 'supervisor.log'}",
            "logfile_maxbytes=10MB",
            f"pidfile={run / 'supervisor.pid'}",
            *(["user=root"] if os.geteuid() == 0 else []),
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
            "[eventlistener:crashes]",
            f"command={shlex.quote(sys.executable)} -m neet.services.crashes {shlex.quote(str(logs / 'crashes.jsonl'))}",
            "events=PROCESS_STATE_EXITED,PROCESS_STATE_FATAL",
            f"stderr_logfile={logs / 'crashes.log'}",
            "[program:postgres]",
            f"command={shlex.join(postgres_command)}",
            "directory=/",
            *([f"user={postgres_user}"] if postgres_user else []),
            "autostart=false",
            "stopsignal=INT",
            "stopwaitsecs=60",
            "startsecs=1",
            "redirect_stderr=true",
            f"stdout_logfile={logs / 'postgres.log'}",
        ]
        for daemon in AIRFLOW_DAEMONS:
            sections += [
                f"[program:{daemon}]",
                f"command={shlex.quote(str(airflow))} {daemon}",
                f"directory={self.settings.home}",
                "autostart=false",
                "autorestart=true",
                "startsecs=5",
                "startretries=3",
                "stopasgroup=true",
                "killasgroup=true",
                "stopwaitsecs=8",
                "redirect_stderr=true",
                f"stdout_logfile={logs / f'{daemon}.log'}",
            ]
        return "\n".join(section.replace("%", "%%") for section in sections) + "\n"

    def _start_supervisor(self) -> None:
        configuration = self.settings.run / "supervisord.conf"
        _atomic_write(configuration, self._configuration())
        done = subprocess.run(
            [Path(sys.executable).parent / "supervisord", "-c", configuration],
            env=self.environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"Supervisor did not start:\n{done.stdout}{done.stderr}")
        self._wait("supervisor", self._supervised, 20)

    def _wait(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for a service, but no longer than it lives."""
        deadline = time.monotonic() + seconds
        while not ready():
            state = self.states().get(name)
            if state in ("FATAL", "EXITED") or time.monotonic() > deadline:
                log = self.settings.logs / f"{name}.log"
                tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
                raise StackError(
                    f"{name} did not come up ({state or 'not supervised'}). The end of {log}:\n{tail}\n"
                    "Mend the cause above, then run `./neet up` again."
                )
            time.sleep(0.2)

    def states(self) -> dict[str, str]:
        """State of each program as Supervisor names it; empty when Supervisor does not run."""
        try:
            return {
                p["name"]: p["statename"]
                for p in self._rpc.getAllProcessInfo()
                if p["name"] in PROGRAMS
            }
        except (OSError, xmlrpc.client.Error):
            return {}

    # -- up and down ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one ``up`` or ``down`` at a time."""
        self.settings.run.mkdir(parents=True, exist_ok=True)
        with (self.settings.run / "stack.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def database_up(self) -> None:
        """PostgreSQL alone, migrated: enough for deliveries, SQL and rebuilds."""
        with self._alone():
            self._database_up()

    def _database_up(self) -> None:
        for folder in (
            self.settings.home,
            self.settings.logs,
            self.settings.inbox,
            self.settings.home / "lineage",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        if not self._supervised():
            self._leave_taken_ports()
        server, made = self.server, self.installation()
        dsn = {
            role: server.role_dsn(f"neet_{role}", made["role_passwords"][role], "neet")
            for role in ROLES
        }
        _atomic_write(self.settings.run / "warehouse.json", json.dumps({"dsn": dsn}, indent=1))
        if not (server.data / "PG_VERSION").exists():
            self.say("Creating the database cluster")
        postgres.create(server.data, server.password)
        if not self._supervised():
            self._start_supervisor()
        if self.states().get("postgres") not in ("RUNNING", "STARTING"):
            self.say(f"Starting PostgreSQL on 127.0.0.1:{server.port}")
            self._rpc.startProcess("postgres", False)
        self._wait("postgres", self._postgres_answers, 60)
        self._migrate(made, dsn["owner"])

    def _leave_taken_ports(self) -> None:
        """Choose other ports than those something else on the machine has taken since last time."""
        made = self.installation()
        taken = [
            name for name in made if name.endswith("_port") and not postgres.claim_port(made[name])
        ]
        if taken:
            made |= {name: postgres.free_port() for name in taken}
            _atomic_write(self._installation_file, json.dumps(made, indent=1))

    def _postgres_answers(self) -> bool:
        try:
            psycopg.connect(self.server.admin_dsn, connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    def _migrate(self, made: dict, owner_dsn: str) -> None:
        """Bring both databases to the newest revision; skipped when nothing that defines them changed."""
        key = "|".join(
            [fingerprint(self.settings.root, ("migrations", "expectations/feeds", "plugins/neet/feeds")),
             version("apache-airflow-core"), str(self.server.data.stat().st_ino)]
        )  # fmt: skip
        stamp = self.settings.run / "migrated"
        if stamp.exists() and stamp.read_text() == key:
            return
        self.say("Migrating the warehouse and Airflow's metadata")
        database.create_roles(self.server.admin_dsn, "neet", made["role_passwords"])
        database.create_login_database(
            self.server.admin_dsn, "airflow", "neet_airflow", made["airflow_database_password"]
        )
        airflow_migration = subprocess.Popen(
            [Path(sys.executable).parent / "airflow", "db", "migrate"],
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        database.migrate(owner_dsn)
        output, _ = airflow_migration.communicate()
        if airflow_migration.returncode:
            raise StackError(f"`airflow db migrate` failed:\n{output[-3000:]}")
        _atomic_write(stamp, key)

    def up(self) -> None:
        """Everything, idempotent: what runs already is left alone.

        Raises:
            StackError: a service did not come up.
        """
        with self._alone():
            self._database_up()
            made = self.installation()
            _atomic_write(
                self.settings.run / "airflow_passwords.json", json.dumps(made["airflow_users"])
            )
            states = self.states()
            stopped = [d for d in AIRFLOW_DAEMONS if states.get(d) not in ("RUNNING", "STARTING")]
            if stopped:
                self.say("Starting Airflow: " + ", ".join(stopped))
            for daemon in stopped:
                self._rpc.startProcess(daemon, False)
            for daemon in AIRFLOW_DAEMONS:
                self._wait(daemon, lambda name=daemon: self.health().get(name) == "healthy", 120)

    def health(self) -> dict[str, str]:
        """``healthy`` or not, by Airflow's own account of its daemons' heartbeats.

        Empty while Supervisor does not say that the API server runs: what answers on its port is then another's.
        """
        import httpx

        if self.states().get("api-server") != "RUNNING":
            return {}
        try:
            answer = httpx.get(f"{self.api_url}/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return {}
        named = {
            "scheduler": "scheduler",
            "dag-processor": "dag_processor",
            "triggerer": "triggerer",
        }
        return {"api-server": "healthy"} | {
            name: (answer.get(key) or {}).get("status") or "unknown" for name, key in named.items()
        }

    def down(self) -> None:
        """Stop every service and Supervisor itself; returns when none of them is left."""
        with self._alone():
            if not self._supervised():
                return
            process = self._rpc.getPID()
            self.say("Stopping Airflow")
            self._stop(AIRFLOW_DAEMONS)
            self.say("Stopping PostgreSQL")
            self._stop(("postgres",))
            self._rpc.shutdown()
            deadline = time.monotonic() + 60
            while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
                time.sleep(0.1)

    def _stop(self, names: tuple[str, ...]) -> None:
        """Stop several programs at the same time and wait for the last; then end what they left in their groups.

        A worker that was forked while its scheduler was told to stop never heard of it.
        """
        running = ("RUNNING", "STARTING", "BACKOFF", "STOPPING")
        groups = {p["name"]: p["pid"] for p in self._rpc.getAllProcessInfo() if p["name"] in names}
        for name in names:
            if self.states().get(name) in running[:3]:
                self._rpc.stopProcess(name, False)
        while any(self.states().get(name) in running for name in names):
            time.sleep(0.1)
        for group in groups.values():
            if group:  # nought: it did not run
                end_group(group)

    def crashes(self) -> list[dict]:
        """Unexpected ends of services, oldest first: ``name``, ``at`` (ISO, UTC), ``state``."""
        file = self.settings.logs / "crashes.jsonl"
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text().splitlines() if line]
