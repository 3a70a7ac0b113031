"""Spreadsheets that leave the house: CSV and XLSX in which no cell can become a formula.

People open what we send in Excel, and a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line
end may there run as a formula: a name typed into a source system as ``=HYPERLINK(...)`` would act on
whoever mends the reject. So such text gets an apostrophe in front, in both formats, for a workbook is
soon saved as CSV. :func:`restored` takes it away again when the file comes back.

Numbers stay numbers for machines: an ``int``, ``float`` or ``Decimal`` is written as one, and text that is
a plain number (``-5``, ``+12.50``) is left alone, for a number can do nothing.

``neet sql`` and ``neet check-return`` do not come through here: their readers are machines. A sealed package
uses :data:`DANGEROUS` in its own way (:mod:`neet.returns.files`): its bytes are settled.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

# The wide forms are the same signs to a spreadsheet under an East Asian locale.
DANGEROUS = re.compile(r"'*(?:[ \ufeff]*[\t\r\n]|[\s\ufeff]*[=+\-@＝＋－＠])")
PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:[.][0-9]{1,15})?|[.][0-9]{1,15})", re.ASCII)
ILLEGAL_IN_XLSX = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
MAX_CELL_CHARACTERS = 32_767
MAX_SHEET_ROWS = 1_048_576


class TooManyRows(ValueError):
    """More rows than a sheet of Excel holds."""


def neutralised(value: Any) -> Any:
    """A cell's value as it may stand in a spreadsheet.

    Args:
        value: text, number, date, boolean or ``None``; anything else is written as its text.
    Returns:
        text that no spreadsheet takes for a formula; numbers and dates as they were; ``None`` as ``""``.
    """
    if value is None:
        return ""
    if isinstance(value, (bool, int, float, Decimal, dt.date, dt.time)):
        return value
    text = value if isinstance(value, str) else str(value)
    if PLAIN_NUMBER.fullmatch(text):
        return text
    return f"'{text}" if DANGEROUS.match(text) else text


def restored(text: str) -> str:
    """What :func:`neutralised` was given, from a cell that came back."""
    return text[1:] if text.startswith("'") and DANGEROUS.match(text) else text


def _for_csv(value: Any) -> Any:
    safe = neutralised(value)
    if isinstance(safe, bool):
        return "true" if safe else "false"
    return safe.isoformat() if isinstance(safe, (dt.date, dt.time)) else safe


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV: comma, quotes where needed, LF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_for_csv(cell) for cell in header])
    writer.writerows([_for_csv(cell) for cell in row] for row in rows)
    return text.getvalue()


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as UTF-8 with its mark, which Excel needs to read names right.

    The file appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """

    def write(target: BinaryIO) -> None:
        text = io.TextIOWrapper(target, encoding="utf-8-sig", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([_for_csv(cell) for cell in header])
        writer.writerows([_for_csv(cell) for cell in row] for row in rows)
        text.flush()
        text.detach()

    write_whole(file, write)


def write_xlsx(
    file: Path,
    sheets: Mapping[str, tuple[Sequence[str], Iterable[Sequence[Any]]]],
    widths: Mapping[str, int] | None = None,
) -> None:
    """Write a workbook, one sheet a table: ``name -> (header, rows)``.

    Text is stored as text, never as a formula; the header stays in view and can be filtered by.
    The file appears whole or not at all.

    Args:
        widths: width in characters of columns, by header; default 18.
    Raises:
        OSError: it cannot be written.
        TooManyRows: a table has more rows than a sheet holds.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    for name, (header, rows) in sheets.items():
        sheet = book.create_sheet(name[:31])
        sheet.freeze_panes = "A2"
        for number, column in enumerate(header, 1):
            sheet.column_dimensions[get_column_letter(number)].width = (widths or {}).get(
                column, 18
            )

        def cell(value: Any, bold: bool = False, sheet: Any = sheet) -> WriteOnlyCell | None:
            safe = neutralised(value)
            if safe == "":
                return None
            if not isinstance(safe, str):
                return WriteOnlyCell(sheet, safe)
            made = WriteOnlyCell(sheet)
            made.value = ILLEGAL_IN_XLSX.sub("\ufffd", safe)[:MAX_CELL_CHARACTERS]
            made.data_type = "s"
            if bold:
                made.font = Font(bold=True)
            return made

        sheet.append([cell(column, True) for column in header])
        count = 1
        for row in rows:
            count += 1
            if count > MAX_SHEET_ROWS:
                raise TooManyRows(
                    f"Sheet {name!r} would have more than {MAX_SHEET_ROWS:,} rows, the most that Excel "
                    "reads. Write it as CSV, or in parts."
                )
            sheet.append([cell(value) for value in row])
        if header:
            sheet.auto_filter.ref = f"A1:{get_column_letter(len(header))}{count}"
    write_whole(file, book.save)


def write_whole(file: Path, write: Callable[[BinaryIO], None]) -> None:
    """Have ``write`` fill a file that appears whole, by a rename, or not at all.

    Raises:
        OSError: it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.name[:60]}.", suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as target:
            write(target)
            target.flush()
            os.fsync(target.fileno())
        os.chmod(name, 0o640)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
