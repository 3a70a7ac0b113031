"""The places files are fetched from: folders that an fsspec file system opens, and single files of the web."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import io
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from neet.feeds.fetching import FetchFailed, FetchRefused, NotResumable, Remote

if TYPE_CHECKING:
    import requests
    from fsspec import AbstractFileSystem

BLOCK_BYTES = 8 << 20
TIMEOUT_SECONDS = (15, 120)
REDIRECTS = 5
PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")
DEFAULT_PORTS = {"http": 80, "https": 443}


class FolderStore:
    """A folder: local, SFTP, or the prefix of a bucket.

    Args:
        fs: an fsspec file system that is logged in already.
        folder: its path there.
    """

    def __init__(self, fs: AbstractFileSystem, folder: str) -> None:
        self.fs = fs
        self.folder = folder.rstrip("/") or "/"

    @property
    def _is_bucket(self) -> bool:
        return "s3" in self.fs.protocol

    def list(self, known: Callable[[str], str | None]) -> list[Remote]:
        self.fs.invalidate_cache()
        found = []
        try:
            listed = self.fs.ls(self.folder, detail=True)
        except FileNotFoundError:
            if not (self._is_bucket and self.fs.exists(self.folder.split("/")[0])):
                raise
            listed = []  # a bucket knows no folders: an empty one is not there
        for entry in listed:
            if entry.get("type") == "file" and not entry.get("islink"):
                # What a hostile server lists may climb: then the name is no plain one, and is refused.
                remote = _remote(entry, entry["name"].removeprefix(self.folder.rstrip("/") + "/"))
                if remote.name:  # a bucket may hold an object that stands for the folder
                    found.append(remote)
        return found

    def again(self, remote: Remote) -> Remote | None:
        self.fs.invalidate_cache()
        try:
            return _remote(self.fs.info(remote.path) | {"name": remote.path}, remote.name)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def open(self, remote: Remote, offset: int) -> Iterator[BinaryIO]:
        with self.fs.open(remote.path, "rb", block_size=BLOCK_BYTES) as handle:
            if offset:
                handle.seek(offset)
            yield handle

    def delete(self, remote: Remote) -> None:
        self.fs.rm_file(remote.path)

    def move(self, remote: Remote, folder: str, name: str) -> None:
        target = posixpath.join(folder, name)
        if self._is_bucket:
            target = posixpath.join(remote.path.split("/")[0], folder.strip("/"), name)
        else:
            self.fs.makedirs(folder, exist_ok=True)
        self.fs.mv(remote.path, target)


def _remote(entry: dict[str, Any], name: str) -> Remote:
    path = entry["name"]
    tag = (entry.get("ETag") or "").strip('"')
    modified = entry.get("LastModified", entry.get("mtime"))
    if isinstance(modified, int | float):
        when = dt.datetime.fromtimestamp(modified, dt.UTC)
    else:
        when = modified
    size = entry.get("size")
    return Remote(
        name=name,
        path=path,
        version=tag or f"{modified!r}:{size}",
        size=size,
        modified=when,
        md5=tag if PLAIN_MD5.fullmatch(tag) and "mtime" not in entry else None,
    )


class WebStore:
    """One file of a web server.

    Args:
        session: with the account, headers and certificates of the connection.
        url: of the file.
        name: what it is called in the inbox.
    """

    def __init__(self, session: requests.Session, url: str, name: str) -> None:
        self.session = session
        self.url = url
        self.name = name
        self._answer: requests.Response | None = None

    def list(self, known: Callable[[str], str | None]) -> list[Remote]:
        version = known(self.url)
        headers = {}
        if version:
            kind, _, value = version.partition(" ")
            headers = {"If-None-Match" if kind == "etag" else "If-Modified-Since": value}
        answer = self._get(headers)
        if answer.status_code == 304:
            answer.close()
            return [Remote(self.name, self.url, version)]
        self._answer = answer
        return [self._described(answer)]

    def _described(self, answer: requests.Response) -> Remote:
        tag, modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
        version = f"etag {tag}" if tag else f"date {modified}" if modified else None
        size = answer.headers.get("Content-Length", "")
        encoded = answer.headers.get("Content-Encoding", "identity") != "identity"
        when = None
        if modified:
            with contextlib.suppress(ValueError):
                when = email.utils.parsedate_to_datetime(modified)
        return Remote(
            name=self.name,
            path=self.url,
            version=version,
            size=int(size) if size.isdigit() and not encoded else None,
            modified=when if when and when.tzinfo else None,
        )

    def again(self, remote: Remote) -> Remote | None:
        return remote  # one answer is one version of the file

    @contextlib.contextmanager
    def open(self, remote: Remote, offset: int) -> Iterator[BinaryIO]:
        answer, self._answer = self._answer, None
        if offset:
            if answer is not None:
                answer.close()
            kind, _, value = (remote.version or "").partition(" ")
            if value.startswith("W/"):
                raise NotResumable
            answer = self._get({"Range": f"bytes={offset}-", "If-Range": value})
            starts = f"bytes {offset}-"
            if answer.status_code != 206 or not answer.headers.get("Content-Range", "").startswith(
                starts
            ):
                answer.close()
                raise NotResumable
        elif answer is None:
            answer = self._get({})
            if self._described(answer).version != remote.version:
                answer.close()
                raise FetchFailed(f"{self.url} changed while it was copied. The next run takes it.")
        with answer:
            yield _Body(answer)

    def delete(self, remote: Remote) -> None:
        raise io.UnsupportedOperation("a web server's files are left where they are")

    def move(self, remote: Remote, folder: str, name: str) -> None:
        raise io.UnsupportedOperation("a web server's files are left where they are")

    def _get(self, headers: dict[str, str]) -> requests.Response:
        """A GET that follows redirects on the same server only.

        Raises:
            FetchRefused: it leads to another server, or from https to http.
            FetchFailed: the server answers with an error.
        """
        url = self.url
        for _ in range(REDIRECTS + 1):
            answer = self.session.get(
                url,
                headers={"Accept-Encoding": "identity"} | headers,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUT_SECONDS,
            )
            if not answer.is_redirect:
                if answer.status_code not in (200, 206, 304):
                    answer.close()
                    raise FetchFailed(
                        f"{self.url} answers {answer.status_code} {answer.reason}. Look whether the address or the account "
                        "changed; the address stands in expectations/sources.yml."
                    )
                return answer
            answer.close()
            following = urljoin(url, answer.headers["Location"])
            if not _same_server(url, following):
                raise FetchRefused(
                    f"{self.url} leads on to {urlsplit(following).netloc or following[:80]!r}, another server. Nothing is "
                    "fetched from servers that nobody reviewed: if the file has moved for good, change its address in "
                    "expectations/sources.yml."
                )
            url = following
        raise FetchFailed(f"{self.url} leads in a circle of more than {REDIRECTS} redirects.")


def _same_server(one: str, other: str) -> bool:
    """The same host and port, and never from https down to http."""
    a, b = urlsplit(one), urlsplit(other)
    if b.scheme not in DEFAULT_PORTS or a.hostname != b.hostname or b.username or b.password:
        return False
    ports = [part.port or DEFAULT_PORTS[part.scheme] for part in (a, b)]
    if a.scheme == b.scheme:
        return ports[0] == ports[1]
    return (a.scheme, *ports) == ("http", 80, 443)


class _Body:
    """The content of an answer as a reader, decompressed where the server compressed it unasked."""

    def __init__(self, answer: requests.Response) -> None:
        self.raw = answer.raw

    def read(self, size: int = -1) -> bytes:
        return self.raw.read(size if size >= 0 else None, decode_content=True)
