"""Random small counties in one warehouse, and what must hold of each: the truth, and sums that come out to the person.

Everything random hangs on one number, so that what fails can be made again: ``draw(number)`` is a county.
"""

from __future__ import annotations

import copy
import csv
import datetime as dt
import random
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import yaml

from neet import transform
from neet.feeds import landing
from synthetic_county.defects import GATE, IDENTITY, KINDS
from synthetic_county.england import authorities
from synthetic_county.generate import Config, generate
from synthetic_county.parameters import load
from synthetic_county.planting import DefectError

FIRST_MONTHS = ("2021-05", "2021-06", "2021-07", "2021-08", "2021-10", "2021-12", "2022-01")
MEASURES = (
    "cohort", "neet", "not_known", "neet_or_not_known", "eet", "participating", "full_time_education", "apprenticeship",
    "other_education_and_training", "neet_over_06_weeks", "neet_over_12_weeks", "neet_over_52_weeks", "neet_band_00_06",
    "neet_band_06_12", "neet_band_12_26", "neet_band_26_52", "neet_band_52_up",
)  # fmt: skip
TRUTH_COLUMNS = {
    "cohort_status": "cohort_status_code",
    "academic_age": "academic_age",
    "activity_code": "activity_code",
    "status_bucket": "status_bucket",
    "is_lapsed": "is_lapsed",
    "is_participating": "is_participating",
    "is_measured": "is_measured",
    "is_in_denominator": "is_in_denominator",
    "neet_start_on": "neet_start_on",
    "neet_days": "neet_days",
    "neet_days_without_not_known": "neet_days_without_not_known",
    "neet_spell_number": "neet_spell_number",
    "sen_group": "sen_group",
    "is_vulnerable": "is_vulnerable",
    "district_code": "district_code",
}


def codes(number: int) -> list[str]:
    """Authority codes: England's, then invented ones."""
    real = [one.la_code for one in authorities()]
    invented = (f"{code}" for code in range(400, 800) if f"{code}" not in real)
    return [*real, *(next(invented) for _ in range(max(0, number - len(real))))][:number]


@dataclass
class SmallCounty:
    """One generated county and its truth.

    Attributes:
        number: what it was drawn from.
        defects: kinds of planted defects, comma between; ``none``.
        planted: people whom a planted defect touches.
        truth: (month end, YoungPersonsID) -> the values of TRUTH_COLUMNS as text.
        counts: rows of the truth's own counts.
    """

    number: int
    la_code: str
    folder: Path
    defects: str
    planted: set[str]
    truth: dict[tuple[str, str], tuple[str, ...]]
    counts: list[dict[str, str]]

    def __str__(self) -> str:
        return f"county {self.number} ({self.la_code}, defects: {self.defects})"


def draw(number: int, la_code: str, folder: Path) -> SmallCounty:
    """Generate a county of 20 to 80 people: size, months, hazards, habits of recording, districts and defects at random."""
    dice = random.Random(f"small county {number}")
    parameters = _parameters(dice)
    folder.mkdir(parents=True)
    file = folder / "parameters.yml"
    file.write_text(yaml.safe_dump(parameters), encoding="utf-8")
    first = dice.choice(FIRST_MONTHS)
    last = _later(first, dice.randint(1, 5))
    kinds = [kind.name for kind in KINDS.values() if kind.stage in (GATE, IDENTITY)]
    defects = ",".join(dice.sample(kinds, dice.randint(1, 4))) if dice.random() < 0.5 else "none"
    config = dict(
        people=dice.randint(20, 80),
        seed=dice.randrange(1 << 30),
        first_month=first,
        last_month=last,
        first_point=last,
        la_code=la_code,
        parameters=file,
    )
    while True:
        out = folder / "out"
        try:
            generate(
                Config(**config, out=out, defects=defects, overwrite=True),
                processes=1,
            )
            break
        except DefectError:  # nobody in so small a county fits one of them
            defects = defects.rpartition(",")[0] or "none"
    truth_rows = _table(out / "truth" / "cohort_month.csv")
    return SmallCounty(
        number,
        la_code,
        out,
        defects,
        {row["young_persons_id"] for row in _table(out / "truth" / "defects.csv")},
        {
            (row["month_end"], row["young_persons_id"]): tuple(row[name] for name in TRUTH_COLUMNS)
            for row in truth_rows
        },
        _table(out / "truth" / "counts.csv"),
    )


