"""Contracts: the ones of the project are sound, and a broken one says what is broken."""

from __future__ import annotations

import csv
import datetime as dt
import json

import jsonschema
import pytest
from feed_desk import TOY
from open_data_contract_standard.model import OpenDataContractStandard

from neet import yaml_files
from neet.feeds.contract import ContractError, load_contracts, parse
from neet.nccis.layout import all_rows, record_columns
from neet.settings import PROJECT_ROOT

FEEDS = PROJECT_ROOT / "expectations" / "feeds"
SCORECARDS = PROJECT_ROOT / "data" / "dfe_scorecard"
FILES = sorted(FEEDS.glob("*.yml"))


@pytest.fixture(scope="module")
def contracts():
    return load_contracts(FEEDS)


@pytest.fixture(scope="module")
def standard():
    return json.loads(OpenDataContractStandard.json_schema())


@pytest.fixture(scope="module")
def validator(standard):
    judge = jsonschema.validators.validator_for(standard)
    judge.check_schema(standard)
    return judge(standard)


def test_the_feeds_are_there(contracts):
    assert set(contracts) >= {
        "core_plus_people",
        "core_plus_activities",
        "core_plus_characteristics",
        "core_plus_september_guarantee",
        "dfe_la_scorecard",
        "nccis_return",
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_contract_is_valid_by_the_standards_own_schema(file, validator):
    validator.validate(yaml_files.read(file))


def test_the_schema_is_the_published_one_and_would_say_no(standard, validator):
    """It comes in the standard's own package; a contract that strays from it is refused by it alone."""
    assert standard["$schema"] == "https://json-schema.org/draft/2019-09/schema"
    assert standard["title"] == "Open Data Contract Standard (ODCS)"
    contract = yaml_files.read(FEEDS / "school_census.yml")
    for broken in (
        {**contract, "apiVersion": "v1.0.0"},
        {**contract, "kind": "Contract"},
        {key: value for key, value in contract.items() if key != "version"},
        {**contract, "shcema": []},
        {**contract, "slaProperties": [{"property": "retention", "value": 7, "units": "y"}]},
        {**contract, "schema": [{**contract["schema"][0], "properties": [{"name": "a", "logicalType": "text"}]}]},
    ):  # fmt: skip
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(broken)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_column_says_what_it_is_how_private_and_how_long(file):
    for column in load_contracts(FEEDS)[file.stem].columns:
        assert column.description and column.privacy and column.retention
        assert not column.required or column.key_position


def test_keys_of_core_plus(contracts):
    keys = {
        feed: [column.header for column in contracts[feed].key]
        for feed in contracts
        if feed.startswith("core_plus")
    }
    assert keys == {
        "core_plus_people": ["YoungPersonsID"],
        "core_plus_activities": ["ActivityID"],
        "core_plus_characteristics": ["YoungPersonsID", "CharacteristicCode", "StartDate"],
        "core_plus_september_guarantee": ["YoungPersonsID", "GuaranteeYear", "YearGroup"],
        "core_plus_cases": ["CaseID"],
        "core_plus_case_reviews": ["ReviewID"],
        "core_plus_needs": ["YoungPersonsID", "NeedKind", "NeedCode", "StartDate"],
        "core_plus_contact_details": ["YoungPersonsID"],
        "core_plus_at_risk": ["YoungPersonsID", "AcademicYear"],
        "core_plus_users": ["UserID"],
    }


def test_names_and_birth_dates_are_identifiers(contracts):
    privacy = {column.name: column.privacy for column in contracts["core_plus_people"].columns}
    assert {privacy[name] for name in ("given_name", "family_name", "dob", "postcode")} == {
        "identifier"
    }
    assert privacy["send_flag"] == privacy["ethnicity"] == "special_category"


def test_the_return_feed_has_every_element_of_the_layout(contracts):
    elements = set(record_columns(all_rows())) | {"characteristic_codes", "occurrence"}
    columns = {column.name for column in contracts["nccis_return"].columns}
    assert {name for name in columns if not name.startswith("header_")} == elements


@pytest.mark.parametrize("year", [2021, 2022, 2023, 2024])
def test_each_scorecard_layout_is_exactly_that_years_header(contracts, year):
    with (SCORECARDS / f"neet_la_scorecard_{year}.csv").open(newline="") as handle:
        header = next(csv.reader(handle))
    layout = contracts["dfe_la_scorecard"].layout_on(dt.date(year, 1, 1))
    assert {column.header for column in layout.columns} == set(header)


def test_the_scorecards_yearly_change_is_named_exactly(contracts):
    by_year = {
        year: {c.name for c in contracts["dfe_la_scorecard"].layout_on(dt.date(year, 7, 1)).columns}
        for year in (2021, 2022, 2023, 2024)
    }
    assert by_year[2021] - by_year[2022] == {
        "neet_nk_nosen_quintile",
        "neet_nk_ehcp_quintile",
        "neet_nk_sendsupport_quintile",
        "vg_neet_nk_percentage_quintile",
    }
    assert by_year[2022] == by_year[2023]
    assert by_year[2023] - by_year[2024] == {
        "sess_overall_percent_pa_10_exact",
        "age1617_ons_population",
    }
    assert by_year[2024] - by_year[2023] == {"enrolments_pa_10_exact_percent"}
    with pytest.raises(LookupError, match="no layout is known for 2020"):
        contracts["dfe_la_scorecard"].layout_on(dt.date(2020, 1, 1))


def test_a_contract_read_twice_is_the_same_and_carries_its_hash():
    one, two = (parse(TOY.read_text(), "toy.yml") for _ in range(2))
    assert one == two and len(one.sha256) == 64
    assert parse(TOY.read_text() + "\n", "toy.yml").sha256 != one.sha256


BREAKS = {
    "not YAML": ("version: 1.0.0", "version: [", "not readable as YAML"),
    "misspelt field": ("kind: DataContract", "kindd: DataContract", "kindd is no field"),
    "misspelt column field": (
        "primaryKeyPosition: 1\n        required: true",
        "primaryKeyPosition: 1\n        requird: true",
        r"properties\[0\]\.requird is no field",
    ),
    "wrong kind": ("kind: DataContract", "kind: DataProduct", "kind: is 'DataProduct'"),
    "old standard": ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "apiVersion: is 'v2.2.2'"),
    "bad feed name": ("id: toy", "id: Toy Feed", "id: is 'Toy Feed'"),
    "other table": ("  - name: toy", "  - name: tay", "must be the feed's name"),
    "unknown type": ("logicalType: integer", "logicalType: boolean", "logicalType is 'boolean'"),
    "unknown privacy": ("classification: personal", "classification: secret", "'secret'"),
    "no description": ("description: What it costs", "description: ''", "description is missing"),
    "no key": ("primaryKey: true", "primaryKey: false", "only key columns are required"),
    "required value": (
        "physicalName: Size\n",
        "physicalName: Size\n        required: true\n",
        "only key columns are required",
    ),
    "raw name": ("- name: size", "- name: period", "belongs to the raw tables"),
    "name twice": ("- name: size", "- name: label", "label is there twice"),
    "header twice": ("physicalName: Size", "physicalName: caption", "claimed by label and by size"),
    "unknown extra": (
        "property: ownerService",
        "property: owner",
        "unknown custom property 'owner'",
    ),
    "missing extra": (
        "  - property: ownerService\n    value: Toys\n",
        "",
        "customProperties.ownerService: is missing",
    ),
    "extra twice": ("property: cadence", "property: ownerService", "ownerService is given twice"),
    "bad share": ("rejectShare: 0.1", "rejectShare: 10", "a share lies between 0 and 1"),
    "missing share": ("rejectShare: 0.1, ", "", "tolerance.rejectShare: is missing"),
    "bad mode": ("[snapshot, delta]", "[snapshot, weekly]", "'weekly' is not one of"),
    "bad pattern": ("(?P<as_at>", "(?P<as_at", "is not a regular expression"),
    "unknown group": ("(?P<as_at>", "(?P<asat>", "unknown named groups asat"),
    "no mode group": ("(?P<mode>snapshot|delta)", "(snapshot|delta)", "needs a named group `mode`"),
    "no period": ("(?P<as_at>[0-9]{8})", "[0-9]{8}", "a named group `as_at`, `period` or `ac"),
    "wrong example": ("886_toy_snapshot_20211231", "toy", "does not fit the pattern"),
    "dates without forms": (
        "            value: [iso, iso_time, day_first, excel_serial]",
        "            value: []",
        "lists its acceptedFormats",
    ),
    "unknown form": ("[iso, iso_time,", "[iso, american,", "'american' is not one of"),
    "no retention": ("  - property: retention\n    value: 7\n    unit: y\n", "  []\n", "retention"),
    "bad encoding": ("[utf-8, windows-1252]", "[utf-8, ebcdic]", "'ebcdic' is not one of"),
    "numbering without a column": ("value: reject_later", "value: number", "needs one key column"),
    "operation without delta": ("modes: [snapshot, delta]", "modes: [snapshot]", "only a delta"),
    "unquoted name": ("[Remarks]", "[12]", "12 must be text"),
    "no limit": ("      maxBytes: 50000000\n", "", "delivery.maxBytes: is missing"),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_contract_says_where_and_what(broken):
    before, after, message = BREAKS[broken]
    text = TOY.read_text()
    assert before in text, "the test itself is out of date"
    with pytest.raises(ContractError, match=message) as error:
        parse(text.replace(before, after, 1), "expectations/feeds/toy.yml")
    assert str(error.value).startswith("expectations/feeds/toy.yml: ")


LAYOUTS = """  - property: layouts
    value:
      - {{name: one, validFrom: '2020-01-01'}}
      - {{name: two, validFrom: '{day}', {change}}}
"""


@pytest.mark.parametrize(
    ("day", "change", "message"),
    [
        ("2019-01-01", "remove: [size]", "stand in order of date"),
        ("2021-02-30", "remove: [size]", "a date as YYYY-MM-DD"),
        ("2021-01-01", "remove: [colour]", "'colour' is not one of"),
        ("2021-01-01", "remove: [size, size]", "not in the layout before"),
        ("2021-01-01", "remove: [item_id]", "a key column is removed"),
        ("2021-01-01", "remove: [size], rename: {size: Big}", "renames no column"),
        ("2021-01-01", "drop: [size]", "unknown drop"),
    ],
)
def test_a_layout_must_follow_from_the_one_before(day, change, message):
    text = TOY.read_text() + LAYOUTS.format(day=day, change=change)
    with pytest.raises(ContractError, match=message):
        parse(text, "toy.yml")


def test_a_layout_is_the_difference_from_the_one_before():
    text = TOY.read_text() + LAYOUTS.format(
        day="2021-01-01", change="remove: [price], rename: {label: Name}"
    )
    contract = parse(text, "toy.yml")
    old, new = contract.layout_on(dt.date(2020, 6, 1)), contract.layout_on(dt.date(2021, 1, 1))
    assert [column.header for column in old.columns] == [
        "ItemID", "Label", "MadeOn", "Size", "Price",
    ]  # fmt: skip
    assert [column.header for column in new.columns] == ["ItemID", "Name", "MadeOn", "Size"]
    assert len(contract.columns) == 5, "the raw table keeps them all"


def test_a_contract_must_bear_the_name_of_its_file(tmp_path):
    folder = tmp_path / "expectations" / "feeds"
    folder.mkdir(parents=True)
    (folder / "tay.yml").write_text(TOY.read_text())
    with pytest.raises(ContractError, match=r"feeds/tay\.yml: id: is 'toy'"):
        load_contracts(folder)


def test_a_contract_that_is_no_mapping_or_no_text(tmp_path):
    with pytest.raises(ContractError, match="a contract is a YAML mapping"):
        parse("- a\n- b\n", "toy.yml")
    folder = tmp_path / "expectations" / "feeds"
    folder.mkdir(parents=True)
    (folder / "toy.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ContractError, match="not UTF-8"):
        load_contracts(folder)


STAND_IN = (
    "        primaryKeyPosition: 1\n        required: true\n",
    "        primaryKeyPosition: 1\n        required: true\n        customProperties:\n"
    "          - property: standIn\n            value: [{}]\n",
)


@pytest.mark.parametrize(
    ("columns", "message"),
    [("item_id", "no other column"), ("colour", "no other column"), ("label", "known by its key")],
)
def test_a_stand_in_that_cannot_be(columns, message):
    text = TOY.read_text()
    assert STAND_IN[0] in text
    with pytest.raises(ContractError, match=message):
        parse(text.replace(STAND_IN[0], STAND_IN[1].format(columns)), "toy.yml")
