"""Files made to do harm, or damaged on the way: refused with a code, in bounded time and memory."""

from __future__ import annotations

import io
import os
import resource
import stat
import struct
import subprocess
import sys
import time
import zipfile

import pytest
from feed_desk import TOY_HEADER, as_csv
from test_formats import CONTRACT, ROW, SHEET, TEXT, Read
from workbooks import as_gzip, as_xlsx, as_xml, as_zip, members, with_part

from neet.feeds import unpacking
from neet.feeds.contract import parse
from neet.feeds.reading import FileRefused
from neet.settings import PROJECT_ROOT

CSV = as_csv(TOY_HEADER, [ROW]).encode()
XLSX = as_xlsx(TOY_HEADER, [ROW])


@pytest.fixture
def refused(tmp_path):
    def code(content, contract=CONTRACT):
        with pytest.raises(FileRefused) as error:
            Read(tmp_path / "file", content, contract=contract)
        assert error.value.reason.rstrip().endswith(".")
        assert "Toys" in error.value.reason or "toy.yml" in error.value.reason, "whose it is"
        return error.value.code

    return code


def limits(**given):
    lines = "".join(f"\n      {name}: {value}" for name, value in given.items())
    return parse(TEXT.replace("      scope: provider", f"      scope: provider{lines}"), "toy.yml")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["a.csv", "b.csv"], "several_members"),
        ([], "empty_archive"),
        (["only/a/folder/"], "empty_archive"),
        (["../../etc/cron.d/a.csv"], "unsafe_member_name"),
        (["/etc/a.csv"], "unsafe_member_name"),
        (["..\\..\\a.csv"], "unsafe_member_name"),
        (["C:\\a.csv"], "unsafe_member_name"),
        (["a.csv"] * 2, "ambiguous_archive"),
        ([f"{n}.csv" for n in range(1_200)], "too_many_members"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_are_not_one_data_file(refused, names, code):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "" if name.endswith("/") else CSV)
    assert refused(file.getvalue()) == code


def test_archives_in_archives(refused):
    assert refused(as_zip({"a.zip": as_zip({"a.csv": CSV})})) == "nested_archive"
    assert refused(as_gzip(as_gzip(CSV))) == "nested_archive"
    assert refused(as_gzip(as_zip({"a.csv": CSV}))) == "nested_archive"


