"""Writes what Core+ would have exported: snapshots of every current row, deltas of what differs since the last extract."""

from __future__ import annotations

import csv
import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Protocol

from synthetic_county.core_plus import (
    ACTIVITIES,
    COLUMNS,
    FEEDS,
    OPERATION,
    ActivityRow,
    Change,
    Image,
    Key,
    Row,
    file_name,
    has_lapsed,
    render,
)
from synthetic_county.dates import DAY, working_day_on_or_after
from synthetic_county.schedule import SECOND_CORRECTIONS, SNAPSHOT, Extract

SCHEDULE_COLUMNS = (
    "delivery_order", "deliver_on", "feed", "file", "period", "mode", "census_point", "after_block",
)  # fmt: skip


class Faults(Protocol):
    """What planted defects do to an extract; see ``planting``."""

    def keys_touched(self, extract: Extract) -> set[tuple[str, Key]]:
        """Rows whose image a defect changes or stops changing at this extract."""

    def image(self, extract: Extract, feed: str, key: Key, image: Image | None) -> Image | None:
        """The row as the faulty Core+ shows it."""

    def lines(self, extract: Extract, feed: str, key: Key, cells: list[str]) -> list[list[str]]:
        """The line or lines that the row becomes in this one file."""

    def written(self, extract: Extract, feed: str, key: Key, file: str, line_number: int) -> None:
        """Told where each row of an affected key stands."""

    def kept_share(self, extract: Extract, feed: str) -> float | None:
        """Share of the file that arrives, if its transfer breaks off."""


class Exporter:
    """Replays the changes of Core+ and writes the extracts, one after the other.

    Args:
        changes: every change, in the order typed.
        folder: ``exports``; files go to a folder for each day of delivery.
        with_header: no for the rows that another exporter's files are continued with.
    """

    def __init__(
        self,
        changes: list[Change],
        folder: Path,
        la_code: str,
        faults: Faults,
        with_header: bool = True,
    ):
        self.changes = changes
        self.folder = folder
        self.la_code = la_code
        self.faults = faults
        self.with_header = with_header
        self._position = 0
        self._rows: dict[str, dict[Key, Row]] = {feed: {} for feed in FEEDS}
        self._images: dict[str, dict[Key, Image]] = {feed: {} for feed in FEEDS}
        self._lapsing: list[tuple[date, Key]] = []
        self.schedule: list[tuple] = []
        self.broken_off: list[tuple[Path, Path, float]] = []
        self.row_counts: dict[str, int] = dict.fromkeys(FEEDS, 0)

    def write(self, extract: Extract) -> None:
        """Write the four files of one extract, or of a second correction the files that hold something."""
        touched: dict[str, set[Key]] = defaultdict(set)
        for feed, key in self.faults.keys_touched(extract):
            touched[feed].add(key)
        if extract.role != SECOND_CORRECTIONS:
            self._advance(extract.as_at, touched)
        delta = {feed: self._refresh(extract, feed, touched[feed]) for feed in FEEDS}
        for feed in FEEDS:
            if extract.role == SNAPSHOT:
                self._write_snapshot(extract, feed)
            elif extract.role != SECOND_CORRECTIONS or delta[feed]:
                self._write_delta(extract, feed, delta[feed])

    def _advance(self, as_at: date, touched: dict[str, set[Key]]) -> None:
        """Apply what was typed up to ``as_at`` and let Core+'s nightly routine mark what has lapsed."""
        changes = self.changes
        while self._position < len(changes) and changes[self._position].keyed_on <= as_at:
            change = changes[self._position]
            self._position += 1
            touched[change.feed].add(change.key)
            if change.row is None:
                self._rows[change.feed].pop(change.key, None)
                continue
            self._rows[change.feed][change.key] = change.row
            if isinstance(change.row, ActivityRow) and change.row.due:
                heapq.heappush(self._lapsing, (change.row.due, change.key))
        while self._lapsing and self._lapsing[0][0] < as_at:
            due, key = heapq.heappop(self._lapsing)
            row = self._rows[ACTIVITIES].get(key)
            if row is not None and row.due == due and has_lapsed(row, as_at):
                touched[ACTIVITIES].add(key)

    def _refresh(self, extract: Extract, feed: str, keys: set[Key]) -> list[tuple[str, Key, Image]]:
        """Bring the images of ``keys`` up to date; what differs from the last extract, as delta rows."""
        images, rows = self._images[feed], self._rows[feed]
        different = []
        for key in sorted(keys):
            row = rows.get(key)
            image = render(row, extract.as_at) if row is not None else None
            image = self.faults.image(extract, feed, key, image)
            before = images.get(key)
            if image == before:
                continue
            if image is None:
                del images[key]
                different.append(("D", key, before))
            else:
                images[key] = image
                different.append(("U", key, image))
        return different

    def _write_snapshot(self, extract: Extract, feed: str) -> None:
        images = self._images[feed]
        rows = ((key, list(images[key])) for key in sorted(images))
        self._write_file(extract, feed, COLUMNS[feed], rows)

    def _write_delta(
        self, extract: Extract, feed: str, different: list[tuple[str, Key, Image]]
    ) -> None:
        rows = ((key, [*image, operation]) for operation, key, image in different)
        self._write_file(extract, feed, [*COLUMNS[feed], OPERATION], rows)

    def _write_file(
        self, extract: Extract, feed: str, header: list[str], rows: Iterator[tuple[Key, list[str]]]
    ) -> None:
        name = file_name(self.la_code, feed, extract.mode, extract.as_at)
        path = self.folder / extract.deliver_on.isoformat() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if self.with_header:
                writer.writerow(header)
            line_number = 1
            for key, cells in rows:
                for line in self.faults.lines(extract, feed, key, cells):
                    line_number += 1
                    writer.writerow(line)
                self.faults.written(extract, feed, key, name, line_number)
        self.row_counts[feed] += line_number - 1
        self._list(extract, feed, name, extract.deliver_on)
        share = self.faults.kept_share(extract, feed)
        if share is not None:
            # The sender notices and sends the whole file again the next day.
            again_on = working_day_on_or_after(extract.deliver_on + DAY)
            self.broken_off.append((path, self.folder / again_on.isoformat() / name, share))
            self._list(extract, feed, name, again_on)

    def _list(self, extract: Extract, feed: str, name: str, deliver_on: date) -> None:
        self.schedule.append(
            (
                len(self.schedule) + 1, deliver_on.isoformat(), feed, name, extract.as_at.isoformat(),
                extract.mode, extract.census_point, "Y" if extract.after_block else "N",
            )
        )  # fmt: skip


def break_off(path: Path, again: Path, share: float) -> None:
    """The transfer of a file broke off in mid-line; ``again`` is the whole of it, sent later."""
    whole = path.read_bytes()
    again.parent.mkdir(parents=True, exist_ok=True)
    again.write_bytes(whole)
    cut = whole.index(b"\n", int(len(whole) * share)) + 12
    path.write_bytes(whole[:cut])


def write_schedule(path: Path, schedule: list[tuple]) -> None:
    """Write ``schedule.csv``: what to deliver, in order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SCHEDULE_COLUMNS)
        ordered = sorted(schedule, key=lambda row: (row[1], row[0]))
        writer.writerows((i, *row[1:]) for i, row in enumerate(ordered, 1))
