"""Decisions: recorded once, applied once, or refused with nothing left behind."""

from __future__ import annotations

import concurrent.futures
import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pytest

from neet import decisions
from neet.database import connect
from neet.decisions import DecisionError
from neet.feeds import landing, replay
from neet.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow  # a database a test

LA = "886"
RUN = {"run_id": "r1", "census_point": "2021-12", "known_seq": 7, "inputs": {"deliveries": [1, 2]}}
RESULT = {
    "run_id": "r1", "la_code": LA, "census_point": "2021-12", "known_seq": 7, "suite": "nccis",
    "check_id": "1", "priority": 1, "blocks": "true", "status": "passed", "failed_count": 0,
    "checked_count": 10, "observed": "", "threshold": "", "protects": "the return",
    "owner_service": "MI", "reason": 'a "reason", with a comma', "how_to_mend": "mend\nit", "error": "",
}  # fmt: skip
FAILURE = {
    "run_id": "r1", "la_code": LA, "census_point": "2021-12", "suite": "nccis", "check_id": "1",
    "failure_number": 1, "young_persons_id": "8860000000001", "record_number": 3, "field": "DOB",
    "value": "", "detail": "x",
}  # fmt: skip
CHANGE = {
    "run_id": "r1", "la_code": LA, "census_point": "2021-12", "young_persons_id": "8860000000001",
    "change": "recoded", "before_code": "210", "after_code": "619", "detail": "",
}  # fmt: skip
COHORT = {
    "la_code": LA, "census_point": "2021-12", "period_end": "2021-12-31", "person_id": "p1",
    "young_persons_id": "8860000000001", "academic_age": 16, "is_vulnerable": "false",
}  # fmt: skip
KPI = {
    "la_code": LA, "census_point": "2021-12", "kpi_id": "SC-NEET", "period_code": "2021-12",
    "area_type": "county", "area_code": LA, "group_code": "ALL", "numerator": 3, "denominator": 100,
    "value": "0.03", "target": "", "rag": "",
}  # fmt: skip
RECORD = {
    "la_code": LA, "census_point": "2021-12", "record_number": 1, "young_persons_id": "8860000000001",
    "cohort_status": "P", "record_sha256": "ab",
}  # fmt: skip
SUBMISSION = {
    "submission_id": "s1", "census_point": "2021-12", "package_path": "packages/x",
    "payload_sha256": "aa", "manifest_sha256": "bb", "known_seq": 7,
}  # fmt: skip


def csv_of(*rows: dict) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def slices(**changes) -> dict[str, bytes]:
    files = {
        "cohort_month.csv": csv_of(COHORT),
        "kpi_value.csv": csv_of(KPI),
        "return_record.csv": csv_of(RECORD),
    }
    return files | {f"{name}.csv": data for name, data in changes.items()}


@pytest.fixture
def record(warehouse):
    """Record as the gate, with what every decision needs filled in."""

    def call(
        kind, subject="2021-12", body=None, by="A. Manager", reason="because", files=None, **more
    ):
        return decisions.record(
            warehouse.settings, more.pop("dsn", warehouse.dsn["gate"]), kind, more.pop("la_code", LA),
            subject, body or {}, by, reason, files, **more,
        )  # fmt: skip

    return call


@pytest.fixture
def query(warehouse):
    def call(statement, *parameters):
        with connect(warehouse.dsn["auditor"]) as connection:
            return connection.execute(statement, parameters).fetchall()

    return call


def refused(call, match: str) -> None:
    with pytest.raises(DecisionError, match=match):
        call()


def nothing_happened(warehouse, query) -> bool:
    return (
        query("select count(*) from control.delivery") == [(0,)]
        and query("select count(*) from control.decision") == [(0,)]
        and landing.folders(warehouse.settings) == []
    )


def test_a_waiver_is_a_delivery_in_landing_and_a_row(warehouse, record, query):
    body = {"check_id": "40", "expires_on": dt.date(2022, 3, 31), "people": ["8860000000001"]}
    when = dt.datetime(2022, 1, 10, 9, 30, tzinfo=dt.UTC)
    decision = record("waiver", "40", body, decided_at=when)
    assert decision.delivery_seq == 1
    assert query("select mode, feed, status, delivery_seq, file_name from control.delivery") == [
        ("decision", "decision.waiver", "accepted", 1, "decision.json")
    ]
    assert query(
        "select kind, subject, decided_by, decided_at, reason, body from control.decision"
    ) == [("waiver", "40", "A. Manager", when, "because", body | {"expires_on": "2022-03-31"})]
    folder = warehouse.settings.landing / decision.landing_path
    written = json.loads((folder / "decision.json").read_text())
    assert (written["kind"], written["decided_at"]) == ("waiver", when.isoformat())
    assert {file.name for file in folder.iterdir()} == {
        "decision.json", "received.json", "accepted.json",
    }  # fmt: skip
    assert replay.verify_landing(warehouse.settings) == []


