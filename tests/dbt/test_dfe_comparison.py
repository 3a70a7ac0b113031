"""The department's scorecards through the real feed, and what the comparison makes of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from county_rows import SCORECARDS, small_county
from test_census import run_of

from neet import comparison, comparison_page, database
from neet.cli import main
from neet.feeds import landing
from neet.publishing import publish
from neet.settings import PROJECT_ROOT
from neet.transform import build_census, build_live

pytestmark = pytest.mark.slow

FEED = "dfe_la_scorecard"

# KPI catalogue, section 1. Cohort, then NEET and not known, NEET, not known, participation, September Guarantee.
KENT = {
    2021: ("33602", "7.5", "3.0", "4.6", "90.7", "93.2"),
    2022: ("33576", "5.1", "2.8", "2.3", "91.5", "94.6"),
    2023: ("34192", "5.8", "3.3", "2.5", "90.3", "95.1"),
    2024: ("36468", "5.3", "3.4", "1.9", "90.7", "93.2"),
}
ENGLAND = {
    2021: ("5.5", "2.8", "2.7", "93.2", "94.3"),
    2022: ("4.7", "2.6", "2.2", "92.9", "95.5"),
    2023: ("5.2", "2.8", "2.4", "92.3", "94.6"),
    2024: ("5.4", "3.2", "2.2", "92.1", "94.6"),
}
KENT_QUINTILES_AS_PRINTED = {
    2021: (5, 3, 5, 1, 1),
    2022: (4, 4, 4, 2, 2),
    2023: (4, 4, 4, 2, 2),
    2024: (3, 3, 4, 4, 5),
}
KENT_GROUPS = {  # EHC plan, SEN support, vulnerable group
    2022: ("6.4", "5.8", "22.3"),
    2023: ("9.6", "10.8", "35.3"),
    2024: ("6.4", "8.3", "40.9"),
}
HEADLINES = ("NEET_NK", "NEET", "NK", "PART", "SG")
PRINTED_UNDER = {
    "NEET_NK": "NEET_not_known_percent",
    "NEET": "NEET_percent",
    "NK": "Notknown_percent",
    "PART": "TOTAL_participating_in_education_and_training_percent",
    "PART_FTE": "Full_time_education_percent",
    "PART_APP": "Apprenticeship_percent",
    "PART_OTH": "Other_education_and_training_percent",
    "SG": "September_guarantee_Offer_made_percent",
    "NEET_NK_EHCP": "NEET_NK_EHCP_percent",
    "NEET_NK_SENSUP": "NEET_NK_SENDsupport_percent",
    "NEET_NK_NOSEN": "NEET_NK_noSEN_percent",
    "NEET_NK_VG": "VG_NEET_NK_percentage",
    "CTX_L3": "Level_3",
    "CTX_L2": "L2_em_GCSE_othL2",
    "CTX_ATT8": "avg_att8",
    "CTX_BASICS": "pt_l2basics_94",
    "CTX_ABS": "sess_overall_percent",
}
KENT_ONS = "E10000016"


def published_files() -> dict[int, list[dict]]:
    """The files as the department published them, read without the warehouse."""
    files = {}
    for file in SCORECARDS:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            files[int(file.stem[-4:])] = list(csv.DictReader(handle))
    return files


def changed_file(source: Path, target: Path, change) -> Path:
    """A copy of a published file, each of whose rows (and the header, by number 0) has gone through ``change``."""
    with source.open(newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.reader(handle))
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(
        change(dict(zip(rows[0], row, strict=True)), row, number) for number, row in enumerate(rows)
    )
    target.write_text(out.getvalue(), encoding="utf-8")
    return target


def deliver(warehouse, file: Path):
    return landing.receive(warehouse.settings, warehouse.dsn["loader"], FEED, file)


def submit(warehouse, point: str, period_end: str, people: list[dict], chain: int) -> None:
    """A sealed submission of a point, straight into the ledger and ``submitted``: what as submitted is made of."""
    with database.connect(warehouse.dsn["gate"]) as connection:
        seq, at = connection.execute(
            "select max(delivery_seq) + 1, max(accepted_at) + interval '1 minute' from control.delivery"
        ).fetchone()
        decision = hashlib.sha256(point.encode()).hexdigest()[:32]
        connection.execute(
            """insert into control.delivery (delivery_id, la_code, feed, provider, period, mode, file_name, file_sha256,
                 file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
               values (%s, '886', 'decision.submission', 'test', %s, 'decision', 'decision.json', 'none', 0, %s, %s,
                 'accepted', %s, %s)""",
            [decision, point, decision, at, at, seq],
        )
        connection.execute(
            """insert into control.decision (decision_id, la_code, delivery_seq, kind, subject, decided_by, decided_at,
                 reason, body) values (%s, '886', %s, 'submission', %s, 'tester', %s, 'test', '{}')""",
            [decision, seq, point, at],
        )
        connection.execute(
            """insert into ledger.submission (submission_id, la_code, census_point, outcome, chain_number, known_seq,
                 signed_by, sealed_at, delivery_seq, decision_id)
               values (%s, '886', %s, 'sealed', %s, %s, 'tester', %s, %s, %s)""",
            [f"886-{point}", point, chain, seq - 1, at, seq, decision],
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                """insert into submitted.cohort_month (submission_id, la_code, census_point, period_end, person_id,
                     young_persons_id, cohort_status_code, academic_age, sen_group, is_vulnerable, activity_code,
                     status_bucket, is_lapsed, is_participating, is_in_denominator, is_measured, neet_days)
                   values (%(submission)s, '886', %(point)s, %(period_end)s, %(person)s, %(person)s, 'P', 16,
                     %(sen_group)s, %(is_vulnerable)s, %(code)s, %(bucket)s, false, %(participates)s, true, true,
                     %(neet_days)s)""",
                [
                    {"submission": f"886-{point}", "point": point, "period_end": period_end} | person
                    for person in people
                ],
            )  # fmt: skip


def cohort(
    neet: int, not_known: int, apprentices: int = 15, elsewhere: int = 6, idle: int = 0
) -> list[dict]:
    """Four hundred people: the first are NEET, the next not known, then those who are employed without training, the
    apprentices and those in other education; the rest are at school. The first 40 have a plan, the first 20 a
    characteristic of the vulnerable group."""
    people = []
    ends = [neet, neet + not_known, neet + not_known + idle]
    ends += [ends[-1] + apprentices, ends[-1] + apprentices + elsewhere, 400]
    kinds = [
        ("610", "NEET", False),
        ("810", "NOT_KNOWN", False),
        ("330", "EET", False),
        ("310", "EET", True),
        ("320", "EET", True),
        ("210", "EET", True),
    ]
    for number in range(400):
        code, bucket, participates = next(
            kind for kind, end in zip(kinds, ends, strict=True) if number < end
        )
        people.append(
            {
                "person": f"p{number:04d}",
                "sen_group": "EHCP" if number < 40 else "NONE",
                "is_vulnerable": number < 20,
                "code": code,
                "bucket": bucket,
                "participates": participates,
                "neet_days": 30 if bucket == "NEET" else None,
            }
        )
    return people


@pytest.fixture(scope="module")
def compared(new_warehouse, monkeypatch_module):
    """The department's four files through the real feed, four sealed submissions, built and published."""
    warehouse = new_warehouse()
    small_county(warehouse.county)
    for file in SCORECARDS:
        assert deliver(warehouse, file).status == "accepted"
    submit(warehouse, "2021-12", "2021-12-31", cohort(11, 9), 1)
    submit(warehouse, "2022-01", "2022-01-31", cohort(11, 9), 2)
    submit(warehouse, "2022-02", "2022-02-28", cohort(11, 10), 3)
    submit(warehouse, "2022-03", "2022-03-31", cohort(11, 9, idle=14), 4)
    build_live(warehouse.settings, warehouse.dsn["builder"])
    publish(warehouse.settings, warehouse.dsn["builder"])
    monkeypatch_module.setenv("NEET_DSN_AUDITOR", warehouse.dsn["auditor"])
    return warehouse


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def figures(warehouse, where: str) -> dict:
    """``{(year, measure): value}`` of the published comparison, as numbers."""
    rows = warehouse.rows(
        f"select time_period, measure_id, value from published_internal.fct_dfe_comparison where {where}",
        role="bi",
    )
    return {(year, measure): value for year, measure, value in rows}


# -- known figures ---------------------------------------------------------------------------------------------------


def test_kent_and_england_as_the_catalogue_prints_them(compared):
    kent = figures(compared, "la_code = '886' and comparator_type = 'OWN'")
    england = figures(compared, "la_code = '886' and comparator_type = 'ENGLAND'")
    for year in KENT:
        assert [kent[year, m] for m in HEADLINES] == [Decimal(text) for text in KENT[year][1:]]
        assert [england[year, m] for m in HEADLINES] == [Decimal(text) for text in ENGLAND[year]]
    for year, printed in KENT_GROUPS.items():
        groups = ("NEET_NK_EHCP", "NEET_NK_SENSUP", "NEET_NK_VG")
        assert [kent[year, measure] for measure in groups] == [Decimal(text) for text in printed]
    cohorts = compared.rows(
        """select time_period, published_denominator from published_internal.fct_dfe_comparison
           where la_code = '886' and comparator_type = 'OWN' and measure_id = 'NEET_NK' order by 1"""
    )
    assert cohorts == [(year, Decimal(KENT[year][0])) for year in sorted(KENT)]


def test_quintiles_are_kept_as_printed_and_turned_so_that_one_is_best(compared):
    rows = compared.rows(
        """select time_period, measure_id, printed_quintile, quintile, best_quintile, worst_quintile
           from published_internal.fct_dfe_comparison where la_code = '886' and comparator_type = 'OWN'
             and measure_id in ('NEET_NK', 'NEET', 'NK', 'PART', 'SG')"""
    )
    assert len(rows) == 20
    for year, measure, printed, best_first, best, worst in rows:
        assert printed == KENT_QUINTILES_AS_PRINTED[year][HEADLINES.index(measure)]
        turned = year < 2024 and measure in ("PART", "SG")
        assert best_first == (6 - printed if turned else printed)
        assert best <= best_first <= worst


def test_one_is_best_in_every_year_of_every_measure(compared):
    """The whole country as witness: the first quintile's mean is the best, the fifth's the worst, in between in order."""
    rows = compared.rows(
        """select time_period, measure_id, polarity, quintile, avg(value)
           from published_internal.fct_dfe_comparison where comparator_type = 'OWN' and quintile is not null
           group by 1, 2, 3, 4 order by 1, 2, 4"""
    )
    assert len(rows) == 4 * 5 * 5
    for start in range(0, len(rows), 5):
        values = [row[4] for row in rows[start : start + 5]]
        assert values == sorted(values, reverse=rows[start][2] == "H"), rows[start]


def test_the_departments_quintile_lies_in_our_range_for_every_authority(compared):
    assert compared.rows(
        """select count(*), sum(case when quintile between best_quintile and worst_quintile then 1 else 0 end)
           from published_internal.fct_dfe_comparison where comparator_type = 'OWN' and quintile is not null"""
    ) == [(2999, 2999)]
    assert (
        compared.value("select count(*) from reference.dfe_quintile_exception") == 0
    )  # decision 0010


# -- every figure of the files -------------------------------------------------------------------------------------------


def test_every_figure_of_every_authority_is_what_the_file_prints(compared):
    """Symbols as symbols, blanks as nothing, and no nought that the department did not print."""
    found = {
        (year, measure, la): (text, value, status)
        for year, measure, la, text, value, status in compared.rows(
            """select time_period, measure_id, la_code, printed_text, value, value_status
               from published_internal.fct_dfe_comparison where comparator_type = 'OWN'"""
        )
    }
    seen = Counter()
    for year, rows in published_files().items():
        for row in rows:
            if row["geographic_level"] != "Local authority" or not row["new_la_code"]:
                continue
            for measure, column in PRINTED_UNDER.items():
                printed = row[column].strip()
                text, value, status = found[year, measure, row["old_la_code"]]
                assert (text or "") == printed
                if printed in ("", "z", "c"):
                    assert value is None
                    seen[status, printed] += 1
                else:
                    assert value == Decimal(printed) and status == "VALUE"
                    seen["VALUE"] += 1
    assert seen.keys() == {
        "VALUE", ("MISSING", ""), ("NOT_APPLICABLE", "z"), ("SUPPRESSED", "c"),
    }  # fmt: skip
    assert seen["VALUE"] > 9_000


def test_every_authority_has_england_its_region_and_itself(compared):
    counts = compared.rows(
        """select comparator_type, count(distinct la_code) from published_internal.fct_dfe_comparison
           where time_period = 2024 group by 1"""
    )
    assert dict(counts) == {
        "OWN": 151, "ENGLAND": 151, "REGION": 151,
        "STATISTICAL_NEIGHBOUR": 19, "STATISTICAL_MEAN": 19,
        "GEOGRAPHICAL_NEIGHBOUR": 2, "GEOGRAPHICAL_MEAN": 2,
    }  # fmt: skip
    assert compared.rows(
        """select distinct comparator_name from published_internal.fct_dfe_comparison
           where la_code = '886' and comparator_type = 'REGION'"""
    ) == [("South East",)]


# -- neighbours ----------------------------------------------------------------------------------------------------------


def test_the_neighbours_mean_is_that_of_the_files(compared):
    """Worked out again from the files and the seed, authority by authority."""
    with (PROJECT_ROOT / "dbt_project/seeds/kpi/la_neighbour.csv").open(encoding="utf-8") as handle:
        neighbours = list(csv.DictReader(handle))
    files = published_files()
    means = {
        (la, year, measure, kind): (value, counted, listed)
        for la, year, measure, kind, value, counted, listed in compared.rows(
            """select la_code, time_period, measure_id, comparator_type, value, neighbours_counted, neighbours_listed
               from published_internal.fct_dfe_comparison
               where comparator_type in ('STATISTICAL_MEAN', 'GEOGRAPHICAL_MEAN')"""
        )
    }
    authorities = {row["la_code"] for row in neighbours}
    assert "886" in authorities and len(authorities) == 19
    for year, rows in files.items():
        by_code = {row["old_la_code"]: row for row in rows if row["old_la_code"]}
        for la in authorities:
            for kind in ("statistical", "geographical"):
                listed = [
                    row["neighbour_la_code"]
                    for row in neighbours
                    if row["la_code"] == la and row["kind"] == kind
                ]
                if not listed:
                    continue
                for measure in ("NEET", "NK", "PART", "NEET_NK_VG"):
                    printed = [
                        by_code.get(code, {}).get(PRINTED_UNDER[measure], "") for code in listed
                    ]
                    values = [Decimal(text) for text in printed if text not in ("", "z", "c")]
                    value, counted, total = means[la, year, measure, f"{kind.upper()}_MEAN"]
                    assert (counted, total) == (len(values), len(listed))
                    if values:
                        assert abs(value - sum(values) / len(values)) < Decimal("1e-9")
                    else:
                        assert value is None


def test_kents_neighbours_and_what_is_missing_of_them(compared):
    """West Northamptonshire began on 1 April 2021: the scorecard of that year has no row of it."""
    rows = compared.rows(
        """select comparator_la_code, value, value_status from published_internal.fct_dfe_comparison
           where la_code = '886' and time_period = 2021 and measure_id = 'NEET'
             and comparator_type = 'STATISTICAL_NEIGHBOUR' order by neighbour_rank"""
    )
    assert [row[0] for row in rows] == "881 845 866 885 888 941 891 937 935 860".split()
    assert [row for row in rows if row[2] != "VALUE"] == [("941", None, "NOT_PUBLISHED")]
    assert compared.rows(
        """select time_period, neighbours_counted, round(value, 2) from published_internal.fct_dfe_comparison
           where la_code = '886' and measure_id = 'NEET' and comparator_type = 'STATISTICAL_MEAN' order by 1"""
    ) == [(2021, 9, Decimal("2.61")), (2022, 10, Decimal("2.48")), (2023, 10, Decimal("2.80")),
          (2024, 10, Decimal("3.29"))]  # fmt: skip


# -- our own figures -------------------------------------------------------------------------------------------------------


def by_kpi(warehouse, year: int) -> dict[str, dict]:
    return {row["kpi_id"]: row for row in comparison.comparison(warehouse.settings, "886", year)}


def test_our_figures_beside_the_departments(compared):
    """33 of 1,200 is 2.75, shown as 2.8; the difference to 2.8 is 0.0, not -0.1. SC-PART: 366 of 400."""
    rows = by_kpi(compared, 2022)
    ours = ("numerator", "denominator", "our_percent", "dfe_percent", "difference_points")
    beside = ("england_percent", "region_percent", "neighbours_percent", "quintile_range")
    aims = ("target_percent", "floor_percent", "rag")

    def shown(kpi: str, *names: str) -> str:
        return " ".join(str(rows[kpi][name]) for name in names)

    assert (
        shown("SC-NEET", *ours, *beside, *aims)
        == "33 1200 2.8 2.8 0.0 2.6 2.2 2.5 3-4 2.9 3.4 GREEN"
    )
    assert (
        shown("SC-NK", *ours, *beside, *aims) == "28 1200 2.3 2.3 0.0 2.2 3.2 2.2 4 2.2 2.7 AMBER"
    )
    assert (
        shown("SC-PART", *ours, *beside, *aims)
        == "366 400 91.5 91.5 0.0 92.9 92.0 92.6 4 93.7 92.0 RED"
    )
    assert shown("SC-COMB", *ours) == "61 1200 5.1 5.1 0.0"
    assert shown("SC-PART-FTE", *ours) == "345 400 86.3 86.1 0.2"
    assert shown("SC-PART-APP", *ours) == "15 400 3.8 3.7 0.1"
    assert shown("SC-PART-OTH", *ours) == "6 400 1.5 1.7 -0.2"
    assert shown("SC-EHCP", *ours) == "61 120 50.8 6.4 44.4"
    assert shown("SC-VG", *ours) == "60 60 100.0 22.3 77.7"
    assert shown("SC-NOSEN", "numerator", "denominator") == "0 1080"
    assert rows["SC-SENSUP"]["numerator"] is None, "nobody on SEN support was submitted"
    for row in rows.values():
        if row["our_percent"] is not None and row["dfe_percent"] is not None:
            assert row["difference_points"] == row["our_percent"] - row["dfe_percent"]


def test_the_quintile_that_our_figure_would_take(compared):
    """Sorted again, the other authorities as far up and as far down as what they print allows."""
    rows = by_kpi(compared, 2022)
    others = [
        row
        for row in published_files()[2022]
        if row["geographic_level"] == "Local authority" and row["old_la_code"] != "886"
    ]
    for kpi, measure in {
        "SC-COMB": "NEET_NK",
        "SC-NEET": "NEET",
        "SC-NK": "NK",
        "SC-PART": "PART",
    }.items():
        row = rows[kpi]
        ours = Decimal(100 * row["numerator"]) / row["denominator"]
        groups = []
        for shift in (Decimal("0.0499999"), Decimal("-0.0499999")):
            values = sorted(
                [*(Decimal(other[PRINTED_UNDER[measure]]) + shift for other in others), ours]
            )
            size, larger = divmod(len(values), 5)
            ends = [(number + 1) * size + min(number + 1, larger) for number in range(5)]
            groups.append(next(n for n, end in enumerate(ends, 1) if values.index(ours) < end))
        quintiles = sorted(6 - group if measure == "PART" else group for group in groups)
        assert [row["our_best_quintile"], row["our_worst_quintile"]] == quintiles, kpi
        assert row["our_ranked_among"] == 2022
    assert rows["SC-EHCP"]["our_quintile_range"] is None, "the department does not rank it"


def test_a_year_without_a_submission_has_no_figure_of_ours(compared):
    rows = by_kpi(compared, 2024)
    assert rows["SC-NEET"]["dfe_percent"] == Decimal("3.4")
    assert {row["numerator"] for row in rows.values()} == {None}
    assert {row["rag"] for row in rows.values()} == {None}


def test_no_worse_than_the_statistical_neighbours(compared):
    """AP-STATN: 2.75% against a mean of 2.48% misses by less than half a point, the floor."""
    assert compared.rows(
        """select kpi_id, round(100 * value, 2), round(100 * target, 2), rag from published_internal.fct_kpi_value
           where kpi_id like 'AP-STATN-%' and area_type = 'county' and group_code = 'ALL' and basis = 'as_submitted'
           order by 1"""
    ) == [
        ("AP-STATN-NEET", Decimal("2.75"), Decimal("2.48"), "AMBER"),
        ("AP-STATN-NK", Decimal("2.33"), Decimal("2.20"), "AMBER"),
    ]


def test_the_query_of_the_documentation_is_the_one_that_is_run(compared):
    page = (PROJECT_ROOT / "docs" / "compare-with-dfe.md").read_text()
    (query,) = re.findall(r"```sql\n(select\n    kpi_id,.*?)```", page, flags=re.S)
    with database.connect(compared.dsn["bi"]) as connection:
        cursor = connection.execute(query)
        names = [column.name for column in cursor.description]
        asked = [dict(zip(names, row, strict=True)) for row in cursor]
    rows = comparison.comparison(compared.settings, "886", 2022)
    assert [{name: row[name] for name in names} for row in rows] == asked


def test_a_year_that_is_not_there_is_told_with_what_there_is(compared):
    with pytest.raises(comparison.NothingToCompare, match="there is 2021, 2022, 2023, 2024"):
        comparison.comparison(compared.settings, "886", 2030)
    with pytest.raises(comparison.NothingToCompare, match="Deliver the department's files"):
        comparison.latest_year(compared.settings, "420")
    assert comparison.latest_year(compared.settings, "886") == 2024


def test_the_page_draws_every_year_and_asks_for_nothing(compared):
    page = comparison_page.render(compared.settings, "886", 2022)
    assert "Kent 2021: 7.5" in page and "South East 2024: 6.8" in page
    assert page.count("<svg") == 12, (
        "twelve measures with a direction; population and context are not drawn"
    )
    assert not re.search(r"(src|href)\s*=|url\(|@import|<script", page)


def test_the_command_shows_writes_and_refuses(compared, tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(compared.settings.home))

    def run(*arguments: str):
        return CliRunner().invoke(main, list(arguments), catch_exceptions=False)

    rows = by_kpi(compared, 2022)
    shown = run("compare", "2022")
    assert shown.exit_code == 0
    line = next(line for line in shown.output.splitlines() if line.startswith("SC-NEET"))
    assert line.split() == ["SC-NEET", "NEET", "33", "1200", "2.8", "2.8", "0.0", "2.6", "2.2", "2.5", "3-4", rows["SC-NEET"]["our_quintile_range"], "2.9", "3.4", "GREEN"]  # fmt: skip
    assert "South East" in shown.output
    machine = json.loads(run("--json", "compare", "--la", "887").stdout)
    assert {row["kpi_id"]: row["dfe_percent"] for row in machine}["SC-NEET"] == "3.8"
    page = tmp_path / "kent.html"
    assert run("compare", "--html", str(page)).exit_code == 0
    assert "Scorecard 2024, authority 886" in page.read_text()
    refused = run("compare", "1999")
    assert refused.exit_code == 1 and "No scorecard of 1999" in refused.stderr


def test_a_line_is_not_drawn_across_a_year_without_a_figure():
    assert [[p["year"] for p in run] for run in comparison_page._runs([{"year": y} for y in (2021, 2022, 2024)])] == [
        [2021, 2022], [2024],
    ]  # fmt: skip


# -- the return does not depend on it ------------------------------------------------------------------------------------


def test_a_census_build_knows_nothing_of_the_scorecards(compared):
    seq = compared.value("select max(delivery_seq) from control.delivery")
    run = run_of("2021-12", seq)
    build_census(compared.settings, compared.dsn["builder"], run)
    tables = {
        row[0]
        for row in compared.rows(
            f"select table_name from information_schema.tables where table_schema = '{run.schema_name}'"
        )
    }
    assert "fct_kpi_value" in tables
    assert not [name for name in tables if "dfe" in name]
    kpis = {
        row[0]
        for row in compared.rows(f"select distinct kpi_id from {run.schema_name}.fct_kpi_value")
    }
    assert "AP-NEET" in kpis and not [kpi for kpi in kpis if kpi.startswith("AP-STATN")]


# -- a further year, a correction, a changed layout ------------------------------------------------------------------------


def test_a_further_year_a_correction_and_a_changed_layout(compared, tmp_path):
    """The last test of the module: it adds to the warehouse.

    2026 is made up, in the layout of 2024: a year more, with the project as it stands. 2022 is corrected: restated,
    with what was printed before beside it and still to be had as it was known. A renamed column is refused by name, and a
    symbol that nobody knows holds the whole file for a person.
    """
    known_before = compared.value("select max(delivery_seq) from control.delivery")
    newest = {file.stem[-4:]: file for file in SCORECARDS}

    def made_up(row, cells, number):
        if number == 0:
            return cells
        row = row | {"time_period": "2026"}
        if row["new_la_code"] == KENT_ONS:
            row |= {
                "NEET_percent": "2.1",
                "NEET_quintile": "1",
                "Notknown_percent": "c",
                "Notknown_quintile": "c",
                "VG_NEET_NK_percentage": "z",
            }
        return list(row.values())

    def corrected(row, cells, number):
        if number and row["new_la_code"] == KENT_ONS:
            return list((row | {"NEET_percent": "2.9"}).values())
        return cells

    def renamed(row, cells, number):
        return (
            ["Share_NEET" if name == "NEET_percent" else name for name in cells]
            if number == 0
            else cells
        )

    file = changed_file(newest["2024"], tmp_path / "neet_la_scorecard_2026.csv", made_up)
    further = deliver(compared, file)
    assert (further.status, further.rows_in, further.rows_loaded) == ("accepted", 161, 161)

    file = changed_file(newest["2022"], tmp_path / "neet_la_scorecard_2022.csv", corrected)
    correction = deliver(compared, file)
    assert (correction.status, correction.rows_loaded, correction.rows_unchanged) == (
        "accepted",
        1,
        159,
    )

    file = changed_file(newest["2024"], tmp_path / "neet_la_scorecard_2027.csv", renamed)
    refused = deliver(compared, file)
    assert refused.status == "refused"
    assert "NEET_percent" in refused.reason and "Share_NEET" in refused.reason

    def unknown_symbol(row, cells, number):
        return (
            list((row | {"NEET_percent": "n/k"}).values())
            if row["new_la_code"] == KENT_ONS
            else cells
        )

    file = changed_file(newest["2024"], tmp_path / "neet_la_scorecard_2028.csv", unknown_symbol)
    held = deliver(compared, file)
    assert (held.status, held.rows_rejected) == ("held", 1), (
        "the whole file waits, not all of it but Kent is loaded"
    )

    again = deliver(compared, shutil.copy(newest["2023"], tmp_path / newest["2023"].name))
    assert again.status == "duplicate"

    build_live(compared.settings, compared.dsn["builder"])
    publish(compared.settings, compared.dsn["builder"])

    kent = compared.rows(
        """select measure_id, printed_text, value, value_status, quintile, previous_value, change_points
           from published_internal.fct_dfe_comparison where la_code = '886' and time_period = 2026
             and comparator_type = 'OWN' and measure_id in ('NEET', 'NK', 'NEET_NK_VG') order by 1"""
    )
    assert kent[0][:6] == ("NEET", "2.1", Decimal("2.1"), "VALUE", 1, None), (
        "2025 was never delivered"
    )
    assert kent[1][:4] == ("NEET_NK_VG", "z", None, "NOT_APPLICABLE")
    assert kent[2][:4] == ("NK", "c", None, "SUPPRESSED") and kent[2][5:] == (
        None,
        Decimal("-0.5"),
    )
    assert by_kpi(compared, 2026)["SC-NEET"]["neighbours_percent"] == Decimal("3.3")
    assert comparison.words(by_kpi(compared, 2026)["SC-NK"]) == "c"
    assert comparison.latest_year(compared.settings, "886") == 2026

    restated = compared.rows(
        """select value, former_text, our_difference_points, change_points from published_internal.fct_dfe_comparison
           where la_code = '886' and time_period = 2022 and measure_id = 'NEET' and comparator_type = 'OWN'"""
    )
    assert restated == [(Decimal("2.9"), "2.8", Decimal("-0.15"), Decimal("-0.2"))]
    assert compared.rows(
        """select count(*) from published_internal.fct_dfe_scorecard where former_text is not null"""
    ) == [(1,)]
    assert compared.rows(
        """select previous_value from published_internal.fct_dfe_comparison
           where la_code = '886' and time_period = 2023 and measure_id = 'NEET' and comparator_type = 'OWN'"""
    ) == [(Decimal("2.9"),)]
    earlier = compared.value(
        f"""select neet_percent from hist.hist_dfe_la_scorecard
            where time_period = '2022' and new_la_code = '{KENT_ONS}' and known_from_seq <= {known_before}
              and (known_to_seq is null or known_to_seq > {known_before})"""
    )
    assert earlier == "2.8", "what was known then is still what was known then"
