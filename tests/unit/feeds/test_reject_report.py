"""What the sender gets to see of what was not loaded."""

from __future__ import annotations

import csv
import io
import json
import logging

import pytest
from click.testing import CliRunner
from feed_desk import TOY_HEADER, as_csv
from lxml import html

from neet import cli, decisions
from neet.feeds import reject_report

pytestmark = pytest.mark.slow  # a database a test

BAD = [
    ["T1", "thing", "2021-09-01", "3", "1.5"],
    ["T2", '=HYPERLINK("http://example.invalid")', "soon", "", ""],
    ["T3", "<script>alert(1)</script>", "31/02/2021", "", ""],
    ["", "<b>", "", "", ""],
    ["T1", "other", "", "", ""],
]


def folder(desk):
    return desk.settings.home / "reports" / "toy" / "886"


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def spread(desk):
    """Bad rows among enough good ones that they are tolerated."""
    return desk.toy(BAD + [[f"G{n}", "", "", "", ""] for n in range(60)])


def test_a_delivery_with_rejects_leaves_a_report(toy_desk):
    result = spread(toy_desk)
    assert (result.status, result.rows_rejected) == ("accepted", 4)
    page, rows = (
        folder(toy_desk) / f"2021-12-31_{result.delivery_id}{end}" for end in (".html", ".csv")
    )
    found = table(rows)
    assert [(row["Line"], row["Key"], row["Column"], row["Rule"]) for row in found] == [
        ("3", "T2", "MadeOn", "not_a_date"),
        ("4", "T3", "MadeOn", "not_a_date"),
        ("5", "", "ItemID", "required_value_missing"),
        ("6", "T1", "ItemID", "duplicate_key"),
    ]
    assert found[0]["File"] == "886_toy_snapshot_20211231.csv" and found[0]["Owner"] == "Toys"
    assert found[0]["Value"] == "soon" and "31/12/2021" in found[0]["What to do"]
    assert found[0]["What is wrong"].startswith("MadeOn: 'soon' is not a date")
    assert "Correct it in" not in found[0]["What is wrong"]

    text = page.read_text()
    assert "<script>" not in text and "&lt;script&gt;" not in text, (
        "the row text is in the table alone"
    )
    shown = html.fromstring(text)
    words = " ".join(shown.text_content().split())
    assert "65 rows in the file = 61 loaded + 0 unchanged + 4 rejected" in words
    summary = shown.xpath("//table")[0].xpath(".//tbody/tr")
    assert [tr.xpath("./td")[1].text_content() for tr in summary] == ["2", "1", "1"]
    assert "A date cannot be read" in words and "closed no row" in words
    assert not shown.xpath("//@src | //link | //script"), "it needs nothing from anywhere"


def test_values_are_shown_as_text_and_can_do_nothing(toy_desk):
    rows = [["T1", "", "<img src=x onerror=alert(1)>", "=1+1", "-5"]]
    result = toy_desk.toy(rows + [[f"G{n}", "", "", "", ""] for n in range(9)])
    report = reject_report.write(toy_desk.settings, toy_desk.dsn["auditor"], result.delivery_id)
    assert "<img" not in report.html.read_text() and "&lt;img src=x" in report.html.read_text()
    toy_desk.toy(
        [[f"G{n}", "", "", "=1+1" if n == 3 else "", ""] for n in range(20)], day="20220131"
    )
    latest = max(folder(toy_desk).glob("2022-01-31*.csv"))
    assert table(latest)[0]["Value"] == "'=1+1"


def test_held_and_refused_deliveries_say_so_and_a_decision_renews_the_report(toy_desk):
    held = toy_desk.toy([["T1", "", "soon", "", ""]] * 8)
    assert held.status == "held"
    (page,) = folder(toy_desk).glob("*.html")
    text = page.read_text()
    assert "too_many_rejects" in text and "Nothing of the file counts yet" in text
    first, *others = table(page.with_suffix(".csv"))
    assert first["Rule"] == "too_many_rejects" and len(others) == 8
    decisions.record(
        toy_desk.settings, toy_desk.dsn["loader"], "discard", "886", held.delivery_id, {}, "A. M.", "no"
    )  # fmt: skip
    assert "Nothing of the file was loaded" in page.read_text()

    refused = toy_desk.deliver("toy", "886_toy_snapshot_20220131.csv", "not a feed file\n")
    rows = table(folder(toy_desk) / f"2022-01-31_{refused.delivery_id}.csv")
    assert [row["Rule"] for row in rows] == ["missing_columns"]
    assert "lacks 5 of 5" in rows[0]["What is wrong"]
    unknown = toy_desk.deliver("toy", "whose.csv", as_csv(TOY_HEADER, []))
    assert (toy_desk.settings.home / "reports" / "toy" / "unknown").is_dir()
    assert unknown.status == "refused"


def test_a_clean_delivery_and_a_duplicate_need_no_report(toy_desk):
    for _ in range(2):
        toy_desk.toy([["T1", "", "", "", ""]])
    assert not (toy_desk.settings.home / "reports").exists()


def test_a_report_that_cannot_be_written_stops_nothing(toy_desk, caplog):
    toy_desk.settings.home.mkdir(parents=True, exist_ok=True)
    (toy_desk.settings.home / "reports").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        result = spread(toy_desk)
    assert result.status == "accepted" and len(toy_desk.current("toy", "label")) == 61
    assert f"./neet rejects {result.delivery_id}" in caplog.text


def test_the_command_writes_it_again(toy_desk, tmp_path):
    result = spread(toy_desk)
    out = tmp_path / "out"
    runner = CliRunner()
    done = runner.invoke(cli.main, ["--json", "rejects", result.delivery_id, "--out", str(out)])
    assert done.exit_code == 0, done.output
    data = json.loads(done.output)
    assert data["rows"] == 4 and data["by_rule"]["not_a_date"] == 2
    (own,) = folder(toy_desk).glob("*.csv")
    # this checkout has no contract of toys, so nobody owns them there
    again = [row | {"Owner": "Toys"} for row in table(out / own.name)]
    assert again == table(own)
    done = runner.invoke(cli.main, ["rejects", result.delivery_id, "--out", str(out)])
    assert "not_a_date" in done.output and str(out) in done.output
    done = runner.invoke(cli.main, ["rejects", "toy-20211231-000000000000"])
    assert done.exit_code == 2 and "There is no delivery" in done.output


def test_many_rejects_are_whole_in_the_table_and_cut_on_the_page(toy_desk):
    held = toy_desk.toy([[f"T{n}", "x" * 1_000, "soon", "", ""] for n in range(1_200)])
    report = reject_report.write(toy_desk.settings, toy_desk.dsn["auditor"], held.delivery_id)
    assert report.rows == 1_200 and len(table(report.csv)) == 1_201
    page = html.fromstring(report.html.read_text())
    assert len(page.xpath("//table")[-1].xpath(".//tbody/tr")) == reject_report.SHOWN_ROWS
    assert "The first 500 of 1,200" in page.text_content()
