"""Feeds without young people of their own making: calendar, population, neighbours, targets, courses; and the flat extract.

What is published is taken from the dated seed rows, as the sender would take it from the same publication. It is sent by
the first block alone; the flat extract holds everybody.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

from synthetic_county.core_plus import (
    ACTIVITIES,
    CHARACTERISTICS,
    ActivityRow,
    CharacteristicRow,
    PersonRow,
    has_lapsed,
)
from synthetic_county.dates import academic_year
from synthetic_county.schedule import CORRECTIONS
from synthetic_county.sources.casework import latest_person
from synthetic_county.sources.files import Files, Slot
from synthetic_county.sources.manners import Desk
from synthetic_county.sources.subject import Subject

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
_EXCEL_FIRST = date(1899, 12, 30)
_SECTORS = ("CONSTRUCTION", "ENGINEERING", "DIGITAL", "HEALTH_CARE", "CHILDCARE", "HAIR_BEAUTY", "HOSPITALITY", "BUSINESS",
            "RETAIL", "CREATIVE", "SPORT", "ANIMALS_LAND", "PUBLIC_SERVICES", "SCIENCE", "ACADEMIC", "FOUNDATION")  # fmt: skip


def _seed(path: str) -> list[dict[str, str]]:
    with (SEEDS / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Publications:
    """Term dates and bank holidays, population estimates, statistical neighbours, targets and the course offer."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        settings, days, la_code = desk.settings, files.days, desk.places.la_code
        is_writer = desk.facts.block == 0
        for asked, on in days.dated(tuple(settings["calendar_day"])):
            year = f"{asked.year}-{(asked.year + 1) % 100:02d}"
            slot = files.slot("calendar_dates", f"{la_code}_calendar_dates_{year}.csv", on, year)
            if is_writer:
                self._calendar(slot, year, la_code)
        for asked, on in days.dated(tuple(settings["population_day"])):
            # Published in the year after its mid-year.
            slot = files.slot(
                "ons_population", f"ons_population_{asked.year - 1}.csv", on, str(asked.year - 1)
            )
            if is_writer:
                self._population(slot, asked.year - 1)
        for asked, on in days.dated(tuple(settings["neighbours_day"])):
            slot = files.slot(
                "statistical_neighbours",
                f"statistical_neighbours_{asked.year}.csv",
                on,
                str(asked.year),
            )
            if is_writer:
                self._neighbours(slot, asked)
        for asked, on in days.dated(tuple(settings["targets_day"])):
            slot = files.slot(
                "kpi_targets", f"{la_code}_kpi_targets_{asked:%Y%m%d}.csv", on, asked.isoformat()
            )
            if is_writer:
                self._targets(slot, max(asked, on))
        providers = sorted(
            {place.ukprn: place for place in desk.places.campuses + desk.places.providers}.items()
        )
        for ukprn, place in providers:
            for asked, on in days.dated(*map(tuple, settings["course_days"])):
                slot = files.slot(
                    "course_offer",
                    f"{ukprn}_course_offer_{asked:%Y%m%d}.csv",
                    on,
                    asked.isoformat(),
                )
                if is_writer:
                    self._courses(slot, ukprn, place.district, asked)

    def person(self, one: Subject) -> None:
        """Nothing: nobody is named."""

    @staticmethod
    def _calendar(slot: Slot, year: str, la_code: str) -> None:
        first: dict[str, dict[str, str]] = {}
        for row in _seed("calendar/term_dates.csv"):
            if row["academic_year"] == year and row["la_code"] in (la_code, "886"):
                first.setdefault(row["term_no"], row)
        for number, row in first.items():
            slot.add(
                academic_year=year,
                date_kind="TERM",
                number=number,
                starts_on=row["starts_on"],
                ends_on=row["ends_on"],
            )
        begins, ends = f"{year[:4]}-09-01", f"{int(year[:4]) + 1}-08-31"
        held = [
            row for row in _seed("calendar/bank_holidays.csv")
            if row["country_code"] == "ENG" and begins <= row["holiday_on"] <= ends and not row["known_to"]
        ]  # fmt: skip
        for number, row in enumerate(held, 1):
            slot.add(
                academic_year=year, date_kind="BANK_HOLIDAY", number=number, starts_on=row["holiday_on"],
                ends_on=row["holiday_on"], name=row["name"],
            )  # fmt: skip

    def _population(self, slot: Slot, year: int) -> None:
        """Of the authority alone; the county's people are few more than the estimate of those of their age."""
        codes = [
            row for row in _seed("codes/la_codes.csv") if row["la_code"] == self.desk.places.la_code
        ]
        if not codes:
            return
        share = self.desk.tables.parameters["population"]["year_group_share"]
        for age, factor in ((16, 1.012), (17, 1.004), (18, 0.99)):
            slot.add(
                area_code=codes[0]["ons_code"], reference_year=year, age=age,
                population=round(self.desk.county_people * share * factor), area_name=codes[0]["la_name"],
            )  # fmt: skip

    def _neighbours(self, slot: Slot, asked: date) -> None:
        names = {row["la_code"]: row["la_name"] for row in _seed("codes/la_codes.csv")}
        for row in _seed("kpi/la_neighbour.csv"):
            is_held = row["valid_from"] <= asked.isoformat() and not (
                row["valid_to"] and row["valid_to"] < asked.isoformat()
            )
            if row["kind"] == "statistical" and is_held:
                slot.add(
                    authority_code=row["la_code"], neighbour_rank=row["neighbour_rank"],
                    neighbour_code=row["neighbour_la_code"], neighbour_name=names.get(row["neighbour_la_code"], ""),
                )  # fmt: skip

    @staticmethod
    def _targets(slot: Slot, asked: date) -> None:
        polarity = {row["kpi_id"]: row["polarity"] for row in _seed("kpi/kpi_definition.csv")}
        seen: set[tuple[str, str]] = set()
        for row in _seed("kpi/kpi_target.csv"):
            key = row["kpi_id"], row["valid_from"]
            if (
                row["area_type"]
                or row["group_code"] != "ALL"
                or key in seen
                or row["valid_from"] > asked.isoformat()
            ):
                continue
            seen.add(key)
            slot.add(
                kpi_id=row["kpi_id"], valid_from=row["valid_from"], valid_to=row["valid_to"], target=row["target"],
                floor=row["floor"], direction=polarity.get(row["kpi_id"], ""),
            )  # fmt: skip

    def _courses(self, slot: Slot, ukprn: str, district: str, asked: date) -> None:
        dice = self.desk.facts.dice("courses", ukprn, asked)
        own = self.desk.facts.dice("courses", ukprn)
        districts = list(self.desk.places.districts)
        for number in range(own.within((5, 14))):
            sector, level = own.one_of(_SECTORS), own.one_of(("E", "1", "2", "3"))
            where, places = district or own.one_of(districts), own.within((8, 40))
            start = asked + dice.days((10, 60))
            slot.add(
                ukprn=ukprn, course_id=f"{ukprn[-4:]}-{number + 1:03d}", start_on=start,
                course_title=f"{sector.replace('_', ' ').capitalize()}, level {level}", sector_code=sector,
                qualification_level=level, district_code=where, places=places,
                places_left=dice.within((0, places)), study_mode="FT" if own.chance(0.7) else "PT",
            )  # fmt: skip


