"""The census lineage: fixed by its run, whatever arrives later and however often it is built."""

from __future__ import annotations

import datetime as dt

import pytest
from county_rows import activity, person, seal, small_county, ypid

from neet import transform
from neet.census import CensusRun
from neet.publishing import publish
from neet.transform import BuildFailed, BuildRefused, build_census, build_live

pytestmark = pytest.mark.slow


def run_of(point: str, known_seq: int, schema: str | None = None) -> CensusRun:
    year, month = map(int, point.split("-"))
    period_end = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
    return CensusRun(
        run_id="0" * 32,
        la_code="886",
        census_point=point,
        period_end=period_end,
        known_seq=known_seq,
        known_at=dt.datetime(2022, 1, 20, tzinfo=dt.UTC),
        schema_name=schema or f"census_886_{point.replace('-', '_')}",
        pack_version="2021-22",
        code_version="test",
    )


def contents(built, schema: str) -> dict[str, str]:
    """A hash of the ordered rows of every table of a census schema."""
    tables = [
        name
        for (name,) in built.rows(
            f"select table_name from information_schema.tables where table_schema = '{schema}' order by 1"
        )
    ]
    assert {
        "hist_core_plus_people",
        "ret_nccis_header",
        "ret_nccis_record",
        "ret_nccis_characteristic",
        "fct_kpi_value",
    } <= set(tables)
    return {
        name: built.value(
            f"""select md5(coalesce(string_agg(line, '|' order by line collate "C"), ''))
                from (select t::text as line from {schema}.{name} t) as lines""",
            role="gate",
        )
        for name in tables
    }


@pytest.fixture(scope="module")
def built(new_warehouse):
    """The small county, its December built once at everything known."""
    warehouse = new_warehouse()
    small_county(warehouse.county)
    build = build_census(
        warehouse.settings, warehouse.dsn["builder"], run_of("2021-12", warehouse.county.seq)
    )
    assert build.status == "built"
    return warehouse


def test_the_return_of_the_small_county(built):
    schema = "census_886_2021_12"
    assert built.rows(f"select * from {schema}.ret_nccis_header", role="gate") == [
        (
            "886",
            "2021-12",
            "886",
            "886",
            "2022-01-17",
            "2021-12-31",
            "NEET warehouse",
            "1.0",
            "1.0",
            "NCCIS2021",
        )
    ]
    records = built.rows(
        f"""select record_number, young_persons_id, cohort_status, dob, activity_code, start_date, due_to_lapse_date,
              currency_lapsed, neet_start_date, year11_guarantee_status, year12_guarantee_status, send_flag
            from {schema}.ret_nccis_record order by record_number""",
        role="gate",
    )
    assert len(records) == 31
    assert records[0] == (
        1,
        ypid(1),
        "P",
        "2005-01-15",
        "610",
        "2021-12-13",
        None,
        "N",
        "2021-12-13",
        "110",
        None,
        "N",
    )
    assert records[6] == (
        7,
        ypid(7),
        "P",
        "2005-01-15",
        "210",
        "2021-09-06",
        "2022-08-31",
        "N",
        None,
        None,
        None,
        "Y",
    )
    # Known to Core+, but nothing is recorded: blank, for rule 200 to speak about.
    assert records[30][:6] == (31, ypid(31), "P", "2005-01-15", None, None)
    assert built.rows(f"select record_number, characteristic_number, characteristic_code "
                      f"from {schema}.ret_nccis_characteristic order by 1", role="gate") == [(5, 1, "110"), (6, 1, "110")]  # fmt: skip


def test_one_month_is_as_submitted_and_all_are_restated(built):
    assert built.rows(
        """select basis, period_code from census_886_2021_12.fct_kpi_value
           where kpi_id = 'AP-NEET' and area_type = 'county' and group_code = 'ALL' order by 1, 2""",
        role="gate",
    ) == [("as_submitted", "2021-12"), ("restated", "2021-11"), ("restated", "2021-12")]


def test_building_it_again_gives_the_same_tables(built):
    before = contents(built, "census_886_2021_12")
    build_census(built.settings, built.dsn["builder"], run_of("2021-12", 6))
    assert contents(built, "census_886_2021_12") == before


