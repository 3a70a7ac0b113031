"""What services do about it, through a real build: a small county whose other systems have delivered."""

from __future__ import annotations

import datetime as dt

import pytest
from county_rows import person, small_county, ypid

from neet import database, publishing, transform

pytestmark = pytest.mark.slow

DAY = dt.date.fromisoformat


def deliver_everything(county) -> None:
    """One delivery or two of every feed that is not Core+ people and activities; the as-at day is 31 December 2021.

    NEET at the end of December are 1, 10, 15, 20, 25 and 30; 32 is in Year 11.
    """
    pupil = {"surname": "Family32", "forename": "Given32", "date_of_birth": "2006-01-15", "postcode": "ZZ99 9ZZ"}  # fmt: skip

    def deliver(feed: str, *rows: dict, as_at: str = "2021-12-31", **given) -> None:
        county.deliver(feed, as_at, list(rows), **given)

    deliver("core_plus_people", person(32, dob="2006-01-15", unique_pupil_number="Z886000000032"))
    mailed = {"young_persons_id": ypid(10), "surname": "Family10", "forename": "Given10", "date_of_birth": "2005-01-15",
              "postcode": "ZZ99 9ZZ"}  # fmt: skip
    deliver(
        "referral_mailbox",
        {"referral_id": "R1", "received_on": "2021-12-02", "referred_on": "2021-12-01", "referral_source": "fair_access",
         **mailed},
        {"referral_id": "R2", "received_on": "2021-12-02", "referred_on": "2021-12-01", "referral_source": "FAIR_ACCESS",
         **mailed},
        {"referral_id": "R3", "received_on": "2021-12-20", "referral_source": "PIGEON", "surname": "Nobody",
         "forename": "Knows", "date_of_birth": "2005-05-05"},
    )  # fmt: skip
    case = {"owner_service_code": "NSS"}
    deliver(
        "core_plus_cases",
        case | {"case_id": "C1", "young_persons_id": ypid(10), "referral_id": "R1", "referred_on": "2021-12-01",
                "referral_source": "FAIR_ACCESS", "accepted_on": "2021-12-03"},
        case | {"case_id": "C2", "young_persons_id": ypid(15), "referred_on": "2021-08-10", "referral_source": "TEP",
                "accepted_on": "2021-08-16", "assessment_completed_on": "2021-09-14", "plan_completed_on": "2021-09-20"},
        case | {"case_id": "C3", "young_persons_id": ypid(15), "referred_on": "2021-12-06", "referral_source": "TEP",
                "accepted_on": "2021-12-08"},
        case | {"case_id": "C4", "young_persons_id": ypid(20), "referred_on": "2021-01-05", "referral_source": "SELF",
                "accepted_on": "2021-01-11", "eet_matched_on": "2021-06-01", "closed_on": "2021-06-15",
                "closure_reason": "EET"},
        case | {"case_id": "C5", "young_persons_id": ypid(20), "referred_on": "2021-12-13", "referral_source": "SELF",
                "accepted_on": "2021-12-15", "plan_completed_on": "2021-12-20"},
    )  # fmt: skip
    deliver(
        "core_plus_case_reviews",
        {"review_id": "V1", "young_persons_id": ypid(10), "case_id": "C1", "reviewed_on": "2021-12-09",
         "review_kind": "NEET_MONTHLY", "allocated_action": "CONTACT"},
        {"review_id": "V2", "young_persons_id": ypid(15), "reviewed_on": "2021-12-09", "review_kind": "SEND_DISCUSSION",
         "follow_up_on": "2021-12-20"},
        {"review_id": "V3", "young_persons_id": ypid(15), "reviewed_on": "2021-12-16", "review_kind": "SEND_DISCUSSION",
         "follow_up_on": "2022-01-10"},
        {"review_id": "V4", "young_persons_id": ypid(20), "reviewed_on": "2021-12-16", "review_kind": "NEET_MONTHLY"},
        {"review_id": "V5", "young_persons_id": ypid(2), "reviewed_on": "2021-12-16", "review_kind": "NEET_MONTHLY",
         "allocated_action": "CLOSE"},
        {"review_id": "V6", "young_persons_id": ypid(25), "reviewed_on": "2021-11-30", "review_kind": "NEET_MONTHLY",
         "allocated_action": "CONTACT"},
    )  # fmt: skip
    deliver(
        "contact_attempts",
        {"attempt_id": "T1", "young_persons_id": ypid(5), "attempted_on": "2021-12-01", "channel": "PHONE",
         "purpose": "TRACKING", "outcome": "no_answer", "service_code": "TEP"},
        {"attempt_id": "T2", "young_persons_id": ypid(5), "attempted_on": "2021-12-07", "channel": "PHONE",
         "purpose": "TRACKING", "outcome": "CONFIRMED", "new_activity_code": "230", "activity_started_on": "2021-12-06",
         "service_code": "TEP"},
        {"attempt_id": "T3", "young_persons_id": ypid(10), "attempted_on": "2021-12-08", "channel": "TEXT",
         "purpose": "TRACKING", "outcome": "CONFIRMED", "new_activity_code": "310", "activity_started_on": "2021-12-06",
         "service_code": "TEP"},
        {"attempt_id": "T4", "young_persons_id": ypid(32), "attempted_on": "2021-12-14", "channel": "PHONE",
         "purpose": "EHE_CALL", "outcome": "NO_ANSWER", "service_code": "EHE"},
    )  # fmt: skip
    deliver(
        "synergy_ehe_cme",
        pupil | {"synergy_id": "S1", "record_kind": "EHE", "started_on": "2021-09-06", "upn": "Z886000000032",
                 "letter_y11a_on": "2021-09-20", "parent_telephone": "01632 960000"},
    )  # fmt: skip
    deliver(
        "core_plus_needs",
        {"young_persons_id": ypid(10), "need_kind": "ASPIRATION", "need_code": "CONSTRUCTION", "started_on": "2021-10-01"},
        {"young_persons_id": ypid(10), "need_kind": "LEVEL", "need_code": "1", "started_on": "2021-08-20"},
        {"young_persons_id": ypid(15), "need_kind": "ASPIRATION", "need_code": "CONSTRUCTION", "started_on": "2021-10-01",
         "ended_on": "2021-11-30"},
        {"young_persons_id": ypid(15), "need_kind": "BARRIER", "need_code": "WEATHER", "started_on": "2021-10-01"},
    )  # fmt: skip
    deliver(
        "course_offer",
        {"ukprn": "10009999", "course_id": "K1", "start_on": "2022-01-10", "sector_code": "construction",
         "qualification_level": "2", "district_code": "E07000105", "places": "10", "places_left": "3"},
        {"ukprn": "10009999", "course_id": "K2", "start_on": "2021-09-06", "sector_code": "SPORT",
         "qualification_level": "2", "district_code": "E07000105", "places": "12", "places_left": "0"},
    )  # fmt: skip
    learner = {"ukprn": "10009999", "date_of_birth": "2005-01-15", "postcode": "ZZ99 9ZZ"}
    deliver(
        "college_enrolment",
        learner | {"learner_reference": "L3", "started_on": "2021-09-06", "surname": "Family3", "forename": "Given3"},
        learner | {"learner_reference": "L4", "started_on": "2021-09-06", "surname": "Family4", "forename": "Given4"},
        provider="10009999",
    )  # fmt: skip
    deliver(
        "college_joiners_leavers",
        learner | {"learner_reference": "L4", "movement": "L", "happened_on": "2021-12-03", "surname": "Family4",
                   "forename": "Given4"},
        learner | {"learner_reference": "L6", "movement": "J", "happened_on": "2021-11-01", "surname": "Stranger",
                   "forename": "Invented"},
        provider="10009999",
    )  # fmt: skip
    deliver(
        "school_post16_enrolment",
        {"school_number": "8864601", "upn": "Z886000000008", "started_on": "2021-09-06", "surname": "Family8",
         "forename": "Given8", "date_of_birth": "2005-01-15"},
        provider="4601",
    )  # fmt: skip
    deliver(
        "school_joiners_leavers",
        {"school_number": "8864601", "upn": "Z886000000008", "movement": "L", "happened_on": "2021-11-05",
         "destination": "College"},
        {"school_number": "8864601", "upn": "Z886000000008", "movement": "J", "happened_on": "2021-11-22"},
        provider="4601",
    )  # fmt: skip
    deliver(
        "training_provider_learners",
        learner | {"learner_reference": "T1", "started_on": "2021-10-04", "left_on": "2021-12-10", "surname": "Other",
                   "forename": "Invented"},
        provider="10008888",
    )  # fmt: skip
    deliver(
        "apprenticeship_starts",
        {"apprenticeship_id": "P1", "started_on": "2021-10-04", "ukprn": "10007777", "apprenticeship_level": "3",
         "date_of_birth": "2005-01-15"},
        provider="NAS",
    )  # fmt: skip
    deliver(
        "core_plus_at_risk",
        {"young_persons_id": ypid(32), "academic_year": "2021-22", "flagged_on": "2021-12-06",
         "flagged_by_service_code": "TEP", "risk_factors": "ATTENDANCE|IN_CARE|MOONLIGHT"},
    )  # fmt: skip
    deliver(
        "kent_choices_accounts",
        pupil | {"account_id": "A32", "code_issued_on": "2021-11-08", "activated_on": "2021-11-15",
                 "plan_agreed_on": "2021-12-10"},
    )  # fmt: skip
    deliver(
        "kent_choices_applications",
        {"application_id": "B1", "account_id": "A32", "application_status": "SUBMITTED", "applied_on": "2021-12-01"},
        {"application_id": "B2", "account_id": "A32", "application_status": "OFFER", "applied_on": "2021-12-01",
         "offered_on": "2021-12-15", "offer_rank": "1"},
        {"application_id": "B3", "account_id": "A32", "application_status": "DRAFT", "applied_on": "2021-12-01"},
    )  # fmt: skip
    in_school = pupil | {"upn": "Z886000000032"}
    deliver(
        "school_september_guarantee",
        in_school | {"school_number": "8864601", "offer_status": "110", "status_on": "2021-12-01", "year_group": "11"},
        provider="4601",
    )  # fmt: skip
    deliver(
        "school_census", in_school | {"estab": "4601", "fsm_eligible": "true", "sen_provision": "K"}
    )
    for as_at, ill in (("2021-10-22", "14"), ("2021-12-17", "4")):
        deliver(
            "school_attendance",
            {key: value for key, value in in_school.items() if key != "postcode"} | {"estab": "4601", "sessions_possible": "70", "mark_present_am": "30", "mark_present_pm": "20",
                         "mark_illness": ill, "mark_not_required": "30"},
            as_at=as_at,
        )  # fmt: skip
    deliver(
        "liberi_care",
        in_school | {"liberi_id": "I1", "care_status": "IN_CARE", "care_started_on": "2019-01-01", "placing_la_code": "887",
                     "is_uasc": "N"},
    )  # fmt: skip
    deliver("pep_plans", {"pep_id": "E1", "liberi_id": "I1", "meeting_on": "2021-11-01", "plan_quality": "green",
                          "next_meeting_on": "2021-12-15"})  # fmt: skip
    deliver(
        "youth_justice_orders",
        {"yj_id": "Y1", "order_number": "1", "surname": "Family10", "forename": "Given10", "date_of_birth": "2005-01-15",
         "postcode": "ZZ99 9ZZ", "order_kind": "REFERRAL_ORDER", "started_on": "2021-10-01", "ete_hours": "25"},
    )  # fmt: skip
    deliver(
        "early_help_parents",
        {"ehm_id": "H1", "surname": "Family15", "forename": "Given15", "date_of_birth": "2005-01-15",
         "postcode": "ZZ99 9ZZ", "parent_status": "PREGNANT", "status_from": "2021-10-01"},
    )  # fmt: skip
    deliver(
        "nccis_feedback",
        {"period_end": "2021-12-31", "feedback_kind": "ERROR", "young_persons_id": ypid(10), "rule_id": "37",
         "other_la_code": "", "detail": "Invented"},
        {"period_end": "2021-12-31", "feedback_kind": "DUPLICATE", "young_persons_id": ypid(999), "rule_id": "",
         "other_la_code": "887"},
    )  # fmt: skip
    deliver(
        "other_la_moves",
        {"notice_id": "N1", "other_la_code": "887", "direction": "OUT", "surname": "Family9", "forename": "Given9",
         "date_of_birth": "2005-01-15", "postcode": "ZZ99 9ZZ", "moved_on": "2021-12-01"},
    )  # fmt: skip
    deliver(
        "shared_folder_reviews",
        {"young_persons_id": ypid(10), "reviewed_on": "2021-12-15", "service_code": "NSS", "confirmed_status": "EET",
         "activity_code": "310", "is_reviewed": "Y"},
        {"young_persons_id": ypid(1), "reviewed_on": "2021-12-13", "service_code": "NSS", "confirmed_status": "NEET",
         "is_reviewed": "Y"},
    )  # fmt: skip
    log = {
        "log_kind": "COMPLAINT",
        "theme": "WAITING",
        "voice": "FAMILY",
        "narrative": "Given10 waited",
    }
    deliver(
        "service_log",
        log | {"entry_id": "G1", "entered_on": "2021-12-01", "status": "OPEN"},
        log | {"entry_id": "G2", "entered_on": "2021-12-05", "status": "CLOSED", "closed_on": "2021-12-09"},
    )  # fmt: skip
    user = {"account_opened_on": "2020-01-01", "service_code": "TEP"}
    deliver(
        "core_plus_users",
        user | {"user_id": "u1", "trained_on": "2021-01-10", "training_expires_on": "2022-01-10"},
        user | {"user_id": "u2"},
        user | {"user_id": "u3", "trained_on": "2020-01-10", "training_expires_on": "2021-12-30"},
        user | {"user_id": "u4", "trained_on": "2021-01-10", "training_expires_on": "2022-01-10", "left_on": "2021-11-30",
                "last_used_on": "2021-12-02"},
        user | {"user_id": "u5", "left_on": "2021-11-30", "account_closed_on": "2021-12-01"},
    )  # fmt: skip
    term = {"academic_year": "2021-22", "date_kind": "TERM"}
    deliver(
        "calendar_dates",
        term | {"number": "1", "starts_on": "2021-09-01", "ends_on": "2021-10-22"},
        term | {"number": "2", "starts_on": "2021-11-01", "ends_on": "2021-12-20"},
    )  # fmt: skip
    deliver("kpi_targets", {"kpi_id": "AP-PART", "valid_from": "2021-09-01", "target": "0.94", "floor": "0.92"})  # fmt: skip
    deliver("statistical_neighbours", {"authority_code": "886", "neighbour_rank": "1", "neighbour_code": "000"},
            la_code="ENG", provider="DfE")  # fmt: skip
    deliver(
        "ons_population",
        *({"area_code": "E10000016", "reference_year": year, "age": age, "population": people}
          for year, age, people in (("2020", "16", "20"), ("2020", "17", "20"), ("2020", "18", "99"), ("2022", "16", "1"))),
        la_code="ENG", provider="ONS",
    )  # fmt: skip
    deliver(
        "ccis_flat_extract",
        *({"young_persons_id": ypid(n), "period_end": "2021-12-31", "cohort_status": "P", "activity_code": code,
           "currency_lapsed": "N", "send_flag": flag}
          for n, code, flag in ((10, "619", "N"), (15, "210", "N"), (14, "210", "N"), (998, "210", "N"))),
    )  # fmt: skip
    deliver(
        "nccis_return",
        {"header_period_end": "2021-12-31", "young_persons_id": ypid(10), "occurrence": "1", "cohort_status": "P",
         "activity_code": "619", "currency_lapsed": "N"},
    )  # fmt: skip


