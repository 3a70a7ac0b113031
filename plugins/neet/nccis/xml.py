"""NCCIS XML, written and read as a stream: one record in memory at a time.

Shape and names: nccis.md, section 1.2, by way of :mod:`neet.nccis.layout`. Values are text, exactly
as they stand; judging them is the rule pack's work (design rule 5). An empty value and an empty
element are the same thing: ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from lxml import etree

from neet.nccis.layout import HEADER, RECORD, LayoutRow, all_rows, record_columns

# As in the sample return: no encoding named, so UTF-8; lxml would write it with other quotes.
DECLARATION = '<?xml version="1.0" standalone="no"?>\n<!DOCTYPE {doctype}>\n'
DOCTYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
INDENT = "  "
CHUNK_BYTES = 64 * 1024


PROBLEMS = (
    "namespace", "wrong_root", "external_dtd", "no_header", "no_records", "header_after_records",
    "missing_element", "repeated_element", "unknown_element", "attribute", "text_beside_elements",
)  # fmt: skip
"""What can be amiss in a file that can be read; each is found by a rule of scope ``document``."""


class NccisFileError(ValueError):
    """The file cannot be read as an NCCIS return at all.

    Attributes:
        line: line of the file, from 1, at which reading stopped.
    """

    def __init__(self, reason: str, line: int):
        super().__init__(f"line {line}: {reason}")
        self.reason = reason
        self.line = line


class NccisValueError(ValueError):
    """A value cannot be written into the return; the message names the record and the field."""


@dataclass(frozen=True)
class Limits:
    """How much of a file is read before it is refused as hostile.

    A return of 36,000 records is some 85 MB, seven levels deep, with no value over 200 characters.
    """

    max_bytes: int = 1 << 30
    max_depth: int = 32
    max_value_characters: int = 65_536
    max_markup_bytes: int = 1 << 20
    max_strange_names: int = 1_000
    max_repeats: int = 1_000
    max_problems: int = 1_000


@dataclass(frozen=True)
class Header:
    """The ``FileHeader`` as text; ``None`` where absent or empty.

    Attributes:
        doctype: name in the DOCTYPE line, which carries the requirement's first year.
        root: name of the root element.
    """

    database_ids: tuple[str, ...] = ()
    source_leas: tuple[str, ...] = ()
    date_of_send: str | None = None
    period_end: str | None = None
    supplier_name: str | None = None
    supplier_xml_version: str | None = None
    xml_schema_version: str | None = None
    doctype: str | None = None
    root: str = "NCCIS"


@dataclass(frozen=True)
class Problem:
    """Something in a readable file that is not as the layout says.

    Attributes:
        kind: one of :data:`PROBLEMS`.
        line: line of the file, from 1.
        record_number: the record it lies in, from 1; ``None`` outside records.
        path: element names from the root, joined by ``/``.
    """

    kind: str
    line: int
    record_number: int | None
    path: str
    text: str


class _Node:
    """An element the layout knows; ``seen`` is the serial of the parent it last occurred in."""

    __slots__ = ("name", "children", "column", "repeats", "seen")

    def __init__(self, name: str, children: dict[str, _Node] | None = None):
        self.name = name
        self.children: dict[str, _Node] = {} if children is None else children
        self.column: str | None = None
        self.repeats = False
        self.seen = 0


def _reading_tree(rows: tuple[LayoutRow, ...]) -> dict[str, _Node]:
    top: dict[str, _Node] = {}
    for row in rows:
        level = top
        for name in row.path[1:-1]:
            level = level.setdefault(name, _Node(name)).children
        node = level.setdefault(row.path[-1], _Node(row.path[-1]))
        node.column, node.repeats = row.column, row.repeats
        if row.also_read_as:
            level[row.also_read_as] = node
    return top


class NccisReturn:
    """An NCCIS file being read: iterate once over its records.

    Opening reads as far as the first record, so ``header`` is there before the first record is
    asked for. ``problems`` and ``record_count`` are complete when the iteration has ended. A file
    may turn out unreadable after records of it were given out: whoever stores them must be able to
    take them back.

    Attributes:
        header: see :class:`Header`.
        problems: the first ``limits.max_problems`` of them; ``problem_count`` counts all.
        record_count: records read so far.
    """

    def __init__(self, source: Path | str | BinaryIO, limits: Limits):
        self.header = Header()
        self.problems: list[Problem] = []
        self.problem_count = 0
        self.record_count = 0
        self._limits = limits
        self._owned = isinstance(source, (str, Path))
        self._file: BinaryIO = open(source, "rb") if self._owned else source
        self._ended = False
        self._read_bytes = 0
        self._rows = all_rows()
        self._top = _reading_tree(self._rows)
        self._roots = {row.path[0] for row in self._rows}
        self._required = [
            self._top[RECORD].children[name]
            for name in ("PersonalDetails", "Activities")
            if name in self._top[RECORD].children
        ]
        self._blank = dict.fromkeys(record_columns(self._rows))
        self._lists = [row.column for row in self._rows if row.path[1] == RECORD and row.repeats]

        self._ready: list[dict] = []
        self._record: dict | None = None
        self._header: dict = {}
        self._header_seen = False
        self._namespace_seen = False
        self._strange_names: set[str] = set()
        self._nodes: list[_Node | None] = []
        self._names: list[str] = []
        self._text: list[str] = []
        self._text_length = 0
        self._serial = 0

        parser = self._parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_text
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.EntityDeclHandler = self._on_entity
        parser.SkippedEntityHandler = self._on_entity
        parser.ExternalEntityRefHandler = self._on_entity
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        try:
            while not self._ready and not self._ended:
                self._feed()
        except BaseException:
            self.close()
            raise

    @property
    def read_bytes(self) -> int:
        """Bytes of the file read so far."""
        return self._read_bytes

    def __enter__(self) -> NccisReturn:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file if we opened it."""
        if self._owned:
            self._file.close()

    def __iter__(self) -> Iterator[dict]:
        """Records as dictionaries: every column of :func:`neet.nccis.layout.record_columns` (text or
        ``None``), ``characteristic_codes`` (list), ``record_number`` and ``line_number`` (from 1).

        Raises:
            NccisFileError: the file is ill-formed, hostile or beyond a limit from here on.
        """
        try:
            while True:
                ready, self._ready = self._ready, []
                yield from ready
                if self._ended:
                    return
                self._feed()
        finally:
            self.close()

    def _refused(self, reason: str) -> NccisFileError:
        return NccisFileError(reason, self._parser.CurrentLineNumber)

    def _report(self, kind: str, text: str, name: str | None = None) -> None:
        self.problem_count += 1
        if len(self.problems) < self._limits.max_problems:
            path = "/".join([*self._names, name] if name else self._names)
            number = self.record_count if self._record is not None else None
            self.problems.append(Problem(kind, self._parser.CurrentLineNumber, number, path, text))

    def _feed(self) -> None:
        limits = self._limits
        chunk = self._file.read(CHUNK_BYTES)
        self._read_bytes += len(chunk)
        if self._read_bytes > limits.max_bytes:
            raise self._refused(f"the file is larger than {limits.max_bytes} bytes")
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            reason = expat.errors.messages.get(error.code, str(error))
            raise NccisFileError(
                f"not well-formed XML: {reason} (column {error.offset + 1})", error.lineno
            ) from error
        except (LookupError, ValueError) as error:
            # Python's codecs speak up before the root element, or not at all
            if isinstance(error, NccisFileError) or "root" in self._header:
                raise
            raise self._refused(f"its declared encoding cannot be read: {error}") from error
        if not chunk:
            self._ended = True
        elif self._read_bytes - self._parser.CurrentByteIndex > limits.max_markup_bytes:
            # expat keeps an unfinished tag or comment and scans it again at every feed
            raise self._refused(
                f"one tag, comment or declaration is longer than {limits.max_markup_bytes} bytes"
            )

    def _strange(self, name: str) -> None:
        """Every new name stays in the parser's memory, so there is an end to them."""
        self._strange_names.add(name)
        if len(self._strange_names) > self._limits.max_strange_names:
            raise self._refused(
                f"more than {self._limits.max_strange_names} names that no return has"
            )

    def _plain_name(self, name: str, attributes: dict[str, str]) -> str:
        own = []
        for key in attributes:
            self._strange(key)
            if key != "xmlns" and not key.startswith("xmlns:"):
                own.append(key)
        if (":" in name or len(own) < len(attributes)) and not self._namespace_seen:
            self._namespace_seen = True
            self._report(
                "namespace", f"{name}: a return has no namespace; names are read without it", name
            )
        if own:
            self._report(
                "attribute", f"{name} carries attributes, not read: {', '.join(own)}", name
            )
        return name.rpartition(":")[2]

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        if attributes or ":" in name:
            name = self._plain_name(name, attributes)
        depth = len(self._nodes)
        if depth >= self._limits.max_depth:
            raise self._refused(f"elements are nested more than {self._limits.max_depth} deep")
        if depth == 0:
            self._header["root"] = name
            if name not in self._roots:
                expected = " or ".join(sorted(self._roots))
                self._report("wrong_root", f"the root element is {name}, not {expected}", name)
            node = _Node(name, self._top)
        else:
            parent = self._nodes[-1]
            node = None
            if parent is not None:  # else: inside something already reported as not read
                node = parent.children.get(name)
                if node is None:
                    self._report("unknown_element", f"{name} has no place here; not read", name)
            if node is None:
                self._strange(name)
            elif depth == 1:
                node = self._on_section(node)
            elif node.repeats:
                pass
            elif node.seen == self._serial:
                self._report("repeated_element", f"{name} again; only the first was read", name)
                node = None
            else:
                node.seen = self._serial
            if node is not None and node.column is not None:
                self._text.clear()
                self._text_length = 0
        self._nodes.append(node)
        self._names.append(name)

    def _on_section(self, node: _Node) -> _Node | None:
        """A record begins, or the header does; ``None`` when it is not to be read."""
        self._serial += 1
        if node.name == RECORD:
            self.record_count += 1
            self._record = dict(self._blank)
            self._record.update({column: [] for column in self._lists})
            self._record["record_number"] = self.record_count
            self._record["line_number"] = self._parser.CurrentLineNumber
            return node
        if self._header_seen:
            self._report(
                "repeated_element", f"{node.name} again; only the first was read", node.name
            )
            return None
        self._header_seen = True
        if self.record_count:
            self._report("header_after_records", "records stand before the header", node.name)
        return node

    def _on_text(self, data: str) -> None:
        node = self._nodes[-1]
        if node is None:
            return
        if node.column is None:
            if not data.isspace():
                self._report("text_beside_elements", "text between elements; not read")
            return
        self._text_length += len(data)
        if self._text_length > self._limits.max_value_characters:
            raise self._refused(
                f"{node.name} holds more than {self._limits.max_value_characters} characters"
            )
        self._text.append(data)

    def _on_end(self, _name: str) -> None:
        node = self._nodes.pop()
        self._names.pop()
        if node is None:
            return
        if node.column is not None:
            values = self._header if self._record is None else self._record
            value = "".join(self._text) or None
            self._text.clear()
            if not node.repeats:
                values[node.column] = value
                return
            members = values.setdefault(node.column, [])
            if len(members) >= self._limits.max_repeats:
                raise self._refused(
                    f"{node.name} is repeated more than {self._limits.max_repeats} times"
                )
            members.append(value)
        elif len(self._nodes) == 1:
            if node.name == RECORD:
                for child in self._required:
                    if child.seen != self._serial:
                        text = f"the record has no {child.name}"
                        self._report("missing_element", text, f"{RECORD}/{child.name}")
                self._ready.append(self._record)
                self._record = None
            else:
                self._take_header()
        elif not self._nodes:
            self._take_header()
            if not self._header_seen:
                self._report("no_header", f"there is no {HEADER}")
            if not self.record_count:
                self._report("no_records", f"there is no {RECORD}")

    def _take_header(self) -> None:
        self.header = Header(
            **{
                key: tuple(member or "" for member in value) if isinstance(value, list) else value
                for key, value in self._header.items()
                if key in Header.__dataclass_fields__
            }
        )

    def _on_doctype(
        self, name: str, system_id: str | None, public_id: str | None, _internal: int
    ) -> None:
        self._header["doctype"] = name
        if system_id or public_id:
            self._report("external_dtd", "the DOCTYPE names an outside file, never fetched")

    def _on_entity(self, name: str | None, *_) -> int:
        raise self._refused(
            f"the file declares or uses an entity ({name}); entities are never expanded, so it is "
            "refused whole. Ask the supplier for an export without them"
        )