def test_links_and_passwords(refused):
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refused(file.getvalue()) == "link_in_archive"
    locked = bytearray(as_zip({"a.csv": CSV}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(signature) + offset] |= 1
    assert refused(bytes(locked)) == "encrypted_archive"
    odd = bytearray(as_zip({"a.csv": CSV}))
    odd[odd.index(b"PK\x01\x02") + 10] = 14  # LZMA
    assert refused(bytes(odd)) == "unknown_compression"
    package = "EncryptedPackage".encode("utf-16-le")
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 3_000
    assert refused(ole + package) == "password_protected"
    assert refused(ole) == "wrong_format"


def test_bombs(refused):
    zeros = CSV + b"T2,,,,\n" * 8_000_000
    small = as_zip({"a.csv": zeros})
    assert len(small) < 500_000
    assert refused(small) == "expands_too_far", "by its ratio"
    assert refused(as_gzip(zeros)) == "expands_too_far"
    assert refused(as_zip({"a.csv": CSV * 20}), limits(maxExpandedBytes=500)) == "expands_too_far"
    liar = bytearray(small)
    liar[liar.index(b"PK\x01\x02") + 24 :][:4] = b""
    at = liar.index(b"PK\x01\x02") + 24
    liar[at : at + 4] = struct.pack("<I", 100)  # says that it is small
    at = liar.index(b"PK\x03\x04") + 22
    liar[at : at + 4] = struct.pack("<I", 100)
    assert refused(bytes(liar)) == "damaged_archive"


@pytest.mark.slow
def test_bombs_dressed_as_workbooks(refused):
    rows = b'<row r="%d"/>'
    blank = b"".join(rows % n for n in range(3, 1_048_577))
    bomb = with_part(
        XLSX, SHEET, lambda part: part.replace(b"</sheetData>", blank + b"</sheetData>")
    )
    assert refused(bomb, limits(maxExpansionRatio=4)) == "expands_too_far"
    stuffed = with_part(XLSX, SHEET, lambda part: part + b" " * 300_000_000)
    assert refused(stuffed) == "expands_too_far"
    assert (
        refused(with_part(XLSX, SHEET, lambda part: part), limits(maxMembers=3))
        == "too_many_members"
    )


@pytest.mark.slow
def test_a_million_blank_rows_are_read_in_seconds(tmp_path):
    blank = b"".join(
        b'<row r="%d" s="1"><c r="A%d" s="1"/></row>' % (n, n) for n in range(3, 1_048_577)
    )
    content = with_part(
        XLSX, SHEET, lambda part: part.replace(b"</sheetData>", blank + b"</sheetData>")
    )
    began = time.process_time()
    found = Read(tmp_path / "file", content)
    assert found.values == {"T1": ROW}
    assert time.process_time() - began < 20


FAR = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from test_formats import Read
found = Read(Path(sys.argv[3]), Path(sys.argv[3]).read_bytes())
peak = next(x for x in open("/proc/self/status") if x.startswith("VmHWM"))
print(found.rules, len(found.rows), int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
def test_two_cells_far_apart_do_not_ask_for_all_between_them(tmp_path):
    """A reader that keeps sheets whole needs 700 million cells for this one."""
    path = tmp_path / "far.xlsx"
    path.write_bytes(
        as_xlsx(TOY_HEADER, [ROW], lambda book: book.active.cell(1_048_576, 700, "far"))
    )
    done = subprocess.run(
        [sys.executable, "-c", FAR, PROJECT_ROOT / "plugins", os.path.dirname(__file__), path],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rules, count, megabytes = done.stdout.rsplit(maxsplit=2)
    assert rules == "[(1048576, 'column_count')]" and count == "1"
    assert int(megabytes) < 400
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 1 << 30, "only the child was limited"


def test_a_cell_beyond_any_feed(refused):
    far = as_xlsx(TOY_HEADER, [ROW], lambda book: book.active.cell(5, 16_384, "far"))
    assert refused(far) == "too_many_columns"


def test_cells_longer_than_excel_allows(tmp_path, refused):
    long = as_xlsx(TOY_HEADER, [ROW, ["T2", "LONG", "", "", ""]])
    grown = with_part(long, SHEET, lambda part: part.replace(b"LONG", b"x" * 40_000))
    assert Read(tmp_path / "file", grown).rules == [(3, "row_too_long")]
    huge = with_part(long, SHEET, lambda part: part.replace(b"LONG", b"x" * 3_000_000))
    assert refused(huge) == "damaged_workbook"
    assert refused(as_xml(TOY_HEADER, [["T1", "x" * 3_000_000, "", "", ""]])) == "damaged_xml"


LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE t [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<t><r><ItemID>&c;</ItemID></r></t>"""
OUTSIDE = (
    b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><t><r><ItemID>&x;</ItemID></r></t>'
)
REMOTE = b'<!DOCTYPE t SYSTEM "http://example.invalid/t.dtd"><t><r><ItemID>1</ItemID></r></t>'


@pytest.mark.parametrize("xml", [LAUGHS, OUTSIDE, REMOTE])
@pytest.mark.parametrize(
    "place", ["feed", SHEET, "xl/workbook.xml", "xl/styles.xml", "_rels/.rels"]
)
def test_entities_are_refused_wherever_they_stand(refused, xml, place):
    if place == "feed":
        assert refused(xml) == "hostile_xml"
        assert refused(xml.decode().encode("utf-16")) == "hostile_xml"
    else:
        assert refused(with_part(XLSX, place, lambda _: xml)) == "hostile_xml"


@pytest.mark.parametrize(
    "xml",
    [
        b"<t><r>",
        b"<t><r><ItemID>1</r></t>",
        b"<t>" + b"<r>" * 500 + b"</r>" * 500 + b"</t>",
        b"<t><r " + b"a" * 3_000_000,
        b"<t>&nbsp;</t>",
        b'<?xml version="1.0" encoding="martian"?><t/>',
        b"<t>" + b"".join(b"<r><c%d/></r>" % n for n in range(1_100)) + b"</t>",
    ],
)
def test_broken_xml(refused, xml):
    assert refused(xml) in ("damaged_xml", "hostile_xml")


def test_truncated_anywhere(tmp_path):
    """Of every format and packing: refused, or so many rows as are there."""
    rows = [[f"T{n}", "thing", "2021-09-01", n, "1.5"] for n in range(50)]
    plain = [as_xlsx(TOY_HEADER, rows), as_xml(TOY_HEADER, rows), as_csv(TOY_HEADER, rows).encode()]
    whole = [*plain, *(as_zip({"x": content}) for content in plain), *map(as_gzip, plain)]
    whole.append(as_csv(TOY_HEADER, rows).encode("utf-16"))
    refusals = set()
    for content in whole:
        for part in range(1, 20):
            try:
                Read(tmp_path / "file", content[: len(content) * part // 20])
            except FileRefused as refusal:
                refusals.add(refusal.code)
    assert {"damaged_archive", "damaged_xml", "unknown_encoding"} <= refusals


def test_parts_that_are_missing_or_contradict(refused):
    def without(name):
        return as_zip({key: value for key, value in members(XLSX).items() if key != name})

    assert refused(without(SHEET)) == "damaged_workbook"
    assert refused(without("xl/workbook.xml")) == "damaged_workbook"
    assert refused(without("xl/_rels/workbook.xml.rels")) == "empty_file"
    backwards = with_part(
        as_xlsx(TOY_HEADER, [ROW, ROW]), SHEET, lambda part: part.replace(b'<row r="3">', b'<row r="1">')
    )  # fmt: skip
    assert refused(backwards) == "damaged_workbook"
    lost = with_part(XLSX, SHEET, lambda part: part.replace(b't="n"><v>3', b't="s"><v>3', 1).replace(
        b'<c r="E2" t="inlineStr"><is><t>1.5</t></is>', b'<c r="E2" t="s"><v>99</v>'))  # fmt: skip
    assert refused(lost) == "damaged_workbook"
    assert refused(as_zip({"[Content_Types].xml": b"", "word/document.xml": b""})) == "wrong_format"
    assert refused(as_zip({"mimetype": b"x", "content.xml": b""})) == "wrong_format"
    assert refused(as_zip({"[Content_Types].xml": b"", "xl/workbook.bin": b""})) == "wrong_format"


def test_nothing_unpacked_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for content in (
        as_zip({"a": CSV}),
        as_gzip(XLSX),
        as_gzip(CSV[:20]),
        as_zip({"a": b"<t>"}),
        XLSX,
    ):
        try:
            Read(tmp_path / "file", content)
        except FileRefused:
            pass
        assert list((tmp_path / "temporary").iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before, "and no file left open"


@pytest.mark.slow
def test_rejects_without_end(refused, tmp_path):
    rows = as_csv(TOY_HEADER, [ROW] * 61).encode()
    assert len(Read(tmp_path / "file", rows, contract=limits(maxRejects=60)).rejects) == 60
    assert refused(rows, limits(maxRejects=59)) == "mostly_unreadable"
    assert refused(CSV + b"T1,,,,\n" * 300_000) == "mostly_unreadable"
