"""Every feed from its files to a mart: a clean and a dirty delivery of each, and what comes of them.

The same few imaginary people run through all sources. Beside the files of a feed (``tests/data/feeds/<feed>/``) its
``expected.yml`` says what the loader must make of them; everything is loaded and built once.
"""

from __future__ import annotations

import shutil

import pytest
import yaml

from neet import database, transform
from neet.feeds import landing
from neet.feeds.contract import load_contracts
from neet.publishing import publish
from neet.settings import PROJECT_ROOT
from neet.transform import build_live

pytestmark = pytest.mark.slow

SAMPLES = PROJECT_ROOT / "tests" / "data" / "feeds"
CONTRACTS = load_contracts(PROJECT_ROOT / "expectations" / "feeds")
EXPECTED = {
    feed: yaml.safe_load((SAMPLES / feed / "expected.yml").read_text(encoding="utf-8"))
    if (SAMPLES / feed / "expected.yml").exists()
    else {"deliveries": [], "history": {}, "values": {}}
    for feed in CONTRACTS
}


def outcome(warehouse, result) -> dict:
    """A delivery as ``expected.yml`` writes one."""
    said = {
        "status": result.status,
        "rows": {
            name: getattr(result, f"rows_{name}")
            for name in ("in", "loaded", "unchanged", "rejected", "closed")
        },
        "rejects": [
            f"{line} {column or '-'}: {rule}"
            for line, column, rule in warehouse.rows(
                f"""select line_number, column_name, rule from control.reject
                    where delivery_id = '{result.delivery_id}' order by reject_number""",
                role="auditor",
            )
        ],
        "warnings": list(result.warnings),
    }
    if result.reason:
        said["reason"] = result.reason
    return {name: value for name, value in said.items() if value or name == "rows"}


@pytest.fixture(scope="module")
def county(new_warehouse, tmp_path_factory):
    """Every sample delivered, the clean ones first; built and published once.

    Returns:
        the warehouse, and the outcome of each file by feed and name.
    """
    warehouse = new_warehouse()
    clean = 0
    made = tmp_path_factory.mktemp("deliveries")
    outcomes: dict[str, dict[str, dict]] = {feed: {} for feed in CONTRACTS}
    for number in (0, 1):
        for feed, expected in EXPECTED.items():
            for delivery in expected["deliveries"][number : number + 1]:
                file = made / delivery["file"]
                shutil.copy(SAMPLES / feed / delivery["file"], file)
                result = landing.receive(warehouse.settings, warehouse.dsn["loader"], feed, file)
                outcomes[feed][delivery["file"]] = outcome(warehouse, result)
                clean = max(clean, result.delivery_seq or 0) if number == 0 else clean
    with database.connect(warehouse.dsn["owner"]) as owner:
        # as if the clean ones had been accepted at the end of the month they are of, and the others years later
        owner.execute(
            """update control.delivery set accepted_at = delivery_seq * interval '1 minute'
                 + case when delivery_seq <= %s then timestamptz '2021-12-31 06:00+00' else '2024-11-01 06:00+00' end
               where delivery_seq is not null""",
            [clean],
        )
    build_live(warehouse.settings, warehouse.dsn["builder"])
    publish(warehouse.settings, warehouse.dsn["builder"])
    return warehouse, outcomes


def history(warehouse, feed: str) -> dict[str, list[str]]:
    """What each delivery made of each key: ``886_..._20211231.csv U``."""
    found: dict[str, list[str]] = {}
    for key, file, operation in warehouse.rows(
        f"""select row_key, file_name, operation from hist.hist_{feed}
            inner join control.delivery on delivery.delivery_seq = known_from_seq
            order by row_key collate "C", known_from_seq"""
    ):
        found.setdefault(key, []).append(f"{file} {operation}")
    return found


