"""Every rule of every pack, run over rows that must fail it and rows that must pass."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from neet.nccis import xml
from neet.rules import codes, judge, workspace
from neet.rules.pack import PACKS, PackError, available, load_pack
from neet.settings import PROJECT_ROOT

COUNTS = {
    # requirement year: rules on a record, on the return as a whole, on the header, on the document
    "2019-20": (77, 6, 4, 12),
    "2020-21": (79, 6, 4, 12),
    "2021-22": (79, 6, 4, 12),
    "2022-23": (79, 6, 4, 12),
    "2023-24": (79, 6, 4, 12),
    "2024-25": (79, 6, 4, 12),
    "2025-26": (79, 6, 4, 12),
    "2026-27": (82, 6, 4, 12),
}
SAMPLE = PROJECT_ROOT.parent / "shared" / "domain" / "nccis_samples" / "test2.xml"
needs_sample = pytest.mark.skipif(
    not SAMPLE.exists(), reason="the published sample return is not beside this checkout"
)


def judged(warehouse, pack, returns, on):
    with workspace.Workspace(warehouse.dsn["gate"]) as work:
        prepared = work.prepare(work.stage(returns), codes.load_policy(on))
        return judge.judge_all(work.connection, pack, codes.load_code_lists(on), prepared)


def test_every_requirement_year_has_its_pinned_rules():
    assert available() == tuple(COUNTS)
    for version, expected in COUNTS.items():
        pack = load_pack(version)
        found = Counter(rule.scope for rule in pack.rules.values())
        assert tuple(found[s] for s in ("record", "file", "header", "document")) == expected, (
            version
        )
        assert "not read" in pack.standing or "contents page" in pack.standing


def test_a_year_is_the_last_plus_changes_less_what_was_retired():
    base, next_year, newest = map(load_pack, ("2019-20", "2020-21", "2026-27"))
    assert set(next_year.rules) - set(base.rules) == {"909", "SG-a", "SG-b"}
    assert set(base.rules) - set(next_year.rules) == {"301"}
    assert next_year.retired["301"].startswith("2020-21: the intended destination became optional")
    kept = set(base.rules) & set(next_year.rules)
    assert {each for each in kept if base.rules[each] != next_year.rules[each]} == {"306"}
    assert next_year.rules["306"].fails_when == base.rules["306"].fails_when
    before = load_pack("2025-26")
    assert set(newest.rules) - set(before.rules) == {"44", "45", "46"}
    assert dict(load_pack("2021-22").rules) == dict(next_year.rules)


@pytest.mark.parametrize("version", COUNTS)
def test_exactly_the_failing_examples_fail(warehouse, version):
    pack = load_pack(version)
    returns, expected = [("base", *pack.example_return())], Counter()
    for rule in pack.judged_in_sql:
        for kind, examples in (("fails", rule.fails), ("passes", rule.passes)):
            for number, example in enumerate(examples):
                name = f"{rule.rule_id} {kind} {number}"
                header, records = pack.example_return(rule, example)
                returns.append((name, header, records))
                faults = 1 if rule.scope == "header" else len(records)
                expected[name, rule.rule_id] = faults if kind == "fails" else 0
    findings = judged(warehouse, pack, returns, pack.example_period_end)
    found = Counter((each.return_id, each.rule_id) for each in findings)
    assert [each for each in found if each[0] == "base"] == []
    wrong = {each: found[each] for each in expected if found[each] != expected[each]}
    assert wrong == {}
    assert all(found[f"{rule.rule_id} fails 0", rule.rule_id] for rule in pack.judged_in_sql)


@pytest.mark.parametrize("version", COUNTS)
def test_every_rule_says_what_a_person_needs(version):
    services = {
        row["service_code"]
        for row in csv.DictReader(
            (PROJECT_ROOT / "dbt_project" / "seeds" / "codes" / "services.csv").open(
                encoding="utf-8"
            )
        )
    }
    pack = load_pack(version)
    owners = codes.load_owners(pack.example_period_end)
    lists = codes.load_code_lists(pack.example_period_end)
    assert set(owners.values()) <= services
    for rule in pack.rules.values():
        assert (rule.owner_service or codes.owner_of(rule.fields, owners)) in services
        assert rule.source and len(rule.reason) > 15 and len(rule.how_to_mend) > 15, rule.rule_id
        if rule.scope != "document":
            assert "{{" not in rule.condition(lists)
            assert rule.fields, rule.rule_id


def test_failing_rows_name_the_element_and_what_it_was_compared_with(warehouse):
    pack = load_pack("2021-22")
    header, (record,) = pack.example_return()
    record = record | {
        "send_flag": "N",
        "activity_code": "280",
        "characteristic_codes": ["999", "110"],
    }
    on = pack.example_period_end
    with workspace.Workspace(warehouse.dsn["gate"]) as work:
        prepared = work.prepare(work.stage([("one", header, [record])]), codes.load_policy(on))
        lists = codes.load_code_lists(on)

        def rows(rule_id):
            query = judge.failing_query(pack.rules[rule_id], lists, prepared)
            return judge.failing_rows(work.connection, query)

        assert rows("254") == [
            judge.FailingRow("8860000000001", 1, "ActivityCode", "280", "SENDFlag N")
        ]
        assert rows("104") == [
            judge.FailingRow("8860000000001", 1, "CharacteristicCode", "999 110", None)
        ]
        assert rows("255") == []


@needs_sample
def test_the_published_sample_gives_what_dfe_means(warehouse):
    """Where DfE's meaning and the public checker part, the pack says so; everywhere else they agree."""
    expected, findings = sample(warehouse, load_pack("2019-20"))
    departures = {rule_id for _, rule_id in expected ^ findings}
    assert departures == {"5", "40", "232", "238", "306", "902"}
    assert len([each for each in findings if each[1] == "40"]) == 24
    assert ("1230000000246", "40") not in findings


