"""When Core+ is extracted and delivered, and when people can type into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from synthetic_county.dates import (
    DAY,
    add_working_days,
    month_end,
    points_between,
    shift_point,
    working_day_on_or_after,
)

SNAPSHOT, CORRECTIONS, MID_MONTH, SECOND_CORRECTIONS = (
    "snapshot",
    "corrections",
    "mid_month",
    "second_corrections",
)


@dataclass(frozen=True, slots=True)
class Extract:
    """One delivery of the four feeds.

    Attributes:
        role: snapshot, corrections, mid_month or second_corrections.
        month: the month, YYYY-MM, whose position it shows (snapshot, corrections) or that it falls in (mid_month).
        as_at: day whose evening it shows.
        deliver_on: day it arrives.
        census_point: the point whose census run comes next.
        after_block: sent only because the gate blocked that run.
    """

    order: int
    role: str
    month: str
    as_at: date
    deliver_on: date
    census_point: str
    after_block: bool = False

    @property
    def mode(self) -> str:
        return "snapshot" if self.role == SNAPSHOT else "delta"


class Rhythm:
    """The days of the monthly cycle: snapshot of the last day, corrections, census run, mid-month delta."""

    def __init__(self, settings: dict[str, Any]):
        self._settings = settings
        self._corrections: dict[date, date] = {}

    def corrections_on(self, closed: date) -> date:
        """Day of the corrections delta for the month that ended on ``closed``."""
        found = self._corrections.get(closed)
        if found is None:
            found = add_working_days(closed, self._settings["corrections_working_days"])
            self._corrections[closed] = found
        return found

    def second_corrections_on(self, closed: date) -> date:
        return add_working_days(
            self.corrections_on(closed), self._settings["second_corrections_working_days"]
        )

    def mid_month_on(self, point: str) -> date:
        return working_day_on_or_after(
            month_end(point).replace(day=self._settings["mid_month_day"])
        )

    def extracts(
        self, first_month: str, last_month: str, first_point: str, blocked: set[str]
    ) -> list[Extract]:
        """Every extract, in order of delivery, beginning with the snapshot of the month before the first.

        Args:
            blocked: census points whose run is blocked once and gets second corrections.
        """
        found: list[Extract] = []

        def add(role: str, month: str, as_at: date, deliver_on: date, point: str) -> None:
            after_block = role == SECOND_CORRECTIONS
            point = max(point, first_point)
            found.append(Extract(len(found), role, month, as_at, deliver_on, point, after_block))

        for month in points_between(shift_point(first_month, -1), last_month):
            closed = month_end(month)
            if month >= first_month:
                middle = self.mid_month_on(month)
                add(MID_MONTH, month, middle, middle, month)
            add(SNAPSHOT, month, closed, working_day_on_or_after(closed + DAY), month)
            corrected = self.corrections_on(closed)
            add(CORRECTIONS, month, corrected, corrected, month)
            if month in blocked:
                again = self.second_corrections_on(closed)
                add(SECOND_CORRECTIONS, month, again, again, month)
        return found

    def keyed_on(self, wanted: date, content: date) -> date:
        """The day an entry is typed into Core+.

        Nobody types at weekends. Between a month's end and its corrections delta only what concerns the closed month
        is typed; the rest waits until the corrections are out, so that they hold nothing later than the period's end
        (rule 305).

        Args:
            wanted: the day somebody means to type it.
            content: the latest date that the entry holds.
        """
        wanted = _weekday(wanted)
        closed = wanted.replace(day=1) - DAY
        if content > closed and wanted <= self.corrections_on(closed):
            wanted = _weekday(self.corrections_on(closed) + DAY)
        return wanted


def _weekday(day: date) -> date:
    return day + timedelta(days=(0, 0, 0, 0, 0, 2, 1)[day.weekday()])