def submit(built, census_point: str, activities: dict[int, str]) -> None:
    """A sealed submission of the ledger that holds the given people."""
    seq = built.county.seq = built.county.seq + 1
    accepted_at = built.county.started + dt.timedelta(hours=seq)
    with database.connect(built.dsn["gate"]) as connection:
        connection.execute(
            """insert into control.delivery (delivery_id, la_code, feed, provider, period, mode, file_name, file_sha256,
                 file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
               values ('d', '886', 'decision.submission', 'test', %(point)s, 'decision', 'decision.json', 'none', 0, 'd',
                 %(at)s, 'accepted', %(at)s, %(seq)s)""",
            {"point": census_point, "at": accepted_at, "seq": seq},
        )
        connection.execute(
            """insert into control.decision (decision_id, la_code, delivery_seq, kind, subject, decided_by, decided_at,
                 reason, body) values ('d', '886', %s, 'submission', %s, 'tester', %s, 'test', '{}')""",
            [seq, census_point, accepted_at],
        )
        connection.execute(
            """insert into ledger.submission (submission_id, la_code, census_point, outcome, chain_number, known_seq,
                 signed_by, sealed_at, delivery_seq, decision_id)
               values ('886-1', '886', %s, 'sealed', 1, 1, 'tester', %s, %s, 'd')""",
            [census_point, accepted_at, seq],
        )
        for number, code in activities.items():
            connection.execute(
                """insert into submitted.return_record (submission_id, la_code, census_point, record_number,
                     young_persons_id, cohort_status, activity_code, currency_lapsed, record_sha256)
                   values ('886-1', '886', %s, %s, %s, 'P', %s, 'N', 'none')""",
                [census_point, number, ypid(number), code],
            )


