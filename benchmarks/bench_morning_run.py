"""Every feed in one unattended morning: fetched, landed, read, loaded under the real scheduler, and rebuilt from landing.

The newest file of every provider of every feed lies on an SFTP server (OpenSSH's where it is installed), in a bucket (moto), on
a web server or in a folder. One run of ``ingest`` takes them all. The reference is the rebuild: the same deliveries replayed
from landing in one process, without transports and without Airflow; every raw table must come out the same.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import resource
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.harness import ROOT, Bench, Figure, seconds_of
from neet import rebuilding
from neet.feeds import landing
from neet.services.airflow_api import AirflowApi
from neet.settings import Settings

UNTIL = "2022-01-14"
WEB = ("calendar_dates", "dfe_la_scorecard", "ons_population", "statistical_neighbours")
HOURS = 2


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    """Wall time of the run against the rebuild, and the peak memory of the largest process and of all together."""
    files = newest_files(Settings.load(), county(bench, people))
    with sources(bench, files) as servers:
        stack = bench.stack
        stack.up()
        api = AirflowApi(
            stack.api_url, "neet_cli", stack.installation()["airflow_users"]["neet_cli"]
        )
        with Memory(stack.settings.home) as memory:
            seconds = seconds_of(lambda: run_ingest(api, UNTIL))
    rows = deliveries(stack.settings)
    for feed, count, files_of, rows_in, rejected in rows:
        print(f"  {feed:34} {count:4} of {files_of:4} files accepted {rows_in:9,} rows {rejected:6,} rejected", flush=True)  # fmt: skip
    before = digests(stack.settings)
    again = seconds_of(lambda: rebuilding.rebuild(stack.settings, lambda _: None))
    after = digests(stack.settings)
    if before != after:
        differ = sorted(
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        )
        raise AssertionError(
            f"rebuilt from landing these are not as they were: {', '.join(differ)}"
        )
    yield Figure(
        name="morning_run",
        size=sum(row[3] for row in rows),
        unit="rows",
        ours_s=seconds,
        reference_s=again,
        peak_mb=memory.largest_mb,
        note=(
            f"{len(rows)} feeds, {sum(row[2] for row in rows)} files through {servers}; all processes together "
            f"{memory.all_mb:.0f} MB; reference: rebuild from landing, identical in {len(before)} tables"
        ),
    )


def county(bench: Bench, people: int) -> Path:
    """A county with the files of every source."""
    from synthetic_county import Config, generate

    out = bench.folder / f"county-sources-{people}-{bench.seed}"
    if not (out / "schedule.csv").exists():
        generate(
            Config(
                people=people, seed=bench.seed, first_month="2021-12", last_month="2022-01",
                first_point="2021-12", defects="none", truth_months="none", out=out, overwrite=True, sources=True,
            )
        )  # fmt: skip
    return out


def newest_files(settings: Settings, folder: Path) -> dict[str, list[Path]]:
    """The newest file of each provider of each feed, snapshots where there are any."""
    contracts = landing.contracts_of(settings)
    chosen: dict[tuple[str, str], tuple[str, Path]] = {}
    with (folder / "schedule.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["deliver_on"] > UNTIL or row["mode"] == "delta":
                continue
            file = folder / "exports" / row["deliver_on"] / row["file"]
            provider = landing.identify(contracts[row["feed"]], file, settings.la_code).provider
            key = (row["feed"], provider)
            if key not in chosen or chosen[key][0] <= row["deliver_on"]:
                chosen[key] = (row["deliver_on"], file)
    found: dict[str, list[Path]] = {
        "dfe_la_scorecard": [ROOT / "data" / "dfe_scorecard" / "neet_la_scorecard_2021.csv"]
    }
    for (feed, _), (_, file) in sorted(chosen.items()):
        found.setdefault(feed, []).append(file)
    return found


@contextlib.contextmanager
def sources(bench: Bench, files: dict[str, list[Path]]) -> Iterator[str]:
    """Servers that hold the files, and the environment that says where; gives the servers' names."""
    from tests.transports.servers import (
        find_sshd,
        openssh_server,
        s3_server,
        sftp_server,
        web_server,
    )

    work = bench.folder / "morning"
    shutil.rmtree(work, ignore_errors=True)
    for name in ("ssh", "share"):
        (work / name).mkdir(parents=True)
    program = find_sshd()
    sftp = openssh_server(program, work / "ssh") if program else sftp_server(work / "ssh")
    with sftp as ssh, s3_server() as bucket, web_server() as web:
        top = str(ssh.folder) if program else ""
        listed: dict[str, list[dict]] = {}
        for number, (feed, members) in enumerate(sorted(files.items())):
            common = {"expected_from": "2021-12-01", "quiet_seconds": 0}
            if feed in WEB:
                for file in members:
                    web.files[f"/{feed}"] = file.read_bytes()
                    listed[feed] = [common | {"url": f"{web.url}/{feed}", "name": file.name}]
            elif number % 3 == 0:
                place = ssh.folder / feed
                place.mkdir()
                for file in members:
                    shutil.copy(file, place)
                listed[feed] = [
                    common | {"url": f"sftp://{top}/{feed}", "connection": "bench_sftp"}
                ]
            elif number % 3 == 1:
                for file in members:
                    bucket.client.upload_file(str(file), bucket.name, f"{feed}/{file.name}")
                listed[feed] = [
                    common | {"url": f"s3://{bucket.name}/{feed}", "connection": "bench_s3"}
                ]
            else:
                place = work / "share" / feed
                place.mkdir()
                for file in members:
                    shutil.copy(file, place)
                listed[feed] = [common | {"url": f"file://{place}"}]
        text = json.dumps({"sources": listed}).replace('"2021-12-01"', "2021-12-01")
        (work / "sources.yml").write_text(text)
        added = {
            "NEET_SOURCES": str(work / "sources.yml"),
            "AIRFLOW_CONN_BENCH_SFTP": ssh.connection(),
            "AIRFLOW_CONN_BENCH_S3": bucket.connection(),
        }
        os.environ |= added
        try:
            yield f"{'OpenSSH' if program else 'asyncssh'}, S3 (moto), HTTP and a folder"
        finally:
            for name in added:
                del os.environ[name]


