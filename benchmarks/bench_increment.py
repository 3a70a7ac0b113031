"""What one ordinary delivery costs: the live build after a week's Core+ changes against a build of everything.

A county of the size asked for is made of copies of one of at most 52,000 people, whose raw rows are copied in SQL under
other Core+ numbers, because the generator holds a county in memory. The copies live the same lives, which the warehouse
cannot know. Only Core+ feeds are there, for linkage would find every copy in every other feed; up to 52,000 people the
county is as generated, with every feed.

Ordinary is the last weekly delta of activities: about one person in a hundred. Both builds are the same code on the same
database: first everything anew (``full_refresh``), then, after the delivery, what it changed. Time of SQL is the processor
time of the server, data tests and statistics and what linkage asks of it among them; rows are what the server counted as
inserted, updated or deleted, temporary tables and the ledger among them. Python and publishing are beside it. What the
server would still tidy up after the first builds by itself is tidied up between, and counted to neither.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench_morning_run import county as county_of_sources
from benchmarks.harness import Bench, Figure, PeakMemory, seconds_of
from neet import publishing, transform
from neet.database import connect
from neet.feeds import landing
from neet.settings import Settings

LARGEST_GENERATED = 52_000
BOUND = 0.1
"""An increment may cost this share of a full build, in time of statements and in rows."""


def seconds_of_server(data: Path) -> float:
    """Processor time that a PostgreSQL server has used so far, with all its sessions that are alive or have ended.

    Unlike the time of day it is the same on a busy machine.

    Args:
        data: the server's data folder; the first line of ``postmaster.pid`` there is the process that all others are
            children of.
    """
    server = int((data / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # ended meanwhile: its parent has its time
            continue
        if int(pid) == server:
            ticks += sum(map(int, rest[11:15]))
        elif int(rest[1]) == server:
            ticks += sum(map(int, rest[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def copy_people(settings: Settings, copies: int, delivery_seq: int | None = None) -> None:
    """Copy the raw rows of every Core+ feed, or those of one delivery, for people of other numbers.

    The first of the ten digits of a Core+ number, 0 in a generated county, is the number of the copy.
    """
    contracts = landing.contracts_of(settings)
    with connect(settings.dsn("owner")) as connection:
        tables = connection.execute(
            """select table_name, array_agg(column_name::text order by ordinal_position)
               from information_schema.columns where table_schema = 'raw' and table_name like 'core_plus_%'
               group by table_name having bool_or(column_name = 'young_persons_id')"""
        ).fetchall()
        for table, columns in tables:
            own = contracts[table].key[0].name
            for copy in range(1, copies):
                number = f"left(young_persons_id, 3) || '{copy}' || substr(young_persons_id, 5)"
                new = {
                    "young_persons_id": number,
                    "row_key": f"replace(row_key, young_persons_id, {number})",
                }
                if own != "young_persons_id":  # the row key begins with the key of the row
                    new |= {own: f"'{copy}' || {own}", "row_key": f"'{copy}' || row_key"}
                connection.execute(
                    f"""insert into raw.{table} ({", ".join(columns)})
                        select {", ".join(new.get(name, name) for name in columns)} from raw.{table}
                        where substr(young_persons_id, 4, 1) = '0' and delivery_seq {"=" if delivery_seq else ">"} %s""",
                    [delivery_seq or 0],
                )
            connection.execute(f"analyze raw.{table}")


def written(dsn: str) -> int:
    """Rows that the server has inserted, updated or deleted in this database so far."""
    time.sleep(
        1.5
    )  # sessions report what they did within a second of falling idle, or when they end
    with connect(dsn) as connection:
        return connection.execute(
            "select tup_inserted + tup_updated + tup_deleted from pg_stat_database where datname = current_database()"
        ).fetchone()[0]


def build(settings, dsn: str, **how) -> tuple[float, int, float]:
    """A live build: processor seconds of the server, rows it wrote, our own peak memory in MB."""
    data = settings.home / "postgres"
    rows, seconds = written(dsn), seconds_of_server(data)
    with PeakMemory() as peak:
        transform.build_live(settings, dsn, **how)
    return seconds_of_server(data) - seconds, written(dsn) - rows, peak.mb


def last_delta(schedule: list[dict]) -> dict:
    """The last weekly delta of activities: the ordinary delivery."""
    return [
        row
        for row in schedule
        if row["feed"] == "core_plus_activities" and "_delta_" in row["file"]
    ][-1]


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    """Statements and rows of an increment against a full build, and what publishing the two costs.

    Raises:
        AssertionError: an increment costs more than :data:`BOUND` of a full build.
    """
    bench.stack.database_up()
    settings = bench.stack.settings
    dsn = settings.dsn("builder")
    copies = -(-people // LARGEST_GENERATED)
    size = people // copies
    county = county_of_sources(bench, size)
    with (county / "schedule.csv").open(encoding="utf-8", newline="") as lines:
        schedule = [
            row
            for row in csv.DictReader(lines)
            if copies == 1 or row["feed"].startswith("core_plus_")
        ]
    ordinary = last_delta(schedule)

    def receive(row: dict) -> None:
        file = county / "exports" / row["deliver_on"] / row["file"]
        landing.receive(settings, settings.dsn("loader"), row["feed"], file)

    for row in schedule:
        if row is not ordinary:
            receive(row)
    copy_people(settings, copies)
    transform.build_live(settings, dsn)  # parses the project and loads the seeds, once
    full_s, full_rows, full_mb = build(settings, dsn, full_refresh=True)
    first = seconds_of(lambda: publishing.publish(settings, dsn))
    with connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum")
    receive(ordinary)
    with connect(dsn) as connection:
        (seq,) = connection.execute("select max(delivery_seq) from control.delivery").fetchone()
    copy_people(settings, copies, seq)
    with connect(dsn) as connection:
        (brought,) = connection.execute(
            "select count(distinct young_persons_id) from raw.core_plus_activities where delivery_seq = %s",
            [seq],
        ).fetchone()
    part_s, part_rows, part_mb = build(settings, dsn)
    second = seconds_of(lambda: publishing.publish(settings, dsn))
    what = "every feed" if copies == 1 else f"Core+ feeds, {copies} copies of {size:,} people"
    said = f"one weekly delta about {brought:,} people; {what}"
    yield Figure(
        "increment_sql_against_full",
        people,
        "people",
        part_s,
        full_s,
        part_mb,
        f"{said}; full build peak {full_mb:.0f} MB",
    )
    yield Figure(
        "increment_rows_against_full",
        people,
        "people",
        part_rows,
        full_rows,
        None,
        f"rows, not seconds; {said}",
    )
    yield Figure("publish_increment_against_first", people, "people", second, first, None, said)
    if max(part_s / full_s, part_rows / full_rows) > BOUND:
        raise AssertionError(
            f"An increment took {part_s:.1f} of {full_s:.1f} s of statements and wrote {part_rows:,} of {full_rows:,} rows: "
            f"at most {BOUND:.0%} is wanted."
        )