@pytest.fixture(scope="module")
def built(new_warehouse):
    built = new_warehouse()
    small_county(built.county)
    deliver_everything(built.county)
    submit(built, "2021-12", {10: "210", 11: "210"})
    build = transform.build_live(built.settings, built.dsn["builder"])
    assert build.status == "built"
    return built


def test_referrals_are_counted_once(built):
    """R1 became a case, R2 is the same mail again, R3 is about nobody we know, C2 to C5 came without a mail."""
    assert built.rows(
        """select coalesce(referral_id, case_id), channel, referral_source, is_linked, is_repeat, was_neet, is_rereferral,
             is_known_source
           from marts_support.fct_referral as referral
           left join (select case_key, case_id from marts_support.fct_case) as opened using (case_key) order by 1"""
    ) == [
        ("C2", "DIRECT", "TEP", True, False, False, False, True),
        ("C3", "DIRECT", "TEP", True, False, True, False, True),
        ("C4", "DIRECT", "SELF", True, False, False, False, True),
        ("C5", "DIRECT", "SELF", True, False, True, True, True),
        ("R1", "MAILBOX", "FAIR_ACCESS", True, False, True, False, True),
        ("R2", "MAILBOX", "FAIR_ACCESS", True, True, True, False, True),
        ("R3", "MAILBOX", "PIGEON", False, False, False, False, False),
    ]  # fmt: skip


