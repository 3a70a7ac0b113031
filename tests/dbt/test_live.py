"""The live lineage, built and published for real: what readers get, and what they are spared."""

from __future__ import annotations

import re

import pytest
from county_rows import activity, deliver_scorecards, person, small_county, ypid

from neet import database, lineage, publishing, transform
from neet.publishing import publish
from neet.settings import PROJECT_ROOT
from neet.transform import BuildFailed, BuildRefused, build_live

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(new_warehouse):
    """A small county and the department's scorecards, built and published once."""
    warehouse = new_warehouse()
    small_county(warehouse.county)
    deliver_scorecards(warehouse.county)
    build = build_live(warehouse.settings, warehouse.dsn["builder"])
    assert build.status == "built"
    assert build.nodes["success"] > 40 and build.nodes["pass"] > 45
    publish(warehouse.settings, warehouse.dsn["builder"])
    return warehouse


def test_unit_tests_of_the_models(built):
    """They are the worked examples of every rule, and dbt runs them against the built relations."""
    from dbt.cli.main import dbtRunner

    project = str(built.settings.dbt_project)
    with transform._environment(transform.profile_environment(built.dsn["builder"])):
        done = dbtRunner().invoke(
            ["test", "--select", "test_type:unit", "--project-dir", project, "--profiles-dir", project,
             "--target-path", str(built.settings.home / "unit"), "--quiet", "--log-level", "none"]
        )  # fmt: skip
    assert done.exception is None
    outcomes = {
        result.node.name: str(result.status)
        for result in done.result.results
        if result.node.resource_type == "unit_test"
    }
    assert len(outcomes) >= 24
    assert {name for name, status in outcomes.items() if status != "pass"} == set()


def test_counts_of_the_small_county(built):
    """Worked by hand: 31 in December, NEET are 1, 10, 15, 20, 25 and 30; the fifth left and the first joined."""
    query = """select period_end::text, numerator, denominator from published_internal.fct_kpi_value
               where kpi_id = 'AP-NEET' and area_type = 'county' and group_code = 'ALL' and basis = 'restated'
               order by 1"""
    assert built.rows(query, role="bi") == [("2021-11-30", 6, 30), ("2021-12-31", 6, 31)]
    flow = """select opening, joiners, leavers, closing from published_internal.fct_flow
              where measure = 'neet' and area_type = 'county' and group_code = 'ALL'"""
    assert built.rows(flow, role="bi") == [(6, 1, 1, 6)]
    days = f"""select neet_start_on::text, neet_days from published_internal.fct_cohort_month
               where young_persons_id = '{ypid(10)}' and census_point = '2021-12'"""
    assert built.rows(days, role="bi") == [("2021-10-04", 88)]


def test_readers_see_what_is_published_and_nothing_else(built):
    marts = publishing.published_marts(built.settings)
    assert len(marts) >= 15
    with database.connect(built.dsn["bi"]) as connection:
        for mart in marts:
            builds = connection.execute(
                f"select distinct build_id from published_internal.{mart}"
            ).fetchall()
            assert len(builds) <= 1, mart
        for schema in ("published_store", "marts_core", "marts_returns", "raw", "reference"):
            assert not connection.execute(
                "select has_schema_privilege(current_user, %s, 'usage')", [schema]
            ).fetchone()[0]
    assert "dim_young_person" not in marts and "ret_nccis_record" not in marts


def test_a_month_of_the_cohort_is_a_partition(built):
    """Who asks for a month reads that month; who asks for an authority within it finds it by an index."""
    cut = "('marts_neet.fct_cohort_month'::regclass, 'intermediate.int_person_month'::regclass)"
    parts = built.rows(
        f"""select inhparent::regclass::text, pg_get_expr(relpartbound, inhrelid) from pg_inherits
            inner join pg_class on pg_class.oid = inhrelid where inhparent in {cut}"""
    )
    assert {(table.split(".")[1], bound) for table, bound in parts} == {
        (table, f"FOR VALUES FROM ('{first}') TO ('{following}')")
        for table in ("int_person_month", "fct_cohort_month")
        for first, following in (("2021-11-01", "2021-12-01"), ("2021-12-01", "2022-01-01"))
    }  # fmt: skip
    (plan,) = built.rows(
        """explain (format json) select person_id from marts_neet.fct_cohort_month
           where la_code = '886' and month_end = '2021-12-31'"""
    )
    read = re.findall(r"'Relation Name': '(\w+)'", str(plan))
    assert len(read) == 1 and read[0].startswith("fct_cohort_month_2021_12_")
    indexed = built.rows(
        f"""select indrelid::regclass::text, attname from pg_index
            inner join pg_attribute on attrelid = indrelid and attnum = indkey[0]
            where indrelid in (select inhrelid from pg_inherits where inhparent in {cut})"""
    )
    assert {table for table, _ in indexed} == {
        table for (table,) in built.rows(f"select inhrelid::regclass::text from pg_inherits where inhparent in {cut}")
    }  # fmt: skip
    assert {column for _, column in indexed} == {"la_code"}