def test_a_gate_check_fills_every_table(record, query):
    decision = record(
        "gate_check",
        body=RUN
        | {"outcome": "blocked", "rules_run": 40, "rules_failed": 1, "detail": {"any": "thing"}},
        files={
            "check_results.csv": csv_of(RESULT, RESULT | {"check_id": "2", "status": "failed"}),
            "check_failures.csv": csv_of(FAILURE),
            "submission_changes.csv": csv_of(CHANGE),
        },
    )
    assert query(
        "select decision_id, outcome, known_seq, rules_run, rules_waived, inputs, decided_by, delivery_seq from assurance.gate_decision"
    ) == [(decision.decision_id, "blocked", 7, 40, None, RUN["inputs"], "A. Manager", 1)]
    assert query(
        "select decision_id, check_id, blocks, observed, reason, how_to_mend from assurance.check_result order by check_id"
    ) == [
        (decision.decision_id, "1", True, None, 'a "reason", with a comma', "mend\nit"),
        (decision.decision_id, "2", True, None, 'a "reason", with a comma', "mend\nit"),
    ]
    assert query("select young_persons_id, value from assurance.check_failure") == [
        ("8860000000001", None)
    ]
    assert query("select change, before_code from assurance.submission_change") == [
        ("recoded", "210")
    ]


def test_what_the_decision_knows_need_not_stand_on_every_row(record, query):
    short = {
        name: value
        for name, value in RESULT.items()
        if name not in ("run_id", "la_code", "census_point", "known_seq")
    }
    record(
        "gate_check", body=RUN | {"outcome": "passed"}, files={"check_results.csv": csv_of(short)}
    )
    assert query("select run_id, la_code, census_point, known_seq from assurance.check_result") == [
        ("r1", LA, "2021-12", 7)
    ]


@pytest.mark.parametrize(("kind", "outcome"), [("sign_off", "signed"), ("refusal", "refused")])
def test_a_persons_answer_is_a_gate_decision(record, query, kind, outcome):
    record(kind, body=RUN | {"outcome": outcome, "payload_sha256": "aa", "answered_by": "boss"})
    assert query(
        "select outcome, payload_sha256, answered_by, reason from assurance.gate_decision"
    ) == [(outcome, "aa", "boss", "because")]
    refused(
        lambda: record(kind, body=RUN | {"outcome": "passed"}),
        f"The outcome of a {kind} is {outcome}",
    )


def test_submissions_make_a_chain(record, query):
    first = record("submission", body=SUBMISSION, files=slices())
    gap = record("not_sent", "2022-01", {"submission_id": "s2", "census_point": "2022-01"})
    second = SUBMISSION | {
        "submission_id": "s3", "census_point": "2022-02", "chain_number": 3, "previous_submission_id": "s2",
    }  # fmt: skip
    record("submission", "2022-02", second, files=slices())
    assert query(
        """select submission_id, outcome, chain_number, previous_submission_id, signed_by, decision_id
           from ledger.submission order by chain_number"""
    )[:2] == [
        ("s1", "sealed", 1, None, "A. Manager", first.decision_id),
        ("s2", "not_sent", 2, "s1", "A. Manager", gap.decision_id),
    ]
    assert query("select submission_id, numerator, value from submitted.kpi_value order by 1") == [
        ("s1", 3, Decimal("0.03")),
        ("s3", 3, Decimal("0.03")),
    ]
    assert query("select count(*) from submitted.cohort_month") == [(2,)]
    assert query("select is_vulnerable, district_code from submitted.cohort_month limit 1") == [
        (False, None)
    ]
    assert query("select count(*) from assurance.gate_decision") == [(0,)]


