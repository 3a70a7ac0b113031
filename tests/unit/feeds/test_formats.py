"""Workbooks, XML and archives, as they really arrive, read without a database."""

from __future__ import annotations

import datetime as dt
import io
import random

import openpyxl
import pytest
import python_calamine
from feed_desk import TOY, TOY_HEADER, as_csv
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from workbooks import as_gzip, as_xlsx, as_xml, as_zip, members, saved, with_part

from neet.feeds import reading, workbook
from neet.feeds.contract import ContractError, parse
from neet.feeds.profile import profile
from neet.feeds.reading import FileRefused, open_file

TEXT = (
    TOY.read_text()
    .replace("format: csv", "format: [csv, xlsx, xml]\n      delimiter: [',', ';', \"\\t\"]")
    .replace("value: [utf-8, windows-1252]", "value: [utf-8, windows-1252, utf-16]")
    .replace("[.]csv'", "[.](csv|xlsx|xml)'")
)
CONTRACT = parse(TEXT, "expectations/feeds/toy.yml")
ROW = ["T1", "thing", "2021-09-01", "3", "1.5"]
TYPED = ["T1", "thing", dt.date(2021, 9, 1), 3, 1.5]
SHEET = "xl/worksheets/sheet1.xml"


class Read:
    """Everything a reading says of a file."""

    def __init__(self, path, content, mode="snapshot", contract=CONTRACT):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        opened = open_file(path, contract, contract.layouts[0], mode, profile(path))
        try:
            self.rows = [row for block in opened.blocks() for row in block]
        finally:
            opened.close()
        self.rejects = opened.rejects
        self.rows_in = opened.rows_in
        self.warnings = opened.warnings
        assert opened.rows_in == len(self.rows) + len(self.rejects)

    @property
    def values(self):
        return {row[1]: row[4].split(reading.SEPARATOR) for row in self.rows}

    @property
    def rules(self):
        return [(reject.line_number, reject.rule) for reject in self.rejects]


@pytest.fixture
def read(tmp_path):
    return lambda content, name="file.xlsx", **given: Read(tmp_path / name, content, **given)


@pytest.fixture
def refused(read):
    def code(content, name="file.xlsx", **given):
        with pytest.raises(FileRefused) as error:
            read(content, name, **given)
        assert error.value.reason.rstrip().endswith("."), "a sentence"
        assert "Toys" in error.value.reason or "toy.yml" in error.value.reason, "whose it is"
        return error.value.code

    return code


def first_sheet(change):
    return lambda book: change(book.active)


def titled(sheet):
    sheet.insert_rows(1, 3)
    sheet["A1"] = "Things of the toy box"
    sheet["B2"] = dt.date(2021, 12, 31)


def trailing(sheet):
    for row in range(5, 60):
        for column in range(1, 20):
            sheet.cell(row, column).number_format = "0.00"
    sheet["H1"].font = openpyxl.styles.Font(bold=True)


DRESSES = {
    "as a workbook": as_xlsx(TOY_HEADER, [ROW]),
    "typed": as_xlsx(TOY_HEADER, [TYPED]),
    "title rows": as_xlsx(TOY_HEADER, [TYPED], first_sheet(titled)),
    "formatted blanks": as_xlsx(TOY_HEADER, [TYPED], first_sheet(trailing)),
    "serial": as_xlsx(TOY_HEADER, [["T1", "thing", 44440, 3, 1.5]]),
    "day first text": as_xlsx(TOY_HEADER, [["T1", "thing", "1/9/2021", "3", "1.50"[:3]]]),
    "reordered": as_xlsx(TOY_HEADER[::-1], [TYPED[::-1]]),
    "renamed, odd case": as_xlsx(["item id", "CAPTION", "made_on", "Size", " price "], [TYPED]),
    "a column further right": as_xlsx(["", *TOY_HEADER, "Remarks"], [["", *TYPED, "x"]]),
    "xml": as_xml(TOY_HEADER, [ROW]),
    "xml, utf-16": as_xml(TOY_HEADER, [ROW]).decode().replace("utf-8", "utf-16").encode("utf-16"),
    "xml, attributes": b'<x:Toys xmlns:x="urn:x"><x:T itemid="T1" Label="thing" MadeOn="01/09/2021" Size="3" '
    b'Price="1.5"/></x:Toys>',
    "csv": as_csv(TOY_HEADER, [ROW]).encode(),
    "semicolons": as_csv(TOY_HEADER, [ROW]).replace(",", ";").encode(),
    "tabs": as_csv(TOY_HEADER, [ROW]).replace(",", "\t").encode(),
    "unicode text": as_csv(TOY_HEADER, [ROW], "\r\n").replace(",", "\t").encode("utf-16"),
    "big-endian": b"\xfe\xff" + as_csv(TOY_HEADER, [ROW]).encode("utf-16-be"),
    "excel says sep": b"sep=;\r\n" + as_csv(TOY_HEADER, [ROW]).replace(",", ";").encode(),
    "titled csv": b"Things of the toy box,,,,\n\n" + as_csv(TOY_HEADER, [ROW]).encode(),
}  # fmt: skip