@pytest.mark.parametrize("feed", CONTRACTS)
def test_the_loader_makes_of_the_samples_what_it_should(county, feed):
    warehouse, outcomes = county
    expected = EXPECTED[feed]
    names = {file.name for file in (SAMPLES / feed).iterdir()} - {"expected.yml"}
    assert names == {delivery["file"] for delivery in expected["deliveries"]}
    clean, dirty = expected["deliveries"]
    assert clean["rows"]["in"] and not clean.get("rejects") and not clean.get("dirt")
    assert dirty["dirt"], "a dirty delivery says what is wrong with it"
    for delivery in expected["deliveries"]:
        said = {name: value for name, value in delivery.items() if name not in ("file", "dirt")}
        assert outcomes[feed][delivery["file"]] == said
        rows = said["rows"]
        if said["status"] == "accepted":
            assert rows["in"] == rows["loaded"] + rows["unchanged"] + rows["rejected"]
    assert history(warehouse, feed) == expected["history"]
    for key, values in expected["values"].items():
        (row,) = warehouse.rows(
            f"""select {", ".join(values)} from hist.hist_{feed}
                where row_key = '{key.replace("'", "''")}' and known_to_seq is null"""
        )
        assert dict(zip(values, row, strict=True)) == values


def test_dbt_knows_how_fresh_every_source_is(county):
    """Everything was accepted years ago; what comes as it comes has no freshness."""
    from dbt.cli.main import dbtRunner

    warehouse, _ = county
    project = str(warehouse.settings.dbt_project)
    with transform._environment(transform.profile_environment(warehouse.dsn["builder"])):
        done = dbtRunner().invoke(
            ["source", "freshness", "--project-dir", project, "--profiles-dir", project, "--target-path",
             str(warehouse.settings.home / "freshness"), "--quiet", "--log-level", "none"]
        )  # fmt: skip
    assert done.exception is None
    found = {
        result.node.name: str(result.status)
        for result in done.result.results
        if result.node.resource_type == "source"
    }
    assert found == {
        feed: "warn" for feed, contract in CONTRACTS.items() if contract.latency_days is not None
    }