def read(source: Path | str | BinaryIO, limits: Limits | None = None) -> NccisReturn:
    """Open an NCCIS return for reading.

    Args:
        source: a path, or a binary file, which the caller closes.
        limits: how much is read before the file is refused.
    Raises:
        OSError: the file cannot be opened.
        NccisFileError: ill-formed, hostile or beyond a limit before its first record.
    """
    return NccisReturn(source, limits or Limits())


class _Template:
    """One element with all beneath it, laid out once and filled anew for every record of its shape.

    Setting the text of an existing tree is three times as fast as building the tree each time.
    """

    def __init__(self, rows: tuple[LayoutRow, ...], left_out: set, counts: Mapping[str, int]):
        self.leaves: list[etree._Element] = []
        self.repeated: dict[str, list[etree._Element]] = {}
        section = rows[0].path[1]
        self.root = etree.Element(section)
        elements: dict[tuple[str, ...], etree._Element] = {rows[0].path[:2]: self.root}
        for row in rows:
            for depth in range(3, len(row.path)):
                parent = row.path[:depth]
                if parent in left_out:
                    break
                if parent not in elements:
                    elements[parent] = etree.SubElement(elements[parent[:-1]], parent[-1])
            parent = elements.get(row.path[:-1])
            if row.repeats:
                self.repeated[row.column] = [
                    etree.SubElement(parent, row.path[-1]) for _ in range(counts[row.column])
                ]
            else:
                # a leaf of a container left out is filled like the others and never written
                leaf = etree.Element(row.path[-1])
                if parent is not None:
                    parent.append(leaf)
                self.leaves.append(leaf)
        etree.indent(self.root, INDENT, level=1)
        self.root.tail = "\n"


