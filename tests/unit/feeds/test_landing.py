"""Landing: nothing is lost, nothing is half there, and whatever arrives is kept."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest
from feed_desk import TOY_HEADER, as_csv

from neet.feeds import ingest, landing
from neet.feeds.landing import StillArriving, UnknownFeed

pytestmark = pytest.mark.slow  # a database a test

GOOD = as_csv(TOY_HEADER, [["T1", "thing", "2021-09-01", 1, "1.5"]])
NAME = "886_toy_snapshot_20211231.csv"


def sidecars(folder) -> set[str]:
    return {file.name for file in folder.iterdir()} & landing.SIDECARS


def test_an_accepted_file_lies_in_landing_with_its_receipt(toy_desk):
    result = toy_desk.deliver("toy", NAME, GOOD)
    folder = toy_desk.settings.landing / result.landing_path
    place = folder.relative_to(toy_desk.settings.landing).parts
    assert place[:3] == ("toy", "886", "2021-12-31")
    assert place[3].endswith("_" + hashlib.sha256(GOOD.encode()).hexdigest()[:8])
    assert (folder / NAME).read_text() == GOOD
    assert (folder / NAME).stat().st_mode & 0o222 == 0, "nobody edits what was received"
    received = json.loads((folder / "received.json").read_text())
    assert received["sha256"] == hashlib.sha256(GOOD.encode()).hexdigest()
    assert received["bytes"] == len(GOOD) and received["file_name"] == NAME
    accepted = json.loads((folder / "accepted.json").read_text())
    assert (accepted["delivery_seq"], accepted["rows_loaded"]) == (1, 1)
    assert sidecars(folder) == {"received.json", "accepted.json"}
    assert not list((toy_desk.settings.landing / ".incoming").iterdir())
    contract = (
        toy_desk.settings.landing / ".contracts" / "toy" / f"{accepted['contract_sha256']}.yml"
    )
    assert hashlib.sha256(contract.read_bytes()).hexdigest() == accepted["contract_sha256"]


def test_the_database_and_the_sidecar_say_the_same(toy_desk):
    result = toy_desk.deliver("toy", NAME, GOOD)
    recorded = landing.decision_on(toy_desk.settings.landing / result.landing_path)
    ((row,),) = toy_desk.query("select to_jsonb(delivery) from control.delivery")
    for name in ("delivery_id", "status", "status_reason", "delivery_seq", "rows_in", "warnings"):
        assert row[name] == recorded[name], name
    assert row["accepted_at"][:23] == recorded["accepted_at"][:23]
    assert row["landing_path"] + "" in result.landing_path


@pytest.mark.parametrize(
    "name",
    [
        "toys.csv", "886_toy_snapshot_20211331.csv", "886_toy_weekly_20211231.csv",
        "886_toy_snapshot_20211231.csv.exe", "..csv", "-rf.csv", "received.json", "accepted.json",
        "a\nb.csv", "zoë.csv", "x" * 200 + ".csv", "; drop table raw.toy;.csv", ".hidden.csv",
        "886_TOY_other_20211231.csv",
    ],
)  # fmt: skip
def test_a_name_that_says_nothing_is_refused_and_the_file_kept(toy_desk, name):
    result = toy_desk.deliver("toy", name, GOOD)
    assert (result.status, result.provider, result.period) == ("refused", "unknown", "unknown")
    assert result.reason.split(":")[0] in ("unknown_file_name", "unknown_period")
    assert "886_toy_snapshot_20211231.csv" in result.reason
    folder = toy_desk.settings.landing / result.landing_path
    landed = landing.read_landed(toy_desk.settings, folder)
    assert landed.file.read_text() == GOOD
    assert landed.file_name == name
    assert sidecars(folder) == {"received.json", "refused.json"}


def test_a_name_in_other_letter_case_is_understood(toy_desk):
    result = toy_desk.deliver("toy", "886_TOY_Snapshot_20211231.CSV", GOOD)
    assert result.status == "accepted"


def test_a_name_of_undecodable_bytes_is_refused_not_choked_on(toy_desk):
    path = os.fsencode(toy_desk.folder) + b"/\xff\xfe.csv"
    with open(path, "wb") as handle:
        handle.write(GOOD.encode())
    result = landing.receive(
        toy_desk.settings, toy_desk.dsn["loader"], "toy", Path(os.fsdecode(path))
    )
    assert result.status == "refused"
    assert toy_desk.query("select file_name from control.delivery") == [(r"\udcff\udcfe.csv",)]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"PK\x03\x04" + b"\0" * 500, "damaged_archive"),
        (b"\0" * 5_000, "missing_columns"),
        (os.urandom(4_000).replace(b"\n", b""), None),
        (b"ItemID,Label\n1,2\n", "missing_columns"),
        (b"a" * (5 << 20), "line_too_long"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason_and_kept(toy_desk, content, code):
    result = toy_desk.deliver("toy", NAME, content)
    assert result.status == "refused"
    assert code is None or result.reason.startswith(f"{code}: ")
    assert len(result.reason) > 40
    folder = toy_desk.settings.landing / result.landing_path
    assert (folder / NAME).read_bytes() == content
    assert toy_desk.query("select status, status_reason from control.delivery") == [
        ("refused", result.reason)
    ]
    assert toy_desk.deliver("toy", NAME, GOOD).status == "accepted", "the next one is not hindered"


def test_an_unknown_feed_is_told_what_there_is(toy_desk):
    with pytest.raises(UnknownFeed, match="Feeds with a contract: toy"):
        toy_desk.deliver("tay", NAME, GOOD)
    assert not toy_desk.settings.landing.exists()


def test_what_is_no_file_is_not_landed(toy_desk):
    os.mkfifo(toy_desk.folder / "pipe.csv")
    for name in ("pipe.csv", "no such file.csv", "."):
        with pytest.raises(OSError):
            landing.receive(
                toy_desk.settings, toy_desk.dsn["loader"], "toy", toy_desk.folder / name
            )
    assert landing.folders(toy_desk.settings) == []


def test_a_file_that_changes_while_it_is_copied_is_not_landed(toy_desk, monkeypatch):
    path = toy_desk.file(NAME, GOOD)
    copy = landing._copy

    def slowly(source, target):
        done = copy(source, target)
        with source.open("a") as handle:
            handle.write("T2,,,,\n")
        return done

    monkeypatch.setattr(landing, "_copy", slowly)
    with pytest.raises(StillArriving, match="still being written"):
        landing.receive(toy_desk.settings, toy_desk.dsn["loader"], "toy", path)
    assert landing.folders(toy_desk.settings) == []


def put(desk, name: str, content: str = GOOD, feed: str = "toy"):
    folder = desk.settings.inbox / feed
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return folder / name


def test_the_inbox_is_emptied_oldest_first(toy_desk):
    for day in ("20220131", "20211130", "20211231"):
        put(toy_desk, f"886_toy_snapshot_{day}.csv", GOOD.replace("thing", day))
    put(toy_desk, "886_toy_delta_20211231.csv", as_csv([*TOY_HEADER, "Operation"], []))
    put(toy_desk, "what is this.csv")
    results = ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])
    assert [(result.period, result.status) for result in results] == [
        ("2021-11-30", "accepted"),
        ("2021-12-31", "accepted"),
        ("2021-12-31", "accepted"),
        ("2022-01-31", "accepted"),
        ("unknown", "refused"),
    ]
    assert toy_desk.query("select mode from control.delivery where delivery_seq in (2, 3) order by delivery_seq") == [("snapshot",), ("delta",)]  # fmt: skip
    assert not list((toy_desk.settings.inbox / "toy").iterdir())
    assert ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"]) == []


def test_an_inbox_that_is_not_there_is_empty(toy_desk):
    assert ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"]) == []
    with pytest.raises(UnknownFeed):
        ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"], "tay")


def test_unfinished_and_odd_things_stay_in_the_inbox(toy_desk, caplog):
    left = [put(toy_desk, name) for name in (".hidden.csv", f"{NAME}.part", "~$lock.csv")]
    folder = toy_desk.settings.inbox / "toy"
    (folder / "folder").mkdir()
    (folder / NAME).symlink_to("/etc/passwd")
    put(toy_desk, "x.csv", feed="no_such_feed")
    assert ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"]) == []
    assert all(path.exists() for path in left)
    assert "no ordinary file" in caplog.text and "no_such_feed.yml" in caplog.text
    assert landing.folders(toy_desk.settings) == []


def test_one_feed_alone(toy_desk):
    put(toy_desk, NAME)
    put(toy_desk, NAME, feed="other")
    assert len(ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"], "toy")) == 1


def test_two_processes_at_one_inbox_land_each_file_once(toy_desk):
    for number in range(6):
        put(toy_desk, f"p{number}_toy_snapshot_20211231.csv")
    found: list = []

    def take():
        found.extend(ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"]))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # one may finish, and report, what another landed a moment before
    assert {result.provider for result in found} == {f"p{n}" for n in range(6)}
    assert {result.status for result in found} == {"accepted"}
    assert len(landing.folders(toy_desk.settings)) == 6
    assert toy_desk.query(
        "select count(*), count(distinct delivery_seq) from control.delivery"
    ) == [(6, 6)]


def test_a_file_landed_but_not_decided_is_loaded_by_the_next_ingest(toy_desk):
    landing.land(toy_desk.settings, toy_desk.contract("toy"), toy_desk.file(NAME, GOOD))
    assert toy_desk.query("select count(*) from control.delivery") == [(0,)]
    (result,) = ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])
    assert result.status == "accepted"


def test_a_file_landed_and_left_in_the_inbox_by_a_kill_is_not_landed_twice(toy_desk):
    path = put(toy_desk, NAME)
    status = path.stat()
    source = f"{status.st_dev}:{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"
    landing.land(toy_desk.settings, toy_desk.contract("toy"), path, source=source)
    (result,) = ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])
    assert result.status == "accepted"
    assert toy_desk.query("select count(*) from control.delivery") == [(1,)]
    assert len(landing.folders(toy_desk.settings)) == 1 and not path.exists()


def test_what_a_killed_process_was_filling_is_swept_a_day_later(toy_desk):
    old = toy_desk.settings.landing / ".incoming" / "old"
    new = toy_desk.settings.landing / ".incoming" / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / NAME).write_text(GOOD)
    os.utime(old, (1, 1))
    landing.recover(toy_desk.settings, toy_desk.dsn["loader"])
    assert not old.exists() and new.exists()