def test_a_submission_must_continue_the_chain(record, query):
    record("submission", body=SUBMISSION, files=slices())
    for wrong in ({"chain_number": 1}, {"previous_submission_id": "s0"}, {"outcome": "not_sent"}):
        body = SUBMISSION | {"submission_id": "s2"} | wrong
        refused(
            lambda body=body: record("submission", body=body, files=slices()),
            "next submission|before is|outcome",
        )
    assert query("select count(*) from ledger.submission") == [(1,)]
    assert query("select count(*) from control.decision") == [(1,)]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"kind": "wavier"}, "no decision of kind 'wavier'.*waiver"),
        ({"la_code": "8/6"}, "no code of an authority"),
        ({"subject": "  "}, "needs a subject"),
        ({"subject": "x" * 501}, "at most 500"),
        ({"by": ""}, "needs a decided_by"),
        ({"reason": "r" * 4001}, "reason has 4001 characters"),
        ({"reason": "a\0b"}, "control characters"),
        ({"body": {"x": float("nan")}}, "must be JSON"),
        ({"body": {"x": object()}}, "must be JSON"),
        ({"body": {"x": "\0"}}, "NUL"),
        ({"body": {"x": "y" * (1 << 20)}}, "Attach long lists"),
        ({"body": [1]}, "JSON object"),
        ({"files": {"x.csv": b"a\n1\n"}}, "takes no file x.csv"),
    ],
)  # fmt: skip
def test_what_is_no_decision_is_refused_with_nothing_left(warehouse, record, query, changes, match):
    kind = changes.pop("kind", "waiver")
    refused(lambda: record(kind, **changes), match)
    assert nothing_happened(warehouse, query)


@pytest.mark.parametrize(
    ("body", "files", "match"),
    [
        ({"outcome": "perhaps"}, None, "passed or blocked, not 'perhaps'"),
        ({"outcome": "passed", "run_id": None}, None, "needs run_id"),
        ({"outcome": "passed", "rules_runn": 4}, None, "has no rules_runn"),
        ({"outcome": "passed", "rules_run": "many"}, None, "invalid input syntax.*many"),
        ({"outcome": "passed"}, {}, "needs the file check_results.csv"),
        ({}, {"check_results.csv": csv_of(RESULT | {"colour": "red"})}, "line 1: colour is no column"),
        ({}, {"check_results.csv": csv_of({k: v for k, v in RESULT.items() if k != "protects"})}, "protects of assurance.check_result is missing"),
        ({}, {"check_results.csv": csv_of(RESULT, RESULT | {"check_id": "2", "failed_count": "x"})}, 'check_results.csv: line 5, column failed_count: "x"'),
        ({}, {"check_results.csv": csv_of(RESULT | {"status": "fine"})}, "violates check constraint"),
        ({}, {"check_results.csv": csv_of(RESULT | {"protects": ""})}, "null value in column"),
        ({}, {"check_results.csv": csv_of(RESULT, RESULT)}, "duplicate key"),
        ({}, {"check_results.csv": csv_of(RESULT | {"la_code": "887"})}, "about authority '887'"),
        ({}, {"check_results.csv": b""}, "is empty"),
        ({}, {"check_results.csv": b"\xff\xfe"}, "not UTF-8"),
        ({}, {"check_results.csv": csv_of(RESULT)[:-5]}, "check_results.csv"),
        ({}, {"check_results.csv": csv_of(RESULT), "extra.csv": b"a\n"}, "takes no file extra.csv"),
    ],
)  # fmt: skip
def test_a_gate_check_that_does_not_fit_leaves_nothing(
    warehouse, record, query, body, files, match
):
    files = {"check_results.csv": csv_of(RESULT)} if files is None else files
    refused(
        lambda: record("gate_check", body=RUN | {"outcome": "passed"} | body, files=files), match
    )
    assert nothing_happened(warehouse, query)
    assert list((warehouse.settings.landing / ".incoming").glob("*")) == []


def test_a_file_that_is_not_there(record, tmp_path):
    refused(
        lambda: record(
            "gate_check",
            body=RUN | {"outcome": "passed"},
            files={"check_results.csv": tmp_path / "no"},
        ),
        "cannot be read",
    )


def test_files_may_be_given_by_path(record, query, tmp_path):
    path = tmp_path / "results.csv"
    path.write_bytes(csv_of(RESULT))
    record("gate_check", body=RUN | {"outcome": "passed"}, files={"check_results.csv": path})
    assert query("select count(*) from assurance.check_result") == [(1,)]


