"""Files as they really arrive, read without a database."""

from __future__ import annotations

import csv
import io
import random

import pytest
from feed_desk import TOY, TOY_HEADER, as_csv
from hypothesis import given, settings
from hypothesis import strategies as st

from neet.feeds import reading
from neet.feeds.contract import parse
from neet.feeds.profile import MAX_LINE_BYTES, profile
from neet.feeds.reading import FileRefused, open_file

CONTRACT = parse(TOY.read_text(), "expectations/feeds/toy.yml")
ROW = ["T1", "thing", "2021-09-01", "3", "1.5"]


class Read:
    """Everything a reading says of a file."""

    def __init__(self, path, content, mode="snapshot"):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        opened = open_file(path, CONTRACT, CONTRACT.layouts[0], mode, profile(path))
        self.rows = [row for block in opened.blocks() for row in block]
        opened.close()
        self.rejects = opened.rejects
        self.rows_in = opened.rows_in
        self.warnings = opened.warnings
        self.unreadable_keys = opened.unreadable_keys

    @property
    def values(self):
        return {row[1]: row[4].split(reading.SEPARATOR) for row in self.rows}

    @property
    def rules(self):
        return [(reject.line_number, reject.rule) for reject in self.rejects]


@pytest.fixture
def read(tmp_path):
    return lambda content, mode="snapshot": Read(tmp_path / "file.csv", content, mode)


@pytest.fixture
def refused(read):
    def code(content, mode="snapshot"):
        with pytest.raises(FileRefused) as error:
            read(content, mode)
        assert error.value.reason.rstrip().endswith("."), "a sentence"
        return error.value.code, error.value.reason

    return code


@pytest.mark.parametrize(
    "content",
    [
        as_csv(TOY_HEADER, [ROW]),
        as_csv(TOY_HEADER, [ROW], newline="\r\n"),
        as_csv(TOY_HEADER, [ROW], newline="\r"),
        as_csv(TOY_HEADER, [ROW]).rstrip("\n"),
        "\ufeff" + as_csv(TOY_HEADER, [ROW]),
        as_csv([f'"{name}"' for name in TOY_HEADER], [ROW]).replace('"""', '"'),
        "itemid,LABEL,Made On,s_i_z_e, Price \nT1,thing,2021-09-01,3,1.5\n",
        "ItemID,Caption,MadeOn,Size,Price\nT1,thing,2021-09-01,3,1.5\n",
        "Price,Size,MadeOn,Label,ItemID\n1.5,3,2021-09-01,thing,T1\n",
        "ItemID,Label,MadeOn,Size,Price,,\nT1,thing,2021-09-01,3,1.5,,\n",
        "ItemID,Label,MadeOn,Size,Price\nT1,thing,2021-09-01,3,1.5,,\n",
        "ItemID,Label,MadeOn,Size,Price,,\nT1,thing,2021-09-01,3,1.5\n",
        "ItemID,Label,MadeOn,Size,Price\n\nT1,thing,2021-09-01,3,1.5\n\n\n",
        "ItemID,Label,MadeOn,Size,Price,Remarks\nT1,thing,2021-09-01,3,1.5,dropped by contract\n",
        "ItemID,Label,MadeOn,Size,Price,Extra\nT1,thing,2021-09-01,3,1.5,\n",
        "ItemID,Label,MadeOn,Size,Price\n T1 ,thing,01/09/2021, 3 ,1.5\n",
        "ItemID,Label,MadeOn,Size,Price\nT1,thing,2021-09-01 00:00:00,3.0, 1.5\n",
        "ItemID,Label,MadeOn,Size,Price\nT1,thing,44440,003,1.5\n",
    ],
    ids=[
        "plain", "crlf", "old mac", "no last newline", "bom", "quoted headers", "headers otherwise",
        "renamed", "reordered", "trailing columns", "trailing cells", "short of trailing columns",
        "blank lines", "droppable column", "empty extra column", "day first, spaces", "timestamps",
        "excel serial",
    ],
)  # fmt: skip
def test_the_same_row_in_many_dresses(read, content):
    found = read(content)
    assert found.values == {"T1": ROW}
    assert (found.rows_in, found.rejects, found.warnings) == (1, [], [])
    assert found.rows[0][2] == reading.row_hash(reading.SEPARATOR.join(ROW)), "so nothing changed"