@pytest.mark.parametrize("packing", ["plain", "zip", "gzip"])
@pytest.mark.parametrize("dress", DRESSES)
def test_the_same_row_whatever_it_comes_in(read, dress, packing):
    content = DRESSES[dress]
    if packing == "zip":
        content = as_zip({"folder/": b"", "folder/data.bin": content, "__MACOSX/._data": b"x"})
    elif packing == "gzip":
        content = as_gzip(content)
    found = read(content, "delivered_file")
    assert found.values == {"T1": ROW}
    assert found.rows[0][2] == reading.row_hash(reading.SEPARATOR.join(ROW)), "so nothing changed"
    assert [w for w in found.warnings if "skipped" not in w and "outside" not in w] == []


def test_what_a_file_is_its_content_says_and_a_false_name_is_warned_of(read, refused):
    found = read(DRESSES["typed"], "things.csv")
    assert found.values == {"T1": ROW}
    assert "ends in .csv, but the content is an Excel workbook" in found.warnings[0]
    found = read(DRESSES["csv"], "things.xlsx.zip")
    assert "ends in .xlsx, but the content is a CSV file" in found.warnings[0]
    only_csv = parse(TOY.read_text(), "expectations/feeds/toy.yml")
    assert refused(DRESSES["typed"], "things.csv", contract=only_csv) == "not_csv"
    assert refused(DRESSES["xml"], "things.csv", contract=only_csv) == "not_csv"
    assert refused(DRESSES["unicode text"], "things.csv", contract=only_csv) == "not_csv"
    assert refused(b"<html><table><tr><td>ItemID</table>", "things.xlsx") == "wrong_format"
    assert refused(b"%PDF-1.7 ...", "things.xlsx") == "wrong_format"


def cell(name, value, number_format=None, data_type=None):
    def change(sheet):
        sheet[name] = value
        if number_format:
            sheet[name].number_format = number_format
        if data_type:
            sheet[name].data_type = data_type

    return first_sheet(change)


@pytest.mark.parametrize(
    ("name", "value", "number_format", "read_as"),
    [
        ("B2", 1234, "0000000", "0001234"),
        ("B2", 1234, "0000000;-0000000", "0001234"),
        ("B2", 1234567890, "General", "1234567890"),
        ("B2", 12345678901234567, "0", "12345678901234600"),
        ("B2", 0.1 + 0.2, "General", "0.3"),
        ("B2", 1e-7, "General", "0.0000001"),
        ("B2", True, "General", "TRUE"),
        ("B2", "a\nb", "General", "a\nb"),
        ("B2", "00123", "@", "00123"),
        ("B2", 1e21, "General", "1000000000000000000000"),
        ("C2", dt.datetime(2021, 9, 1), "dd/mm/yyyy", "2021-09-01"),
        ("C2", dt.datetime(2021, 9, 1, 13, 30), "d mmm yy hh:mm", "2021-09-01"),
        ("C2", 44440, '[$-809]dddd, d mmmm yyyy', "2021-09-01"),
        ("C2", 44440.0, "General", "2021-09-01"),
        ("D2", 16.0, "0.00", "16"),
        ("E2", 0.505, "0.0%", "0.505"),
        ("E2", -1234.5, '#,##0.00;[Red]"minus" 0', "-1234.5"),
    ],
)  # fmt: skip
def test_the_stored_value_counts_never_its_look(read, name, value, number_format, read_as):
    found = read(as_xlsx(TOY_HEADER, [TYPED], cell(name, value, number_format)))
    assert found.values["T1"][ord(name[0]) - ord("A")] == read_as
    if "%" in number_format:
        assert "'Price': shown as per cent" in found.warnings[0]
    if "E17" in f"{float(value) if isinstance(value, int) else 0:E}":
        assert "more than 15 digits" in found.warnings[0]


