"""Dated layouts: what exactly a year added, removed or renamed, and the files that real authorities exported."""

from __future__ import annotations

import csv
import datetime as dt

import pytest

from neet.feeds.contract import load_contracts
from neet.settings import PROJECT_ROOT

CONTRACTS = load_contracts(PROJECT_ROOT / "expectations" / "feeds")

FLAT_2022 = """DatabaseId LEACode DateOfSend PeriodEnd SupplierName SupplierXMLVersion XMLSchemaVersion YoungPersonsID
CohortStatus GivenName MiddleName FamilyName AddressLine1 AddressLine2 AddressLine3 AddressLine4 Town County Postcode Gender
moth/year_of_birth Ethnicity LeadLEA EducatedLEA UniqueLearnerNo UniquePupilNumber PreviousYPIDIdentifier
GuaranteeStatusIndicator LEACodeAtYear11 TransferredToLACode LevelOfNeedCode SENDFlag SENSupportFlag CharacteristicCode
ActivityCode StartDate DateAscertained DateVerified DueToLapseDate CurrencyLapsed EstablishmentNumber EstablishmentName
UKProviderReferenceNumber PredictedEndDate ReviewDate NEETStartDate IntendedDestinationYr11"""

CENSUS = """Estab UPN Surname Forename Middlenames PreferredSurname FormerSurname Gender DoB EnrolStatus EntryDate
NCyearActual Ethnicity Language SENprovision SENneed1 SENneed2 SENunitIndicator ResourcedProvisionIndicator
UniqueLearnerNumber Postcode SAON PAON Street Locality Town AdministrativeArea AddressLine1 AddressLine2 AddressLine3
AddressLine4 AddressLine5 NativeID FSME_on_Census_Day Age"""

ATTENDANCE = """Estab UPN Surname Forename Middlenames PreferredSurname FormerSurname Gender DoB EnrolStatus EntryDate
NCyearActual TermlySessionsPossible / \\ B J L P V W C E H I M R S T G N O U D X Y"""

SEX = dt.date(2025, 9, 1)
CHANGES = [
    # feed, first day, columns added, columns removed, {column: header then, header now}
    (
        "ccis_flat_extract", dt.date(2019, 4, 1), {"sen_support_flag"},
        {"youth_contract_indicator", "youth_contract_started_on", "guarantee_status_year11", "guarantee_lea_year11",
         "guarantee_status_year12", "guarantee_lea_year12"},
        {"birth_month": ("month/year of birth", "moth/year of birth")},
    ),
    (
        "school_attendance", dt.date(2024, 8, 19),
        {"mark_regulated_performance", "mark_part_time_timetable", "mark_job_interview", "mark_la_provision",
         "mark_access_arrangements", "mark_transport", "mark_travel_disruption", "mark_premises", "mark_site_closed",
         "mark_custody", "mark_public_health", "mark_unavoidable"},
        {"mark_interview", "mark_holiday_authorised", "mark_unable_to_attend"}, {},
    ),
    ("school_census", SEX, set(), set(), {"gender": ("Gender", "Sex")}),
    ("school_post16_enrolment", SEX, set(), set(), {"gender": ("Gender", "Sex")}),
    ("school_joiners_leavers", SEX, set(), set(), {"gender": ("Gender", "Sex")}),
    ("school_september_guarantee", SEX, set(), set(), {"gender": ("Gender", "Sex")}),
    ("dfe_la_scorecard", dt.date(2022, 1, 1), set(),
     {"neet_nk_nosen_quintile", "neet_nk_ehcp_quintile", "neet_nk_sendsupport_quintile",
      "vg_neet_nk_percentage_quintile"}, {}),
    ("dfe_la_scorecard", dt.date(2024, 1, 1), {"enrolments_pa_10_exact_percent"},
     {"sess_overall_percent_pa_10_exact", "age1617_ons_population"}, {}),
]  # fmt: skip


def headers(feed: str, day: dt.date) -> dict[str, str]:
    return {column.name: column.header for column in CONTRACTS[feed].layout_on(day).columns}


@pytest.mark.parametrize(
    ("feed", "day", "added", "removed", "renamed"),
    CHANGES,
    ids=[f"{change[0]}-{change[1]}" for change in CHANGES],
)
def test_a_change_of_layout_is_named_exactly(feed, day, added, removed, renamed):
    before, after = headers(feed, day - dt.timedelta(days=1)), headers(feed, day)
    assert after.keys() - before.keys() == added
    assert before.keys() - after.keys() == removed
    both = before.keys() & after.keys()
    assert {n: (before[n], after[n]) for n in both if before[n] != after[n]} == renamed


def test_every_change_of_every_feed_stands_above():
    """A layout added without saying here what it changes is noticed."""
    dated = {
        (feed, layout.valid_from)
        for feed, contract in CONTRACTS.items()
        for layout in contract.layouts[1:]
    }
    assert dated == {(feed, day) for feed, day, *_ in CHANGES}
    assert all(
        "assumed" in contract.text.lower() or "published" in contract.text.lower()
        for contract in CONTRACTS.values()
        if len(contract.layouts) > 1
    )


@pytest.mark.parametrize(
    ("feed", "day", "published", "count"),
    [
        ("ccis_flat_extract", dt.date(2022, 2, 28), FLAT_2022, 47),
        ("school_census", dt.date(2022, 1, 20), CENSUS, 35),
        ("school_attendance", dt.date(2022, 1, 20), ATTENDANCE, 36),
    ],
)
def test_layouts_of_files_that_an_authority_really_exported(feed, day, published, count):
    columns = [name.replace("_", " ") for name in published.split()]
    assert len(columns) == count
    assert set(headers(feed, day).values()) == set(columns)


def test_the_flat_extract_of_2016_has_fifty_two_columns():
    """The two guarantee nodes flattened, the Youth Contract, no SEN support."""
    columns = headers("ccis_flat_extract", dt.date(2016, 2, 29))
    assert len(columns) == 52
    assert {"GuaranteeStatus", "LEACode2", "GuaranteeStatus3", "LEACode4", "YouthContractIndicator",
            "YouthContractStartDate", "month/year of birth"} <= set(columns.values())  # fmt: skip
    assert "SENSupportFlag" not in columns.values()


def test_every_feed_belongs_to_a_service_that_there_is():
    with (PROJECT_ROOT / "dbt_project/seeds/codes/services.csv").open(newline="") as handle:
        services = {row["service_code"] for row in csv.DictReader(handle)}
    assert {
        feed: c.owner_service for feed, c in CONTRACTS.items() if c.owner_service not in services
    } == {}


def test_every_number_of_the_catalogue_has_a_feed():
    numbers = {tag for contract in CONTRACTS.values() for tag in contract.tags if tag[:2] == "F-"}
    assert numbers == {f"F-{number:02}" for number in range(1, 26)}
    assert len(CONTRACTS) == 41