@needs_sample
def test_the_published_sample_gives_the_checkers_own_answers_in_checker_mode(warehouse):
    expected, findings = sample(warehouse, load_pack("2019-20").as_checker())
    assert findings == expected and len(expected) == 109


def sample(warehouse, pack):
    with SAMPLE.with_name("test2_expected_errors.csv").open(encoding="utf-8") as handle:
        expected = {(row["young_persons_id"], row["error_code"]) for row in csv.DictReader(handle)}
    with xml.NccisReturn(SAMPLE, xml.Limits()) as nccis:
        import datetime as dt

        on = dt.date.fromisoformat(nccis.header.period_end)
        found = judged(warehouse, pack, [("sample", vars(nccis.header), nccis)], on)
    return expected, {(each.young_persons_id, each.rule_id) for each in found}


# -- packs that cannot be loaded ----------------------------------------------------------------------

COMPLETE = """
rules:
  - id: "999"
    title: A title
    fields: [dob]
    fails_when: dob is null
    priority: 1
    reason: A reason for the rule.
    how_to_mend: A way to mend it.
    examples:
      fails: [{dob: ""}]
      passes: [{}]
"""


@pytest.fixture
def packs(tmp_path) -> Path:
    """A copy of the packs with an empty year after the last."""
    folder = tmp_path / "nccis"
    shutil.copytree(PACKS, folder)
    (folder / "2027-28").mkdir()
    write(folder, "pack.yml", "requirement_year: 2027-28\nbased_on: 2026-27\n")
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / "2027-28" / name).write_text(text, encoding="utf-8")


def test_a_new_year_is_a_folder(packs):
    write(packs, "rules.yml", COMPLETE)
    pack = load_pack("2027-28", packs)
    assert set(pack.rules) - set(load_pack("2026-27").rules) == {"999"}
    assert list(pack.rules)[-20:].index("999") < 19, "numbers come before local ids"
    assert pack.fingerprint != load_pack("2026-27", packs).fingerprint


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pack.yml", "requirement_year: 2027-28\nbased_on: 2031-32\n", "no rule pack for the requirement"),
        ("pack.yml", "requirement_year: 2027-28\nbased_on: 2027-28\n", "in a circle"),
        ("pack.yml", "requirement_year: 2026-27\n", "requirement_year is not 2027-28"),
        ("pack.yml", "- not a mapping", "does not hold a mapping"),
        ("pack.yml", "a: [", "not readable YAML"),
        (
            "pack.yml",
            "requirement_year: 2027-28\nbased_on: 2026-27\nretired: [{id: '301', reason: gone}]",
            "retires rule 301, which no earlier year has",
        ),
        (
            "pack.yml",
            "requirement_year: 2027-28\nbased_on: 2026-27\nretired: [{id: '40'}]",
            "without a reason",
        ),
        ("rules.yml", COMPLETE.replace('"999"', '"40"'), "rule 40 is there already"),
        ("rules.yml", COMPLETE + COMPLETE.replace("\nrules:", ""), "rule 999 is there already"),
        ("rules.yml", COMPLETE.replace("passes: [{}]", "passes: []"), "one that passes are needed"),
        ("rules.yml", COMPLETE.replace("fails: [{dob: \"\"}]", "other: []"), "one that passes are needed"),
        ("rules.yml", COMPLETE.replace("priority: 1", "priority: 4"), "'4' is not 1, 2 or 3"),
        ("rules.yml", COMPLETE.replace("title: A title", "title: ''"), "title is missing"),
        ("rules.yml", COMPLETE.replace("reason:", "because:"), "unknown key because"),
        ("rules.yml", COMPLETE.replace("    fails_when: dob is null\n", ""), "fails_when is missing"),
        ("rules.yml", COMPLETE + "    scope: cohort\n", "scope 'cohort' is none of"),
        ("rules.yml", "changes: [{id: '999', title: x}]", "changes rule 999, which no earlier year has"),
        ("rules.yml", "changes: [{id: '40', fails_when: dob is null}]", "needs new examples"),
        ("rules.yml", "removed: []", "unknown key removed"),
    ],
)  # fmt: skip
def test_a_pack_that_is_wrong_says_where(packs, name, text, message):
    write(packs, name, text)
    with pytest.raises(PackError, match=message):
        load_pack("2027-28", packs)


def test_a_year_without_a_pack_is_refused():
    with pytest.raises(PackError, match="There are: 2019-20, "):
        load_pack("2018-19")
    with pytest.raises(PackError, match="no rule pack"):
        load_pack("../gates")


def test_a_rule_over_an_unknown_list_is_refused(packs):
    write(packs, "rules.yml", COMPLETE.replace("dob is null", "dob not in {{ birthdays }}"))
    rule = load_pack("2027-28", packs).rules["999"]
    with pytest.raises(PackError, match="'birthdays', which code_lists.yml does not have"):
        rule.condition(codes.load_code_lists(load_pack("2026-27").example_period_end))
