"""From a landed file to rows that fit the raw table, and to rejects for those that do not.

This runs for every row ever delivered, and most rows are as they were. So rows are looked at a block
at a time and column by column, a distinct value is parsed once, a row that is known to be readable is
not parsed again, and only blocks with something out of the ordinary are gone through row by row.
"""

from __future__ import annotations

import abc
import csv
import io
import os
import re
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count, islice, repeat
from operator import itemgetter
from pathlib import Path

from neet.feeds import values
from neet.feeds.contract import PACKINGS, Column, Contract, Layout, normalise_header
from neet.feeds.flat_xml import FlatXml
from neet.feeds.profile import MAX_LINE_BYTES, WORDS, Profile
from neet.feeds.unpacking import Content, FileRefused, is_password_protected, unpack
from neet.feeds.workbook import FAULT, SERIAL_1904, Remarks, Sheet, Workbook

__all__ = [
    "DELETED", "ODD", "QUOTE", "SEPARATOR", "CsvReading", "FileRefused", "NccisReading", "Reading", "Reject",
    "Row", "Rows", "XmlReading", "XlsxReading", "open_file", "row_hash", "storable",
]  # fmt: skip

SEPARATOR = "\x1f"
QUOTE = "\x1e"
ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A PostgreSQL index entry holds at most some 2,700 bytes.
MAX_KEY_CHARACTERS = 400
MAX_REJECT_TEXT = 60_000
MAX_KNOWN_VALUES = 200_000
HASH_CHARACTERS = 32
BLOCK_CHARACTERS = 1 << 16
BLOCK_ROWS = 5_000
CELL_ROWS = 1_000
# Rows above the header: a title, a date, who made it. Further down none is looked for.
MAX_TITLE_ROWS = 25


@dataclass(frozen=True)
class Reject:
    """One row that was not loaded.

    Attributes:
        line_number: line on which the row begins, the header being 1.
        row_key: its key, or ``None`` when that cannot be read.
        column: header of the first column at fault, as the file writes it.
        rule: what it broke.
        row_text: the row as it stood in the file.
    """

    line_number: int
    row_key: str | None
    column: str | None
    value: str | None
    rule: str
    reason: str
    row_text: str


Row = tuple[int, str, str, str, str]
"""``(line_number, row_key, row_hash, operation, text)`` of one good row. ``text`` holds the contract's
columns in order, joined by :data:`SEPARATOR`; ``operation`` is U, or D for a row that a delta deletes."""

DELETED = "D"
"""The ``row_hash`` of a row that a delta deletes: of such a row only the key is looked at."""


@dataclass
class Rows:
    """Good rows, column by column: four lists of the same length, see :data:`Row`."""

    numbers: Sequence[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Row]:
        for number, key, digest, text in zip(
            self.numbers, self.keys, self.digests, self.texts, strict=True
        ):
            yield number, key, digest, "D" if digest == DELETED else "U", text

    def append(self, number: int, key: str, digest: str, text: str) -> None:
        """Add a row to rows whose numbers are a list."""
        self.numbers.append(number)
        self.keys.append(key)
        self.digests.append(digest)
        self.texts.append(text)


_Cells = tuple[int, list[str] | None, str, str | None]
# Line number, cells (None: not CSV), the cells joined (or "" to be joined; or why it is not CSV), and the
# row as the file has it where that cannot be told from the cells.


class Reading(abc.ABC):
    """A file being read. Iterate :meth:`blocks` once; the counts are complete when it has ended.

    Attributes:
        rows_in: data rows in the file, blank ones not counted.
        rejects: those that will not be loaded.
        seen: ``row_key -> place`` of the good rows so far, counted from 0; see :meth:`first`.
        unreadable_keys: rejects without a key; while there is one, nothing may be closed.
        warnings: what a person should know though it stopped nothing.
        may_need_quotes: values may hold line ends.
        line_word: what a line of the file is called by whoever has it open.
        readable: ``row_key -> row_hash`` of rows that this contract has read before: one that comes again
            is not parsed again. What a file gives does not depend on it.
    """

    line_word = "Line"

    def __init__(self, contract: Contract):
        self.contract = contract
        self.rows_in = 0
        self.rejects: list[Reject] = []
        self.seen: dict[str, int] = {}
        # by place; tuples in the dictionary would take three times the memory
        self._seen_numbers = array("q")
        self._seen_digests = bytearray()
        self.readable: Mapping[str, str] = {}
        self.unreadable_keys = 0
        self.warnings: list[str] = []
        self.may_need_quotes = False

    @abc.abstractmethod
    def blocks(self) -> Iterator[Rows]:
        """The good rows, some hundreds at a time.

        Raises:
            FileRefused: the file turns out unusable further on.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the file."""

    def bytes_read(self) -> int | None:
        """How far into the file the reading is; ``None`` when that is not known."""
        return None

    def _see(self, numbers: Sequence[int], keys: list[str], digests: list[str]) -> bool:
        """Take keys as seen; ``False``, and nothing is taken, when one of them was seen before."""
        start = len(self._seen_numbers)
        places = list(map(self.seen.setdefault, keys, count(start)))
        if places != list(range(start, start + len(keys))):
            for key, place, expected in zip(keys, places, count(start)):  # noqa: B905
                if place == expected:
                    del self.seen[key]
            return False
        self._seen_numbers.extend(numbers)
        self._seen_digests += "".join(digests).encode()
        return True

    def first(self, row_key: str) -> tuple[str, int]:
        """Hash and line number of the good row that was seen under a key."""
        place = self.seen[row_key]
        digest = self._seen_digests[place * HASH_CHARACTERS : (place + 1) * HASH_CHARACTERS]
        return digest.decode().strip(), self._seen_numbers[place]

    def _reject(
        self,
        line_number: int,
        row_key: str | None,
        column: str | None,
        value: str | None,
        rule: str,
        reason: str,
        row_text: str,
    ) -> None:
        if len(self.rejects) >= self.contract.max_rejects:
            raise FileRefused(
                "mostly_unreadable",
                f"{self.contract.max_rejects} rows were rejected by {self.line_word.lower()} {line_number} of "
                f"it, the last because of {rule}, and {self.contract.path} allows no more (maxRejects): something "
                f"is wrong with all of it. {self.contract.owner_service} must look at the first rows and export "
                "it again.",
            )
        if row_key is None:
            self.unreadable_keys += 1
        if len(row_text) > MAX_REJECT_TEXT:
            row_text = (
                f"{row_text[:MAX_REJECT_TEXT]} [cut here: the row has {len(row_text)} characters and "
                "stands whole in the landed file]"
            )
        if value is not None and len(value) > 1000:
            value = f"{value[:1000]} [cut here: {len(value)} characters]"
        self.rejects.append(
            Reject(
                line_number,
                row_key,
                column,
                None if value is None else storable(value),
                rule,
                f"{reason}. Correct it in {self.contract.source_system} and export again; until then "
                f"{_consequence(row_key, rule)}. Owner: {self.contract.owner_service}.",
                storable(row_text),
            )
        )