def _parameters(dice: random.Random) -> dict:
    parameters = copy.deepcopy(load(None))
    lives, recording = parameters["lives"], parameters["recording"]
    for kind in lives["leaving"]:
        lives["leaving"][kind] = min(0.6, lives["leaving"][kind] * dice.choice((0.3, 1, 3, 10)))
    lives["short_stay"] |= {"share": dice.random(), "days": [1, dice.randint(8, 30)]}
    lives["neet_code_change_monthly"] = dice.choice((0.0, 0.05, 0.3))
    for group in lives["september"].values():
        for weights in group.values():
            weights["neet"] *= dice.choice((0.5, 1, 5, 30))
            weights["custody"] *= dice.choice((1, 20))
    for name in ("history_kept_share", "back_dated_share", "neet_start_from_true_start_share",
                 "neet_start_carried_share"):  # fmt: skip
        recording[name] = dice.random()
    recording["left_open_share"] = dice.choice((0.02, 0.3))
    recording["code_mistake_share"] = dice.choice((0.01, 0.2))
    recording["contact_lost"] = {
        "share": dice.choice((0.065, 0.4)),
        "back_days": [5, dice.randint(20, 130)],
    }
    recording["verification"]["missed_share"] = dice.choice((0.17, 0.6))
    population = parameters["population"]
    population["sen"]["plan_share"] = dice.choice((0.054, 0.3))
    population["sen"]["support_share"] = dice.choice((0.061, 0.3))
    population["secondary_registration_share"] = dice.choice((0.006, 0.1))
    moves = population["moves"]
    for name in ("into_the_county", "transfer", "leave_england", "die", "change_of_address"):
        moves[name] *= dice.choice((1, 10))
    moves["kept_for_guarantee_share"] = dice.random()
    districts = {
        f"E9900000{n}": [f"Invented District {n}", dice.randint(1, 9)]
        for n in range(dice.randint(1, 5))
    }
    parameters["authorities"] = {
        "other": parameters["authorities"]["other"]
        | {"districts": districts, "colleges": {"Imaginary College": list(districts)}}
    }
    return parameters


def _later(point: str, months: int) -> str:
    year, month = map(int, point.split("-"))
    index = year * 12 + month - 1 + months
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def _table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def deliver(settings, loader_dsn: str, county: SmallCounty) -> int:
    """Land the first extract, a quarter of the snapshots between, and all from the last snapshot on, in order.

    Whatever was left out, what is known at the end is the same.

    Returns:
        how many files.
    """
    dice = random.Random(f"deliveries {county.number}")
    schedule = _table(county.folder / "schedule.csv")
    days = sorted({row["deliver_on"] for row in schedule})
    last_snapshot = max(row["deliver_on"] for row in schedule if row["mode"] == "snapshot")
    snapshots = {row["deliver_on"] for row in schedule if row["mode"] == "snapshot"}
    chosen = {days[0]} | {day for day in days if day >= last_snapshot}
    chosen |= {day for day in snapshots if dice.random() < 0.25}
    sent = 0
    for row in schedule:
        if row["deliver_on"] in chosen:
            file = county.folder / "exports" / row["deliver_on"] / row["file"]
            result = landing.receive(settings, loader_dsn, row["feed"], file)
            assert result.status == "accepted", (str(county), row["file"], result)
            sent += 1
    return sent


FIGURES = (
    "fct_kpi_value", "fct_flow", "fct_movement_account", "fct_neet_duration", "fct_neet_spell_end", "fct_neet_survival",
    "fct_currency_forecast",
)  # fmt: skip


