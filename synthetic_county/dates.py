"""Months, academic years and working days: the calendar the county lives by."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

import holidays

DAY = timedelta(days=1)
_POINT = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def parse_point(text: str) -> tuple[int, int]:
    """Year and month of a census point written YYYY-MM.

    Raises:
        ValueError: it is written in another way.
    """
    match = _POINT.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a month: write it YYYY-MM, as in 2021-12.")
    return int(match[1]), int(match[2])


def month_end(point: str) -> date:
    """Last day of the census point's month."""
    year, month = parse_point(point)
    return date(year, month, calendar.monthrange(year, month)[1])


def shift_point(point: str, months: int) -> str:
    """The census point so many months later (earlier, if negative)."""
    year, month = parse_point(point)
    index = year * 12 + month - 1 + months
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def points_between(first: str, last: str) -> list[str]:
    """Every census point from ``first`` to ``last``, both included.

    Raises:
        ValueError: ``last`` is before ``first``.
    """
    if parse_point(last) < parse_point(first):
        raise ValueError(f"The last month, {last}, is before the first, {first}.")
    points = [first]
    while points[-1] != last:
        points.append(shift_point(points[-1], 1))
    return points


def academic_year(day: date) -> int:
    """Year in which the academic year of ``day`` began: 2021 for 1 September 2021 to 31 August 2022."""
    return day.year if day.month >= 9 else day.year - 1


def year_end(day: date) -> date:
    """The 31 August that ends the academic year of ``day``."""
    return date(academic_year(day) + 1, 8, 31)


def academic_age(born: date, day: date) -> int:
    """Age on the 31 August before the academic year of ``day`` (nccis.md section 4)."""
    return academic_year(day) - born.year - (born.month >= 9)


def add_months(day: date, months: int) -> date:
    """The same day so many calendar months later, or the last of that month if it has no such day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    month += 1
    if day.day <= 28:
        return date(year, month, day.day)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def months_from(first: date, last: date) -> Iterator[date]:
    """First days of the months from that of ``first`` to that of ``last``."""
    day = first.replace(day=1)
    while day <= last:
        yield day
        day = add_months(day, 1)


@lru_cache
def _bank_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=year))


def is_working_day(day: date) -> bool:
    """Monday to Friday, and no bank holiday of England."""
    return day.weekday() < 5 and day not in _bank_holidays(day.year)


def working_day_on_or_after(day: date) -> date:
    while not is_working_day(day):
        day += DAY
    return day


def add_working_days(day: date, count: int) -> date:
    """The ``count``-th working day after ``day``."""
    for _ in range(count):
        day = working_day_on_or_after(day + DAY)
    return day
