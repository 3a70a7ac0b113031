"""Feed contracts: what a source promised to send, as Open Data Contract Standard v3 files.

The standard's own fields hold the columns (``schema.properties``), so that other tools read them.
What it has no word for stands in ``customProperties``; :data:`EXTRAS` lists every one we obey, and
an unknown one is an error, because a misspelt tolerance would otherwise be no tolerance.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydantic
import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty

from neet.yaml_files import LOADER

TYPES = {"string": "text", "date": "date", "integer": "integer", "number": "number"}
DATE_FORMS = ("iso", "iso_time", "day_first", "day_first_time", "excel_serial")
MODES = ("snapshot", "delta", "event")
SCOPES = ("provider", "period")
FORMATS = ("csv", "xlsx", "xml", "nccis_xml")
ENCODINGS = ("utf-8", "windows-1252", "utf-16")
DELIMITERS = (",", ";", "\t", "|")
PACKINGS = (".zip", ".gz")
DUPLICATE_POLICIES = ("reject_later", "number")
PRIVACY_CLASSES = ("none", "personal", "identifier", "special_category")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Columns the loader puts in front of the contract's own; a contract may not use their names.
RAW_COLUMNS = (
    "la_code",
    "provider",
    "period",
    "row_key",
    "row_hash",
    "operation",
    "delivery_seq",
    "line_number",
)

EXTRAS = {
    "ownerService": "service that must mend what is wrong in the feed",
    "sourceSystem": "system the file is exported from",
    "cadence": "calendar event that each delivery follows",
    "delivery": "file name pattern, format, modes, scope, provider, authority, limits",
    "tolerance": "shares beyond which a delivery is held for a person",
    "duplicateKeys": "what a second row with the same key is: reject_later or number",
    "operationColumn": "column of a delta that says whether a row is written or deleted",
    "encodings": "encodings tried, in order",
    "droppableColumns": "columns outside the contract that may hold values and are not loaded",
    "layouts": "dated changes of layout, each a difference from the one before",
}
COLUMN_EXTRAS = {
    "aliases": "other headers the column has been seen under",
    "acceptedFormats": "forms in which a date may be written",
    "missingMarkers": "values that stand for a number that is not there, kept as they are",
    "retention": "how long the value is kept, where it differs from the contract's",
    "generated": "occurrence: numbered by the loader, not read from the file",
    "standIn": "columns that stand in for a key column which the source may leave blank",
    "padTo": "digits that the text has; leading zeros that a spreadsheet took are put back",
}
DELIVERY_KEYS = {
    "fileName", "example", "format", "modes", "scope", "provider", "laCode", "maxBytes",
    "maxRowCharacters", "delimiter", "maxExpandedBytes", "maxExpansionRatio", "maxMembers", "rowElement",
    "sheet", "maxRejects",
}  # fmt: skip
TOLERANCE_KEYS = {"rejectShare", "rejectRows", "shrinkShare", "shrinkRows", "closureShare"}
# Defaults of a contract, chosen by what honest files do: the XML in a workbook of our feeds has some eight
# times the size of the workbook, a CSV file that repeats itself some forty times that of its archive, and the
# worst that Deflate can do is a thousand. A workbook of Excel has a dozen parts. Rejects are held in memory
# until the delivery is decided, and nobody mends 200,000 of them one by one.
EXPANDED_TIMES, EXPANSION_RATIO, MEMBERS, REJECTS = 4, 200, 1_000, 200_000
LAYOUT_KEYS = {"name", "validFrom", "add", "remove", "rename"}


class ContractError(ValueError):
    """A contract file cannot be obeyed; the message names the file, the place and the remedy."""


@dataclass(frozen=True)
class Column:
    """One column of a feed.

    Attributes:
        name: logical name, and the name in ``raw``.
        header: name in the file.
        aliases: other headers accepted; letter case, spaces and underscores never matter.
        type: ``text``, ``date``, ``integer`` or ``number``. Values are stored as text; a date as
            ``YYYY-MM-DD``.
        required: a blank rejects the row. Only key columns may be (design rule 5).
        key_position: place in the key from 1, or ``None``.
        forms: ways a date may be written, of :data:`DATE_FORMS`.
        markers: values accepted in place of a number or integer and kept as they stand.
        privacy: one of :data:`PRIVACY_CLASSES`.
        retention: how long it is kept.
        is_generated: an occurrence number given by the loader.
        stand_in: names of columns that tell the row from others while this key column is blank.
        pad_to: digits of a text of digits; a shorter one lost its leading zeros and gets them back.
    """

    name: str
    header: str
    type: str
    description: str
    privacy: str
    retention: str
    required: bool = False
    key_position: int | None = None
    aliases: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    is_generated: bool = False
    stand_in: tuple[str, ...] = ()
    pad_to: int | None = None


@dataclass(frozen=True)
class Layout:
    """The columns a file holds from a date on.

    Attributes:
        valid_from: first day of the period a file is for; ``None`` = since ever.
        columns: in the contract's order, under the headers of that time.
    """

    name: str
    valid_from: dt.date | None
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Tolerance:
    """What a delivery may lose before a person must look at it.

    A share (0 to 1) counts only once more rows than the number beside it are concerned, so that one
    bad row in a delta of three does not stop the month.

    Attributes:
        reject_share: rejected rows of rows in.
        shrink_share: fewer keys in a snapshot than were open.
        closure_share: open keys that a snapshot would close, however many new ones it brings: a file
            of another population has the right size.
    """

    reject_share: float
    reject_rows: int
    shrink_share: float
    shrink_rows: int
    closure_share: float


@dataclass(frozen=True)
class Contract:
    """One feed's contract.

    Attributes:
        columns: every column of every layout, in the order of ``schema.properties``: the raw table.
        formats: of :data:`FORMATS`; which one a file has is read off its content.
        modes: what files of the feed may be; a pattern without a ``mode`` group has exactly one.
        scope: which open rows a snapshot speaks for: all of its ``provider``, or of its ``period``.
        provider, la_code: fixed ones, for feeds whose file name carries none.
        tags: where the feed stands in the catalogue (``F-02``), its system, and whether the layout is
            published or assumed.
        grain: what one row is.
        usage: what the feed is for.
        latency_days: how old the newest delivery may become, or ``None`` for what comes as it comes.
        delimiters: of CSV; where there are several, the one that makes most of the header is taken.
        max_bytes: of the file as it is delivered.
        max_expanded_bytes, max_expansion_ratio, max_members: of what is packed in it, an Excel workbook
            being packed too.
        max_rejects: rejected rows beyond which the file is no file of this feed.
        row_element: name of the XML element that is a row; default: every child of the root.
        sheet: name of the sheet of a workbook that holds the rows; default: the one with the header.
        sha256: of the file's text; with it the landing finds the contract a delivery was read by.
    """

    feed: str
    version: str
    title: str
    description: str
    limitations: str
    owner_service: str
    source_system: str
    cadence: str
    file_name: re.Pattern
    example: str
    formats: tuple[str, ...]
    modes: tuple[str, ...]
    scope: str
    provider: str | None
    la_code: str | None
    max_bytes: int
    max_row_characters: int
    delimiters: tuple[str, ...]
    max_expanded_bytes: int
    max_expansion_ratio: int
    max_members: int
    max_rejects: int
    row_element: str | None
    sheet: str | None
    encodings: tuple[str, ...]
    duplicate_keys: str
    operation_header: str | None
    upsert_mark: str
    delete_mark: str
    droppable: tuple[str, ...]
    tolerance: Tolerance
    columns: tuple[Column, ...]
    layouts: tuple[Layout, ...]
    path: str
    tags: tuple[str, ...] = ()
    grain: str = ""
    usage: str = ""
    latency_days: int | None = None
    sha256: str = ""
    text: str = field(default="", repr=False)

    @property
    def key(self) -> tuple[Column, ...]:
        """Key columns in key order."""
        return tuple(
            sorted(
                (column for column in self.columns if column.key_position is not None),
                key=lambda column: column.key_position,
            )
        )

    def reads_alike(self, other: Contract) -> bool:
        """Whether a row that one of the two has read is one that the other reads, as the same row."""

        def reads(contract: Contract) -> tuple:
            columns = [
                (
                    c.name, c.type, c.forms, c.markers, c.required, c.key_position, c.is_generated,
                    c.stand_in, c.pad_to,
                )
                for c in contract.columns
            ]  # fmt: skip
            return columns, contract.max_row_characters, contract.duplicate_keys

        return reads(self) == reads(other)

    def match_name(self, name: str) -> re.Match | None:
        """A file's name, taken apart by the pattern. What it is packed in may be named too: ``x.csv.gz``,
        ``x.csv.zip`` or ``x.zip``."""
        found = self.file_name.fullmatch(name)
        bare, packing = os.path.splitext(name)
        if found or packing.lower() not in PACKINGS:
            return found
        for tried in (bare, *(f"{bare}.{kind}" for kind in self.formats)):
            if found := self.file_name.fullmatch(tried):
                return found
        return None

    def layout_on(self, day: dt.date) -> Layout:
        """The layout in force for a file whose period begins on ``day``.

        Raises:
            LookupError: the file is older than the first layout known.
        """
        for layout in reversed(self.layouts):
            if layout.valid_from is None or layout.valid_from <= day:
                return layout
        first = self.layouts[0]
        raise LookupError(
            f"no layout is known for {day}: the first in {self.path} is {first.name}, "
            f"from {first.valid_from}"
        )


def normalise_header(text: str) -> str:
    """Headers are compared without regard to letter case, spaces and underscores."""
    return re.sub(r"[\s_]+", "", text).casefold()


class _Part:
    """A mapping of the contract being taken apart: every key must be known, every error names it."""

    def __init__(self, path: str, where: str, value: Any, known: Iterable[str]):
        self.path, self.where = path, where
        if not isinstance(value, Mapping):
            self.fail(f"must be a mapping, not {value!r}")
        self.value = dict(value)
        unknown = sorted(set(self.value) - set(known))
        if unknown:
            self.fail(f"unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")

    def fail(self, text: str, key: str | None = None) -> None:
        place = f"{self.where}.{key}" if key else self.where
        raise ContractError(f"{self.path}: {place}: {text}.")

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        value = self.value.get(key)
        if value is None:
            if default is ...:
                self.fail("is missing", key)
            return default
        if isinstance(value, bool) or not isinstance(value, kind):
            self.fail(f"cannot be {value!r}", key)
        return value

    def choice(self, key: str, allowed: Iterable[str], default: Any = ...) -> str:
        value = self.get(key, str, default)
        if value not in allowed:
            self.fail(f"is {value!r}; one of {', '.join(allowed)}", key)
        return value

    def names(self, key: str, allowed: Iterable[str] | None = None, default: Any = ()) -> tuple:
        value = self.get(key, list, default)
        for member in value:
            if not isinstance(member, str):
                self.fail(f"{member!r} must be text; put it in quotes", key)
            if allowed is not None and member not in allowed:
                self.fail(f"{member!r} is not one of {', '.join(allowed)}", key)
        return tuple(value)

    def share(self, key: str) -> float:
        value = float(self.get(key, (int, float)))
        if not 0 <= value <= 1:
            self.fail(f"is {value}; a share lies between 0 and 1", key)
        return value


def parse(text: str, path: str) -> Contract:
    """Read one contract.

    Args:
        text: the YAML.
        path: what to call it in messages.
    Raises:
        ContractError: it is not YAML, not ODCS v3, or says what the loader cannot obey.
    """
    try:
        source = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise ContractError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(source, dict):
        raise ContractError(f"{path}: a contract is a YAML mapping; this holds {source!r}.")
    _refuse_unknown_fields(path, "", source, OpenDataContractStandard)
    try:
        standard = OpenDataContractStandard(**source)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ContractError(
            f"{path}: {place}: {first['msg']}. See the Open Data Contract Standard, version 3."
        ) from error
    return _build(standard, text, path)


def _refuse_unknown_fields(path: str, where: str, value: Any, model: type) -> None:
    """The library ignores a misspelt field below the top level; we do not."""
    if isinstance(value, list):
        for number, member in enumerate(value):
            _refuse_unknown_fields(path, f"{where}[{number}]", member, model)
        return
    if not isinstance(value, dict):
        return
    known = {member.alias or name: member for name, member in model.model_fields.items()}
    for key, member in value.items():
        place = f"{where}.{key}" if where else str(key)
        if key not in known:
            raise ContractError(
                f"{path}: {place} is no field of the Open Data Contract Standard, version 3. Check its "
                "spelling; what the standard has no word for belongs in customProperties."
            )
        for inner in _models_in(known[key].annotation):
            _refuse_unknown_fields(path, place, member, inner)


def _models_in(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    found = [
        model
        for argument in getattr(annotation, "__args__", ())
        if not isinstance(argument, str)
        for model in _models_in(argument)
    ]
    return found[:1] if len(found) == 1 else []


def _extras(path: str, where: str, properties: list | None, known: Mapping) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member in properties or []:
        if member.property not in known:
            raise ContractError(
                f"{path}: {where}: unknown custom property {member.property!r}; known: "
                f"{', '.join(sorted(known))}."
            )
        if member.property in found:
            raise ContractError(f"{path}: {where}: {member.property} is given twice.")
        found[member.property] = member.value
    return found


def _build(standard: OpenDataContractStandard, text: str, path: str) -> Contract:
    def fail(where: str, what: str) -> None:
        raise ContractError(f"{path}: {where}: {what}.")

    if not re.fullmatch(r"v3[.]\d+[.]\d+", standard.apiVersion or ""):
        fail("apiVersion", f"is {standard.apiVersion!r}; this loader reads v3.x.y")
    if standard.kind != "DataContract":
        fail("kind", f"is {standard.kind!r}; must be DataContract")
    if not standard.version:
        fail("version", "is missing")
    feed = standard.id or ""
    if not NAME.fullmatch(feed) or len(feed) > 56:
        fail("id", f"is {feed!r}; the feed's name is lower-case letters, digits and underscores")
    if not standard.schema_ or len(standard.schema_) != 1:
        fail("schema", "must describe exactly one table")
    table = standard.schema_[0]
    if table.name != feed:
        fail("schema[0].name", f"is {table.name!r}; must be the feed's name, {feed}")
    extras = _Part(
        path,
        "customProperties",
        _extras(path, "customProperties", standard.customProperties, EXTRAS),
        EXTRAS,
    )
    delivery = _Part(path, "customProperties.delivery", extras.get("delivery", dict), DELIVERY_KEYS)
    modes = delivery.names("modes", MODES, ...)
    file_name = _pattern(delivery, modes)
    tolerance = _Part(
        path, "customProperties.tolerance", extras.get("tolerance", dict), TOLERANCE_KEYS
    )
    operation = _Part(
        path,
        "customProperties.operationColumn",
        extras.get("operationColumn", dict, {}),
        ("header", "upsert", "delete"),
    )
    if operation.value and "delta" not in modes:
        operation.fail("only a delta has one")
    retention = _retention(standard, path)
    columns = tuple(
        _column(member, number, retention, path)
        for number, member in enumerate(table.properties or [])
    )
    _check_columns(columns, path)
    if operation.value and any(column.stand_in for column in columns):
        operation.fail(
            "a row to be deleted is known by its key alone, so no column may have a standIn"
        )
    encodings = extras.names("encodings", ENCODINGS, ["utf-8"])
    max_bytes = _positive(delivery, "maxBytes", ...)
    duplicate_keys = extras.choice("duplicateKeys", DUPLICATE_POLICIES)
    has_occurrence = any(column.is_generated for column in columns)
    if has_occurrence != (duplicate_keys == "number"):
        extras.fail(
            "`number` needs one key column that is generated, and `reject_later` none",
            "duplicateKeys",
        )
    return Contract(
        feed=feed,
        version=standard.version,
        title=standard.name or feed,
        description=(table.description or "").strip(),
        limitations=((standard.description and standard.description.limitations) or "").strip(),
        owner_service=extras.get("ownerService", str),
        source_system=extras.get("sourceSystem", str),
        cadence=extras.get("cadence", str),
        file_name=file_name,
        example=delivery.get("example", str),
        formats=_formats(delivery),
        modes=modes,
        scope=delivery.choice("scope", SCOPES, "provider"),
        provider=delivery.get("provider", str, None),
        la_code=delivery.get("laCode", str, None),
        max_bytes=max_bytes,
        max_row_characters=delivery.get("maxRowCharacters", int, 20_000),
        delimiters=_delimiters(delivery),
        max_expanded_bytes=_positive(delivery, "maxExpandedBytes", EXPANDED_TIMES * max_bytes),
        max_expansion_ratio=_positive(delivery, "maxExpansionRatio", EXPANSION_RATIO),
        max_members=_positive(delivery, "maxMembers", MEMBERS),
        max_rejects=_positive(delivery, "maxRejects", REJECTS),
        row_element=delivery.get("rowElement", str, None),
        sheet=delivery.get("sheet", str, None),
        encodings=encodings,
        duplicate_keys=duplicate_keys,
        operation_header=operation.get("header", str) if operation.value else None,
        upsert_mark=operation.get("upsert", str) if operation.value else "",
        delete_mark=operation.get("delete", str) if operation.value else "",
        droppable=extras.names("droppableColumns", None, []),
        tolerance=Tolerance(
            reject_share=tolerance.share("rejectShare"),
            reject_rows=tolerance.get("rejectRows", int),
            shrink_share=tolerance.share("shrinkShare"),
            shrink_rows=tolerance.get("shrinkRows", int),
            closure_share=tolerance.share("closureShare"),
        ),
        columns=columns,
        layouts=_layouts(extras.get("layouts", list, []), columns, path),
        path=path,
        tags=tuple(standard.tags or ()),
        grain=(table.dataGranularityDescription or "").strip(),
        usage=((standard.description and standard.description.usage) or "").strip(),
        latency_days=_latency(standard, path),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
    )


def _pattern(delivery: _Part, modes: tuple[str, ...]) -> re.Pattern:
    """The file name pattern, proved on the contract's own example."""
    try:
        pattern = re.compile(delivery.get("fileName", str), re.IGNORECASE)
    except re.error as error:
        delivery.fail(f"is not a regular expression: {error}", "fileName")
    groups = set(pattern.groupindex)
    unknown = groups - {"provider", "mode", "as_at", "period", "academic_year"}
    if unknown:
        delivery.fail(f"unknown named groups {', '.join(sorted(unknown))}", "fileName")
    if not pattern.fullmatch(delivery.get("example", str)):
        delivery.fail("does not fit the pattern fileName", "example")
    if len(modes) != 1 and "mode" not in groups:
        delivery.fail("needs a named group `mode`, for there are several", "fileName")
    if delivery.value.get("format") != "nccis_xml":
        if "provider" not in groups and not delivery.value.get("provider"):
            delivery.fail("give a provider, or a named group `provider` in fileName", "provider")
        if not groups & {"as_at", "period", "academic_year"}:
            delivery.fail("needs a named group `as_at`, `period` or `academic_year`", "fileName")
    return pattern


