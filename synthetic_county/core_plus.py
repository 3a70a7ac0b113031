"""The four Core+ feeds as they leave the system: columns, keys, file names and rows."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

PEOPLE = "core_plus_people"
ACTIVITIES = "core_plus_activities"
CHARACTERISTICS = "core_plus_characteristics"
GUARANTEE = "core_plus_september_guarantee"

COLUMNS: dict[str, list[str]] = {
    PEOPLE: """YoungPersonsID CohortStatus CohortStatusDate CohortEntryDate GivenName MiddleName FamilyName
        AddressLine1 AddressLine2 AddressLine3 AddressLine4 Town County Postcode Gender DOB Ethnicity LeadLEA
        EducatedLEA TransferredToLACode LEACodeAtYear11 UniqueLearnerNo UniquePupilNumber GuaranteeStatusIndicator
        PreviousYPIDIdentifier LevelOfNeedCode SENDFlag SENSupportFlag IntendedDestinationYr11 District
        SchoolOfOrigin OwnerService LastUpdated""".split(),
    ACTIVITIES: """ActivityID YoungPersonsID ActivityCode StartDate EndDate DateAscertained DateVerified ReviewDate
        PredictedEndDate DueToLapseDate CurrencyLapsed EstablishmentNumber EstablishmentName
        UKProviderReferenceNumber NEETStartDate LastUpdated""".split(),
    CHARACTERISTICS: "YoungPersonsID CharacteristicCode StartDate EndDate LastUpdated".split(),
    GUARANTEE: "YoungPersonsID GuaranteeYear YearGroup GuaranteeStatus LEACode StatusDate LastUpdated".split(),
}
FEEDS = tuple(COLUMNS)
KEYS: dict[str, list[str]] = {
    PEOPLE: ["YoungPersonsID"],
    ACTIVITIES: ["ActivityID"],
    CHARACTERISTICS: ["YoungPersonsID", "CharacteristicCode", "StartDate"],
    GUARANTEE: ["YoungPersonsID", "GuaranteeYear", "YearGroup"],
}
OPERATION = "Operation"

Key = tuple[str, ...]
Image = tuple[str, ...]
"""A row as exported: one string a column."""


class PersonRow(NamedTuple):
    """What Core+ holds about a person."""

    id: str
    status: str
    status_on: date
    entry_on: date
    given_name: str
    middle_name: str
    family_name: str
    address: str
    town: str
    county: str
    postcode: str
    gender: str
    born: date
    ethnicity: str
    lead_authority: str
    educated_in: str
    transferred_to: str
    authority_in_year_11: str
    learner_number: str
    pupil_number: str
    guarantee_indicator: str
    former_id: str
    level_of_need: str
    has_plan: str
    has_support: str
    intended_destination: str
    district: str
    school_of_origin: str
    owner_service: str
    updated_on: date


class ActivityRow(NamedTuple):
    """What Core+ holds about one activity. ``end`` is its last day, None while it is current."""

    id: str
    person_id: str
    code: str
    start: date
    end: date | None
    ascertained: date
    verified: date
    review: date | None
    course_end: date | None
    due: date | None
    number: str
    name: str
    ukprn: str
    neet_start: date | None
    updated_on: date


class CharacteristicRow(NamedTuple):
    person_id: str
    code: str
    start: date
    end: date | None
    updated_on: date


class GuaranteeRow(NamedTuple):
    person_id: str
    year: int
    year_group: int
    status: str
    authority: str
    status_on: date
    updated_on: date


Row = PersonRow | ActivityRow | CharacteristicRow | GuaranteeRow


class Change(NamedTuple):
    """From ``keyed_on`` on, Core+ holds ``row`` under ``key``; None: the row was deleted."""

    keyed_on: date
    feed: str
    key: Key
    row: Row | None


def key_of(row: Row) -> tuple[str, Key]:
    """Feed and key of a row."""
    if isinstance(row, PersonRow):
        return PEOPLE, (row.id,)
    if isinstance(row, ActivityRow):
        return ACTIVITIES, (row.id,)
    if isinstance(row, CharacteristicRow):
        return CHARACTERISTICS, (row.person_id, row.code, row.start.isoformat())
    return GUARANTEE, (row.person_id, str(row.year), str(row.year_group))


def person_of(feed: str, image: Image) -> str:
    """YoungPersonsID of an exported row."""
    return image[1] if feed == ACTIVITIES else image[0]


def _text(day: date | None) -> str:
    return day.isoformat() if day else ""


def has_lapsed(row: ActivityRow, as_at: date) -> bool:
    """Whether Core+'s own routine has marked the row by ``as_at``. An ended row keeps the mark it ended with."""
    return row.due is not None and row.due < (min(as_at, row.end) if row.end else as_at)


def render(row: Row, as_at: date) -> Image:
    """The row as an extract of ``as_at`` shows it."""
    if isinstance(row, ActivityRow):
        return (
            row.id, row.person_id, row.code, row.start.isoformat(), _text(row.end), row.ascertained.isoformat(),
            row.verified.isoformat(), _text(row.review), _text(row.course_end), _text(row.due),
            "Y" if has_lapsed(row, as_at) else "N", row.number, row.name, row.ukprn, _text(row.neet_start),
            row.updated_on.isoformat(),
        )  # fmt: skip
    if isinstance(row, PersonRow):
        return (
            row.id, row.status, row.status_on.isoformat(), row.entry_on.isoformat(), row.given_name,
            row.middle_name, row.family_name, row.address, "", "", "", row.town, row.county, row.postcode,
            row.gender, row.born.isoformat(), row.ethnicity, row.lead_authority, row.educated_in,
            row.transferred_to, row.authority_in_year_11, row.learner_number, row.pupil_number,
            row.guarantee_indicator, row.former_id, row.level_of_need, row.has_plan, row.has_support,
            row.intended_destination, row.district, row.school_of_origin, row.owner_service,
            row.updated_on.isoformat(),
        )  # fmt: skip
    if isinstance(row, CharacteristicRow):
        return (
            row.person_id,
            row.code,
            row.start.isoformat(),
            _text(row.end),
            row.updated_on.isoformat(),
        )
    return (
        row.person_id, str(row.year), str(row.year_group), row.status, row.authority, row.status_on.isoformat(),
        row.updated_on.isoformat(),
    )  # fmt: skip


def file_name(la_code: str, feed: str, mode: str, as_at: date) -> str:
    return f"{la_code}_{feed}_{mode}_{as_at:%Y%m%d}.csv"