def _consequence(row_key: str | None, rule: str) -> str:
    if row_key is None:
        return "the row is not loaded, and this delivery closes no row, for this may be any of them"
    if rule in ("duplicate_row", "duplicate_key"):
        return "the earlier line stands"
    return "the last good version of the row, if there is one, stays and is marked stale"


def storable(text: str) -> str:
    """Text that PostgreSQL can hold: control characters and undecodable bytes as ``\\xNN``."""

    def escape(match: re.Match) -> str:
        code = ord(match[0])
        if 0xDC80 <= code <= 0xDCFF:
            code -= 0xDC00
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return ODD.sub(escape, text)


def row_hash(text: str) -> str:
    """Hash of a row's values. Empty columns at the end do not count, so a column that a new layout
    adds changes no row until it holds something."""
    return sha256(text.rstrip(SEPARATOR).encode()).hexdigest()[:HASH_CHARACTERS]


def _lines(block: str) -> list[str]:
    lines = block.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _columns(texts: list[str], width: int) -> list[list[str]]:
    """The cells of rows of ``width`` columns, column by column."""
    cells = SEPARATOR.join(texts).split(SEPARATOR)
    return [cells[at::width] for at in range(width)]


def _separated(block: str, delimiter: str) -> str | None:
    """Whole lines with the delimiters that stand outside quotes replaced by :data:`SEPARATOR`, and the
    quotes gone; ``None`` when a quote is used in any way but around a cell without quotes or line ends."""
    block = block.replace("\r\n", "\n")
    if '"' not in block:
        return block.replace(delimiter, SEPARATOR)
    pieces = block.split('"')
    outside, inside = pieces[::2], pieces[1::2]
    if len(outside) == len(inside) or "\n" in "".join(inside):
        return None
    before = {piece[-1:] for piece in outside[1:-1]} | {outside[0][-1:] or "\n"}
    after = {piece[:1] for piece in outside[1:-1]} | {outside[-1][:1] or "\n"}
    if not before | after <= {delimiter, "\n"}:
        return None
    pieces[::2] = [piece.replace(delimiter, SEPARATOR) for piece in outside]
    return "".join(pieces)


def join_key(parts: Sequence[str]) -> str:
    """Key columns as one text, unambiguous whatever they hold."""
    if len(parts) == 1:
        return parts[0]
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def encoding_of(profile: Profile, contract: Contract) -> tuple[str, str]:
    """The codec and error handler to read a text file with.

    Raises:
        FileRefused: no encoding of the contract fits.
    """
    if profile.is_utf8 and "utf-8" in contract.encodings:
        return "utf-8-sig", "strict"
    if profile.speaks_utf8 and "utf-8" in contract.encodings:
        # Damaged in places: the rows concerned are rejected one by one.
        return "utf-8-sig", "surrogateescape"
    if profile.is_windows_1252 and "windows-1252" in contract.encodings:
        return "cp1252", "strict"
    raise FileRefused(
        "unknown_encoding",
        f"its bytes are not text in {' or '.join(contract.encodings)}, so names would be misread. Ask "
        f"{contract.owner_service} for an export in UTF-8.",
    )


@dataclass
class _Group:
    """Columns that share a type and its options: a value accepted for one is accepted for all."""

    columns: list[tuple[int, Column]]
    pick: Callable[[list[str]], tuple]
    known: set[str]
    cache: dict[str, str]