def test_publishing_again_changes_nothing(built):
    before = built.rows("select * from published_internal.build")
    again = publish(built.settings, built.dsn["builder"])
    assert not again.is_new
    assert built.rows("select * from published_internal.build") == before
    assert again.rows["fct_cohort_month"] == built.value(
        "select count(*) from published_internal.fct_cohort_month"
    )


def test_the_departments_quintiles_lie_in_our_ranges(built):
    """All of four years, without an exception; Kent as kpis.md section 1 has it."""
    assert built.rows(
        "select count(*), count(*) filter (where is_dfe_within_range) from marts_kpi.fct_dfe_quintile_range"
    ) == [(2999, 2999)]
    kent = """select time_period, measure_id, printed_value::text, printed_quintile, quintile
              from marts_kpi.fct_dfe_scorecard where area_la_code = '886' and measure_id in ('NEET', 'PART')
              order by 2, 1"""
    assert [(year, measure, float(value), printed, best) for year, measure, value, printed, best in built.rows(kent)] == [
        (2021, "NEET", 3.0, 3, 3), (2022, "NEET", 2.8, 4, 4), (2023, "NEET", 3.3, 4, 4), (2024, "NEET", 3.4, 3, 3),
        (2021, "PART", 90.7, 1, 5), (2022, "PART", 91.5, 2, 4), (2023, "PART", 90.3, 2, 4), (2024, "PART", 90.7, 4, 4),
    ]  # fmt: skip


def test_the_live_lineage_cannot_go_back(built):
    published = built.value("select known_seq from published_internal.build")
    with pytest.raises(BuildRefused, match="already published"):
        build_live(built.settings, built.dsn["builder"], known_seq=published - 1)
    with pytest.raises(BuildRefused, match="has not been reached"):
        build_live(built.settings, built.dsn["builder"], known_seq=published + 1)


@pytest.mark.system
def test_dbt_by_hand_cannot_go_back_either(built):
    """The guard is in the project, so that it also stops whoever runs dbt without neet.transform."""
    from dbt.cli.main import dbtRunner

    project = str(built.settings.dbt_project)

    def by_hand(variables: str):
        with transform._environment(transform.profile_environment(built.dsn["builder"])):
            return dbtRunner().invoke(
                ["build", "--select", "int_reporting_point", "--vars", variables, "--project-dir", project,
                 "--profiles-dir", project, "--target-path", str(built.settings.home / "hand"), "--quiet",
                 "--log-level", "none"]
            )  # fmt: skip

    done = by_hand("{lineage: live, known_seq: 1}")
    assert not done.success
    assert "may not go back to delivery 1" in str(done.exception)
    done = by_hand(
        "{lineage: census, known_seq: 1, census_schema: marts_core, census_point: 2021-12, period_end: 2021-12-31}"
    )
    assert not done.success
    assert "schema named census_*" in str(done.exception)


@pytest.mark.system
def test_layer_by_layer_is_the_same_build(built):
    def contents():
        return {
            mart: built.rows(f"select md5(string_agg(row_text, '|' order by row_text collate \"C\")) from "
                             f"(select t::text as row_text from {schema}.{mart} t) as rows")
            for mart, schema in publishing.published_marts(built.settings).items()
        }  # fmt: skip

    before = contents()
    build = build_live(built.settings, built.dsn["builder"], layer="seeds")
    assert build.status == "running"
    with pytest.raises(BuildRefused, match="it is running"):
        publish(built.settings, built.dsn["builder"], build.build_id)
    for layer in transform.LAYERS[1:]:
        build = build_live(
            built.settings, built.dsn["builder"], layer=layer, build_id=build.build_id
        )
    assert build.status == "built"
    assert contents() == before
    layers = built.value(
        f"select detail->'layers' from control.build where build_id = {build.build_id}"
    )
    assert {"hist", "intermediate", "marts"} <= layers.keys()
    assert layers["marts"]["fct_cohort_month"][0] == "success"
    assert publish(built.settings, built.dsn["builder"], build.build_id).is_new


