"""What an operator does beyond calling the warehouse: which errors end a task, which are tried again, and their words."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace

import pytest

from tests import airflow_environment  # noqa: F401  isort: skip
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from neet import alerts
from neet.database import connect
from neet.feeds import landing
from operators.alerts import AlertNotifier
from operators.assets import ACCEPTED_DELIVERIES
from operators.census import DecideOperator, ResolveCensusOperator, SignOffOperator
from operators.feeds import AnnounceDeliveriesOperator, ListFeedsOperator, ReportUnsettledOperator

RUN = json.dumps(
    {
        "run_id": "r", "la_code": "886", "census_point": "2021-12", "period_end": "2021-12-31", "known_seq": 1,
        "known_at": "2022-01-11T08:00:00+00:00", "schema_name": "census_886_2021_12", "pack_version": "2021-22",
        "code_version": "0",
    }
)  # fmt: skip


@pytest.fixture
def connections(warehouse, monkeypatch):
    """The Airflow connections of a migrated, empty warehouse."""
    for role in ("loader", "builder", "gate"):
        uri = warehouse.dsn[role].replace("postgresql://", "postgres://", 1)
        monkeypatch.setenv(f"AIRFLOW_CONN_NEET_{role.upper()}", uri)
    return warehouse


def context(partition_key="2021-12", **params):
    given = {"la_code": "886", "known_seq": None, "known_at": None} | params
    return {"dag_run": SimpleNamespace(partition_key=partition_key), "params": given}


def resolve():
    return ResolveCensusOperator(task_id="resolve", conn_id="neet_gate")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (context(partition_key=None), "no census point"),
        (context(partition_key="2027-09"), "2021-09 to 2027-08"),
        (context(partition_key="2021-13"), "YYYY-MM"),
        (context(known_at="yesterday"), "is no moment"),
        (context(known_at="2022-01-13", known_seq=4), "not both"),
        (context(), "No delivery had been accepted"),
    ],
)
def test_a_run_that_cannot_be_resolved_ends_at_once_with_words(connections, given, words):
    with pytest.raises(AirflowFailException, match=words):
        resolve().execute(given)


def test_a_database_that_does_not_answer_is_tried_again(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_NEET_GATE", "postgres://nobody:x@127.0.0.1:9/none")
    with pytest.raises(Exception, match="onnection") as failed:
        resolve().execute(context())
    assert not isinstance(failed.value, AirflowFailException)


@pytest.mark.parametrize("outcome", ["blocked", "", "anything else"])
def test_whatever_has_not_passed_is_blocked(outcome):
    gate = {"outcome": outcome, "decision_id": "d-1", "summary": "rule 32: TEP mends it"}
    task = DecideOperator(task_id="decide", conn_id="neet_gate", run=RUN, gate=gate)
    with pytest.raises(
        AirflowFailException, match="(?s)BLOCKED.*2021-12.*d-1.*TEP mends it.*waive"
    ):
        task.execute({})


def test_what_has_passed_goes_on_with_its_decision():
    gate = {"outcome": "passed", "decision_id": "d-1", "summary": ""}
    task = DecideOperator(task_id="decide", conn_id="neet_gate", run=RUN, gate=gate)
    assert task.execute({}) == "d-1"


# -- the answer --------------------------------------------------------------------------------


def sign_off():
    return SignOffOperator(
        task_id="sign_off", conn_id="neet_gate", run=RUN, candidate="{}", gate={},
        response_timeout=dt.timedelta(days=1),
    )  # fmt: skip


def event(option="Approve", user=None, **fields):
    return {
        "chosen_options": [option],
        "params_input": {"signed_by": "A. Officer", "reason": "read"} | fields,
        "responded_at": dt.datetime(2022, 1, 13, tzinfo=dt.UTC),
        "responded_by_user": user or {"id": "7", "name": "mi_officer"},
        "timedout": False,
    }


@pytest.mark.parametrize("option", ["Approve", "Reject"])
def test_an_answer_names_the_person_and_the_account(option):
    assert sign_off().execute_complete({}, event(option)) == {
        "answer": option, "answered_by": "mi_officer", "signed_by": "A. Officer", "reason": "read"
    }  # fmt: skip


@pytest.mark.parametrize("fields", [{"reason": " "}, {"signed_by": ""}, {"reason": None}])
def test_an_answer_without_person_or_reason_is_asked_again(fields):
    with pytest.raises(AirflowException) as refused:
        sign_off().execute_complete({}, event(**fields))
    assert not isinstance(refused.value, AirflowFailException)


def test_an_option_that_was_not_offered_is_no_answer():
    with pytest.raises(ValueError):
        sign_off().execute_complete({}, event("Maybe"))


def test_nobody_answering_ends_the_task_and_seals_nothing():
    with pytest.raises(AirflowFailException, match="Nothing was sealed or refused"):
        sign_off().execute_complete({}, {"error": "timeout", "error_type": "timeout"})


# -- feeds -------------------------------------------------------------------------------------


def result(status, reason=None):
    return {
        "feed": "core_plus_people", "period": "2021-12-31", "status": status, "reason": reason,
        "landing_path": "landing/x", "delivery_id": "d-9",
    }  # fmt: skip


def report(feeds, *outcomes, day="2022-01-04", **more):
    task = ReportUnsettledOperator(
        task_id="report", conn_id="neet_loader", feeds=feeds, outcomes=list(outcomes), **more
    )
    return task.execute(context(partition_key=day))


def test_a_quiet_collection_is_green(connections):
    assert report(["a", "b"], {"feed": "a", "results": []}, {"feed": "b", "results": []}) == {}
    accepted = {"feed": "a", "results": [result("accepted"), result("duplicate")]}
    assert report(["a"], accepted) == {"accepted": 1, "duplicate": 1}


@pytest.mark.parametrize(
    ("status", "words"), [("held", "neet release d-9"), ("refused", "deliver it again")]
)
def test_what_a_person_must_settle_is_red(connections, status, words):
    outcome = {"feed": "a", "results": [result("accepted"), result(status, "shrunk: half is gone")]}
    with pytest.raises(AirflowFailException, match=f"(?s){status.upper()}.*half is gone.*{words}"):
        report(["a"], outcome)


def test_a_feed_that_was_not_fetched_makes_the_run_red(connections):
    with pytest.raises(AirflowFailException, match="NOT FETCHED: 1 feed"):
        report([], sources=["a", "b"], fetched=[["file.csv"]])
    assert report([], sources=["a"], fetched=[[]]) == {}


def test_late_feeds_are_named_and_do_not_make_the_run_red(connections, caplog):
    with connect(connections.dsn["owner"]) as connection:
        connection.execute(
            """insert into control.delivery (delivery_id, la_code, feed, provider, period, as_at, mode, file_name,
                 file_sha256, file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
               values ('d', '886', 'liberi_care', '886', '2021-10-31', '2021-10-31', 'snapshot', 'f', 'x', 1, 'p',
                 now(), 'accepted', now(), 1)"""
        )
    assert report([], day="2021-12-09") == {}
    assert report([], day="2021-12-13") == {"late_feeds": 1}
    assert alerts.newest(connections.settings, 9) == [], "a past day alerts nobody"
    today = dt.date.today().isoformat()
    assert report([], day=today) == report([], day=today) == {"late_feeds": 1}
    (alert,) = alerts.newest(connections.settings, 9)
    assert (alert["subject"], alert["owner"]) == ("liberi_care", "VSK")
    assert "It endangers" in alert["words"]


def test_a_failed_run_is_an_alert_once(connections):
    run = SimpleNamespace(dag_id="ingest", partition_key="2022-01-04", run_id="r")
    for _ in range(2):
        AlertNotifier().notify({"dag_run": run})
    (alert,) = alerts.newest(connections.settings, 9)
    assert (alert["kind"], alert["subject"]) == ("failed_run", "ingest 2022-01-04")


def test_a_feed_whose_task_failed_makes_the_run_red(connections):
    with pytest.raises(AirflowFailException, match="NOT LOADED b"):
        report(["a", "b"], {"feed": "a", "results": []})


def test_every_feed_with_files_has_its_task(connections, caplog):
    settings = connections.settings
    task = ListFeedsOperator(task_id="list_feeds", conn_id="neet_loader")
    assert task.execute({}) == []
    for feed, name in (
        ("core_plus_people", "886_core_plus_people_snapshot_20211231.csv"),
        ("core_plus_activities", ".still_arriving"),
        ("no_such_feed", "file.csv"),
    ):
        (settings.inbox / feed).mkdir(parents=True)
        (settings.inbox / feed / name).write_text("x")
    assert task.execute({}) == ["core_plus_people"]
    assert "no_such_feed is not read" in caplog.text
    landed_never_decided = (
        settings.inbox / "886_core_plus_september_guarantee_snapshot_20211231.csv"
    )
    landed_never_decided.write_text("x")
    landing.land(
        settings,
        landing.contract_of(settings, "core_plus_september_guarantee"),
        landed_never_decided,
    )
    assert task.execute({}) == ["core_plus_people", "core_plus_september_guarantee"]


def test_an_empty_warehouse_sets_off_no_build(connections):
    task = AnnounceDeliveriesOperator(
        task_id="announce", conn_id="neet_loader", asset=ACCEPTED_DELIVERIES
    )
    with pytest.raises(AirflowSkipException, match="Nothing to build"):
        task.execute(context(partition_key="2021-12-13"))
