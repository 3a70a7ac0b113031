"""Deliveries that wait for a person: what is shown, what a dry run counts, and how each is settled."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner
from feed_desk import as_csv

from neet import decisions
from neet.cli import main
from neet.database import connect
from neet.feeds import holds, loading, replay
from neet.feeds.holds import CannotSettle
from neet.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow


def rows(*numbers: int, label: str = "thing") -> list[list]:
    return [[f"T{n:03d}", label, "2021-09-01", n, "1"] for n in numbers]


def shrunk(desk, **more) -> str:
    """45 rows are loaded; of these 14 are left out, one is changed, two are new, and one cannot be read."""
    desk.toy(rows(*range(45)), day="20211031")
    content = [
        *rows(*range(1, 30)),
        *rows(0, label="other"),
        *rows(90, 91),
        ["T030", "x", "soon", 1, "1"],
    ]
    held = desk.toy(content, day="20211130", **more)
    assert held.status == "held" and held.reason.startswith("snapshot_shrank")
    return held.delivery_id


def list_held(desk, now=None):
    with connect(desk.dsn["auditor"]) as connection:
        return holds.held(desk.settings, connection, now)


def settle(desk, kind, delivery_id, by="A. Manager", reason="they left", **more):
    return holds.settle(desk.settings, desk.dsn["loader"], kind, delivery_id, by, reason, **more)


def preview(desk, delivery_id, **more):
    return holds.preview(desk.settings, desk.dsn["loader"], delivery_id, **more)


def refused(call, *words: str) -> None:
    with pytest.raises((CannotSettle, decisions.DecisionError)) as info:
        call()
    for word in words:
        assert word in str(info.value)


def test_the_list_says_why_whose_since_when_and_what_each_choice_does(toy_desk):
    assert list_held(toy_desk) == []
    held = shrunk(toy_desk)
    ((received,),) = toy_desk.query(
        "select received_at from control.delivery where delivery_id = %s", held
    )
    (hold,) = list_held(toy_desk, received + dt.timedelta(days=3, hours=1))
    assert (hold.delivery_id, hold.code, hold.owner_service, hold.days) == (
        held, "snapshot_shrank", "Toys", 3,
    )  # fmt: skip
    assert (hold.since, hold.rows_in, hold.rows_rejected, hold.newer) == (received, 33, 1, ())
    assert "33 rows where 45 are open" in hold.reason
    assert "closed" in hold.if_released and "Ask Toys" in hold.if_discarded


def test_a_dry_run_counts_what_a_release_then_does_and_changes_nothing(toy_desk):
    held = shrunk(toy_desk)
    before = toy_desk.everything()
    landing_before = sorted(toy_desk.settings.landing.rglob("*"))
    found = preview(toy_desk, held, sample=3)
    assert toy_desk.everything() == before
    assert sorted(toy_desk.settings.landing.rglob("*")) == landing_before
    assert (found.counts.rows_in, found.counts.rows_loaded, found.counts.rows_unchanged) == (
        33,
        3,
        29,
    )
    assert (found.counts.rows_rejected, found.counts.rows_closed, found.rows_stale) == (1, 14, 1)
    assert [row["row_key"] for row in found.closed] == ["T031", "T032", "T033"]
    assert [(r.row_key, r.column) for r in found.rejects] == [("T030", "MadeOn")] or found.rejects[
        0
    ].row_key == "T030"
    assert found.newest_seq == 1

    done = settle(toy_desk, "release", held)
    assert done.is_new and "A. Manager" in done.sentence and "14 closed" in done.sentence
    assert toy_desk.query(
        "select rows_in, rows_loaded, rows_unchanged, rows_rejected, rows_closed from control.delivery "
        "where delivery_id = %s",
        held,
    ) == [(33, 3, 29, 1, 14)]
    closed = toy_desk.query("select row_key from raw.toy where operation = 'D' order by 1 limit 3")
    assert [key for (key,) in closed] == ["T031", "T032", "T033"]
    assert list_held(toy_desk) == []


def test_the_sample_shows_nothing_personal(toy_desk):
    contract = toy_desk.contract("toy")
    personal = {c.name for c in contract.columns if c.privacy != "none"}
    assert personal, "or this test proves nothing"
    found = preview(toy_desk, shrunk(toy_desk))
    assert not personal & set(found.closed[0]) - {"row_key", "provider"}


def test_settled_twice_is_settled_once_and_the_other_way_is_answered(toy_desk):
    held = shrunk(toy_desk)
    first = settle(toy_desk, "release", held)
    again = settle(toy_desk, "release", held, by="B. Other", reason="me too")
    assert (again.is_new, again.decision_id) == (False, first.decision_id)
    assert "released by A. Manager" in again.sentence and "they left" in again.sentence
    refused(
        lambda: settle(toy_desk, "discard", held), "released by A. Manager", "deliver the file that"
    )
    refused(lambda: preview(toy_desk, held), "released by A. Manager")
    assert toy_desk.query("select count(*) from control.decision") == [(1,)]


def test_a_discard_keeps_who_and_why_and_how_to_go_back(toy_desk):
    held = shrunk(toy_desk)
    settle(toy_desk, "discard", held, by="C. Officer", reason="cut short by the export")
    refused(
        lambda: settle(toy_desk, "release", held),
        "discarded by C. Officer", "cut short by the export", "./neet deliver toy", ".csv",
    )  # fmt: skip
    (kept,) = toy_desk.query(
        "select decided_by, reason, body from control.decision where subject = %s", held
    )
    assert kept == ("C. Officer", "cut short by the export", {})
    assert toy_desk.query("select max(delivery_seq) from raw.toy") == [(1,)]


@pytest.mark.parametrize(
    "delivery_id", ["no-such", "../../etc/passwd", "x' or 'a'='a", "%", "\x1b[31m", "ü" * 600]
)
def test_what_nobody_knows_is_answered(toy_desk, delivery_id):
    held = shrunk(toy_desk)
    for call in (
        lambda: settle(toy_desk, "release", delivery_id),
        lambda: settle(toy_desk, "discard", delivery_id),
        lambda: preview(toy_desk, delivery_id),
    ):
        refused(call, "There is no delivery", "the 1 that wait")
    refused(lambda: settle(toy_desk, "release", held[:-2]), "Did you mean", held)
    assert toy_desk.query("select count(*) from control.decision") == [(0,)]


def test_neither_decisions_nor_what_never_waited_can_be_settled(toy_desk):
    loaded = toy_desk.toy(rows(1, 2))
    refused(lambda: settle(toy_desk, "release", loaded.delivery_id), "without being held")
    same = toy_desk.toy(rows(1, 2))
    refused(lambda: settle(toy_desk, "discard", same.delivery_id), "is duplicate, not held")
    held = shrunk_later(toy_desk)
    decision = settle(toy_desk, "discard", held)
    refused(lambda: settle(toy_desk, "release", decision.decision_id), "is a decision")


def shrunk_later(desk) -> str:
    desk.toy(rows(*range(40)), day="20220131")
    return desk.toy(rows(*range(10)), day="20220228").delivery_id


@pytest.mark.parametrize("words", [("", "why"), ("who", ""), ("who", "a\x00b"), ("w" * 300, "why")])
def test_a_decision_without_a_person_and_a_reason_is_none(toy_desk, words):
    held = shrunk(toy_desk)
    refused(lambda: settle(toy_desk, "release", held, *words))
    assert [hold.delivery_id for hold in list_held(toy_desk)] == [held]


def test_what_a_newer_delivery_overtook_is_released_only_knowingly(toy_desk):
    held = shrunk(toy_desk)
    newer = toy_desk.toy(rows(*range(44)), day="20211231")
    assert newer.status == "accepted"
    (hold,) = list_held(toy_desk)
    assert hold.newer == (newer.delivery_id,)
    refused(
        lambda: settle(toy_desk, "release", held), newer.delivery_id, "discarded", "--despite-newer"
    )
    assert toy_desk.query("select count(*) from control.decision") == [(0,)]
    # another provider's does not overtake it
    settle(toy_desk, "release", held, despite_newer=True)
    assert toy_desk.query("select status from control.delivery where delivery_id = %s", held) == [
        ("accepted",)
    ]


def test_another_providers_delivery_overtakes_nothing(toy_desk):
    held = shrunk(toy_desk)
    toy_desk.toy([["Z1", "", "", "", ""]], day="20211231", provider="other")
    (hold,) = list_held(toy_desk)
    assert hold.newer == ()
    settle(toy_desk, "release", held)


def test_a_delivery_accepted_between_looking_and_deciding_stops_the_release(toy_desk):
    held = shrunk(toy_desk)
    seen = preview(toy_desk, held).newest_seq
    toy_desk.toy([["Z1", "", "", "", "", "U"]], "delta", day="20211231")
    refused(
        lambda: decisions.record(
            toy_desk.settings, toy_desk.dsn["loader"], "release", "886", held, {"newest_seq": seen}, "A", "b"
        ),
        "was accepted while you decided", "look again",
    )  # fmt: skip
    assert [hold.delivery_id for hold in list_held(toy_desk)] == [held]
    assert replay.verify_landing(toy_desk.settings) == []


def test_two_people_at_once_make_one_decision(toy_desk):
    held = shrunk(toy_desk)
    outcomes: list = []

    def decide(kind: str, by: str) -> None:
        try:
            outcomes.append(settle(toy_desk, kind, held, by=by).is_new)
        except (CannotSettle, decisions.DecisionError) as error:
            outcomes.append(str(error))

    people = [
        threading.Thread(target=decide, args=("release" if n % 2 else "discard", f"P{n}"))
        for n in range(6)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert len(outcomes) == 6 and outcomes.count(True) == 1
    assert toy_desk.query("select count(*) from control.decision") == [(1,)]
    assert replay.verify_landing(toy_desk.settings) == []


DIE_IN_PREVIEW = """
import os, signal
from neet.feeds import holds
from neet.settings import Settings
from pathlib import Path
import sys
settings = Settings(root=Path(sys.argv[1]), home=Path(sys.argv[2]), la_code="886")
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
holds._stale = die
holds.preview(settings, sys.argv[3], sys.argv[4])
"""


def test_a_dry_run_killed_after_its_rows_leaves_nothing(toy_desk):
    held = shrunk(toy_desk)
    before = toy_desk.everything()
    done = subprocess.run(
        [sys.executable, "-c", DIE_IN_PREVIEW, toy_desk.settings.root, toy_desk.settings.home, toy_desk.dsn["loader"], held],
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "plugins")},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert toy_desk.everything() == before
    settle(toy_desk, "release", held)


def test_the_guarded_release_is_rebuilt_as_it_was(toy_desk, empty_twin):
    settle(toy_desk, "release", shrunk(toy_desk))
    toy_desk.toy(rows(*range(30)), day="20220131")
    before = toy_desk.everything()
    with empty_twin(toy_desk) as twin:
        replay.rebuild(twin.settings, twin.dsn["owner"], twin.dsn["loader"], twin.dsn["gate"])
        assert twin.everything() == before


def test_a_file_that_can_no_longer_be_loaded_says_so(toy_desk, monkeypatch):
    held = shrunk(toy_desk)

    def gone(*_, **__):
        raise loading.FileRefused("cannot_be_read", "the workbook needs a password.")

    monkeypatch.setattr(loading, "open_file", gone)
    found = preview(toy_desk, held)
    assert found.counts is None and "password" in found.refused


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_the_commands(desk):
    """With the project's own feeds, as an MI officer types them."""
    assert run("held").output.strip() == "Nothing waits."
    feed = "core_plus_characteristics"

    def deliver(count: int, day: str):
        header = [c.header for c in desk.contract(feed).columns]
        made = [[f"88600000{n:05d}", "140", "2021-09-01", "", "2021-11-01"] for n in range(count)]
        return desk.deliver(feed, f"886_{feed}_snapshot_{day}.csv", as_csv(header, made))

    assert deliver(100, "20211130").status == "accepted"
    held = deliver(50, "20211231").delivery_id
    shown = run("held").output
    for word in (held, "snapshot_shrank", "owner:", "since today", "--dry-run", "--reason"):
        assert word in shown
    assert run("held", held).exit_code == 0
    dry = run("release", held, "--dry-run")
    assert (
        dry.exit_code == 0
        and "50 rows closed" in dry.output
        and "Closed, the first 10 of 50" in dry.output
    )
    assert run("release", held).exit_code == 2
    assert run("release", held, "--by", "x", "--reason", "y").exit_code == 0
    again = run("release", held, "--by", "x", "--reason", "y")
    assert again.exit_code == 0 and "Nothing was to be done" in again.output
    late = run("discard", held, "--by", "x", "--reason", "y")
    assert late.exit_code == 1 and "released by x" in late.output
    assert run("held", held).exit_code == 1
    assert "There is no delivery" in run("release", "nix", "--dry-run").output