class TableReading(Reading):
    """Rows of cells under a header, whatever kind of file they come from.

    Attributes:
        header: as the file writes it.
        odd: cells may hold what is no text, so each is looked at.
    """

    # between cells, where a row is shown to a person
    shown_delimiter = "\t"

    def __init__(self, contract: Contract, layout: Layout, mode: str):
        super().__init__(contract)
        self.layout = layout
        self.mode = mode
        self.odd = False

    def _wanted(self) -> dict[str, tuple[str, set[str]]]:
        """``column -> (header, normalised headers accepted)`` of what the header must have."""
        wanted = {
            column.name: (
                column.header,
                set(map(normalise_header, (column.header, column.name, *column.aliases))),
            )
            for column in self.layout.columns
            if not column.is_generated
        }
        operation = self.contract.operation_header if self.mode == "delta" else None
        if operation:
            wanted["operation"] = (operation, {normalise_header(operation)})
        return wanted

    def _likeness(self, cells: list[str]) -> int:
        """How many of the wanted columns a row would name if it were the header."""
        names = set(map(normalise_header, cells))
        return sum(not accepted.isdisjoint(names) for _, accepted in self._wanted().values())

    def _is_header(self, cells: list[str]) -> bool:
        return self._likeness(cells) == len(self._wanted())

    def _may_lack(self, missing: set[str], unknown: list[int]) -> bool:
        """Whether a header may go without some columns."""
        return False

    def _columns_read(self) -> list[Column]:
        """The column as this layout names it, or the contract's where this layout has none."""
        by_name = {column.name: column for column in self.layout.columns}
        return [by_name.get(column.name, column) for column in self.contract.columns]

    def _match_header(self, cells: list[str]) -> None:
        """Understand a row as the header.

        Raises:
            FileRefused: a column is missing, or claimed twice.
        """
        positions: dict[str, list[int]] = {}
        for position, cell in enumerate(cells):
            positions.setdefault(normalise_header(cell), []).append(position)
        self.header = cells
        self.width = len(cells)
        found, missing = self._find(self._wanted(), positions)
        used = set(found.values())
        droppable = {normalise_header(name) for name in self.contract.droppable}
        self._unknown = [
            position
            for position, cell in enumerate(cells)
            if position not in used and normalise_header(cell) not in droppable
        ]
        if missing and not self._may_lack(set(missing), self._unknown):
            raise FileRefused("missing_columns", self._missing_text(list(missing.values()), used))
        self._operation_at = found.pop("operation", None)
        order = [found.get(column.name, -1) for column in self.contract.columns]
        self._rearranged = order != list(range(self.width))
        self._pick = itemgetter(*order) if len(order) > 1 else lambda row: (row[order[0]],)
        self._last_needed = max([*used, *(p for p, cell in enumerate(cells) if cell.strip())])
        self._used, self._order = used, order
        self._columns = self._columns_read()
        self._names = [
            cells[position] if position >= 0 else column.header
            for position, column in zip(order, self._columns, strict=True)
        ]
        self._prepare()

    def _prepare(self) -> None:
        contract = self.contract
        self._position = {column.name: at for at, column in enumerate(contract.columns)}
        self._groups = self._make_groups()
        keys = [column for column in contract.key if not column.is_generated]
        self._key_positions = {self._position[column.name] for column in keys}
        numbering = contract.duplicate_keys == "number"
        self._occurrence_at = self._position[contract.key[-1].name] if numbering else None
        self._occurrences: dict[str, int] = {}
        self._operations = {
            contract.upsert_mark.casefold(): "U",
            contract.delete_mark.casefold(): "D",
        }
        self._blank_rows = 0
        self._filled: set[int] = set()
        places = [self._position[column.name] for column in keys]
        self._pick_key = itemgetter(*places)
        self._key_splits = max(places) + 1
        self._has_one_key = len(places) == 1
        self._takes_blocks = (
            not self.odd and not numbering and any(column.required for column in keys)
        )
        self._required = {self._position[column.name] for column in keys if column.required}

    def _find(
        self, wanted: dict[str, tuple[str, set[str]]], positions: dict[str, list[int]]
    ) -> tuple[dict[str, int], dict[str, str]]:
        """Where each column is, and the headers of those that are nowhere."""
        found: dict[str, int] = {}
        missing: dict[str, str] = {}
        for name, (header, accepted) in wanted.items():
            hits = sorted({position for text in accepted for position in positions.get(text, ())})
            if not hits:
                missing[name] = header
            elif len(hits) > 1:
                raise FileRefused(
                    "ambiguous_header",
                    f"columns {', '.join(str(hit + 1) for hit in hits)} all claim to be {header}, and "
                    f"which is right cannot be known. {self.contract.owner_service} must export it with "
                    "one of them.",
                )
            else:
                found[name] = hits[0]
        return found, missing

    def _missing_text(self, missing: list[str], used: set[int]) -> str:
        unknown = [
            cell.strip()
            for position, cell in enumerate(self.header)
            if position not in used and cell.strip()
        ]
        hint = ""
        if len(self.header) == 1 and any(mark in self.header[0] for mark in ";\t|"):
            allowed = " or ".join(map(repr, self.contract.delimiters))
            hint = f" The delimiter seems not to be {allowed}."
        elif unknown:
            hint = (
                f" Not recognised: {', '.join(storable(name)[:60] for name in unknown[:20])}. If one of "
                f"them is a renamed column, add it as an alias in {self.contract.path}."
            )
        shown = ", ".join(missing[:20]) + (" and more" if len(missing) > 20 else "")
        return (
            f"the header lacks {len(missing)} of {len(self.layout.columns)} columns of layout "
            f"{self.layout.name}: {shown}. Loading it would blank them for everyone.{hint} "
            f"{self.contract.owner_service} must export it again otherwise."
        )

    def _make_groups(self) -> list[_Group]:
        kinds: dict[tuple, list[tuple[int, Column]]] = {}
        for position, column in enumerate(self._columns):
            if column.type != "text" or column.pad_to is not None:
                kind = (column.type, column.forms, column.markers, column.pad_to)
                kinds.setdefault(kind, []).append((position, column))
        groups = []
        for columns in kinds.values():
            at = [position for position, _ in columns]
            # itemgetter gives a tuple for two or more
            groups.append(_Group(columns, itemgetter(*(at if len(at) > 1 else at * 2)), {""}, {}))
        return groups

    def _convert(
        self, cells: list[str], group: _Group, only: set[int] | None
    ) -> list[tuple[int, values.Unreadable]]:
        """Bring a group's cells into canonical form, in place; what cannot be is returned.

        Args:
            only: positions to look at; ``None`` = all.
        """
        if only is None and group.known.issuperset(group.pick(cells)):
            return []
        problems = []
        if len(group.known) > MAX_KNOWN_VALUES:
            group.known.clear()
            group.cache.clear()
            group.known.add("")
        for position, column in group.columns:
            if only is not None and position not in only:
                continue
            text = cells[position]
            canonical = group.cache.get(text)
            if canonical is None:
                if text in group.known:
                    continue
                if not text.strip():
                    canonical = ""
                else:
                    try:
                        canonical = values.read(text, column)
                    except values.Unreadable as error:
                        problems.append((position, error))
                        continue
                group.cache[text] = canonical
                if canonical == text:
                    group.known.add(text)
            cells[position] = canonical
        return problems

    def _key_of(self, cells: list[str], problems: set[int]) -> tuple[str | None, str, str, str]:
        """``(key, rule, column, reason)``: the key, or why there is none. Strips the key cells."""
        parts = []
        for column in self.contract.key:
            if column.is_generated:
                continue
            position = self._position[column.name]
            if position in problems or ODD.search(cells[position]):
                return None, "", "", ""
            cells[position] = part = cells[position].strip()
            if not part and column.stand_in:
                if not problems.isdisjoint(self._position[name] for name in column.stand_in):
                    return None, "", "", ""
                cells[position] = part = self._stand_in(cells, column)
            if not part and column.required:
                name = self._names[position]
                return None, "required_value_missing", name, f"{name} is blank, and it is a key"
            parts.append(part)
        key = join_key(parts)
        if len(key) > MAX_KEY_CHARACTERS:
            name = self._names[self._position[self.contract.key[0].name]]
            return (
                None,
                "key_too_long",
                name,
                f"the key has {len(key)} characters; no identifier has more than {MAX_KEY_CHARACTERS}",
            )
        return key, "", "", ""

    def _stand_in(self, cells: list[str], column: Column) -> str:
        """A key for a row whose own is blank, the same whenever the row comes again: a hash of the
        columns that tell it from others. Empty when one of those is blank too."""
        texts = [
            " ".join(cells[self._position[name]].split()).casefold() for name in column.stand_in
        ]
        if not all(texts) or ODD.search("".join(texts)):
            return ""
        return f"NO-{column.name.upper()}-{row_hash(SEPARATOR.join(texts))[:12]}"

    def _at_once(self, texts: list[str], numbers: Sequence[int], has_marks: bool) -> Rows | None:
        """Rows in which nothing is out of the ordinary, checked together; ``None`` when something is, and
        they must be looked at :meth:`_one` by one. Both ways give the same rows.

        Args:
            texts: each row's cells, joined by :data:`SEPARATOR`.
            has_marks: see :meth:`_keys_of`.
        """
        if set(map(str.count, texts, repeat(SEPARATOR))) != {self.width - 1}:
            return None
        filled: set[int] = set()
        if self._rearranged:
            rearranged = self._rearrange(texts)
            if rearranged is None:
                return None
            texts, filled = rearranged
        digests = [
            sha256(text.rstrip(SEPARATOR).encode()).hexdigest()[:HASH_CHARACTERS] for text in texts
        ]
        keys = self._keys_of(texts, has_marks)
        fresh = texts
        if self.readable:
            known = map(self.readable.get, keys)
            fresh = [
                text
                for text, digest, readable in zip(texts, digests, known, strict=True)
                if digest != readable
            ]
        if fresh and not self._are_readable(fresh):
            return None
        if max(map(len, keys)) > MAX_KEY_CHARACTERS or not self._see(numbers, keys, digests):
            return None
        self.rows_in += len(texts)
        self._filled |= filled
        return Rows(numbers, keys, digests, texts)

    def _rearrange(self, texts: list[str]) -> tuple[list[str], set[int]] | None:
        """Rows with their columns in the contract's order, and which columns outside it hold values;
        ``None`` when a row is to be deleted, or says something else that is not understood."""
        columns = _columns(texts, self.width)
        if self._operation_at is not None:
            marks = set(columns[self._operation_at])
            if {self._operations.get(mark.strip().casefold()) for mark in marks} != {"U"}:
                return None
        filled = {at for at in self._unknown if any(map(str.strip, columns[at]))}
        columns.append([""] * len(texts))  # the values of a column that the file does not have
        return list(map(SEPARATOR.join, zip(*self._pick(columns), strict=True))), filled

    def _keys_of(self, texts: list[str], has_marks: bool) -> list[str]:
        """Args: has_marks: a bar or backslash occurs, which :func:`join_key` must tell from its own."""
        pick, splits = self._pick_key, self._key_splits
        if self._has_one_key:
            return [pick(text.split(SEPARATOR, splits)) for text in texts]
        join = join_key if has_marks else "|".join
        return [join(pick(text.split(SEPARATOR, splits))) for text in texts]

    def _are_readable(self, texts: list[str]) -> bool:
        """Whether every value is one that its type accepts and leaves as it is, and no key is blank."""
        columns = _columns(texts, len(self._columns))
        for group in self._groups:
            strange = set().union(*(columns[at] for at, _ in group.columns)) - group.known
            for text in strange:
                try:
                    if values.read(text, group.columns[0][1]) != text:
                        return False
                except values.Unreadable:
                    return False
            group.known |= strange
            if len(group.known) > MAX_KNOWN_VALUES:
                group.known.clear()
                group.known.add("")
        for position in self._key_positions:
            distinct = set(columns[position])
            together = "".join(distinct)
            if "" in distinct and position in self._required:
                return False
            if together and together.split() != [together]:  # a space somewhere
                return False
        return max(map(len, texts)) <= self.contract.max_row_characters

    def _one(
        self, number: int, cells: list[str] | None, line: str, raw: str | None
    ) -> tuple[int, str, str, str] | None:
        """One row: checked, converted and counted; ``None`` when it was rejected or blank.

        Returns:
            line number, key, hash and text.
        """
        if cells is None:
            self.rows_in += 1
            reason = f"{self.line_word} {number} cannot be parsed as CSV ({line})"
            self._reject(number, None, None, None, "malformed_row", reason, raw or "")
            return None
        row_text = line.replace(SEPARATOR, self.shown_delimiter) if raw is None else raw
        if not any(cell.strip() for cell in cells):
            self._blank_rows += len(cells) > 1
            return None
        self.rows_in += 1
        if len(cells) != self.width:
            count = len(cells)
            if count > self.width and not any(cell.strip() for cell in cells[self.width :]):
                del cells[self.width :]
            elif self._last_needed < count < self.width:
                cells += [""] * (self.width - count)
            else:
                reason = (
                    f"{self.line_word} {number} has {count} columns and the header {self.width}, so which value "
                    "belongs to which column cannot be known"
                )
                self._reject(number, None, None, None, "column_count", reason, row_text)
                return None
        is_odd = self.odd and ODD.search("".join(cells)) is not None
        if self._unknown:
            self._filled.update(at for at in self._unknown if cells[at].strip())
        operation = "U"
        if self._operation_at is not None:
            mark = cells[self._operation_at].strip().casefold()
            operation = self._operations.get(mark, cells[self._operation_at])
        if self._rearranged:
            cells.append("")
            cells = list(self._pick(cells))
        problems: list[tuple[int, values.Unreadable]] = []
        for group in self._groups:
            # of a row that is to be deleted only the key matters
            only = self._key_positions if operation == "D" else None
            problems += self._convert(cells, group, only)
        key, rule, column, reason = self._key_of(cells, {at for at, _ in problems})
        value: str | None = "" if rule == "required_value_missing" else None
        if rule:
            pass
        elif is_odd:
            rule, column, value, reason = self._odd_cell(cells)
        elif problems:
            at, error = problems[0]
            rule, column, value = error.rule, self._names[at], cells[at]
            reason = f"{column}: {error.reason}"
            if len(problems) > 1:
                others = ", ".join(self._names[other] for other, _ in problems[1:])
                reason += f"; also unreadable: {others}"
        elif operation not in ("U", "D"):
            rule, column, value = "unknown_operation", self.contract.operation_header, operation
            reason = (
                f"{column} is {operation!r}, neither {self.contract.upsert_mark} nor "
                f"{self.contract.delete_mark}"
            )
        if rule:
            self._reject(number, key, column, value, rule, reason, row_text)
            return None
        if self._occurrence_at is not None:
            self._occurrences[key] = occurrence = self._occurrences.get(key, 0) + 1
            cells[self._occurrence_at] = str(occurrence)
            key = f"{key}|{occurrence}"
        text = SEPARATOR.join(cells)
        if len(text) > self.contract.max_row_characters:
            at = max(range(len(cells)), key=lambda position: len(cells[position]))
            reason = (
                f"The row has {len(text)} characters, the longest value in {self._names[at]}; no row of "
                f"this feed has {self.contract.max_row_characters}, so quotes or line ends may be wrong"
            )
            self._reject(number, key, self._names[at], cells[at], "row_too_long", reason, row_text)
            return None
        digest = DELETED if operation == "D" else row_hash(text)
        if not self._see([number], [key], [digest.ljust(HASH_CHARACTERS)]):
            self._reject_duplicate(number, key, digest, row_text)
            return None
        return number, key, digest, text

    def _odd_cell(self, cells: list[str]) -> tuple[str, str | None, str | None, str]:
        for at, cell in enumerate(cells):
            if match := ODD.search(cell):
                name = self._names[at]
                if 0xDC80 <= ord(match[0]) <= 0xDCFF:
                    return (
                        "unreadable_bytes", name, cell,
                        f"{name} holds the byte {storable(match[0])}, which is not UTF-8 as the rest of "
                        "the file is",
                    )  # fmt: skip
                return (
                    "control_character", name, cell,
                    f"{name} holds the control character {storable(match[0])}, which is no text",
                )  # fmt: skip
        return (
            "control_character", None, None,
            "A column outside the contract holds control characters, so the row may be damaged",
        )  # fmt: skip

    def _reject_duplicate(self, number: int, key: str, digest: str, row_text: str) -> None:
        first_digest, first_line = self.first(key)
        names = " + ".join(column.header for column in self.contract.key)
        if digest == first_digest:
            rule, reason = (
                "duplicate_row",
                f"The row is the same as {self.line_word.lower()} {first_line}, which is loaded",
            )
        else:
            rule = "duplicate_key"
            reason = (
                f"{self.line_word} {first_line} has the same key with other values and is loaded; which of the two "
                "is right cannot be known"
            )
        self._reject(number, key, names, key, rule, reason, row_text)

    def _note_ends(self) -> None:
        """Warn of what was skipped, once all rows are read."""
        if self._blank_rows:
            self.warnings.append(f"{self._blank_rows} rows of empty cells were skipped.")
        if self._filled:
            names = ", ".join(
                repr(storable(self.header[at])[:60]) for at in sorted(self._filled)[:50]
            )
            self.warnings.append(
                f"Columns outside the contract hold values and were not loaded: {names}. If they are "
                f"wanted, add them to {self.contract.path}; if not, list them in droppableColumns."
            )


