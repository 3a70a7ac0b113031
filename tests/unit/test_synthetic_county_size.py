"""The synthetic county in blocks, by named parameter sets, calibrated to published figures, and for all England."""

from __future__ import annotations

import csv
import importlib
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from test_synthetic_county import (
    ACTIVITIES,
    EDUCATION,
    NEET,
    assert_valid,
    digest,
    read,
    schedule_of,
)

from synthetic_county import Config, generate
from synthetic_county.__main__ import main
from synthetic_county.england import authorities, generate_england
from synthetic_county.generate import Summary
from synthetic_county.parameters import ParameterError, load, named_sets
from synthetic_county.places import Places

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
WINTER = ("2021-12", "2022-01", "2022-02")


def make(out: Path, processes: int | None = 1, **options) -> Summary:
    usual = {"people": 600, "seed": 1, "first_month": "2021-12", "last_month": "2022-03", "truth_months": "own"}  # fmt: skip
    return generate(Config(out=out, **(usual | options)), None, processes)


@pytest.fixture
def blocks_of_200(monkeypatch):
    # By name: the package's attribute of this name is the function.
    module = importlib.import_module("synthetic_county.generate")
    monkeypatch.setattr(module, "_PEOPLE_IN_A_BLOCK", 200)


# -- blocks


@pytest.mark.usefixtures("blocks_of_200")
def test_the_same_bytes_however_many_processes_make_them(tmp_path):
    for processes in (1, 2):
        done = make(tmp_path / str(processes), processes, defects="demo", truth_months="all")
    assert digest(tmp_path / "1") == digest(tmp_path / "2")
    assert not (tmp_path / "2" / ".blocks").exists()
    assert 550 < done.people < 700


@pytest.mark.usefixtures("blocks_of_200")
def test_a_county_of_blocks_is_one_county(tmp_path):
    """No rule is broken, every file is one table in order of its key, and counts are those of everybody."""
    done = make(tmp_path / "x", seed=3)
    assert assert_valid(tmp_path / "x") > 4 * 550
    for feed, key in (("core_plus_people", "YoungPersonsID"), (ACTIVITIES, "ActivityID")):
        keys = [row[key] for row in snapshot(tmp_path / "x", feed)]
        assert keys == sorted(set(keys))
    standing = Counter(
        row["known_at_census_point"]
        for row in read(tmp_path / "x" / "truth" / "cohort_month.csv")
        if row["is_in_denominator"] == "Y"
    )
    assert standing == {point: counts["cohort"] for point, counts in done.measures.items()}


@pytest.mark.usefixtures("blocks_of_200")
def test_a_broken_transfer_cuts_the_whole_file_not_a_block(tmp_path):
    make(tmp_path / "x", people=600, seed=5, defects="truncated_snapshot")
    (defect,) = read(tmp_path / "x" / "truth" / "defects.csv")
    cut, whole = (
        (tmp_path / "x" / "exports" / one["deliver_on"] / one["file"]).read_bytes()
        for one in schedule_of(tmp_path / "x")
        if one["file"] == defect["file"]
    )
    assert whole.startswith(cut) and 0.3 < len(cut) / len(whole) < 0.9


def snapshot(folder: Path, feed: str) -> list[dict[str, str]]:
    """The rows of the last snapshot of a feed."""
    files = [
        one for one in schedule_of(folder) if one["feed"] == feed and one["mode"] == "snapshot"
    ]
    return read(folder / "exports" / files[-1]["deliver_on"] / files[-1]["file"])


# -- published figures


def rates(folder: Path) -> dict[str, tuple[float, int]]:
    """Percentage and denominator of each scorecard measure as submitted."""
    return {
        row["measure"]: (100 * int(row["numerator"]) / int(row["denominator"]), int(row["denominator"]))
        for row in read(folder / "truth" / "counts.csv")
        if row["measure"].startswith("SC-") and row["district_code"] == "ALL"
    }  # fmt: skip