class _SectionWriter:
    """Writes the header or the records by the layout rows of that section."""

    def __init__(self, rows: tuple[LayoutRow, ...], section: str):
        self.rows = tuple(row for row in rows if row.path[1] == section)
        self.columns = tuple(row.column for row in self.rows if not row.repeats)
        self.lists = tuple(row.column for row in self.rows if row.repeats)
        self.optional: dict[tuple[str, ...], list[int | str]] = {}
        for row in self.rows:
            if row.omitted:
                ancestor = row.path[: row.path.index(row.omitted) + 1]
                member = row.column if row.repeats else self.columns.index(row.column)
                self.optional.setdefault(ancestor, []).append(member)
        self.templates: dict[tuple, _Template] = {}

    def write(self, stream, record: Mapping, number: int | None) -> None:
        try:
            values = [record[column] for column in self.columns]
            lists = {column: record[column] or () for column in self.lists}
        except KeyError as error:
            raise NccisValueError(
                f"{_where(record, number)}: column {error} of the layout was not given, so its element "
                "cannot be written. The model ret_nccis_record and nccis_layout.csv must agree."
            ) from error
        _check(values, lists, self.columns, record, number)
        left_out = {
            path
            for path, members in self.optional.items()
            if not any(lists[m] if isinstance(m, str) else values[m] for m in members)
        }
        counts = {column: len(members) for column, members in lists.items()}
        shape = (frozenset(left_out), *counts.values())
        template = self.templates.get(shape)
        if template is None:
            if len(self.templates) > 200:  # shapes are few unless the lists are odd
                self.templates.clear()
            template = self.templates[shape] = _Template(self.rows, left_out, counts)
        for leaf, value in zip(template.leaves, values, strict=True):
            leaf.text = value or None
        for column, members in lists.items():
            for leaf, value in zip(template.repeated[column], members, strict=True):
                leaf.text = value or None
        stream.write(INDENT, template.root, with_tail=True)