def _positive(delivery: _Part, key: str, default: Any) -> int:
    value = delivery.get(key, int, default)
    if value < 1:
        delivery.fail(f"is {value}; a limit is a whole number from 1", key)
    return value


def _delimiters(delivery: _Part) -> tuple[str, ...]:
    """The delimiters a CSV file of the feed may have: one, or a list."""
    if isinstance(delivery.value.get("delimiter"), list):
        found = delivery.names("delimiter", DELIMITERS)
        if not found:
            delivery.fail("lists none", "delimiter")
        return found
    delimiter = delivery.get("delimiter", str, ",")
    if delimiter not in DELIMITERS:
        delivery.fail(f"is {delimiter!r}; a comma, semicolon, tab or bar", "delimiter")
    return (delimiter,)


def _formats(delivery: _Part) -> tuple[str, ...]:
    """The formats a file of the feed may have: one name, or a list."""
    if isinstance(delivery.value.get("format"), list):
        found = delivery.names("format", FORMATS)
        if not found or ("nccis_xml" in found and len(found) > 1):
            delivery.fail("lists no format, or nccis_xml beside another", "format")
        return found
    return (delivery.choice("format", FORMATS),)


def _retention(standard: OpenDataContractStandard, path: str) -> str:
    for member in standard.slaProperties or []:
        if member.property == "retention":
            return f"{member.value} {member.unit or ''}".strip()
    raise ContractError(f"{path}: slaProperties: retention is missing.")


