"""
### Build the marts and publish them

Set off by `ingest` whenever something was accepted, or decided, that readers have not seen, and by `monthly_return` when
a return is sealed. The first task fixes what the
build sees (`known_seq`) once; the others go on with it, one a layer; the last shows all marts at once. Until then readers
see the former build, whole. When everything is published already, all tasks are skipped.

To build all the same, trigger it with `{"rebuild": true}`. A build brings up to date what changed since the last one, and
finds out by itself when code or seeds have changed; `{"full_refresh": true}` makes every table anew.

**Red means** that readers still see the former build. The log of the red task names the model or data test, what it says
and how to resolve it. Mend the cause and trigger the DAG, or clear the red task to go on where it stopped. "Another
process is building": wait; the task tries again by itself.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, PartitionedAssetTimetable

from operators.assets import ACCEPTED_DELIVERIES
from operators.transform import BeginLiveBuildOperator, BuildLayerOperator, PublishOperator

with DAG(
    dag_id="build_warehouse",
    description="Builds the marts from everything accepted and publishes them at once",
    schedule=PartitionedAssetTimetable(assets=ACCEPTED_DELIVERIES),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    doc_md=__doc__,
    tags=["neet", "marts"],
    params={
        "rebuild": Param(
            False, type="boolean", description="Build even when everything is published already"
        ),
        "full_refresh": Param(
            False, type="boolean", description="Make every table anew, whatever changed"
        ),
    },
    default_args={
        "owner": "Data engineering",
        "conn_id": "neet_builder",
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(hours=2),
    },
):
    seeds = BeginLiveBuildOperator(
        task_id="seeds", doc_md="Fixes what this build sees, begins it, and loads the seeds."
    )
    hist = BuildLayerOperator(
        task_id="hist",
        layer="hist",
        build=seeds.output,
        doc_md="Every version of every row, with when it was known.",
    )
    identity = BuildLayerOperator(
        task_id="identity",
        layer="identity",
        build=seeds.output,
        doc_md="Who each record of each system is about: linkage, and its queue.",
    )
    intermediate = BuildLayerOperator(
        task_id="intermediate",
        layer="intermediate",
        build=seeds.output,
        doc_md="People, their status segments and their months.",
    )
    marts = BuildLayerOperator(
        task_id="marts",
        layer="marts",
        build=seeds.output,
        doc_md="Facts, KPIs and the return, with their contracts and tests.",
    )
    publish = PublishOperator(
        task_id="publish",
        build=seeds.output,
        doc_md="Shows the whole build to readers in one transaction.",
    )
    seeds >> hist >> identity >> intermediate >> marts >> publish