ZOE, SIAN, RENE, ADA = (f"88600000001{number:02}" for number in (1, 2, 3, 4))
# feed: the mart that values of its rows reach, which row, and what must stand there (from the dirty delivery, if it can)
MARTS = {
    "core_plus_people": (
        "marts_core.dim_young_person", f"young_persons_id = '{RENE}' and is_current",
        {"postcode": "ZZ99 3CD", "family_name": "Müller-Probe", "dob": "2004-12-25"},
    ),
    "core_plus_activities": (
        "marts_neet.fct_activity_spell", "activity_id = 'A0000103'",
        {"activity_code": "619", "verified_on": "2022-01-10", "recorded_neet_start_on": "2021-10-04"},
    ),
    "core_plus_characteristics": (
        "marts_returns.ret_nccis_characteristic", f"young_persons_id = '{ADA}'", {"characteristic_code": "180"},
    ),
    "core_plus_september_guarantee": (
        "marts_returns.ret_nccis_record", f"young_persons_id = '{RENE}'", {"year11_guarantee_status": "310"},
    ),
    "core_plus_cases": (
        "marts_support.fct_case", "case_id = 'C101'",
        {"referred_on": "2021-10-18", "plan_completed_on": "2021-11-16", "is_plan_in_time": "true"},
    ),
    "core_plus_case_reviews": (
        "marts_support.fct_case_review", "review_id = 'V103'", {"reviewed_on": "2021-12-15", "action_code": "VISIT"},
    ),
    "core_plus_needs": (
        "marts_support.fct_need", f"young_persons_id = '{ADA}' and need_kind = 'BARRIER'",
        {"need_code": "PREGNANCY", "ends_before": "2022-01-11"},
    ),
    "core_plus_contact_details": (
        "marts_conflicts.fct_data_quality_value",
        "measure_id = 'DQ-CONTACT' and area_type = 'county' and group_code = 'ALL' and period_code = '2021-12'",
        {"numerator": "1", "denominator": "2"},
    ),
    "core_plus_at_risk": (
        "marts_support.fct_transition_plan", f"young_persons_id = '{ZOE}'",
        {"is_at_risk": "true", "risk_factors": "EHCP", "plan_agreed_on": "2022-01-11"},
    ),
    "core_plus_users": (
        "marts_support.dim_core_plus_user", "user_id = 'U103'",
        {"left_on": "2021-10-29", "account_closed_on": "2022-01-04", "may_use": "false"},
    ),
    "ccis_flat_extract": (
        "marts_support.fct_flat_extract_difference", f"young_persons_id = '{SIAN}'",
        {"period_end": "2021-12-31", "field": "ACTIVITY_CODE", "flat_value": "540", "core_plus_value": "220"},
    ),
    "school_post16_enrolment": (
        "marts_support.fct_enrolment", f"young_persons_id = '{ZOE}'",
        {"provider_code": "8864001", "started_on": "2021-09-06", "planned_end_on": "2023-07-21"},
    ),
    "college_enrolment": (
        "marts_support.fct_enrolment", f"young_persons_id = '{SIAN}' and provider_kind = 'COLLEGE'",
        {"provider_code": "10099901", "planned_end_on": "2022-07-15", "qualification_level": "2"},
    ),
    "college_joiners_leavers": (
        "marts_support.fct_enrolment", f"young_persons_id = '{ADA}' and provider_kind = 'COLLEGE'",
        {"source_feeds": "college_joiners_leavers", "started_on": "2021-12-01"},
    ),
    "school_joiners_leavers": (
        "marts_support.fct_enrolment", f"young_persons_id = '{ADA}' and provider_kind = 'SCHOOL'",
        {"ended_on": "2021-11-05", "source_feeds": "school_joiners_leavers,school_post16_enrolment"},
    ),
    "school_september_guarantee": (
        "marts_support.fct_transition_plan", f"young_persons_id = '{RENE}'",
        {"school_offer_status": "110", "school_offer_on": "2022-04-20"},
    ),
    "training_provider_learners": (
        "marts_support.fct_enrolment", f"young_persons_id = '{RENE}' and provider_code = '10099902' "
        "and source_feeds like '%training%'",
        {"started_on": "2022-01-10", "ended_on": "2022-02-18", "planned_end_on": "2022-07-15"},
    ),
    "apprenticeship_starts": (
        "marts_support.fct_enrolment", f"young_persons_id = '{RENE}' and provider_kind = 'APPRENTICESHIP'",
        {"started_on": "2022-03-07", "planned_end_on": "2024-01-31", "qualification_level": "2"},
    ),
    "other_la_moves": (
        "marts_support.fct_transfer_notice", "other_la_code = '826'",
        {"young_persons_id": ADA, "direction": "OUT", "moved_on": "2022-01-04"},
    ),
    "nccis_feedback": (
        "marts_support.fct_dfe_feedback", f"young_persons_id = '{ZOE}' and other_la_code = '826'",
        {"feedback_kind": "DUPLICATE", "detail": "Also returned by 826", "census_point": "2022-01"},
    ),
    "synergy_send": (
        "marts_conflicts.fct_source_conflict", f"young_persons_id = '{RENE}' and source_feed = 'synergy_send'",
        {"conflict_kind": "SEN", "source_says": "EHCP", "core_plus_says": "NONE", "owner_service_code": "SEND"},
    ),
    "synergy_ehe_cme": (
        "marts_support.fct_home_education", f"young_persons_id = '{ADA}'",
        {"started_on": "2020-09-01", "letter_y11b_on": "2020-12-07", "reply_on": "2021-01-11"},
    ),
    "school_census": (
        "marts_support.fct_transition_plan", f"young_persons_id = '{RENE}'",
        {"census_sen_provision": "K", "is_fsm_eligible": "false"},
    ),
    "school_attendance": (
        "marts_support.fct_attendance_term", f"young_persons_id = '{RENE}' and term_ends_by = '2024-10-03'",
        {"sessions_possible": "110", "authorised_sessions": "20", "unauthorised_sessions": "4"},
    ),
    "liberi_care": (
        "marts_restricted.fct_care_record", f"young_persons_id = '{RENE}'",
        {"care_status": "IN_CARE", "legal_status": "V2", "care_started_on": "2022-01-10"},
    ),
    "pep_plans": (
        "marts_restricted.fct_personal_education_plan", f"young_persons_id = '{SIAN}'",
        {"meeting_on": "2021-10-14", "plan_quality": "AMBER"},
    ),
    "youth_justice_orders": (
        "marts_restricted.fct_youth_justice_order", "order_kind = 'YRO'",
        {"started_on": "2022-01-14", "ete_hours": "16.5", "has_plan": "true"},
    ),
    "early_help_parents": (
        "marts_restricted.fct_teenage_parent", "true",
        {"parent_status": "PARENT", "status_from": "2022-05-18", "cares_for_child": "true"},
    ),
    "shared_folder_reviews": (
        "marts_support.fct_returned_review", f"young_persons_id = '{RENE}' and is_latest_of_person",
        {"confirmed_status": "EET", "activity_code": "330", "started_on": "2021-11-22", "is_to_be_entered": "true"},
    ),
    "referral_mailbox": (
        "marts_support.fct_referral", "referral_id = 'R102'",
        {"channel": "MAILBOX", "referral_source": "OPEN_ACCESS", "referral_reason": "NEET", "referred_on": "2021-11-12"},
    ),
    "contact_attempts": (
        "marts_support.fct_contact", "attempt_id = 'CT3'",
        {"channel": "TEXT", "outcome": "CONFIRMED", "attempt_number": "2", "is_reached": "true"},
    ),
    "service_log": (
        "marts_support.fct_service_log", "log_kind = 'COMPLAINT'",
        {"theme": "WAITING", "entry_count": "1", "closed_count": "1", "total_days_to_close": "32"},
    ),
    "course_offer": (
        "marts_support.fct_course_offer", "course_id = 'CN1' and start_on = '2022-01-10'",
        {"places": "16", "places_left": "2", "sector_code": "CONSTRUCTION"},
    ),
    "calendar_dates": (
        "marts_support.fct_reference_difference", "kind = 'TERM_DATE' and subject = '2021-22 term 2' and field = 'ends_on'",
        {"feed_value": "2021-12-17", "comparison": "SAME"},
    ),
    "kpi_targets": (
        "marts_support.fct_reference_difference",
        "kind = 'KPI_TARGET' and subject = 'AP-NEET from 2021-09-01' and field = 'target'",
        {"feed_value": "0.029000", "comparison": "SAME"},
    ),
    "statistical_neighbours": (
        "marts_support.fct_reference_difference", "kind like '%NEIGHBOUR%' and subject like '886%' and feed_value = '919'",
        {"feed_value": "919"},
    ),
    "ons_population": (
        "marts_support.fct_population_ratio", "reference_year = 2021", {"population": "37415"},
    ),
    "dfe_la_scorecard": (
        "marts_kpi.fct_dfe_scorecard", "area_la_code = '886' and time_period = 2021 and measure_id = 'NEET_NK'",
        {"printed_text": "7.5", "published_denominator": "33602.0000000000"},
    ),
    "nccis_return": (
        "marts_support.fct_return_read_back", f"young_persons_id = '{ZOE}' and period_end = '2022-01-31'",
        {"times_read": "2", "read_cohort_status": "P"},
    ),
    "kent_choices_accounts": (
        "marts_support.fct_transition_plan", f"young_persons_id = '{ZOE}'",
        {"has_account": "true", "is_account_activated": "true"},
    ),
    "kent_choices_applications": (
        "marts_support.fct_transition_plan", f"young_persons_id = '{ZOE}'",
        {"application_count": "1", "offer_count": "1", "ranked_offer_count": "1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("feed", CONTRACTS)
def test_values_of_every_feed_reach_a_mart(county, feed):
    warehouse, _ = county
    mart, where, expected = MARTS[feed]
    columns = ", ".join(f"cast({column} as text)" for column in expected)
    rows = warehouse.rows(f"select {columns} from {mart} where {where}")
    assert rows == [tuple(expected.values())]


def test_no_contract_stands_unused(county):
    """Every history has a mart among its descendants, and the mart of each feed above is one of them."""
    from dbt.cli.main import dbtRunner

    warehouse, _ = county
    project = str(warehouse.settings.dbt_project)
    with transform._environment(transform.profile_environment(warehouse.dsn["builder"])):
        done = dbtRunner().invoke(
            ["parse", "--project-dir", project, "--profiles-dir", project, "--target-path",
             str(warehouse.settings.home / "freshness"), "--quiet", "--log-level", "none"]
        )  # fmt: skip
    models = {
        node.unique_id: node for node in done.result.nodes.values() if node.resource_type == "model"
    }

    def ancestors(name: str) -> set[str]:
        found, ahead = set(), [name]
        while ahead:
            for parent in models[ahead.pop()].depends_on.nodes:
                if parent in models and parent not in found:
                    found.add(parent)
                    ahead.append(parent)
        return found

    marts = {
        node.name: ancestors(node.unique_id)
        for node in models.values()
        if "marts" in node.path.split("/") and "intermediate" not in node.path.split("/")
    }
    assert len(marts) > 50
    used = set().union(*marts.values())
    assert {f"model.neet.hist_{feed}" for feed in CONTRACTS} - used == set()
    assert {
        feed for feed in CONTRACTS
        if f"model.neet.hist_{feed}" not in marts[MARTS[feed][0].split(".")[1]]
    } == set()  # fmt: skip