class CsvReading(TableReading):
    """A CSV file, opened: its header has been understood.

    Args:
        content: the file, out of whatever it was packed in.
        layout: the contract's layout for the file's period.
        mode: ``snapshot``, ``delta`` or ``event``.
    Raises:
        FileRefused: empty, not CSV, in no known encoding, or its header lacks columns.
    """

    def __init__(self, content: Content, contract: Contract, layout: Layout, mode: str):
        super().__init__(contract, layout, mode)
        profile = content.profile
        if profile.has_long_line:
            raise FileRefused(
                "line_too_long",
                f"a line is longer than {MAX_LINE_BYTES} bytes, which no row of this feed can be. Look "
                f"at the file in landing; {contract.owner_service} must export it again.",
            )
        encoding, errors = encoding_of(profile, contract)
        self.odd = profile.has_controls or errors == "surrogateescape"
        if encoding == "cp1252":
            self.warnings.append(
                "Read as Windows-1252, because it is not UTF-8. Check that names with accents are right."
            )
        self.may_need_quotes = profile.has_quotes
        self._content = content
        self._handle = io.TextIOWrapper(
            content.open(),
            encoding=encoding,
            errors=errors,
            newline=None if profile.has_lone_return else "",
        )
        self._carry = ""
        self._queue: deque[str] = deque()
        self._number = 0
        try:
            self._understand_header()
        except BaseException:
            self._handle.close()
            raise

    def _read_block(self) -> str | None:
        """Whole lines, a megabyte or so."""
        while chunk := self._handle.read(BLOCK_CHARACTERS):
            text = self._carry + chunk
            end = text.rfind("\n") + 1
            self._carry = text[end:]
            if end:
                return text[:end]
        text, self._carry = self._carry, ""
        return text or None

    def _next_line(self) -> str | None:
        if not self._queue:
            block = self._read_block()
            if block is None:
                return None
            self._queue.extend(_lines(block))
        self._number += 1
        return self._queue.popleft()

    def _next_row(self) -> _Cells | None:
        line = self._next_line()
        if line is None:
            return None
        if '"' in line or self.odd:
            return self._parse(line)
        line = line.removesuffix("\r").replace(self.shown_delimiter, SEPARATOR)
        return self._number, line.split(SEPARATOR), line, None

    def _parse(self, line: str) -> _Cells:
        """A row with quotes, which may go on over the following lines. A CSV parser costs four times
        what str.split does, so only such rows see one."""
        number, consumed = self._number, []

        def feed() -> Iterator[str]:
            following: str | None = line
            while following is not None:
                consumed.append(following + "\n")
                yield consumed[-1]
                following = self._next_line()

        reader = csv.reader(feed(), delimiter=self.shown_delimiter, strict=True)
        try:
            cells, text = next(reader), ""
        except csv.Error as error:
            cells, text = None, str(error)
        return number, cells, text, "".join(consumed).rstrip("\r\n")

    def _understand_header(self) -> None:
        self._understand_delimiter()
        first = self._next_row()
        if first is None:
            raise _empty_file(self.contract)
        _, cells, text, _ = first
        if cells is None:
            raise FileRefused("unreadable_header", f"line 1 is no CSV header ({text}).")
        try:
            self._match_header(cells)
        except FileRefused as refused:
            if refused.code != "missing_columns" or not self._skip_titles():
                raise

    def _understand_delimiter(self) -> None:
        """Choose among the contract's delimiters the one that makes most of the first lines a header. A line
        ``sep=;`` is Excel's own word for it."""
        self.shown_delimiter = self.contract.delimiters[0]
        first = self._next_line()
        if first is None:
            return
        stated = re.fullmatch(r"\"?sep=(.)\"?\r?", first, re.I)
        if stated and stated[1] in self.contract.delimiters:
            self.shown_delimiter = stated[1]
            return
        self._queue.appendleft(first)
        self._number -= 1
        if len(self.contract.delimiters) > 1:
            lines = list(islice(self._queue, MAX_TITLE_ROWS))

            def likeness(delimiter: str) -> int:
                return max(
                    self._likeness([cell.strip('" \r') for cell in line.split(delimiter)])
                    for line in lines
                )

            self.shown_delimiter = max(self.contract.delimiters, key=likeness)

    def _skip_titles(self) -> bool:
        """Find the header below rows that are none; ``False`` when there is none."""
        for skipped in range(1, MAX_TITLE_ROWS):
            row = self._next_row()
            if row is None:
                return False
            _, cells, _, _ = row
            if cells is not None and self._is_header(cells):
                self._match_header(cells)
                self.warnings.append(
                    f"{skipped} lines above the header were skipped. {self.contract.owner_service} should "
                    "export without a title."
                )
                return True
        return False

    def close(self) -> None:
        self._handle.close()
        self._content.close()

    def bytes_read(self) -> int:
        content = self._content
        return self._handle.buffer.tell() * content.packed_bytes // max(content.profile.size, 1)

    def blocks(self) -> Iterator[Rows]:
        while True:
            if not self._queue:
                block = self._read_block()
                if block is None:
                    break
            else:
                # what followed the header, or a cell of several lines, in its block
                block = "\n".join(self._queue) + "\n"
                self._queue.clear()
            rows = self._lines_at_once(block) if self._takes_blocks else None
            if rows is not None:
                yield rows
                continue
            self._queue.extend(_lines(block))
            rows = Rows()
            # until the end of the block, or of the row that reaches into the next one
            for _ in range(len(self._queue)):
                if not self._queue:
                    break
                found = self._one(*self._next_row())
                if found is not None:
                    rows.append(*found)
            yield rows
        self._note_ends()

    def _lines_at_once(self, block: str) -> Rows | None:
        separated = _separated(block, self.shown_delimiter)
        if separated is None:
            return None
        texts = _lines(separated)
        numbers = range(self._number + 1, self._number + 1 + len(texts))
        rows = self._at_once(texts, numbers, "|" in separated or "\\" in separated)
        if rows is not None:
            self._number += len(texts)
        return rows


