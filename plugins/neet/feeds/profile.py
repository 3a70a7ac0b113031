"""One pass over a delivered file's bytes, before anything tries to understand them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 20
# A line is held in memory whole; no feed has one a hundredth as long.
MAX_LINE_BYTES = 4 << 20

MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old or password-protected Excel workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xfe", "UTF-16 text ('Unicode text' in Excel)"),
    (b"\xfe\xff", "UTF-16 text ('Unicode text' in Excel)"),
)
# Tab, line feed and carriage return are text; no other control character can stand in XML, and two
# of them are our own separators.
CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
NOT_CHARACTERS = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")


@dataclass(frozen=True)
class Profile:
    """What a file's bytes are.

    Attributes:
        looks_like: words for a format that is plainly something else, or ``""``.
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
    looks_like: str
    is_utf8: bool
    speaks_utf8: bool
    is_windows_1252: bool
    has_quotes: bool
    has_lone_return: bool
    has_controls: bool
    has_long_line: bool


def profile(path: Path) -> Profile:
    """Profile a file, whatever it holds.

    Raises:
        OSError: it cannot be read.
    """
    size, head = 0, b""
    strict = codecs.getincrementaldecoder("utf-8")()
    lenient = codecs.getincrementaldecoder("utf-8")("ignore")
    is_utf8 = True
    beyond_ascii = quotes = controls = long_line = False
    undefined_1252 = False
    since_newline = lone_returns = 0
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            head = head or chunk[:8]
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
        looks_like=next((words for magic, words in MAGIC if head.startswith(magic)), ""),
        is_utf8=is_utf8,
        speaks_utf8=beyond_ascii or head.startswith(codecs.BOM_UTF8),
        is_windows_1252=not undefined_1252,
        has_quotes=quotes,
        has_lone_return=lone_returns > 0,
        has_controls=controls,
        has_long_line=long_line,
    )
