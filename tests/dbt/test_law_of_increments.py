"""Increments by person: whatever was delivered, in whatever order, the tables are those of a build from nothing.

The law is one sentence: after any deliveries and builds, every live table equals, row by row, what a full refresh of the
same database makes of it. Hypothesis makes the histories; what happens in one is :data:`EVENTS`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os

import pytest
from county_rows import FEEDS, activity, person, small_county, ypid
from full_refresh import build, obeys_the_law
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from neet import database, transform
from neet.feeds.contract import load_contract

pytestmark = pytest.mark.slow

# -- what can happen -------------------------------------------------------------------------------------------------

NUMBERS = st.integers(1, 12)
DAYS = st.dates(dt.date(2021, 9, 1), dt.date(2022, 6, 30)).map(str)
CODES = st.sampled_from(
    ["210", "230", "310", "330", "540", "610", "619", "650", "810", "820", "999", ""]
)
ACTIVITIES = st.integers(1, 16).map(lambda number: f"X{number:07d}")
AS_AT = st.sampled_from(
    ["2021-11-30", "2021-12-15", "2021-12-31", "2022-01-20", "2022-01-31", "2022-02-28"]
)
OPERATION = st.sampled_from("UUUUUDS")

people = st.builds(
    lambda number, **changes: person(number, **changes),
    NUMBERS,
    cohort_status=st.sampled_from(["P", "P", "P", "G", "T", "X", "D", ""]),
    cohort_status_on=DAYS,
    cohort_entry_on=st.one_of(st.just("2021-09-01"), DAYS),
    dob=st.sampled_from(["2005-01-15", "2004-08-31", "2004-09-01", "2001-05-05", "not a date"]),
    send_flag=st.sampled_from("NNY"),
    sen_support_flag=st.sampled_from("NY"),
    lead_lea=st.sampled_from(["886", "886", "887", ""]),
    postcode=st.sampled_from(["ZZ99 9ZZ", "ZZ99 1AA"]),
    district_code=st.sampled_from(["E07000105", "E07000106", ""]),
)
activities = st.builds(
    lambda key, number, code, start_on, **changes: activity(key, number, code, start_on) | {k: v for k, v in changes.items() if v is not None},
    ACTIVITIES, NUMBERS, CODES, DAYS,
    end_on=st.one_of(st.none(), DAYS),
    verified_on=st.one_of(st.none(), DAYS),
    due_to_lapse_on=st.one_of(st.none(), DAYS),
    neet_start_on=st.one_of(st.none(), DAYS),
)  # fmt: skip
characteristics = st.builds(
    lambda number, code, start_on, end_on: {
        "young_persons_id": ypid(number), "characteristic_code": code, "start_on": start_on, "end_on": end_on,
    },
    NUMBERS, st.sampled_from(["110", "120", "130", "140"]), st.sampled_from(["2020-01-01", "2021-12-20"]),
    st.one_of(st.just(""), DAYS),
)  # fmt: skip
guarantees = st.builds(
    lambda number, year, group, status: {
        "young_persons_id": ypid(number), "guarantee_year": year, "year_group": group, "guarantee_status": status,
        "lea_code": "886",
    },
    NUMBERS, st.sampled_from(["2020", "2021"]), st.sampled_from(["11", "12"]), st.sampled_from(["110", "120", ""]),
)  # fmt: skip
enrolments = st.builds(
    lambda number, reference, dob, started_on: {
        "ukprn": "10000001", "learner_reference": f"L{reference}", "forename": f"Given{number}",
        "surname": f"Family{number}", "date_of_birth": dob, "postcode": "ZZ99 9ZZ", "study_mode": "FT",
        "started_on": started_on,
    },
    NUMBERS, st.integers(1, 5), st.sampled_from(["2005-01-15", "2004-09-01"]), DAYS,
)  # fmt: skip


at_risk = st.builds(
    lambda number, **changes: {"young_persons_id": ypid(number), "academic_year": "2021-22"} | changes,
    NUMBERS, flagged_on=st.one_of(st.just(""), DAYS), removed_on=st.one_of(st.just(""), st.just(""), DAYS),
    transition_plan_on=st.one_of(st.just(""), DAYS),
)  # fmt: skip
contact_details = st.builds(
    lambda number, **changes: {"young_persons_id": ypid(number)} | changes,
    NUMBERS, telephone=st.sampled_from(["01632 960001", "ask mum", ""]), mobile=st.sampled_from(["07700 900111", ""]),
    email=st.sampled_from(["given@example.org", "given@home", ""]), email_bounced_on=st.one_of(st.just(""), DAYS),
)  # fmt: skip
cases = st.builds(
    lambda key, number, referral, **changes: {
        "case_id": f"C{key}", "young_persons_id": ypid(number), "referral_id": f"R{referral}" if referral else "",
    } | changes,
    st.integers(1, 5), NUMBERS, st.integers(0, 4), referred_on=DAYS, accepted_on=DAYS,
    closed_on=st.one_of(st.just(""), DAYS), referral_source=st.sampled_from(["SCHOOL", "SEND", "somebody"]),
)  # fmt: skip
referrals = st.builds(
    lambda key, number, named, **changes: {
        "referral_id": f"R{key}", "young_persons_id": ypid(number) if named else "", "forename": f"Given{number}",
        "surname": f"Family{number}", "date_of_birth": "2005-01-15", "postcode": "ZZ99 9ZZ",
    } | changes,
    st.integers(1, 4), NUMBERS, st.booleans(), received_on=DAYS, referred_on=st.one_of(st.just(""), DAYS),
    referral_source=st.sampled_from(["SCHOOL", "SEND", "somebody"]),
)  # fmt: skip
needs = st.builds(
    lambda number, what, started_on, ended_on: {
        "young_persons_id": ypid(number), "need_kind": what[0], "need_code": what[1], "started_on": started_on,
        "ended_on": ended_on,
    },
    NUMBERS, st.sampled_from([("ASPIRATION", "CONSTRUCTION"), ("LEVEL", "2"), ("BARRIER", "HEALTH")]), DAYS,
    st.one_of(st.just(""), DAYS),
)  # fmt: skip


def delivery(feed: str, rows):
    """A delivery of a few rows of a feed; of two rows with one key only the first is sent."""
    return st.tuples(
        st.just("deliver"), st.just(feed), AS_AT, st.lists(rows, min_size=1, max_size=4), OPERATION
    )


EVENTS = st.one_of(
    delivery("core_plus_activities", activities),
    delivery("core_plus_activities", activities),
    delivery("core_plus_people", people),
    delivery("core_plus_characteristics", characteristics),
    delivery("core_plus_september_guarantee", guarantees),
    delivery("college_enrolment", enrolments),
    delivery("core_plus_at_risk", at_risk),
    delivery("core_plus_contact_details", contact_details),
    delivery("core_plus_cases", cases),
    delivery("referral_mailbox", referrals),
    delivery("core_plus_needs", needs),
    st.tuples(
        st.just("build"), st.sampled_from(["whole", "whole", "hist", "intermediate", "earlier"])
    ),
    st.just(("seal",)),
)
HISTORIES = st.lists(EVENTS, min_size=6, max_size=14)


def happen(warehouse, event: tuple) -> None:
    """Let one event happen to a warehouse."""
    what, *details = event
    if what == "deliver":
        feed, as_at, rows, operation = details
        key = [column.name for column in load_contract(FEEDS / f"{feed}.yml").key]
        one_a_key = {tuple(row[column] for column in key): row for row in reversed(rows)}
        warehouse.county.seq = warehouse.value("select max(delivery_seq) from control.delivery")
        warehouse.county.deliver(feed, as_at, list(one_a_key.values()), operation=operation)
    elif what == "seal":
        seal_live(warehouse)
    elif details == ["whole"]:
        build(warehouse)
    elif details == ["earlier"]:
        published_or_built = warehouse.value(
            "select max(known_seq) from control.build where lineage = 'live'"
        )
        accepted = warehouse.value("select max(delivery_seq) from control.delivery")
        build(warehouse, known_seq=(published_or_built + accepted) // 2)
    else:
        part_of_a_build(warehouse, details[0])


def part_of_a_build(warehouse, last_layer: str) -> None:
    """A build that ends in the middle, as if it had been killed there."""
    begun = build(warehouse, layer=transform.LAYERS[0])
    for layer in transform.LAYERS[1 : transform.LAYERS.index(last_layer) + 1]:
        build(warehouse, layer=layer, build_id=begun.build_id)


def seal_live(warehouse) -> None:
    """Put the month reported into the ledger and ``submitted``, as sealing it would."""
    point = warehouse.rows(
        "select census_point, period_end from intermediate.int_reporting_point", role="builder"
    )
    seq = warehouse.value("select max(delivery_seq) + 1 from control.delivery")
    submission = f"886-{point[0][0]}-{seq}"
    key = hashlib.sha256(submission.encode()).hexdigest()[:32]
    told = {
        "seq": seq,
        "key": key,
        "submission": submission,
        "point": point[0][0],
        "end": point[0][1],
    }
    with database.connect(warehouse.dsn["owner"]) as connection:
        connection.execute(
            """insert into control.delivery (delivery_id, la_code, feed, provider, period, mode, file_name, file_sha256,
                 file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
               select %(key)s, '886', 'decision.submission', 'test', %(point)s, 'decision', 'decision.json', 'none', 0,
                 %(key)s, max(accepted_at), 'accepted', max(accepted_at) + interval '1 minute', %(seq)s
               from control.delivery""",
            told,
        )
        connection.execute(
            """insert into control.decision (decision_id, la_code, delivery_seq, kind, subject, decided_by, decided_at,
                 reason, body)
               select %(key)s, '886', %(seq)s, 'submission', %(point)s, 'tester', accepted_at, 'test', '{}'
               from control.delivery where delivery_seq = %(seq)s""",
            told,
        )
        connection.execute(
            """insert into ledger.submission (submission_id, la_code, census_point, outcome, chain_number, known_seq,
                 signed_by, sealed_at, delivery_seq, decision_id)
               select %(submission)s, '886', %(point)s, 'sealed', %(seq)s, %(seq)s - 1, 'tester', accepted_at, %(seq)s,
                 %(key)s
               from control.delivery where delivery_seq = %(seq)s""",
            told,
        )
    with database.connect(warehouse.dsn["builder"]) as connection:
        cohort = connection.execute(
            """select la_code, census_point, month_end, person_id, young_persons_id, cohort_status_code, academic_age,
                 district_code, school_of_origin, sen_group, is_vulnerable, activity_code, status_bucket, is_lapsed,
                 is_participating, is_in_denominator, is_measured, neet_days
               from marts_neet.fct_cohort_month where month_end = %(end)s""",
            told,
        ).fetchall()
        records = connection.execute(
            """select la_code, census_point, record_number, young_persons_id, cohort_status, activity_code, start_date,
                 date_verified, due_to_lapse_date, currency_lapsed, neet_start_date
               from marts_returns.ret_nccis_record"""
        ).fetchall()
    with database.connect(warehouse.dsn["owner"]) as connection, connection.cursor() as cursor:
        cursor.executemany(
            """insert into submitted.cohort_month (submission_id, la_code, census_point, period_end, person_id,
                 young_persons_id, cohort_status_code, academic_age, district_code, school_of_origin, sen_group,
                 is_vulnerable, activity_code, status_bucket, is_lapsed, is_participating, is_in_denominator,
                 is_measured, neet_days)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [(submission, *row) for row in cohort],
        )
        cursor.executemany(
            """insert into submitted.return_record (submission_id, la_code, census_point, record_number,
                 young_persons_id, cohort_status, activity_code, start_date, date_verified, due_to_lapse_date,
                 currency_lapsed, neet_start_date, record_sha256)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'none')""",
            [(submission, *row) for row in records],
        )


