"""Promises of the dbt project that its files alone can keep or break."""

from __future__ import annotations

import csv
import functools
import re

import pytest

from neet import yaml_files
from neet.settings import PROJECT_ROOT

PROJECT = PROJECT_ROOT / "dbt_project"
MODELS = sorted((PROJECT / "models").rglob("*.sql"))
SEEDS = sorted((PROJECT / "seeds").rglob("*.csv"))
NOT_PORTABLE = {
    "::": r"::",
    "distinct on": r"\bdistinct\s+on\b",
    "generate_series": r"\bgenerate_series\b",
    "lateral": r"\blateral\b",
    "filter (": r"\bfilter\s*\(",
    "range types": r"\b(date|ts|tstz|int4|int8|num)range\b",
    "interval": r"\binterval\s*'",
    "date_trunc": r"\bdate_trunc\b",
}


@functools.cache
def properties(kind: str = "models") -> dict[str, dict]:
    found = {}
    for file in sorted((PROJECT / ("seeds" if kind == "seeds" else "models")).rglob("*.yml")):
        for entry in yaml_files.read(file).get(kind, []):
            found[entry["name"]] = entry
    return found


def without_comments(text: str) -> str:
    text = re.sub(r"\{#.*?#\}", "", text, flags=re.S)
    return re.sub(r"--.*", "", text)


def test_there_is_something_to_look_at():
    assert len(MODELS) > 30
    assert len(SEEDS) > 20


@pytest.mark.parametrize("file", MODELS, ids=lambda file: file.stem)
def test_models_are_portable_and_described(file):
    sql = without_comments(file.read_text())
    for what, pattern in NOT_PORTABLE.items():
        assert not re.search(pattern, sql, flags=re.I), f"{what} belongs in macros/dialect"
    entry = properties()[file.stem]
    assert entry["description"].strip()
    assert all(column["description"].strip() for column in entry.get("columns", []))


@pytest.mark.parametrize("file", MODELS, ids=lambda file: file.stem)
def test_only_as_known_looks_at_known_time(file):
    sql = without_comments(file.read_text())
    assert "var(" not in sql.replace("date_value(var('period_end'))", "")
    assert not re.search(r"delivery_seq\s*(<|>|=)", sql)
    assert not re.search(r"known_(from|to)_seq\s*(<|>|=|is)", sql)


@pytest.mark.parametrize(
    "file",
    [file for file in MODELS if "marts" in file.parts and "intermediate" not in file.parts],
    ids=lambda file: file.stem,
)
def test_marts_say_the_type_of_every_column(file):
    entry = properties()[file.stem]
    columns = {column["name"]: column.get("data_type") for column in entry["columns"]}
    assert all(columns.values()), columns
    assert next(iter(columns)) == "la_code", "la_code leads every key (design rule 16)"


def test_a_model_is_configured_once():
    """Of two calls the second takes the place of the first, and an index or an increment is lost without a word."""
    twice = [
        file.stem for file in MODELS if len(re.findall(r"\{\{\s*config\(", file.read_text())) > 1
    ]
    assert twice == []


@pytest.mark.parametrize(
    "file",
    [
        file
        for file in MODELS
        if "'by': 'person'" in file.read_text() and "materialized='view'" not in file.read_text()
    ],
    ids=lambda file: file.stem,
)
def test_tables_joined_by_person_are_indexed_by_authority_and_person(file):
    """Without one a join that the planner takes for a row reads the whole table for each: docs/scale.md."""
    indexes = re.findall(r"'columns': \[([^\]]*)\]", file.read_text())
    found = [re.findall(r"'(\w+)'", columns) for columns in indexes]
    assert ["la_code", "person_id"] in [columns[:2] for columns in found], found
    assert all(columns[0] == "la_code" for columns in found), "la_code first (design rule 16)"


def test_every_property_has_its_model():
    assert properties().keys() == {file.stem for file in MODELS}