PUBLISHED = {
    "SC-NEET": 2.8, "SC-NK": 2.3, "SC-COMB": 5.1, "SC-PART": 91.5, "SC-COMB@EHCP": 6.4, "SC-COMB@SEN_SUPPORT": 5.8,
    "SC-COMB@VULNERABLE": 22.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("calibrated")
    return folder, make(folder, people=2000, seed=8, parameters="kent-2022")


def test_a_calibrated_county_shows_the_published_figures_as_nearly_as_whole_people_can(calibrated):
    folder, _ = calibrated
    found = rates(folder)
    for measure, percent in PUBLISHED.items():
        value, cohort = found[measure]
        assert abs(value - percent) <= max(0.1, 101 / cohort), (measure, value)
    shares = {group: found[f"SC-COMB@{group}"][1] / found["SC-COMB"][1] for group in ("EHCP", "SEN_SUPPORT")}  # fmt: skip
    assert abs(shares["EHCP"] - 0.054) < 0.006 and abs(shares["SEN_SUPPORT"] - 0.060) < 0.006
    assert abs(found["SC-COMB"][1] / 3 / 2000 - 33_576 / 52_000) < 0.01


def test_calibration_exchanges_whole_lives_and_leaves_everybody_else_alone(calibrated, tmp_path):
    folder, summary = calibrated
    settings = load("kent-2022")
    del settings["calibration"]

    (tmp_path / "hazards.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    plain = make(tmp_path / "x", people=2000, seed=8, parameters=tmp_path / "hazards.yml")
    lives = [spells_by_person(one) for one in (folder, tmp_path / "x")]
    assert lives[0].keys() == lives[1].keys() and plain.exchanged_lives == 0
    moved = {one for one in lives[0] if lives[0][one] != lives[1][one]}
    assert 0 < len(moved) <= summary.exchanged_lives < 0.03 * len(lives[0])
    # What replaced them are lives as any: recorded late, without a rule broken.
    assert_valid(folder)


def spells_by_person(folder: Path) -> dict[str, list[tuple[str, str, str]]]:
    found = defaultdict(list)
    for row in read(folder / "truth" / "lives.csv"):
        found[row["young_persons_id"]].append(
            (row["activity_code"], row["start_on"], row["end_on"])
        )
    return found


# -- other counties


def test_named_sets_are_counties_with_figures_of_their_own(tmp_path):
    found = {}
    for name in named_sets():
        make(tmp_path / name, people=1000, seed=2, parameters=name)
        found[name] = {measure: value for measure, (value, _) in rates(tmp_path / name).items()}
        assert_valid(tmp_path / name)
    assert set(found) == {"kent-2022", "coastal-high", "low-neet"}
    assert found["coastal-high"]["SC-NEET"] > 5 > 3 > found["low-neet"]["SC-NEET"] + 1
    assert found["low-neet"]["SC-NK"] > 5 > 2 * found["coastal-high"]["SC-NK"]
    assert len({round(one["SC-PART"]) for one in found.values()}) == 3


def test_a_set_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(ParameterError, match="coastal-high, kent-2022, low-neet"):
        make(tmp_path / "x", parameters="atlantis")


def test_the_command_says_what_was_calibrated(tmp_path):
    arguments = "--people 120 --from 2022-01 --to 2022-01 --like kent-2022".split()
    done = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "x")])
    assert done.exit_code == 0 and "Calibrated by construction" in done.output
    again = CliRunner().invoke(
        main, [*arguments, "--parameters", __file__, "--out", str(tmp_path / "y")]
    )
    assert again.exit_code == 2 and "exclude each other" in again.output


# -- Kent


