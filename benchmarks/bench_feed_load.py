"""Feed load against bare ``COPY`` of the same file.

Ours is everything from a file in a folder to durable rows: landing copy with SHA-256, contract, checks, hashes,
comparison with what is known, changed rows into ``raw``, counts, sidecars, COMMIT. The reference is what ``psql``'s
``\\copy`` does: the same file into a table of text columns without a key, and COMMIT, on the same server with the
settings an installation runs with (durable: fsync and synchronous COMMIT are on).

A round takes each feed through its first snapshot (every row is new), the next month's (nearly every row is as it was)
and the delta after it, and both sides load each of these files in turn.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.harness import Bench, Figure, PeakMemory, seconds_of
from neet.database import connect
from neet.feeds import landing
from neet.settings import Settings

FEEDS = ("core_plus_people", "core_plus_activities")
ROUNDS = 3


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    """Two figures a feed and kind of file: our seconds against ``COPY``'s, and our peak memory."""
    bench.stack.database_up()
    settings = bench.stack.settings
    for feed in FEEDS:
        files = _files(bench, people, feed)
        seconds: dict[str, list[tuple[float, float]]] = {step: [] for step in files}
        rows: dict[str, tuple[int, int]] = {}
        peaks: dict[str, float] = {step: 0.0 for step in files}
        for _ in range(ROUNDS):
            _empty(settings, feed)
            for step, file in files.items():
                reference = seconds_of(_bare_copy(settings, file))
                with PeakMemory() as peak:
                    ours = seconds_of(_load(settings, feed, file, rows, step))
                seconds[step].append((ours, reference))
                peaks[step] = max(peaks[step], peak.mb)
        for step, pairs in seconds.items():
            rows_in, changed = rows[step]
            yield Figure(
                name=f"feed_load_{feed.removeprefix('core_plus_')}_{step}",
                size=rows_in,
                unit="rows",
                ours_s=statistics.median(ours for ours, _ in pairs),
                reference_s=statistics.median(reference for _, reference in pairs),
                peak_mb=peaks[step],
                note=f"durable server; reference COPY of the same file without a key; {changed} rows changed",
            )
        _empty(settings, feed)


def _files(bench: Bench, people: int, feed: str) -> dict[str, Path]:
    """The first snapshot, the second, and the largest delta that follows it."""
    schedule = [row for row in bench.schedule(people) if row["feed"] == feed]
    files = [bench.file_of(people, row) for row in schedule]
    snapshots = [file for file in files if "_snapshot_" in file.name]
    first, second = snapshots[1:3]
    following = [file for file in files[files.index(second) :] if "_delta_" in file.name]
    return {
        "first_snapshot": first,
        "next_snapshot": second,
        "delta": max(following, key=lambda file: file.stat().st_size),
    }


def _empty(settings: Settings, feed: str) -> None:
    shutil.rmtree(settings.landing, ignore_errors=True)
    with connect(settings.dsn("owner")) as connection:
        connection.execute(
            sql.SQL("truncate {}, control.delivery cascade").format(sql.Identifier("raw", feed))
        )


def _load(
    settings: Settings, feed: str, file: Path, rows: dict[str, tuple[int, int]], step: str
) -> Callable[[], None]:
    def load() -> None:
        result = landing.receive(settings, settings.dsn("loader"), feed, file)
        if result.status != "accepted":
            raise RuntimeError(f"{file} was {result.status}: {result.reason}")
        rows[step] = (result.rows_in, result.rows_loaded)

    return load


def _bare_copy(settings: Settings, file: Path) -> Callable[[], None]:
    dsn = settings.dsn("owner")
    with file.open(encoding="utf-8") as lines:
        header = lines.readline().strip().split(",")
    with connect(dsn) as connection:
        connection.execute("drop table if exists public.bare_copy")
        connection.execute(
            sql.SQL("create table public.bare_copy ({})").format(
                sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(h)) for h in header)
            )
        )

    def copy() -> None:
        with (
            psycopg.connect(dsn) as connection,
            connection.cursor().copy(
                "copy public.bare_copy from stdin (format csv, header)"
            ) as stream,
            file.open("rb") as content,
        ):
            while block := content.read(1 << 16):
                stream.write(block)

    return copy