def test_every_data_test_says_what_it_is_for():
    tests = [
        (name, next(iter(test.values())) if isinstance(test, dict) else test)
        for kind in ("models", "seeds")
        for name, entry in properties(kind).items()
        for test in entry.get("data_tests", [])
    ]
    assert len(tests) > 40
    assert [
        name for name, body in tests if not isinstance(body, dict) or not body.get("description")
    ] == []


def test_nothing_with_names_or_birth_dates_is_published():
    published = {
        name: {column["name"] for column in entry["columns"]}
        for name, entry in properties().items()
        if entry.get("config", {}).get("meta", {}).get("publish") == "internal"
    }
    assert "fct_kpi_value" in published
    personal = {
        "given_name",
        "middle_name",
        "family_name",
        "dob",
        "postcode",
        "row_text",
        "unique_learner_no",
    }
    assert {
        name: found for name, columns in published.items() if (found := columns & personal)
    } == {}


@pytest.mark.parametrize("file", SEEDS, ids=lambda file: file.stem)
def test_seeds_say_where_they_come_from_and_what_is_assumed(file):
    with file.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        assert {"source", "assumed"} <= set(reader.fieldnames)
        types = properties("seeds")[file.stem]["config"]["column_types"]
        assert list(types) == reader.fieldnames, "the column types name every column, in order"
        for row in reader:
            assert row["source"].strip(), row
            assert row["assumed"] in ("true", "false"), row
            assert None not in row and None not in row.values(), row


def seed(name: str) -> list[dict]:
    (file,) = [file for file in SEEDS if file.stem == name]
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_codes_fall_into_the_published_buckets():
    buckets = {}
    for row in seed("activity_codes"):
        buckets.setdefault(row["status_bucket"], set()).add(row["activity_code"])
    assert buckets["NEET"] == set("540 610 615 616 619 620 630 640 650 660 670 680".split())
    assert buckets["NOT_KNOWN"] == {"810", "820", "830"}
    assert buckets["EET"] == set(
        "210 220 230 240 250 260 270 280 290 310 320 330 340 350 360 380 381 410 430 440 450 460 550".split()
    )
    routes = {row["activity_code"]: row["participation_route"] for row in seed("activity_codes")}
    assert {code for code, route in routes.items() if route} == set(
        "210 220 230 240 250 270 280 290 310 320 381 410 430 450 460 550".split()
    )
    assert {code for code, route in routes.items() if route} < buckets["EET"]


def test_every_code_in_use_has_a_currency_rule_and_only_neet_and_not_known_never_lapse():
    bucket = {row["activity_code"]: row["status_bucket"] for row in seed("activity_codes")}
    rules = {row["activity_code"]: row["rule_kind"] for row in seed("currency_rules")}
    historic = {
        row["activity_code"]
        for row in seed("activity_codes")
        if row["activity_group"] == "HISTORIC"
    }
    assert rules.keys() == bucket.keys() - historic
    assert {code for code, kind in rules.items() if kind == "none"} == {
        code for code in rules if bucket[code] in ("NEET", "NOT_KNOWN")
    }


def test_every_kpi_names_counts_that_exist():
    macros = (PROJECT / "macros" / "rules" / "measures.sql").read_text()
    windows = {row["window_code"] for row in seed("kpi_window")}
    groups = {row["group_code"] for row in seed("reporting_group")}
    assert len(seed("kpi_definition")) >= 23
    for row in seed("kpi_definition"):
        assert f"'{row['numerator_measure']}'" in macros, row
        assert not row["denominator_measure"] or f"'{row['denominator_measure']}'" in macros, row
        assert row["window_code"] in windows
        assert row["group_code"] in groups | {"EACH"}
    assert {row["kpi_id"] for row in seed("kpi_target")} <= {
        row["kpi_id"] for row in seed("kpi_definition")
    }
    assert [row["measure"] for row in seed("neet_duration_band")] == re.findall(
        r"'(neet_band_\w+)'", macros
    )