def test_what_arrives_later_changes_nothing_known_before(built):
    """A late correction, a deletion, a stale row, a live build and even the point's own submission."""
    before = contents(built, "census_886_2021_12")
    county, builder = built.county, built.dsn["builder"]
    county.deliver(
        "core_plus_people",
        "2022-01-31",
        [person(2, dob="2003-01-01", district_code="E07000108"), person(40)],
    )
    county.deliver(
        "core_plus_activities", "2022-01-31", [activity("A0000003", 3, "619", "2021-09-06")]
    )
    county.deliver("core_plus_people", "2022-01-31", [person(4)], operation="D")
    county.deliver("core_plus_people", "2022-01-31", [person(6)], operation="S")
    county.seq = seal(built.dsn["gate"], run_of("2021-12", 6), chain_number=1)
    build_live(built.settings, builder)
    publish(built.settings, builder)
    build_census(built.settings, builder, run_of("2021-12", 6))
    assert contents(built, "census_886_2021_12") == before

    # The same point at the later known time is another thing.
    build_census(built.settings, builder, run_of("2021-12", county.seq, "census_886_2021_12_later"))
    later = contents(built, "census_886_2021_12_later")
    assert later["ret_nccis_record"] != before["ret_nccis_record"]
    known = built.rows(
        f"""select young_persons_id, dob, activity_code from census_886_2021_12_later.ret_nccis_record
            where young_persons_id in ('{ypid(2)}', '{ypid(3)}', '{ypid(4)}') order by 1""",
        role="gate",
    )
    assert known == [(ypid(2), "2003-01-01", "210"), (ypid(3), "2005-01-15", "619")]
    assert built.value(
        f"select is_stale from census_886_2021_12_later.fct_cohort_month where young_persons_id = '{ypid(6)}' "
        "and census_point = '2021-12'",
        role="gate",
    )


def test_january_compares_with_the_december_that_was_sealed(built):
    """The flow as submitted starts from the sealed return, not from what is known of December now."""
    build_census(built.settings, built.dsn["builder"], run_of("2022-01", built.county.seq))
    flows = built.rows(
        """select basis, opening, joiners, leavers, closing from census_886_2022_01.fct_flow
           where measure = 'neet' and census_point = '2022-01' and area_type = 'county' and group_code = 'ALL' order by 1""",
        role="gate",
    )
    # Sealed: 1, 10, 15, 20, 25, 30. Known now, also 3. Nobody else moved in January.
    assert flows == [("as_submitted", 6, 1, 0, 7), ("restated", 7, 0, 0, 7)]
    submitted = """select period_code, numerator, denominator, previous_value is not null
                   from census_886_2022_01.fct_kpi_value where kpi_id = 'AP-NEET' and basis = 'as_submitted'
                     and area_type = 'county' and group_code = 'ALL' order by 1"""
    assert built.rows(submitted, role="gate") == [
        ("2021-12", 6, 31, False),
        ("2022-01", 7, 30, True),
    ]


def test_a_census_build_is_kept_to_its_own_schemas(built):
    with pytest.raises(BuildRefused, match="census_\\*"):
        build_census(built.settings, built.dsn["builder"], run_of("2021-12", 6, "marts_core"))


def test_what_earlier_code_left_in_the_schema_is_gone(built):
    from neet import database

    with database.connect(built.dsn["builder"]) as connection:
        connection.execute("create table census_886_2022_01.fct_of_last_year (la_code text)")
    build_census(built.settings, built.dsn["builder"], run_of("2022-01", built.county.seq))
    assert built.value("select to_regclass('census_886_2022_01.fct_of_last_year')") is None


def test_a_census_build_holds_no_former_versions_and_says_so(built):
    """A model that asks for them has no place in the census selector: it would find the newest only, in silence."""
    assert built.value(
        """select count(*) from census_886_2021_12.hist_core_plus_activities
           where known_to_seq is not null or is_deleted""",
        role="gate",
    ) == 0  # fmt: skip
    run = run_of("2021-12", 6)
    variables = {
        "lineage": "census", "known_seq": 6, "la_code": "886", "census_point": "2021-12",
        "period_end": run.period_end.isoformat(), "census_schema": "census_886_building",
    }  # fmt: skip
    outcome = transform._Outcome(transform.Build(0, "census", 6, "running"))
    with pytest.raises(BuildFailed, match="dim_young_person asks for all versions"):
        transform._dbt(
            built.settings,
            built.dsn["builder"],
            ["--select", "dim_young_person"],
            variables,
            outcome,
        )
