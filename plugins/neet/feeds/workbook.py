"""Sheets of an Excel workbook (.xlsx) as rows of text, one row in memory at a time.

Written for what feeds need and the libraries do not give (docs/decisions/0014): a file of two cells far
apart must not ask for the memory of all cells between them; a cell that shows ``#N/A``, or a formula nobody
calculated, is not a blank one; and a number shown with leading zeros has them. Formats of numbers and the
calendar of Excel are openpyxl's.

The stored value counts, never its look, but for three: a number shown as a date is a date, one shown with
leading zeros (``0000000``) is text of that length, and a formula is its last result.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel
from openpyxl.utils.escape import unescape

from neet.feeds.contract import Contract
from neet.feeds.markup import Markup, MarkupRefused
from neet.feeds.unpacking import Content, FileRefused, check_member, members_of, refusing_damage

FAULT = "\x1a"
"""Begins the text of a cell whose value is not known: followed by the error it shows, or ``=``."""
SERIAL_1904 = 1462
"""Days by which the calendar of workbooks from old Macs is behind."""

MAX_COLUMNS = 1_024
MAX_CELLS = 20_000_000
MAX_CELL_CHARACTERS = 1 << 20
MAX_SHARED_STRINGS = 2_000_000
MAX_MERGED = 10_000
MAX_SHEETS = 200
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.][0-9]*)?|[.][0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
SHORT_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}", re.ASCII)
REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)
ZEROS = re.compile(r"0{2,30}", re.ASCII)


@dataclass(frozen=True)
class Sheet:
    """A sheet of cells.

    Attributes:
        part: its place in the package.
        is_hidden: not shown by Excel, by whatever means.
    """

    name: str
    part: str
    is_hidden: bool


@dataclass
class Remarks:
    """What was seen in a sheet, by column from 0, while its rows were read."""

    percent: set[int]
    long_numbers: set[int]
    hidden_rows: int = 0


class Workbook:
    """An Excel workbook, opened.

    Attributes:
        sheets: those with cells, in the order of their tabs.
        is_1904: its day numbers count from 1904.
    Raises:
        FileRefused: damaged, hostile or not a workbook.
    """

    def __init__(self, content: Content, contract: Contract):
        self._content, self._contract = content, contract
        self._handle = content.open()
        try:
            with self._refusing():
                self._zip = members_of(self._handle, contract)
                self._check_parts()
                self._read_book()
                self._shared = self._read_shared()
                self._styles = self._read_styles()
        except BaseException:
            self._handle.close()
            raise

    def close(self) -> None:
        self._handle.close()

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            with refusing_damage(self._contract, self._content, "a workbook"):
                yield
        except FileRefused as refused:
            cause = refused.__cause__
            if not isinstance(cause, MarkupRefused):
                raise
            owner = self._contract.owner_service
            if cause.code == "entities":
                raise FileRefused(
                    "hostile_xml",
                    f"a part of the workbook is XML that no spreadsheet program writes ({cause}). {owner} must "
                    "find out who made the file.",
                ) from cause
            raise FileRefused(
                "damaged_workbook",
                f"a part of the workbook cannot be read ({cause}): damaged, or cut short. {owner} must open it "
                "in Excel, save it anew and deliver that.",
            ) from cause

    def _check_parts(self) -> None:
        total = 0
        for member in self._zip.infolist():
            check_member(member, self._contract)
            total += member.file_size
        if total > self._contract.max_expanded_bytes:
            raise FileRefused(
                "expands_too_far",
                f"its parts unpack to {total} bytes, more than the {self._contract.max_expanded_bytes} that "
                f"{self._contract.path} allows (maxExpandedBytes). Often a sheet was formatted down to its last "
                f"row: {self._contract.owner_service} should copy the rows into a new workbook.",
            )
        self._parts = {
            member.filename.lower().lstrip("/"): member for member in self._zip.infolist()
        }

    @contextlib.contextmanager
    def _open(self, part: str) -> Iterator[zipfile.ZipExtFile]:
        member = self._parts.get(part.lower().lstrip("/"))
        if member is None:
            raise MarkupRefused("damaged", f"its part {part!r} is missing")
        with self._zip.open(member) as handle:
            yield handle

    def _elements(self, part: str) -> list[tuple[str, dict[str, str]]]:
        """The tags of a small part."""
        found: list[tuple[str, dict[str, str]]] = []
        with self._open(part) as handle:
            for _ in Markup(lambda name, attributes: found.append((name, attributes))).run(handle):
                if len(found) > 100_000:
                    raise MarkupRefused("damaged", f"{part} has more than 100,000 elements")
        return found

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """``id -> (kind, part)`` of the parts that a part names."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations.lower() not in self._parts:
            return {}
        return {
            attributes["Id"]: (
                attributes.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))[1:],
            )
            for name, attributes in self._elements(relations)
            if name == "Relationship" and "Id" in attributes
        }

    def _read_book(self) -> None:
        root = next(
            (part for kind, part in self._relations("").values() if kind == "officeDocument"),
            "xl/workbook.xml",
        )
        relations = self._relations(root)
        self.is_1904 = False
        self.sheets: list[Sheet] = []
        for name, attributes in self._elements(root):
            if name == "workbookPr":
                self.is_1904 = attributes.get("date1904", "0") in ("1", "true", "on")
            elif name == "sheet":
                ids = [value for key, value in attributes.items() if key.rpartition(":")[2] == "id"]
                kind, part = relations.get(ids[0] if ids else "", ("", ""))
                if kind == "worksheet":
                    hidden = attributes.get("state", "visible") != "visible"
                    self.sheets.append(Sheet(attributes.get("name", ""), part, hidden))
        if len(self.sheets) > MAX_SHEETS:
            raise MarkupRefused("damaged", f"it has more than {MAX_SHEETS} sheets")
        self._shared_part = next((p for k, p in relations.values() if k == "sharedStrings"), None)
        self._styles_part = next((p for k, p in relations.values() if k == "styles"), None)

    def _read_shared(self) -> list[str]:
        """Texts that cells refer to by number."""
        found: list[str] = []
        if self._shared_part is None or self._shared_part.lower() not in self._parts:
            return found
        text = _Text()
        characters = 0

        def start(name: str, _: dict[str, str]) -> None:
            text.start(name)

        def end(name: str) -> None:
            nonlocal characters
            text.end(name)
            if name == "si":
                found.append(text.take())
                characters += len(found[-1])
                if len(found) > MAX_SHARED_STRINGS or characters > self._contract.max_bytes:
                    raise MarkupRefused(
                        "damaged",
                        f"it holds more than {MAX_SHARED_STRINGS} texts, or more than "
                        f"{self._contract.max_bytes} characters",
                    )

        with self._open(self._shared_part) as handle:
            for _ in Markup(start, end, text.add).run(handle):
                pass
        return found

    def _read_styles(self) -> list[str]:
        """What a number is shown as, by style: ``date``, ``percent``, ``0`` times the digits, or ``""``."""
        if self._styles_part is None or self._styles_part.lower() not in self._parts:
            return []
        codes = dict(BUILTIN_FORMATS)
        styles: list[str] = []
        inside = ""
        looks: dict[str, str] = {}
        for name, attributes in self._elements(self._styles_part):
            if name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs", "numFmts"):
                inside = name
            elif name == "numFmt" and inside == "numFmts":
                with contextlib.suppress(KeyError, ValueError):
                    codes[int(attributes["numFmtId"])] = attributes["formatCode"]
            elif name == "xf" and inside == "cellXfs":
                number = attributes.get("numFmtId", "0")
                code = codes.get(int(number), "General") if number.isdecimal() else "General"
                if code not in looks:
                    looks[code] = _look(code)
                styles.append(looks[code])
        return styles

    def merged(self, sheet: Sheet) -> list[tuple[int, int, int, int]]:
        """Merged cells as ``(first row, first column, last row, last column)``, rows from 1, columns from 0."""
        found: list[tuple[int, int, int, int]] = []
        tail = b""
        pattern = re.compile(rb'<(?:[A-Za-z0-9]+:)?mergeCell\s[^<>]{0,200}?ref="([A-Z0-9:]{2,30})"')
        with self._refusing(), self._open(sheet.part) as handle:
            while chunk := handle.read(1 << 20):
                block = tail + chunk
                end = 0
                for match in pattern.finditer(block):
                    end = match.end()
                    first, _, last = match[1].decode().partition(":")
                    ends = REFERENCE.fullmatch(first), REFERENCE.fullmatch(last or first)
                    if all(ends):
                        found.append(
                            (int(ends[0][2]), column_of(ends[0][1]), int(ends[1][2]), column_of(ends[1][1]))
                        )  # fmt: skip
                    if len(found) > MAX_MERGED:
                        raise FileRefused(
                            "too_many_merged_cells",
                            f"sheet {sheet.name!r} has more than {MAX_MERGED} merged cells, so it is laid out to "
                            f"be looked at. {self._contract.owner_service} must send a plain list.",
                        )
                tail = block[max(end, len(block) - 300) :]
        return found

    def rows(self, sheet: Sheet, remarks: Remarks | None = None) -> Iterator[tuple[int, list[str]]]:
        """Rows that hold anything, as ``(row number, cells)``. A cell whose value is not known begins with
        :data:`FAULT`; blank cells are ``""``.

        Raises:
            FileRefused: the sheet is damaged or hostile.
        """
        reader = _SheetReader(self, remarks or Remarks(set(), set()))
        markup = Markup(reader.start, reader.end, reader.add)
        with self._refusing(), self._open(sheet.part) as handle:
            for _ in markup.run(handle):
                ready, reader.ready = reader.ready, []
                yield from ready

    def text_of(self, kind: str, value: str, style: str) -> str:
        """A stored value as text.

        Args:
            kind: the cell's type: ``n``, ``s``, ``str``, ``b``, ``e`` or ``d``.
            style: its position among the styles.
        """
        if kind == "s":
            try:
                return self._shared[int(value)]
            except (ValueError, IndexError):
                raise MarkupRefused(
                    "damaged", f"a cell refers to text {value[:20]!r}, which is not there"
                ) from None
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value)
        if kind == "e":
            return FAULT + value
        if kind != "n" or not NUMBER.fullmatch(value):
            return unescape(value) if "_x" in value else value
        look = self.look_of(style)
        if look == "date":
            return _day(value, self.is_1904)
        plain = value if SHORT_INTEGER.fullmatch(value) else plain_number(value)
        return plain.zfill(len(look)) if look.startswith("0") and plain.isdecimal() else plain

    def look_of(self, style: str) -> str:
        try:
            return self._styles[int(style)] if style else ""
        except (ValueError, IndexError):
            return ""


