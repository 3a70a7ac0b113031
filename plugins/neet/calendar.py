"""The calendar: academic years, terms, working days, census points, gates and the action plan.

Everything here reads the rows of ``dbt_project/seeds/calendar/``, the same files that dbt and the documentation read
(design rule 1): a new year or a moved date is a row, never code. ``neet.calendar_seeds`` writes the rows that follow
from a rule.

Two questions about a date have different answers: what it is, and what it was known to be. Rows of things announced
late carry ``known_from`` (blank: always known) and, where something was withdrawn, ``known_to``; functions that take
``known_on`` answer as on that day, and as now without it.
"""

from __future__ import annotations

import bisect
import csv
import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from neet.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "dbt_project" / "seeds" / "calendar"
OWNER = "Management Information"
ENGLAND = ZoneInfo("Europe/London")
DAY = dt.timedelta(days=1)
POINT = re.compile(r"\d{4}-(0[1-9]|1[0-2])")

T = TypeVar("T")


class CalendarEnd(LookupError):
    """A date outside the loaded calendar was asked for; the message says how to load it."""


class CalendarBroken(ValueError):
    """A row of the calendar cannot be read or contradicts another; the message names file, line and column."""


@dataclass(frozen=True)
class AcademicYear:
    """1 September to 31 August; ages are measured on the 31 August before it."""

    academic_year: str
    starts_on: dt.date
    ends_on: dt.date
    academic_age_on: dt.date


@dataclass(frozen=True)
class BankHoliday:
    """A bank holiday of England; ``known_from`` and ``known_to`` bound when it was in force as an announcement."""

    holiday_on: dt.date
    name: str
    known_from: dt.date | None
    known_to: dt.date | None

    def is_known(self, known_on: dt.date | None) -> bool:
        """Whether it stood in the calendar on a day; ``None`` asks about now."""
        if known_on is None:
            return self.known_to is None
        return (self.known_from is None or self.known_from <= known_on) and (
            self.known_to is None or known_on < self.known_to
        )


@dataclass(frozen=True)
class Term:
    """A school term of the authority's own schools, staff days included; both ends inclusive."""

    la_code: str
    academic_year: str
    term_no: int
    starts_on: dt.date
    ends_on: dt.date
    known_from: dt.date | None
    source: str
    confidence: str


@dataclass(frozen=True)
class CensusPoint:
    """One authority's return for one month.

    Attributes:
        census_point: ``YYYY-MM``.
        requirement_year: the DfE's reporting year, ``YYYY-YY``, April to March; names the rule pack.
        period_end: last day of the month reported.
        date_of_send: the date the return carries; from here and not from a clock, so that the same return has the
            same bytes tomorrow.
        due_on: the working day on which the census run starts.
        previous_census_point: ``YYYY-MM``, the month before.
        gate_id: a gate of ``gates.csv``.
        scorecard_role: which scorecard measure the month feeds, or ``None``.
    """

    la_code: str
    census_point: str
    requirement_year: str
    period_end: dt.date
    date_of_send: dt.date
    due_on: dt.date
    previous_census_point: str
    gate_id: str
    scorecard_role: str | None
    source: str
    is_assumed: bool


@dataclass(frozen=True)
class Gate:
    """A freeze with sign-off: what is frozen when, and what stops it."""

    gate_id: str
    gate_order: int
    name: str
    happens: str
    census_month: int | None
    on_month: int | None
    on_day: int | None
    scorecard_role: str | None
    frozen_thing: str
    blocks_if: str
    owner_service: str


@dataclass(frozen=True)
class PlannedEvent:
    """An activity of the NEET action plan in one academic year; both dates inclusive.

    Attributes:
        kinds: of ``IN`` (a feed to take in), ``OUT`` (a list or report to give out), ``GATE`` (a freeze).
    """

    event_id: str
    academic_year: str
    term_no: int | None
    starts_on: dt.date
    ends_on: dt.date
    activity: str
    owner_service: str
    source_system: str
    kinds: tuple[str, ...]
    pipeline_work: str


@dataclass(frozen=True)
class PlanRule:
    """The row of ``action_plan_events.csv`` that :class:`PlannedEvent` s of every year come from."""

    event_id: str
    term_no: int | None
    recurs: str
    first_month: int
    first_day: int | None
    last_month: int
    last_day: int | None
    activity: str
    owner_service: str
    source_system: str
    kinds: tuple[str, ...]
    pipeline_work: str