def test_a_build_that_was_overtaken_cannot_go_on(built):
    first = build_live(built.settings, built.dsn["builder"], layer="seeds")
    second = build_live(built.settings, built.dsn["builder"], layer="seeds")
    assert (
        built.value(f"select status from control.build where build_id = {first.build_id}")
        == "failed"
    )
    with pytest.raises(BuildRefused, match=f"build {second.build_id} began after it"):
        build_live(built.settings, built.dsn["builder"], layer="hist", build_id=first.build_id)
    with pytest.raises(BuildRefused, match="writes to the same tables"):
        publish(built.settings, built.dsn["builder"], first.build_id)
    with pytest.raises(BuildRefused, match="There is no live build"):
        build_live(built.settings, built.dsn["builder"], layer="hist", build_id=10_000)


def test_only_one_build_at_a_time(built):
    with (
        transform.lock(built.dsn["builder"], transform.LIVE_LOCK, "the live lineage"),
        pytest.raises(BuildRefused, match="Another process"),
    ):
        build_live(built.settings, built.dsn["builder"], layer="seeds")


def test_a_failure_names_what_failed_and_readers_keep_the_former_build(built):
    before = built.rows(
        "select build_id, count(*) from published_internal.fct_cohort_month group by 1"
    )
    # A seed row that overlaps another would judge every activity of its code twice.
    with database.connect(built.dsn["builder"]) as connection:
        connection.execute(
            """insert into reference.activity_codes (activity_code, status_bucket, source, assumed)
               values ('210', 'NEET', 'a mistake', false)"""
        )
    with pytest.raises(BuildFailed) as failed:
        build_live(built.settings, built.dsn["builder"])
    message = str(failed.value)
    assert "key_int_activity_spell_la_code__activity_spell_id" in message
    assert "seed rows of a code overlap" in message, "it says what the test protects"
    assert "Readers keep the former build" in message
    row = built.rows(
        "select status, detail->'failures' from control.build order by build_id desc limit 1"
    )[0]
    assert row[0] == "failed" and row[1][0]["kind"] == "test"
    with pytest.raises(BuildRefused, match="it is failed"):
        publish(built.settings, built.dsn["builder"])
    assert (
        built.rows("select build_id, count(*) from published_internal.fct_cohort_month group by 1")
        == before
    )
    with database.connect(built.dsn["builder"]) as connection:
        connection.execute("delete from reference.activity_codes where source = 'a mistake'")


def marts_published_otherwise(warehouse) -> list[str]:
    """Marts whose published rows are not those of the live table, each counted as often as it stands there."""
    marts = publishing.published_marts(warehouse.settings)
    differing = []
    with database.connect(warehouse.dsn["builder"]) as connection:
        for mart, schema in marts.items():
            columns = ", ".join(
                name
                for (name,) in connection.execute(
                    "select column_name from information_schema.columns where (table_schema, table_name) = (%s, %s)",
                    [schema, mart],
                )
            )
            one, other = (
                f"select {columns} from {relation}"
                for relation in (f"{schema}.{mart}", f"published_internal.{mart}")
            )
            if connection.execute(
                f"select exists (({one}) except all ({other})), exists (({other}) except all ({one}))"
            ).fetchone() != (False, False):
                differing.append(mart)
    return differing


