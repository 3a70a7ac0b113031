"""One block of a county: some thousands of people from birth to export, in one process and in bounded memory.

A large county is made in blocks. Each has streams of chance and numbers of people of its own and needs nothing of the
others, so blocks may be made at the same time, in any order, and their files put one behind the other.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from synthetic_county.calibration import Calibration
from synthetic_county.core_plus import Change
from synthetic_county.dates import academic_year, month_end, points_between, shift_point
from synthetic_county.exports import Exporter
from synthetic_county.facts import Facts
from synthetic_county.lives import Lives, Spell
from synthetic_county.parameters import Dice, Tables, load
from synthetic_county.people import Person, Population
from synthetic_county.places import Places
from synthetic_county.planting import Book, PlantedFaults, Planter, nothing_planted, orders
from synthetic_county.recording import Recorder
from synthetic_county.schedule import SECOND_CORRECTIONS, Extract, Rhythm
from synthetic_county.sources import SourceFile, Subject, write_sources
from synthetic_county.sources.faults import without_sources
from synthetic_county.truth import CohortWriter, Position, Truth

if TYPE_CHECKING:
    from synthetic_county.generate import Config, Progress

BLOCKS = ".blocks"
"""Folder, below that of the county, of all blocks but the first, whose files the others continue."""


@dataclass(slots=True)
class Part:
    """What a block wrote, and what is needed to put the county together."""

    folder: Path
    people: int
    schedule: list[tuple]
    deliveries: int
    rows: dict[str, int]
    defects: int
    broken_off: list[tuple[Path, Path, float]]
    exchanged_lives: int
    positions: list[Position] = field(default_factory=list)
    source_files: list[SourceFile] = field(default_factory=list)


def make_block(config: Config, block: int, blocks: int, say: Progress) -> Part:
    """Write the files of one of ``blocks`` blocks. Defects are planted in the first alone."""
    parameters = load(config.parameters)
    tables = Tables(parameters)
    places = Places(config.la_code, parameters)
    rhythm = Rhythm(parameters["extracts"])
    wanted = orders(without_sources(config.defects), config.points, parameters)
    blocked = {order.month for order in wanted if order.mended == SECOND_CORRECTIONS}
    extracts = rhythm.extracts(config.first_month, config.last_month, config.points[0], blocked)
    known_on = {point: _known_on(point, extracts) for point in config.points}

    simulation = _Simulation(config, tables, places, rhythm, extracts, block, blocks)
    changes_of = simulation.run(say)
    calibration = Calibration(tables, config.la_code, known_on)
    dice = Dice.of(config.seed, config.la_code, "calibration", block)
    exchanged = calibration.meet(simulation.people, changes_of, simulation.live, dice)
    source_files = simulation.write_sources(changes_of, say) if config.sources else []
    changes = [change for one in changes_of for change in one]
    changes.sort(key=attrgetter("keyed_on"))
    del changes_of

    faults = nothing_planted(config.la_code)
    if wanted and block == 0:
        book = Book(changes, config.la_code)
        planter = Planter(book, extracts, places, parameters, config.seed, blocks)
        faults = PlantedFaults(planter.plant(wanted), book, config.la_code)

    is_first = block == 0
    folder = config.out if is_first else config.out / BLOCKS / f"{block:03d}"
    exporter = Exporter(changes, folder / "exports", config.la_code, faults, with_header=is_first)
    for done, extract in enumerate(extracts, 1):
        exporter.write(extract)
        say("writing extracts", done, len(extracts))

    truth_folder = folder / "truth"
    truth_folder.mkdir(parents=True, exist_ok=True)
    if is_first:
        faults.write(truth_folder / "defects.csv")
    simulation.write_lives(truth_folder / "lives.csv", with_header=is_first)
    part = Part(
        folder, len(simulation.people), exporter.schedule, len(extracts), exporter.row_counts, len(faults.plants),
        exporter.broken_off, exchanged, source_files=source_files,
    )  # fmt: skip
    if config.truth_months == "none":
        return part
    truth = Truth(tables, config.la_code)
    writer = CohortWriter(truth_folder / "cohort_month.csv", truth, config.truth_months, is_first)
    position, first = 0, f"{simulation.opening:%Y-%m}"
    for done, point in enumerate(config.points, 1):
        while position < len(changes) and changes[position].keyed_on <= known_on[point]:
            truth.learn(changes[position])
            position += 1
        ends = [month_end(one) for one in points_between(first, point)]
        part.positions.append(writer.write(point, ends))
        say("working out the truth", done, len(config.points))
    writer.close()
    return part


def _known_on(point: str, extracts: list[Extract]) -> date:
    """At each census point everything typed up to its corrections delta is known.

    Second corrections bring nothing but mended defects, of which the truth knows nothing.
    """
    return max(
        extract.as_at
        for extract in extracts
        if extract.census_point <= point and not extract.after_block
    )


class _Simulation:
    """The people of a block, what they do and what Core+ comes to know of it."""

    def __init__(
        self,
        config: Config,
        tables: Tables,
        places: Places,
        rhythm: Rhythm,
        extracts: list[Extract],
        block: int,
        blocks: int,
    ):
        self.config = config
        self.opening = month_end(shift_point(config.first_month, -1))
        # Second corrections come later, but must not lengthen the lives: what is planted changes no truth.
        until = max(extract.as_at for extract in extracts if not extract.after_block)
        shown_from = month_end(config.points[0]).replace(day=1)
        share = (config.people * (block + 1)) // blocks - (config.people * block) // blocks
        self.people: list[Person] = Population(
            tables, places, share, config.seed, self.opening, until, shown_from, block
        ).draw()
        self.extracts, self.block, self.tables, self.places, self.until = (
            extracts, block, tables, places, until
        )  # fmt: skip
        self._facts: Facts | None = None
        if config.sources:
            self._facts = Facts(
                self.people, places, rhythm, config.seed, block, self.opening, until
            )
        self._lives = Lives(tables, places, date(academic_year(self.opening) - 1, 9, 1), until)
        self._recorder = Recorder(tables, places, rhythm, self.opening, until)
        self._spells: list[list[Spell]] = [[] for _ in self.people]

    def run(self, say: Progress) -> list[list[Change]]:
        """The changes of each person, in the order typed."""
        changes_of = []
        for position in range(len(self.people)):
            changes_of.append(self.live(position))
            done = position + 1
            if done % 500 == 0 or done == len(self.people):
                say("living and recording", done, len(self.people))
        return changes_of

    def live(self, position: int, attempt: int = 0) -> list[Change]:
        """The person lives (again, from another stream of chance, if it is not the first attempt) and is recorded."""
        person = self.people[position]
        purpose = (self.config.seed, self.config.la_code)
        which = (person.index, attempt) if attempt else (person.index,)
        spells: list[Spell] = []
        if person.duplicate_of is None:
            spells = self._lives.live(person, Dice.of(*purpose, "life", *which))
        self._spells[position] = spells
        changes = self._recorder.record(person, spells, Dice.of(*purpose, "record", *which))
        return self._facts.as_core_writes(person, changes) if self._facts else changes

    def write_sources(self, changes_of: list[list[Change]], say: Progress) -> list[SourceFile]:
        """Write what every other source sent, and the truth about its keys and its conflicts with Core+."""
        subjects = (
            Subject(self._facts.of(person), person, spells, changes)
            for person, spells, changes in zip(self.people, self._spells, changes_of, strict=True)
        )
        is_first = self.block == 0
        folder = self.config.out if is_first else self.config.out / BLOCKS / f"{self.block:03d}"
        return write_sources(
            subjects, len(self.people), self.config.people, self._facts, self.tables, self.places, self.extracts, self.opening,
            self.until, folder, is_first, say,
        )  # fmt: skip

    def write_lives(self, path: Path, with_header: bool) -> None:
        """What really happened: true activities with their true days, whatever was recorded."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if with_header:
                writer.writerow(("young_persons_id", "activity_code", "start_on", "end_on"))
            for person, spells in zip(self.people, self._spells, strict=True):
                writer.writerows(
                    (
                        person.id,
                        spell.code,
                        spell.start.isoformat(),
                        spell.end.isoformat() if spell.end else "",
                    )
                    for spell in spells
                )
