"""What every benchmark shares: a county and a server to measure on, interleaved timing, peak memory, the result files.

A benchmark is a module ``bench_<name>.py`` in this folder with ``measure(bench, people)``, which yields a
:class:`Figure` for each thing it measured. Seconds say little on a noisy machine, so a figure is a ratio: ours and a
reference that does the least that could be done, in turns, in one run (:func:`alternate`).
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from neet.services.stack import Stack
from neet.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
HEADER = ("name", "size", "unit", "ours_s", "reference_s", "ratio", "peak_mb", "note")


@dataclass(frozen=True)
class Figure:
    """One line of ``benchmarks/latest.csv``.

    Attributes:
        name: what was measured against what, snake_case, the same in every run.
        size, unit: how much of what: 52000, ``people``.
        ours_s, reference_s: seconds of wall time, medians of interleaved rounds; ``reference_s`` None when there is
            nothing to compare with.
        peak_mb: peak resident memory of our process in MB, None when not measured.
        note: what the reference is, or what a reader must know.
    """

    name: str
    size: int
    unit: str
    ours_s: float
    reference_s: float | None = None
    peak_mb: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the reference; below 1 we are faster."""
        return self.ours_s / self.reference_s if self.reference_s else None

    def row(self) -> tuple:
        def shown(value: float | None, digits: int) -> str:
            return "" if value is None else f"{value:.{digits}f}"

        return (
            self.name, self.size, self.unit, shown(self.ours_s, 3), shown(self.reference_s, 3), shown(self.ratio, 2),
            shown(self.peak_mb, 0), self.note,
        )  # fmt: skip


def seconds_of(do: Callable[[], object]) -> float:
    """Wall time of one call, in seconds."""
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def alternate(
    ours: Callable[[], object], reference: Callable[[], object], rounds: int = 3
) -> tuple[float, float]:
    """Medians of the wall times of both, run in turns so that a busy minute hits both alike.

    Returns:
        seconds of ours, seconds of the reference.
    """
    pairs = [(seconds_of(reference), seconds_of(ours)) for _ in range(rounds)]
    return statistics.median(o for _, o in pairs), statistics.median(r for r, _ in pairs)


class PeakMemory:
    """``with PeakMemory() as peak: ...; peak.mb``: the highest resident memory of this process meanwhile, in MB.

    Sampled every 20 ms, so it holds for a stretch of a process's life, which ``ru_maxrss`` does not.
    """

    def __enter__(self) -> PeakMemory:
        self.mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        page = resource.getpagesize()
        while True:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.mb = max(self.mb, pages * page / 1e6)
            if self._stop.wait(0.02):
                return

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Bench:
    """Where benchmarks run: a folder of their own, counties made once, a durable server as an installation has it.

    Args:
        folder: counties and state are kept here between runs.
        seed: of the counties.
    """

    def __init__(self, folder: Path, seed: int = 7) -> None:
        self.folder = folder
        self.seed = seed

    def county(self, people: int) -> Path:
        """A county of this size without defects: census points 2021-12 to 2022-03, lives since September 2021."""
        from synthetic_county import Config, generate

        out = self.folder / f"county-{people}-{self.seed}"
        if not (out / "schedule.csv").exists():
            generate(
                Config(
                    people=people, seed=self.seed, first_month="2021-09", last_month="2022-03",
                    first_point="2021-12", defects="none", truth_months="none", out=out, overwrite=True,
                )
            )  # fmt: skip
        return out

    def schedule(self, people: int, point: str | None = None) -> list[dict]:
        """Rows of the county's ``schedule.csv``, those of one census point if it is named."""
        with (self.county(people) / "schedule.csv").open(encoding="utf-8", newline="") as lines:
            return [row for row in csv.DictReader(lines) if point in (None, row["census_point"])]

    def file_of(self, people: int, row: dict) -> Path:
        """The exported file that a row of the schedule names."""
        return self.county(people) / "exports" / row["deliver_on"] / row["file"]

    @cached_property
    def stack(self) -> Stack:
        """An installation of the benchmarks' own; ``stack.database_up()`` starts its PostgreSQL, ``up()`` Airflow too."""
        home = Path(tempfile.mkdtemp(prefix="neet-bench-"))
        return Stack(Settings.load(home))

    def close(self) -> None:
        """Stop what was started and delete it; counties stay."""
        if "stack" in self.__dict__:
            self.stack.down()
            shutil.rmtree(self.stack.settings.home, ignore_errors=True)
            del self.__dict__["stack"]


def measure(name: str, people: int, folder: Path) -> list[Figure]:
    """One benchmark at one size, on an installation of its own that is gone afterwards."""
    bench = Bench(folder)
    try:
        return list(importlib.import_module(f"benchmarks.bench_{name}").measure(bench, people))
    finally:
        bench.close()


def machine() -> dict[str, object]:
    """What the figures were measured on: no name, no address."""
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    return {
        "processor": models[0] if models else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e6),
        "python": sys.version.split()[0],
        "load_before": round(os.getloadavg()[0], 1),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
        ).stdout.strip(),
    }


def write(figures: list[Figure], described: dict[str, object], on: str, folder: Path) -> None:
    """Put the figures into ``latest.csv`` and ``machine.json``, append them to ``history.csv``.

    Rows of ``latest.csv`` whose benchmark was not run stay.

    Args:
        on: date of the run, ISO, for the history.
    """
    latest = folder / "latest.csv"
    rows = [tuple(map(str, figure.row())) for figure in figures]
    if latest.exists():
        with latest.open(encoding="utf-8", newline="") as file:
            measured = {figure.name for figure in figures}
            rows += [tuple(row) for row in csv.reader(file) if row[0] not in measured | {"name"}]
    with latest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(sorted(rows, key=lambda row: (row[0], int(row[1]))))
    (folder / "machine.json").write_text(
        json.dumps({"measured_on": on, **described}, indent=1) + "\n"
    )
    history = folder / "history.csv"
    is_new = not history.exists()
    with history.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(("measured_on", "commit", "cores", *HEADER))
        writer.writerows(
            (on, described["commit"], described["cores"], *figure.row()) for figure in figures
        )


def benchmarks() -> Iterator[str]:
    """Names of the benchmarks in this folder, in alphabetical order."""
    for file in sorted(Path(__file__).parent.glob("bench_*.py")):
        yield file.stem.removeprefix("bench_")


def runs_by_itself(name: str) -> bool:
    """Is a benchmark one of those that run when none is named? One that takes hours says ``ONLY_WHEN_NAMED``."""
    return not getattr(
        importlib.import_module(f"benchmarks.bench_{name}"), "ONLY_WHEN_NAMED", False
    )
