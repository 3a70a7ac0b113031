"""Runs ``duckdb_reference.sql`` on the raw rows of a warehouse and compares the outcome with the warehouse's.

The rows leave PostgreSQL as Parquet first (:func:`export`); a benchmark does that outside the timing, so that both
sides begin with stored rows of their own engine.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import psycopg

from neet.database import connect

HERE = Path(__file__).parent
RAW = {
    "raw_people": "select * from raw.core_plus_people",
    "raw_activities": "select * from raw.core_plus_activities",
    "raw_characteristics": "select * from raw.core_plus_characteristics",
    "delivery": "select delivery_seq, feed, as_at from control.delivery where status = 'accepted'",
    "submission": "select submission_id, census_point, outcome, delivery_seq from ledger.submission",
    "returned": "select submission_id, young_persons_id, cohort_status from submitted.return_record",
}
SEEDS = {
    "la": "codes/la_codes.csv",
    "activity_code": "codes/activity_codes.csv",
    "cohort_status": "codes/cohort_status_codes.csv",
    "characteristic_code": "codes/characteristic_codes.csv",
    "currency_rule": "policy/currency_rules.csv",
    "policy": "policy/policy.csv",
    "reporting_group": "kpi/reporting_group.csv",
    "duration_band": "kpi/neet_duration_band.csv",
    "kpi_definition": "kpi/kpi_definition.csv",
    "kpi_window": "kpi/kpi_window.csv",
}

# What must be equal: the reference's query, and the warehouse's. The reference has only the people the authority leads
# for, one basis, and no KPI that is held against the department's publications.
PAIRS = {
    "cohort month": (
        """select month_end, person, status, academic_age, year_group, district, activity, code, bucket, is_lapsed,
             is_participating, route, is_measured, is_counted, spell_number, neet_on, neet_days, known_neet_days,
             sen_group, is_vulnerable
           from cohort_month""",
        """select month_end, young_persons_id, cohort_status_code, academic_age, year_group, district_code, activity_id,
             month.activity_code, month.status_bucket, is_lapsed, is_participating, month.participation_route,
             is_measured, is_in_denominator, neet_spell_number, neet_start_on, neet_days, neet_days_without_not_known,
             sen_group, is_vulnerable
           from marts_neet.fct_cohort_month as month
           left join marts_neet.fct_activity_spell using (la_code, activity_spell_id)""",
    ),
    "segment": (
        """select person, began, over_on, activity, code, bucket, is_lapsed
           from segment where person in (select person from person)""",
        """select young_persons_id, starts_on, segment.ends_before, activity_id, segment.activity_code, segment.status_bucket,
             is_lapsed
           from intermediate.int_status_segment as segment
           join intermediate.int_young_person as person using (la_code, person_id)
           left join marts_neet.fct_activity_spell using (la_code, activity_spell_id)
           where has_lead_responsibility""",
    ),
    "NEET spell": (
        """select person, number, neet_on, first_neet_on, over_on, is_suspended, not_known_days, gap_days
           from spell where person in (select person from person)""",
        """select young_persons_id, neet_spell_number, neet_start_on, first_neet_on, ends_before, is_suspended,
             not_known_days, tolerated_gap_days
           from marts_neet.fct_neet_spell
           join intermediate.int_young_person using (la_code, person_id)
           where has_lead_responsibility""",
    ),
    "flow": (
        "select month_end, area_type, area, grp, measure, opening, joiners, leavers, closing from flow",
        """select month_end, area_type, area_code, group_code, measure, opening, joiners, leavers, closing
           from marts_neet.fct_flow where basis = 'restated'""",
    ),
    "KPI value": (
        "select kpi_id, period, ends_on, area_type, area, grp, numerator, denominator from kpi",
        """select kpi_id, period_code, period_end, area_type, area_code, group_code, numerator, denominator
           from marts_kpi.fct_kpi_value
           where basis = 'restated'
             and kpi_id in (select kpi_id from reference.kpi_definition where not needs_publication)""",
    ),
}  # fmt: skip


def export(dsn: str, folder: Path) -> None:
    """Write the raw rows as Parquet, one file a table.

    Args:
        dsn: of a role that may read raw, control, ledger and submitted: the builder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, query in RAW.items():
        text = folder / f"{name}.csv"
        with connect(dsn) as connection, text.open("wb") as file:
            statement = f"copy ({query}) to stdout (format csv, header)"
            with connection.cursor().copy(statement) as rows:
                for block in rows:
                    file.write(block)
        with duckdb.connect() as engine:
            engine.execute(
                f"copy (from read_csv('{text}', all_varchar = true, header = true)) to '{folder / name}.parquet'"
            )
        text.unlink()


def build(exported: Path, seeds: Path, threads: int = 2) -> duckdb.DuckDBPyConnection:
    """Everything the reference makes, in memory.

    Args:
        exported: what :func:`export` wrote.
        seeds: the seeds of the dbt project.
        threads: of DuckDB.
    """
    engine = duckdb.connect(config={"threads": threads})
    for name in RAW:
        columns = engine.sql(f"from '{exported / name}.parquet' limit 0").columns
        typed = [f"{c}::bigint as {c}" for c in columns if c == "delivery_seq"]
        typed += [f"{c}::date as {c}" for c in columns if c == "as_at"]
        replaced = f"replace ({', '.join(typed)})" if typed else ""
        engine.execute(
            f"create view {name} as select * {replaced} from '{exported / name}.parquet'"
        )
    for name, file in SEEDS.items():
        engine.execute(
            f"create table {name} as from read_csv('{seeds / file}', all_varchar = true, header = true)"
        )
    engine.execute((HERE / "duckdb_reference.sql").read_text())
    return engine


def differences(
    engine: duckdb.DuckDBPyConnection, connection: psycopg.Connection
) -> dict[str, tuple[int, set, set]]:
    """What of the live lineage is not as the reference has it.

    Returns:
        by subject: how many rows were compared, those of the reference alone, those of the warehouse alone.
    """
    found = {}
    for subject, (theirs, ours) in PAIRS.items():
        reference = engine.execute(theirs).fetchall()
        warehouse = connection.execute(ours).fetchall()
        there, here = set(reference), set(warehouse)
        if len(there) != len(reference) or len(here) != len(warehouse):
            raise AssertionError(f"{subject}: the same row twice")
        found[subject] = (len(warehouse), there - here, here - there)
    return found
