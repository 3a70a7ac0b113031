"""Puts the parts together: people, lives, recording, extracts, defects and truth, into one folder."""

from __future__ import annotations

import csv
import gc
import math
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthetic_county.blocks import BLOCKS, Part, make_block
from synthetic_county.core_plus import FEEDS
from synthetic_county.dates import month_end, points_between, shift_point
from synthetic_county.exports import break_off, write_schedule
from synthetic_county.parameters import Dice, load
from synthetic_county.planting import orders
from synthetic_county.schedule import Rhythm
from synthetic_county.sources import SourceFile
from synthetic_county.sources.faults import SOURCE, plant, wanted, without_sources
from synthetic_county.sources.files import Days
from synthetic_county.sources.formats import dress, form_for
from synthetic_county.sources.manners import load_settings
from synthetic_county.truth import CountsWriter

_MADE_HERE = ("exports", "truth", "schedule.csv", BLOCKS)
_PEOPLE_IN_A_BLOCK = 13_000
_FEWEST_PEOPLE = 20
_AFTER_CORE_PLUS = 1_000_000
"""On the same day Core+ comes first."""
TRUTH_MONTHS = ("all", "own", "none")
FORMATS = ("csv", "all")

Progress = Callable[[str, int, int], None]
"""Told the name of a stage, how much of it is done and how much there is."""


class OutputExists(FileExistsError):
    """The folder holds something already."""


@dataclass(frozen=True)
class Config:
    """What to generate.

    Attributes:
        people: how many young people are in the return at any one time, about.
        seed: same seed and parameters, same bytes.
        first_month, last_month: months, YYYY-MM, with extracts; a snapshot of the month before comes first.
        out: folder to write to: ``exports/``, ``truth/`` and ``schedule.csv``.
        first_point: first census point to be run, if later than ``first_month``; earlier deliveries belong to it.
        la_code: authority; its districts and schools come from the parameters.
        defects: ``none``, ``all``, a preset, or names (see ``planting.orders``).
        parameters: path of another parameter file, or name of a set in ``like/``.
        truth_months: which month ends the truth covers at each point: ``all`` up to it, its ``own``, or ``none``.
        overwrite: replace what an earlier run wrote to ``out``.
        sources: write what every other source sends too; people then have twins, siblings and names that change.
        formats: ``csv``, or ``all``: other sources also send workbooks, XML, archives and other encodings.
    """

    people: int
    seed: int
    first_month: str
    last_month: str
    out: Path
    first_point: str | None = None
    la_code: str = "886"
    defects: str = "none"
    parameters: Path | str | None = None
    truth_months: str = "all"
    overwrite: bool = False
    sources: bool = False
    formats: str = "csv"

    @property
    def points(self) -> list[str]:
        """The census points to be run."""
        return points_between(self.first_point or self.first_month, self.last_month)


@dataclass(frozen=True)
class Summary:
    """What was generated.

    Attributes:
        people: records in Core+ at some time, leavers and secondary registrations included.
        rows: rows written by feed.
        measures: counts of the 16-17 cohort by census point, as known then: cohort, neet, not_known, participating ...
        about: what the parameter set says of itself.
        exchanged_lives: lives drawn again so that the county shows the figures of its calibration.
    """

    out: Path
    people: int
    files: int
    deliveries: int
    rows: dict[str, int]
    defects: int
    measures: dict[str, dict[str, int]]
    seconds: float
    points: list[str] = field(default_factory=list)
    about: str = ""
    exchanged_lives: int = 0


