"""The same against OpenSSH's own server, as Debian ships it: what most senders run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from servers import install_sshd, openssh_server

from tests import airflow_environment  # noqa: F401  isort: skip

from neet.feeds import fetching, landing
from neet.feeds.sources import parse
from neet.settings import PROJECT_ROOT, Settings
from operators.stores import store_of

pytestmark = pytest.mark.system

FEED, NAME = "contact_attempts", "886_contact_attempts_20211215.csv"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """On the loopback, on a free port, with keys made for it, for the account that runs the test."""
    program = install_sshd()
    with openssh_server(program, tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def settings(tmp_path):
    return Settings(PROJECT_ROOT, tmp_path / "home", "886")


def source(folder: Path, **more):
    entry = {"url": f"sftp://{folder}", "connection": "sender", "quiet_seconds": 0} | more
    text = json.dumps({"sources": {FEED: [entry | {"expected_from": "DAY"}]}})
    return parse(text.replace('"DAY"', "2021-09-01"), "sources.yml", {FEED})[FEED][0]


def fetch(settings, one) -> list[str]:
    with store_of(one) as store:
        found = fetching.fetch(settings, landing.contract_of(settings, FEED), one, store)
    return [entry.name for entry in found]


def test_a_round_trip_of_many_files_and_a_large_one(sshd, settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SENDER", sshd.connection())
    out = sshd.folder / "out"
    out.mkdir()
    contents = {
        f"886_contact_attempts_202112{day:02d}.csv": os.urandom(1000) for day in range(1, 29)
    }
    contents[NAME] = os.urandom(20 << 20)
    for name, content in contents.items():
        (out / name).write_bytes(content)
    (out / "link.csv").symlink_to("/etc/hostname")
    one = source(out, after="archive", archive=str(sshd.folder / "done"))
    assert sorted(fetch(settings, one)) == sorted(contents)
    inbox = settings.inbox / FEED
    assert {file.name: file.read_bytes() for file in inbox.iterdir()} == contents
    assert [file.name for file in out.iterdir()] == ["link.csv"]
    assert len(list((sshd.folder / "done").iterdir())) == len(contents)
    assert fetch(settings, one) == []


def test_a_copy_goes_on_and_another_key_is_refused(sshd, settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SENDER", sshd.connection())
    out = sshd.folder / "again"
    out.mkdir()
    content = os.urandom(5 << 20)
    (out / NAME).write_bytes(content)
    one = source(out)
    opened, offsets = fetching._Place._copy, []

    def breaking(self, source, store, remote, *rest):
        real = store.open

        def half(remote, offset):
            offsets.append(offset)
            if not offset:
                store.fs.ftp.get_channel().get_transport().close()
            return real(remote, offset)

        parts = self.parts / "x"
        assert not parts.exists()
        store.open = half
        try:
            return opened(self, source, store, remote, *rest)
        finally:
            store.open = real

    with monkeypatch.context() as patch:
        patch.setattr(fetching._Place, "_copy", breaking)
        with pytest.raises(ExceptionGroup):
            fetch(settings, one)
    assert offsets == [0] and not (settings.inbox / FEED / NAME).exists()
    assert fetch(settings, one) == [NAME]
    assert (settings.inbox / FEED / NAME).read_bytes() == content
    other = sshd.folder / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    stranger = " ".join(Path(f"{other}.pub").read_text().split()[:2])
    monkeypatch.setenv("AIRFLOW_CONN_SENDER", sshd.connection(host_key=stranger))
    with pytest.raises(Exception, match="[Hh]ost key"):
        fetch(settings, one)
