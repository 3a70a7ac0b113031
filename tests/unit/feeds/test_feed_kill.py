"""SIGKILL anywhere: no half state is ever seen, and the next run completes to the same end."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from feed_desk import TOY, TOY_HEADER, Desk, as_csv, with_contracts
from load_and_die import PLACES
from workbooks import as_xlsx, as_zip, with_part

from neet import decisions
from neet.database import connect
from neet.feeds import ingest, landing, replay
from neet.settings import PROJECT_ROOT

DRIVER = Path(__file__).with_name("load_and_die.py")


class Nursery:
    """Starts loaders that can be killed; one at a time."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "plugins")},
        )

    def start(self, desk: Desk, place: str = "-", decision: tuple = ()) -> int:
        order = {
            "root": str(desk.settings.root),
            "home": str(desk.settings.home),
            "environment": {f"NEET_DSN_{role.upper()}": dsn for role, dsn in desk.dsn.items()},
            "place": place,
            "decision": decision,
        }
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def was_killed(self) -> bool:
        """Wait for the loader's end; it must not have failed in any other way."""
        code = int(self.process.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.close()


def put(desk: Desk, name: str, content: str | bytes) -> None:
    folder = desk.settings.inbox / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def outcome(desk: Desk) -> dict[str, list]:
    """Everything but what depends on the moment."""
    found = desk.everything()
    timeless = []
    for row in found["control.delivery"]:
        delivery = json.loads(row)
        for name in ("delivery_id", "landing_path", "received_at", "accepted_at", "duplicate_of"):
            delivery.pop(name)
        delivery["status_reason"] = (delivery["status_reason"] or "").split(":")[0]
        timeless.append(json.dumps(delivery, sort_keys=True))
    rejects = [
        {k: v for k, v in json.loads(row).items() if k != "delivery_id"}
        for row in found["control.reject"]
    ]
    return {
        "delivery": sorted(timeless),
        "raw": found["raw.toy"],
        "reject": sorted(map(str, rejects)),
    }


def sequence() -> list[tuple[str, str]]:
    """Files that are loaded, held, refused and found a duplicate, with and without rejects."""
    base = [[f"T{n:04d}", f"thing {n}", "2021-09-01", n, "1"] for n in range(120)]
    bad = [[*row] for row in base]
    bad[3][2] = "soon"
    delta = [["T0005", "x", "", "", "", "U"], ["T0006", "", "", "", "", "D"]]
    return [
        ("886_toy_snapshot_20211031.csv", as_csv(TOY_HEADER, base)),
        ("886_toy_snapshot_20211031.csv", as_csv(TOY_HEADER, base)),
        ("886_toy_snapshot_20211130.csv", as_csv(TOY_HEADER, bad[:118])),
        ("886_toy_delta_20211208.csv", as_csv([*TOY_HEADER, "Operation"], delta)),
        ("886_toy_snapshot_20211231.csv", as_csv(TOY_HEADER, base[:50])),
        ("886_toy_snapshot_20220131.csv", "not a feed file\n"),
        ("886_toy_snapshot_20220228.csv", as_csv(TOY_HEADER, base)),
    ]


@functools.cache
def zipped_workbooks() -> list[tuple[str, bytes]]:
    """Workbooks in archives: loaded, held, and one that turns out damaged after rows were read."""
    base = [[f"T{n:04d}", f"thing {n}", "2021-09-01", n, 1] for n in range(1_500)]
    bad = [[*row] for row in base]
    bad[3][2] = "soon"
    bad[1_200][1] = "changed"
    files = [base, bad, base[:50]]
    packed = [as_zip({"x.xlsx": as_xlsx(TOY_HEADER, rows)}) for rows in files]
    damaged = with_part(
        as_xlsx(TOY_HEADER, base[::-1]), "xl/worksheets/sheet1.xml", lambda part: part[:-200]
    )
    packed.append(as_zip({"x.xlsx": damaged}))
    names = ("20211031.csv.zip", "20211130.csv.zip", "20211231.csv.zip", "20220131.csv.zip")
    return [
        (f"886_toy_snapshot_{name}", content) for name, content in zip(names, packed, strict=True)
    ]


LOADING = [place for place in PLACES if place.startswith(("landing", "loading"))]


@pytest.fixture(scope="module")
def untroubled() -> dict:
    """What the sequence comes to when nobody is killed; the first test that needs it finds out."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("place", LOADING)
def test_killed_at_a_known_place_the_next_run_completes(
    toy_desk, empty_twin, nursery, untroubled, tmp_path, place
):
    deaths = 0
    for name, content in sequence():
        put(toy_desk, name, content)
        nursery.start(toy_desk, place)
        deaths += nursery.was_killed()
        ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])
    assert deaths >= 1, "the place was never reached"
    if not untroubled:
        with empty_twin(toy_desk, home=tmp_path / "untroubled") as twin:
            for name, content in sequence():
                put(twin, name, content)
                ingest.ingest_inbox(twin.settings, twin.dsn["loader"])
            untroubled.update(outcome(twin))
    assert outcome(toy_desk) == untroubled
    assert replay.verify_landing(toy_desk.settings) == []


WHILE_UNPACKED = [
    "loading: while the file is read",
    "loading: in the middle of COPY",
    "loading: after accepted.json",
    "loading: after refused.json",
]


@pytest.fixture
def workbook_desk(desk, tmp_path) -> Desk:
    text = TOY.read_text().replace("format: csv", "format: [csv, xlsx]")
    return with_contracts(desk, tmp_path / "toys", {"toy": text})


@pytest.fixture(scope="module")
def untroubled_workbooks() -> dict:
    """As :func:`untroubled`, of workbooks."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("place", WHILE_UNPACKED)
def test_killed_over_a_zipped_workbook_the_next_run_completes(
    workbook_desk, empty_twin, nursery, untroubled_workbooks, tmp_path, place
):
    desk, deaths = workbook_desk, 0
    left_behind = unpacked_files()
    for name, content in zipped_workbooks():
        put(desk, name, content)
        nursery.start(desk, place)
        deaths += nursery.was_killed()
        ingest.ingest_inbox(desk.settings, desk.dsn["loader"])
    assert deaths >= 1, "the place was never reached"
    if not untroubled_workbooks:
        with empty_twin(desk, home=tmp_path / "untroubled") as twin:
            for name, content in zipped_workbooks():
                put(twin, name, content)
                ingest.ingest_inbox(twin.settings, twin.dsn["loader"])
            untroubled_workbooks.update(outcome(twin))
        statuses = [json.loads(row)["status"] for row in untroubled_workbooks["delivery"]]
        assert sorted(statuses) == ["accepted", "accepted", "held", "refused"]
    assert outcome(desk) == untroubled_workbooks
    assert replay.verify_landing(desk.settings) == []
    assert unpacked_files() == left_behind, "what was unpacked is gone with its process"


def unpacked_files() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("neet-unpacked")}