def _latency(standard: OpenDataContractStandard, path: str) -> int | None:
    for member in standard.slaProperties or []:
        if member.property == "latency":
            value = member.value
            if member.unit != "d" or isinstance(value, bool) or not isinstance(value, int):
                raise ContractError(
                    f"{path}: slaProperties: latency is {value!r} {member.unit}; whole days, unit d"
                )
            return value
    return None


def _column(member: SchemaProperty, number: int, retention: str, path: str) -> Column:
    where = f"schema[0].properties[{number}] ({member.name})"
    extras = _Part(
        path, where, _extras(path, where, member.customProperties, COLUMN_EXTRAS), COLUMN_EXTRAS
    )
    if not NAME.fullmatch(member.name or ""):
        extras.fail("a column name is lower-case letters, digits and underscores, at most 63")
    if member.name in RAW_COLUMNS:
        extras.fail("this name belongs to the raw tables themselves; choose another")
    if member.logicalType not in TYPES:
        extras.fail(f"logicalType is {member.logicalType!r}; one of {', '.join(TYPES)}")
    if member.classification not in PRIVACY_CLASSES:
        extras.fail(
            f"classification is {member.classification!r}; one of {', '.join(PRIVACY_CLASSES)}"
        )
    if not member.description:
        extras.fail("description is missing")
    if member.required and not member.primaryKey:
        extras.fail(
            "only key columns are required: whether another value may be blank is for a rule to judge"
        )
    if member.primaryKey and (member.primaryKeyPosition or 0) < 1:
        extras.fail("primaryKeyPosition is missing")
    generated = extras.get("generated", str, None)
    if generated not in (None, "occurrence") or (generated and not member.primaryKey):
        extras.fail("generated can only be occurrence, on a key column")
    kind = TYPES[member.logicalType]
    forms = extras.names("acceptedFormats", DATE_FORMS, [])
    if (kind == "date") != bool(forms):
        extras.fail("every date column, and no other, lists its acceptedFormats")
    markers = extras.names("missingMarkers", None, [])
    if markers and kind not in ("integer", "number"):
        extras.fail("missingMarkers are for numbers; text holds any value as it is")
    pad_to = extras.get("padTo", int, None)
    if pad_to is not None and (kind != "text" or not 1 <= pad_to <= 30):
        extras.fail("padTo is a number of digits from 1 to 30, of a text column")
    return Column(
        name=member.name,
        header=member.physicalName or member.name,
        type=kind,
        description=member.description,
        privacy=member.classification,
        retention=extras.get("retention", str, retention),
        required=bool(member.required),
        key_position=member.primaryKeyPosition if member.primaryKey else None,
        aliases=extras.names("aliases", None, []),
        forms=forms,
        markers=markers,
        is_generated=generated is not None,
        stand_in=extras.names("standIn", None, []),
        pad_to=pad_to,
    )