def test_the_same_decision_again_is_found_not_repeated(record, query):
    body = {"check_id": "40"}
    first = record("waiver", "40", body)
    assert record("waiver", "40", body) == first
    assert record("waiver", "40", body, decided_at=dt.datetime(2022, 1, 1, tzinfo=dt.UTC)) == first
    others = [
        record("waiver", "40", body, reason="another"),
        record("waiver", "40", body | {"until": "x"}),
        record("waiver", "41", body),
        record("waiver", "40", body, by="B. Manager"),
        record("waiver", "40", body),  # A, B, A
    ]
    assert [other.delivery_seq for other in others] == [2, 3, 4, 5, 6]
    assert query("select count(*) from control.decision") == [(6,)]


def test_other_files_make_another_decision(record):
    body = RUN | {"outcome": "passed"}
    first = record("gate_check", body=body, files={"check_results.csv": csv_of(RESULT)})
    same = record("gate_check", body=body, files={"check_results.csv": csv_of(RESULT)})
    other = record(
        "gate_check", body=body, files={"check_results.csv": csv_of(RESULT | {"check_id": "9"})}
    )
    assert first == same != other


def test_the_same_decision_by_ten_at_once_is_one(warehouse, record, query):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: record("waiver", "40", {"a": 1}), range(10)))
    assert len(set(found)) == 1
    assert query("select count(*) from control.decision") == [(1,)]
    assert len(landing.folders(warehouse.settings)) == 1


def test_each_role_records_its_own_kinds(warehouse, record, query):
    refused(
        lambda: record(
            "gate_check",
            body=RUN | {"outcome": "passed"},
            files={"check_results.csv": csv_of(RESULT)},
            dsn=warehouse.dsn["loader"],
        ),
        "use the gate's",
    )
    for role in ("bi", "builder"):
        with pytest.raises(Exception, match="permission denied|use the gate's"):
            record("waiver", "40", {}, dsn=warehouse.dsn[role])
    assert nothing_happened(warehouse, query)


def test_hostile_text_is_only_text(record, query):
    nasty = "'); drop table control.decision; -- \u202e \U0001f600 ../../x"
    record("waiver", nasty, {nasty: nasty}, by=nasty, reason=nasty)
    assert query("select subject, decided_by, reason, body from control.decision") == [
        (nasty, nasty, nasty, {nasty: nasty})
    ]


HEADER = "YoungPersonsID,CharacteristicCode,StartDate,EndDate,LastUpdated\n"


def characteristics(*numbers: int, bad: int = 0) -> str:
    rows = [f"88600000{n:05d},140,2021-09-01,,2021-11-01\n" for n in numbers]
    rows += [f"88700000{n:05d},140,soon,,\n" for n in range(bad)]
    return HEADER + "".join(rows)


@pytest.fixture
def deliver(warehouse, tmp_path):
    def call(content: str, day: str):
        file = tmp_path / f"886_core_plus_characteristics_snapshot_{day}.csv"
        file.write_text(content)
        return landing.receive(
            warehouse.settings, warehouse.dsn["loader"], "core_plus_characteristics", file
        )

    return call


@pytest.fixture
def settle(warehouse, record):
    def call(kind, delivery, **more):
        return record(kind, delivery.delivery_id, dsn=warehouse.dsn["loader"], **more)

    return call


def held_delivery(deliver):
    deliver(characteristics(*range(100)), "20211130")
    held = deliver(characteristics(*range(60)), "20211231")
    assert held.status == "held"
    return held


def test_a_held_snapshot_is_released_by_a_recorded_decision(warehouse, deliver, settle, query):
    held = held_delivery(deliver)
    decision = settle("release", held, reason="40 have left the county")
    assert decision.delivery_seq == 2
    assert query(
        """select status, delivery_seq, rows_in, rows_loaded, rows_unchanged, rows_closed, status_reason
           from control.delivery where delivery_id = %s""",
        held.delivery_id,
    ) == [("accepted", 3, 60, 0, 60, 40, f"released: by decision {decision.decision_id}")]
    assert query("select count(*) from raw.core_plus_characteristics where operation = 'D'") == [
        (40,)
    ]
    folder = warehouse.settings.landing / held.landing_path
    assert (folder / "held.json").exists() and (folder / "accepted.json").exists()
    assert replay.verify_landing(warehouse.settings) == []
    assert deliver(characteristics(*range(60)), "20220131").status == "accepted"


