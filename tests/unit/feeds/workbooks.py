"""Workbooks and archives for the tests: honest ones by openpyxl, the others by taking those apart."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterable

import openpyxl


def as_xlsx(
    header: Iterable,
    rows: Iterable[Iterable],
    change: Callable[[openpyxl.Workbook], None] | None = None,
    title: str = "Data",
) -> bytes:
    """A workbook of one sheet; ``change`` may do to it what it likes."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    sheet.append(list(header))
    for row in rows:
        sheet.append(list(row))
    if change:
        change(book)
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    parts = members(file.getvalue())
    # the same content is the same bytes, whenever it is made
    moment = rb"\d{4}-\d\d-\d\dT[\d:]+Z"
    parts["docProps/core.xml"] = re.sub(moment, b"2021-12-31T00:00:00Z", parts["docProps/core.xml"])
    return as_zip(parts)


def as_zip(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def as_gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_part(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """A workbook or archive with one of its members changed."""
    parts = members(content)
    parts[part] = change(parts[part])
    return as_zip(parts)


def as_xml(header: Iterable[str], rows: Iterable[Iterable], root="Things", row="Thing") -> bytes:
    from lxml import etree

    top = etree.Element(root)
    names = list(header)
    for cells in rows:
        element = etree.SubElement(top, row)
        for name, cell in zip(names, cells, strict=True):
            if cell not in ("", None):
                etree.SubElement(element, name).text = str(cell)
    return etree.tostring(top, xml_declaration=True, encoding="utf-8", pretty_print=True)
