"""Where each column of the return sits in the NCCIS XML: dated rows of ``nccis_layout.csv``.

The DfE schema was not seen and suppliers order elements differently (nccis.md, section 1.2), so the
order of writing is data. Reading goes by name and accepts every row ever loaded.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from dataclasses import dataclass
from pathlib import Path

from neet.settings import PROJECT_ROOT

LAYOUT_FILE = PROJECT_ROOT / "dbt_project" / "seeds" / "nccis" / "nccis_layout.csv"
HEADER, RECORD = "FileHeader", "YoungPersonsRecord"


class LayoutError(ValueError):
    """The layout seed cannot be obeyed; the message names the row."""


@dataclass(frozen=True)
class LayoutRow:
    """One element that holds text.

    Attributes:
        path: element names from the root down.
        column: column of ``ret_nccis_header`` or ``ret_nccis_record``; ``characteristic_codes``,
            ``database_ids`` and ``source_leas`` are lists.
        repeats: the element may occur more than once in its parent.
        omitted: name of the ancestor left out when everything in it is empty, or ``""``.
        also_read_as: another spelling of the element's name that is accepted when reading.
        valid_from: first ``PeriodEnd`` of which the row holds.
        valid_to: first ``PeriodEnd`` of which it holds no longer; ``None`` while in force.
    """

    position: int
    path: tuple[str, ...]
    column: str
    repeats: bool
    omitted: str
    also_read_as: str
    valid_from: dt.date
    valid_to: dt.date | None


@functools.lru_cache(maxsize=4)
def all_rows(file: Path = LAYOUT_FILE) -> tuple[LayoutRow, ...]:
    """Every row of the layout seed, in writing order.

    Raises:
        LayoutError: a path is not ``<root>/FileHeader/...`` or ``<root>/YoungPersonsRecord/...``,
            or a value cannot be read.
    """
    rows = []
    with file.open(newline="", encoding="utf-8") as handle:
        for line, row in enumerate(csv.DictReader(handle), 2):
            try:
                path = tuple(row["element_path"].split("/"))
                if len(path) < 3 or path[1] not in (HEADER, RECORD) or "" in path:
                    raise ValueError(f"unusable element path {row['element_path']!r}")
                rows.append(
                    LayoutRow(
                        position=int(row["position"]),
                        path=path,
                        column=row["column_name"],
                        repeats=row["repeats"] == "Y",
                        omitted=row["omitted_when_empty"],
                        also_read_as=row["also_read_as"],
                        valid_from=dt.date.fromisoformat(row["valid_from"]),
                        valid_to=dt.date.fromisoformat(row["valid_to"])
                        if row["valid_to"]
                        else None,
                    )
                )
            except (KeyError, ValueError) as error:
                raise LayoutError(
                    f"{file.name} line {line}: {error}. Mend the seed row."
                ) from error
    return tuple(sorted(rows, key=lambda row: (row.position, row.path)))


def layout_for(period_end: dt.date, file: Path = LAYOUT_FILE) -> tuple[LayoutRow, ...]:
    """The rows in force for a return with this ``PeriodEnd``, in writing order.

    Raises:
        LayoutError: none is, two rows fill one element or one column, two roots are named, or an
            element's children do not stand together.
    """
    rows = tuple(
        row
        for row in all_rows(file)
        if row.valid_from <= period_end and (row.valid_to is None or period_end < row.valid_to)
    )
    if not rows:
        raise LayoutError(
            f"{file.name} has no layout in force on {period_end}. Add that year's rows."
        )
    for what in ("path", "column"):
        values = [getattr(row, what) for row in rows]
        for value in values:
            if values.count(value) > 1:
                raise LayoutError(f"{file.name}: {what} {value} is given twice on {period_end}.")
    if len({row.path[0] for row in rows}) > 1:
        raise LayoutError(f"{file.name}: more than one root element on {period_end}.")
    closed: set[tuple[str, ...]] = set()
    before: tuple[str, ...] = ()
    for row in rows:
        parents = {row.path[:depth] for depth in range(1, len(row.path))}
        if parents & closed:
            raise LayoutError(
                f"{file.name}: {'/'.join(row.path)} (position {row.position}) stands apart from the rest "
                "of its parent, so the parent would be written twice."
            )
        closed |= {before[:depth] for depth in range(1, len(before))} - parents
        before = row.path
    return rows


@functools.cache
def record_columns(rows: tuple[LayoutRow, ...] | None = None) -> tuple[str, ...]:
    """Text columns of one young person's record, in writing order; lists are not among them."""
    rows = all_rows() if rows is None else rows
    return tuple(
        dict.fromkeys(row.column for row in rows if row.path[1] == RECORD and not row.repeats)
    )