def test_releasing_twice_is_releasing_once_and_other_words_come_too_late(deliver, settle, query):
    held = held_delivery(deliver)
    first = settle("release", held)
    assert settle("release", held) == first
    refused(lambda: settle("release", held, reason="again"), "is accepted, not held")
    refused(lambda: settle("discard", held), "is accepted, not held")
    assert query("select max(delivery_seq) from control.delivery") == [(3,)]


def test_a_discarded_file_is_refused_and_kept(warehouse, deliver, settle, query):
    held = held_delivery(deliver)
    decision = settle("discard", held, by="B. Officer", reason="cut short")
    ((status, seq, reason),) = query(
        "select status, delivery_seq, status_reason from control.delivery where delivery_id = %s",
        held.delivery_id,
    )
    assert (status, seq) == ("refused", None)
    assert "B. Officer: cut short" in reason and decision.decision_id in reason
    assert query("select count(*) from raw.core_plus_characteristics where delivery_seq > 1") == [
        (0,)
    ]
    folder = warehouse.settings.landing / held.landing_path
    assert (folder / "refused.json").exists()
    assert (folder / "886_core_plus_characteristics_snapshot_20211231.csv").exists()
    refused(lambda: settle("release", held), "is refused, not held")


def test_a_delivery_held_for_its_rejects_keeps_them_once(deliver, settle, query):
    held = deliver(characteristics(*range(20), bad=12), "20211231")
    assert held.reason.startswith("too_many_rejects")
    settle("release", held)
    assert query(
        "select count(*) from control.reject where delivery_id = %s", held.delivery_id
    ) == [(12,)]
    assert query(
        "select status, rows_loaded, rows_rejected from control.delivery where mode <> 'decision'"
    ) == [("accepted", 20, 12)]


def test_an_older_file_released_shows_its_rejects_then(deliver, settle, query):
    deliver(characteristics(*range(20)), "20211231")
    held = deliver(characteristics(*range(21), bad=1), "20211130")
    assert held.reason.startswith("older_than_latest") and held.rows_rejected == 0
    settle("release", held)
    assert query("select rule from control.reject where delivery_id = %s", held.delivery_id) == [
        ("not_a_date",)
    ]
    assert query("select rows_closed, closures_held from control.delivery where delivery_id = %s", held.delivery_id) == [(0, True)]  # fmt: skip


def test_what_is_not_there_or_not_ours_cannot_be_released(
    warehouse, deliver, settle, record, query
):
    refused(
        lambda: record("release", "no-such-delivery", dsn=warehouse.dsn["loader"]),
        "There is no delivery",
    )
    held = held_delivery(deliver)
    refused(
        lambda: settle("release", held, la_code="887"), "of authority 886; the decision names 887"
    )
    accepted = query("select delivery_id from control.delivery where status = 'accepted'")[0][0]
    refused(
        lambda: record("discard", accepted, dsn=warehouse.dsn["loader"]), "is accepted, not held"
    )


def test_the_gate_may_not_release(warehouse, deliver, record):
    held = held_delivery(deliver)
    refused(lambda: record("release", held.delivery_id), "use the loader's")


def test_a_release_reads_by_the_contract_the_file_was_held_under(warehouse, deliver, settle, query):
    held = held_delivery(deliver)
    recorded = landing.read_sidecar(warehouse.settings.landing / held.landing_path, "held")
    settle("release", held)
    accepted = landing.read_sidecar(warehouse.settings.landing / held.landing_path, "accepted")
    assert accepted["contract_sha256"] == recorded["contract_sha256"]


def test_an_authority_may_settle_a_national_feed(warehouse, record, query, tmp_path):
    source = PROJECT_ROOT / "data" / "dfe_scorecard" / "neet_la_scorecard_2022.csv"
    landing.receive(warehouse.settings, warehouse.dsn["loader"], "dfe_la_scorecard", source)
    half = tmp_path / source.name
    half.write_text("".join(source.read_text().splitlines(keepends=True)[:80]))
    held = landing.receive(warehouse.settings, warehouse.dsn["loader"], "dfe_la_scorecard", half)
    assert held.status == "held"
    record("release", held.delivery_id, dsn=warehouse.dsn["loader"])
    assert query(
        "select status from control.delivery where delivery_id = %s", held.delivery_id
    ) == [("accepted",)]
