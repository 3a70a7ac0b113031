"""Puts the parts together: people, lives, recording, extracts, defects and truth, into one folder."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter
from pathlib import Path

from synthetic_county.core_plus import Change
from synthetic_county.dates import academic_year, month_end, points_between, shift_point
from synthetic_county.exports import Exporter
from synthetic_county.lives import Lives, Spell
from synthetic_county.parameters import DEFAULT, Dice, Tables, load
from synthetic_county.people import Person, Population
from synthetic_county.places import Places
from synthetic_county.planting import Book, PlantedFaults, Planter, nothing_planted, orders
from synthetic_county.recording import Recorder
from synthetic_county.schedule import SECOND_CORRECTIONS, Extract, Rhythm
from synthetic_county.truth import Truth, TruthWriter

_MADE_HERE = ("exports", "truth", "schedule.csv")
_FEWEST_PEOPLE = 20
TRUTH_MONTHS = ("all", "own", "none")

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
        parameters: another parameter file.
        truth_months: which month ends the truth covers at each point: ``all`` up to it, its ``own``, or ``none``.
        overwrite: replace what an earlier run wrote to ``out``.
    """

    people: int
    seed: int
    first_month: str
    last_month: str
    out: Path
    first_point: str | None = None
    la_code: str = "886"
    defects: str = "none"
    parameters: Path | None = None
    truth_months: str = "all"
    overwrite: bool = False

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


def generate(config: Config, progress: Progress | None = None) -> Summary:
    """Simulate the county and write its exports and its truth.

    Raises:
        ValueError: months in the wrong order or written wrongly, too few people, unknown defects or parameters.
        OutputExists: ``out`` holds files already and ``overwrite`` is not set.
    """
    started = time.monotonic()
    say = progress or (lambda stage, done, total: None)
    _check(config)
    parameters = load(config.parameters or DEFAULT)
    tables = Tables(parameters)
    places = Places(config.la_code, parameters)
    rhythm = Rhythm(parameters["extracts"])
    wanted = orders(config.defects, config.points, parameters)
    blocked = {order.month for order in wanted if order.mended == SECOND_CORRECTIONS}
    extracts = rhythm.extracts(config.first_month, config.last_month, config.points[0], blocked)
    _clear(config)

    opening = month_end(shift_point(config.first_month, -1))
    # Second corrections come later, but must not lengthen the lives: what is planted changes no truth.
    until = max(extract.as_at for extract in extracts if not extract.after_block)
    people, spells_of, changes = _simulate(config, tables, places, rhythm, opening, until, say)

    faults = nothing_planted(config.la_code)
    if wanted:
        book = Book(changes, config.la_code)
        planter = Planter(book, extracts, places, parameters, config.seed)
        faults = PlantedFaults(planter.plant(wanted), book, config.la_code)

    exporter = Exporter(changes, config.out / "exports", config.la_code, faults)
    for done, extract in enumerate(extracts, 1):
        exporter.write(extract)
        say("writing extracts", done, len(extracts))
    exporter.write_schedule(config.out / "schedule.csv")

    truth_folder = config.out / "truth"
    truth_folder.mkdir(parents=True, exist_ok=True)
    faults.write(truth_folder / "defects.csv")
    _write_lives(truth_folder / "lives.csv", people, spells_of)
    measures: dict[str, dict[str, int]] = {}
    if config.truth_months != "none":
        measures = _write_truth(config, tables, changes, extracts, opening, truth_folder, say)
    return Summary(
        out=config.out,
        people=len(people),
        files=len(exporter.schedule),
        deliveries=len(extracts),
        rows=exporter.row_counts,
        defects=len(faults.plants),
        measures=measures,
        seconds=time.monotonic() - started,
        points=config.points,
    )


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


def _simulate(
    config: Config,
    tables: Tables,
    places: Places,
    rhythm: Rhythm,
    opening: date,
    until: date,
    say: Progress,
) -> tuple[list[Person], list[list[Spell]], list[Change]]:
    shown_from = month_end(config.points[0]).replace(day=1)
    people = Population(
        tables, places, config.people, config.seed, opening, until, shown_from
    ).draw()
    lives = Lives(tables, places, date(academic_year(opening) - 1, 9, 1), until)
    recorder = Recorder(tables, places, rhythm, config.seed, opening, until)
    spells_of: list[list[Spell]] = []
    changes: list[Change] = []
    for done, person in enumerate(people, 1):
        spells: list[Spell] = []
        if person.duplicate_of is None:
            spells = lives.live(person, Dice.of(config.seed, config.la_code, "life", person.index))
        spells_of.append(spells)
        changes += recorder.record(person, spells)
        if done % 500 == 0 or done == len(people):
            say("living and recording", done, len(people))
    changes.sort(key=attrgetter("keyed_on"))
    return people, spells_of, changes


def _write_lives(path: Path, people: list[Person], spells_of: list[list[Spell]]) -> None:
    """What really happened: true activities with their true days, whatever was recorded."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("young_persons_id", "activity_code", "start_on", "end_on"))
        for person, spells in zip(people, spells_of, strict=True):
            writer.writerows(
                (
                    person.id,
                    spell.code,
                    spell.start.isoformat(),
                    spell.end.isoformat() if spell.end else "",
                )
                for spell in spells
            )


def _write_truth(
    config: Config, tables: Tables, changes: list[Change], extracts: list[Extract], opening: date, folder: Path,
    say: Progress,
) -> dict[str, dict[str, int]]:  # fmt: skip
    """At each census point, everything typed up to its corrections delta is known.

    Second corrections bring nothing but mended defects, of which the truth knows nothing.
    """
    truth = Truth(tables, config.la_code)
    writer = TruthWriter(folder, truth, opening, config.truth_months)
    position = 0
    try:
        for done, point in enumerate(config.points, 1):
            known_on = max(
                extract.as_at
                for extract in extracts
                if extract.census_point <= point and not extract.after_block
            )
            while position < len(changes) and changes[position].keyed_on <= known_on:
                truth.learn(changes[position])
                position += 1
            first = f"{opening:%Y-%m}"
            writer.write(point, [month_end(one) for one in points_between(first, point)])
            say("working out the truth", done, len(config.points))
    finally:
        writer.close()
    return writer.summary
