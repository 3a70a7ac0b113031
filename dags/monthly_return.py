"""
### The monthly NCCIS return of one census point

Starts by itself on the working day that `census_points.csv` gives the point; points missed while nothing ran are caught
up in order. **Partition key**: the census point, `YYYY-MM`. Green means a sealed package exists; red means it does not.

| task | does | red means | what to do |
|---|---|---|---|
| `resolve` | fixes the point and what the run sees (`known_seq`) | no partition key, a point outside the calendar, or nothing delivered | the log says which |
| `build_census` | builds the return at that known time, in a schema of its own | a model or data test failed | the log names it; clear the task after mending |
| `check` | runs every rule of the gate and records the decision | the database did not answer, or the decision could not be recorded | clear the task |
| `decide` | lets a return through that passed | **the gate blocks the return**; the log names each check, its owner and how to mend it | mend Core+ and deliver, or waive; then run the point again |
| `prepare` | writes the bytes that would be sealed | the schema is not of this run | run the point again |
| `sign_off` | asks a person: approve or reject | nobody answered in three weeks, or these figures were refused before | clear the task to ask again |
| `conclude` | seals, or records the refusal | **refused**, or the point before is neither sealed nor recorded as not sent | the log says which and what comes first |

A sealed return sets off `build_warehouse`: what was submitted stands in the published marts minutes later.

Run a point: `./neet census 2021-12`, or trigger with a partition key, or a backfill over partition dates (the first of
each month). Sign it: the *Required Actions* page, or `./neet census 2021-12 --sign --by "NAME"`. An earlier known time:
trigger with `{"known_at": "2022-01-13T07:00:00+00:00"}` or `{"known_seq": 41}`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from neet.settings import Settings
from operators.assets import ACCEPTED_DELIVERIES
from operators.census import (
    BuildCensusOperator,
    CheckReturnOperator,
    DecideOperator,
    PrepareReturnOperator,
    RecordAnswerOperator,
    ResolveCensusOperator,
    SignOffOperator,
)
from timetables import CensusPointTimetable, live_from_environment

la_code = Settings.load().la_code
timetable = CensusPointTimetable(la_code, live_from=live_from_environment())

with DAG(
    dag_id="monthly_return",
    description="One census point: build, check, sign and seal the NCCIS return",
    schedule=timetable,
    start_date=datetime(2021, 9, 1, tzinfo=UTC),
    catchup=True,
    max_active_runs=1,
    dagrun_timeout=timedelta(days=30),
    doc_md=timetable.note + __doc__,
    tags=["neet", "return", "gate", *timetable.tags],
    params={
        "la_code": Param(
            la_code, type="string", pattern="^[0-9]{3}$", description="Local authority"
        ),
        "known_seq": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            description="See deliveries up to this one; default: all accepted when the run starts",
        ),
        "known_at": Param(
            None,
            type=["null", "string"],
            description="See what was accepted by this moment (ISO, UTC); not with known_seq",
        ),
    },
    default_args={
        "owner": "Management Information",
        "conn_id": "neet_gate",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(hours=2),
    },
):
    resolve = ResolveCensusOperator(
        task_id="resolve", doc_md="Fixes the census point and the known time, once for all tasks."
    )
    build_census = BuildCensusOperator(
        task_id="build_census",
        conn_id="neet_builder",
        run=resolve.output,
        doc_md="Builds the return and its measures in the schema of this point.",
    )
    check = CheckReturnOperator(
        task_id="check",
        run=resolve.output,
        doc_md="Judges the return and records the decision: green whether it passed or not.",
    )
    decide = DecideOperator(
        task_id="decide",
        run=resolve.output,
        gate=check.output,
        retries=0,
        doc_md="Red when the gate blocks the return: the log names checks, owners and what to mend.",
    )
    prepare = PrepareReturnOperator(
        task_id="prepare",
        run=resolve.output,
        gate_decision_id=decide.output,
        doc_md="Writes the candidate: the bytes that would be sealed.",
    )
    sign_off = SignOffOperator(
        task_id="sign_off",
        run=resolve.output,
        candidate=prepare.output,
        gate=check.output,
        response_timeout=timedelta(days=21),
        retries=3,
        retry_delay=timedelta(seconds=2),
        doc_md="Waits for a person to approve or reject. An answer without a name or reason is asked again.",
    )
    conclude = RecordAnswerOperator(
        task_id="conclude",
        run=resolve.output,
        candidate=prepare.output,
        answer=sign_off.output,
        outlets=[ACCEPTED_DELIVERIES],
        doc_md="Seals the package, or records the refusal and ends red: there is no package then.",
    )
    resolve >> build_census >> check >> decide >> prepare >> sign_off >> conclude