def build(settings, builder_dsn: str) -> None:
    """The live lineage of the figures and all they are made from, data tests too; linkage and casework are left out."""
    live = transform.build_live(settings, builder_dsn, layer="seeds")
    variables = {"lineage": "live", "known_seq": live.known_seq, "la_code": settings.la_code}
    selected = ["--select", *(f"+{name}" for name in FIGURES), "--exclude", "resource_type:seed",
                "--indirect-selection", "buildable"]  # fmt: skip
    with transform._recorded(builder_dsn, live) as outcome:
        transform._dbt(settings, builder_dsn, selected, variables, outcome)


# -- what must hold


@dataclass
class Warehouse:
    """Rows of a live build, by authority."""

    cohort: dict[str, list[dict]]
    cells: dict[str, list[dict]]
    flows: dict[str, list[dict]]
    accounts: dict[str, list[dict]]
    durations: dict[str, list[dict]]
    spells: dict[str, list[dict]]
    ends: dict[str, list[dict]]
    survival: dict[str, list[dict]]
    forecast: dict[str, list[dict]]
    kpis: dict[str, list[dict]]

    RELATIONS = {
        "cohort": "select * from marts_neet.fct_cohort_month",
        "cells": "select * from intermediate.int_cohort_count where basis = 'restated'",
        "flows": "select * from marts_neet.fct_flow where basis = 'restated'",
        "accounts": "select * from marts_neet.fct_movement_account",
        "durations": "select * from marts_neet.fct_neet_duration",
        "spells": "select * from marts_neet.fct_neet_spell",
        "ends": "select * from marts_neet.fct_neet_spell_end",
        "survival": "select * from marts_neet.fct_neet_survival",
        "forecast": "select * from marts_neet.fct_currency_forecast",
        "kpis": "select * from marts_kpi.fct_kpi_value where basis = 'restated'",
    }

    @classmethod
    def read(cls, connection) -> Warehouse:
        found = {}
        for name, query in cls.RELATIONS.items():
            by_authority = defaultdict(list)
            cursor = connection.execute(query)
            columns = [column.name for column in cursor.description]
            for row in cursor:
                values = dict(zip(columns, row, strict=True))
                by_authority[values["la_code"]].append(values)
            found[name] = by_authority
        return cls(**found)


def text(value) -> str:
    """A value as the truth writes it."""
    if isinstance(value, bool):
        return "Y" if value else "N"
    return "" if value is None else str(value)


def check(county: SmallCounty, warehouse: Warehouse) -> Counter:
    """Everything that must hold of one county.

    Returns:
        how much was looked at, by kind: a check that looked at nothing shows.
    """
    looked = Counter()
    la = county.la_code
    _truth(county, warehouse.cohort[la], looked)
    _counts(county, warehouse.kpis[la], looked)
    _cells(warehouse.cohort[la], warehouse.cells[la], looked, str(county))
    _flows(warehouse.cohort[la], warehouse.cells[la], warehouse.flows[la], looked, str(county))
    _movement(warehouse.cohort[la], warehouse.accounts[la], looked, str(county))
    _spells(warehouse.cohort[la], warehouse.spells[la], warehouse.ends[la], looked, str(county))
    _durations(warehouse.cohort[la], warehouse.spells[la], warehouse.durations[la], looked, str(county))  # fmt: skip
    _survival(warehouse.survival[la], looked, str(county))
    _forecast(warehouse.forecast[la], looked, str(county))
    return looked


