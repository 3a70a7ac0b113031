"""Real files: DfE's scorecards, and NCCIS returns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from feed_desk import DATA

from neet.feeds import landing
from neet.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow  # a database a test

SCORECARDS = PROJECT_ROOT / "data" / "dfe_scorecard"
SAMPLE = PROJECT_ROOT.parent / "shared" / "domain" / "nccis_samples" / "test2.xml"
SMALL = DATA / "nccis_return_small.xml"


def receive(desk, feed: str, file: Path):
    return landing.receive(desk.settings, desk.dsn["loader"], feed, file)


def test_the_four_scorecards_load_value_for_value(desk):
    counts = {2021: 161, 2022: 160, 2023: 160, 2024: 161}
    for year in (2022, 2021, 2024, 2023):  # each is for its own year, so their order is free
        result = receive(desk, "dfe_la_scorecard", SCORECARDS / f"neet_la_scorecard_{year}.csv")
        assert (result.status, result.rows_loaded, result.rows_rejected, result.warnings) == (
            "accepted", counts[year], 0, (),
        )  # fmt: skip
        assert (result.provider, result.period) == ("DfE", str(year))
    columns = [column.name for column in desk.contract("dfe_la_scorecard").columns]
    for year in counts:
        with (SCORECARDS / f"neet_la_scorecard_{year}.csv").open(newline="") as handle:
            expected = {
                (
                    row["geographic_level"],
                    row["region_code"],
                    row["region_name"],
                    row["new_la_code"],
                ): {name.lower(): value or None for name, value in row.items()}
                for row in csv.DictReader(handle)
            }
        found = {}
        for row in desk.query(
            f"select {', '.join(columns)} from raw.dfe_la_scorecard where la_code = 'ENG' and period = %s",
            str(year),
        ):
            values = dict(zip(columns, row, strict=True))
            key = [
                values[name] or ""
                for name in ("geographic_level", "region_code", "region_name", "new_la_code")
            ]
            found[tuple(key)] = values
        assert len(found) == counts[year]
        for key, values in expected.items():
            assert {name: found[key][name] for name in values} == values, key
            absent = set(columns) - set(values)
            assert all(found[key][name] is None for name in absent)


def test_kent_in_the_2022_scorecard(desk):
    receive(desk, "dfe_la_scorecard", SCORECARDS / "neet_la_scorecard_2022.csv")
    assert desk.query(
        """select old_la_code, la_name from raw.dfe_la_scorecard where new_la_code = 'E10000016'"""
    ) == [("886", "Kent")]


def test_a_scorecard_of_a_year_without_a_layout_is_refused(desk):
    content = (SCORECARDS / "neet_la_scorecard_2021.csv").read_bytes()
    result = desk.deliver("dfe_la_scorecard", "neet_la_scorecard_2020.csv", content)
    assert (result.status, result.reason.split(":")[0]) == ("refused", "unknown_layout")


def test_a_scorecard_in_another_years_layout_is_refused_or_told(desk):
    older = (SCORECARDS / "neet_la_scorecard_2021.csv").read_bytes()
    result = desk.deliver("dfe_la_scorecard", "neet_la_scorecard_2024.csv", older)
    assert result.reason.startswith("missing_columns")
    assert "enrolments_pa_10_exact_percent" in result.reason


def test_a_corrected_scorecard_replaces_its_own_year_only(desk):
    for year in (2022, 2023):
        receive(desk, "dfe_la_scorecard", SCORECARDS / f"neet_la_scorecard_{year}.csv")
    lines = (SCORECARDS / "neet_la_scorecard_2022.csv").read_text().splitlines(keepends=True)
    result = desk.deliver("dfe_la_scorecard", "neet_la_scorecard_2022.csv", "".join(lines[:-1]))
    assert (result.status, result.rows_unchanged, result.rows_closed) == ("accepted", 159, 1)
    assert len(desk.current("dfe_la_scorecard", "la_name", "ENG")) == 159 + 160


def test_a_small_return_loads_row_for_row(desk):
    result = receive(desk, "nccis_return", SMALL)
    assert (result.status, result.rows_in, result.rows_loaded) == ("accepted", 5, 5)
    assert (result.provider, result.period) == ("886", "2021-12-31")
    rows = desk.query(
        """select line_number, row_key, young_persons_id, occurrence, family_name, middle_name,
                  characteristic_codes, year11_guarantee_status, neet_start_date, header_source_leas,
                  header_period_end, header_doctype
           from raw.nccis_return where la_code = '886' order by line_number"""
    )
    assert [row[1:5] for row in rows] == [
        ("2021-12-31|8860000000001|1", "8860000000001", "1", "Ashdown"),
        ("2021-12-31|8860000000002|1", "8860000000002", "1", "O'Brien-Łuczak"),
        ("2021-12-31|8860000000002|2", "8860000000002", "2", "Twice"),
        ("2021-12-31||1", None, "1", "Nobody"),
        ("2021-12-31|8860000000003|1", "8860000000003", "1", "Last & Least"),
    ]
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert rows[0][5:9] == (None, "110|140", "320", None)
    assert rows[1][5:9] == ("Ann", None, None, "2021-10-04")
    assert {row[9:] for row in rows} == {("886,887", "2021-12-31", "NCCIS2021")}


def test_a_return_again_is_a_duplicate_and_a_corrected_one_a_change(desk):
    receive(desk, "nccis_return", SMALL)
    assert receive(desk, "nccis_return", SMALL).status == "duplicate"
    corrected = SMALL.read_text().replace("Ashdown", "Ashford")
    result = desk.deliver("nccis_return", "again.xml", corrected)
    assert (result.rows_loaded, result.rows_unchanged, result.rows_closed) == (1, 4, 0)
    other_month = SMALL.read_text().replace("2021-12-31", "2022-01-31")
    result = desk.deliver("nccis_return", "january.xml", other_month)
    assert (result.rows_loaded, result.rows_closed) == (5, 0), "a return is whole by itself"


BOMB = """<?xml version="1.0"?><!DOCTYPE NCCIS [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<NCCIS><FileHeader><Databases><DatabaseID>&b;</DatabaseID></Databases></FileHeader></NCCIS>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE NCCIS [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<NCCIS><FileHeader><SupplierName>&x;</SupplierName></FileHeader></NCCIS>"""


@pytest.mark.parametrize(
    "content",
    [
        "", "not XML", BOMB, OUTSIDE, "<NCCIS></NCCIS>",
        SMALL.read_text()[:-200],
        SMALL.read_text().replace("Last &amp; Least", "Last & Least"),
        SMALL.read_text().replace("<PeriodEnd>2021-12-31", "<PeriodEnd>31/12/2021"),
        SMALL.read_text().replace("<LEACode>886</LEACode>", "<LEACode>../../etc</LEACode>", 1),
        SMALL.read_text().replace("<DatabaseID>886", "<DatabaseID>8/6"),
    ],
    ids=["empty", "no xml", "bomb", "outside entity", "no header", "cut short", "bare ampersand",
         "period not a date", "path as authority", "path as database"],
)  # fmt: skip
def test_a_return_that_cannot_be_read_is_refused_whole(desk, content):
    result = desk.deliver("nccis_return", "return.xml", content)
    assert result.status == "refused" and len(result.reason) > 40
    assert desk.query("select count(*) from raw.nccis_return") == [(0,)]
    folder = desk.settings.landing / result.landing_path
    assert folder.is_relative_to(desk.settings.landing) and (folder / "return.xml").exists()


def test_a_nil_return_in_xml_is_received(desk):
    text = SMALL.read_text()
    head, tail = text.index("<YoungPersonsRecord>"), text.rindex("</YoungPersonsRecord>")
    result = desk.deliver("nccis_return", "nil.xml", text[:head] + text[tail + 21 :])
    assert (result.status, result.rows_in) == ("accepted", 0)
    assert "YoungPersonsRecord" in result.warnings[0]


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared sample is not beside the checkout")
def test_the_published_sample_loads_row_for_row(desk):
    result = receive(desk, "nccis_return", SAMPLE)
    assert (result.status, result.rows_in, result.rows_loaded) == ("accepted", 304, 304)
    from lxml import etree

    records = etree.parse(SAMPLE).getroot().findall("YoungPersonsRecord")
    rows = desk.query(
        """select young_persons_id, family_name, activity_code, characteristic_codes, dob, postcode,
                  due_to_lapse_date, uk_provider_reference_number
           from raw.nccis_return order by line_number"""
    )
    assert len(rows) == len(records) == 304
    for row, record in zip(rows, records, strict=True):
        codes = [e.text or "" for e in record.findall(".//CharacteristicCode")]
        names = ("YoungPersonsID", "FamilyName", "ActivityCode")
        later = ("DOB", "Postcode", "DueToLapseDate", "UKProviderReferenceNumber")
        expected = [record.findtext(f".//{name}") or None for name in names]
        expected += ["|".join(codes) or None]
        expected += [record.findtext(f".//{name}") or None for name in later]
        assert list(row) == expected
    assert desk.query(
        "select count(*) from raw.nccis_return where young_persons_id = '1230000000292'"
    ) == [(2,)]