class _Text:
    """Text of the ``t`` elements of an item, without the hints how to pronounce it."""

    def __init__(self):
        self._pieces: list[str] = []
        self._length = self._phonetic = 0
        self._is_open = False

    def start(self, name: str) -> None:
        if name == "rPh":
            self._phonetic += 1
        self._is_open = name == "t" and not self._phonetic

    def end(self, name: str) -> None:
        if name == "rPh":
            self._phonetic -= 1
        self._is_open = False

    def add(self, piece: str) -> None:
        if self._is_open:
            self._pieces.append(piece)
            self._length += len(piece)
            if self._length > MAX_CELL_CHARACTERS:
                raise MarkupRefused(
                    "damaged", f"a text has more than {MAX_CELL_CHARACTERS} characters"
                )

    def take(self) -> str:
        text = "".join(self._pieces)
        self._pieces, self._length = [], 0
        return unescape(text) if "_x" in text else text


class _SheetReader:
    """Collects the rows of a sheet while it is parsed."""

    def __init__(self, book: Workbook, remarks: Remarks):
        self.book, self.remarks = book, remarks
        self.ready: list[tuple[int, list[str]]] = []
        self._row, self._column = 0, -1
        self._cells: dict[int, str] = {}
        self._count = self._length = 0
        self._kind = self._style = ""
        self._value: list[str] | None = None
        self._has_value = self._has_formula = False
        self._inline: _Text | None = None
        self._in_cell = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._count += 1
            if self._count > MAX_CELLS:
                raise MarkupRefused("damaged", f"a sheet has more than {MAX_CELLS} cells")
            reference = attributes.get("r")
            if reference is None:
                self._column += 1
            else:
                match = REFERENCE.fullmatch(reference)
                if not match:
                    raise MarkupRefused("damaged", f"a cell is called {reference[:20]!r}")
                self._column = column_of(match[1])
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._value, self._length = None, 0
            self._has_value = self._has_formula = False
            self._inline = _Text() if self._kind == "inlineStr" else None
            self._in_cell = True
        elif name == "row":
            number = attributes.get("r", "")
            row = int(number) if number.isdecimal() and len(number) < 8 else self._row + 1
            if row <= self._row:
                raise MarkupRefused("damaged", f"row {row} of a sheet follows row {self._row}")
            self._row, self._column = row, -1
            self._cells = {}
            self.remarks.hidden_rows += attributes.get("hidden") in ("1", "true")
        elif self._in_cell:
            if name == "v":
                self._value = []
            elif name == "f":
                self._has_formula = True
            elif self._inline:
                self._inline.start(name)

    def add(self, piece: str) -> None:
        if self._value is not None:
            self._value.append(piece)
            self._length += len(piece)
            if self._length > MAX_CELL_CHARACTERS:
                raise MarkupRefused(
                    "damaged", f"a cell has more than {MAX_CELL_CHARACTERS} characters"
                )
        elif self._inline:
            self._inline.add(piece)

    def end(self, name: str) -> None:
        if name == "v" and self._value is not None:
            self._text = "".join(self._value)
            self._has_value = bool(self._text)
            self._value = None
        elif name == "c":
            self._in_cell = False
            self._finish_cell()
        elif name == "row":
            if self._cells:
                cells = [""] * (max(self._cells) + 1)
                for column, text in self._cells.items():
                    cells[column] = text
                self.ready.append((self._row, cells))
                self._cells = {}
        elif self._inline:
            self._inline.end(name)

    def _finish_cell(self) -> None:
        if self._inline:
            text, self._inline = self._inline.take(), None
        elif self._has_value:
            text = self.book.text_of(self._kind, self._text, self._style)
            if self._kind == "n":
                self._remark(text)
        elif self._has_formula and self._kind != "str":
            text = FAULT + "="
        else:
            return
        if not text:
            return
        if self._column >= MAX_COLUMNS:
            if not text.strip():
                return
            raise FileRefused(
                "too_many_columns",
                f"row {self._row} has a value in column {self._column + 1}, and no feed has {MAX_COLUMNS}. "
                f"{self.book._contract.owner_service} must send a plain list.",
            )
        self._cells[self._column] = text

    def _remark(self, text: str) -> None:
        if self.book.look_of(self._style) == "percent":
            self.remarks.percent.add(self._column)
        if len(text) > 15 and text.lstrip("-").isdecimal():
            self.remarks.long_numbers.add(self._column)


