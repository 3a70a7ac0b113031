"""Writes the calendar rows that follow from a rule: ``python -m neet.calendar_seeds --to 2028-08``.

Rows that stand already are never touched, so a date that was moved by hand stays moved; only what is missing is added.
Terms, gates and the action plan come from published lists and are kept by hand.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import holidays

from neet import calendar

# Announced after the fact of the ordinary year: the only days whose announcement changes a deadline as known then.
ANNOUNCED_LATE = {
    dt.date(2022, 6, 2): (dt.date(2020, 11, 12), "moved from 30 May for the Platinum Jubilee"),
    dt.date(2022, 6, 3): (dt.date(2020, 11, 12), "extra day for the Platinum Jubilee"),
    dt.date(2022, 9, 19): (dt.date(2022, 9, 10), "state funeral"),
    dt.date(2023, 5, 8): (dt.date(2022, 11, 6), "coronation"),
}
WITHDRAWN = {
    dt.date(2022, 5, 30): (
        "Spring Bank Holiday",
        dt.date(2020, 11, 12),
        "moved to 2 June for the Platinum Jubilee",
    ),
}
OTHER_MONTHS = "M"

HEADERS = {
    "academic_years.csv": "academic_year,starts_on,ends_on,academic_age_on,source,assumed",
    "bank_holidays.csv": "country_code,holiday_on,name,known_from,known_to,source,assumed",
    "census_points.csv": (
        "la_code,census_point,requirement_year,period_end,date_of_send,due_on,previous_census_point,gate_id,"
        "scorecard_role,source,assumed"
    ),
}


def _span(year: int) -> str:
    return f"{year}-{(year + 1) % 100:02d}"


def academic_year_rows(first: int, last: int) -> list[dict]:
    """Academic years beginning in ``first`` to ``last``."""
    return [
        {
            "academic_year": _span(year),
            "starts_on": f"{year}-09-01",
            "ends_on": f"{year + 1}-08-31",
            "academic_age_on": f"{year}-08-31",
            "source": "DfE scorecard notes: age on 31 August; the year by convention from 1 September",
            "assumed": "false",
        }
        for year in range(first, last + 1)
    ]


def bank_holiday_rows(first: int, last: int) -> list[dict]:
    """England's bank holidays of the calendar years ``first`` to ``last``, by date."""
    found = holidays.country_holidays("GB", subdiv="ENG", years=range(first, last + 1))
    rows = []
    for day, name in found.items():
        known_from, why = ANNOUNCED_LATE.get(day, (None, None))
        rows.append(_holiday_row(day, name, known_from, None, why))
    for day, (name, known_to, why) in WITHDRAWN.items():
        if first <= day.year <= last:
            rows.append(_holiday_row(day, name, None, known_to, why))
    return sorted(rows, key=lambda row: row["holiday_on"])


def _holiday_row(
    day: dt.date, name: str, known_from: dt.date | None, known_to: dt.date | None, why: str | None
) -> dict:
    return {
        "country_code": "ENG",
        "holiday_on": day.isoformat(),
        "name": name,
        "known_from": known_from.isoformat() if known_from else "",
        "known_to": known_to.isoformat() if known_to else "",
        "source": "holidays package" + (f"; announcement: {why}" if why else ""),
        "assumed": "false",
    }


def census_point_rows(facts: calendar.Calendar, la_code: str, points: Iterable[str]) -> list[dict]:
    """Census points of months, with due days from the rules of ``calendar_rules.csv``.

    Args:
        facts: bank holidays, rules and gates.
        points: consecutive months ``YYYY-MM``.
    """
    gates = {gate.census_month: gate for gate in facts.gates.values() if gate.census_month}
    rows = []
    for point in points:
        end = calendar.month_end(point)
        due_on = facts.add_working_days(end, int(facts.rule("return_due_working_day", end)))
        sent_on = facts.add_working_days(end, int(facts.rule("date_of_send_working_day", end)))
        gate = gates.get(end.month, facts.gates[OTHER_MONTHS])
        before = (end.replace(day=1) - calendar.DAY).strftime("%Y-%m")
        rows.append(
            {
                "la_code": la_code,
                "census_point": point,
                "requirement_year": _span(end.year if end.month >= 4 else end.year - 1),
                "period_end": end.isoformat(),
                "date_of_send": sent_on.isoformat(),
                "due_on": due_on.isoformat(),
                "previous_census_point": before,
                "gate_id": gate.gate_id,
                "scorecard_role": gate.scorecard_role or "",
                "source": "NCCIS requirement: monthly, April to March; days from calendar_rules.csv",
                "assumed": "true",
            }
        )
    return rows


