"""What is fetched from real servers: whole, once, only what was reviewed, and finished after a kill."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os

import pytest
from servers import s3_server, sftp_server, web_server

from tests import airflow_environment  # noqa: F401  isort: skip

from neet.feeds import fetching, landing
from neet.feeds.fetching import FetchFailed, FetchRefused, Ledger
from neet.feeds.sources import SourcesError, parse
from neet.settings import PROJECT_ROOT, Settings
from operators.stores import store_of

pytestmark = pytest.mark.slow

FEED = "contact_attempts"
NAME = "886_contact_attempts_20211215.csv"
CONTENT = b"contact_id,young_persons_id\r\n" + b"1,2\r\n" * 1000


@pytest.fixture
def settings(tmp_path):
    return Settings(PROJECT_ROOT, tmp_path / "home", "886")


@pytest.fixture
def contract(settings):
    return landing.contract_of(settings, FEED)


@pytest.fixture(scope="module")
def sftp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sftp")
    (folder / "out").mkdir()
    with sftp_server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def bucket():
    with s3_server() as made:
        yield made


@pytest.fixture
def web():
    with web_server() as server:
        yield server


def source(url: str, **more):
    given = {"url": url, "expected_from": "2021-09-01", "quiet_seconds": 0} | more
    text = json.dumps({"sources": {FEED: [given]}}).replace('"2021-09-01"', "2021-09-01")
    return parse(text, "sources.yml", {FEED})[FEED][0]


def fetch(settings, contract, one) -> list[str]:
    with store_of(one) as store:
        return [entry.name for entry in fetching.fetch(settings, contract, one, store)]


def errors(settings, contract, one) -> list[Exception]:
    with pytest.raises(ExceptionGroup) as failed:
        fetch(settings, contract, one)
    return list(failed.value.exceptions)


def inbox(settings) -> dict[str, bytes]:
    folder = settings.inbox / FEED
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.exists() else {}


def take(settings) -> None:
    """As the loader does: the inbox is emptied."""
    for file in (settings.inbox / FEED).iterdir():
        file.unlink()


class Place:
    """One of the folder-like places, with what a sender does there."""

    def __init__(self, kind: str, request, monkeypatch, tmp_path) -> None:
        self.kind, self.more = kind, {}
        if kind == "s3":
            self.bucket = request.getfixturevalue("bucket")
            monkeypatch.setenv("AIRFLOW_CONN_OUT", self.bucket.connection())
            self.prefix = tmp_path.name
            self.url = f"s3://county/{self.prefix}"
            self.more = {"connection": "out"}
            self.done = f"{self.prefix}/done"
            return
        if kind == "sftp":
            server = request.getfixturevalue("sftp")
            monkeypatch.setenv("AIRFLOW_CONN_OUT", server.connection())
            self.root, self.more = server.folder / tmp_path.name, {"connection": "out"}
            self.url, self.done = f"sftp:///{tmp_path.name}", f"/{tmp_path.name}/done"
        else:
            self.root = tmp_path / "out"
            self.url, self.done = f"file://{self.root}", f"{self.root}/done"
        self.root.mkdir()

    def put(self, name: str, content: bytes, at: int = 1_640_000_000) -> None:
        if self.kind == "s3":
            self.bucket.client.put_object(
                Bucket="county", Key=f"{self.prefix}/{name}", Body=content
            )
            return
        (self.root / name).write_bytes(content)
        os.utime(self.root / name, (at, at))

    def names(self) -> set[str]:
        if self.kind == "s3":
            found = self.bucket.client.list_objects_v2(Bucket="county", Prefix=self.prefix + "/")
            return {
                each["Key"].removeprefix(self.prefix + "/") for each in found.get("Contents", [])
            }
        return {str(file.relative_to(self.root)) for file in self.root.rglob("*") if file.is_file()}

    def source(self, **more):
        return source(self.url, **(self.more | more))


@pytest.fixture(params=["file", "sftp", "s3"])
def place(request, monkeypatch, tmp_path):
    return Place(request.param, request, monkeypatch, tmp_path)


def test_a_file_comes_whole_and_once(settings, contract, place):
    place.put(NAME, CONTENT)
    one = place.source(glob="*_contact_attempts_*.csv")
    place.put("something_else.csv", b"x")
    place.put(NAME + ".part", b"half")
    assert fetch(settings, contract, one) == [NAME]
    assert inbox(settings) == {NAME: CONTENT}
    take(settings)
    assert fetch(settings, contract, one) == [], "it is known when it is listed again"
    assert inbox(settings) == {}
    assert {NAME, "something_else.csv"} <= place.names(), "left where it was"
    (entry,) = Ledger(settings, FEED).latest.values()
    assert (entry.size, entry.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert "password" not in entry.url and "@" not in entry.url


def test_a_changed_file_comes_again(settings, contract, place):
    place.put(NAME, CONTENT)
    assert fetch(settings, contract, place.source()) == [NAME]
    take(settings)
    place.put(NAME, CONTENT + b"3,4\r\n", at=1_640_000_060)
    assert fetch(settings, contract, place.source()) == [NAME]
    assert inbox(settings)[NAME].endswith(b"3,4\r\n")


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_what_was_fetched_is_cleared_away(settings, contract, place, after):
    place.put(NAME, CONTENT)
    more = {"archive": place.done} if after == "archive" else {}
    assert fetch(settings, contract, place.source(after=after, **more)) == [NAME]
    digest = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert place.names() == ({f"done/{digest}_{NAME}"} if after == "archive" else set())
    assert fetch(settings, contract, place.source(after=after, **more)) == [], "an empty place"


def test_another_content_never_replaces_what_waits_in_the_inbox(settings, contract, place):
    place.put(NAME, CONTENT)
    fetch(settings, contract, place.source())
    place.put(NAME, b"newer", at=1_640_000_060)
    assert fetch(settings, contract, place.source(after="delete")) == []
    assert inbox(settings) == {NAME: CONTENT}
    assert NAME in place.names(), "not cleared away before it is here"
    take(settings)
    assert fetch(settings, contract, place.source(after="delete")) == [NAME]
    assert inbox(settings) == {NAME: b"newer"}


def test_a_name_that_climbs_or_hides_is_refused(settings, contract, tmp_path):
    """An object store knows no folders: its names may say anything."""
    root = tmp_path / "out"
    root.mkdir()
    for name in ("up\\..\\etc.csv", "a\nb.csv", "received.json", "-rf.csv"):
        (root / name).write_bytes(b"x")
    refused = errors(settings, contract, source(f"file://{root}"))
    assert len(refused) == 4 and all(isinstance(each, FetchRefused) for each in refused)
    assert "TEP must have it renamed" in str(refused[0])
    assert inbox(settings) == {}


def test_a_server_that_lists_names_outside_its_folder_is_refused(settings, contract):
    from neet.feeds.stores import FolderStore

    class Hostile:
        protocol = "sftp"

        def invalidate_cache(self): ...

        def ls(self, path, detail):
            return [{"name": f"{path}/../../etc/passwd", "type": "file", "size": 1, "mtime": None}]

    one = source("sftp:///out", connection="out")
    with pytest.raises(ExceptionGroup) as failed:
        fetching.fetch(settings, contract, one, FolderStore(Hostile(), "/out"))
    assert "'../../etc/passwd' is not taken" in str(failed.value.exceptions[0])


def test_links_and_folders_of_the_sender_are_not_followed(settings, contract, tmp_path):
    root = tmp_path / "out"
    (root / "folder.csv").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    (root / NAME).symlink_to(tmp_path / "secret")
    assert fetch(settings, contract, source(f"file://{root}")) == []


def test_a_file_larger_than_its_contract_allows_is_refused_before_it_is_read(
    settings, contract, place
):
    place.put(NAME, CONTENT)
    small = dataclasses.replace(contract, max_bytes=100)
    (refused,) = errors(settings, small, place.source())
    assert isinstance(refused, FetchRefused) and "more than the 100 that" in str(refused)
    assert inbox(settings) == {}


def test_a_file_of_a_moment_ago_is_left_for_the_next_time(settings, contract, tmp_path):
    root = tmp_path / "out"
    root.mkdir()
    (root / NAME).write_bytes(CONTENT)
    one = source(f"file://{root}", quiet_seconds=60)
    assert fetch(settings, contract, one) == []
    os.utime(root / NAME, (1_640_000_000,) * 2)
    assert fetch(settings, contract, one) == [NAME]


def test_a_checksum_beside_the_file_is_compared(settings, contract, place):
    place.put(NAME, CONTENT)
    place.put(NAME + ".sha256", b"0" * 64 + b"  " + NAME.encode())
    (failed,) = errors(settings, contract, place.source())
    assert "its SHA-256 is" in str(failed) and inbox(settings) == {}
    place.put(NAME + ".sha256", hashlib.sha256(CONTENT).hexdigest().encode())
    assert fetch(settings, contract, place.source()) == [NAME]


def test_a_folder_that_is_not_there_is_said(settings, contract, place):
    if place.kind == "s3":
        missing = source("s3://nobody/there", connection="out")
    else:
        missing = source(place.url + "/nowhere", **place.more)
    (failed,) = errors(settings, contract, missing)
    assert isinstance(failed, FetchFailed) and "sources.yml" in str(failed)


class Killed(BaseException):
    """As SIGKILL: nothing is caught, nothing cleaned up."""


@pytest.mark.parametrize("step", ["copied", "placing", "renamed"])
def test_killed_half_way_it_is_finished_once(settings, contract, place, monkeypatch, step):
    place.put(NAME, CONTENT)
    one = place.source()

    def kill(*_, **__):
        raise Killed

    write, replace = Ledger.write, os.replace
    with monkeypatch.context() as patch:
        if step == "copied":
            patch.setattr(Ledger, "write", kill)
        elif step == "placing":
            patch.setattr(fetching.os, "replace", kill)
        else:
            patch.setattr(
                Ledger, "write",
                lambda self, entry: write(self, entry) if entry.state == "placing" else kill(),
            )  # fmt: skip
        with pytest.raises(Killed):
            fetch(settings, contract, one)
    assert os.replace is replace
    if step == "renamed":
        assert inbox(settings) == {NAME: CONTENT}
        take(settings)
        assert fetch(settings, contract, one) == [NAME], "it is written down as placed"
        assert inbox(settings) == {}, "but not placed twice"
    else:
        assert inbox(settings) == {}
        assert fetch(settings, contract, one) == [NAME]
        assert inbox(settings) == {NAME: CONTENT}
        take(settings)
    assert fetch(settings, contract, one) == [] and inbox(settings) == {}


def test_half_a_line_of_the_ledger_does_no_harm(settings, contract, place):
    place.put(NAME, CONTENT)
    fetch(settings, contract, place.source())
    take(settings)
    ledger = settings.home / "fetched" / f"{FEED}.jsonl"
    with ledger.open("a") as out:
        out.write('{"feed": "contact_att')
    place.put("b.csv", b"b")
    assert fetch(settings, contract, place.source()) == ["b.csv"]
    take(settings)
    assert fetch(settings, contract, place.source()) == []


def test_a_copy_that_broke_off_goes_on_where_it_stopped(settings, contract, place, monkeypatch):
    content = os.urandom(3 << 20)
    place.put(NAME, content)
    offsets = []
    opened = fetching.Store

    class Breaking:
        """Breaks off after a megabyte, the first time."""

        def __init__(self, store):
            self.store = store

        def __getattr__(self, name):
            return getattr(self.store, name)

        def open(self, remote, offset):
            offsets.append(offset)
            context = self.store.open(remote, offset)
            if offset:
                return context

            class Half:
                def __enter__(self):
                    reader, reads = context.__enter__(), []

                    class Reader:
                        def read(self, size):
                            reads.append(size)
                            if len(reads) > 1:
                                raise ConnectionResetError("the line went dead")
                            return reader.read(size)

                    return Reader()

                def __exit__(self, *error):
                    return context.__exit__(*error)

            return Half()

    assert opened is fetching.Store
    one = place.source()
    with store_of(one) as store, pytest.raises(ExceptionGroup) as failed:
        fetching.fetch(settings, contract, one, Breaking(store))
    assert "the line went dead" in str(failed.value.exceptions[0]) and inbox(settings) == {}
    with store_of(one) as store:
        assert len(fetching.fetch(settings, contract, one, Breaking(store))) == 1
    assert offsets == [0, 1 << 20]
    assert inbox(settings) == {NAME: content}


def test_a_copy_of_a_file_that_has_changed_since_begins_anew(settings, contract, place):
    place.put(NAME, CONTENT)
    parts = settings.inbox / fetching.FETCHING / FEED
    one = place.source()
    with store_of(one) as store:
        (remote,) = store.list(lambda _: None)
        url = fetching._url(one, remote.path)
        parts.mkdir(parents=True)
        key = hashlib.sha256(url.encode()).hexdigest()[:24]
        (parts / f"{key}.part").write_bytes(b"of the file as it was")
        landing.write_json(parts / f"{key}.json", {"version": "another", "size": remote.size})
    assert fetch(settings, contract, one) == [NAME]
    assert inbox(settings) == {NAME: CONTENT}


def test_a_file_that_changes_while_it_is_copied_is_not_taken(settings, contract, place):
    place.put(NAME, CONTENT)
    one = place.source()

    class Growing:
        def __init__(self, store):
            self.store = store

        def __getattr__(self, name):
            return getattr(self.store, name)

        def open(self, remote, offset):
            place.put(NAME, CONTENT[::-1], at=1_640_000_060)  # of the same size
            return self.store.open(remote, offset)

    with store_of(one) as store, pytest.raises(ExceptionGroup):
        fetching.fetch(settings, contract, one, Growing(store))
    assert inbox(settings) == {}
    assert fetch(settings, contract, one) == [NAME]
    assert inbox(settings) == {NAME: CONTENT[::-1]}


# -- SFTP: who the server is -------------------------------------------------------------------


def test_a_server_with_another_key_gets_no_password(
    settings, contract, sftp, monkeypatch, tmp_path
):
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    monkeypatch.setenv("AIRFLOW_CONN_OUT", sftp.connection(host_key=other))
    before = len(sftp.logins)
    with pytest.raises(Exception, match="[Hh]ost key"):
        fetch(settings, contract, source("sftp:///out", connection="out"))
    assert len(sftp.logins) == before


def test_an_unknown_server_is_not_trusted(settings, contract, sftp, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    told = json.loads(sftp.connection())
    told["extra"] = {}
    monkeypatch.setenv("AIRFLOW_CONN_OUT", json.dumps(told))
    before = len(sftp.logins)
    with pytest.raises(Exception, match="not found in known_hosts"):
        fetch(settings, contract, source("sftp:///out", connection="out"))
    assert len(sftp.logins) == before


def test_a_connection_that_trusts_blindly_is_refused(settings, contract, sftp, monkeypatch):
    told = json.loads(sftp.connection())
    told["extra"] = {"no_host_key_check": "true"}
    monkeypatch.setenv("AIRFLOW_CONN_OUT", json.dumps(told))
    with pytest.raises(SourcesError, match="anybody could stand in"):
        fetch(settings, contract, source("sftp:///out", connection="out"))


def test_a_connection_that_is_missing_is_named(settings, contract):
    with pytest.raises(SourcesError, match="no Airflow connection 'none_such'"):
        fetch(settings, contract, source("sftp:///out", connection="none_such"))


# -- the web -----------------------------------------------------------------------------------

PAGE = "/files/scorecard.csv"


def page(web, **more):
    return source(web.url + PAGE, name=NAME, **more)


def test_a_web_file_is_asked_for_again_only_by_its_tag(settings, contract, web):
    web.files[PAGE] = CONTENT
    assert fetch(settings, contract, page(web)) == [NAME]
    take(settings)
    assert fetch(settings, contract, page(web)) == []
    assert len(web.requests) == 2 and "If-None-Match" in web.requests[1][1]
    web.files[PAGE] = CONTENT + b"more"
    assert fetch(settings, contract, page(web)) == [NAME]


def test_a_web_file_without_a_tag_is_compared_by_its_content(settings, contract, web):
    web.files[PAGE], web.etag, web.length = CONTENT, False, False
    assert fetch(settings, contract, page(web)) == [NAME]
    take(settings)
    assert fetch(settings, contract, page(web)) == [] and inbox(settings) == {}


def test_a_web_file_without_a_length_stops_at_the_contracts_limit(settings, contract, web):
    web.files[PAGE], web.length = b"x" * (5 << 20), False
    (refused,) = errors(settings, dataclasses.replace(contract, max_bytes=1 << 20), page(web))
    assert isinstance(refused, FetchRefused) and "maxBytes" in str(refused)
    assert [
        f for f in (settings.inbox / fetching.FETCHING / FEED).iterdir() if f.suffix == ".part"
    ] == []


def test_a_web_file_that_broke_off_is_never_half_and_goes_on(settings, contract, web):
    web.files[PAGE], web.cut = os.urandom(3 << 20), 2 << 20
    (failed,) = errors(settings, contract, page(web))
    assert isinstance(failed, FetchFailed) and inbox(settings) == {}
    assert fetch(settings, contract, page(web)) == [NAME]
    assert inbox(settings) == {NAME: web.files[PAGE]}
    assert any("Range" in headers for _, headers in web.requests)


def test_a_redirect_on_the_same_server_is_followed_and_to_another_refused(settings, contract, web):
    web.files["/new"] = CONTENT
    web.redirects[PAGE] = "/new"
    assert fetch(settings, contract, page(web)) == [NAME]
    for elsewhere in (
        f"http://localhost:{web.port}/new",
        "file:///etc/passwd",
        "http://127.0.0.1:1/new",
    ):
        web.redirects[PAGE] = elsewhere
        (refused,) = errors(settings, contract, page(web))
        assert isinstance(refused, FetchRefused) and "another server" in str(refused)
    web.redirects[PAGE] = PAGE
    (failed,) = errors(settings, contract, page(web))
    assert "circle" in str(failed)


def test_a_web_page_that_is_gone_is_said(settings, contract, web):
    (failed,) = errors(settings, contract, page(web))
    assert isinstance(failed, FetchFailed) and "answers 404" in str(failed)


def test_an_account_is_not_shown_to_another_server(settings, contract, web, monkeypatch):
    from servers import connection

    web.files[PAGE] = CONTENT
    monkeypatch.setenv("AIRFLOW_CONN_WEB", connection("http", web.port, host="http://127.0.0.1"))
    assert fetch(settings, contract, page(web, connection="web")) == [NAME]
    assert web.requests[0][1]["Authorization"].startswith("Basic ")
    monkeypatch.setenv("AIRFLOW_CONN_WEB", connection("http", web.port, host="http://elsewhere"))
    with pytest.raises(SourcesError, match="not shown to another server"):
        fetch(settings, contract, page(web, connection="web"))
