"""The forms in which files arrive beside plain CSV: workbooks, XML, archives, other separators and encodings.

The same bytes whenever they are made: no clock is written into a workbook or an archive.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from openpyxl import Workbook

from synthetic_county.parameters import Dice

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_DAY_FIRST = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
_DATED = re.compile(r"_?20\d\d-?\d\d(?:\d\d)?(?=\.csv$)")
_THE_DAY = (2020, 1, 1, 0, 0, 0)
_NO_NAME = re.compile(r"[^A-Za-z0-9]")


def sender_of(file: str) -> str:
    """What stays the same in the names of one sender's files."""
    return _DATED.sub("", file)


def form_for(feed: str, file: str, formats: dict[str, dict[str, float]], *purpose: object) -> str:
    """The form in which the sender of a file sends it: ``csv`` or a name of :data:`FORMS`."""
    chance = Dice.of(*purpose, "format", feed, sender_of(file)).random()
    for form, share in formats.get(feed, {}).items():
        if chance < share:
            return form
        chance -= share
    return "csv"


def dress(path: Path, form: str) -> Path:
    """Turn a CSV file into another form; it may be called otherwise then. The CSV file is gone.

    Returns:
        the file as it is sent.
    """
    return FORMS[form](path) if form in FORMS else path


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _packed(entries: list[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo(name, _THE_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()


def _cell(text: str) -> object:
    """A date as a spreadsheet holds it, everything else as text: leading zeros stay."""
    for pattern, order in ((_ISO, (1, 2, 3)), (_DAY_FIRST, (3, 2, 1))):
        match = pattern.fullmatch(text)
        if match:
            return date(*(int(match[group]) for group in order))
    return text or None


def _xlsx(path: Path) -> Path:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    for row in _rows(path):
        sheet.append([_cell(text) for text in row])
    book.properties.created = datetime(*_THE_DAY)
    written = io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    # The library writes the time of saving.
    entries = [
        (name, re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2020-01-01T00:00:00Z", content))
        for name, content in entries
    ]
    return _replaced(path, path.with_suffix(".xlsx"), _packed(entries))


def _xml(path: Path) -> Path:
    header, *rows = _rows(path)
    names = [_NO_NAME.sub("", name) for name in header]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<Rows>"]
    for row in rows:
        cells = "".join(
            f"<{name}>{escape(text)}</{name}>" for name, text in zip(names, row, strict=True)
        )
        lines.append(f"  <Row>{cells}</Row>")
    lines.append("</Rows>\n")
    return _replaced(path, path.with_suffix(".xml"), "\n".join(lines).encode())


def _zip(path: Path) -> Path:
    return _replaced(
        path, path.with_name(path.name + ".zip"), _packed([(path.name, path.read_bytes())])
    )


def _gzip(path: Path) -> Path:
    return _replaced(
        path, path.with_name(path.name + ".gz"), gzip.compress(path.read_bytes(), mtime=0)
    )


def _written(separator: str, encoding: str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        text = io.StringIO()
        csv.writer(text, delimiter=separator, lineterminator="\r\n").writerows(_rows(path))
        path.write_bytes(text.getvalue().encode(encoding))
        return path

    return write


def _replaced(path: Path, other: Path, content: bytes) -> Path:
    path.unlink()
    other.write_bytes(content)
    return other


FORMS: dict[str, Callable[[Path], Path]] = {
    "xlsx": _xlsx, "xml": _xml, "zip": _zip, "gzip": _gzip, "semicolon": _written(";", "utf-8"),
    "tab_utf_16": _written("\t", "utf-16"), "windows_1252": _written(",", "cp1252"),
    "byte_order_mark": _written(",", "utf-8-sig"),
}  # fmt: skip
