"""Collecting what source systems left in the inbox."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import psycopg
from airflow.sdk import Asset, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from operators.warehouse import WarehouseOperator, final


class ListFeedsOperator(WarehouseOperator):
    """Returns the feeds that have files to be taken: the mapped tasks of the next step."""

    def execute(self, context: Context) -> list[str]:
        from neet.feeds.contract import ContractError
        from neet.feeds.ingest import feeds_with_work

        with final(ContractError):
            feeds = feeds_with_work(self.settings, self.dsn)
        self.log.info("Feeds with files: %s", ", ".join(feeds) or "none")
        return feeds


class IngestFeedOperator(WarehouseOperator):
    """Lands and loads everything in the inbox of one feed; returns the feed and what became of each file."""

    template_fields: Sequence[str] = ("feed",)

    def __init__(self, *, feed: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.feed = feed

    def execute(self, context: Context) -> dict[str, Any]:
        from neet.feeds.contract import ContractError
        from neet.feeds.ingest import ingest_inbox

        with final(ContractError):
            results = ingest_inbox(self.settings, self.dsn, self.feed)
        if not results:
            self.log.info("Nothing is in the inbox of %s", self.feed)
        return {"feed": self.feed, "results": [dataclasses.asdict(result) for result in results]}


class AnnounceDeliveriesOperator(WarehouseOperator):
    """Tells the warehouse that the published marts are behind, by an asset event; skips when they are not.

    The event carries the collection's partition key, or the present day for a run without one, because a partitioned
    run's events reach partitioned consumers only.
    """

    def __init__(self, *, asset: Asset, **kwargs) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.asset = asset

    def execute(self, context: Context) -> str:
        from neet import live

        state = live.state(self.settings, self.dsn)
        if not state.is_behind:
            raise AirflowSkipException(f"Nothing to build. {state.words}")
        event = context["outlet_events"][self.asset]
        event.extra = {"accepted_seq": state.accepted_seq}
        if not context["dag_run"].partition_key:
            event.add_partitions(dt.datetime.now(dt.UTC).date().isoformat())
        self.log.info("%s", state.words)
        return state.words


class ReportUnsettledOperator(WarehouseOperator):
    """Fails when a file was held or refused, or a feed could not be fetched or loaded; the log says what, why and how to
    settle it. Feeds that are late are named as a warning, and written down as alerts on the day itself.

    Args:
        feeds: every feed that had a task.
        outcomes: what those tasks returned; one that failed returned nothing.
        sources: feeds that were to be fetched.
        fetched: what was fetched of each; a task that failed returned nothing.
    """

    template_fields: Sequence[str] = ("feeds", "outcomes", "sources", "fetched")

    def __init__(
        self, *, feeds: Any, outcomes: Any, sources: Any = None, fetched: Any = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.feeds = feeds
        self.outcomes = outcomes
        self.sources = sources
        self.fetched = fetched

    def _late_feeds(self, context: Context) -> int:
        from neet import alerts, calendar
        from neet.database import connect
        from neet.feeds import lateness
        from operators.sources import collection_day

        today = dt.datetime.now(calendar.ENGLAND).date()
        day = min(collection_day(context) or today, today)
        since = lateness.live_from(self.settings) if day == today else None
        try:
            with connect(self.dsn) as connection:
                late = lateness.late(self.settings, connection, day, since=since)
        except (calendar.CalendarEnd, calendar.CalendarBroken, ValueError, psycopg.Error) as error:
            self.log.warning("late_feeds: which feeds are late cannot be told: %s", error)
            return 0
        for state in late:
            endangers = f" It endangers {', '.join(state.gates)}." if state.gates else ""
            self.log.warning("late_feeds: %s%s", state.sentence, endangers)
            if day == today:
                alerts.raise_alert(
                    self.settings, "late_feed", state.feed, f"{state.sentence}{endangers}",
                    state.owner_service, day,
                )  # fmt: skip
        return len(late)

    def execute(self, context: Context) -> dict[str, int]:
        outcomes = list(self.outcomes or [])
        late = self._late_feeds(context)
        unfetched = len(list(self.sources or [])) - len(list(self.fetched or []))
        unsettled = (
            [
                f"NOT FETCHED: {unfetched} feeds; the log of their `fetch` task says which and why. Nothing half is in the inbox"
            ]
            if unfetched > 0
            else []
        )
        unsettled += [
            f"NOT LOADED {feed}: see the log of its task; its files are still in the inbox or in landing and are taken up "
            f"by the next run"
            for feed in sorted(set(self.feeds or []) - {outcome["feed"] for outcome in outcomes})
        ]
        counts: dict[str, int] = {}
        for result in (result for outcome in outcomes for result in outcome["results"]):
            counts[result["status"]] = counts.get(result["status"], 0) + 1
            what = f"{result['feed']} {result['period']}: {result['reason']}\n  file and reason: {result['landing_path']}"
            if result["status"] == "held":
                unsettled.append(
                    f"HELD {what}\n  settle it: ./neet release {result['delivery_id']} --by NAME --reason WHY "
                    f"(or ./neet discard ...)"
                )
            elif result["status"] == "refused":
                unsettled.append(
                    f"REFUSED {what}\n  mend it at its source and deliver it again; nothing of it was loaded"
                )
        if unsettled:
            raise AirflowFailException(
                "Not everything is in the warehouse. Owner: Management Information.\n"
                + "\n".join(unsettled)
            )
        return counts | ({"late_feeds": late} if late else {})
