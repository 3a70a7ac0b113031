"""Timetables that read the calendar seeds: a run a census point, a run a working day.

Both are partitioned: a run's identity is its partition key (``2021-12``, ``2021-12-13``), not a moment. The automatic
side starts with ``live_from`` and never makes a run of an earlier due moment by itself; manual runs and backfills may
take any loaded point. Past the end of the loaded calendar nothing runs, and everything that was asked to says so.
"""

from __future__ import annotations

import bisect
import datetime as dt
import logging
import os
import secrets
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from airflow.exceptions import InvalidPartitionKeyError
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from pendulum import DateTime, instance

from neet import calendar

log = logging.getLogger(__name__)

LIVE_FROM = "NEET_LIVE_FROM"


class Point(NamedTuple):
    """A partition: its key, midnight (UTC) of the first day it stands for, and when its run falls due (UTC)."""

    key: str
    starts_at: dt.datetime
    due_at: dt.datetime

    def info(self) -> DagRunInfo:
        return DagRunInfo(
            run_after=instance(self.due_at),
            data_interval=None,
            partition_date=instance(self.starts_at),
            partition_key=self.key,
        )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def live_from_environment() -> str | None:
    """``NEET_LIVE_FROM``: an ISO date or moment, set when the installation was first started."""
    return os.environ.get(LIVE_FROM) or None


