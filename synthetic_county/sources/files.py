"""The files that sources send: what they are called, when they arrive, which columns they have, and the writing of them.

Names and columns are read from the feed contracts, as a sender would read them in the agreement; nothing else of the
warehouse is used.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from synthetic_county.dates import (
    DAY,
    add_working_days,
    is_working_day,
    month_end,
    points_between,
    working_day_on_or_after,
)
from synthetic_county.parameters import Dice
from synthetic_county.schedule import Extract

CONTRACTS = Path(__file__).parents[2] / "expectations" / "feeds"
_BUFFER = 1 << 16


@lru_cache
def _contract(feed: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((CONTRACTS / f"{feed}.yml").read_text(encoding="utf-8"), Loader=loader)


def _custom(node: dict[str, Any], name: str, default: Any) -> Any:
    return next(
        (one["value"] for one in node.get("customProperties", ()) if one["property"] == name),
        default,
    )


@lru_cache
def columns_of(feed: str, day: date) -> dict[str, str]:
    """Header of each column of a feed, by the contract's name, in the layout that holds on ``day``.

    Raises:
        FileNotFoundError: there is no such contract.
    """
    contract = _contract(feed)
    columns = {one["name"]: one["physicalName"] for one in contract["schema"][0]["properties"]}
    layouts = _custom(contract, "layouts", [])
    added = [name for layout in layouts for name in layout.get("add", ())]
    here = {name for name in columns if name not in added}
    headers = dict(columns)
    for layout in layouts:
        if layout["validFrom"] <= day.isoformat():
            here |= set(layout.get("add", ()))
            here -= set(layout.get("remove", ()))
            headers |= layout.get("rename", {})
    return {name: headers[name] for name in columns if name in here}


@lru_cache
def _names_of(feed: str) -> frozenset[str]:
    return frozenset(one["name"] for one in _contract(feed)["schema"][0]["properties"])


def own_headers(feed: str, columns: dict[str, str], dice: Dice, share: float) -> dict[str, str]:
    """The columns as a sender without a template calls them: some by another name that the contract knows."""
    properties = {one["name"]: one for one in _contract(feed)["schema"][0]["properties"]}
    found = {}
    for name, header in columns.items():
        others = _custom(properties[name], "aliases", [])
        chosen = dice.one_of(others) if others else header
        found[name] = chosen if dice.chance(share) else header
    return found if len(set(found.values())) == len(found) else columns


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of one source, as listed in ``schedule.csv``."""

    feed: str
    file: str
    deliver_on: date
    period: str
    mode: str
    census_point: str
    rows: int
    may_be_nil: bool


class Days:
    """The days on which sources deliver, between the first and the last extract of Core+."""

    def __init__(self, extracts: list[Extract], opening: date):
        self.extracts = [one for one in extracts if not one.after_block]
        self.opening = opening
        self.first = self.extracts[0].deliver_on
        self.last = self.extracts[-1].deliver_on
        self.months = points_between(f"{opening:%Y-%m}", self.extracts[-1].month)

    def point_of(self, day: date) -> str:
        """The census point whose run comes next."""
        return next(one.census_point for one in self.extracts if one.deliver_on >= day)

    def monthly(self, working_day: int) -> Iterator[tuple[str, date, date]]:
        """Month, its end and the day so many working days later, for each month that arrives in time."""
        for month in self.months:
            day = add_working_days(month_end(month), working_day)
            if day <= self.last:
                yield month, month_end(month), day

    def weekly(self, weekday: int) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            if day.weekday() == weekday:
                on = working_day_on_or_after(day)
                if on <= self.last:
                    yield on
            day += DAY

    def daily(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            if is_working_day(day):
                yield day
            day += DAY

    def dated(self, *month_days: tuple[int, int]) -> Iterator[tuple[date, date]]:
        """Reference day and day of arrival of what comes on certain days of the year.

        What came last before the first extract is sent again with it, for the warehouse knows nothing yet.
        """
        days = sorted(
            date(year, month, day)
            for year in range(self.first.year - 2, self.last.year + 1)
            for month, day in month_days
        )
        earlier = [day for day in days if day < self.first]
        yield earlier[-1], self.first
        for day in days:
            if self.first <= day <= self.last:
                on = working_day_on_or_after(day)
                if on <= self.last:
                    yield day, on


@dataclass(slots=True)
class Slot:
    """A file being written."""

    feed: str
    path: Path
    deliver_on: date
    period: str
    mode: str
    may_be_nil: bool
    columns: tuple[str, ...]
    rows: int = 0
    buffer: io.StringIO = field(default_factory=io.StringIO)
    writer: object = None

    def add(self, **cells: object) -> None:
        """Write one row; a column not named is blank, one that this year's layout has not is left out.

        Raises:
            KeyError: no layout of the feed has such a column.
        """
        self.writer.writerow([cells.pop(name, "") for name in self.columns])
        strange = cells.keys() - _names_of(self.feed)
        if strange:
            raise KeyError(f"{self.feed} has no column {', '.join(sorted(strange))}")
        self.rows += 1
        if self.buffer.tell() > _BUFFER:
            self.flush()

    def flush(self) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self.buffer.getvalue())
        self.buffer.seek(0)
        self.buffer.truncate()


class Files:
    """Every file of one block. The first block writes the headers."""

    def __init__(self, folder: Path, days: Days, with_header: bool):
        self.folder = folder / "exports"
        self.days = days
        self.with_header = with_header
        self.slots: list[Slot] = []

    def slot(
        self,
        feed: str,
        name: str,
        deliver_on: date,
        period: str,
        mode: str = "snapshot",
        may_be_nil: bool = False,
        columns: dict[str, str] | None = None,
    ) -> Slot:
        """A file to be written.

        Args:
            period: month or day the file is about, as ``schedule.csv`` shows it.
            may_be_nil: sent even if there is nothing to say.
            columns: header by name, where they are not the contract's.
        """
        columns = columns or columns_of(feed, deliver_on)
        path = self.folder / deliver_on.isoformat() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        slot = Slot(feed, path, deliver_on, period, mode, may_be_nil, tuple(columns))
        slot.writer = csv.writer(slot.buffer, lineterminator="\n")
        if self.with_header:
            slot.writer.writerow(columns.values())
        self.slots.append(slot)
        return slot

    def close(self) -> list[SourceFile]:
        found = []
        for slot in self.slots:
            slot.flush()
            found.append(
                SourceFile(
                    slot.feed, slot.path.name, slot.deliver_on, slot.period, slot.mode,
                    self.days.point_of(slot.deliver_on), slot.rows, slot.may_be_nil,
                )
            )  # fmt: skip
        return found
