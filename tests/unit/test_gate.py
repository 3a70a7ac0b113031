"""The gate: what it lets through, what it stops, and what it says about it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import shutil
from collections import Counter

import pytest

from neet import decisions, gate
from neet.database import connect
from neet.rules import gx
from neet.settings import PROJECT_ROOT
from tests.rules.small_census import FEEDS, SmallCensus, valid_record

# A gate takes most of a second, and there are many ways to fail one.
pytestmark = pytest.mark.slow

NEET = {
    "activity_code": "619",
    "neet_start_date": "2021-09-02",
    "due_to_lapse_date": "",
    "predicted_end_date": "",
}


@pytest.fixture
def census(warehouse):
    return SmallCensus(warehouse)


def people(count: int, **differences):
    return [valid_record(number, **differences) for number in range(1, count + 1)]


def judged(census, run, settings=None):
    return gate.judge_return(
        settings or census.warehouse.settings, census.warehouse.dsn["gate"], run
    )


def checked(census, run, settings=None):
    return gate.check(settings or census.warehouse.settings, census.warehouse.dsn["gate"], run)


def result_of(outcome, check_id):
    (result,) = [each for each in outcome.results if each.check_id == check_id]
    return result


def failing(outcome):
    return {each.check_id: each.failed_count for each in outcome.results if each.status == "failed"}


def stored(census, query, *parameters):
    with connect(census.warehouse.dsn["auditor"]) as connection:
        return connection.execute(query, list(parameters)).fetchall()


@pytest.fixture
def changed_rules(warehouse, tmp_path):
    """Settings of a checkout of its own, whose rules and seeds a test may spoil."""
    for folder in ("expectations", "dbt_project/seeds"):
        shutil.copytree(PROJECT_ROOT / folder, tmp_path / "checkout" / folder)
    return dataclasses.replace(warehouse.settings, root=tmp_path / "checkout")


# -- a good return -------------------------------------------------------------------------------------


def test_a_good_return_passes_and_is_recorded(census):
    run = census.build([*people(20), *[valid_record(n, **NEET) for n in range(21, 24)]])
    outcome = checked(census, run)
    assert outcome.outcome == "passed" and outcome.stopped_by == () and failing(outcome) == {}
    assert outcome.record_count == 23
    assert outcome.rules_failed == outcome.rules_could_not_run == outcome.rules_waived == 0
    assert {each.check_id for each in outcome.results if each.status == "not_applicable"} == {
        "240", "F1", "F2", "F3", "F8", "F9", "F11", "F12", "F13", "F14", "F15", "F16",
        "totals_reconciled", "nobody_vanished", "cohort_change", "not_known_jump", "neet_jump",
    }  # fmt: skip
    assert result_of(outcome, "flow_identity").observed == "2 + 3 - 2 = 3"
    assert (
        result_of(outcome, "feeds_complete").observed
        == "4 of 4 feeds have a snapshot for 2021-12-31"
    )
    assert "PASSED" in outcome.summary and "23 records" in outcome.summary

    ((found, rules_run, inputs, decided_by),) = stored(
        census,
        "select outcome, rules_run, inputs, decided_by from assurance.gate_decision where decision_id = %s",
        outcome.decision_id,
    )
    assert (found, rules_run, decided_by) == ("passed", outcome.rules_run, "neet.gate")
    assert inputs["row_counts"]["ret_nccis_record"] == 23
    assert [each["feed"] for each in inputs["deliveries_since_last_submission"]] == list(FEEDS)
    assert inputs["pack_version"] == "2021-22" and len(inputs["pack_sha256"]) == 64
    statuses = stored(census, "select status, count(*) from assurance.check_result group by 1")
    assert dict(statuses) == Counter(each.status for each in outcome.results)


def test_the_same_return_judged_again_is_the_same_decision(census):
    run = census.build(people(3, send_flag="X"))
    first, second = checked(census, run), checked(census, run)
    assert first.decision_id == second.decision_id
    assert second.data_docs_index == first.data_docs_index and second.data_docs_index.exists()
    assert stored(census, "select count(*) from assurance.gate_decision") == [(1,)]
    assert [each.name for each in first.data_docs_index.parent.parent.iterdir()] == [
        first.data_docs_index.parent.name
    ]


# -- rules ---------------------------------------------------------------------------------------------


def test_a_must_fix_error_blocks_and_a_should_fix_error_does_not(census):
    run = census.build([*people(5), valid_record(6, send_flag="X", sen_support_flag="X")])
    assert (judged(census, run).outcome, failing(judged(census, run))) == (
        "passed",
        {"102": 1, "304": 1},
    )
    run = census.build([*people(5), valid_record(6, level_of_need_code="")])
    outcome = judged(census, run)
    assert outcome.outcome == "blocked"
    assert [each.check_id for each in outcome.stopped_by] == ["100"]
    assert (
        result_of(outcome, "100").observed is None and result_of(outcome, "100").checked_count == 6
    )


def test_every_failing_row_is_recorded_with_person_field_and_value(census):
    """Great Expectations keeps 200 rows of a result; the record keeps them all."""
    run = census.build(
        [*people(230, postcode="nowhere"), valid_record(231, date_verified="2021-08-01")]
    )
    outcome = checked(census, run)
    assert failing(outcome) == {"43": 230, "237": 1, "256": 1}
    rows = stored(
        census,
        "select failure_number, young_persons_id, record_number, field, value, detail "
        "from assurance.check_failure where decision_id = %s and check_id = '43' order by 1",
        outcome.decision_id,
    )
    assert rows == [(n, f"886{n:010}", n, "Postcode", "nowhere", None) for n in range(1, 231)]
    rows = stored(
        census,
        "select young_persons_id, field, value, detail from assurance.check_failure where check_id = '256'",
    )
    assert rows == [("8860000000231", "DateVerified", "2021-08-01", "StartDate 2021-09-02")]


def test_an_empty_return_is_blocked_and_its_rules_are_not_called_passed(census):
    outcome = checked(census, census.build([]))
    assert outcome.outcome == "blocked" and outcome.record_count == 0
    assert [each.check_id for each in outcome.stopped_by] == ["return_not_empty"]
    assert {
        each.status for each in outcome.results
        if each.suite == "nccis_2021-22" and not each.check_id.startswith("F")
    } == {"not_applicable"}  # fmt: skip


def test_a_header_whose_period_cannot_be_read_stops_every_rule_that_needs_it(census):
    outcome = judged(census, census.build(people(2), {"period_end": "31/12/2021"}))
    assert {"F7", "header_sane"} <= set(failing(outcome))
    unrun = {each.check_id for each in outcome.results if each.status == "could_not_run"}
    assert {"9", "10", "40", "229", "231", "232", "305", "905", "909"} <= unrun and "1" not in unrun
    assert "'31/12/2021'; the rule needs a date" in result_of(outcome, "40").error


# -- what could not run --------------------------------------------------------------------------------


def spoil(settings, file, old, new):
    path = settings.expectations / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("fails_when: transferred_to_la_code = lead_lea", "fails_when: no_such_column = lead_lea",
         'column "no_such_column" does not exist'),
        ("fails_when: transferred_to_la_code = lead_lea", "fails_when: lead_lea in (", "syntax error"),
        ("fails_when: transferred_to_la_code = lead_lea", "fails_when: 1 / (record_number - record_number) = 1",
         "division by zero"),
        ("fails_when: transferred_to_la_code = lead_lea", "fails_when: lead_lea not in {{ moons }}",
         "'moons', which code_lists.yml does not have"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_run_blocks_and_the_others_run(census, changed_rules, old, new, words):
    run = census.build(people(3, send_flag="X"))
    spoil(changed_rules, "nccis/2019-20/personal_details.yml", old, new)
    outcome = checked(census, run, changed_rules)
    assert outcome.outcome == "blocked" and outcome.rules_could_not_run == 1
    assert [(each.check_id, each.status) for each in outcome.stopped_by] == [
        ("42", "could_not_run")
    ]
    assert words in result_of(outcome, "42").error
    assert failing(outcome) == {"102": 3}
    ((status, blocks, failed, error),) = stored(
        census,
        "select status, blocks, failed_count, error from assurance.check_result where check_id = '42'",
    )
    assert (status, blocks, failed) == ("could_not_run", True, None)
    assert words in error and "gate_work" not in error and not re.search(r"w[0-9a-f]{16}", error)
    assert words.replace('"', "&#34;").replace("'", "&#39;") in outcome.data_docs_index.read_text()


def test_a_should_fix_rule_that_cannot_run_blocks_too(census, changed_rules):
    run = census.build(people(1))
    spoil(
        changed_rules,
        "nccis/2019-20/personal_details.yml",
        "fails_when: gender is null",
        "fails_when: sex",
    )
    assert [each.check_id for each in judged(census, run, changed_rules).stopped_by] == ["4"]


@pytest.mark.parametrize("answers", [[], [gx.Outcome(0, None), gx.Outcome(0, None)]])
def test_a_rule_without_exactly_one_result_blocks(census, monkeypatch, answers):
    run = census.build(people(1))
    everything = gx.Session.run

    def without_one(session, suite, checks):
        found = everything(session, suite, checks)
        return {key: answers if key == "40" else value for key, value in found.items()}

    monkeypatch.setattr(gx.Session, "run", without_one)
    outcome = judged(census, run)
    assert [each.check_id for each in outcome.stopped_by] == ["40"]
    assert f"gave {'2 results' if answers else 'no result'}" in result_of(outcome, "40").error


def test_a_result_that_contradicts_itself_could_not_run():
    class Result:
        exception_info = {"raised_exception": False}
        result = {"observed_value": 3}
        success = True

    assert gx.outcome_of(Result()).error
    Result.success = False
    assert gx.outcome_of(Result()) == gx.Outcome(3, None)
    Result.result = {}
    assert gx.outcome_of(Result()).error


def test_a_suite_that_raises_could_not_run(census, monkeypatch):
    run = census.build(people(1))

    def raising(session, suite, checks):
        raise RuntimeError("the suite is broken")

    monkeypatch.setattr(gx.Session, "run", raising)
    outcome = checked(census, run)
    assert outcome.outcome == "blocked" and outcome.rules_run == 0
    assert "the suite is broken" in result_of(outcome, "1").error


@pytest.mark.parametrize(
    "statement",
    [
        "drop table {census}.ret_nccis_record",
        "alter table {census}.ret_nccis_record drop column send_flag",
        "drop table {census}.ret_nccis_characteristic",
        "drop schema {census} cascade",
    ],
)
def test_a_return_that_is_not_there_blocks(census, statement):
    run = census.build(people(1))
    census.execute(statement)
    outcome = checked(census, run)
    assert outcome.outcome == "blocked"
    assert {each.status for each in outcome.results} == {"could_not_run"}
    assert "does not exist" in result_of(outcome, "1").error
    assert outcome.data_docs_index.stat().st_size > 1_000


def test_a_missing_mart_stops_only_the_checks_that_need_it(census):
    run = census.build(people(1))
    census.execute("drop table {census}.fct_flow")
    outcome = judged(census, run)
    assert [each.check_id for each in outcome.stopped_by] == ["flow_identity"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("expectations/nccis/2021-22/pack.yml", "requirement_year: [" ),
        ("expectations/nccis/code_lists.yml", "seeds: nowhere\nlists: {a: {seed: b.csv, column: c}}"),
        ("expectations/nccis/priorities.csv", "priority\n"),
        ("expectations/gates/monthly_return.yml", "checks: []\nsuite: x\nrequired_feeds: []"),
        ("dbt_project/seeds/policy/gate_threshold.csv", "threshold_id,value,unit,meaning,valid_from,valid_to\n"
         "a,many,,,,\n"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_loaded_block_and_say_which_file(census, changed_rules, file, text):
    run = census.build(people(1))
    (changed_rules.root / file).write_text(text, encoding="utf-8")
    outcome = checked(census, run, changed_rules)
    assert outcome.outcome == "blocked"
    ((check_id, status, error),) = stored(
        census, "select check_id, status, error from assurance.check_result"
    )
    assert (check_id, status) == ("rules_load", "could_not_run") and error


def test_a_requirement_year_without_a_pack_blocks(census):
    run = dataclasses.replace(census.build(people(1)), pack_version="2018-19")
    assert "no rule pack" in result_of(judged(census, run), "rules_load").error


# -- waivers -------------------------------------------------------------------------------------------


def waive(census, check_id, **body):
    decisions.record(
        census.warehouse.settings, census.warehouse.dsn["gate"], "waiver", "886", check_id,
        {"check_id": check_id, "approved_by": "Head of MI", **body}, "Head of MI", "being mended",
    )  # fmt: skip


BAD = {"level_of_need_code": ""}


def test_a_waiver_turns_failed_into_waived(census):
    records = [*people(3), valid_record(4, **BAD)]
    census.build(records)
    waive(census, "100", expires_on="2021-12-31")
    outcome = checked(census, census.build(records, feeds=()))
    assert outcome.outcome == "passed" and outcome.rules_waived == 1 and failing(outcome) == {}
    result = result_of(outcome, "100")
    assert (result.status, result.failed_count) == ("waived", 1)
    assert result.observed == "waived by Head of MI until 2021-12-31: being mended"
    assert stored(
        census, "select young_persons_id from assurance.check_failure where check_id = '100'"
    )
    assert (
        len(stored(census, "select inputs->'waivers'->>0 from assurance.gate_decision")[0][0]) > 5
    )
    assert "Head of MI until 2021-12-31" in outcome.summary


def test_an_expired_waiver_does_not(census):
    """By the period of the return, whatever day it is today."""
    census.build(people(1, **BAD))
    waive(census, "100", expires_on="2021-12-30")
    outcome = judged(census, census.build(people(1, **BAD), feeds=()))
    assert [each.check_id for each in outcome.stopped_by] == ["100"]
    assert outcome.notes == ["failing again, now that their waivers have ended: 100 (2021-12-30)"]


def test_a_waiver_for_some_people_leaves_the_others_failing(census):
    census.build(people(3, **BAD))
    waive(
        census, "100", expires_on="2022-03-31", young_persons_ids=["8860000000001", "8860000000003"]
    )
    run = census.build(people(3, **BAD), feeds=())
    result = result_of(judged(census, run), "100")
    assert (result.status, result.failed_count, result.waived_count) == ("failed", 3, 2)
    assert result.stops and result.observed.startswith("2 of 3 waived by Head of MI")
    waive(census, "100", expires_on="2022-03-31", young_persons_ids=["8860000000002"])
    assert judged(census, census.build(people(3, **BAD), feeds=())).outcome == "passed"


def test_a_waiver_not_yet_known_to_the_run_does_not_count(census):
    run = census.build(people(1, **BAD))
    waive(census, "100", expires_on="2022-03-31")
    assert judged(census, run).outcome == "blocked"


@pytest.mark.parametrize(
    "body", [{}, {"expires_on": "soon"}, {"expires_on": "2022-03-31", "young_persons_ids": 7}]
)
def test_a_waiver_that_cannot_be_read_waives_nothing(census, body):
    census.build(people(1, **BAD))
    waive(census, "100", **body)
    outcome = judged(census, census.build(people(1, **BAD), feeds=()))
    assert outcome.outcome == "blocked"
    assert any("was ignored" in note for note in outcome.notes)


def test_what_could_not_run_cannot_be_waived(census, changed_rules):
    census.build(people(1))
    waive(census, "42", expires_on="2022-03-31")
    waive(census, "rule-forty-two", expires_on="2022-03-31")
    spoil(changed_rules, "nccis/2019-20/personal_details.yml",
          "fails_when: transferred_to_la_code = lead_lea", "fails_when: nonsense")  # fmt: skip
    outcome = judged(census, census.build(people(1), feeds=()), changed_rules)
    assert [each.check_id for each in outcome.stopped_by] == ["42"]
    assert any("'rule-forty-two', which this gate does not have" in note for note in outcome.notes)


# -- the gate's own checks -----------------------------------------------------------------------------


def test_a_feed_that_has_not_arrived_blocks_and_a_held_one_is_named(census):
    census.deliver("core_plus_activities", "held", reason="shrank by 40%")
    run = census.build(people(2), feeds=[feed for feed in FEEDS if feed != "core_plus_activities"])
    result = result_of(judged(census, run), "feeds_complete")
    assert (result.failed_count, result.stops) == (1, True)
    assert result.rows[0].value == "core_plus_activities"
    assert result.observed.endswith("waiting: core_plus_activities (held: shrank by 40%)")


def test_late_feeds_are_named_with_their_owners_and_do_not_block(census):
    census.deliver("liberi_care", as_at=dt.date(2021, 11, 30))
    census.deliver("youth_justice_orders")
    census.deliver("core_plus_users", as_at=dt.date(2021, 9, 30))  # late, and endangers no gate
    run = census.build(people(2))
    outcome = judged(census, run)
    result = result_of(outcome, "late_feeds")
    assert (result.status, result.stops, outcome.outcome) == (
        "failed",
        False,
        "passed",
    ), result.error
    assert [row.value for row in result.rows] == ["liberi_care"]
    assert "due on 2022-01-10" in result.rows[0].detail and "Owner: VSK" in result.rows[0].detail
    assert result.observed == "1 of 6 expected feeds are late: liberi_care (VSK)"
    assert result_of(outcome, "late_feeds_that_block").checked_count == 0
    census.deliver("liberi_care")
    assert result_of(judged(census, run), "late_feeds").status == "failed", "not known to the run"
    assert result_of(judged(census, census.run()), "late_feeds").status == "passed"


def test_a_late_feed_that_the_schedule_says_blocks_does(census, monkeypatch):
    from neet.feeds import schedule

    rules = schedule.rules

    def blocking(*arguments):
        return [
            dataclasses.replace(rule, blocks=rule.feed == "liberi_care")
            for rule in rules(*arguments)
        ]

    monkeypatch.setattr(schedule, "rules", blocking)
    census.deliver("liberi_care", as_at=dt.date(2021, 11, 30))
    outcome = judged(census, census.build(people(2)))
    assert outcome.outcome == "blocked"
    assert result_of(outcome, "late_feeds_that_block").stops


def test_too_many_rejected_rows_block_and_each_is_listed(census):
    census.deliver("core_plus_people", rows=1_000, rejected=10)
    assert judged(census, census.build(people(2))).outcome == "passed"
    census.deliver("core_plus_people", rows=10, rejected=5)
    result = result_of(judged(census, census.build(people(2), feeds=())), "rejects_within_limit")
    assert (result.failed_count, result.stops, result.observed) == (
        15,
        True,
        "15 of 1410 rows rejected",
    )
    assert result.rows[0].detail == "core_plus_people delivery 1, line 2: is no date"
    assert result.threshold.startswith("1 percent")


@pytest.mark.parametrize(
    ("statement", "check_id"),
    [
        ("update {census}.fct_flow set closing = closing + 1", "flow_identity"),
        ("update {census}.fct_flow set joiners = 3, closing = 3", "flow_identity"),
        ("update {census}.fct_kpi_value set numerator = denominator + 1", "kpi_sane"),
        ("update {census}.ret_nccis_header set period_end = '2021-11-30'", "header_sane"),
        ("update {census}.ret_nccis_header set source_leas = '887'", "header_sane"),
        (
            "insert into {census}.ret_nccis_header select * from {census}.ret_nccis_header",
            "header_sane",
        ),
        (
            "update {census}.ret_nccis_record set person_id = 'p' where record_number < 3",
            "one_record_a_person",
        ),
        (
            "delete from {census}.fct_cohort_month where young_persons_id = '8860000000001'",
            "one_record_a_person",
        ),
        (
            "update {census}.ret_nccis_record set date_verified = '1 Nov 2021' where record_number = 1",
            "dates_readable",
        ),
        ("update control.build set status = 'failed'", "build_tested"),
        ("update control.build set known_seq = 1", "build_tested"),
    ],
)
def test_what_does_not_add_up_blocks(census, statement, check_id):
    run = census.build(people(4))
    census.execute(statement)
    outcome = judged(census, run)
    assert check_id in [each.check_id for each in outcome.stopped_by], failing(outcome)


def test_warnings_are_given_and_do_not_block(census):
    same = {"given_name": "ALEX", "postcode": "ZZ993WZ"}
    records = [
        valid_record(1, given_name="Alex"),
        valid_record(2, **same),
        valid_record(3, currency_lapsed="Y", due_to_lapse_date="2021-11-30"),
        valid_record(4, is_stale=True),
    ]
    run = census.build(records)
    census.execute("update {census}.fct_cohort_month set is_lapsed = false")
    outcome = judged(census, run)
    assert outcome.outcome == "passed"
    assert failing(outcome) == {
        "43": 1, "908": 2, "duplicate_people": 2, "lapse_flag_agrees": 1, "stale_within_limit": 1,
    }  # fmt: skip
    rows = result_of(outcome, "duplicate_people").rows
    assert rows[0].detail.endswith("8860000000001 8860000000002")


# -- since the last submission -------------------------------------------------------------------------


def test_the_movement_since_the_last_submission_is_accounted_for(census):
    before = people(60, date_verified="2021-11-01")
    census.seal("2021-11", before)
    now = {each["young_persons_id"]: dict(each) for each in before}

    def change(number, **differences):
        now[f"886{number:010}"] |= differences

    change(1, cohort_status="T", transferred_to_la_code="887")
    change(2, activity_code="230")
    change(3, currency_lapsed="Y", due_to_lapse_date="2021-12-01")
    change(4, date_verified="2021-12-05")
    change(5, start_date="2021-09-01")
    change(6, postcode="ZZ99 9ZZ")
    change(7, young_persons_id="8860000000099", previous_ypid_identifier="8860000000007")
    records = [*now.values(), valid_record(61), valid_record(62)]
    outcome = checked(census, census.build(records))
    assert outcome.outcome == "passed", outcome.summary
    changes = stored(
        census,
        "select young_persons_id, change, before_code, after_code, detail from assurance.submission_change "
        "order by young_persons_id",
    )
    assert changes == [
        ("8860000000001", "left", "P", "T", "220"),
        ("8860000000002", "recoded", "220", "230", "began 2021-09-02"),
        ("8860000000003", "lapsed", "N", "Y", "due 2021-12-01"),
        ("8860000000004", "confirmed", "2021-11-01", "2021-12-05", "220"),
        ("8860000000005", "corrected", "P", "P", "StartDate"),
        ("8860000000006", "corrected", "P", "P", None),
        ("8860000000061", "joined", None, "P", "220"),
        ("8860000000062", "joined", None, "P", "220"),
        ("8860000000099", "corrected", "P", "P", "id was 8860000000007"),
    ]
    assert result_of(outcome, "totals_reconciled").observed == (
        "60 + 2 joined - 1 left - 0 vanished = 61; the return has 61"
    )
    assert outcome.changes["joined"] == 2 and "Since 2021-11" in outcome.summary


def test_somebody_who_vanished_blocks(census):
    census.seal("2021-11", people(40))
    outcome = judged(census, census.build(people(39)))
    assert [each.check_id for each in outcome.stopped_by] == ["nobody_vanished"]
    (row,) = result_of(outcome, "nobody_vanished").rows
    assert (row.young_persons_id, row.detail) == (
        "8860000000040", "sent as P last time, in no record now",
    )  # fmt: skip
    assert [each.change for each in outcome.changes] == ["vanished"]


def test_an_id_that_stands_twice_breaks_the_account(census):
    census.seal("2021-11", people(40))
    records = [
        *people(40),
        valid_record(40, given_name="Another", unique_learner_no="", person_id="other"),
    ]
    outcome = judged(census, census.build(records))
    assert {"902", "totals_reconciled"} == {each.check_id for each in outcome.stopped_by}
    assert result_of(outcome, "totals_reconciled").rows[0].value == "41"


def test_jumps_beyond_the_band_block(census):
    census.seal("2021-11", people(100))
    not_known = {"activity_code": "810", "due_to_lapse_date": "", "predicted_end_date": ""}
    records = [valid_record(n, **(not_known if n <= 4 else {})) for n in range(1, 107)]
    outcome = judged(census, census.build(records))
    assert {each.check_id for each in outcome.stopped_by} == {"cohort_change", "not_known_jump"}
    assert result_of(outcome, "cohort_change").observed == "100 before, 106 now"
    within = [valid_record(n, **(not_known if n <= 3 else {})) for n in range(1, 106)]
    assert judged(census, census.build(within, feeds=())).outcome == "passed"


def test_a_submission_the_run_cannot_know_of_is_not_compared_with(census):
    run = census.build(people(3))
    census.seal("2021-11", people(50))
    assert judged(census, run).previous is None
    later = census.build(people(3), feeds=())
    assert judged(census, later).previous.census_point == "2021-11"


# -- pages ---------------------------------------------------------------------------------------------


def test_the_pages_show_what_failed_name_nobody_and_need_no_internet(census):
    hostile = "<script>alert('zq7')</script>"
    run = census.build(
        [*people(3), valid_record(4, gender=hostile, family_name="Nobody-Anywhere", **BAD)]
    )
    outcome = checked(census, run)
    site = outcome.data_docs_index.parent
    assert site.parent.name == "886_2021-12"
    pages = {page.relative_to(site).as_posix(): page.read_text() for page in site.rglob("*.html")}
    assert len(pages) == 5
    for page in pages.values():
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
        assert "<script" not in page and "zq7" not in page and "Nobody-Anywhere" not in page
        assert "8860000000004" not in page
    index = pages["index.html"]
    stops, others = index.split("Failing, but not stopping the return", 1)
    assert (
        "Blocked" in stops
        and "LevelOfNeedCode is given" in stops
        and "Choose intensive (1)" in stops
    )
    assert "Gender is a code of the list" in others
    for link in re.findall(r'href="([^"]+)"', index):
        assert (site / link).is_file(), link
    result = next(page for name, page in pages.items() if "validations/nccis" in name)
    assert result.index("LevelOfNeedCode is given") < result.index("GivenName is given")


def test_the_work_tables_are_gone_when_the_gate_is_done(census):
    checked(census, census.build(people(2)))
    with connect(census.warehouse.dsn["owner"]) as connection:
        assert connection.execute(
            "select count(*) from pg_tables where schemaname = 'gate_work'"
        ).fetchone() == (0,)