@functools.lru_cache(maxsize=2 * MAX_COLUMNS)
def column_of(letters: str) -> int:
    """The number of a column from 0: A is 0, Z 25, AA 26."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def plain_number(value: str) -> str:
    """A stored number as Excel would show it in a wide cell: 15 digits, for the rest is binary noise."""
    text = f"{float(value):.15g}"
    if "e" not in text and "n" not in text:  # nor inf or nan
        return "0" if text == "-0" else text
    if "n" in text:
        return value
    exponent = int(text.partition("e")[2])
    return format(Decimal(text), "f") if -20 < exponent < 25 else text


def _look(code: str) -> str:
    first = code.split(";")[0]
    if is_timedelta_format(code):
        return ""
    if is_date_format(code):
        return "date"
    if ZEROS.fullmatch(first):
        return first
    return "percent" if "%" in first else ""


def _day(value: str, is_1904: bool) -> str:
    """A day number as a date, with its time where it has one; as it stands where no calendar has it."""
    try:
        found: Any = from_excel(
            float(value), CALENDAR_MAC_1904 if is_1904 else CALENDAR_WINDOWS_1900
        )
    except (ValueError, OverflowError, TypeError):
        return value
    if isinstance(found, dt.datetime):
        if (found.hour, found.minute, found.second, found.microsecond) == (0, 0, 0, 0):
            return found.date().isoformat()
        return found.isoformat(" ", "seconds")
    if isinstance(found, dt.time):
        return found.isoformat("seconds")
    return value
