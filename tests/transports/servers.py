"""Real servers that tests fetch from, each in this process, each on a port of its own on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import getpass
import http.server
import json
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from neet.services.postgres import free_port

USER, PASSWORD = "county", "a-password-of-tests"


@dataclass
class Sftp:
    """An SFTP server over a folder."""

    folder: Path
    port: int
    host_key: str
    logins: list[str] = field(default_factory=list)

    def connection(self, **extra) -> str:
        """The Airflow connection, as JSON."""
        return connection("sftp", port=self.port, extra={"host_key": self.host_key} | extra)


def connection(kind: str, port: int | None = None, *, extra=None, host="127.0.0.1", **more) -> str:
    """An Airflow connection in the form that an environment variable holds."""
    told = {"conn_type": kind, "host": host, "login": USER, "password": PASSWORD, "port": port}
    return json.dumps(told | more | {"extra": extra or {}})


@contextlib.contextmanager
def sftp_server(folder: Path) -> Iterator[Sftp]:
    """asyncssh's server, showing ``folder`` as ``/``."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    public = key.export_public_key().decode().strip()
    server = Sftp(folder, 0, public)

    class Login(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            server.logins.append(username)
            return (username, password) == (USER, PASSWORD)

    started, loop = threading.Event(), asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)

        async def listen():
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=Login,
                server_host_keys=[key],
                sftp_factory=functools.partial(asyncssh.SFTPServer, chroot=str(folder)),
            )

        listener = loop.run_until_complete(listen())
        server.port = listener.get_port()
        started.set()
        loop.run_forever()
        listener.close()
        loop.run_until_complete(listener.wait_closed())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)


@dataclass
class Web:
    """A web server whose answers a test prepares.

    Attributes:
        files: content by path.
        etag, length: whether those headers are sent.
        redirects: location by path.
        cut: bytes after which the next whole answer breaks off.
        requests: (method, path, headers) of every request.
    """

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    etag: bool = True
    length: bool = True
    cut: int | None = None
    account: str | None = None
    requests: list[tuple[str, dict]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def web_server() -> Iterator[Web]:
    """``http.server`` with entity tags and ranges."""
    web = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None: ...

        def do_GET(self) -> None:
            web.requests.append((self.path, dict(self.headers)))
            if self.path in web.redirects:
                self._say(302, b"", {"Location": web.redirects[self.path]})
                return
            if self.path not in web.files:
                self._say(404, b"")
                return
            content = web.files[self.path]
            tag = f'"{hash(content)}"'
            headers = {"ETag": tag} if web.etag else {}
            if web.etag and self.headers.get("If-None-Match") == tag:
                self._say(304, b"", headers)
                return
            status = 200
            wanted = self.headers.get("Range")
            if wanted and self.headers.get("If-Range") == tag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                content, status = content[start:], 206
            self._say(status, content, headers)

        def _say(self, status: int, content: bytes, headers: dict | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if web.length:
                self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            cut, web.cut = web.cut if content else None, None if content else web.cut
            self.wfile.write(content[:cut])
            self.wfile.flush()
            self.close_connection = True

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)


@dataclass
class Bucket:
    """A bucket of an S3 server, and a client to fill it with."""

    name: str
    endpoint: str
    client: object

    def connection(self) -> str:
        return json.dumps(
            {
                "conn_type": "aws",
                "login": "test-key",
                "password": "test-secret",
                "extra": {"endpoint_url": self.endpoint, "region_name": "eu-west-2"},
            }
        )


@contextlib.contextmanager
def s3_server() -> Iterator[Bucket]:
    """moto's server with one bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="eu-west-2",
        aws_access_key_id="test-key", aws_secret_access_key="test-secret",
    )  # fmt: skip
    # A server that is slow to answer is asked again, and has made the bucket at the first time.
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(
            Bucket="county", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"}
        )
    try:
        yield Bucket("county", endpoint, client)
    finally:
        server.stop()


@dataclass
class OpenSsh:
    """OpenSSH's server, over the whole file system of the account that runs it."""

    port: int
    host_key: str
    user: str
    private_key: str
    folder: Path

    def connection(self, **extra) -> str:
        """The Airflow connection, as JSON."""
        told = {
            "conn_type": "sftp",
            "host": "127.0.0.1",
            "port": self.port,
            "login": self.user,
            "extra": {"private_key": self.private_key, "host_key": self.host_key} | extra,
        }
        return json.dumps(told)


def find_sshd() -> str | None:
    """OpenSSH's server, where it is installed."""
    return shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")


def install_sshd() -> str:
    """OpenSSH's server, from Debian's package where it is absent."""
    if find_sshd() is None:
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", "openssh-server"],
        ):
            subprocess.run(
                [*as_root, "apt-get", *command], check=True, env=environment, capture_output=True
            )
    return find_sshd()


@contextlib.contextmanager
def openssh_server(program: str, folder: Path) -> Iterator[OpenSsh]:
    """``sshd`` on the loopback, on a free port, with keys made for it.

    Args:
        program: path of sshd.
        folder: for keys and configuration; ``shared`` in it is for files.
    """
    for name in ("host", "client"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    port = free_port()
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    configuration = folder / "sshd_config"
    configuration.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUsePAM no\n"
        "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    log = folder / "sshd.log"
    with log.open("wb") as told:
        process = subprocess.Popen([program, "-D", "-e", "-f", configuration], stderr=told)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        shared = folder / "shared"
        shared.mkdir()
        yield OpenSsh(
            port,
            " ".join((folder / "host.pub").read_text().split()[:2]),
            getpass.getuser(),
            (folder / "client").read_text(),
            shared,
        )
    finally:
        process.terminate()
        process.wait(20)
