"""Linkage on a county that the model was not trained on: quality by district, source and corruption, time, memory.

The whole county is delivered to a warehouse of its own; then every record is linked from nothing, once more after one
record in a thousand has gone, and once more when a delivery of accounts arrives that had been kept back. The reference is
the first step of any linkage: reading the records.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Bench, Figure, PeakMemory, seconds_of
from neet.database import connect
from neet.identity import linking, measuring, trial
from neet.identity.resolving import Candidate, Duplicate, Link

SEED = 90_417
"""Of the county: neither training (neet/identity/model) nor the making of the rules has seen it."""

RECORDS = "intermediate.int_source_person"
GONE = "source_feed <> 'core_plus_people' and hashtext(source_key) % 1000 = 0"
LATE = "source_feed = 'kent_choices_accounts' and hashtext(source_key) % 40 = 1"
"""A fortieth of the accounts: what a week of the autumn brings."""


def county(folder: Path, people: int, seed: int = SEED) -> Path:
    """A winter of Kent's figures with every source, made once."""
    from synthetic_county import Config, generate

    out = folder / f"linkage-{people}-{seed}"
    if not (out / "truth" / "source_keys.csv").exists():
        generate(
            Config(
                people=people, seed=seed, first_month="2021-12", last_month="2022-03", first_point="2021-12",
                defects="none", truth_months="own", parameters="kent-2022", sources=True, out=out, overwrite=True,
            )
        )  # fmt: skip
    return out


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    """Seconds of a linkage from nothing and of one after small changes; prints the quality."""
    with trial.loaded(county(bench.folder, people), print) as loaded:
        done: list[linking.Linked] = []
        reading = seconds_of(loaded.records)
        with PeakMemory() as peak:
            fresh = seconds_of(
                lambda: done.append(linking.link(loaded.dsn["builder"], loaded.known_seq))
            )
        with connect(loaded.dsn["builder"]) as connection:
            links, asked, doubles = (
                [kind(*row) for row in connection.execute(f"select {', '.join(kind.__slots__)} from identity.{table}").fetchall()]
                for kind, table in ((Link, "link"), (Candidate, "candidate"), (Duplicate, "core_plus_duplicate"))
            )  # fmt: skip
            connection.execute(f"create table intermediate.late as select * from {RECORDS} where {LATE}")  # fmt: skip
            connection.execute(f"delete from {RECORDS} where {GONE}")

        def again() -> float:
            return seconds_of(
                lambda: done.append(linking.link(loaded.dsn["builder"], loaded.known_seq))
            )

        after_changes = again()
        with connect(loaded.dsn["builder"]) as connection:
            connection.execute(f"delete from {RECORDS} where {LATE}")
        linking.link(loaded.dsn["builder"], loaded.known_seq)
        with connect(loaded.dsn["builder"]) as connection:
            connection.execute(f"insert into {RECORDS} select * from intermediate.late")
        after_delivery = again()
    quality = measuring.measure(links, asked, doubles, loaded.truth)
    print(*(one.words for one in done), *quality.lines(), sep="\n", flush=True)
    note = (
        f"{len(links)} records; precision {quality.everything.precision:.5f}, recall {quality.everything.recall:.4f}, "
        f"queue {quality.queue_share:.2%} of people; reference reads the records"
    )
    yield Figure("linkage_from_nothing", people, "people", fresh, reading, peak.mb, note)
    for name, seconds, what, one in (
        ("linkage_after_changes", after_changes, "one record in a thousand gone", done[1]),
        ("linkage_after_a_delivery", after_delivery, f"{done[2].news} accounts new", done[2]),
    ):
        note = f"{what}: {one.touched} records touched, {one.compared} pairs weighed, {one.changed} rows changed"
        yield Figure(name, people, "people", seconds, reading, None, note)