def test_a_new_delivery_and_a_changed_layout_are_published_whole(built):
    """The store's table has other columns than the mart: it is made anew, views and grants with it."""
    county = built.county
    county.deliver("core_plus_people", "2021-12-31", [person(32)])
    county.deliver(
        "core_plus_activities", "2021-12-31", [activity("C0000032", 32, "310", "2021-09-01")]
    )
    build_live(built.settings, built.dsn["builder"])
    with database.connect(built.dsn["builder"]) as connection:
        connection.execute("drop view published_internal.fct_neet_spell")
        connection.execute(
            "alter table published_store.fct_neet_spell add column of_last_year text"
        )
        connection.execute("revoke all on all tables in schema published_internal from neet_bi")
    published = publish(built.settings, built.dsn["builder"])
    assert (
        built.value("select count(*) from published_internal.fct_neet_spell", role="bi")
        == published.rows["fct_neet_spell"]
    )
    assert built.value(
        f"select count(*) from published_internal.fct_cohort_month where young_persons_id = '{ypid(32)}'", role="bi"
    ) == 2  # fmt: skip
    written = built.rows(
        "select xmin::text, count(*) from published_store.fct_cohort_month group by 1 order by 2"
    )
    assert [count for _, count in written] == [2, published.rows["fct_cohort_month"] - 2], (
        "what did not change is not written again"
    )
    assert published.written < sum(published.rows.values()) / 2
    assert marts_published_otherwise(built) == []
    county.deliver(
        "core_plus_activities", "2021-12-31", [activity("C0000032", 31, "610", "2021-09-20")]
    )
    build_live(built.settings, built.dsn["builder"])
    moved = publish(built.settings, built.dsn["builder"])
    assert 0 < moved.written < sum(moved.rows.values()) / 2
    assert marts_published_otherwise(built) == [], (
        "an activity that moved from one person to another"
    )


def onward_of(onward: dict[tuple, set], name: str, namespace: str = lineage.TABLES) -> set[str]:
    seen, waiting = set(), [(namespace, name)]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += onward.get(here, ())
    return {name for _, name in seen}


def test_events_lead_from_a_delivered_file_to_the_published_mart(built):
    """A walk along inputs and outputs alone, as a tool of OpenLineage's would make it."""
    from neet.feeds import landing, loading

    contract = landing.contract_of(built.settings, "dfe_la_scorecard")
    file = PROJECT_ROOT / "data" / "dfe_scorecard" / "neet_la_scorecard_2023.csv"
    landed = landing.land(built.settings, contract, file)
    loading.load(built.settings, built.dsn["loader"], contract, landed)
    told = list(lineage.events(built.settings))
    onward: dict[tuple, set] = {}
    for event in told:
        for source in event["inputs"]:
            for made in event["outputs"]:
                onward.setdefault((source["namespace"], source["name"]), set()).add(
                    (made["namespace"], made["name"])
                )
    names = onward_of(onward, f"inbox/dfe_la_scorecard/{file.name}", "file")
    stored = f"landing/{landed.landing_path}/{landed.stored_name}"
    assert {stored, "raw.dfe_la_scorecard", "live.hist_dfe_la_scorecard"} <= names
    assert {"live.fct_dfe_comparison", "published_internal.fct_dfe_comparison"} <= names
    assert "published_internal.fct_contact" not in names, (
        "a walk that reaches everything says nothing"
    )
    assert "identity.link" in onward_of(onward, "raw.core_plus_people"), "through the linkage too"
    (load,) = [event for event in told if event["job"]["name"] == "load.dfe_la_scorecard"]
    about = load["inputs"][0]["facets"]["neet_delivery"]
    assert about["sha256"] == landed.sha256 and about["contract_version"] == contract.version
    assert about["rows_in"] > 100 and about["delivery_seq"] > 0


def test_every_event_is_one_that_openlineage_reads(built):
    """Its client's own classes check times, addresses and ids; every facet names its schema."""
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent

    told = list(lineage.events(built.settings))
    assert len(told) > 60
    for event in told:
        read = RunEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=Run(event["run"]["runId"]),
            job=Job(event["job"]["namespace"], event["job"]["name"]),
            inputs=[InputDataset(each["namespace"], each["name"]) for each in event["inputs"]],
            outputs=[OutputDataset(each["namespace"], each["name"]) for each in event["outputs"]],
        )
        assert read.job.name and event["eventType"] in ("COMPLETE", "FAIL")
        facets = [event["run"].get("facets", {}), event["job"].get("facets", {})]
        for each in event["inputs"] + event["outputs"]:
            facets += [each.get("facets", {}), each.get("outputFacets", {})]
        for facet in (facet for group in facets for facet in group.values()):
            assert facet["_producer"].startswith("http") and facet["_schemaURL"].startswith("http")


def test_lineage_that_cannot_be_written_stops_nothing(built, caplog, tmp_path):
    import dataclasses

    (tmp_path / "lineage").write_text("no folder")
    lineage.marts_published(dataclasses.replace(built.settings, home=tmp_path), 1, {"mart": 1})
    assert "No lineage was written" in caplog.text
