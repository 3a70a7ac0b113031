"""Fetching what the source systems hold ready: waiting without a worker, then one task a feed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from neet.settings import Settings
from operators.warehouse import WarehouseOperator, final

POLL_SECONDS = (2, 60)
LOOKS = 30
"""A wait looks about this often at its sources, never more often nor seldomer than :data:`POLL_SECONDS`."""


class AwaitSourcesOperator(WarehouseOperator):
    """Waits until every feed that is due and has a source shows something new, or until the cut-off; returns the feeds
    that have a source: the mapped tasks of the next step.

    The wait is deferred: the triggerer looks, and no worker's slot is held. Nothing is waited for on another day than
    the partition's own, nor when nothing is configured; the parameter ``wait_until`` (ISO moment) waits in any case.
    """

    def execute(self, context: Context) -> list[str]:
        from neet import calendar
        from neet.database import connect
        from neet.feeds import landing, lateness, sources
        from neet.feeds.contract import ContractError

        with final(ContractError, sources.SourcesError, calendar.CalendarBroken, ValueError):
            configured = sorted(sources.sources_of(self.settings))
            if not configured:
                self.log.info("No feed has a source; all come by the inbox")
                return []
            today = dt.datetime.now(calendar.ENGLAND).date()
            day = collection_day(context) or today
            asked = context["params"].get("wait_until")
            if asked:
                until = landing.as_utc(dt.datetime.fromisoformat(asked))
            else:
                until = lateness.cut_off(self.settings.la_code, day)
            if (day != today and not asked) or until <= dt.datetime.now(dt.UTC):
                return configured
            with connect(self.dsn) as connection:
                awaited = lateness.awaited(self.settings, connection, day)
            missing = without_news(self.settings, awaited)
        if not missing:
            return configured
        self.log.info("Waiting until %s for %s", until, ", ".join(missing))
        self.defer(
            trigger=SourcesTrigger(feeds=missing, until=until.isoformat()),
            method_name="go_on",
        )

    def go_on(self, context: Context, event: dict[str, Any]) -> list[str]:
        """After the wait: what did not come is fetched all the same, should it come now, and reported as late."""
        from neet.feeds import sources

        if event["missing"]:
            self.log.warning(
                "Not there at the cut-off: %s. The run goes on without them.",
                ", ".join(event["missing"]),
            )
        return sorted(sources.sources_of(self.settings))


def collection_day(context: Context) -> dt.date | None:
    """The day of a run of ``ingest``, its partition key; None for a run by hand without one."""
    key = context["dag_run"].partition_key
    try:
        return dt.date.fromisoformat(key) if key else None
    except ValueError:
        return None


def without_news(settings: Settings, feeds: Sequence[str]) -> list[str]:
    """Those feeds none of whose sources shows something that was never taken. A source that does not answer shows
    nothing yet."""
    import logging

    from neet.feeds import fetching, sources
    from operators.stores import store_of

    configured = sources.sources_of(settings)
    missing = []
    for feed in feeds:
        for source in configured.get(feed, ()):
            try:
                with store_of(source) as store:
                    if fetching.news(settings, source, store):
                        break
            except sources.SourcesError as error:
                logging.getLogger(__name__).error("%s", error)
            except Exception as error:
                logging.getLogger(__name__).warning("%s: %s", source.words, error)
        else:
            missing.append(feed)
    return missing


class SourcesTrigger(BaseTrigger):
    """Looks at sources every so often, in the triggerer; says which feeds are still missing when all have come or the
    time is up.

    Args:
        feeds: what is waited for.
        until: ISO moment of the cut-off.
    """

    def __init__(self, feeds: list[str], until: str) -> None:
        super().__init__()
        self.feeds = feeds
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "operators.sources.SourcesTrigger",
            {"feeds": self.feeds, "until": self.until},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        until = dt.datetime.fromisoformat(self.until)
        missing = self.feeds
        begun = dt.datetime.now(dt.UTC)
        shortest, longest = POLL_SECONDS
        pause = min(longest, max(shortest, (until - begun).total_seconds() / LOOKS))
        while missing:
            left = (until - dt.datetime.now(dt.UTC)).total_seconds()
            if left <= 0:
                break
            await asyncio.sleep(min(pause, left))
            # In a thread: the client libraries wait for their servers, the triggerer's loop may not.
            missing = await asyncio.to_thread(without_news, Settings.load(), missing)
        yield TriggerEvent({"missing": missing})


class FetchFeedOperator(WarehouseOperator):
    """Fetches everything new from the sources of one feed into its inbox; returns the names of the files.

    Args:
        feed: a feed with a source.
    """

    template_fields: Sequence[str] = ("feed",)

    def __init__(self, *, feed: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.feed = feed

    def execute(self, context: Context) -> list[str]:
        from neet.feeds import fetching, landing, sources
        from neet.feeds.contract import ContractError
        from operators.stores import store_of

        fetched: list[str] = []
        failures: list[BaseException] = []
        with final(ContractError, sources.SourcesError):
            contract = landing.contract_of(self.settings, self.feed)
            for source in sources.sources_of(self.settings).get(self.feed, []):
                try:
                    with store_of(source) as store:
                        entries = fetching.fetch(self.settings, contract, source, store)
                    fetched += [entry.name for entry in entries]
                except ExceptionGroup as group:
                    failures += group.exceptions
                except sources.SourcesError:
                    raise
                except Exception as error:
                    failures.append(fetching.FetchFailed(f"{source.words}: {error}"))
        self.log.info("%s: %s", self.feed, ", ".join(fetched) or "nothing new")
        if failures:
            words = "\n".join(str(each) for each in failures)
            message = f"Not everything of {self.feed} was fetched. Owner: {contract.owner_service}.\n{words}"
            if all(isinstance(each, fetching.FetchRefused) for each in failures):
                raise AirflowFailException(message)
            raise RuntimeError(message)
        return fetched