def held_toy(desk: Desk) -> str:
    desk.toy([[f"T{n}", "", "", "", ""] for n in range(40)], day="20211031")
    return desk.toy([[f"T{n}", "", "", "", ""] for n in range(10)], day="20211130").delivery_id


@pytest.mark.parametrize("kind", ["release", "discard", "waiver"])
@pytest.mark.parametrize("place", [p for p in PLACES if p.startswith("decision")])
def test_a_decision_killed_is_either_not_made_or_made(toy_desk, nursery, kind, place):
    subject = held_toy(toy_desk)
    role = "gate" if kind == "waiver" else "loader"
    nursery.start(toy_desk, place, (kind, subject, role))
    assert nursery.was_killed()
    seen = toy_desk.query("select count(*) from control.decision")
    assert seen == [(0,)], "nothing before COMMIT"
    # whoever comes next, of either role, finishes it first
    decisions.recover(toy_desk.settings, toy_desk.dsn["gate" if role == "loader" else "loader"])
    made = place.endswith("after the folder appeared")
    assert toy_desk.query("select count(*) from control.decision") == [(int(made),)]
    again = decisions.record(
        toy_desk.settings, toy_desk.dsn[role], kind, "886", subject, {}, "A. Manager", "because"
    )
    assert again.delivery_seq == 2
    status = {"release": "accepted", "discard": "refused", "waiver": "held"}[kind]
    assert toy_desk.query(
        "select status from control.delivery where delivery_id = %s", subject
    ) == [(status,)]
    assert landing.decision_on(landing_folder(toy_desk, subject))["status"] == status
    assert replay.verify_landing(toy_desk.settings) == []