def _truth(county: SmallCounty, cohort: list[dict], looked: Counter) -> None:
    found = {
        (str(row["month_end"]), row["young_persons_id"]): tuple(
            text(row[name]) for name in TRUTH_COLUMNS.values()
        )
        for row in cohort
    }
    differing = {
        key for key in found.keys() | county.truth.keys() if found.get(key) != county.truth.get(key)
    }
    strange = sorted(key for key in differing if key[1] not in county.planted)
    assert not strange, (
        str(county),
        [(key, found.get(key), county.truth.get(key)) for key in strange[:3]],
    )
    looked["person-months"] += len(found)
    looked["NEET person-months"] += sum(row["status_bucket"] == "NEET" for row in cohort)
    looked["second spells"] += sum((row["neet_spell_number"] or 0) > 1 for row in cohort)
    looked["spells with days not known"] += sum(
        row["neet_days"] != row["neet_days_without_not_known"] for row in cohort
    )


def _counts(county: SmallCounty, kpis: list[dict], looked: Counter) -> None:
    """The truth's counts against the KPIs, where no planted defect could move one."""
    if county.planted:
        return
    found = {
        (row["kpi_id"], row["period_code"], row["area_code"], row["group_code"]): row for row in kpis
    }  # fmt: skip
    for row in county.counts:
        measure, _, group = row["measure"].partition("@")
        if not measure.startswith(("AP-N", "AP-PART", "DUR-", "FLOW-J", "FLOW-L")):
            continue
        area = county.la_code if row["district_code"] == "ALL" else row["district_code"]
        key = measure, row["month_end"][:7], area, group or "ALL"
        expected = int(row["numerator"]), int(row["denominator"]) if row["denominator"] else None
        if key not in found:
            assert expected in ((0, 0), (0, None)), (str(county), key, expected)
            continue
        assert (found[key]["numerator"], found[key]["denominator"]) == expected, (str(county), key)
        looked["counts of the truth"] += 1


def _groups(row: dict) -> set[str]:
    return {"ALL", row["sen_group"]} | ({"VULNERABLE"} if row["is_vulnerable"] else set())


def _by_cell(cohort: list[dict], keep) -> dict[tuple, set[str]]:
    """(month end, area type, area, group) -> people, counted by hand."""
    found = defaultdict(set)
    for row in cohort:
        if row["is_in_denominator"] and keep(row):
            for group in _groups(row):
                for area in (("county", row["la_code"]), ("district", row["district_code"])):
                    found[row["month_end"], *area, group].add(row["person_id"])
    return found


def _cells(cohort: list[dict], cells: list[dict], looked: Counter, where: str) -> None:
    people = _by_cell(cohort, lambda row: True)
    assert {_cell(row) for row in cells} == people.keys(), where
    tests = {
        "neet": lambda row: row["status_bucket"] == "NEET",
        "not_known": lambda row: row["status_bucket"] == "NOT_KNOWN",
        "eet": lambda row: row["status_bucket"] == "EET",
        "participating": lambda row: row["is_participating"],
        "neet_over_06_weeks": lambda row: row["status_bucket"] == "NEET" and row["neet_days"] > 42,
        "neet_over_12_weeks": lambda row: row["status_bucket"] == "NEET" and row["neet_days"] > 84,
        "neet_over_52_weeks": lambda row: row["status_bucket"] == "NEET" and row["neet_days"] > 364,
    }
    by_hand = {name: _by_cell(cohort, keep) for name, keep in tests.items()}
    other = _by_cell(cohort, lambda row: row["status_bucket"] == "OTHER")
    sums: dict[tuple, Counter] = defaultdict(Counter)
    for row in cells:
        key = _cell(row)
        assert row["cohort"] == len(people[key]), (where, key)
        for name, found in by_hand.items():
            assert row[name] == len(found.get(key, ())), (where, key, name)
        assert (
            row["neet"] + row["not_known"] + row["eet"] + len(other.get(key, ())) == row["cohort"]
        ), (where, key)
        assert row["neet"] + row["not_known"] == row["neet_or_not_known"], (where, key)
        assert sum(row[name] for name in MEASURES if name.startswith("neet_band")) == row["neet"], (
            where,
            key,
        )
        assert (
            row["full_time_education"] + row["apprenticeship"] + row["other_education_and_training"]
            == row["participating"]
        ), (where, key)
        assert row["neet_band_52_up"] == row["neet_over_52_weeks"], (where, key)
        counts = Counter({name: row[name] for name in MEASURES})
        sums[row["month_end"], row["area_type"], row["group_code"]] += counts
        if row["group_code"] not in ("ALL", "VULNERABLE"):
            sums[row["month_end"], row["area_type"], row["area_code"], "SEN groups"] += counts
        if row["group_code"] == "ALL":
            sums[row["month_end"], row["area_type"], row["area_code"], "whole"] += counts
        looked["cells"] += 1
    for key, counts in sums.items():
        if key[1] == "district" and len(key) == 3:
            assert counts == sums[key[0], "county", key[2]], (
                where,
                key,
                "districts make the county",
            )
        if key[-1] == "whole":
            assert counts == sums[*key[:3], "SEN groups"], (where, key, "SEN groups make the whole")  # fmt: skip


