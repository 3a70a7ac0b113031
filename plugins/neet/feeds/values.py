"""How one cell is read as its type. What it *means* is for the rules (design rule 5)."""

from __future__ import annotations

import datetime as dt
import re

from neet.feeds.contract import Column

ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)
TIME = re.compile(r"(?:T|\s+)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.]\d{1,9})?)?Z?", re.ASCII)
SERIAL = re.compile(r"(\d{5})(?:[.]\d+)?", re.ASCII)
INTEGER = re.compile(r"([+-]?)0*(\d{1,18})(?:[.]0+)?", re.ASCII)
DIGITS = re.compile(r"([0-9]{1,30})(?:[.]0+)?", re.ASCII)
NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:[.]\d{0,30})?|[.]\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)

# Excel counts days from 1 January 1900 and believes that year had a 29 February; from March 1900 on
# this origin is right. Five digits only: 10000 is in 1927 and 73050 the last day of 2099.
EXCEL_ORIGIN = dt.date(1899, 12, 30)
LAST_SERIAL = 73_050

EXAMPLES = {
    "iso": "2021-12-31",
    "iso_time": "2021-12-31 00:00:00",
    "day_first": "31/12/2021",
    "day_first_time": "31/12/2021 00:00",
    "excel_serial": "44561 (an Excel day number)",
}


class Unreadable(ValueError):
    """A cell cannot be read as its column's type.

    Attributes:
        rule: short name of what was broken.
        reason: one sentence a person can act on.
    """

    def __init__(self, rule: str, reason: str):
        super().__init__(reason)
        self.rule = rule
        self.reason = reason


def read_date(text: str, forms: tuple[str, ...]) -> str:
    """A date in one of the accepted ``forms``, as ``YYYY-MM-DD``. A time of day is dropped.

    Day-first only: a month-first date that could be mistaken for one cannot be told from it, and one
    that cannot (12/25/2005) is unreadable. Two-digit years are unreadable too.

    Raises:
        Unreadable: no accepted form fits, or there is no such day.
    """
    stripped = text.strip()
    match = ISO.match(stripped) or DAY_FIRST.match(stripped)
    try:
        if match:
            form = "iso" if match.re is ISO else "day_first"
            rest = stripped[match.end() :]
            if rest:
                form += "_time"
                time = TIME.fullmatch(rest)
                if not time or not _is_time(time):
                    form = ""
            if form in forms:
                first, month, last = (int(part) for part in match.groups())
                year, day = (first, last) if match.re is ISO else (last, first)
                return dt.date(year, month, day).isoformat()
        elif "excel_serial" in forms and (serial := SERIAL.fullmatch(stripped)):
            days = int(serial[1])
            if 10_000 <= days <= LAST_SERIAL:
                return (EXCEL_ORIGIN + dt.timedelta(days=days)).isoformat()
    except ValueError:
        raise Unreadable("not_a_date", f"there is no day {stripped!r} in the calendar") from None
    accepted = ", ".join(EXAMPLES[form] for form in forms)
    raise Unreadable("not_a_date", f"{_short(text)} is not a date in an accepted form ({accepted})")


def _is_time(match: re.Match) -> bool:
    hour, minute, second = (int(part or 0) for part in match.groups())
    return hour < 24 and minute < 60 and second < 60


def read_integer(text: str, markers: tuple[str, ...] = ()) -> str:
    """A whole number, without leading zeros; ``16.0``, as Excel writes one, is 16.

    Raises:
        Unreadable: it is none.
    """
    stripped = text.strip()
    if stripped in markers:
        return stripped
    match = INTEGER.fullmatch(stripped)
    if not match:
        raise Unreadable("not_an_integer", f"{_short(text)} is not a whole number")
    return ("-" if match[1] == "-" and match[2] != "0" else "") + match[2]


def read_number(text: str, markers: tuple[str, ...] = ()) -> str:
    """A decimal number, kept as it was written; thousands separators and signs of currency are not
    numbers.

    Raises:
        Unreadable: it is none.
    """
    stripped = text.strip()
    if stripped in markers or NUMBER.fullmatch(stripped):
        return stripped
    allowed = f", nor one of the markers {', '.join(markers)}" if markers else ""
    raise Unreadable("not_a_number", f"{_short(text)} is not a number{allowed}")


def read_digits(text: str, length: int) -> str:
    """Text, with the leading zeros that a spreadsheet takes from a text of digits: of ``length`` digits.

    ``123.0``, as some programs write a whole number, is 123. Anything but digits stays as it is.
    """
    match = DIGITS.fullmatch(text.strip())
    return match[1].zfill(length) if match and len(match[1]) <= length else text


def read(text: str, column: Column) -> str:
    """A non-blank cell as its column's type, in the one form that ``raw`` holds.

    Raises:
        Unreadable: it cannot be.
    """
    if column.type == "date":
        return read_date(text, column.forms)
    if column.type == "integer":
        return read_integer(text, column.markers)
    if column.type == "number":
        return read_number(text, column.markers)
    return text if column.pad_to is None else read_digits(text, column.pad_to)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