def test_kpi_61_can_be_counted(built):
    """New referrals of December for people who were NEET on the day: R1, C3 and C5; and beside them the NEET count."""
    assert built.rows(
        """select referred_month_end, count(*) as referred,
             (select count(*) from marts_neet.fct_cohort_month as cohort
              where cohort.month_end = referral.referred_month_end and cohort.status_bucket = 'NEET'
                and cohort.is_in_denominator) as neet
           from marts_support.fct_referral as referral
           where was_neet and not is_repeat group by referred_month_end"""
    ) == [(DAY("2021-12-31"), 3, 6)]  # fmt: skip


def test_kpi_65_can_be_counted(built):
    """Open at the end of December: C1, C2, C3 and C5; only C2 for more than 84 days."""
    assert built.rows(
        """select count(*) filter (where is_open_long), count(*) from marts_support.fct_case where is_open"""
    ) == [(1, 4)]  # fmt: skip
    # On an earlier day the same is derived from the dates: C2 on 31 October had been open for 76 days.
    assert built.rows(
        """select count(*) filter (where date '2021-10-31' - accepted_on > 84), count(*) from marts_support.fct_case
           where accepted_on <= '2021-10-31' and (closed_on is null or closed_on > '2021-10-31')"""
    ) == [(0, 1)]  # fmt: skip