class CellsReading(TableReading):
    """Rows that come as cells already: those of a workbook or an XML file."""

    def __init__(self, content: Content, contract: Contract, layout: Layout, mode: str):
        super().__init__(contract, layout, mode)
        self._content = content
        self.may_need_quotes = True

    @abc.abstractmethod
    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of each row below the header. A cell that begins with
        :data:`neet.feeds.workbook.FAULT` has no known value."""

    @abc.abstractmethod
    def _fault(self, name: str, fault: str) -> tuple[str, str]:
        """Rule and reason of a cell whose value is not known."""

    def close(self) -> None:
        self._content.close()

    def _filled_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that hold something, as wide as the header unless they hold more."""
        width, outside = self.width, frozenset(range(self.width)) - self._used
        for number, cells in self._cells():
            if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                del cells[width:]
            cells += [""] * (width - len(cells))
            for at in outside:
                if cells[at].startswith(FAULT):
                    cells[at] = ""
            if any(cell.strip() for cell in cells):
                yield number, cells

    def blocks(self) -> Iterator[Rows]:
        found = self._filled_rows()
        while batch := list(islice(found, CELL_ROWS)):
            joined = "".join(cell for _, cells in batch for cell in cells)
            self.odd = ODD.search(joined) is not None
            texts = [SEPARATOR.join(cells) for _, cells in batch]
            rows = None
            if self._takes_blocks and not self.odd:
                numbers = [number for number, _ in batch]
                rows = self._at_once(texts, numbers, "|" in joined or "\\" in joined)
            if rows is None:
                rows = Rows()
                for (number, cells), text in zip(batch, texts, strict=True):
                    good = self._one(number, cells, text, None)
                    if good is not None:
                        rows.append(*good)
            yield rows
        self._note_ends()

    def _odd_cell(self, cells: list[str]) -> tuple[str, str | None, str | None, str]:
        for at, cell in enumerate(cells):
            if cell.startswith(FAULT):
                rule, reason = self._fault(self._names[at], cell[1:])
                return rule, self._names[at], cell[1:], reason
        return super()._odd_cell(cells)


