"""Kent's size: the warehouse against the truth of 52,000 people, and the published figures as the warehouse counts them.

Everything is compared in SQL, person by person and month by month. Takes some four minutes a county on two processors.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import psycopg
import pytest

from neet.census import CensusRun, resolve
from neet.feeds import landing
from neet.transform import build_census
from synthetic_county import Config, generate

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "dbt"))
from county_rows import seal  # noqa: E402

pytestmark = [pytest.mark.system, pytest.mark.slow]

PEOPLE = 52_000
POINTS = ["2021-12", "2022-01", "2022-02", "2022-03"]
DOCUMENTED_SEED = 2022  # that of `make demo`
UNSEEN = (
    640_271,
    19_854,
)  # nobody looked at them while the county, its hazards or the models were written
COUNTIES = [("kent-2022", DOCUMENTED_SEED), ("kent-2022", UNSEEN[0]), ("coastal-high", UNSEEN[1])]
# KPI, group -> percent: neet_la_scorecard_2022.csv, row Kent
PUBLISHED = {
    ("SC-NEET", "ALL"): 2.8,
    ("SC-NK", "ALL"): 2.3,
    ("SC-COMB", "ALL"): 5.1,
    ("SC-PART", "ALL"): 91.5,
    ("SC-COMB", "EHCP"): 6.4,
    ("SC-COMB", "SEN_SUPPORT"): 5.8,
    ("SC-COMB", "VULNERABLE"): 22.3,
}
COHORT = 33_576
SHARES = {"EHCP": 5.4, "SEN_SUPPORT": 6.0}

# name in the truth -> expression on fct_cohort_month that gives the same text
COLUMNS = {
    "month_end": "month_end::text",
    "young_persons_id": "young_persons_id",
    "cohort_status": "cohort_status_code",
    "academic_age": "academic_age::text",
    "activity_code": "coalesce(activity_code, '')",
    "status_bucket": "status_bucket",
    "is_lapsed": "case when is_lapsed then 'Y' else 'N' end",
    "is_participating": "case when is_participating then 'Y' else 'N' end",
    "is_measured": "case when is_measured then 'Y' else 'N' end",
    "is_in_denominator": "case when is_in_denominator then 'Y' else 'N' end",
    "neet_start_on": "coalesce(neet_start_on::text, '')",
    "neet_days": "coalesce(neet_days::text, '')",
    "neet_days_without_not_known": "coalesce(neet_days_without_not_known::text, '')",
    "neet_spell_number": "coalesce(neet_spell_number::text, '')",
    "sen_group": "sen_group",
    "is_vulnerable": "case when is_vulnerable then 'Y' else 'N' end",
    "district_code": "district_code",
}


class County:
    """A generated county in a warehouse of its own, delivered, built and sealed point by point."""

    def __init__(self, warehouse, folder: Path, like: str, seed: int):
        self.warehouse, self.folder = warehouse, folder
        generate(
            Config(
                people=PEOPLE,
                seed=seed,
                first_month=POINTS[0],
                last_month=POINTS[-1],
                out=folder,
                parameters=like,
            )
        )
        self.runs: dict[str, CensusRun] = {}
        with (folder / "schedule.csv").open(newline="") as file:
            schedule = list(csv.DictReader(file))
        for number, point in enumerate(POINTS, 1):
            for row in schedule:
                if row["census_point"] == point:
                    file = folder / "exports" / row["deliver_on"] / row["file"]
                    result = landing.receive(
                        warehouse.settings, warehouse.dsn["loader"], row["feed"], file
                    )
                    assert result.status == "accepted", (row["file"], result)
            run = resolve(warehouse.settings, warehouse.dsn["gate"], "886", point)
            build_census(warehouse.settings, warehouse.dsn["builder"], run)
            self.runs[point] = run
            # The next point's as-submitted figures come from what is sealed.
            seal(warehouse.dsn["gate"], run, number)
        self.connection = psycopg.connect(warehouse.dsn["gate"], autocommit=True)
        self._load("cohort_month")
        self._load("counts")

    def _load(self, name: str) -> None:
        """The truth as a temporary table of text."""
        with (self.folder / "truth" / f"{name}.csv").open("rb") as file:
            columns = file.readline().decode().strip().split(",")
            definition = ", ".join(f"{column} text" for column in columns)
            self.connection.execute(f"create temp table truth_{name} ({definition})")
            with self.connection.cursor().copy(
                f"copy truth_{name} from stdin (format csv, null 'no value is null')"
            ) as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
        self.connection.execute(f"analyze truth_{name}")

    def rows(self, query: str) -> list[tuple]:
        return self.connection.execute(query).fetchall()

    def differences(self, left: str, right: str) -> list[tuple]:
        """Up to ten rows that are in one query's result only, and in which."""
        return self.rows(
            f"""(select 'truth alone', t.* from (({left}) except all ({right})) as t limit 10)
                union all (select 'warehouse alone', t.* from (({right}) except all ({left})) as t limit 10)"""
        )