def test_ap_review_can_be_counted(built):
    """Of the six NEET 10 and 15 were reviewed in the month with a next step; 20 without one, 25 in November."""
    assert built.rows(
        """select count(*) filter (where reviewed.person_id is not null), count(*)
           from marts_neet.fct_cohort_month as cohort
           left join (
               select distinct la_code, person_id, reviewed_month_end from marts_support.fct_case_review where has_next_step
           ) as reviewed
             on reviewed.la_code = cohort.la_code and reviewed.person_id = cohort.person_id
             and reviewed.reviewed_month_end = cohort.month_end
           where cohort.status_bucket = 'NEET' and cohort.is_in_denominator and cohort.month_end = '2021-12-31'"""
    ) == [(2, 6)]  # fmt: skip
    assert built.rows(
        """select count(*), count(distinct person_id) from marts_support.fct_case_review where is_send_discussion"""
    ) == [(2, 1)]  # fmt: skip


def test_cases_are_due_on_their_twentieth_working_day(built):
    """C2: 13 September is the nineteenth after 16 August with the bank holiday of the 30th between."""
    assert built.rows(
        """select case_id, plan_due_on, is_plan_in_time, is_open, is_second_open_case from marts_support.fct_case
           order by 1"""
    ) == [
        ("C1", DAY("2022-01-05"), None, True, False),
        ("C2", DAY("2021-09-14"), True, True, False),
        ("C3", DAY("2022-01-10"), None, True, True),
        ("C4", DAY("2021-02-08"), False, False, False),
        ("C5", DAY("2022-01-17"), True, True, False),
    ]


