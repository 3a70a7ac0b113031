"""Feed files made from contracts, and what can happen to them on their way."""

from __future__ import annotations

import gzip
import io
import random
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from feed_desk import DATA, as_csv
from workbooks import as_gzip, as_xlsx, as_xml, as_zip, members

from neet.feeds import landing
from neet.feeds.contract import Contract

NAMES = [
    "Ann",
    "Zoë",
    "O'Neill",
    "Smith-Jones",
    "Łukasz",
    "de la Cruz",
    "=1+1",
    "a, b",
    'the "one"',
]
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be", "utf-32", "cp037", "utf-7"]


@dataclass(frozen=True)
class Made:
    """A file before anything happened to it."""

    name: str
    content: bytes
    kind: str
    count: int


def make(contract: Contract, chance: random.Random, kind: str | None = None) -> Made:
    """A good file of a feed, in one of its formats, plain or packed."""
    kind = kind or chance.choice(contract.formats)
    if kind == "nccis_xml":
        return Made(contract.example, (DATA / "nccis_return_small.xml").read_bytes(), kind, 0)
    name = contract.example
    groups = contract.match_name(name).groupdict()
    period = groups.get("period") or (
        f"AY{groups['academic_year']}" if groups.get("academic_year") else None
    )
    if period is None:
        day = groups["as_at"]
        period = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    columns = [
        c for c in contract.layout_on(landing.first_day(period)).columns if not c.is_generated
    ]
    is_delta = (groups.get("mode") or contract.modes[0]).lower() == "delta"
    header = [column.header for column in columns]
    rows = []
    count = chance.randint(2, 30)
    for number in range(count):
        rows.append([_value(column, number, chance) for column in columns])
    if is_delta and contract.operation_header:
        header.append(contract.operation_header)
        for row in rows:
            row.append(contract.upsert_mark)
    if kind == "xlsx":
        content = as_xlsx(header, rows, _without_formulas)
    elif kind == "xml":
        content = as_xml([re.sub(r"\W|^\d+", "", name) or "Unnamed" for name in header], rows)
    else:
        text = as_csv(header, rows, chance.choice(["\n", "\r\n"]))
        content = text.encode(chance.choice(["utf-8", "utf-8-sig"]))
    packing = chance.choice(["", "", ".zip", ".gz"])
    if packing == ".zip":
        content = as_zip({name: content})
    elif packing == ".gz":
        content = as_gzip(content)
    return Made(name + packing, content, kind, count)


def _without_formulas(book) -> None:
    for row in book.active.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                cell.data_type = "s"


def _value(column, number: int, chance: random.Random) -> str:
    if column.key_position is not None and column.type == "text":
        return f"K{number}"
    if column.type == "date":
        day, month = chance.randint(1, 28), chance.randint(1, 12)
        if column.key_position is not None:
            day, month = number % 28 + 1, number // 28 + 1
        iso = f"2021-{month:02}-{day:02}"
        return iso if "iso" in column.forms else f"{day:02}/{month:02}/2021"
    if column.type in ("integer", "number"):
        return str(number)
    return chance.choice(NAMES) if chance.random() < 0.7 else ""