def test_windows_1252(read):
    found = read(as_csv(TOY_HEADER, [["T1", "Zoë – “naïve” €5", "", "", ""]]).encode("cp1252"))
    assert found.values["T1"][1] == "Zoë – “naïve” €5"
    assert "Windows-1252" in found.warnings[0]


def test_bytes_that_are_no_text_in_any_accepted_encoding(refused):
    code, _ = refused(as_csv(TOY_HEADER, [ROW]).encode() + b"T2,\x81\x8d,,,\n")
    assert code == "unknown_encoding"


def test_one_damaged_byte_in_utf_8_rejects_its_row_alone(read):
    content = as_csv(
        TOY_HEADER,
        [["T1", "Zoë", "", "", ""], ["T2", "XX", "", "", ""], ["T3", "", "", "", ""]],
    )
    found = read(content.encode().replace(b"XX", b"X\xffX"))
    assert set(found.values) == {"T1", "T3"}
    (reject,) = found.rejects
    assert (reject.line_number, reject.row_key, reject.column) == (3, "T2", "Label")
    assert (reject.rule, reject.value) == ("unreadable_bytes", r"X\xffX")
    assert reject.row_text == r"T2,X\xffX,,,"


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1e", "\x1f", "\uffff"])
def test_control_characters_are_no_text(read, character):
    found = read(
        as_csv(TOY_HEADER, [ROW, ["T2", f"a{character}b", "", "", ""], ["T3", "", "", "", ""]])
    )
    assert set(found.values) == {"T1", "T3"}
    assert found.rules == [(3, "control_character")]
    assert found.rejects[0].row_key == "T2"
    assert character not in found.rejects[0].row_text


def test_a_control_character_in_the_key_makes_it_unreadable(read):
    found = read(as_csv(TOY_HEADER, [ROW, ["T\x002", "", "", "", ""]]))
    assert found.rejects[0].row_key is None and found.unreadable_keys == 1


def test_quoted_line_ends_and_the_lines_after_them(read):
    found = read(
        'ItemID,Label,MadeOn,Size,Price\nT1,"one\ntwo\r\nthree",,,\nT2,"say ""so"", twice",,,\n'
        "T3,plain,never,,\n"
    )
    assert found.values["T1"][1] == "one\ntwo\r\nthree"
    assert found.values["T2"][1] == 'say "so", twice'
    assert [row[0] for row in found.rows] == [2, 5]
    assert found.rules == [(6, "not_a_date")]


def test_an_unclosed_quote_loses_no_row_in_silence(read):
    rows = [[f"T{n}", "thing", "", "", ""] for n in range(50)]
    content = as_csv(TOY_HEADER, rows).replace("T20,thing", 'T20,"thing')
    found = read(content)
    assert len(found.rows) == 20
    assert found.rules == [(22, "malformed_row")]
    assert found.rejects[0].row_key is None
    assert "T49" in found.rejects[0].row_text, "what it swallowed is kept"


def test_stray_text_after_a_quote_rejects_the_row_only(read):
    found = read('ItemID,Label,MadeOn,Size,Price\nT1,"a" b,,,\nT2,5" pipe,,,\n')
    assert found.rules == [(2, "malformed_row")]
    assert found.values["T2"][1] == '5" pipe'


@pytest.mark.parametrize("row", ["T1,thing,,", "T1", "T1,thing,,,,x", "T1,a,b,c,d,e,f"])
def test_a_row_of_another_width_is_rejected_without_a_key(read, row):
    found = read(f"ItemID,Label,MadeOn,Size,Price\n{row}\nT2,,,,\n")
    assert found.rules == [(2, "column_count")]
    assert found.rejects[0].row_key is None and found.unreadable_keys == 1
    assert found.rejects[0].row_text == row


def test_rows_of_empty_cells_are_no_rows(read):
    found = read("ItemID,Label,MadeOn,Size,Price\nT1,,,,\n,,,,\n , ,,,\n")
    assert (found.rows_in, found.rejects) == (1, [])
    assert "2 rows of empty cells" in found.warnings[0]


def test_a_column_outside_the_contract_that_holds_values_is_told(read):
    found = read("ItemID,Label,MadeOn,Size,Price,Colour,Weight\nT1,,,,,,\nT2,,,,,red,\n")
    assert found.rows_in == 2
    (warning,) = found.warnings
    assert "'Colour'" in warning and "Weight" not in warning and "droppableColumns" in warning