def test_contacts_say_what_core_plus_has_not_been_told(built):
    assert built.rows(
        """select attempt_id, is_reached, attempt_number, new_status_bucket, is_entered_in_core_plus
           from marts_support.fct_contact order by 1"""
    ) == [
        ("T1", False, 1, None, None),
        ("T2", True, 2, "EET", True),
        ("T3", True, 1, "EET", False),
        ("T4", False, 1, None, None),
    ]  # fmt: skip


def test_home_education_has_its_letters_and_calls(built):
    assert built.rows(
        """select record_kind, young_persons_id, call_count, last_call_outcome, is_out_of_reach, has_contact_details,
             has_post16_plan, has_offer, is_referred
           from marts_support.fct_home_education"""
    ) == [("EHE", ypid(32), 1, "NO_ANSWER", True, True, False, False, False)]  # fmt: skip


def test_what_neet_people_want_stands_beside_what_is_offered(built):
    assert built.rows(
        """select sector_code, level_code, neet_people, places_left, places_left_yet_to_start, people_without_place
           from marts_support.fct_provision_gap order by 1, 2"""
    ) == [
        ("CONSTRUCTION", "2", 1, 3, 3, 0),
        ("NOT_RECORDED", "NOT_RECORDED", 5, 0, 0, 5),
        ("SPORT", "2", 0, 0, 0, 0),
    ]  # fmt: skip
    assert built.rows(
        "select need_code, is_known_code, is_current from marts_support.fct_need where need_kind = 'BARRIER'"
    ) == [("WEATHER", False, True)]  # fmt: skip


def test_stays_end_by_whoever_says_so(built):
    """The pupil left the sixth form and came back; the college's leaver is another list's learner."""
    assert built.rows(
        """select provider_kind, started_on, ended_on, is_open, is_destination_known, source_feeds
           from marts_support.fct_enrolment order by 1, 2, 3"""
    ) == [
        ("APPRENTICESHIP", DAY("2021-10-04"), None, True, None, "apprenticeship_starts"),
        ("COLLEGE", DAY("2021-09-06"), DAY("2021-12-03"), False, False, "college_enrolment,college_joiners_leavers"),
        ("COLLEGE", DAY("2021-09-06"), None, True, None, "college_enrolment"),
        ("COLLEGE", DAY("2021-11-01"), None, True, None, "college_joiners_leavers"),
        ("SCHOOL", DAY("2021-09-06"), DAY("2021-11-05"), False, True, "school_joiners_leavers,school_post16_enrolment"),
        ("SCHOOL", DAY("2021-11-22"), None, True, None, "school_joiners_leavers"),
        ("TRAINING", DAY("2021-10-04"), DAY("2021-12-10"), False, False, "training_provider_learners"),
    ]  # fmt: skip


def test_the_tracking_queue(built):
    assert built.rows(
        """select provider_kind, ended_on, days_since_leaving from marts_support.fct_leaver_without_destination order by 1"""
    ) == [("COLLEGE", DAY("2021-12-03"), 28), ("TRAINING", DAY("2021-12-10"), 21)]  # fmt: skip