def _cell(row: dict) -> tuple:
    return row["month_end"], row["area_type"], row["area_code"], row["group_code"]


FLOWS = {
    "cohort": lambda row: True,
    "neet": lambda row: row["status_bucket"] == "NEET",
    "not_known": lambda row: row["status_bucket"] == "NOT_KNOWN",
    "eet": lambda row: row["status_bucket"] == "EET",
}


def _flows(cohort: list[dict], cells: list[dict], flows: list[dict], looked: Counter, where: str) -> None:  # fmt: skip
    """Every account against the people, who came and went and moved counted by hand."""
    counted = {name: _by_cell(cohort, keep) for name, keep in FLOWS.items()}
    months = sorted({row["month_end"] for row in cells})
    before = dict(zip(months[1:], months, strict=False))
    wanted = {
        (month, *_cell(row)[1:], measure)
        for month, former in before.items()
        for row in cells
        if row["month_end"] in (month, former)
        for measure in FLOWS
    }
    assert {(*_cell(row), row["measure"]) for row in flows} == wanted, where
    closings = {(*_cell(row), row["measure"]): row["closing"] for row in flows}
    for row in flows:
        key, measure = _cell(row), row["measure"]
        month, area_type, _, group = key
        former = before[month], *key[1:]
        people = counted[measure]
        now, then = people.get(key, set()), people.get(former, set())
        assert row["opening"] + row["joiners"] - row["leavers"] == row["closing"], (where, row)
        assert row["opening"] == closings.get((*former, measure), row["opening"]), (where, row)
        assert (row["opening"], row["joiners"], row["leavers"], row["closing"]) == (
            len(then), len(now - then), len(then - now), len(now)
        ), (where, row)  # fmt: skip
        county = row["la_code"]
        was, is_ = (
            people.get((day, "county", county, "ALL"), set()) for day in (before[month], month)
        )
        was_in_group, is_in_group = (
            people.get((day, "county", county, group), set()) for day in (before[month], month)
        )
        assert row["joiners_from_other_group"] == len((now - then) & was - was_in_group), (
            where,
            row,
        )
        assert row["leavers_to_other_group"] == len((then - now) & is_ - is_in_group), (where, row)
        assert row["joiners_from_other_area"] == len((now - then) & was_in_group), (where, row)
        assert row["leavers_to_other_area"] == len((then - now) & is_in_group), (where, row)
        looked["flows"] += 1
        looked["joiners and leavers"] += row["joiners"] + row["leavers"]
        looked["moves"] += row["joiners_from_other_group"] + row["joiners_from_other_area"]