def test_several_faults_are_one_reject_that_names_them_all(read):
    (reject,) = read(as_csv(TOY_HEADER, [["T1", "", "soon", "many", "1"]])).rejects
    assert (reject.column, reject.value) == ("MadeOn", "soon")
    assert "also unreadable: Size" in reject.reason


def test_the_reject_names_the_column_as_the_file_does(read):
    (reject,) = read("ItemID,Label,made_ON,Size,Price\nT1,,soon,,\n").rejects
    assert reject.column == "made_ON"


def test_a_key_longer_than_an_index_holds_is_rejected(read):
    found = read(as_csv(TOY_HEADER, [["T" * 401, "", "", "", ""], ["T" * 400, "", "", "", ""]]))
    assert found.rules == [(2, "key_too_long")] and len(found.rows) == 1


def test_an_over_long_row_is_rejected_and_its_text_cut(read):
    found = read(as_csv(TOY_HEADER, [["T1", "x" * 70_000, "", "", ""], ["T2", "", "", "", ""]]))
    assert found.rules == [(2, "row_too_long")] and len(found.rows) == 1
    (reject,) = found.rejects
    assert reject.row_key == "T1" and reject.column == "Label"
    assert len(reject.row_text) < 61_000 and "stands whole in the landed file" in reject.row_text
    assert len(reject.value) < 1_100


def test_a_field_longer_than_a_parser_takes_is_rejected(read):
    found = read(f'ItemID,Label,MadeOn,Size,Price\nT1,"{"x" * 200_000}",,,\nT2,,,,\n')
    assert found.rules == [(2, "malformed_row")] and set(found.values) == {"T2"}


def test_a_delta_needs_its_operation_column(refused, read):
    code, reason = refused(as_csv(TOY_HEADER, [ROW]), mode="delta")
    assert code == "missing_columns" and "Operation" in reason
    found = read(as_csv(["Operation", *TOY_HEADER], [["d", *ROW]]), mode="delta")
    assert [row[3] for row in found.rows] == ["D"]


@pytest.mark.parametrize(
    ("content", "code", "part"),
    [
        (b"", "empty_file", "a nil return is a header alone"),
        (b"\xef\xbb\xbf", "empty_file", "not even a header"),
        ("\n", "missing_columns", "lacks 5 of 5"),
        ("ItemID,Label,MadeOn,Size\nT1,,,\n", "missing_columns", "Price"),
        ("T1,thing,2021-09-01,3,1.5\n", "missing_columns", "ItemID"),
        ("ItemID;Label;MadeOn;Size;Price\nT1;;;;\n", "missing_columns", "delimiter"),
        ("ItemID,Labels,MadeOn,Size,Price\n", "missing_columns", "Labels"),
        ("ItemID,Label,Title,MadeOn,Size,Price\n", "ambiguous_header", "columns 2, 3"),
        ("ItemID,Label,MadeOn,Size,Price,Price\n", "ambiguous_header", "columns 5, 6"),
        (b"PK\x03\x04rest of a workbook", "damaged_archive", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "not_csv", "password-protected"),
        (b"\x1f\x8b\x08", "damaged_archive", "gzip"),
        ("ItemID,Label".encode("utf-16"), "not_csv", "UTF-16"),
        ('"ItemID,Label\nT1', "unreadable_header", "line 1"),
        ("ItemID," + "x" * (MAX_LINE_BYTES + 10), "line_too_long", "longer than"),
    ],
)  # fmt: skip
def test_files_refused_whole(refused, content, code, part):
    found, reason = refused(content)
    assert found == code and part in reason