def of_point(point: str) -> str:
    return f"from truth_cohort_month where known_at_census_point = '{point}'"


@pytest.fixture(params=COUNTIES, ids=lambda one: f"{one[0]}-{one[1]}")
def county(request, warehouse, tmp_path):
    made = County(warehouse, tmp_path / "county", *request.param)
    yield made, request.param[0]
    made.connection.close()


def test_warehouse_is_truth_at_kents_size(county):
    """One test a county: what is compared costs seconds, what it stands on minutes."""
    made, like = county
    for point in POINTS:
        every_person_at_every_month_end(made, point)
        everybody_in_the_return_and_nobody_else(made, point)
        every_count(made, point)
    if like == "kent-2022":
        published_figures(made)


def every_person_at_every_month_end(made: County, point: str) -> None:
    schema = made.runs[point].schema_name
    ((people, months),) = made.rows(f"select count(*), count(distinct month_end) {of_point(point)}")
    assert months == POINTS.index(point) + 2 and people > 0.95 * PEOPLE * months
    truth = f"select {', '.join(COLUMNS)} {of_point(point)}"
    found = f"select {', '.join(COLUMNS.values())} from {schema}.fct_cohort_month"
    assert made.differences(truth, found) == [], point


def everybody_in_the_return_and_nobody_else(made: County, point: str) -> None:
    returned = f"select young_persons_id {of_point(point)} and in_return = 'Y' and month_end like '{point}-%'"
    found = f"select young_persons_id from {made.runs[point].schema_name}.ret_nccis_record"
    assert len(made.rows(returned)) > 0.95 * PEOPLE
    assert made.differences(returned, found) == [], point


def every_count(made: County, point: str) -> None:
    """Rates, durations and flows of county, districts and groups; three-month averages as submitted and restated.

    AP-COMB exists in the warehouse as a three-month average alone; an area or group with nobody in it has no row there.
    """
    truth = f"""
        select
            split_part(split_part(measure, ':', 1), '@', 1) as kpi_id,
            case
                when measure like 'SC-PART%' then 'MAR-' || left(month_end, 4)
                when measure like 'SC-%' then 'DJF-' || left(month_end, 4)
                else left(month_end, 7)
            end as period_code,
            case district_code when 'ALL' then 'county' else 'district' end as area_type,
            case district_code when 'ALL' then '886' else district_code end as area_code,
            coalesce(nullif(split_part(split_part(measure, ':', 1), '@', 2), ''), 'ALL') as group_code,
            case when measure like 'SC-%' and measure not like '%:restated' then 'as_submitted' else 'restated' end
                as basis,
            numerator,
            denominator
        from truth_counts
        where known_at_census_point = '{point}'
            and measure ~ '^(AP-|SC-|DUR-|FLOW-[JL])'
            and measure !~ '^AP-COMB'
            and not (numerator = '0' and denominator in ('0', ''))"""
    schema = made.runs[point].schema_name
    found = f"""
        select
            kpi_id, period_code, area_type, area_code, group_code, basis, numerator::text,
            coalesce(denominator::text, '') as denominator
        from {schema}.fct_kpi_value"""
    keys = "kpi_id, period_code, area_type, area_code, group_code, basis"
    ((compared,),) = made.rows(f"select count(*) from ({truth}) as truth join ({found}) as found using ({keys})")  # fmt: skip
    assert compared > 200
    assert made.rows(f"({truth}) except ({found}) limit 10") == [], point


def published_figures(made: County) -> None:
    schema = made.runs[POINTS[-1]].schema_name
    values = {
        (kpi, group): (int(numerator), int(denominator))
        for kpi, group, numerator, denominator in made.rows(
            f"""select kpi_id, group_code, numerator, denominator from {schema}.fct_kpi_value
                where area_type = 'county' and basis = 'as_submitted'
                    and period_code in ('DJF-2022', 'MAR-2022')"""
        )
    }
    off = {
        key: round(100 * values[key][0] / values[key][1], 3)
        for key, percent in PUBLISHED.items()
        if abs(100 * values[key][0] / values[key][1] - percent) > 0.1
    }
    assert off == {}
    cohort = values["SC-COMB", "ALL"][1] / 3
    assert abs(cohort / COHORT - 1) < 0.005
    for group, percent in SHARES.items():
        assert abs(100 * values["SC-COMB", group][1] / 3 / cohort - percent) < 0.1, group
