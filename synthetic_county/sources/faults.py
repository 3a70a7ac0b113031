"""Faults of whole files of other sources: what a sender does wrong, and what must become of it.

They are planted on finished files, whatever the people; ``truth/defects.csv`` says where and what must happen.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from synthetic_county.dates import add_working_days
from synthetic_county.parameters import Dice
from synthetic_county.sources.files import SourceFile

SOURCE = "source"
"""Stage of these faults in ``defects.csv``."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind.

    Attributes:
        feed: whose file is spoilt.
        fewest_rows: a file of so many rows or more is chosen.
        expected: what the loader must make of it: a status, or a rule of a rejected row.
        spoil: changes the lines of the file in place and returns the number of the line at fault, if it is one.
        late: working days that it comes too late.
        again: sent a second time, byte for byte, the next working day.
    """

    name: str
    feed: str
    fewest_rows: int
    expected: str
    what: str
    spoil: Callable[[list[list[str]], Dice], int | None] | None = None
    encoding: str = "utf-8"
    late: int = 0
    again: bool = False


def _a_third_left(rows: list[list[str]], _: Dice) -> None:
    del rows[1 + (len(rows) - 1) // 3 :]


def _other_order(rows: list[list[str]], _: Dice) -> None:
    for row in rows:
        row.reverse()


def _blank_key(rows: list[list[str]], dice: Dice) -> int:
    line = dice.within((1, len(rows) - 1))
    rows[line][0] = ""
    return line + 1


def _nothing(rows: list[list[str]], _: Dice) -> None:
    del rows[1:]


def _column_gone(rows: list[list[str]], _: Dice) -> None:
    for row in rows:
        del row[-2]


def _unreadable(rows: list[list[str]], dice: Dice) -> int:
    line = dice.within((1, len(rows) - 1))
    at = next(place for place, name in enumerate(rows[0]) if name in ("DateOfBirth", "DOB", "DoB"))
    rows[line][at] = "summer 2004"
    return line + 1


def _marked(rows: list[list[str]], _: Dice) -> None:
    rows[1][next(place for place, name in enumerate(rows[0]) if name == "DeliveryLocation")] += (
        " – café"
    )


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("source_windows_1252", "college_enrolment", 1, "accepted", "written in Windows-1252", _marked, "cp1252"),
        Fault("source_duplicate_file", "college_joiners_leavers", 1, "duplicate", "sent again the next day", again=True),
        Fault("source_late_file", "early_help_parents", 0, "late", "came fifteen working days late", late=15),
        Fault("source_shrunken_snapshot", "kent_choices_accounts", 90, "held", "two thirds of the rows are missing", _a_third_left),
        Fault("source_other_column_order", "school_attendance", 1, "accepted", "columns in another order", _other_order),
        Fault("source_blank_key", "synergy_send", 2, "required_value_missing", "the key of one row is blank", _blank_key),
        Fault("source_nil_return", "school_joiners_leavers", 0, "accepted", "the header alone: nothing to report", _nothing),
        Fault("source_column_missing", "course_offer", 1, "refused", "a column of the layout is missing", _column_gone),
        Fault("source_unreadable_date", "referral_mailbox", 1, "not_a_date", "a birth date in words", _unreadable),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault planted, as ``defects.csv`` tells it."""

    fault: Fault
    file: SourceFile
    line: int | None
    detail: str


def wanted(defects: str) -> list[Fault]:
    """The faults that a wish for defects names: ``all``, ``demo`` or single names."""
    names = {token.strip() for token in defects.split(",")}
    if names & {"all", "demo"}:
        return list(FAULTS.values())
    return [fault for name, fault in FAULTS.items() if name in names]


def without_sources(defects: str) -> str:
    """The wish for defects without those of other sources, which only finished files can have."""
    left = [token for token in defects.split(",") if token.strip() not in FAULTS]
    return ",".join(left) or "none"


def plant(
    faults: list[Fault],
    files: list[SourceFile],
    exports: Path,
    last: date,
    point_of: Callable[[date], str],
    dice: Dice,
) -> tuple[list[SourceFile], list[Planted]]:
    """Spoil one file a fault, none twice; a file of the middle of the time, so that good ones stand before and after.

    Args:
        last: no file comes after this day.
    Returns:
        the files as they now arrive, and what was planted. A fault that no file can bear is left out.
    """
    found = list(files)
    planted: list[Planted] = []
    taken: set[str] = set()
    for fault in faults:
        able = [
            one for one in found
            if one.feed == fault.feed and one.rows >= fault.fewest_rows and one.file not in taken
            and add_working_days(one.deliver_on, max(fault.late, 1)) <= last
        ]  # fmt: skip
        if not able:
            continue
        chosen = able[(len(able) - 1) // 2]
        taken.add(chosen.file)
        path = exports / chosen.deliver_on.isoformat() / chosen.file
        line = None
        if fault.spoil:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))
            line = fault.spoil(rows, dice)
            with path.open("w", encoding=fault.encoding, errors="replace", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
        elsewhere = chosen
        if fault.late or fault.again:
            on = add_working_days(chosen.deliver_on, fault.late or 1)
            elsewhere = replace(chosen, deliver_on=on, census_point=point_of(on))
            (exports / on.isoformat()).mkdir(parents=True, exist_ok=True)
            (exports / on.isoformat() / chosen.file).write_bytes(path.read_bytes())
            if fault.late:
                path.unlink()
                found[found.index(chosen)] = elsewhere
            else:
                found.append(elsewhere)
        planted.append(
            Planted(fault, elsewhere, line, f"{fault.what}, on {elsewhere.deliver_on.isoformat()}")
        )
    return found, planted
