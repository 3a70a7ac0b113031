"""Workbooks and archives for the tests: honest ones by openpyxl, the others by taking those apart."""

from __future__ import annotations

import gzip
import io
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
    for row in sheet.iter_rows():
        for cell in row:
            if cell.data_type == "f" and not isinstance(cell.value, str):
                cell.data_type = "s"
    if change:
        change(book)
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def as_zip(members: dict[str, bytes], **given) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, **given) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
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
