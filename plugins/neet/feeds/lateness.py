"""Which feeds are late: the schedule, the contracts, the sources and what came, put together for those who ask.

Three ask: ``neet status`` and the ``report`` of the collection about today, a gate about the day its run is due and the
deliveries its run can know of.
"""

from __future__ import annotations

import datetime as dt
import json
import os

import psycopg

from neet import calendar
from neet.feeds import landing, schedule, sources
from neet.feeds.schedule import DUE, LATE, FeedState
from neet.settings import Settings


def standing(
    settings: Settings,
    connection: psycopg.Connection,
    on: dt.date,
    known_seq: int | None = None,
    since: dt.date | None = None,
) -> list[FeedState]:
    """How every expected feed stands on a day, by feed.

    Args:
        connection: of a role that may read ``control``.
        known_seq: judge by what was accepted by then.
        since: what fell due before that day is not asked for; default: as far back as the feed is expected.
    Raises:
        neet.calendar.CalendarBroken, neet.calendar.CalendarEnd: the calendar does not say.
        neet.feeds.sources.SourcesError, neet.feeds.contract.ContractError: a file is wrong.
    """
    contracts = landing.contracts_of(settings)
    configured = {
        feed: min(each.expected_from for each in listed)
        for feed, listed in sources.sources_of(settings).items()
    }
    return schedule.states(
        schedule.deliveries(connection, settings.la_code, known_seq),
        settings.la_code,
        on,
        {feed: contract.owner_service for feed, contract in contracts.items()},
        configured,
        [feed for feed, contract in contracts.items() if "snapshot" in contract.modes],
        since=since,
    )


def late(
    settings: Settings,
    connection: psycopg.Connection,
    on: dt.date,
    known_seq: int | None = None,
    since: dt.date | None = None,
) -> list[FeedState]:
    """The late ones of :func:`standing`, those that endanger a gate first, then the longest late."""
    found = [s for s in standing(settings, connection, on, known_seq, since) if s.state == LATE]
    return sorted(found, key=lambda state: (not state.gates, state.since, state.feed))


def awaited(settings: Settings, connection: psycopg.Connection, on: dt.date) -> list[str]:
    """Feeds with a source that is worth waiting for on a day: something is due and still in its days of grace. What is
    late already is not waited for, or a sender who has stopped would hold up everybody's files every morning."""
    configured = sources.sources_of(settings)
    if not configured:
        return []
    return [
        state.feed
        for state in standing(settings, connection, on)
        if state.feed in configured and state.state == DUE
    ]


def cut_off(la_code: str, day: dt.date) -> dt.datetime:
    """Until when a collection waits; sooner on the day of a census run, which must find what has come loaded.

    Raises:
        neet.calendar.CalendarBroken, neet.calendar.CalendarEnd: the calendar does not say.
    """
    facts = calendar.load()
    is_census_day = any(point.due_on == day for point in facts.all_census_points(la_code))
    return facts.moment(
        "collection_cut_off_census_day" if is_census_day else "collection_cut_off", day
    )


def live_from(settings: Settings) -> dt.date | None:
    """The day this installation went live; what fell due before it is not chased, or a loaded past would all be late.

    ``NEET_LIVE_FROM``, or what ``neet up`` wrote down; None where neither is.
    """
    told = os.environ.get("NEET_LIVE_FROM")
    if not told:
        try:
            told = json.loads((settings.run / "installation.json").read_text())["live_from"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
    try:
        return dt.datetime.fromisoformat(told).date()
    except ValueError:
        return None


def at_gate(
    settings: Settings, connection: psycopg.Connection, la_code: str, point: str, known_seq: int
) -> list[tuple[FeedState, bool]]:
    """The feeds that the gate of a census point depends on, as they stand on the day its run is due.

    Returns:
        each with whether the return is made without it: days of grace are for the sender, not for the figures.
    Raises:
        see :func:`standing`.
    """
    census = calendar.census_point(la_code, point)
    gates = {
        rule.feed: rule.gates for rule in schedule.rules(la_code) if census.gate_id in rule.gates
    }
    return [
        (state, state.state in (LATE, DUE) and state.collection.due_on < census.due_on)
        for state in standing(settings, connection, census.due_on, known_seq)
        if state.feed in gates
    ]
