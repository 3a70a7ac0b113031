"""Files whose bytes depend on their content alone, and that are on the disk when we say so."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from neet import outgoing


def neutralise(cell: str) -> str:
    """A cell that no spreadsheet will run.

    A cell whose first character other than a space is ``=``, ``+``, ``-`` or ``@``, or that begins with
    a tab or a line break, gets an apostrophe in front; so does one that already begins with
    apostrophes before such a character. Taking one apostrophe off every cell of that form gives the
    original back.
    """
    return f"'{cell}" if outgoing.DANGEROUS.match(cell) else cell


def cell(value: Any) -> str:
    """A value as CSV text: ``null`` empty, booleans ``true`` and ``false``, dates ISO, numbers exact."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    return str(value)


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence], *, for_people: bool = False
) -> int:
    """Write a CSV (UTF-8, LF, quotes where needed).

    Args:
        rows: in the order wanted; ordering is the caller's duty (design rule 15).
        for_people: neutralise text cells, as someone will open the file in a spreadsheet. Files
            that a program reads back stay exact.
    Returns:
        number of rows.
    """
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(
                [
                    neutralise(value) if for_people and isinstance(value, str) else cell(value)
                    for value in row
                ]
            )
            count += 1
    return count


def json_bytes(value: Any) -> bytes:
    """Canonical JSON: sorted keys, two spaces, UTF-8, a final line feed."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing(folder: Path) -> list[dict[str, Any]]:
    """Path, size and hash of every file below ``folder``, by path in code-point order.

    Raises:
        ValueError: something there is neither a file nor a folder (a link could point anywhere).
    """
    found = []
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is neither a plain file nor a folder")
        if path.is_file():
            found.append(
                {
                    "path": path.relative_to(folder).as_posix(),
                    "bytes": path.stat().st_size,
                    "sha256": sha256_of(path),
                }
            )
    return found


def payload_hash(files: Iterable[dict[str, Any]]) -> str:
    """One hash for a payload: SHA-256 over ``<sha256>  <name>`` lines in the order of the names.

    The same as ``cd payload && LC_ALL=C sha256sum * | sha256sum``.
    """
    lines = "".join(f"{f['sha256']}  {f['path']}\n" for f in sorted(files, key=lambda f: f["path"]))
    return hashlib.sha256(lines.encode()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make every file and name below a folder survive a power cut."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