# -- the tests -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(new_warehouse):
    """A small county, built once."""
    warehouse = new_warehouse()
    small_county(warehouse.county)
    build(warehouse)
    return warehouse


def test_deliveries_touch_their_people_and_nobody_else(built):
    """An activity moves from person 2 to person 3; one of person 4 is deleted; one of person 6 arrives late, back-dated;
    person 7 cannot be read. These are made anew, and nothing else is; and it comes to what a full refresh makes."""
    since = built.value("select last_value from increments.model_stamp")
    county = built.county
    moved = activity("A0000002", 3, "610", "2021-12-20", neet_start_on="2021-12-20")
    county.deliver("core_plus_activities", "2021-12-31", [moved])
    county.deliver(
        "core_plus_activities",
        "2021-12-31",
        [activity("A0000004", 4, "210", "2021-09-06")],
        operation="D",
    )
    county.deliver(
        "core_plus_activities",
        "2021-11-30",
        [activity("L0000006", 6, "619", "2021-10-01", end_on="2021-11-05")],
    )
    county.deliver("core_plus_people", "2021-12-31", [person(7)], operation="S")
    build(built)
    done = {
        model: (mode, people, written)
        for model, mode, people, written in built.rows(
            f"select model, mode, people, rows_written from increments.model_state where ran_at > {since} and model !~ ':'"
        )
    }
    assert done["hist_core_plus_activities"] == ("increment", None, 7), (
        "two keys twice, one of them new"
    )
    assert done["int_activity_spell"][:2] == ("increment", 4)
    assert done["int_young_person"][:2] == ("increment", 1)
    assert done["fct_cohort_month"][:2] == ("increment", 5)
    assert done["int_cohort_count"][0] == "increment"
    assert (
        not {"hist_core_plus_characteristics", "int_characteristic", "int_month_end"} & done.keys()
    )
    people = built.rows(
        f"""select distinct known.young_persons_id from increments.touched_person
            inner join increments.core_plus_person as known using (la_code, person_id)
            where model = 'int_activity_spell' and stamp > {since} order by 1"""
    )
    assert [number for (number,) in people] == [ypid(number) for number in (2, 3, 4, 6)]
    summed_up = built.value(
        "select detail->'increments'->'after_linkage' from control.build order by build_id desc limit 1"
    )
    assert (
        summed_up["unchanged"] > 50
        and summed_up["modes"]["increment"] > 10
        and summed_up["rows_written"] > 0
    )
    obeys_the_law(built, is_built=True)