class XlsxReading(CellsReading):
    """The sheet of an Excel workbook that has the header.

    Raises:
        FileRefused: no workbook, damaged, or no sheet, or more than one, is the feed's.
    """

    line_word = "Row"

    def __init__(self, content: Content, contract: Contract, layout: Layout, mode: str):
        super().__init__(content, contract, layout, mode)
        self._remarks = Remarks(set(), set())
        self._book = Workbook(content, contract)
        try:
            self._sheet, self._header_row = self._choose()
            self._merged = self._merged_away()
        except BaseException:
            self._book.close()
            raise

    def close(self) -> None:
        self._book.close()
        super().close()

    def _columns_read(self) -> list[Column]:
        # a cell that Excel knows to be a date is one, in whatever form the contract expects text
        return [
            replace(column, forms=tuple(dict.fromkeys((*column.forms, "iso", "iso_time"))))
            if column.type == "date"
            else column
            for column in super()._columns_read()
        ]

    def _choose(self) -> tuple[Sheet, int]:
        """The sheet with the header, and the row it stands in."""
        contract, owner = self.contract, self.contract.owner_service
        best: dict[str, tuple[int, int, list[str], int]] = {}
        for sheet in self._book.sheets:
            if contract.sheet and normalise_header(sheet.name) != normalise_header(contract.sheet):
                continue
            rows = islice(self._book.rows(sheet), MAX_TITLE_ROWS)
            for place, (number, cells) in enumerate(rows):
                if not any(map(str.strip, cells)):
                    continue
                likeness = self._likeness(cells)
                if sheet.name not in best or likeness > best[sheet.name][0]:
                    best[sheet.name] = likeness, number, cells, place
                if likeness == len(self._wanted()):
                    break
        full = [
            s
            for s in self._book.sheets
            if s.name in best and best[s.name][0] == len(self._wanted())
        ]
        shown = [sheet for sheet in full if not sheet.is_hidden]
        if len(shown) > 1:
            raise FileRefused(
                "several_data_sheets",
                f"sheets {_list_of(s.name for s in shown)} all have the header of this feed, and a delivery is "
                f"one list. {owner} must put all rows in one sheet, or name it in {contract.path} (sheet).",
            )
        if not shown and full:
            raise FileRefused(
                "hidden_sheet",
                f"the rows stand in the hidden sheet {_list_of(s.name for s in full)}, which may be an old copy. "
                f"{owner} must show the sheet if it is the right one, and deliver again.",
            )
        visible = [s for s in self._book.sheets if s.name in best and not s.is_hidden]
        if not visible:
            named = (
                f" called {contract.sheet!r} (sheet in {contract.path})" if contract.sheet else ""
            )
            raise FileRefused(
                "empty_file",
                f"no visible sheet{named} of the workbook holds anything, not even a header, so it does not say "
                f"that there is nothing to report. Ask {owner} for the file; a nil return is a header alone.",
            )
        sheet = shown[0] if shown else max(visible, key=lambda s: best[s.name][0])
        _, number, cells, above = best[sheet.name]
        while cells and not cells[-1].strip():
            cells.pop()
        self._match_header([cell.lstrip(FAULT) for cell in cells])
        if above:
            self.warnings.append(f"{above} rows above the header in row {number} were skipped.")
        others = [
            f"{storable(s.name)[:60]!r}" + (" (hidden)" if s.is_hidden else "")
            for s in self._book.sheets
            if s.name != sheet.name and (s.name in best or contract.sheet)
        ]
        if others:
            self.warnings.append(
                f"Read from sheet {storable(sheet.name)[:60]!r}. Not read: {', '.join(others[:20])}."
            )
        return sheet, number

    def _merged_away(self) -> dict[int, set[int]]:
        """``row -> columns`` of the cells that a merge has made blank, in the rows of the feed."""
        found: dict[int, set[int]] = {}
        for first_row, first, last_row, last in self._book.merged(self._sheet):
            columns = {at for at in self._used if first <= at <= last}
            if last_row <= self._header_row or not columns:
                continue
            for row in range(
                max(first_row, self._header_row + 1), min(last_row, first_row + 10_000) + 1
            ):
                away = columns - {first} if row == first_row else columns
                if away:
                    found.setdefault(row, set()).update(away)
        return found

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        merged = self._merged
        days = [
            position
            for position, column in zip(self._order, self._columns, strict=True)
            if position >= 0 and column.type == "date" and self._book.is_1904
        ]
        for number, cells in self._book.rows(self._sheet, self._remarks):
            if number <= self._header_row:
                continue
            for at in merged.get(number, ()):
                cells += [""] * (at + 1 - len(cells))
                cells[at] = f"{FAULT}merged"
            for at in days:
                if at < len(cells) and values.SERIAL.fullmatch(cells[at]):
                    cells[at] = str(int(cells[at].partition(".")[0]) + SERIAL_1904)
            yield number, cells

    def _fault(self, name: str, fault: str) -> tuple[str, str]:
        if fault == "merged":
            return (
                "merged_cells",
                f"{name} is merged with a neighbour, so which value belongs to this row cannot be known. "
                "Unmerge the cells and fill in each",
            )
        if fault == "=":
            return (
                "formula_not_calculated",
                f"{name} is a formula that was never calculated. Open the file in Excel, save it, or paste the "
                "values",
            )
        return (
            "formula_error",
            f"{name} shows {storable(fault)[:40]}, the error of a formula, instead of a value",
        )

    def _note_ends(self) -> None:
        super()._note_ends()
        remarks, used = self._remarks, self._used
        if percent := sorted(remarks.percent & used):
            names = _list_of(self.header[at] for at in percent)
            self.warnings.append(f"{names}: shown as per cent, read as stored: 50 % is 0.5.")
        if long_numbers := sorted(remarks.long_numbers & used):
            names = _list_of(self.header[at] for at in long_numbers)
            self.warnings.append(
                f"{names}: numbers of more than 15 digits, of which Excel keeps 15. Format the column as text "
                "before the numbers are typed or pasted."
            )
        if remarks.hidden_rows:
            self.warnings.append(f"{remarks.hidden_rows} hidden rows were read as all others.")