def _movement(cohort: list[dict], accounts: list[dict], looked: Counter, where: str) -> None:
    """Between two months the parts of a change come to the change, as fractions, and the ends are counted by hand."""
    measures = {
        "neet": FLOWS["neet"],
        "not_known": FLOWS["not_known"],
        "neet_or_not_known": lambda row: row["status_bucket"] in ("NEET", "NOT_KNOWN"),
        "participating": lambda row: row["is_participating"],
    }
    whole = _by_cell(cohort, lambda row: True)
    counted = {name: _by_cell(cohort, keep) for name, keep in measures.items()}
    parts = defaultdict(list)
    for row in accounts:
        if row["comparison"] == "restated":
            key = row["area_type"], row["area_code"], row["group_code"]
            parts[row["opening_on"], row["closing_on"], *key, row["measure"]].append(row)
    months = sorted({month for month, *_ in whole})
    for then, now in zip(months, months[1:], strict=False):
        for cell in {key[1:] for key in whole if key[0] in (then, now)}:
            for measure, people in counted.items():
                mine = parts.pop((then, now, *cell, measure), [])
                before = people.get((then, *cell), set()), whole.get((then, *cell), set())
                after = people.get((now, *cell), set()), whole.get((now, *cell), set())
                assert mine or before == after, (where, then, cell, measure, "no account")
                ends = (len(before[0]), len(before[1]), len(after[0]), len(after[1]))
                for row in mine:
                    told = [
                        row[f"{end}_{side}"]
                        for end in ("opening", "closing")
                        for side in ("numerator", "denominator")
                    ]
                    assert tuple(told) == ends, (where, row)
                assert sum(row["numerator_effect"] for row in mine) == ends[2] - ends[0], (
                    where,
                    then,
                    cell,
                    measure,
                )
                assert sum(row["denominator_effect"] for row in mine) == ends[3] - ends[1], (
                    where,
                    then,
                    cell,
                    measure,
                )
                if ends[1] and ends[3] and mine:
                    change = Fraction(ends[2], ends[3]) - Fraction(ends[0], ends[1])
                    told = sum(
                        Fraction(
                            int(row["rate_effect_numerator"]), int(row["rate_effect_denominator"])
                        )
                        for row in mine
                    )
                    assert told == change, (where, then, cell, measure, told, change)
                added = {
                    row["change"]: row["people_added"]
                    for row in mine
                    if row["part"] != "COHORT_SIZE"
                }
                removed = {
                    row["change"]: row["people_removed"]
                    for row in mine
                    if row["part"] != "COHORT_SIZE"
                }
                if cell[0] == "county" and cell[2] == "ALL":
                    assert added.get("JOINED", 0) == len(after[0] - before[1]), (
                        where,
                        then,
                        measure,
                    )
                    assert removed.get("LEFT", 0) == len(before[0] - after[1]), (
                        where,
                        then,
                        measure,
                    )
                looked["accounts"] += bool(mine)
    assert not parts, (where, "accounts of nobody", list(parts)[:3])


def _spells(cohort: list[dict], spells: list[dict], ends: list[dict], looked: Counter, where: str) -> None:  # fmt: skip
    of = defaultdict(list)
    for row in spells:
        of[row["person_id"]].append(row)
    ended = {(row["person_id"], row["neet_spell_number"]): row for row in ends}
    for person, mine in of.items():
        mine.sort(key=lambda row: row["neet_spell_number"])
        assert [row["neet_spell_number"] for row in mine] == list(range(1, len(mine) + 1)), where
        for place, row in enumerate(mine):
            is_last = place == len(mine) - 1
            state = row["is_open"], row["is_suspended"]
            assert state == (False, False) or is_last, (where, person, "only the last may go on")
            assert row["neet_start_on"] <= row["first_neet_on"], (where, person)
            if place:
                assert row["neet_start_on"] >= mine[place - 1]["ends_before"], (where, person)
            assert ((person, row["neet_spell_number"]) in ended) == (state == (False, False)), (
                where,
                person,
            )
            looked["spells"] += 1
            looked["suspended spells"] += row["is_suspended"]
    assert len(ended) == len(ends), where
    for row in cohort:
        if row["status_bucket"] != "NEET":
            assert row["neet_spell_number"] is None and row["neet_days"] is None, where
            continue
        spell = of[row["person_id"]][row["neet_spell_number"] - 1]
        assert spell["first_neet_on"] <= row["month_end"], where
        assert spell["ends_before"] is None or row["month_end"] < spell["ends_before"], where
        assert 0 <= row["neet_days_without_not_known"] <= row["neet_days"], where


