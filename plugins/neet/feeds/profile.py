"""One pass over a delivered file's bytes, before anything tries to understand them."""

from __future__ import annotations

import codecs
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1 << 20
# A line is held in memory whole; no feed has one a hundredth as long.
MAX_LINE_BYTES = 4 << 20

MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0", "ole"),
    (b"\x1f\x8b", "gzip"),
    (b"%PDF", "pdf"),
    (b"Rar!", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"{\\rtf", "rtf"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
WORDS = {
    "text": "",
    "csv": "a CSV file",
    "zip": "an Excel workbook or a zip archive",
    "xlsx": "an Excel workbook (.xlsx)",
    "xlsb": "a binary Excel workbook (.xlsb)",
    "ods": "an OpenDocument spreadsheet",
    "docx": "a Word document",
    "office": "an office document",
    "ole": "an old or password-protected Excel workbook",
    "gzip": "a gzip archive",
    "rar": "a RAR archive",
    "7z": "a 7-Zip archive",
    "rtf": "a rich text document",
    "pdf": "a PDF document",
    "xml": "an XML document",
    "html": "a web page (some systems call theirs .xls)",
    "utf-16": "UTF-16 text ('Unicode text' in Excel)",
}
HEAD_BYTES = 2048
# Tab, line feed and carriage return are text; no other control character can stand in XML, and two
# of them are our own separators.
CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
NOT_CHARACTERS = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")


@dataclass(frozen=True)
class Profile:
    """What a file's bytes are.

    Attributes:
        kind: what the first bytes say it is, one of :data:`WORDS`: ``text`` where they say nothing. A name
            is never asked.
        is_utf8: valid throughout.
        speaks_utf8: begins with its mark, or holds at least one valid character of two bytes or more.
            When the rest is not valid, the file is UTF-8 with damaged places, not Windows-1252.
        is_windows_1252: every byte has a meaning there.
        has_quotes: a double quote occurs, so a value may hold a line end.
        has_lone_return: carriage returns end lines on their own somewhere, as on old Macs.
        has_controls: characters occur that are no text (NUL above all).
        has_long_line: a line is longer than :data:`MAX_LINE_BYTES`.
    """

    size: int
    kind: str
    is_utf8: bool
    speaks_utf8: bool
    is_windows_1252: bool
    has_quotes: bool
    has_lone_return: bool
    has_controls: bool
    has_long_line: bool

    @property
    def looks_like(self) -> str:
        """Words for a format that is plainly not a table of text, or ``""``."""
        return WORDS[self.kind]


def kind_of(head: bytes) -> str:
    """What the first bytes of a file say it is."""
    for magic, kind in MAGIC:
        if head.startswith(magic):
            if kind == "utf-16" and _begins_as_markup(head.decode("utf-16", "ignore")):
                return "xml"
            return kind
    text = head.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    if not _begins_as_markup(text):
        return "text"
    return (
        "html"
        if re.match(r"\s*<(!doctype\s+html|html|head|body|table|div|meta)\b", text, re.I)
        else "xml"
    )


def _begins_as_markup(text: str) -> bool:
    return re.match(r"[\s\ufeff]*<[?!A-Za-z_]", text) is not None


def profile(source: Path | BinaryIO) -> Profile:
    """Profile a file, whatever it holds.

    Args:
        source: its path, or an open file at its beginning, which is left where it ends.
    Raises:
        OSError: it cannot be read.
    """
    with source.open("rb") if isinstance(source, Path) else contextlib.nullcontext(source) as file:
        return _profile(file)


def _profile(file: BinaryIO) -> Profile:
    size, head = 0, b""
    strict = codecs.getincrementaldecoder("utf-8")()
    lenient = codecs.getincrementaldecoder("utf-8")("ignore")
    is_utf8 = True
    beyond_ascii = quotes = controls = long_line = False
    undefined_1252 = False
    since_newline = lone_returns = 0
    tail = b""
    while chunk := file.read(CHUNK_BYTES):
        head = head or chunk[:HEAD_BYTES]
        size += len(chunk)
        quotes = quotes or b'"' in chunk
        controls = controls or len(chunk.translate(None, CONTROLS)) < len(chunk)
        if b"\r" in chunk:
            lone_returns += chunk.count(b"\r") - chunk.count(b"\r\n")
        lone_returns -= tail.endswith(b"\r") and chunk.startswith(b"\n")
        if not chunk.isascii() or not tail.isascii():
            controls = controls or any(mark in tail + chunk for mark in NOT_CHARACTERS)
            undefined_1252 = undefined_1252 or any(
                byte in chunk for byte in b"\x81\x8d\x8f\x90\x9d"
            )
            beyond_ascii = beyond_ascii or not lenient.decode(chunk).isascii()
            if is_utf8:
                try:
                    strict.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
        tail = chunk[-3:]
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        since_newline = since_newline + len(chunk) if last < 0 else len(chunk) - last
        long_line = long_line or since_newline > MAX_LINE_BYTES
    if is_utf8:
        try:
            strict.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    return Profile(
        size=size,
        kind=kind_of(head),
        is_utf8=is_utf8,
        speaks_utf8=beyond_ascii or head.startswith(codecs.BOM_UTF8),
        is_windows_1252=not undefined_1252,
        has_quotes=quotes,
        has_lone_return=lone_returns > 0,
        has_controls=controls,
        has_long_line=long_line,
    )