def _serial(day: date) -> int:
    """The number by which a spreadsheet knows a day."""
    return (day - _EXCEL_FIRST).days


def _timed(day: date | None) -> str:
    return f"{day.isoformat()} 00:00:00" if day else ""


class FlatExtract:
    """One row a young person at each census point, in the layout of 2022."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code = desk.places.la_code
        self._slots = []
        for extract in files.days.extracts:
            if extract.role == CORRECTIONS:
                end = extract.as_at.replace(day=1) - timedelta(days=1)
                name = f"{la_code}_ccis_flat_{end:%Y%m%d}.csv"
                slot = files.slot("ccis_flat_extract", name, extract.deliver_on, end.isoformat())
                self._slots.append((extract.as_at, end, slot))

    def person(self, one: Subject) -> None:
        for as_at, end, slot in self._slots:
            person = latest_person(one, as_at)
            if (
                person is None
                or person.status not in "PG"
                or person.lead_authority != self.desk.places.la_code
            ):
                continue
            self._write(one, person, as_at, end, slot)

    def _write(self, one: Subject, person: PersonRow, as_at: date, end: date, slot: Slot) -> None:
        activities: dict[tuple, ActivityRow | None] = {}
        held: dict[tuple, CharacteristicRow | None] = {}
        for change in one.changes:
            if change.keyed_on > as_at:
                break
            if change.feed == ACTIVITIES:
                activities[change.key] = change.row
            elif change.feed == CHARACTERISTICS:
                held[change.key] = change.row
        rows = [row for row in activities.values()
                if row is not None and row.start <= end and (row.end is None or row.end >= end)]  # fmt: skip
        row = max(rows, key=lambda activity: (activity.start, activity.id), default=None)
        codes = sorted(
            one.code
            for one in held.values()
            if one is not None and (one.end is None or one.end >= end)
        )
        cells: dict[str, object] = {
            "database_id": "1", "lea_code": person.lead_authority, "date_of_send": _serial(slot.deliver_on),
            "period_end": _serial(end), "supplier_name": "Imaginary Systems", "supplier_xml_version": "1.0",
            "xml_schema_version": f"{academic_year(end)}.1", "young_persons_id": person.id, "cohort_status": person.status,
            "given_name": person.given_name, "middle_name": person.middle_name, "family_name": person.family_name,
            "address_line1": person.address, "town": person.town, "county": person.county, "postcode": person.postcode,
            "gender": person.gender, "birth_month": f"{person.born:%m/%Y}", "ethnicity": person.ethnicity,
            "lead_lea": person.lead_authority, "educated_lea": person.educated_in,
            "unique_learner_no": person.learner_number, "unique_pupil_number": person.pupil_number,
            "previous_ypid_identifier": person.former_id, "guarantee_status_indicator": person.guarantee_indicator,
            "lea_code_at_year11": person.authority_in_year_11, "transferred_to_la_code": person.transferred_to,
            "level_of_need_code": person.level_of_need, "send_flag": person.has_plan, "sen_support_flag": person.has_support,
            "characteristic_code": codes[0] if codes else "", "intended_destination_yr11": person.intended_destination,
        }  # fmt: skip
        if row is not None:
            cells |= {
                "activity_code": row.code, "start_on": _timed(row.start), "ascertained_on": _timed(row.ascertained),
                "verified_on": _timed(row.verified), "due_to_lapse_on": _timed(row.due),
                "currency_lapsed": "Y" if has_lapsed(row, as_at) else "N", "establishment_number": row.number,
                "establishment_name": row.name, "ukprn": row.ukprn, "predicted_end_on": _timed(row.course_end),
                "review_on": _timed(row.review), "neet_started_on": _timed(row.neet_start),
            }  # fmt: skip
        slot.add(**cells)