def test_a_plan_gathers_what_five_systems_know(built):
    assert built.rows(
        f"""select year_group, is_at_risk, risk_factor_count, unknown_factor_count, risk_factors, school_offer_category,
              has_offer, is_fsm_eligible, census_sen_provision, sessions_possible, absent_sessions, is_persistently_absent
            from marts_support.fct_transition_plan where young_persons_id = '{ypid(32)}' and academic_year = '2021-22'"""
    ) == [(11, True, 3, 1, "ATTENDANCE", "OFFER_MADE", True, True, "K", 140, 18, True)]  # fmt: skip
    assert built.rows(
        """select academic_year, activated_on, plan_agreed_on, application_count, offer_count, ranked_offer_count
           from intermediate.int_kent_choices"""
    ) == [("2021-22", DAY("2021-11-15"), DAY("2021-12-10"), 2, 1, 1)]
    assert built.rows(
        "select term_ends_by, absent_sessions, is_persistently_absent from marts_support.fct_attendance_term order by 1"
    ) == [(DAY("2021-10-22"), 14, True), (DAY("2021-12-17"), 4, False)]


def test_feedback_stands_beside_the_submission(built):
    assert built.rows(
        """select feedback_kind, is_on_core_plus, submission_id, was_in_return, sent_activity_code, present_activity_code,
             is_changed_since
           from marts_support.fct_dfe_feedback order by 1"""
    ) == [
        ("DUPLICATE", False, "886-1", False, None, None, False),
        ("ERROR", True, "886-1", True, "210", "619", True),
    ]  # fmt: skip
    assert built.rows(
        "select read_activity_code, sent_activity_code, comparison from marts_support.fct_return_read_back"
    ) == [("619", "210", "DIFFERENT")]  # fmt: skip


def test_what_core_plus_has_yet_to_take_over(built):
    assert built.rows(
        """select young_persons_id, is_in_core_plus, is_to_be_entered, days_waiting from marts_support.fct_returned_review
           order by 1"""
    ) == [(ypid(1), True, False, None), (ypid(10), False, True, 16)]  # fmt: skip
    assert built.rows(
        "select direction, other_la_name, is_entered_in_core_plus, days_since_move from marts_support.fct_transfer_notice"
    ) == [("OUT", "Medway", False, 30)]  # fmt: skip


def test_logs_are_counted_and_their_words_stay_in_raw(built):
    assert built.rows(
        "select log_kind, theme, entry_count, closed_count, open_count, total_days_to_close from marts_support.fct_service_log"
    ) == [("COMPLAINT", "WAITING", 2, 1, 1, 4)]  # fmt: skip
    words = built.rows(
        """select table_schema, table_name from information_schema.columns
           where column_name = 'narrative' and table_schema not in ('raw', 'hist')"""
    )
    assert words == []


def test_only_trained_current_users(built):
    assert built.rows("select user_id, may_use from marts_support.dim_core_plus_user order by 1") == [
        ("u1", True), ("u2", False), ("u3", False), ("u4", False), ("u5", False),
    ]  # fmt: skip
    assert built.rows(
        "select user_id, issue, days_open from marts_support.fct_user_access_issue order by 1, 2"
    ) == [
        ("u2", "NOT_TRAINED", 730),
        ("u3", "TRAINING_EXPIRED", 0),
        ("u4", "LEFT_ACCOUNT_OPEN", 30),
        ("u4", "USED_AFTER_LEAVING", 29),
    ]


def test_reference_feeds_are_held_against_the_seeds(built):
    """Term 2 ends three days later, terms 3 to 6 were not sent, the target is half a point off, the neighbour is none."""
    found = built.rows(
        """select kind, subject, field, feed_value, seed_value, comparison from marts_support.fct_reference_difference
           where comparison in ('SAME', 'DIFFERENT') order by 1, 2, 3"""
    )
    assert [row for row in found if row[0] in ("KPI_TARGET", "TERM_DATE")] == [
        ("KPI_TARGET", "AP-PART from 2021-09-01", "floor", "0.920000", "0.920000", "SAME"),
        ("KPI_TARGET", "AP-PART from 2021-09-01", "target", "0.940000", "0.937000", "DIFFERENT"),
        ("TERM_DATE", "2021-22 term 1", "ends_on", "2021-10-22", "2021-10-22", "SAME"),
        ("TERM_DATE", "2021-22 term 1", "starts_on", "2021-09-01", "2021-09-01", "SAME"),
        ("TERM_DATE", "2021-22 term 2", "ends_on", "2021-12-20", "2021-12-17", "DIFFERENT"),
        ("TERM_DATE", "2021-22 term 2", "starts_on", "2021-11-01", "2021-11-01", "SAME"),
    ]
    assert [row[5] for row in found if row[0] == "NEIGHBOUR"] == ["DIFFERENT"]
    assert dict(built.rows(
        "select comparison, count(*) from marts_support.fct_reference_difference where kind = 'TERM_DATE' group by 1"
    )) == {"SAME": 3, "DIFFERENT": 1, "ONLY_SEED": 8}  # fmt: skip
    assert built.value(
        "select count(*) from marts_support.fct_reference_difference where kind = 'BANK_HOLIDAY'"
    ) == 0  # fmt: skip