def test_day_numbers_of_old_macs(read):
    def change(book):
        book.epoch = CALENDAR_MAC_1904
        book.active["C3"] = 44440 - 1462

    rows = [
        ["T1", "", dt.date(2021, 9, 1), 3, 1],
        ["T2", "", "", 3, 1],
        ["T3", "", "1/9/2021", 3, 1],
    ]
    found = read(as_xlsx(TOY_HEADER, rows, change))
    assert {key: values[2] for key, values in found.values.items()} == dict.fromkeys(
        ("T1", "T2", "T3"), "2021-09-01"
    )


def formula(result: bytes):
    """T2 with a formula in its label, and its last result."""
    content = as_xlsx(TOY_HEADER, [ROW, ["T2", "=A2", "", "", ""]])
    return with_part(
        content, SHEET, lambda part: part.replace(b"<v></v>", result).replace(b"<v />", result).replace(b"<v/>", result)
    )  # fmt: skip


def test_a_formula_is_its_last_result(read):
    found = read(formula(b"<v>7</v>"))
    assert found.values["T2"][1] == "7"
    found = read(formula(b""))
    assert found.rules == [(3, "formula_not_calculated")] and found.values == {"T1": ROW}
    reject = found.rejects[0]
    assert (reject.row_key, reject.column) == (
        "T2",
        "Label",
    ) and "Open the file in Excel" in reject.reason


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#VALUE!"])
def test_an_error_is_not_a_blank(read, error):
    rows = [ROW, ["T2", "", "", "", ""], ["T3", "", "", "", ""]]
    found = read(as_xlsx(TOY_HEADER, rows, cell("B3", error, data_type="e")))
    assert set(found.values) == {"T1", "T3"}
    (reject,) = found.rejects
    assert (reject.line_number, reject.row_key, reject.column, reject.value, reject.rule) == (
        3, "T2", "Label", error, "formula_error",
    )  # fmt: skip
    assert error in reject.reason and "Owner: Toys" in reject.reason
    found = read(as_xlsx(TOY_HEADER, rows, cell("A3", error, data_type="e")))
    assert found.rejects[0].row_key is None, "so this delivery closes nothing"
    found = read(as_xlsx([*TOY_HEADER, "Note"], [[*ROW, ""]], cell("F2", error, data_type="e")))
    assert found.values == {"T1": ROW}, "what is not loaded may be as wrong as it likes"


def test_merged_cells_are_nobodys(read):
    rows = [[f"T{n}", "same", "", n, ""] for n in range(1, 5)]
    found = read(as_xlsx(TOY_HEADER, rows, first_sheet(lambda sheet: sheet.merge_cells("B3:B4"))))
    assert found.rules == [(4, "merged_cells")] and set(found.values) == {"T1", "T2", "T4"}
    assert found.rejects[0].row_key == "T3"
    found = read(as_xlsx(TOY_HEADER, rows, first_sheet(lambda sheet: sheet.merge_cells("G3:H4"))))
    assert found.rules == []


def test_the_sheet_with_the_header_is_the_data(read, refused):
    def more(name, header=None, state="visible", first=False):
        def change(book):
            sheet = book.create_sheet(name, 0 if first else None)
            for row in [header or ["Read me"], ROW]:
                sheet.append(row)
            sheet.sheet_state = state

        return change

    found = read(as_xlsx(TOY_HEADER, [ROW], more("Notes", first=True)))
    assert found.values == {"T1": ROW}
    assert found.warnings == ["Read from sheet 'Data'. Not read: 'Notes'."]
    found = read(as_xlsx(TOY_HEADER, [ROW], more("Old", TOY_HEADER, "hidden")))
    assert found.warnings == ["Read from sheet 'Data'. Not read: 'Old' (hidden)."]
    assert refused(as_xlsx(TOY_HEADER, [ROW], more("Year 13", TOY_HEADER))) == "several_data_sheets"
    hidden = as_xlsx(["Read me"], [], more("Real", TOY_HEADER, "veryHidden"))
    assert refused(hidden) == "hidden_sheet"
    assert refused(as_xlsx([], [])) == "empty_file"
    assert refused(as_xlsx(TOY_HEADER[:4], [ROW[:4]])) == "missing_columns"
    assert refused(as_xlsx([*TOY_HEADER, "Price"], [[*ROW, 1]])) == "ambiguous_header"
    named = parse(
        TEXT.replace("scope: provider", "scope: provider\n      sheet: year 13"), "toy.yml"
    )
    found = read(as_xlsx(TOY_HEADER, [], more("Year 13", TOY_HEADER)), contract=named)
    assert found.values == {"T1": ROW} and "Not read: 'Data'" in found.warnings[0]
    assert read(as_xlsx(TOY_HEADER, [])).rows_in == 0, "a nil return"