class CalendarTimetable(Timetable):
    """One run a point of the loaded calendar; subclasses say which points there are.

    Args:
        live_from: ISO date (midnight UTC) or moment; automatic runs begin with the first point due then or later.
            Without it nothing starts by itself: an installation that was not told may not send the past again.
    Raises:
        ValueError: ``live_from`` is neither.
    """

    partitioned = True
    run_ordering: Sequence[str] = ("partition_date", "run_after")

    def __init__(self, live_from: str | None = None) -> None:
        self.live_from = live_from
        self._live_at: dt.datetime | None = None
        if live_from:
            try:
                moment = dt.datetime.fromisoformat(live_from)
            except ValueError:
                raise ValueError(
                    f"{LIVE_FROM}={live_from!r} is neither a date nor a moment: write 2026-12-01 or "
                    f"2026-12-01T09:00:00+00:00."
                ) from None
            self._live_at = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        self._held: tuple[calendar.Calendar, list[Point]] | None = None

    # -- what a subclass says ------------------------------------------------------------------

    @abstractmethod
    def _make_points(self, facts: calendar.Calendar) -> list[Point]:
        """Every point, in order of key and of due moment alike."""

    @abstractmethod
    def _span(self, facts: calendar.Calendar) -> tuple[dt.date, dt.date]:
        """First and last day that the loaded calendar speaks of."""

    @abstractmethod
    def _outside(self, facts: calendar.Calendar, what: str) -> calendar.CalendarEnd:
        """The refusal of something outside the calendar."""

    @abstractmethod
    def _parse_key(self, facts: calendar.Calendar, key: str) -> None:
        """Raise :class:`ValueError` when a partition key cannot be one whatever is loaded."""

    # -- points --------------------------------------------------------------------------------

    def points(self) -> list[Point]:
        """All points of the calendar as it stands now; a changed file is seen without a restart."""
        facts = calendar.load()
        if self._held is None or self._held[0] is not facts:
            self._held = (facts, self._make_points(facts))
        return self._held[1]

    @property
    def last_point(self) -> Point:
        return self.points()[-1]

    # -- what Airflow asks ---------------------------------------------------------------------

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next automatic run: after the last one, not before ``live_from``, within start and end date.

        With catch-up every missed point comes, in order; without it only the newest of those already due.
        """
        if self._live_at is None:
            log.warning("%s is not set: no run starts by itself", LIVE_FROM)
            return None
        after = last_dagrun_info.partition_date if last_dagrun_info else None
        coming = [
            point
            for point in self.points()
            if point.due_at >= self._live_at
            and (after is None or point.starts_at > after)
            and (restriction.earliest is None or point.starts_at >= restriction.earliest)
            and (restriction.latest is None or point.starts_at <= restriction.latest)
        ]
        if not coming:
            if restriction.latest is None:
                log.error("%s", self._outside(calendar.load(), "the next run"))
            return None
        chosen = coming[0]
        if not restriction.catchup:
            due = bisect.bisect_right(coming, _now(), key=lambda point: point.due_at)
            chosen = coming[max(due - 1, 0)]
        return chosen.info()

    def iter_partition_dagrun_infos(
        self, *, earliest: dt.datetime, latest: dt.datetime
    ) -> Iterable[DagRunInfo]:
        """The points whose first day lies from ``earliest`` to ``latest``, both included: what a backfill runs.

        Points that are not due yet are left to the scheduler.

        Raises:
            InvalidBackfillDate: the range leaves the loaded calendar, or nothing in it is due yet.
        """
        # Imported here: tasks import this module too, and have no business with the scheduler's models.
        from airflow.models.backfill import InvalidBackfillDate

        first, last = self._span(calendar.load())
        if earliest.date() < first or latest.date() > last:
            raise InvalidBackfillDate(
                str(self._outside(calendar.load(), f"{earliest.date()} to {latest.date()}"))
            )
        within = [point for point in self.points() if earliest <= point.starts_at <= latest]
        due = [point for point in within if point.due_at <= _now()]
        if within and not due:
            raise InvalidBackfillDate(
                f"{within[0].key} is not due before {within[0].due_at:%Y-%m-%d %H:%M} UTC and starts by itself then. "
                f"To run it earlier, trigger the DAG with partition key {within[0].key}."
            )
        if len(due) < len(within):
            log.info(
                "Left to the scheduler, not due yet: %s",
                [point.key for point in within[len(due) :]],
            )
        return [point.info() for point in due]

    def _decode_partition_date(self, partition_key: str) -> DateTime:
        """First day of the point, midnight UTC.

        Raises:
            InvalidPartitionKeyError: no such point is loaded; the message says what to do.
        """
        for point in self.points():
            if point.key == partition_key:
                return instance(point.starts_at)
        facts = calendar.load()
        try:
            self._parse_key(facts, partition_key)
        except ValueError as error:
            raise InvalidPartitionKeyError(str(error)) from None
        raise InvalidPartitionKeyError(str(self._outside(facts, partition_key)))

    def generate_run_id(
        self,
        *,
        run_type: Any,
        run_after: DateTime,
        data_interval: DataInterval | None,
        partition_key: str | None = None,
        **extra: Any,
    ) -> str:
        """A run id that shows its point. The automatic run of a point has one id only, so it cannot be made twice;
        backfills of a point stand beside each other."""
        if not partition_key:
            return super().generate_run_id(
                run_type=run_type, run_after=run_after, data_interval=data_interval, **extra
            )
        if run_type.value == "scheduled":
            return f"scheduled__{partition_key}"
        return f"{run_type.value}__{partition_key}__{_now():%Y%m%dT%H%M%S}_{secrets.token_hex(6)}"

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """An empty interval: what a run is about is its partition key."""
        return DataInterval.exact(run_after)

    def serialize(self) -> dict[str, Any]:
        return {"live_from": self.live_from}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CalendarTimetable:
        return cls(**data)

    # -- the end of the calendar, made visible -------------------------------------------------

    @property
    def state(self) -> str:
        """``loaded``, ``calendar-ends-soon`` or ``calendar-ended``, as of today."""
        today = _now().date()
        last = self.last_point.due_at.date()
        if last < today:
            return "calendar-ended"
        warning = int(calendar.load().rule("calendar_warning_days", today))
        return "calendar-ends-soon" if (last - today).days <= warning else "loaded"

    @property
    def summary(self) -> str:
        """What the list of DAGs shows as the schedule."""
        words = {
            "loaded": f"to {self.last_point.key}",
            "calendar-ends-soon": f"CALENDAR ENDS with {self.last_point.key}",
            "calendar-ended": f"CALENDAR ENDED with {self.last_point.key}",
        }[self.state]
        live = "" if self._live_at else f"; not live: {LIVE_FROM} is not set"
        return f"{self.name}, {words}{live}"

    @property
    def tags(self) -> list[str]:
        """Tags of the DAG that warn; empty while the calendar is loaded far enough."""
        return [] if self.state == "loaded" else [self.state]

    @property
    def note(self) -> str:
        """Opening words of the DAG's documentation that warn; empty while all is well."""
        if self.state == "loaded":
            return ""
        refusal = self._outside(calendar.load(), "what comes after")
        return f"**{self.state.replace('-', ' ').capitalize()}.** {refusal}\n\n"

    name = "points of the calendar"