def test_a_file_beyond_the_contracts_size_is_refused_unread(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as handle:
        handle.truncate(CONTRACT.max_bytes + 1)
    with pytest.raises(FileRefused, match="maxBytes"):
        open_file(path, CONTRACT, CONTRACT.layouts[0], "snapshot", profile(path))


def test_noise_never_makes_the_reader_fail_otherwise(tmp_path):
    chance = random.Random(3)
    good = as_csv(
        TOY_HEADER, [[f"T{n}", 'q"uo,te\n', "2021-09-01", n, n] for n in range(40)]
    ).encode()
    for number in range(400):
        noisy = bytearray(good)
        for _ in range(chance.randrange(1, 12)):
            place = chance.randrange(len(noisy))
            noisy[place : place + chance.randrange(3)] = bytes(
                chance.choice(b'",\n\r\0\x1f\xff\xc3;x') for _ in range(chance.randrange(3))
            )
        try:
            found = Read(tmp_path / "noise.csv", bytes(noisy))
        except FileRefused:
            continue
        assert found.rows_in == len(found.rows) + len(found.rejects), f"noise {number}"


PLAIN = {  # what a file nearly always holds: nothing to convert, nothing to reject
    "key": ["T1", "T2", "T3", "T4", "T5"],
    "label": ["", "x", "thing", "é"],
    "date": ["", "2021-09-01", "2021-12-31"],
    "size": ["", "7", "12"],
    "price": ["", "1.5", "z"],
}
ODD = {
    "key": ["", " T4", "T 5", "T" * 401, "T\u00a06"],
    "label": ['"', "a,b", "two\nlines", "x" * 2_100, "\r", " "],
    "date": ["01/09/2021", "44440", "31/02/2021", " ", "2021-09-01 00:00:00"],
    "size": ["07", "x", "7.0", " 7"],
    "price": ["1,5", " 1", "c "],
}


@st.composite
def mostly_plain_rows(draw):
    """Rows in which, now and then, one cell is odd."""
    rows = []
    for _ in range(draw(st.integers(0, 14))):
        row = {name: draw(st.sampled_from(values)) for name, values in PLAIN.items()}
        if draw(st.integers(0, 7)) == 0:
            name = draw(st.sampled_from(sorted(ODD)))
            row[name] = draw(st.sampled_from(ODD[name]))
        cells = list(row.values())
        rows.append(cells + ["more"] if draw(st.integers(0, 40)) == 0 else cells)
    return rows


@settings(max_examples=150, deadline=None)
@given(rows=mostly_plain_rows(), size=st.integers(1, 120), newline=st.sampled_from(["\n", "\r\n"]))
def test_by_blocks_or_row_by_row_the_rows_are_the_same(tmp_path_factory, rows, size, newline):
    file = tmp_path_factory.getbasetemp() / "both.csv"
    content = as_csv(TOY_HEADER, rows, newline)
    results = []
    for by_row, characters in ((False, 1 << 15), (True, 1 << 15), (False, size)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "BLOCK_CHARACTERS", characters)
            if by_row:
                patch.setattr(reading.CsvReading, "_at_once", lambda *_: None)
            found = Read(file, content)
        results.append(
            (found.rows, found.rejects, found.rows_in, found.warnings, found.unreadable_keys)
        )
    assert results[0] == results[1] == results[2]


def test_a_plain_file_is_read_by_blocks(read, monkeypatch):
    monkeypatch.setattr(
        reading.CsvReading, "_one", lambda *_: pytest.fail("a plain row was looked at by itself")
    )
    found = read(
        as_csv(TOY_HEADER, [[f"T{n}", f"thing {n}", "2021-09-01", n, "1.5"] for n in range(5_000)])
    )
    assert len(found.rows) == 5_000


@pytest.mark.parametrize("place", [1, 2_000, 4_999])
def test_a_repeated_key_is_found_within_a_block_and_across_blocks(read, place):
    rows = [[f"T{n}", f"thing {n}", "2021-09-01", n, "1.5"] for n in range(5_000)]
    rows[place] = rows[0]
    found = read(as_csv(TOY_HEADER, rows))
    assert found.rules == [(place + 2, "duplicate_row")] and len(found.rows) == 4_999


def test_line_numbers_are_those_of_the_file(read):
    rows = [[f"T{n}", "two\nlines" if n % 7 == 3 else "x", "", "", ""] for n in range(300)]
    content = as_csv(TOY_HEADER, rows)
    found = read(content)
    expected, line = {}, 2
    for row in rows:
        expected[row[0]] = line
        line += 1 + row[1].count("\n")
    assert {row[1]: row[0] for row in found.rows} == expected


def test_a_whole_csv_library_agrees_on_every_value(read):
    chance = random.Random(5)
    rows = [
        [f"T{n}", "".join(chance.choice('ab ,"\n') for _ in range(chance.randrange(9))), "", "", ""]
        for n in range(2_000)
    ]
    content = as_csv(TOY_HEADER, rows)
    expected = list(csv.reader(io.StringIO(content, newline="")))[1:]
    assert [row[4].split(reading.SEPARATOR) for row in read(content).rows] == expected
