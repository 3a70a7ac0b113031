"""
### Collect what the source systems left in the inbox

Every working day of England, before the office opens. What the sources of `expectations/sources.yml` hold ready is fetched
into the inbox; feeds that the calendar expects today are waited for, without a worker, until the cut-off
(`collection_cut_off` in `calendar_rules.csv`). Then one task for each feed that has files: each file is landed, read against its contract
and loaded, or held or refused with a reason. When readers' marts are behind, `build_warehouse` is set off.

**Partition key**: the day of collection, `YYYY-MM-DD`. A day that was missed needs no run of its own: the next run takes
everything that is there.

**Red means**

| task | what happened | what to do |
|---|---|---|
| `report` | a file was held, refused or not fetched; the log names it and says why; late feeds are warnings there | held: `./neet release` or `./neet discard`; refused: mend it at its source and deliver it again |
| `fetch` | a source did not answer, or a file is not taken; the log says which | the next run tries again by itself; clear the task to try now. A refused file: its owner must mend it |
| `wait` | `expectations/sources.yml` or the calendar is broken | put the file right that the log names |
| `load` | a feed could not be loaded, mostly because the database did not answer | clear the task; nothing is lost and nothing is loaded twice |
| `list_feeds` | a contract in `expectations/feeds/` is broken | put the file right that the log names |
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from operators.alerts import AlertNotifier
from operators.assets import ACCEPTED_DELIVERIES
from operators.feeds import (
    AnnounceDeliveriesOperator,
    IngestFeedOperator,
    ListFeedsOperator,
    ReportUnsettledOperator,
)
from operators.sources import AwaitSourcesOperator, FetchFeedOperator
from timetables import WorkingDayTimetable, live_from_environment

timetable = WorkingDayTimetable(live_from=live_from_environment())

with DAG(
    dag_id="ingest",
    description="Collects, checks and loads what the source systems delivered",
    schedule=timetable,
    start_date=datetime(2019, 9, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=8),
    on_failure_callback=AlertNotifier(),
    params={
        "wait_until": Param(
            None,
            type=["null", "string"],
            description="Wait until this moment (ISO) for feeds that are due, instead of the day's cut-off",
        )
    },
    doc_md=timetable.note + __doc__,
    tags=["neet", "feeds", *timetable.tags],
    default_args={
        "owner": "Management Information",
        "conn_id": "neet_loader",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(hours=1),
    },
):
    sources = AwaitSourcesOperator(
        task_id="wait",
        execution_timeout=timedelta(hours=6),
        doc_md="Waits, deferred, for the feeds that are due today; returns the feeds that have a source.",
    )
    fetch = FetchFeedOperator.partial(
        task_id="fetch",
        conn_id="neet_loader",
        map_index_template="{{ task.feed }}",
        doc_md="Fetches everything new of one feed into the inbox.",
    ).expand(feed=sources.output)
    feeds = ListFeedsOperator(
        task_id="list_feeds",
        trigger_rule="all_done",
        doc_md="Feeds that have files in the inbox or left undecided in landing.",
    )
    load = IngestFeedOperator.partial(
        task_id="load",
        conn_id="neet_loader",
        map_index_template="{{ task.feed }}",
        doc_md="Lands and loads the inbox of one feed.",
    ).expand(feed=feeds.output)
    announce = AnnounceDeliveriesOperator(
        task_id="announce",
        asset=ACCEPTED_DELIVERIES,
        trigger_rule="all_done",
        doc_md="Sets off `build_warehouse` when the marts are behind; skipped when they are not.",
    )
    report = ReportUnsettledOperator(
        task_id="report",
        feeds=feeds.output,
        outcomes=load.output,
        sources=sources.output,
        fetched=fetch.output,
        trigger_rule="all_done",
        retries=0,
        doc_md="Red when a file is held or refused: the log says which, why, and what to do.",
    )
    fetch >> feeds
    load >> [announce, report]