def test_hidden_rows_are_rows_and_wide_ones_are_rejected(read):
    def change(sheet):
        sheet.row_dimensions[2].hidden = True
        sheet["H3"] = "stray"

    found = read(as_xlsx(TOY_HEADER, [ROW, ["T2", "", "", "", ""]], first_sheet(change)))
    assert found.rules == [(3, "column_count")] and "Row 3 has 8 columns" in found.rejects[0].reason
    assert "1 hidden rows" in found.warnings[0]


def test_deltas_and_duplicates_in_a_workbook(read):
    rows = [
        [*ROW, "U"],
        ["T2", "", "", "", "", "D"],
        ["T1", "x", "", "", "", "U"],
        ["T4", "", "", "", "", "?"],
    ]
    found = read(as_xlsx([*TOY_HEADER, "Operation"], rows), mode="delta")
    assert [(row[0], row[1], row[3]) for row in found.rows] == [(2, "T1", "U"), (3, "T2", "D")]
    assert found.rules == [(4, "duplicate_key"), (5, "unknown_operation")]


def test_many_rows_by_blocks_are_as_row_by_row(read, monkeypatch):
    chance = random.Random(4)
    rows = [
        [f"T{n}", chance.choice(["a", "b\nc", "ünï", "x|y"]), dt.date(2020, 1, 1) + dt.timedelta(n), n, n / 8]
        for n in range(2_500)
    ]  # fmt: skip
    rows[1_700][3] = "many"
    rows[1_800][1] = "odd _x0001_"
    content = as_xlsx(TOY_HEADER, rows)
    found = read(content)
    assert found.rules == [(1702, "not_an_integer"), (1802, "control_character")]
    monkeypatch.setattr(reading.TableReading, "_at_once", lambda *_: None)
    again = read(content)
    assert (found.rows, found.rejects) == (again.rows, again.rejects)


cells = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]), max_size=12),
    st.integers(-(10**9), 10**9),
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: float(f"{x:.10g}")),
    st.booleans(),
    st.dates(dt.date(1950, 1, 1), dt.date(2050, 1, 1)),
    st.none(),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(cells, min_size=1, max_size=6), min_size=1, max_size=8))
def test_cells_are_what_another_library_says(tmp_path_factory, table):
    """calamine reads the same values where both can tell: it takes errors and formulas for blanks."""
    book = openpyxl.Workbook()
    for row in table:
        book.active.append(row)
    for row in book.active.iter_rows():
        for one in row:
            if one.data_type in ("f", "e"):
                one.data_type = "s"
    path = tmp_path_factory.mktemp("x") / "file.xlsx"
    path.write_bytes(saved(book))
    opened = open_workbook(path)
    ours = dict(opened.rows(opened.sheets[0]))
    opened.close()
    theirs = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0)
    first = theirs.start[0] if theirs.start else 0
    left = theirs.start[1] if theirs.start else 0
    for number, row in enumerate(theirs.to_python(skip_empty_area=True), first + 1):
        mine = ours.get(number, [])[left:]
        mine += [""] * (len(row) - len(mine))
        assert mine == [as_text(value) for value in row]


def as_text(value):
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return workbook.plain_number(repr(value))
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def open_workbook(path):
    from neet.feeds.unpacking import Content

    found = profile(path)
    return workbook.Workbook(Content("xlsx", path.name, found, found.size, path=path), CONTRACT)