def test_sc_pop(built):
    """31 counted in December over the 40 that the estimate of 2020 has of 16 and 17: those of 18, or of 2022, count not."""
    assert built.rows(
        """select cohort, reference_year, population, ratio::float from marts_support.fct_population_ratio
           where month_end = '2021-12-31'"""
    ) == [(31, 2020, 40, 0.775)]  # fmt: skip


def test_the_flat_extract_person_by_person(built):
    """10 agrees; 15 is NEET and not at school; 14 has a plan; 998 is on no Core+ row; the rest are not in the extract."""
    found = built.rows(
        """select young_persons_id, field, flat_value, core_plus_value from marts_support.fct_flat_extract_difference
           where flat_value <> 'ABSENT' order by 1"""
    )
    assert found == [
        (ypid(14), "SEN_GROUP", "NONE", "EHCP"),
        (ypid(15), "ACTIVITY_CODE", "210", "619"),
        (ypid(998), "PRESENCE", "PRESENT", "ABSENT"),
    ]
    assert built.value(
        "select count(*) from marts_support.fct_flat_extract_difference where flat_value = 'ABSENT'"
    ) == 29  # fmt: skip


def test_restricted_marts_hold_what_their_service_needs(built):
    assert built.rows(
        """select care_status, is_open, placing_la_code, is_placed_by_another_authority, young_persons_id
           from marts_restricted.fct_care_record"""
    ) == [("IN_CARE", True, "887", True, ypid(32))]  # fmt: skip
    assert built.rows(
        "select plan_quality, is_meeting_overdue, is_latest_of_person, young_persons_id from marts_restricted.fct_personal_education_plan"
    ) == [("GREEN", True, True, ypid(32))]  # fmt: skip
    assert built.rows("select order_kind, is_open, is_full_time from marts_restricted.fct_youth_justice_order") == [
        ("REFERRAL_ORDER", True, True)
    ]  # fmt: skip
    assert built.rows("select parent_status, is_open from marts_restricted.fct_teenage_parent") == [
        ("PREGNANT", True)
    ]


def test_nobody_reads_the_restricted_marts_but_those_who_must(built):
    """BI has no way there, before or after publication, and the gate none to the tables; an auditor has."""
    publishing.publish(built.settings, built.dsn["builder"])
    assert "fct_transition_plan" in publishing.published_marts(built.settings)
    for mart in (
        "fct_care_record",
        "fct_youth_justice_order",
        "fct_teenage_parent",
        "fct_personal_education_plan",
    ):
        assert mart not in publishing.published_marts(built.settings)
        may = {
            role: built.value(
                f"select has_table_privilege('neet_{role}', 'marts_restricted.{mart}', 'select')"
            )
            for role in ("bi", "gate", "auditor")
        }
        assert may == {"bi": False, "gate": False, "auditor": True}
    assert built.value(
        "select count(*) from published_internal.fct_case", role="bi"
    ) == built.value("select count(*) from marts_support.fct_case")  # fmt: skip


def test_no_support_mart_is_empty(built):
    """Every feed has reached a mart: one that stays empty here is wired to nothing."""
    marts = built.rows(
        """select table_schema, table_name from information_schema.tables
           where table_schema in ('marts_support', 'marts_restricted')"""
    )
    assert len(marts) >= 26
    empty = [
        f"{schema}.{table}" for schema, table in marts if not built.value(f"select count(*) from {schema}.{table}")
    ]  # fmt: skip
    assert empty == []