def months(first: str, last: str) -> list[str]:
    """Every month ``YYYY-MM`` from ``first`` to ``last``."""
    found = [first]
    while found[-1] < last:
        found.append((calendar.month_end(found[-1]) + calendar.DAY).strftime("%Y-%m"))
    return found


def _read(file: Path) -> list[dict]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _merge(file: Path, key: Sequence[str], made: list[dict]) -> int:
    """Add the made rows whose key the file lacks; returns how many."""
    rows = _read(file)
    held = {tuple(row[column] for column in key) for row in rows}
    fresh = [row for row in made if tuple(row[column] for column in key) not in held]
    rows = sorted([*rows, *fresh], key=lambda row: tuple(row[column] for column in key))
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, HEADERS[file.name].split(","), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(fresh)


def extend(folder: Path, la_code: str, first: str, last: str) -> dict[str, int]:
    """Add what the calendar lacks up to a census point, and the year of working days after it.

    Args:
        folder: of the seeds.
        first, last: census points ``YYYY-MM``.
    Returns:
        rows added a file.
    Raises:
        ValueError: a point is not written ``YYYY-MM``, ``last`` is before ``first``, or the months would not follow
            those loaded.
    """
    first_end, last_end = calendar.month_end(first), calendar.month_end(last)
    if last_end < first_end:
        raise ValueError(f"The last census point, {last}, is before the first, {first}.")
    added = {}
    first_year = first_end.year - (first_end.month < 9)
    last_year = last_end.year - (last_end.month < 9)
    # Two years back: people's histories begin before the first return.
    added["academic_years.csv"] = _merge(
        folder / "academic_years.csv",
        ["academic_year"],
        academic_year_rows(first_year - 2, last_year),
    )
    added["bank_holidays.csv"] = _merge(
        folder / "bank_holidays.csv",
        ["country_code", "holiday_on"],
        bank_holiday_rows(first_year - 2, last_year + 2),
    )
    file = folder / "census_points.csv"
    loaded = [row["census_point"] for row in _read(file) if row["la_code"] == la_code]
    if loaded:
        day_before = (calendar.month_end(loaded[0]).replace(day=1) - calendar.DAY).strftime("%Y-%m")
        day_after = (calendar.month_end(loaded[-1]) + calendar.DAY).strftime("%Y-%m")
        if last < day_before or first > day_after:
            raise ValueError(
                f"Authority {la_code} has {loaded[0]} to {loaded[-1]}; {first} to {last} would leave a gap. "
                f"Give months that follow on."
            )
    elif not file.exists():
        _merge(file, ["la_code", "census_point"], [])
    facts = calendar.Calendar(folder)
    added["census_points.csv"] = _merge(
        file,
        ["la_code", "census_point"],
        census_point_rows(facts, la_code, months(first, last)),
    )
    return added


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m neet.calendar_seeds", description=__doc__)
    parser.add_argument("--la", default="886", help="authority (default: %(default)s)")
    parser.add_argument("--from", dest="first", default="2021-09", help="default: %(default)s")
    parser.add_argument("--to", dest="last", required=True, help="last census point, YYYY-MM")
    parser.add_argument("--folder", type=Path, default=calendar.FOLDER)
    given = parser.parse_args(arguments)
    try:
        added = extend(given.folder, given.la, given.first, given.last)
    except ValueError as error:
        parser.error(str(error))
    for name, count in added.items():
        print(f"{name}: {count} rows added")
    if any(added.values()):
        print(
            "Days are made from calendar_rules.csv: check them against the DfE's timetable of returns. Add the terms "
            "to term_dates.csv by hand, run the tests, and commit."
        )


if __name__ == "__main__":
    main()