def test_xml_rows_that_are_not_plain(read, refused):
    xml = b"""<?xml version="1.0"?>
<Toys><Made>2021</Made>
 <T><ItemID>T1</ItemID><Label>thing</Label><MadeOn>2021-09-01</MadeOn><Size>3</Size><Price>1.5</Price></T>
 <T><ItemID>T2</ItemID><Label>a</Label><Label>b</Label></T>
 <T><ItemID>T3</ItemID><Size>soon</Size></T>
 <T><Who><ItemID>T4</ItemID></Who><Label><![CDATA[a & b]]></Label></T>
</Toys>"""
    rows = parse(TEXT.replace("scope: provider", "scope: provider\n      rowElement: T"), "toy.yml")
    found = read(xml, "file.xml", contract=rows)
    assert found.values["T1"] == ROW and found.values["T4"][1] == "a & b"
    assert found.rules == [(4, "repeated_element"), (5, "not_an_integer")]
    assert [reject.row_key for reject in found.rejects] == ["T2", "T3"]
    assert read(b"<Toys/>", "file.xml").rows_in == 0, "a nil return"
    assert refused(b"<Toys><Other/></Toys>", "file.xml", contract=rows) == "unknown_layout"
    # blank in every row, so left out; or renamed, which must not blank it for everybody
    assert read(b"<T><R><ItemID>T9</ItemID></R></T>", "f.xml").values == {
        "T9": ["T9", "", "", "", ""]
    }
    assert (
        refused(b"<T><R><ItemID>T9</ItemID><Colour>red</Colour></R></T>", "f.xml")
        == "missing_columns"
    )
    assert refused(b"<T><R><Label>x</Label></R></T>", "f.xml") == "missing_columns"


def test_padding_gives_back_what_a_spreadsheet_took(read):
    padded = parse(
        TEXT.replace(
            "          - property: aliases\n            value: [Title, Caption]",
            "          - {property: padTo, value: 7}",
        ),
        "toy.yml",
    )
    rows = [["T1", 1234, "", "", ""], ["T2", "0001234", "", "", ""], ["T3", "12-34", "", "", ""],
            ["T4", "123456789", "", "", ""], ["T5", "", "", "", ""], ["T6", "1234.0", "", "", ""]]  # fmt: skip
    for content in (as_xlsx(TOY_HEADER, rows), as_csv(TOY_HEADER, rows)):
        labels = {
            key: values[1] for key, values in read(content, "f", contract=padded).values.items()
        }
        assert labels == {"T1": "0001234", "T2": "0001234", "T3": "12-34", "T4": "123456789", "T5": "", "T6": "0001234"}  # fmt: skip
    assert not padded.reads_alike(CONTRACT)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("format: [csv,", "maxMembers: 0\n      format: [csv,", "limit is a whole number"),
        ("delimiter: [',',", "delimiter: ['x',", "is not one of"),
        ("delimiter: [',', ';', \"\\t\"]", "delimiter: []", "lists none"),
        ("- property: retention\n            value: 1 y", "- {property: padTo, value: 0}", "padTo"),
        ("[iso, iso_time, day_first, excel_serial]", "[iso]\n          - {property: padTo, value: 3}", "padTo"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(before, after, message):
    assert before in TEXT, "the test itself is out of date"
    with pytest.raises(ContractError, match=message):
        parse(TEXT.replace(before, after), "toy.yml")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("886_toy_snapshot_20211231.csv", True),
        ("886_toy_snapshot_20211231.csv.gz", True),
        ("886_toy_snapshot_20211231.XLSX.ZIP", True),
        ("886_toy_snapshot_20211231.zip", True),
        ("886_toy_snapshot_20211231.csv.zip.gz", False),
        ("886_toy_snapshot_20211231", False),
        ("886_toy_snapshot_20211231.rar", False),
    ],
)
def test_names_of_packed_files(name, fits):
    match = CONTRACT.match_name(name)
    assert (match is not None) is fits
    if fits:
        assert match["as_at"] == "20211231"


def test_members_helper_is_honest():
    assert members(as_zip({"a": b"1", "b": b"2"})) == {"a": b"1", "b": b"2"}
    assert io.BytesIO(as_gzip(b"x")).read(2) == b"\x1f\x8b"


def test_a_damaged_pair_in_utf_16_rejects_its_row_alone(read, refused):
    rows = [ROW, ["T2", "XY", "", "", ""], ["T3", "\U0001f600", "", "", ""]]
    text = as_csv(TOY_HEADER, rows).encode("utf-16")
    half = text.replace("XY".encode("utf-16-le"), b"\x3d\xd8" + "Y".encode("utf-16-le"))
    found = read(half, "file.csv")
    assert set(found.values) == {"T1", "T3"} and found.values["T3"][1] == "\U0001f600"
    assert found.rules == [(3, "unreadable_bytes")] and found.rejects[0].row_key == "T2"
    assert refused(text[:-1], "file.csv") == "unknown_encoding"
