"""What ``sources.yml`` may say; whatever it may not is named with its place."""

from __future__ import annotations

import datetime as dt

import pytest

from neet.feeds import sources
from neet.feeds.sources import SourcesError, parse
from neet.settings import PROJECT_ROOT, Settings

FEEDS = {"synergy_send", "dfe_la_scorecard"}


def read(body: str, feed: str = "synergy_send") -> list[sources.Source]:
    lines = "\n".join("      " + line for line in body.strip().splitlines())
    return parse(f"sources:\n  {feed}:\n    -\n{lines}\n", "sources.yml", FEEDS)[feed]


SFTP = "url: sftp:///out\nconnection: send\nexpected_from: 2026-09-01\n"


def test_the_file_of_the_project_is_good_and_asks_for_nothing():
    settings = Settings(PROJECT_ROOT, PROJECT_ROOT / "var", "886")
    assert sources.file_of(settings).exists()
    assert sources.sources_of(settings) == {}


def test_a_source_is_read_with_its_defaults():
    (one,) = read(SFTP)
    assert (one.scheme, one.glob, one.after, one.quiet_seconds) == ("sftp", "*", "leave", 30)
    assert one.expected_from == dt.date(2026, 9, 1)
    (web,) = read(
        "url: https://example.invalid/neet_la_scorecard_2026.csv\nexpected_from: 2026-07-01"
    )
    assert (web.name, web.connection, web.quiet_seconds) == ("neet_la_scorecard_2026.csv", None, 0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (SFTP + "globb: '*'", "unknown globb"),
        ("url: ftp:///out\nexpected_from: 2026-09-01", "must begin with one of file://"),
        ("url: sftp://me:secret@host/out\nconnection: c\nexpected_from: 2026-09-01", "belong in the Airflow connection"),
        ("url: sftp://host/out\nconnection: c\nexpected_from: 2026-09-01", "three slashes"),
        ("url: sftp:///out\nexpected_from: 2026-09-01", "needs the id of an Airflow connection"),
        ("url: s3:///prefix\nconnection: c\nexpected_from: 2026-09-01", "names no bucket"),
        ("url: file:///out/../etc\nexpected_from: 2026-09-01", "may not climb"),
        ("url: file:///out/%2e%2e/etc\nexpected_from: 2026-09-01", "may not climb"),
        (SFTP + "connection: 'a b'", "no id of an Airflow connection"),
        (SFTP + "glob: 'a/*.csv'", "of names, not of folders"),
        (SFTP + "glob: 5", "must be text"),
        (SFTP + "name: x.csv", "for web addresses"),
        ("url: https://example.invalid/\nexpected_from: 2026-09-01", "needs a plain `name`"),
        ("url: https://example.invalid/x\nname: received.json\nexpected_from: 2026-09-01", "needs a plain `name`"),
        ("url: https://example.invalid/x\nglob: '*'\nexpected_from: 2026-09-01", "no `glob`"),
        ("url: https://example.invalid/x\nafter: delete\nexpected_from: 2026-09-01", "only be left there"),
        (SFTP + "after: burn", "after is 'burn'"),
        (SFTP + "after: archive", "neither goes without the other"),
        (SFTP + "after: archive\narchive: done", "from its root"),
        (SFTP + "after: archive\narchive: /out", "is the folder that files are fetched from"),
        ("url: sftp:///out\nconnection: c", "expected_from is missing"),
        ("url: sftp:///out\nconnection: c\nexpected_from: soon", "expected_from is missing or no date"),
        (SFTP + "quiet_seconds: -1", "quiet_seconds is -1"),
        (SFTP + "quiet_seconds: true", "quiet_seconds is True"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_with_its_place(body, words):
    if "connection: 'a b'" in body:
        body = body.replace("connection: send\n", "")
    with pytest.raises(SourcesError) as wrong:
        read(body)
    assert str(wrong.value).startswith("sources.yml: synergy_send, source 1: ")
    assert words in str(wrong.value) and "secret" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: {nobody: [{url: x}]}", "no feed 'nobody'"),
        ("sources: {synergy_send: []}", "needs a list"),
        ("sources: {synergy_send: [x]}", "a mapping with a url"),
        ("source: {}", "one key is known at the top"),
        ("sources: [a]", "is a mapping"),
        ("{", "not readable as YAML"),
        ("- a", "one key is known"),
    ],
)
def test_a_file_that_is_no_list_of_sources(text, words):
    with pytest.raises(SourcesError, match=words):
        parse(text, "sources.yml", FEEDS)


def test_the_same_place_twice_is_refused():
    body = "{url: 'file:///out', expected_from: 2026-09-01}"
    with pytest.raises(SourcesError, match="twice"):
        parse(f"sources: {{synergy_send: [{body}, {body}]}}", "sources.yml", FEEDS)


def test_a_file_that_the_environment_names_must_exist(monkeypatch, tmp_path):
    settings = Settings(PROJECT_ROOT, tmp_path, "886")
    monkeypatch.setenv("NEET_SOURCES", str(tmp_path / "nowhere.yml"))
    with pytest.raises(SourcesError, match="does not exist"):
        sources.sources_of(settings)
    (tmp_path / "nowhere.yml").write_text("")
    assert sources.sources_of(settings) == {}