def _check_columns(columns: tuple[Column, ...], path: str) -> None:
    names = [column.name for column in columns]
    positions = sorted(column.key_position for column in columns if column.key_position is not None)
    problem = None
    if not positions:
        problem = "no column is a primary key"
    elif positions != list(range(1, len(positions) + 1)):
        problem = f"primaryKeyPosition must count 1 to {len(positions)}; found {positions}"
    elif len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        problem = f"{', '.join(twice)} is there twice"
    elif [c.key_position for c in columns if c.is_generated] not in ([], [len(positions)]):
        problem = "the generated column must be the last of the key"
    for column in columns:
        if column.stand_in and not (column.required and column.type == "text"):
            problem = f"{column.name}: standIn is for a required key column of text"
        for name in column.stand_in:
            if name == column.name or name not in names:
                problem = f"{column.name}: standIn names {name!r}, which is no other column"
    claimed: dict[str, str] = {}
    for column in columns:
        for header in {column.name, column.header, *column.aliases}:
            other = claimed.setdefault(normalise_header(header), column.name)
            if other != column.name:
                problem = f"the header {header!r} is claimed by {other} and by {column.name}"
    if problem:
        raise ContractError(f"{path}: schema[0].properties: {problem}.")


def _layouts(source: list, columns: tuple[Column, ...], path: str) -> tuple[Layout, ...]:
    """Each layout in full, from the differences that the contract lists.

    The first holds every column except those that a later one is first to add.
    """
    parts = [
        _Part(path, f"customProperties.layouts[{number}]", value, LAYOUT_KEYS)
        for number, value in enumerate(source)
    ]
    if not parts:
        return (_layout("only", None, {column.name: column.header for column in columns}, columns),)
    known = {column.name for column in columns}
    mentioned: dict[str, str] = {}
    for part in parts:
        for key in ("add", "remove"):
            for name in part.names(key, sorted(known)):
                mentioned.setdefault(name, key)
    headers = {c.name: c.header for c in columns if mentioned.get(c.name) != "add"}
    every_header = {column.name: column.header for column in columns}
    layouts: list[Layout] = []
    for part in parts:
        for name in part.names("remove"):
            if headers.pop(name, None) is None:
                part.fail(f"{name} is not in the layout before", "remove")
        for name in part.names("add"):
            if name in headers:
                part.fail(f"{name} is already in the layout before", "add")
            headers[name] = every_header[name]
        for name, header in part.get("rename", dict, {}).items():
            if name not in headers or not isinstance(header, str):
                part.fail(f"{name}: {header!r} renames no column of this layout", "rename")
            headers[name] = header
        text = part.get("validFrom", (str, dt.date))
        try:
            day = text if isinstance(text, dt.date) else dt.date.fromisoformat(text)
        except ValueError:
            part.fail(f"is {text!r}; a date as YYYY-MM-DD", "validFrom")
        if layouts and day <= layouts[-1].valid_from:
            part.fail("layouts stand in order of date", "validFrom")
        layouts.append(_layout(part.get("name", str), day, headers, columns))
    missing = [c.name for c in columns if c.key_position and c.name not in headers]
    if missing:
        raise ContractError(f"{path}: layouts: a key column is removed: {', '.join(missing)}.")
    return tuple(layouts)