def landing_folder(desk: Desk, delivery_id: str) -> Path:
    ((path,),) = desk.query(
        "select landing_path from control.delivery where delivery_id = %s", delivery_id
    )
    return desk.settings.landing / path


class Reader(threading.Thread):
    """Polls in one snapshot at a time, and notes whatever does not add up."""

    QUERY = """
        select delivery.delivery_seq, delivery.rows_loaded, delivery.rows_closed, delivery.rows_rejected,
               coalesce(u, 0), coalesce(d, 0), rejects.count, delivery.status
        from control.delivery
        full join (
          select delivery_seq, count(*) filter (where operation = 'U') as u,
                 count(*) filter (where operation = 'D') as d
          from raw.toy group by delivery_seq) as versions using (delivery_seq)
        left join lateral (
          select count(*) from control.reject where reject.delivery_id = delivery.delivery_id
        ) as rejects on true
        where delivery.delivery_id is null
           or (delivery.status = 'accepted' and delivery.rows_loaded <> coalesce(u, 0))
           or (delivery.status = 'accepted' and delivery.rows_closed <> coalesce(d, 0))
           or delivery.rows_rejected <> rejects.count
    """

    def __init__(self, dsn: str):
        super().__init__(daemon=True)
        self.dsn, self.wrong, self.polls, self.ended = dsn, [], 0, threading.Event()

    def run(self):
        with connect(self.dsn, autocommit=True) as connection:
            while not self.ended.is_set():
                self.wrong += connection.execute(self.QUERY).fetchall()
                self.polls += 1
                self.ended.wait(0.01)


@pytest.mark.system
@pytest.mark.slow
def test_killed_at_twenty_random_moments_of_a_load(toy_desk, empty_twin, nursery, tmp_path):
    chance = random.Random(20211231)
    labels = [f"thing {n}" for n in range(8_000)]
    months: list[tuple[str, str]] = []

    def next_month() -> None:
        number = len(months)
        for _ in range(3_000):
            labels[chance.randrange(len(labels))] = f"changed in {number}"
        rows = [[f"T{n:05d}", label, "2021-09-01", n, "1"] for n, label in enumerate(labels)]
        for bad in chance.sample(rows, 20):
            bad[3] = "many"
        missing = chance.randrange(len(rows))
        del rows[missing : missing + 40]
        name = f"886_toy_snapshot_{2000 + number}1231.csv"
        months.append((name, as_csv(TOY_HEADER, rows)))
        put(toy_desk, *months[-1])

    for _ in range(2):
        next_month()
        began = time.monotonic()
        nursery.start(toy_desk)
        assert not nursery.was_killed()
        length = time.monotonic() - began
    reader = Reader(toy_desk.dsn["auditor"])
    reader.start()
    kills = 0
    while kills < 20:
        assert len(months) < 70, "the loader is always quicker than the kill"
        next_month()
        loader = nursery.start(toy_desk)
        time.sleep(chance.uniform(0, length))
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            os.kill(loader, signal.SIGKILL)
        if nursery.was_killed():
            kills += 1
        else:
            length *= 0.9
        ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])
    reader.ended.set()
    reader.join()
    assert reader.wrong == []
    assert reader.polls > 50
    with empty_twin(toy_desk, home=tmp_path / "untroubled") as twin:
        for name, content in months:
            put(twin, name, content)
            ingest.ingest_inbox(twin.settings, twin.dsn["loader"])
        assert outcome(toy_desk) == outcome(twin)
    count = len(months)
    assert toy_desk.query("select count(*), max(delivery_seq) from control.delivery") == [
        (count, count)
    ]