def test_kent_has_its_districts_areas_schools_and_colleges():
    kent = Places("886", load("kent-2022"))
    assert len(kent.districts) == 12 and len(kent.schools) == 130
    assert len(kent.campuses) == 12 and len({one.ukprn for one in kent.campuses}) == 3
    with (ROOT / "dbt_project" / "seeds" / "codes" / "districts.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["la_code"] == "886"]
    assert {row["district_code"]: row["district_name"] for row in rows} == kent.districts
    areas = Counter(row["area_name"] for row in rows)
    assert areas == dict.fromkeys(("North Kent", "South Kent", "East Kent", "West Kent"), 3)
    assert all(row["source"] and row["assumed"] for row in rows)


@pytest.fixture(scope="module")
def two_years(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two_years")
    make(folder, people=1000, seed=17, first_month="2020-09", last_month="2022-08", parameters="kent-2022")  # fmt: skip
    return folder


def test_two_years_have_an_extract_a_month_and_deltas(two_years):
    people = [one for one in schedule_of(two_years) if one["feed"] == "core_plus_people"]
    months = Counter(one["mode"] for one in people)
    assert months == {"snapshot": 25, "delta": 49}
    assert assert_valid(two_years) > 24 * 900


def test_every_september_not_known_is_at_its_peak(two_years):
    not_known = {
        row["month_end"][:7]: int(row["numerator"]) / int(row["denominator"])
        for row in read(two_years / "truth" / "counts.csv")
        if row["measure"] == "AP-NK" and row["district_code"] == "ALL"
    }
    for year in (2020, 2021):
        winter = [not_known[f"{year}-12"], not_known[f"{year + 1}-01"], not_known[f"{year + 1}-02"]]
        assert not_known[f"{year}-09"] > 5 * sum(winter) / 3
        assert not_known[f"{year}-09"] == max(
            share for month, share in not_known.items() if f"{year}-09" <= month < f"{year + 1}-09"
        )


def test_many_leave_education_after_christmas(two_years):
    left = Counter()
    for spells in spells_by_person(two_years).values():
        for (code, _, _), (following, start, _) in zip(spells, spells[1:], strict=False):
            if code in EDUCATION and following not in EDUCATION:
                left[start[:7]] += 1
    for year in (2021, 2022):
        others = [left[f"{year}-{month:02d}"] for month in (2, 3, 4, 5)]
        assert left[f"{year}-01"] > 1.8 * sum(others) / 4 > 0


def test_currency_lapses_all_year_and_most_of_all_at_its_end(two_years):
    lapsed = Counter(
        row["month_end"][:7]
        for row in read(two_years / "truth" / "cohort_month.csv")
        if row["is_lapsed"] == "Y" and row["is_in_denominator"] == "Y"
    )
    assert len([month for month, count in lapsed.items() if count > 1]) > 18
    assert lapsed["2021-09"] > 3 * lapsed["2022-02"]


def test_news_comes_late_and_is_entered_back_dated(two_years):
    days = sorted(
        (parse(row["DateAscertained"]) - parse(row["StartDate"])).days
        for row in snapshot(two_years, ACTIVITIES)
        if row["ActivityCode"] in NEET
    )
    assert days[len(days) // 2] > 7 and days[int(0.95 * len(days))] > 45
    true_starts = {
        (person, start)
        for person, spells in spells_by_person(two_years).items()
        for code, start, _ in spells
        if code in NEET
    }
    recorded = [
        (row["YoungPersonsID"], row["StartDate"]) in true_starts
        for row in snapshot(two_years, ACTIVITIES)
        if row["ActivityCode"] in NEET
    ]
    assert 0.5 < sum(recorded) / len(recorded) < 0.99


def parse(text: str) -> date:
    return date.fromisoformat(text)


def test_the_first_snapshot_of_a_short_delivery_carries_the_activities_of_the_year_before(tmp_path):
    make(tmp_path / "x", last_month="2021-12", people=300)
    first = schedule_of(tmp_path / "x")[0]
    assert first["mode"] == "snapshot" and first["period"] == "2021-11-30"
    folder = tmp_path / "x" / "exports" / first["deliver_on"]
    (file,) = folder.glob("*activities_snapshot_20211130.csv")
    starts = Counter(
        row["StartDate"][:7] for row in read(file) if row["ActivityCode"] not in ("110", "120")
    )
    assert starts["2020-09"] > 90 and min(starts) == "2020-09"
    assert sum(starts[f"2021-{month:02d}"] for month in range(1, 9)) > 10


# -- England


def test_england_has_every_authority_with_its_published_size():
    found = authorities()
    assert len(found) == len({one.la_code for one in found}) == 151
    sizes = {one.la_code: one.people for one in found}
    assert 50_000 < sizes["886"] < 60_000 and sum(sizes.values()) > 1_900_000
    with (ROOT / "dbt_project" / "seeds" / "codes" / "la_codes.csv").open(newline="") as file:
        assert sizes.keys() <= {row["la_code"] for row in csv.DictReader(file)}


def test_england_is_written_an_authority_at_a_time(tmp_path):
    chosen = authorities(scale=0.02)[:3]
    config = Config(people=20, seed=4, first_month="2022-01", last_month="2022-01", out=tmp_path)
    told = []
    peak = generate_england(config, chosen, lambda one, summary: told.append(one.la_code), 2)
    assert sorted(told) == [one.la_code for one in chosen] and 2**25 < peak < 2**32
    listed = read(tmp_path / "authorities.csv")
    assert [row["la_code"] for row in listed] == sorted(told)
    for row in listed:
        people = snapshot(tmp_path / row["folder"], "core_plus_people")
        assert {one["YoungPersonsID"][:3] for one in people} == {row["la_code"]}
    alone = tmp_path / "alone"
    generate(
        Config(people=chosen[1].people, seed=4, first_month="2022-01", last_month="2022-01", out=alone,
               la_code=chosen[1].la_code)
    )  # fmt: skip
    assert digest(alone) == digest(tmp_path / chosen[1].la_code)