@pytest.mark.system
def test_a_key_that_somebody_else_has_already_is_found(built):
    """Of the people who did not change nobody is looked at, but for whoever shares a key with one who did."""
    with database.connect(built.dsn["builder"]) as connection:
        (planted,) = connection.execute(
            """insert into intermediate.int_activity_spell
               select (jsonb_populate_record(spell, jsonb_build_object('person_id', 'planted'))).*
               from intermediate.int_activity_spell as spell where activity_id = 'A0000008' returning activity_spell_id"""
        ).fetchone()
    changed = activity("A0000008", 8, "210", "2021-09-06", verified_on="2021-12-20")
    built.county.seq = built.value("select max(delivery_seq) from control.delivery")
    built.county.deliver("core_plus_activities", "2021-12-31", [changed])
    with pytest.raises(transform.BuildFailed, match="key_int_activity_spell"):
        build(built)
    with database.connect(built.dsn["builder"]) as connection:
        connection.execute(
            "delete from intermediate.int_activity_spell where person_id = 'planted' and activity_spell_id = %s",
            [planted],
        )
    obeys_the_law(built)


@pytest.mark.system
@settings(
    max_examples=int(os.environ.get("NEET_HISTORIES", "3")), deadline=None, database=None, print_blob=True,
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(history=HISTORIES)
def test_many_histories_obey_the_law(built, history):
    for event in history:
        happen(built, event)
    obeys_the_law(built)