class XmlReading(CellsReading):
    """An XML file of one element a row: its attributes and the elements in it are the columns.

    Raises:
        FileRefused: not well-formed, hostile, or its rows lack columns.
    """

    def __init__(self, content: Content, contract: Contract, layout: Layout, mode: str):
        super().__init__(content, contract, layout, mode)
        self._xml = FlatXml(content, contract)
        names = self._xml.names
        if not self._xml.row_count:  # nothing to report: there is no row to tell the columns by
            names = [header for header, _ in self._wanted().values()]
        self._match_header(names)

    def _may_lack(self, missing: set[str], unknown: list[int]) -> bool:
        # A blank element may be left out, so that of a whole file may be missing. But one that we do not know
        # may be the missing one under another name.
        required = {column.name for column in self.contract.key if column.required} | {"operation"}
        return not unknown and not missing & required

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        return self._xml.rows()

    def _fault(self, name: str, fault: str) -> tuple[str, str]:
        return (
            "repeated_element",
            f"{name} stands twice in the record, and which value is right cannot be known",
        )


class NccisReading(Reading):
    """An NCCIS XML return read as a feed: every element text, row for row (nccis.md, section 1.2).

    Raises:
        FileRefused: not well-formed, or hostile.
    """

    def __init__(self, path: Path, contract: Contract):
        super().__init__(contract)
        from neet.nccis import xml

        self.may_need_quotes = True
        self._error = xml.NccisFileError
        try:
            self._return = xml.read(path)
        except self._error as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> FileRefused:
        return FileRefused(
            "not_an_nccis_return",
            f"{error}. {self.contract.owner_service} must get a whole, well-formed file from whoever "
            "made it.",
        )

    def close(self) -> None:
        self._return.close()

    def blocks(self) -> Iterator[Rows]:
        contract = self.contract
        good = Rows()
        header = nccis_header(self._return.header)
        names = [column.name for column in contract.columns]
        key_names = [column.name for column in contract.key if not column.is_generated]
        occurrence_at = names.index(contract.key[-1].name)
        occurrences: dict[str, int] = {}
        try:
            for record in self._return:
                self.rows_in += 1
                number = record["line_number"]
                values_by_name = {**record, **header}
                values_by_name["characteristic_codes"] = "|".join(
                    code or "" for code in record["characteristic_codes"]
                )
                cells = [values_by_name.get(name) or "" for name in names]
                base = join_key([(values_by_name.get(name) or "").strip() for name in key_names])
                text = SEPARATOR.join(cells)
                if ODD.search(text.replace(SEPARATOR, "")) or SEPARATOR in "".join(cells):
                    self._reject(
                        number, None, None, None, "control_character",
                        "The record holds a character that is no text", text,
                    )  # fmt: skip
                    continue
                if len(base) > MAX_KEY_CHARACTERS or len(text) > contract.max_row_characters:
                    self._reject(
                        number, None, "YoungPersonsID", record.get("young_persons_id"),
                        "row_too_long",
                        f"The record has {len(text)} characters and a key of {len(base)}; no real one "
                        f"has {contract.max_row_characters} and {MAX_KEY_CHARACTERS}", text,
                    )  # fmt: skip
                    continue
                occurrences[base] = occurrence = occurrences.get(base, 0) + 1
                cells[occurrence_at] = str(occurrence)
                key = f"{base}|{occurrence}"
                text = SEPARATOR.join(cells)
                digest = row_hash(text)
                self._see([number], [key], [digest])
                good.append(number, key, digest, text)
                if len(good) == BLOCK_ROWS:
                    yield good
                    good = Rows()
            yield good
        except self._error as error:
            raise self._refused(error) from error
        problems = self._return.problems
        if problems:
            shown = "; ".join(
                f"line {problem.line}: {storable(problem.text)[:200]}" for problem in problems[:10]
            )
            self.warnings.append(
                f"{self._return.problem_count} places are not as the layout says: {shown}"
            )