def _repeats(row: dict, spells: list[dict]) -> Counter:
    """Multiple spells by both counts, of somebody NEET at a month end."""
    by_then = [one for one in spells if one["neet_spell_number"] <= row["neet_spell_number"]]
    month_end = row["month_end"]
    year = month_end.year - (month_end.month < 9)
    year_12 = dt.date(year - (row["academic_age"] - 16), 9, 1)
    since = [one for one in by_then if one["ends_before"] is None or one["ends_before"] > year_12]
    within = [one for one in by_then if (month_end - one["neet_start_on"]).days < 365]
    return Counter(life=len(since) >= 2, year=len(within) >= 2)


def _durations(cohort: list[dict], spells: list[dict], durations: list[dict], looked: Counter, where: str) -> None:  # fmt: skip
    days = defaultdict(list)
    repeats = defaultdict(Counter)
    of = defaultdict(list)
    for spell in spells:
        of[spell["person_id"]].append(spell)
    for row in cohort:
        if row["is_in_denominator"] and row["status_bucket"] == "NEET":
            for group in _groups(row):
                for area in (("county", row["la_code"]), ("district", row["district_code"])):
                    repeats[row["month_end"], *area, group] += _repeats(row, of[row["person_id"]])
                    days[row["month_end"], *area, group].append(
                        (row["neet_days"], row["neet_days_without_not_known"])
                    )
    opened = {_cell(row): row for row in durations if row["spell_state"] == "open"}
    assert opened.keys() == days.keys(), where
    for key, row in opened.items():
        assert row["spell_count"] == len(days[key]), (where, key)
        for place, name in enumerate(("median_neet_days", "median_neet_days_without_not_known")):
            # Printed to one decimal; a middle between two whole numbers is a half at most.
            assert float(row[name]) == statistics.median(pair[place] for pair in days[key]), (
                where,
                key,
            )
        assert row["repeat_count"] == repeats[key]["life"], (where, key)
        assert row["repeat_in_window_count"] == repeats[key]["year"], (where, key)
        looked["repeats"] += row["repeat_count"]
        looked["medians"] += 1
    certain = sum(1 for row in spells if not row["is_open"] and not row["is_suspended"])
    county_all = [
        row
        for row in durations
        if row["spell_state"] == "ended"
        and row["area_type"] == "county"
        and row["group_code"] == "ALL"
    ]
    assert sum(row["spell_count"] for row in county_all) <= certain, where
    looked["ended spells"] += sum(row["spell_count"] for row in county_all)


def _survival(survival: list[dict], looked: Counter, where: str) -> None:
    curves = defaultdict(list)
    for row in survival:
        curves[row["entry_month"], row["group_code"]].append(row)
    for key, curve in curves.items():
        curve.sort(key=lambda row: row["week_number"])
        share = 1.0
        for place, row in enumerate(curve):
            share *= (row["at_risk"] - row["ended_count"]) / row["at_risk"]
            assert abs(float(row["surviving_share"]) - share) < 1e-8, (where, key)
            if place:
                former = curve[place - 1]
                assert row["at_risk"] <= former["at_risk"] - former["ended_count"], (where, key)
        looked["curves"] += 1


def _forecast(forecast: list[dict], looked: Counter, where: str) -> None:
    sums = defaultdict(Counter)
    for row in forecast:
        counts = {
            name: row[name] for name in ("cohort", "not_known_now", "lapsing", "lapsing_in_month")
        }
        sums[row["forecast_month_end"], row["split_by"]] += Counter(counts)
        rate = (row["not_known_now"] + row["lapsing"]) / row["cohort"]
        assert abs(float(row["not_known_rate_if_unconfirmed"]) - rate) < 1e-9, where
        looked["forecasts"] += 1
    for (month, split), counts in sums.items():
        assert counts == sums[month, "county"], (where, month, split)