@dataclass(frozen=True)
class DatedRule:
    """A number or a time that dates are derived with, in force from ``valid_from`` until before ``valid_to``."""

    rule_id: str
    value: str
    valid_from: dt.date | None
    valid_to: dt.date | None


class _Row:
    """One line of a seed; reads a cell as its type or says exactly which cell is wrong."""

    def __init__(self, file: Path, line: int, cells: dict[str, str]) -> None:
        self.file, self.line, self.cells = file, line, cells

    def broken(self, column: str, why: str) -> CalendarBroken:
        value = self.cells.get(column)
        return CalendarBroken(
            f"{self.file.name}, line {self.line}, column {column}: {value!r} {why}. Every date of the warehouse "
            f"rests on this file; put the row right and run the tests. Owner: {OWNER}."
        )

    def text(self, column: str) -> str:
        value = (self.cells.get(column) or "").strip()
        if not value:
            raise self.broken(column, "must not be blank")
        return value

    def maybe(self, column: str, read: Callable[[str], T]) -> T | None:
        if column not in self.cells:
            raise self.broken(column, "is missing: the file has no such column")
        return read(column) if (self.cells[column] or "").strip() else None

    def date(self, column: str) -> dt.date:
        try:
            return dt.date.fromisoformat(self.text(column))
        except ValueError as error:
            if isinstance(error, CalendarBroken):
                raise
            raise self.broken(column, "is not a date YYYY-MM-DD") from None

    def number(self, column: str) -> int:
        try:
            return int(self.text(column))
        except ValueError as error:
            if isinstance(error, CalendarBroken):
                raise
            raise self.broken(column, "is not a whole number") from None

    def flag(self, column: str) -> bool:
        value = self.text(column)
        if value not in ("true", "false"):
            raise self.broken(column, "is neither true nor false")
        return value == "true"

    def point(self, column: str) -> str:
        value = self.text(column)
        if not POINT.fullmatch(value):
            raise self.broken(column, "is not a census point YYYY-MM")
        return value


def _rows(file: Path) -> Iterator[_Row]:
    if not file.exists():
        raise CalendarBroken(f"The calendar file {file.name} is missing. Owner: {OWNER}.")
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        for cells in reader:
            if None in cells or None in cells.values():
                raise CalendarBroken(
                    f"{file.name}, line {reader.line_num}: the row has not as many cells as the header. "
                    f"A comma inside a text needs quotes. Owner: {OWNER}."
                )
            yield _Row(file, reader.line_num, cells)


