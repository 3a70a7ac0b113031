"""What is put before the person who signs, and that a refused payload is not put again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from neet import database, decisions, live, sign_off
from neet.census import CensusRun
from neet.returns.package import Candidate

PAYLOAD, OTHER = "a" * 64, "b" * 64
RUN = CensusRun(
    run_id="r" * 32,
    la_code="886",
    census_point="2021-12",
    period_end=dt.date(2021, 12, 31),
    known_seq=41,
    known_at=dt.datetime(2022, 1, 11, 8, tzinfo=dt.UTC),
    schema_name="census_886_2021_12",
    pack_version="2021-22",
    code_version="0.1.0+abc",
)
RESULTS = """run_id,la_code,census_point,known_seq,suite,check_id,priority,blocks,status,failed_count,checked_count,\
observed,threshold,protects,owner_service,reason,how_to_mend,error
{run},886,2021-12,41,nccis,305,2,false,failed,6,500,,,the return,TEP,Verified | too <b>late</b>,Mend it,
{run},886,2021-12,41,nccis,43,2,false,passed,0,500,,,the return,TEP,Postcode,Mend it,
{run},886,2021-12,41,gate,reject_limit,1,true,waived,1,500,,,the return,MI,Rows rejected,Mend it,
"""
CHANGES = """run_id,la_code,census_point,young_persons_id,change,before_code,after_code,detail
{run},886,2021-12,8860000000001,joined,,210,
{run},886,2021-12,8860000000002,joined,,210,
{run},886,2021-12,8860000000003,left,210,,
"""


def candidate(gate_decision_id: str, payload: str = PAYLOAD) -> Candidate:
    measures = [
        {"kpi_id": "AP-NEET", "period_code": "2021-12", "numerator": "14", "denominator": "480",
         "display": "2.9%"}
    ]  # fmt: skip
    return Candidate(Path("/nowhere"), payload, {"records": 1234}, measures, gate_decision_id)


@pytest.fixture
def passed(warehouse):
    """A recorded gate decision with results and changes."""
    body = {
        "run_id": RUN.run_id, "census_point": "2021-12", "known_seq": 41, "outcome": "passed",
        "rules_run": 3, "rules_failed": 1, "rules_waived": 1, "rules_not_applicable": 0,
        "rules_could_not_run": 0, "inputs": {},
    }  # fmt: skip
    files = {
        "check_results.csv": RESULTS.format(run=RUN.run_id).encode(),
        "check_failures.csv": b"run_id,la_code,census_point,suite,check_id,failure_number\n",
        "submission_changes.csv": CHANGES.format(run=RUN.run_id).encode(),
    }
    return decisions.record(
        warehouse.settings, warehouse.dsn["gate"], "gate_check", "886", "2021-12", body,
        "neet.gate", "1 check failed", files,
    ).decision_id  # fmt: skip


def refuse(warehouse, payload, reason):
    body = {
        "run_id": RUN.run_id, "census_point": "2021-12", "known_seq": 41, "outcome": "refused",
        "payload_sha256": payload, "answered_by": "mi_officer", "inputs": {},
    }  # fmt: skip
    decisions.record(
        warehouse.settings, warehouse.dsn["gate"], "refusal", "886", "2021-12", body, "A. Officer",
        reason,
    )  # fmt: skip


def ask(warehouse, decision_id, payload=PAYLOAD):
    return sign_off.question(
        warehouse.dsn["gate"], RUN, candidate(decision_id, payload), "/docs/index.html"
    )


def test_a_person_sees_measures_failed_checks_changes_and_the_hash(warehouse, passed):
    question = ask(warehouse, passed)
    assert question.subject == "Sign the NCCIS return of 886 for December 2021?"
    assert "1,234 records" in question.body
    assert "| AP-NEET | 2021-12 | 14 | 480 | 2.9% |" in question.body
    assert PAYLOAD in question.body and passed.replace("_", "\\_") in question.body
    assert "| 305 | 2 | failed | 6 | TEP |" in question.body
    assert "waived" in question.body and "| 43 |" not in question.body
    assert "/docs/index.html" in question.body
    assert "first return of the ledger" in question.body


def test_text_from_data_cannot_break_the_table_or_become_markup(warehouse, passed):
    body = ask(warehouse, passed).body
    assert "<b>" not in body
    assert r"Verified \| too \<b\>late\</b\>" in body


def test_a_refused_payload_is_not_put_again(warehouse, passed):
    refuse(warehouse, PAYLOAD, "the December leavers are missing")
    with pytest.raises(sign_off.AlreadyRefused, match="A. Officer.*leavers are missing.*final"):
        ask(warehouse, passed)


def test_other_figures_may_be_signed_after_a_refusal_which_is_shown(warehouse, passed):
    refuse(warehouse, OTHER, "the December leavers are missing")
    body = ask(warehouse, passed).body
    assert "### Earlier answers for this point" in body
    assert "leavers are missing" in body and OTHER[:16] in body


def test_the_same_point_of_another_authority_is_not_concerned(warehouse, passed):
    refuse(warehouse, PAYLOAD, "wrong")
    elsewhere = CensusRun(**{**RUN.__dict__, "la_code": "887"})
    question = sign_off.question(warehouse.dsn["gate"], elsewhere, candidate(passed), "/docs")
    assert "887" in question.subject


# -- is there anything to build? ---------------------------------------------------------------


def build(warehouse, known_seq, code, seeds):
    with database.connect(warehouse.dsn["builder"]) as connection:
        connection.execute(
            """insert into control.build (lineage, known_seq, code_version, seed_fingerprint, status)
               values ('live', %s, %s, %s, 'published')""",
            [known_seq, code, seeds],
        )


def test_an_empty_warehouse_has_nothing_to_build(warehouse):
    assert not live.state(warehouse.settings, warehouse.dsn["loader"]).is_behind


def test_the_marts_are_behind_until_they_have_seen_everything_with_this_code(warehouse, passed):
    from neet.transform import seed_fingerprint
    from neet.version import code_version

    settings, dsn = warehouse.settings, warehouse.dsn["loader"]
    first = live.state(settings, dsn)
    assert first.is_behind and first.published_seq is None and first.accepted_seq >= 1
    present = code_version(), seed_fingerprint(settings)
    build(warehouse, first.accepted_seq, "0.0.1+old", present[1])
    assert live.state(settings, dsn).is_behind
    build(warehouse, first.accepted_seq, *present)
    assert not live.state(settings, dsn).is_behind
    refuse(warehouse, PAYLOAD, "a decision is a delivery")
    assert live.state(settings, dsn).is_behind
