"""The layout seed: order as data, one root, no element written twice."""

import csv
import datetime as dt

import pytest

from neet.nccis.layout import LAYOUT_FILE, LayoutError, all_rows, layout_for, record_columns

DAY = dt.date(2021, 12, 31)
FIELDS = "requirement_year,position,element_path,column_name,repeats,omitted_when_empty,also_read_as,valid_from,valid_to,source,assumed"


def seed(tmp_path, *rows):
    """A layout file of (position, path, column, valid_from, valid_to)."""
    file = tmp_path / "layout.csv"
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(FIELDS.split(","))
        for position, path, column, valid_from, valid_to in rows:
            writer.writerow(["2021-22", position, path, column, "N", "", "", valid_from, valid_to, "test", "true"])  # fmt: skip
    return file


def test_the_seed_holds_the_known_elements_of_the_return():
    columns = record_columns(layout_for(DAY))
    assert len(columns) == 43
    assert columns[:2] == ("young_persons_id", "cohort_status")
    assert columns[-1] == "intended_destination_yr11"
    assert {row.path[0] for row in all_rows()} == {"NCCIS"}
    assert [row.column for row in all_rows() if row.repeats] == [
        "database_ids", "source_leas", "characteristic_codes",
    ]  # fmt: skip


def test_no_layout_was_in_force_before_the_first_row():
    with pytest.raises(LayoutError, match="no layout in force on 1999-12-31"):
        layout_for(dt.date(1999, 12, 31))


def test_a_year_s_order_is_dated_rows(tmp_path):
    file = seed(
        tmp_path,
        (1, "N/FileHeader/PeriodEnd", "period_end", "2019-04-01", ""),
        (2, "N/YoungPersonsRecord/P/A", "a", "2019-04-01", "2021-04-01"),
        (3, "N/YoungPersonsRecord/P/B", "b", "2019-04-01", ""),
        (4, "N/YoungPersonsRecord/P/A", "a", "2021-04-01", ""),
    )
    assert record_columns(layout_for(dt.date(2021, 3, 31), file)) == ("a", "b")
    assert record_columns(layout_for(dt.date(2021, 4, 1), file)) == ("b", "a")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, "N/YoungPersonsRecord/P/A", "a"), (2, "N/YoungPersonsRecord/Q/B", "b"), (3, "N/YoungPersonsRecord/P/C", "c")], "stands apart"),
        ([(1, "N/YoungPersonsRecord/P/A", "a"), (2, "N/YoungPersonsRecord/P/A", "b")], "given twice"),
        ([(1, "N/YoungPersonsRecord/P/A", "a"), (2, "N/YoungPersonsRecord/P/B", "a")], "given twice"),
        ([(1, "N/YoungPersonsRecord/P/A", "a"), (2, "M/YoungPersonsRecord/P/B", "b")], "more than one root"),
        ([(1, "N/Other/P/A", "a")], "line 2: unusable element path"),
        ([("first", "N/YoungPersonsRecord/P/A", "a")], "line 2"),
    ],
)  # fmt: skip
def test_a_layout_that_cannot_be_obeyed_is_refused(tmp_path, rows, message):
    file = seed(tmp_path, *[(*row, "2019-04-01", "") for row in rows])
    with pytest.raises(LayoutError, match=message):
        layout_for(DAY, file)


def test_every_seed_row_says_where_it_is_from():
    with LAYOUT_FILE.open(newline="") as handle:
        for row in csv.DictReader(handle):
            assert row["source"] and row["assumed"] in ("true", "false")