def month_end(point: str) -> dt.date:
    """Last day of the month ``YYYY-MM``.

    Raises:
        ValueError: it is not a month so written.
    """
    if not POINT.fullmatch(point):
        raise ValueError(
            f"{point!r} is not a census point: write the year and month as YYYY-MM, for example 2021-12."
        )
    year, month = map(int, point.split("-"))
    return dt.date(year + month // 12, month % 12 + 1, 1) - DAY


class Calendar:
    """All rows, read and cross-checked once.

    Args:
        folder: of the seed files.
    Raises:
        CalendarBroken: a row cannot be read, or rows contradict each other.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.academic_years = self._read_academic_years()
        self.bank_holidays = self._read_bank_holidays()
        self.rules = self._read_rules()
        self.terms = self._read_terms()
        self.gates = self._read_gates()
        self._points = self._read_census_points()
        self.plan_rules = self._read_plan()
        self._holidays_by_day: dict[dt.date, list[BankHoliday]] = {}
        for holiday in self.bank_holidays:
            self._holidays_by_day.setdefault(holiday.holiday_on, []).append(holiday)
        years = [holiday.holiday_on.year for holiday in self.bank_holidays]
        self.holidays_from = dt.date(min(years), 1, 1)
        self.holidays_to = dt.date(max(years), 12, 31)

    # -- reading -------------------------------------------------------------------------------

    def _read_academic_years(self) -> list[AcademicYear]:
        years: list[AcademicYear] = []
        for row in _rows(self.folder / "academic_years.csv"):
            year = AcademicYear(
                row.text("academic_year"),
                row.date("starts_on"),
                row.date("ends_on"),
                row.date("academic_age_on"),
            )
            if year.academic_age_on != year.starts_on - DAY:
                raise row.broken("academic_age_on", "is not the day before the year starts")
            if years and year.starts_on != years[-1].ends_on + DAY:
                raise row.broken("starts_on", "does not follow the end of the year before")
            if year.ends_on <= year.starts_on:
                raise row.broken("ends_on", "is not after the start")
            years.append(year)
        return years

    def _read_bank_holidays(self) -> list[BankHoliday]:
        holidays = []
        for row in _rows(self.folder / "bank_holidays.csv"):
            holidays.append(
                BankHoliday(
                    row.date("holiday_on"),
                    row.text("name"),
                    row.maybe("known_from", row.date),
                    row.maybe("known_to", row.date),
                )
            )
        if not holidays:
            raise CalendarBroken(
                "bank_holidays.csv has no rows: no working day can be counted without it."
            )
        return holidays

    def _read_rules(self) -> list[DatedRule]:
        return [
            DatedRule(
                row.text("rule_id"),
                row.text("value"),
                row.maybe("valid_from", row.date),
                row.maybe("valid_to", row.date),
            )
            for row in _rows(self.folder / "calendar_rules.csv")
        ]

    def _read_terms(self) -> list[Term]:
        names = {year.academic_year: year for year in self.academic_years}
        terms: list[Term] = []
        seen = set()
        for row in _rows(self.folder / "term_dates.csv"):
            term = Term(
                row.text("la_code"),
                row.text("academic_year"),
                row.number("term_no"),
                row.date("starts_on"),
                row.date("ends_on"),
                row.maybe("known_from", row.date),
                row.text("source"),
                row.text("confidence"),
            )
            year = names.get(term.academic_year)
            if year is None:
                raise row.broken("academic_year", "is not a row of academic_years.csv")
            if not year.starts_on <= term.starts_on <= term.ends_on <= year.ends_on:
                raise row.broken(
                    "starts_on", f"to {term.ends_on} does not lie in {term.academic_year}"
                )
            key = (term.la_code, term.academic_year, term.term_no, term.known_from)
            if key in seen:
                raise row.broken(
                    "term_no", "stands twice with the same known_from: which one holds?"
                )
            seen.add(key)
            terms.append(term)
        return terms

    def _read_gates(self) -> dict[str, Gate]:
        gates: dict[str, Gate] = {}
        for row in _rows(self.folder / "gates.csv"):
            gate = Gate(
                row.text("gate_id"),
                row.number("gate_order"),
                row.text("name"),
                row.text("happens"),
                row.maybe("census_month", row.number),
                row.maybe("on_month", row.number),
                row.maybe("on_day", row.number),
                row.maybe("scorecard_role", row.text),
                row.text("frozen_thing"),
                row.text("blocks_if"),
                row.text("owner_service"),
            )
            if gate.gate_id in gates:
                raise row.broken("gate_id", "stands twice")
            gates[gate.gate_id] = gate
        return gates

    def _read_census_points(self) -> dict[str, list[CensusPoint]]:
        by_la: dict[str, list[CensusPoint]] = {}
        for row in _rows(self.folder / "census_points.csv"):
            point = CensusPoint(
                la_code=row.text("la_code"),
                census_point=row.point("census_point"),
                requirement_year=row.text("requirement_year"),
                period_end=row.date("period_end"),
                date_of_send=row.date("date_of_send"),
                due_on=row.date("due_on"),
                previous_census_point=row.point("previous_census_point"),
                gate_id=row.text("gate_id"),
                scorecard_role=row.maybe("scorecard_role", row.text),
                source=row.text("source"),
                is_assumed=row.flag("assumed"),
            )
            points = by_la.setdefault(point.la_code, [])
            if point.period_end != month_end(point.census_point):
                raise row.broken("period_end", f"is not the last day of {point.census_point}")
            if point.due_on <= point.period_end:
                raise row.broken("due_on", "is not after the month it reports")
            if point.date_of_send < point.due_on:
                raise row.broken("date_of_send", "is before the run is due")
            if point.gate_id not in self.gates:
                raise row.broken("gate_id", "is not a row of gates.csv")
            if points:
                last = points[-1]
                if point.previous_census_point != last.census_point:
                    raise row.broken(
                        "previous_census_point", f"is not {last.census_point}, the row before"
                    )
                if point.period_end != month_end(_next_month(last.census_point)):
                    raise row.broken("census_point", f"does not follow {last.census_point}")
                if point.due_on <= last.due_on:
                    raise row.broken("due_on", f"is not after that of {last.census_point}")
            points.append(point)
        return by_la

    def _read_plan(self) -> list[PlanRule]:
        plan: list[PlanRule] = []
        seen = set()
        for row in _rows(self.folder / "action_plan_events.csv"):
            rule = PlanRule(
                row.text("event_id"),
                row.maybe("term_no", row.number),
                row.text("recurs"),
                row.number("first_month"),
                row.maybe("first_day", row.number),
                row.number("last_month"),
                row.maybe("last_day", row.number),
                row.text("activity"),
                row.text("owner_service"),
                row.text("source_system"),
                tuple(row.text("kind").split(" ")),
                row.text("pipeline_work"),
            )
            if rule.event_id in seen:
                raise row.broken("event_id", "stands twice")
            seen.add(rule.event_id)
            if rule.recurs not in ("monthly", "yearly"):
                raise row.broken("recurs", "is neither monthly nor yearly")
            if not set(rule.kinds) <= {"IN", "OUT", "GATE"}:
                raise row.broken("kind", "holds something other than IN, OUT and GATE")
            for column in ("first_month", "last_month"):
                if not 1 <= row.number(column) <= 12:
                    raise row.broken(column, "is not a month")
            plan.append(rule)
        return plan

    # -- rules ---------------------------------------------------------------------------------

    def rule(self, rule_id: str, day: dt.date) -> str:
        """Value of a row of ``calendar_rules.csv`` in force on a day.

        Raises:
            CalendarBroken: no row, or more than one, is in force.
        """
        found = [
            rule.value
            for rule in self.rules
            if rule.rule_id == rule_id
            and (rule.valid_from is None or rule.valid_from <= day)
            and (rule.valid_to is None or day < rule.valid_to)
        ]
        if len(found) != 1:
            raise CalendarBroken(
                f"calendar_rules.csv has {len(found)} rows of {rule_id} in force on {day}; one is needed. "
                f"Owner: {OWNER}."
            )
        return found[0]

    def moment(self, rule_id: str, day: dt.date) -> dt.datetime:
        """The UTC instant of a local time of day held as a rule (``HH:MM``, England's clock)."""
        local = dt.datetime.combine(day, dt.time.fromisoformat(self.rule(rule_id, day)), ENGLAND)
        return local.astimezone(dt.UTC)

    # -- working days --------------------------------------------------------------------------

    def is_working_day(self, day: dt.date, known_on: dt.date | None = None) -> bool:
        """Monday to Friday and no bank holiday of England (kpis.md rule 7).

        Args:
            known_on: judge by the bank holidays announced by this day; default: as known now.
        Raises:
            CalendarEnd: the bank holidays of that year are not loaded.
        """
        if not self.holidays_from <= day <= self.holidays_to:
            raise CalendarEnd(
                f"Bank holidays are loaded from {self.holidays_from} to {self.holidays_to}; {day} is outside. "
                f"Add that year with `python -m neet.calendar_seeds --to YYYY-MM`. Owner: {OWNER}."
            )
        if day.weekday() >= 5:
            return False
        return not any(holiday.is_known(known_on) for holiday in self._holidays_by_day.get(day, ()))

    def add_working_days(
        self, day: dt.date, count: int, known_on: dt.date | None = None
    ) -> dt.date:
        """The ``count``-th working day after ``day``, which is day 0 whatever it is (kpis.md rule 7).

        Raises:
            ValueError: ``count`` is below 1.
            CalendarEnd: it runs past the loaded bank holidays.
        """
        if count < 1:
            raise ValueError(f"Count working days from 1, not {count}.")
        while count:
            day += DAY
            count -= self.is_working_day(day, known_on)
        return day

    def working_days(
        self, first: dt.date, last: dt.date, known_on: dt.date | None = None
    ) -> list[dt.date]:
        """Every working day from ``first`` to ``last``, both included."""
        days = (first + n * DAY for n in range((last - first).days + 1))
        return [day for day in days if self.is_working_day(day, known_on)]

    # -- academic years and terms --------------------------------------------------------------

    def academic_year_of(self, day: dt.date) -> AcademicYear:
        """The academic year a day lies in.

        Raises:
            CalendarEnd: that year is not loaded.
        """
        for year in self.academic_years:
            if year.starts_on <= day <= year.ends_on:
                return year
        raise CalendarEnd(
            f"Academic years are loaded from {self.academic_years[0].academic_year} to "
            f"{self.academic_years[-1].academic_year}; {day} is outside. Add a row to academic_years.csv with "
            f"`python -m neet.calendar_seeds --to YYYY-MM`. Owner: {OWNER}."
        )

    def academic_year(self, name: str) -> AcademicYear:
        """The academic year ``YYYY-YY``.

        Raises:
            CalendarEnd: that year is not loaded.
        """
        for year in self.academic_years:
            if year.academic_year == name:
                return year
        raise CalendarEnd(f"There is no row of academic year {name} in academic_years.csv.")

    def terms_of(
        self, la_code: str, academic_year: str, known_on: dt.date | None = None
    ) -> list[Term]:
        """The terms of a year in order, as known on a day or now.

        Raises:
            CalendarEnd: the terms of that year are not loaded.
        """
        standing: dict[int, Term] = {}
        for term in self.terms:
            if (term.la_code, term.academic_year) != (la_code, academic_year):
                continue
            if known_on and term.known_from and term.known_from > known_on:
                continue
            before = standing.get(term.term_no)
            if before is None or (before.known_from or dt.date.min) < (
                term.known_from or dt.date.min
            ):
                standing[term.term_no] = term
        if not standing:
            raise CalendarEnd(
                f"The terms of authority {la_code} in {academic_year} are not loaded. Add its rows to term_dates.csv "
                f"from the authority's published list. Owner: {OWNER}."
            )
        return [standing[number] for number in sorted(standing)]

    def term_of(self, la_code: str, day: dt.date, known_on: dt.date | None = None) -> Term | None:
        """The term a day lies in, or ``None`` in the holidays.

        Raises:
            CalendarEnd: the terms of that academic year are not loaded.
        """
        year = self.academic_year_of(day).academic_year
        for term in self.terms_of(la_code, year, known_on):
            if term.starts_on <= day <= term.ends_on:
                return term
        return None

    # -- census points -------------------------------------------------------------------------

    def all_census_points(self, la_code: str) -> list[CensusPoint]:
        """Every loaded census point of an authority, in order.

        Raises:
            CalendarEnd: none is loaded.
        """
        points = self._points.get(la_code)
        if not points:
            raise CalendarEnd(
                f"No census points of authority {la_code} are loaded. Add them to census_points.csv with "
                f"`python -m neet.calendar_seeds --la {la_code} --from YYYY-MM --to YYYY-MM`. Owner: {OWNER}."
            )
        return points

    def outside(self, la_code: str, what: str) -> CalendarEnd:
        """The error for something before the first or past the last census point."""
        points = self.all_census_points(la_code)
        first, last = points[0].census_point, points[-1].census_point
        return CalendarEnd(
            f"The calendar of authority {la_code} is loaded from {first} to {last}; {what} is outside it, so nothing "
            f"says when it is due or which rules hold. Add the months to census_points.csv (`python -m "
            f"neet.calendar_seeds --to YYYY-MM` writes them), check them against the DfE's timetable of returns and "
            f"commit. Owner: {OWNER}."
        )

    def census_point(self, la_code: str, point: str) -> CensusPoint:
        """The row of one census point.

        Args:
            point: ``YYYY-MM``.
        Raises:
            ValueError: ``point`` is not written so.
            CalendarEnd: it is not loaded.
        """
        month_end(point)
        points = self.all_census_points(la_code)
        index = bisect.bisect_left(points, point, key=lambda each: each.census_point)
        if index == len(points) or points[index].census_point != point:
            raise self.outside(la_code, point)
        return points[index]

    def census_points(self, la_code: str, first: str, last: str) -> list[CensusPoint]:
        """The census points from ``first`` to ``last``, both included.

        Raises:
            ValueError: one is not a point, or ``last`` is before ``first``.
            CalendarEnd: one is not loaded.
        """
        start, end = self.census_point(la_code, first), self.census_point(la_code, last)
        if end.period_end < start.period_end:
            raise ValueError(f"The last census point, {last}, is before the first, {first}.")
        points = self.all_census_points(la_code)
        return points[points.index(start) : points.index(end) + 1]

    def next_census_point(self, la_code: str, today: dt.date) -> CensusPoint:
        """The first census point that is due on or after a day.

        Raises:
            CalendarEnd: none is left.
        """
        for point in self.all_census_points(la_code):
            if point.due_on >= today:
                return point
        raise self.outside(la_code, f"the point due after {today}")

    # -- the action plan -----------------------------------------------------------------------

    def plan(self, academic_year: str) -> list[PlannedEvent]:
        """Every activity of the action plan in one academic year, by date.

        Raises:
            CalendarEnd: that year is not loaded.
        """
        year = self.academic_year(academic_year)
        events = []
        for rule in self.plan_rules:
            for first, last in _occurrences(rule, year):
                events.append(
                    PlannedEvent(
                        rule.event_id,
                        academic_year,
                        rule.term_no,
                        first,
                        last,
                        rule.activity,
                        rule.owner_service,
                        rule.source_system,
                        rule.kinds,
                        rule.pipeline_work,
                    )  # fmt: skip
                )
        return sorted(events, key=lambda event: (event.starts_on, event.ends_on, event.event_id))


def _next_month(point: str) -> str:
    return (month_end(point) + DAY).strftime("%Y-%m")


def _occurrences(rule: PlanRule, year: AcademicYear) -> Iterator[tuple[dt.date, dt.date]]:
    """First and last day of each occurrence of a rule in an academic year."""

    def month_start(month: int) -> dt.date:
        calendar_year = year.starts_on.year + (month < year.starts_on.month)
        return dt.date(calendar_year, month, 1)

    def day_of(month: int, day: int | None, end: bool) -> dt.date:
        start = month_start(month)
        if day:
            return start.replace(day=day)
        return month_end(start.strftime("%Y-%m")) if end else start

    if rule.recurs == "yearly":
        yield (
            day_of(rule.first_month, rule.first_day, False),
            day_of(rule.last_month, rule.last_day, True),
        )
        return
    month = month_start(rule.first_month)
    last = month_start(rule.last_month)
    while month <= last:
        yield (
            day_of(month.month, rule.first_day, False),
            day_of(month.month, rule.last_day, True),
        )
        month = month_end(month.strftime("%Y-%m")) + DAY


_loaded: dict[Path, tuple[tuple, Calendar]] = {}


def load(folder: Path = FOLDER) -> Calendar:
    """The calendar of a folder; read again when a file changed, so that long-lived processes see a moved date.

    Raises:
        CalendarBroken: see :class:`Calendar`.
    """
    files = sorted(folder.glob("*.csv"))
    signature = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    held = _loaded.get(folder)
    if held is None or held[0] != signature:
        held = (signature, Calendar(folder))
        _loaded[folder] = held
    return held[1]


def census_point(la_code: str, point: str) -> CensusPoint:
    """See :meth:`Calendar.census_point`."""
    return load().census_point(la_code, point)


def census_points(la_code: str, first: str, last: str) -> list[CensusPoint]:
    """See :meth:`Calendar.census_points`."""
    return load().census_points(la_code, first, last)


def next_census_point(la_code: str, today: dt.date) -> CensusPoint:
    """See :meth:`Calendar.next_census_point`."""
    return load().next_census_point(la_code, today)


def academic_year_of(day: dt.date) -> AcademicYear:
    """See :meth:`Calendar.academic_year_of`."""
    return load().academic_year_of(day)


def term_of(la_code: str, day: dt.date, known_on: dt.date | None = None) -> Term | None:
    """See :meth:`Calendar.term_of`."""
    return load().term_of(la_code, day, known_on)


def is_working_day(day: dt.date, known_on: dt.date | None = None) -> bool:
    """See :meth:`Calendar.is_working_day`."""
    return load().is_working_day(day, known_on)


def add_working_days(day: dt.date, count: int, known_on: dt.date | None = None) -> dt.date:
    """See :meth:`Calendar.add_working_days`."""
    return load().add_working_days(day, count, known_on)


def plan(academic_year: str) -> Sequence[PlannedEvent]:
    """See :meth:`Calendar.plan`."""
    return load().plan(academic_year)