def generate(
    config: Config, progress: Progress | None = None, processes: int | None = None
) -> Summary:
    """Simulate the county and write its exports and its truth.

    Args:
        processes: how many may work at a time; as many as there are processors. The files do not depend on it.
    Raises:
        ValueError: months in the wrong order or written wrongly, too few people, unknown defects or parameters.
        OutputExists: ``out`` holds files already and ``overwrite`` is not set.
    """
    started = time.monotonic()
    say = progress or (lambda stage, done, total: None)
    _check(config)
    parameters = load(config.parameters)
    orders(without_sources(config.defects), config.points, parameters)
    _clear(config)

    parts = _make(config, say, processes)
    whole, rest = parts[0], parts[1:]
    for done, part in enumerate(rest, 2):
        _append(part, config.out)
        say("putting blocks together", done, len(parts))
    if rest:
        shutil.rmtree(config.out / BLOCKS)
    for broken in whole.broken_off:
        break_off(*broken)
    source_files, source_rows = _gathered(parts, config.out)
    planted = _finish(config, source_files, parameters, say)
    write_schedule(config.out / "schedule.csv", whole.schedule + _listed(source_files))

    measures: dict[str, dict[str, int]] = {}
    if config.truth_months != "none":
        for part in rest:
            for position, more in zip(whole.positions, part.positions, strict=True):
                position.add(more)
        durations = parameters["measures"]["duration_days"]
        counts = CountsWriter(config.out / "truth" / "counts.csv", durations, config.truth_months)
        for position in whole.positions:
            counts.write(position)
        counts.close()
        measures = counts.summary
    return Summary(
        out=config.out,
        people=sum(part.people for part in parts),
        files=len(whole.schedule) + len(source_files),
        deliveries=whole.deliveries,
        rows={feed: sum(part.rows[feed] for part in parts) for feed in FEEDS} | source_rows,
        defects=whole.defects + planted,
        measures=measures,
        seconds=time.monotonic() - started,
        points=config.points,
        about=parameters.get("about", ""),
        exchanged_lives=sum(part.exchanged_lives for part in parts),
    )


def _make(config: Config, say: Progress, processes: int | None) -> list[Part]:
    """Every block, on its own and in any order."""
    blocks = max(1, math.ceil(config.people / _PEOPLE_IN_A_BLOCK))
    processes = min(processes or len(os.sched_getaffinity(0)), blocks)
    if processes == 1:
        return [make_block(config, block, blocks, say) for block in range(blocks)]
    # Spawned, not forked: whoever calls may have threads.
    context = multiprocessing.get_context("spawn")
    done = {stage: context.Value("q", 0) for stage in _STAGES}
    with ProcessPoolExecutor(processes, context, _share_counts, (done,)) as pool:
        running = [pool.submit(_make_elsewhere, config, block, blocks) for block in range(blocks)]
        waiting = set(running)
        while waiting:
            finished, waiting = wait(waiting, timeout=0.2, return_when=FIRST_EXCEPTION)
            for one in finished:
                one.result()
            # Blocks are at different stages: the last that any has begun is shown.
            stage = next((name for name in reversed(_STAGES) if done[name].value), _STAGES[0])
            say(stage, min(done[stage].value, config.people), config.people)
        return [one.result() for one in running]


_STAGES = ("living and recording", "writing other sources")
"""What takes long, in order."""
_done: dict[str, Any] = {}


def _share_counts(done: dict[str, Any]) -> None:
    _done.update(done)
    # A block makes a million objects that stay to its end: looking through them for garbage is a tenth of the time.
    gc.set_threshold(50_000, 50, 1000)


def _make_elsewhere(config: Config, block: int, blocks: int) -> Part:
    told = dict.fromkeys(_STAGES, 0)

    def count(stage: str, done: int, _: int) -> None:
        if stage in told:
            with _done[stage].get_lock():
                _done[stage].value += done - told[stage]
            told[stage] = done

    return make_block(config, block, blocks, count)


def _gathered(parts: list[Part], out: Path) -> tuple[list[SourceFile], dict[str, int]]:
    """The files of other sources, whole, and their rows by feed.

    A file in which no block had anything to say is taken away, unless its sender reports nil.
    """
    found: list[SourceFile] = []
    rows: dict[str, int] = {}
    for same in zip(*(part.source_files for part in parts), strict=True):
        file, total = same[0], sum(one.rows for one in same)
        if not total and not file.may_be_nil:
            (out / "exports" / file.deliver_on.isoformat() / file.file).unlink()
            continue
        rows[file.feed] = rows.get(file.feed, 0) + total
        found.append(replace(file, rows=total))
    return found, rows


