"""Where feeds are fetched from: ``expectations/sources.yml``, reviewed like a contract.

Hosts, accounts and keys stand in Airflow connections, never here. A feed that is not listed comes by its inbox alone.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from neet.feeds import landing
from neet.settings import Settings

SCHEMES = ("file", "sftp", "s3", "http", "https")
WEB = ("http", "https")
AFTER = ("leave", "archive", "delete")
KEYS = {"url", "connection", "glob", "name", "after", "archive", "expected_from", "quiet_seconds"}
QUIET_SECONDS = {"file": 30, "sftp": 30}
"""How long a file must have been left alone before it is whole; object stores and web servers show whole files only."""
CONNECTION = re.compile(r"[A-Za-z0-9_.-]{1,200}")


class SourcesError(ValueError):
    """``sources.yml`` cannot be obeyed; the message names the feed, the source and the remedy."""


@dataclass(frozen=True)
class Source:
    """One place from which files of a feed are fetched.

    Attributes:
        url: a folder (``file``, ``sftp``, ``s3``), or one file (``http``, ``https``). No account and, for SFTP, no
            host: those are the connection's.
        connection: id of an Airflow connection; ``None`` for local folders and public web pages.
        glob: names taken from a folder; ``*`` and ``?``, letter case counts.
        name: what a web file is called in the inbox: its name there says provider and period.
        after: what happens to a fetched file at its source: ``leave``, ``archive`` (moved to ``archive``), ``delete``.
        expected_from: first day on which the feed is expected from here; before it nothing is late.
        quiet_seconds: files changed more recently are still being written.
    """

    feed: str
    number: int
    url: str
    connection: str | None
    glob: str
    name: str | None
    after: str
    archive: str | None
    expected_from: dt.date
    quiet_seconds: int

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def words(self) -> str:
        """For a person: which source this is."""
        through = f" through {self.connection}" if self.connection else ""
        return f"{self.feed} from {self.url}{through}"


def file_of(settings: Settings) -> Path:
    """The file in force: ``NEET_SOURCES``, or ``expectations/sources.yml``."""
    chosen = os.environ.get("NEET_SOURCES")
    return Path(chosen) if chosen else settings.expectations / "sources.yml"


def sources_of(settings: Settings) -> dict[str, list[Source]]:
    """The sources of each feed; empty where everything comes by the inbox.

    Raises:
        SourcesError: the file is wrong.
        neet.feeds.contract.ContractError: a contract is broken.
    """
    file = file_of(settings)
    if not file.exists():
        if os.environ.get("NEET_SOURCES"):
            raise SourcesError(f"{file}, which NEET_SOURCES names, does not exist.")
        return {}
    text = file.read_text(encoding="utf-8")
    return parse(text, file.name, landing.contracts_of(settings))


def parse(text: str, path: str, feeds: Collection[str]) -> dict[str, list[Source]]:
    """Read the file.

    Args:
        path: what to call it in messages.
        feeds: names of the feeds that have a contract.
    Raises:
        SourcesError: a feed is unknown, a key is misspelt, or a source cannot be.
    """
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SourcesError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, Mapping) or set(content) - {"sources"}:
        raise SourcesError(
            f"{path}: one key is known at the top, `sources`: feed -> list of sources."
        )
    listed = content.get("sources") or {}
    if not isinstance(listed, Mapping):
        raise SourcesError(f"{path}: `sources` is a mapping: feed -> list of sources.")
    found: dict[str, list[Source]] = {}
    for feed, entries in listed.items():
        if feed not in feeds:
            raise SourcesError(
                f"{path}: there is no feed {feed!r}; a feed needs a contract expectations/feeds/<feed>.yml. "
                f"Known: {', '.join(sorted(feeds))}."
            )
        if not isinstance(entries, list) or not entries:
            raise SourcesError(f"{path}: {feed} needs a list of sources, each with a url.")
        found[feed] = [
            _source(f"{path}: {feed}, source {number}", feed, number, entry)
            for number, entry in enumerate(entries, 1)
        ]
        urls = [(each.url, each.glob) for each in found[feed]]
        if len(set(urls)) < len(urls):
            raise SourcesError(f"{path}: {feed} names the same url and glob twice.")
    return found


def _source(where: str, feed: str, number: int, entry: Any) -> Source:
    def fail(text: str) -> SourcesError:
        return SourcesError(f"{where}: {text}")

    if not isinstance(entry, Mapping):
        raise fail(f"is a mapping with a url, not {entry!r}.")
    if unknown := sorted(set(map(str, entry)) - KEYS):
        raise fail(f"unknown {', '.join(unknown)}; known: {', '.join(sorted(KEYS))}.")
    for key in ("url", "connection", "glob", "name", "after", "archive"):
        if entry.get(key) is not None and not isinstance(entry[key], str):
            raise fail(f"{key} must be text; put it in quotes.")
    url = entry.get("url") or ""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise fail(f"url {url!r} must begin with one of {', '.join(f'{s}://' for s in SCHEMES)}.")
    if parts.username or parts.password or "@" in parts.netloc:
        raise fail(
            "the url holds an account; accounts and passwords belong in the Airflow connection."
        )
    if parts.fragment or (parts.query and parts.scheme not in WEB):
        raise fail(f"url {url!r} may have no ? or # part.")
    if ".." in unquote(parts.path).split("/"):
        raise fail(f"url {url!r} may not climb with '..'.")
    connection = entry.get("connection")
    if connection is not None and not CONNECTION.fullmatch(connection):
        raise fail(f"connection {connection!r} is no id of an Airflow connection.")
    if parts.scheme in ("sftp", "s3") and connection is None:
        raise fail(f"{parts.scheme}:// needs the id of an Airflow connection, as `connection`.")
    if parts.scheme in ("sftp", "file") and (parts.netloc or not parts.path.startswith("/")):
        raise fail(
            f"url {url!r} has three slashes and a path, as {parts.scheme}:///outgoing; the host is the connection's."
        )
    if parts.scheme in ("s3", *WEB) and not parts.netloc:
        raise fail(f"url {url!r} names no {'bucket' if parts.scheme == 's3' else 'host'}.")
    name, glob = entry.get("name"), entry.get("glob")
    if parts.scheme in WEB:
        if glob is not None:
            raise fail("a web address is one file: it has a `name` and no `glob`.")
        name = name or unquote(parts.path.rsplit("/", 1)[-1])
        if not landing.SAFE_NAME.fullmatch(name) or name in landing.SIDECARS:
            raise fail(
                f"the file needs a plain `name`, such as the contract's example; {name!r} is none."
            )
    elif name is not None:
        raise fail("`name` is for web addresses; files of a folder keep theirs.")
    elif "/" in (glob or ""):
        raise fail("glob is of names, not of folders.")
    after = entry.get("after") or "leave"
    archive = entry.get("archive")
    if after not in AFTER:
        raise fail(f"after is {after!r}; one of {', '.join(AFTER)}.")
    if after != "leave" and parts.scheme in WEB:
        raise fail("what lies on a web server can only be left there.")
    if (after == "archive") != (archive is not None):
        raise fail(
            "`archive` names the folder that `after: archive` moves files to; neither goes without the other."
        )
    if archive is not None:
        if not archive.startswith("/" if parts.scheme != "s3" else "") or ".." in archive.split(
            "/"
        ):
            raise fail(
                f"archive {archive!r} is a path at the same place, from its root, without '..'."
            )
        if archive.strip("/") == parts.path.strip("/"):
            raise fail("archive is the folder that files are fetched from.")
    expected = entry.get("expected_from")
    if not isinstance(expected, dt.date) or isinstance(expected, dt.datetime):
        raise fail(
            "expected_from is missing or no date YYYY-MM-DD: from that day on the feed can be late."
        )
    quiet = entry.get("quiet_seconds", QUIET_SECONDS.get(parts.scheme, 0))
    if isinstance(quiet, bool) or not isinstance(quiet, int) or not 0 <= quiet <= 86400:
        raise fail(f"quiet_seconds is {quiet!r}; a whole number from 0 to 86400.")
    return Source(
        feed=feed,
        number=number,
        url=url,
        connection=connection,
        glob=glob or "*",
        name=name,
        after=after,
        archive=archive,
        expected_from=expected,
        quiet_seconds=quiet,
    )