def _layout(
    name: str, day: dt.date | None, headers: Mapping[str, str], columns: tuple[Column, ...]
) -> Layout:
    return Layout(
        name=name,
        valid_from=day,
        columns=tuple(
            replace(column, header=headers[column.name])
            for column in columns
            if column.name in headers
        ),
    )


@functools.lru_cache(maxsize=256)
def _parsed(text: str, path: str) -> Contract:
    return parse(text, path)


def load_contracts(folder: Path) -> dict[str, Contract]:
    """Every ``<feed>.yml`` of a folder, by feed name.

    Raises:
        ContractError: a file is broken, or its name is not that of its feed.
    """
    contracts = {}
    for file in sorted(Path(folder).glob("*.yml")):
        contract = load_contract(file)
        contracts[contract.feed] = contract
    return contracts


def load_contract(file: Path) -> Contract:
    """One contract file.

    Raises:
        ContractError: it is broken, or its name is not that of its feed.
    """
    path = f"{file.parent.parent.name}/{file.parent.name}/{file.name}"
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(f"{path}: not UTF-8 text: {error}") from error
    contract = _parsed(text, path)
    if contract.feed != file.stem:
        raise ContractError(
            f"{path}: id: is {contract.feed!r}; the file must be called {contract.feed}.yml"
        )
    return contract
