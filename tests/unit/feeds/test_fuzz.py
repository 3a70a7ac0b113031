"""Whatever happens to a file on its way: it is loaded, rejected in part, held, refused or a duplicate, with a
reason; no row is lost or half loaded; nothing ever fails.

A failure names its seed and where the file was kept. ``NEET_FUZZ_SEED=<seed> pytest tests/unit/feeds/test_fuzz.py
-k one_seed`` does it again; ``NEET_FUZZ_FROM=<number>`` sends the others where nobody has been.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest
from fuzzing import make, mutate

from neet.feeds import landing, reject_report, replay
from neet.settings import PROJECT_ROOT

FEEDS = [
    "core_plus_people", "core_plus_activities", "school_census", "school_attendance", "college_enrolment",
    "course_offer", "nccis_feedback", "youth_justice_orders", "other_la_moves", "ccis_flat_extract",
    "apprenticeship_starts", "kpi_targets", "nccis_return",
]  # fmt: skip
KEPT = PROJECT_ROOT / "var" / "fuzz"
SECONDS = 20

COUNTS = """
select rows_in, rows_loaded, rows_unchanged, rows_rejected, rows_closed, status, status_reason, delivery_seq,
       (select count(*) from control.reject where reject.delivery_id = delivery.delivery_id),
       (select count(*) from raw.{feed} where delivery_seq = delivery.delivery_seq and operation = 'U'),
       (select count(*) from raw.{feed} where delivery_seq = delivery.delivery_seq and operation = 'D'),
       (select count(*) from raw.{feed})
from control.delivery where delivery_id = %s
"""


class Fuzz:
    """Delivers damaged files to one warehouse and checks what it says of each."""

    def __init__(self, desk):
        self.desk = desk
        self.contracts = landing.contracts_of(desk.settings)
        self.seen: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.raw_rows: Counter[str] = Counter()

    def one(self, seed: int) -> None:
        chance = random.Random(seed)
        feed = chance.choice(FEEDS)
        contract = self.contracts[feed]
        kind = chance.choice(["csv", "xlsx", "xml"]) if chance.random() < 0.1 else None
        if "nccis_xml" in contract.formats:
            kind = None
        made = make(contract, chance, kind)
        content = mutate(made, chance) if seed % 10 else made.content
        began = time.monotonic()
        try:
            result = self.desk.deliver(feed, made.name, content)
            self.check(feed, result)
            assert time.monotonic() - began < SECONDS, "too slow"
            if seed % 10 == 0 and made.kind in contract.formats:
                assert result.rows_rejected == 0 and result.status != "refused", result.reason
                if result.status != "duplicate":
                    assert result.rows_in == made.count or made.kind == "nccis_xml"
        except BaseException as error:
            KEPT.mkdir(parents=True, exist_ok=True)
            file = KEPT / f"{seed}_{feed}_{made.name}"
            file.write_bytes(content)
            raise AssertionError(
                f"seed {seed}, feed {feed} ({made.kind}): {error!r}. The file is kept as {file}"
            ) from error

    def check(self, feed: str, result) -> None:
        (row,) = self.desk.query(COUNTS.format(feed=feed), result.delivery_id)
        (
            rows_in,
            loaded,
            unchanged,
            rejected,
            closed,
            status,
            reason,
            seq,
            rejects,
            written,
            ended,
            all_rows,
        ) = row
        assert status == result.status and status in ("accepted", "held", "refused", "duplicate")
        assert rejects == rejected
        if status == "accepted":
            assert rows_in == loaded + unchanged + rejected
            # a delta's deletions are loaded and close; a snapshot's closures are no rows of the file
            assert written <= loaded <= written + ended and ended == closed
            marks = all_rows - self.raw_rows[feed] - written - ended
            assert 0 <= marks <= rejected, "stale markers only"
        else:
            assert reason and ":" in reason and reason.rstrip().endswith("."), reason
            assert seq is None and loaded == 0
            assert all_rows == self.raw_rows[feed], "a row of what does not count"
            self.codes[reason.partition(":")[0]] += 1
        self.raw_rows[feed] = all_rows
        self.seen["rejected in part" if status == "accepted" and rejected else status] += 1

    def conclude(self) -> None:
        """The warehouse as a whole, and every rule met."""
        assert replay.verify_landing(self.desk.settings) == []
        for (rule,) in self.desk.query("select distinct rule from control.reject"):
            assert rule in reject_report.RULES, f"{rule}: nobody is told what to do"
        (reasons,) = self.desk.query(
            "select count(*) from control.reject where coalesce(reason, '') = ''"
        )
        assert reasons == (0,)
        reported = sum(1 for _ in (self.desk.settings.home / "reports").glob("*/*/*.html"))
        ((owed,),) = self.desk.query(
            "select count(*) from control.delivery where rows_rejected > 0 or status in ('held', 'refused')"
        )
        assert reported == owed
        print(dict(self.seen), dict(self.codes.most_common()))


def start() -> int:
    return int(os.environ.get("NEET_FUZZ_FROM", "0"))


@pytest.mark.slow
def test_hundreds_of_damaged_files(desk):
    fuzz = Fuzz(desk)
    for seed in range(start(), start() + 250):
        fuzz.one(seed)
    fuzz.conclude()
    assert {"accepted", "rejected in part", "refused", "held", "duplicate"} >= set(fuzz.seen)
    assert min(fuzz.seen[status] for status in ("accepted", "rejected in part", "refused")) >= 10
    assert len(fuzz.codes) >= 8, "the damage is of many kinds"


@pytest.mark.system
def test_thousands_of_damaged_files(desk):
    fuzz = Fuzz(desk)
    for seed in range(start() + 10_000, start() + 12_500):
        fuzz.one(seed)
    fuzz.conclude()
    assert len(fuzz.codes) >= 15, "the damage is of many kinds"


def test_one_seed(desk):
    """The seed of ``NEET_FUZZ_SEED``; without one, a file that nothing happened to."""
    fuzz = Fuzz(desk)
    fuzz.one(int(os.environ.get("NEET_FUZZ_SEED", "10")))
    assert sum(fuzz.seen.values()) == 1
