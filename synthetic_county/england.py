"""Every authority of England, one county after the other, each in a folder of its own."""

from __future__ import annotations

import csv
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from synthetic_county.generate import Config, Summary, generate

SIZES = Path(__file__).parents[1] / "data" / "dfe_scorecard" / "neet_la_scorecard_2024.csv"
"""The department's published cohorts, the latest year that is here (see the README beside it)."""
RETURNED_FOR_EACH_OF_THE_COHORT = 1.55
"""Year 11 and plan holders to 24 come on top of the 16-17 cohort: a large county's 52,000 for 33,576."""
AUTHORITY_COLUMNS = ("la_code", "la_name", "people", "records", "folder")


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority and how many young people its return names, about."""

    la_code: str
    name: str
    people: int


def authorities(scale: float = 1.0) -> list[Authority]:
    """The authorities with a published cohort, by code; suppressed ones are left out.

    Args:
        scale: share of their people to make.
    Raises:
        ValueError: the published file is not there.
    """
    if not SIZES.exists():
        raise ValueError(
            f"{SIZES} is missing: England's authorities and their sizes are taken from it."
        )
    found = []
    with SIZES.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            cohort = row["Cohort_DJFavg"]
            if row["geographic_level"] == "Local authority" and cohort.replace(".", "").isdigit():
                people = round(float(cohort) * RETURNED_FOR_EACH_OF_THE_COHORT * scale)
                found.append(Authority(row["old_la_code"], row["la_name"], people))
    return sorted(found, key=lambda one: one.la_code)


def generate_england(
    config: Config,
    chosen: list[Authority],
    say: Callable[[Authority, Summary], None],
    processes: int | None = None,
) -> int:
    """Write a county for each authority, below ``config.out`` in a folder named by its code, and a list of them.

    Memory does not grow with their number: a process holds one block of one authority.

    Args:
        config: as for one county; its people and authority are replaced.
        say: told of each authority that is done.
        processes: authorities made at a time; as many as there are processors.
    Returns:
        the peak memory of all processes together, in bytes, at most.
    """
    processes = processes or len(os.sched_getaffinity(0))
    config.out.mkdir(parents=True, exist_ok=True)
    with (config.out / "authorities.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(AUTHORITY_COLUMNS)
        made = sorted(_made(config, chosen, say, processes))
        for one, records, _ in made:
            writer.writerow((*one, records, one[0]))
    return _high_water() + processes * max((peak for _, _, peak in made), default=0)


def _high_water() -> int:
    """The most memory that this process had at once since its program began, in bytes.

    ``ru_maxrss`` would be at least that of the process it was forked from, however large that was.
    """
    for line in (
        Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    ):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status names no VmHWM")


def _one(config: Config) -> tuple[Summary, int]:
    return generate(config, None, 1), _high_water()


def _made(
    config: Config,
    chosen: list[Authority],
    say: Callable[[Authority, Summary], None],
    processes: int,
) -> Iterator[tuple[tuple[str, str, int], int, int]]:
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        running = {
            pool.submit(
                _one,
                replace(
                    config, la_code=one.la_code, people=one.people, out=config.out / one.la_code
                ),
            ): one
            for one in chosen
        }
        for done in as_completed(running):
            one = running[done]
            summary, peak = done.result()
            say(one, summary)
            yield (one.la_code, one.name, one.people), summary.people, peak