class CensusPointTimetable(CalendarTimetable):
    """One run a census point of an authority; the partition key is the point, ``YYYY-MM``.

    The run falls due on ``census_points.due_on``. Its partition date is the first day of the month reported.

    Args:
        la_code: three digits.
        live_from: see :class:`CalendarTimetable`.
    """

    description = "On the working day that census_points.csv gives each monthly return"
    name = "census points"

    def __init__(self, la_code: str, live_from: str | None = None) -> None:
        super().__init__(live_from)
        self.la_code = la_code

    def serialize(self) -> dict[str, Any]:
        return {"la_code": self.la_code, "live_from": self.live_from}

    def _make_points(self, facts: calendar.Calendar) -> list[Point]:
        return [
            Point(
                point.census_point,
                _midnight(point.period_end.replace(day=1)),
                facts.moment("monthly_return_starts_at", point.due_on),
            )
            for point in facts.all_census_points(self.la_code)
        ]

    def _outside(self, facts: calendar.Calendar, what: str) -> calendar.CalendarEnd:
        return facts.outside(self.la_code, what)

    def _span(self, facts: calendar.Calendar) -> tuple[dt.date, dt.date]:
        points = facts.all_census_points(self.la_code)
        return points[0].period_end.replace(day=1), points[-1].period_end

    def _parse_key(self, facts: calendar.Calendar, key: str) -> None:
        calendar.month_end(key)


class WorkingDayTimetable(CalendarTimetable):
    """One run a working day of England; the partition key is the day, ``YYYY-MM-DD``."""

    description = "Every working day of England, before the office opens"
    name = "working days"

    def _make_points(self, facts: calendar.Calendar) -> list[Point]:
        return [
            Point(day.isoformat(), _midnight(day), facts.moment("ingest_starts_at", day))
            for day in facts.working_days(*self._span(facts))
        ]

    def _span(self, facts: calendar.Calendar) -> tuple[dt.date, dt.date]:
        return facts.academic_years[0].starts_on, facts.academic_years[-1].ends_on

    def _outside(self, facts: calendar.Calendar, what: str) -> calendar.CalendarEnd:
        first, last = self._span(facts)
        return calendar.CalendarEnd(
            f"Working days are loaded from {first} to {last}; {what} is outside. Add the next year with "
            f"`python -m neet.calendar_seeds --to YYYY-MM` and commit. Owner: {calendar.OWNER}."
        )

    def _parse_key(self, facts: calendar.Calendar, key: str) -> None:
        try:
            day = dt.date.fromisoformat(key)
        except ValueError:
            raise ValueError(
                f"{key!r} is not a day: write YYYY-MM-DD, for example 2021-12-13."
            ) from None
        first, last = self._span(facts)
        if first <= day <= last:
            raise ValueError(
                f"{key} is no working day of England, so the calendar has no run for it: take the working day after it."
            )


class NeetCalendarPlugin(AirflowPlugin):
    """Lets the scheduler read the timetables out of serialized DAGs."""

    name = "neet_calendar"
    timetables = [CensusPointTimetable, WorkingDayTimetable]