def _finish(
    config: Config, files: list[SourceFile], parameters: dict[str, Any], say: Progress
) -> int:
    """Plant the faults of other sources' files, then put each file into the form its sender uses.

    Args:
        files: changed in place.
    Returns:
        how many faults were planted.
    """
    if not config.sources:
        return 0
    rhythm = Rhythm(parameters["extracts"])
    extracts = rhythm.extracts(config.first_month, config.last_month, config.points[0], set())
    days = Days(extracts, month_end(shift_point(config.first_month, -1)))
    exports = config.out / "exports"
    dice = Dice.of(config.seed, config.la_code, "source faults")
    files[:], planted = plant(
        wanted(config.defects), files, exports, days.last, days.point_of, dice
    )
    if config.formats == "all":
        formats = load_settings()["formats"]
        # Some faults are of plain text: what they spoilt stays as it is.
        spoilt = {(one.file.file, one.file.deliver_on) for one in planted}
        spoilt |= {(one.file.file, None) for one in planted if one.fault.again}
        for done, file in enumerate(files, 1):
            is_spoilt = (file.file, file.deliver_on) in spoilt or (file.file, None) in spoilt
            form = form_for(file.feed, file.file, formats, config.seed, config.la_code)
            if form != "csv" and not is_spoilt:
                sent = dress(exports / file.deliver_on.isoformat() / file.file, form)
                files[done - 1] = replace(file, file=sent.name)
            if done % 100 == 0 or done == len(files):
                say("putting files into form", done, len(files))
    with (config.out / "truth" / "defects.csv").open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, one in enumerate(planted, 1):
            line = one.line if one.line is not None else ""
            writer.writerow(
                (f"S{number:03d}", one.fault.name, SOURCE, one.file.census_point, one.file.feed, one.file.file,
                 line, "", one.fault.expected, one.detail, "N", "")
            )  # fmt: skip
    return len(planted)


def _listed(files: list[SourceFile]) -> list[tuple]:
    """The files of other sources as ``schedule.csv`` lists them."""
    return [
        (_AFTER_CORE_PLUS + place, one.deliver_on.isoformat(), one.feed, one.file, one.period, one.mode,
         one.census_point, "N")
        for place, one in enumerate(files)
    ]  # fmt: skip


def _append(part: Part, out: Path) -> None:
    """Continue the files of the first block: whoever has the higher number stands later in every file."""
    for path in sorted(part.folder.rglob("*.csv")):
        with (out / path.relative_to(part.folder)).open("ab") as whole, path.open("rb") as more:
            shutil.copyfileobj(more, whole, 1 << 20)
        path.unlink()


def _check(config: Config) -> None:
    points_between(config.first_month, config.last_month)
    if config.first_point is not None and config.first_point < config.first_month:
        raise ValueError(
            f"The first census point, {config.first_point}, is before the first month of extracts, "
            f"{config.first_month}."
        )
    _ = config.points
    if config.people < _FEWEST_PEOPLE:
        raise ValueError(
            f"{config.people} people make no county: ask for {_FEWEST_PEOPLE} or more."
        )
    if not (len(config.la_code) == 3 and config.la_code.isascii() and config.la_code.isdigit()):
        raise ValueError(
            f"{config.la_code!r} is not a three-digit authority code, as 886 for Kent."
        )
    if config.truth_months not in TRUTH_MONTHS:
        raise ValueError(f"{config.truth_months!r}: the truth is {', '.join(TRUTH_MONTHS)}.")
    if config.formats not in FORMATS:
        raise ValueError(f"{config.formats!r}: the formats are {', '.join(FORMATS)}.")
    if not config.sources and without_sources(config.defects) != config.defects.strip():
        raise ValueError(
            "A defect whose name begins with source_ is one of other sources' files: ask for --sources too."
        )


def _clear(config: Config) -> None:
    out = config.out
    present = [name for name in _MADE_HERE if (out / name).exists()]
    if present and not config.overwrite:
        raise OutputExists(
            f"{out} holds {', '.join(present)} already. Choose another folder, or ask for it to be overwritten."
        )
    for name in present:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        else:
            (out / name).unlink()
    out.mkdir(parents=True, exist_ok=True)