def _where(record: Mapping, number: int | None) -> str:
    if number is None:
        return "FileHeader"
    return f"record {number} (young_persons_id {record.get('young_persons_id') or 'blank'})"


def _check(
    values: list, lists: Mapping, columns: tuple, record: Mapping, number: int | None
) -> None:
    """Raise :class:`NccisValueError` for what is not text or cannot stand in XML 1.0."""
    try:
        text = "".join([value for value in values if value is not None])
        for members in lists.values():
            text += "".join([value for value in members if value is not None])
        if ILLEGAL.search(text) is None:
            return
    except TypeError:
        pass
    fields = [*zip(columns, values, strict=True)]
    fields += [(column, value) for column, members in lists.items() for value in members]
    for column, value in fields:
        if value is None:
            continue
        if not isinstance(value, str):
            raise NccisValueError(
                f"{_where(record, number)}: {column} is {type(value).__name__} {value!r}; the return "
                "holds text only. Cast it in the model that makes the return."
            )
        found = ILLEGAL.search(value)
        if found:
            owner = record.get("owner_service_code")
            raise NccisValueError(
                f"{_where(record, number)}: {column} holds the character U+{ord(found[0]):04X} at "
                f"position {found.start() + 1}, which XML 1.0 cannot carry. It is not dropped in "
                "silence: no return is written until it is corrected in the source system"
                + (f" (owner: service {owner})." if owner else ".")
            )