Mutation = Callable[[bytes, random.Random], bytes]


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 3, 30])):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def cut_inside(content: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[last:]


def repeat(content: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:last] + content[first:last] * chance.choice([1, 2, 5]) + content[last:]


def insert(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    what = chance.choice(
        [b'"', b'""', b"\0", b"\0" * 500, b"\r", b"\n", b",", b";", b"\x1f", b"\x1e", b"\x1a", b"\xff\xfe",
         b"\xef\xbb\xbf", b"<", b"&a;", b"]]>", b"\\", b"|", b"'", b"\x80", b"\xed\xa0\x80", b"\xef\xbf\xbf",
         b"x" * 30_000, b"9" * 5_000, b'"' + b"y" * 30_000 + b'"', b"<!DOCTYPE x [<!ENTITY a 'b'>]>"]
    )  # fmt: skip
    return content[:at] + what + content[at:]


def swap_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def double_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    return b"\n".join(lines[:at] + [lines[at]] * chance.choice([2, 3, 40]) + lines[at + 1 :])


def change_header(content: bytes, chance: random.Random) -> bytes:
    header, newline, rest = content.partition(b"\n")
    cells = header.split(b",")
    at = chance.randrange(len(cells))
    how = chance.randrange(6)
    if how == 0:
        cells[at] = cells[at].lower()
    elif how == 1:
        del cells[at]
    elif how == 2:
        cells.insert(at, cells[at])
    elif how == 3:
        chance.shuffle(cells)
    elif how == 4:
        cells[at] += b"2"
    else:
        cells.append(b"Unheard of")
    return b",".join(cells) + newline + rest


def swap_encoding(content: bytes, chance: random.Random) -> bytes:
    text = content.decode(chance.choice(["utf-8", "cp1252"]), "replace")
    return text.encode(chance.choice(ENCODINGS), "replace")


def swap_delimiter(content: bytes, chance: random.Random) -> bytes:
    return content.replace(b",", chance.choice([b";", b"\t", b"|", b":", b" "]))


def damage_structure(content: bytes, chance: random.Random) -> bytes:
    """Take an archive or workbook apart, change a member, and put it together again."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return change_markup(content, chance)
    try:
        parts = members(content)
    except Exception:  # damaged already
        return content
    names = list(parts)
    if not names:
        return content
    name = chance.choice([n for n in names if "sheet" in n or "workbook" in n] or names)
    how = chance.randrange(8)
    if how == 0:
        del parts[chance.choice(names)]
    elif how == 1:
        parts[chance.choice(["../x.csv", "/x.csv", "second.csv", "link", name + "2"])] = (
            b"ItemID\n1\n"
        )
    elif how == 2:
        parts["deeper.zip"] = as_zip({"x": b"x"})
    elif how == 3:
        parts[f"x/{name}"] = parts.pop(name)
    else:
        parts[name] = chance.choice([flip, cut, cut_inside, repeat, insert, change_markup, change_markup])(
            parts[name], chance
        )  # fmt: skip
    return as_zip(parts)


def change_markup(content: bytes, chance: random.Random) -> bytes:
    old, new = chance.choice(
        [(b"<row", b"<raw"), (b' r="', b' R="'), (b't="inlineStr"', b't="s"'), (b't="n"', b't="e"'),
         (b"<v>", b"<f>1+1</f><v>"), (b"<v>", b"<v>x"), (b"<is>", b"<is><rPh>"), (b"</c>", b""), (b"<t>", b"<t/><t>"),
         (b'r="A', b'r="XFD'), (b'r="B', b'r="ZZZZ'), (b'r="2"', b'r="99999999"'), (b'r="3"', b'r="1"'),
         (b"</sheetData>", b'</sheetData><mergeCells><mergeCell ref="A1:ZZ1048576"/></mergeCells>'),
         (b'state="visible"', b'state="hidden"'), (b"<sheet ", b'<sheet state="hidden" '), (b"utf-8", b"utf-16"),
         (b"utf-8", b"martian"), (b"?>", b'?><!DOCTYPE a [<!ENTITY x "y">]>'), (b"</", b"<"), (b"</Thing>", b""),
         (b"<Thing>", b'<Thing a="1" b="2">'), (b"<Thing>", b"<Thing><Thing>"), (b"Things", b"x:Things")]
    )  # fmt: skip
    return content.replace(old, new, chance.choice([1, 2, -1]))


def repack(content: bytes, chance: random.Random) -> bytes:
    return chance.choice(
        [as_gzip, lambda inner: as_zip({"x.csv": inner}), lambda inner: inner[::-1]]
    )(content)


MUTATIONS: list[Mutation] = [
    flip, flip, cut, cut_inside, repeat, insert, insert, swap_lines, double_lines, change_header, swap_encoding,
    swap_delimiter, damage_structure, damage_structure, change_markup, repack,
]  # fmt: skip


def mutate(made: Made, chance: random.Random) -> bytes:
    """One to three things happen to a file: often to what is packed in it, for damage outside is soon told."""
    content = made.content
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        mutation = chance.choice(MUTATIONS)
        if made.kind == "xlsx" and chance.random() < 0.5:
            mutation = damage_structure
        if made.name.endswith(".gz") and content[:2] == b"\x1f\x8b" and chance.random() < 0.8:
            try:
                inner = gzip.decompress(content)
            except (OSError, EOFError, zlib.error):
                continue
            content = as_gzip(mutation(inner, chance))
        elif made.name.endswith(".zip") and chance.random() < 0.8:
            try:
                inside = members(content)
            except Exception:  # damaged already
                continue
            content = as_zip({name: mutation(inner, chance) for name, inner in inside.items()})
        elif content:
            content = mutation(content, chance)
    return content
