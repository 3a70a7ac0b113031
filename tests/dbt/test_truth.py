"""The warehouse against the truth of a synthetic county: every person, every month, every count.

The generator works the truth out by itself, without a seed or a line of SQL, so agreement means that two people read
the rules alike.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from county_rows import seal
from small_counties import TRUTH_COLUMNS, text
from test_census import run_of

from benchmarks import duckdb_reference
from neet import database
from neet.feeds import landing
from neet.transform import build_census, build_live
from synthetic_county.generate import Config, generate

pytestmark = pytest.mark.slow

POINTS = ["2021-12", "2022-01", "2022-02", "2022-03"]
PEOPLE = 250
SEED = 90_210  # the generator was not tuned on it


def table(file: Path) -> list[dict]:
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def cohort_in(warehouse, relation: str) -> dict[tuple[str, str], tuple[str, ...]]:
    rows = warehouse.rows(
        f"select month_end, young_persons_id, {', '.join(TRUTH_COLUMNS.values())} from {relation}",
        role="gate",
    )
    return {(str(month_end), person): tuple(map(text, rest)) for month_end, person, *rest in rows}


class County:
    """A generated county, delivered and built point by point."""

    def __init__(self, warehouse, folder: Path, defects: str, points: list[str]):
        self.warehouse, self.points = warehouse, points
        generate(
            Config(
                people=PEOPLE,
                seed=SEED,
                first_month=POINTS[0],
                last_month=POINTS[-1],
                out=folder,
                defects=defects,
            )
        )
        self.truth = defaultdict(dict)
        for row in table(folder / "truth" / "cohort_month.csv"):
            key = row["month_end"], row["young_persons_id"]
            self.truth[row["known_at_census_point"]][key] = tuple(
                row[name] for name in TRUTH_COLUMNS
            )
        self.returned = {
            (row["known_at_census_point"], row["young_persons_id"])
            for row in table(folder / "truth" / "cohort_month.csv")
            if row["in_return"] == "Y" and row["month_end"].startswith(row["known_at_census_point"])
        }
        self.counts = table(folder / "truth" / "counts.csv")
        self.defects = table(folder / "truth" / "defects.csv")
        self.cohort, self.kpis, self.records = {}, {}, {}
        schedule = iter(table(folder / "schedule.csv"))
        waiting = next(schedule)
        for number, point in enumerate(points, start=1):
            while waiting and waiting["census_point"] <= point:
                landing.receive(
                    warehouse.settings, warehouse.dsn["loader"], waiting["feed"],
                    folder / "exports" / waiting["deliver_on"] / waiting["file"],
                )  # fmt: skip
                waiting = next(schedule, None)
            self.build(point, number)

    def build(self, point: str, number: int) -> None:
        warehouse = self.warehouse
        with database.connect(warehouse.dsn["gate"]) as connection:
            (seq,) = connection.execute("select max(delivery_seq) from control.delivery").fetchone()
        run = run_of(point, seq)
        build_census(warehouse.settings, warehouse.dsn["builder"], run)
        self.cohort[point] = cohort_in(warehouse, f"{run.schema_name}.fct_cohort_month")
        self.records[point] = {
            row[0]
            for row in warehouse.rows(
                f"select young_persons_id from {run.schema_name}.ret_nccis_record", role="gate"
            )
        }
        self.kpis[point] = {
            tuple(row[:6]): (row[6], row[7])
            for row in warehouse.rows(
                f"""select kpi_id, period_code, area_type, area_code, group_code, basis, numerator, denominator
                    from {run.schema_name}.fct_kpi_value""",
                role="gate",
            )
        }
        seal(warehouse.dsn["gate"], run, number)


@pytest.fixture(scope="module")
def county(new_warehouse, tmp_path_factory):
    return County(new_warehouse(), tmp_path_factory.mktemp("county") / "out", "none", POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_every_person_at_every_month_end(county, point):
    assert len(county.truth[point]) > PEOPLE
    assert county.cohort[point] == county.truth[point]


@pytest.mark.parametrize("point", POINTS)
def test_everybody_in_the_return_and_nobody_else(county, point):
    assert county.records[point] == {person for at, person in county.returned if at == point}


@pytest.mark.parametrize("point", POINTS)
def test_every_count(county, point):
    """Rates, durations and flows, county, district and group; the three-month averages as submitted and restated."""
    compared = 0
    for row in county.counts:
        measure, _, tail = row["measure"].partition("@")
        group, _, basis = tail.partition(":")
        measure, _, whole = measure.partition(":")
        if row["known_at_census_point"] != point or not measure.startswith(
            ("AP-", "SC-", "DUR-", "FLOW-J", "FLOW-L")
        ):
            continue
        if measure == "AP-COMB":  # ours only as a three-month average
            continue
        year, month = row["month_end"][:4], row["month_end"][:7]
        period = {"SC-P": f"MAR-{year}", "SC-N": f"DJF-{year}", "SC-C": f"DJF-{year}"}.get(
            measure[:4], month
        )
        restated = not measure.startswith("SC-") or "restated" in (basis, whole)
        area = (
            ("county", "886")
            if row["district_code"] == "ALL"
            else ("district", row["district_code"])
        )
        key = (measure, period, *area, group or "ALL", "restated" if restated else "as_submitted")
        expected = int(row["numerator"]), int(row["denominator"]) if row["denominator"] else None
        if key not in county.kpis[point]:  # an area or group with nobody in it has no row
            assert expected in ((0, 0), (0, None)), key
            continue
        assert county.kpis[point][key] == expected, key
        compared += 1
    assert compared > 100


def test_live_is_the_last_truth(county):
    warehouse = county.warehouse
    build_live(warehouse.settings, warehouse.dsn["builder"])
    assert cohort_in(warehouse, "marts_neet.fct_cohort_month") == county.truth[POINTS[-1]]


def test_live_equals_the_same_figures_by_hand(county, tmp_path):
    """A second reading of the rules in other SQL, on the raw rows: segments, spells and flows too, row by row."""
    warehouse = county.warehouse
    duckdb_reference.export(warehouse.dsn["builder"], tmp_path)
    seeds = warehouse.settings.dbt_project / "seeds"
    with (
        duckdb_reference.build(tmp_path, seeds) as engine,
        database.connect(warehouse.dsn["builder"]) as connection,
    ):
        for subject, (rows, theirs, ours) in duckdb_reference.differences(
            engine, connection
        ).items():
            assert rows > 10, subject
            assert not theirs and not ours, subject


@pytest.mark.system
def test_planted_defects_touch_nobody_else(new_warehouse, tmp_path_factory):
    """Everything that differs from the truth belongs to somebody in defects.csv; a build copes with all of them."""
    county = County(new_warehouse(), tmp_path_factory.mktemp("defects") / "out", "all", POINTS[:1])
    found, true = county.cohort[POINTS[0]], county.truth[POINTS[0]]
    differing = {key[1] for key in found.keys() | true.keys() if found.get(key) != true.get(key)}
    planted = {row["young_persons_id"] for row in county.defects}
    assert len(county.defects) > 40
    assert differing and differing <= planted