def run_ingest(api: AirflowApi, day: str) -> None:
    """One run, from the trigger to its end.

    Raises:
        RuntimeError: it did not end.
    """
    deadline = time.monotonic() + HOURS * 3600
    while not api.dag_ready("ingest"):
        time.sleep(0.5)
    while not api.dag_ready("build_warehouse"):
        time.sleep(0.5)
    api.pause(
        "build_warehouse", True
    )  # what is accepted sets it off; its cost is measured elsewhere
    run = api.trigger("ingest", {}, day)
    while api.run("ingest", run)["state"] not in ("success", "failed"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the run did not end within {HOURS} hours")
        time.sleep(1)


def deliveries(settings: Settings) -> list[tuple]:
    """Feed, accepted files, files, rows in, rows rejected."""
    with psycopg.connect(settings.dsn("auditor")) as connection:
        return connection.execute(
            """select feed, count(*) filter (where status = 'accepted'), count(*), sum(rows_in)::bigint,
                 sum(rows_rejected)::bigint
               from control.delivery where mode <> 'decision' group by feed order by feed"""
        ).fetchall()


def digests(settings: Settings) -> dict[str, str]:
    """A hash of every raw table and of what is known of the deliveries, whatever the order of their rows."""
    found = {}
    with psycopg.connect(settings.dsn("auditor")) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname = 'raw' order by 2"
        ).fetchall()
        for schema, table in [*tables, ("control", "delivery"), ("control", "reject")]:
            digest = hashlib.sha256()
            query = sql.SQL("select md5(t::text) from {} t order by 1").format(
                sql.Identifier(schema, table)
            )
            with connection.cursor(name="digest") as cursor:
                cursor.itersize = 50_000
                for (row,) in cursor.execute(query):
                    digest.update(row.encode())
            found[f"{schema}.{table}"] = digest.hexdigest()
    return found


class Memory:
    """Peak resident memory, in MB, of an installation's Python processes: of the largest, and of all at one moment.

    PostgreSQL's are left out: their shared memory would be counted once for each.
    """

    def __init__(self, home: Path) -> None:
        self.mark = f"NEET_HOME={home}".encode()
        self.largest_mb = self.all_mb = 0.0

    def __enter__(self) -> Memory:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        page = resource.getpagesize()
        while not self._stop.wait(0.5):
            sizes = []
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    if b"python" not in os.readlink(process / "exe").encode():
                        continue
                    if self.mark in (process / "environ").read_bytes():
                        resident, shared = (process / "statm").read_text().split()[1:3]
                        sizes.append(((int(resident)) * page / 1e6, int(shared) * page / 1e6))
            if sizes:
                self.largest_mb = max(self.largest_mb, max(size for size, _ in sizes))
                self.all_mb = max(self.all_mb, sum(size - shared for size, shared in sizes))