def write(
    destination: Path | BinaryIO,
    header: Header,
    records: Iterable[Mapping],
    layout: tuple[LayoutRow, ...],
) -> int:
    """Write a return: the same records give the same bytes (UTF-8, LF, two spaces a level).

    Args:
        destination: path (replaced if there) or binary file. What a failed call leaves is not a return.
        header: ``root`` is not used: the layout names the root.
        records: mappings with every column of the layout, text or ``None``; ``characteristic_codes``
            is a sequence. Other keys are ignored. Taken one at a time, in the order given.
        layout: :func:`neet.nccis.layout.layout_for` of the ``PeriodEnd``.
    Returns:
        number of records written; none is a well-formed return with a header only.
    Raises:
        NccisValueError: a column is missing, not text, or holds what XML 1.0 cannot carry.
    """
    if isinstance(destination, Path):
        with destination.open("wb") as file:
            return write(file, header, records, layout)
    if not DOCTYPE_NAME.fullmatch(header.doctype or ""):
        raise NccisValueError(
            f"FileHeader: {header.doctype!r} cannot be the name in a DOCTYPE line. Mend the doctype of "
            "that requirement year in nccis_header.csv."
        )
    destination.write(DECLARATION.format(doctype=header.doctype).encode())
    header_writer, record_writer = _SectionWriter(layout, HEADER), _SectionWriter(layout, RECORD)
    number = 0
    with etree.xmlfile(destination, encoding="UTF-8") as stream:
        with stream.element(layout[0].path[0]):
            stream.write("\n")
            header_writer.write(stream, vars(header), None)
            for number, record in enumerate(records, 1):
                record_writer.write(stream, record, number)
    destination.write(b"\n")
    return number