def nccis_header(header) -> dict[str, str]:
    """The file header as columns, the same on every row."""
    return {
        "header_database_ids": ",".join(header.database_ids),
        "header_source_leas": ",".join(header.source_leas),
        "header_date_of_send": header.date_of_send or "",
        "header_period_end": header.period_end or "",
        "header_supplier_name": header.supplier_name or "",
        "header_supplier_xml_version": header.supplier_xml_version or "",
        "header_xml_schema_version": header.xml_schema_version or "",
        "header_doctype": header.doctype or "",
    }


def _list_of(names: Iterator[str]) -> str:
    shown = [repr(storable(name)[:60]) for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


def _empty_file(contract: Contract) -> FileRefused:
    return FileRefused(
        "empty_file",
        "it has no bytes, not even a header, so it does not say that there is nothing to report. "
        f"Ask {contract.owner_service} for the file; a nil return is a header alone.",
    )


READINGS: dict[str, type[CsvReading] | type[XlsxReading] | type[XmlReading]] = {
    "csv": CsvReading,
    "xlsx": XlsxReading,
    "xml": XmlReading,
}


def open_file(
    path: Path, contract: Contract, layout: Layout, mode: str, profile: Profile
) -> Reading:
    """Open a landed file by its contract. What it is, its content says; its name is only compared.

    Args:
        profile: of the file.
    Raises:
        FileRefused: it cannot be used at all.
    """
    if profile.size > contract.max_bytes:
        raise FileRefused(
            "too_large",
            f"it has {profile.size} bytes, more than the {contract.max_bytes} that {contract.path} "
            "allows (maxBytes). If the feed has grown, raise the limit there.",
        )
    if profile.size == 0:
        raise _empty_file(contract)
    if "nccis_xml" in contract.formats:
        return NccisReading(path, contract)
    content = unpack(path, contract, profile)
    try:
        if content.profile.size == 0:
            raise _empty_file(contract)
        kind = "csv" if content.kind == "text" else content.kind
        if kind not in contract.formats:
            raise _wrong_format(content, contract)
        reading = READINGS[kind](content, contract, layout, mode)
    except BaseException:
        content.close()
        raise
    reading.warnings[:0] = [*content.notes, *_name_contradicts(content.name, kind, contract)]
    return reading


def _wrong_format(content: Content, contract: Contract) -> FileRefused:
    words = WORDS[content.kind] or "a text file"
    owner = contract.owner_service
    if content.kind == "ole" and is_password_protected(content):
        return FileRefused(
            "password_protected",
            "it is a workbook protected by a password, so nothing in it can be read. "
            f"{owner} must save it without one; the transport is protected already.",
        )
    if contract.formats == ("csv",):
        return FileRefused(
            "not_csv",
            f"it is {words}, not a CSV file. Ask {owner} to save it as 'CSV UTF-8 (comma delimited)' and "
            "deliver that.",
        )
    agreed = " or ".join(WORDS[name] for name in contract.formats)
    return FileRefused(
        "wrong_format",
        f"it is {words}, and {contract.path} agrees on {agreed} (format). Ask {owner} to save it so and "
        "deliver that.",
    )


def _name_contradicts(name: str, kind: str, contract: Contract) -> list[str]:
    """A warning when a name promises another format than the content is in."""
    bare, ending = os.path.splitext(name.lower())
    if ending in PACKINGS:
        ending = os.path.splitext(bare)[1]
    if ending not in (".csv", ".txt", ".xlsx", ".xls", ".xml") or ending == f".{kind}":
        return []
    if kind == "csv" and ending == ".txt":
        return []
    return [
        f"The name ends in {ending}, but the content is {WORDS[kind]} and was read as one. "
        f"{contract.owner_service} should name it rightly."
    ]
