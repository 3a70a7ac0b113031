"""The collection schedule of schools, colleges and training providers: who owes which file, since when, and who was chased.

Who delivers is ``collection_provider.csv``, what each kind of provider delivers ``collection.csv``; when that is due are
the feed's collections of :mod:`neet.feeds.schedule`. A feed is collected from the first delivery that anybody made of it.
Chasing a provider is a decision, and so a delivery (design rule 6).

The mart ``fct_collection`` says the same as at the newest delivery it has seen; this module says it as at any day, now.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from neet import calendar, decisions
from neet.calendar import Calendar
from neet.database import connect
from neet.decisions import Decision
from neet.feeds import schedule
from neet.feeds.schedule import Delivery
from neet.settings import Settings

PROVIDERS, COLLECTIONS, DUE = "collection_provider.csv", "collection.csv", "collection_due.csv"
CHANNELS = Path("seeds/support/support_codes.csv")
CHANNEL_LIST = "contact_channel"
COMMAND = "python -m neet.feeds.collecting"
NOT_YET_DUE, IN_GRACE, RECEIVED, LATE, CHASED = "not_yet_due", "due", "received", "late", "chased"
STATES = {
    NOT_YET_DUE: "not yet due",
    IN_GRACE: "due",
    RECEIVED: "received",
    LATE: "late",
    CHASED: "late, chased",
}
OWING = (IN_GRACE, LATE, CHASED)


class CannotChase(ValueError):
    """There is nothing to chase; the message says why."""


class SeedStale(RuntimeError):
    """The due dates are not what the rules say and cannot be written; the message says what to run."""


@dataclass(frozen=True)
class Provider:
    """One row of ``collection_provider.csv``: a school by its DfE number, others by their UKPRN."""

    la_code: str
    provider: str
    name: str
    kind: str
    valid_from: dt.date | None
    valid_to: dt.date | None


@dataclass(frozen=True)
class Kind:
    """One row of ``collection.csv``: a feed that every provider of a kind delivers."""

    la_code: str
    kind: str
    feed: str
    name: str
    owner_service: str
    valid_from: dt.date | None
    valid_to: dt.date | None


@dataclass(frozen=True)
class Line:
    """One provider x collection x due date, as at a day.

    Attributes:
        opens_on, due_on, late_from: see :class:`neet.feeds.schedule.Collection`.
        received_on: when the first accepted file for it came, or ``None``.
        is_nil: the newest accepted file for it held no rows; ``None`` when none came.
        deliveries: accepted files for it: more than one is a resubmission.
        delivery_id: the newest of these.
        late_days: days after the due day, of the receipt or, while nothing came, so far.
        chased_count, last_chased_on: chases recorded for it.
        waiting_status, waiting_delivery_id: of a file for it that is held or was refused, while none was accepted.
    """

    la_code: str
    provider: str
    provider_name: str
    provider_kind: str
    feed: str
    collection_name: str
    owner_service: str
    opens_on: dt.date
    due_on: dt.date
    late_from: dt.date
    state: str
    received_on: dt.date | None = None
    is_nil: bool | None = None
    deliveries: int = 0
    delivery_id: str | None = None
    late_days: int = 0
    chased_count: int = 0
    last_chased_on: dt.date | None = None
    waiting_status: str | None = None
    waiting_delivery_id: str | None = None


@dataclass(frozen=True)
class Board:
    """The schedule of an authority, as at a day.

    Attributes:
        lines: by provider kind, feed, due date and provider.
        strangers: providers that delivered and are not in ``collection_provider.csv``, with their feeds.
    """

    la_code: str
    on: dt.date
    lines: tuple[Line, ...]
    strangers: tuple[tuple[str, str], ...]

    def narrowed(self, **wanted: str | None) -> Board:
        """Only lines with these values."""
        kept = tuple(
            line
            for line in self.lines
            if all(value is None or getattr(line, name) == value for name, value in wanted.items())
        )
        return replace(self, lines=kept)

    def within(self, first: dt.date, last: dt.date) -> Board:
        """Only due dates from ``first`` to ``last``, both included."""
        kept = tuple(line for line in self.lines if first <= line.due_on <= last)
        return replace(self, lines=kept)

    @property
    def owing(self) -> list[Line]:
        """What is due and has not come, the longest owed first."""
        owed = [line for line in self.lines if line.state in OWING]
        return sorted(owed, key=lambda line: (line.due_on, line.feed, line.provider))


def providers(la_code: str, folder: Path = calendar.FOLDER) -> list[Provider]:
    """Who delivers, in the order of the seed.

    Raises:
        neet.calendar.CalendarBroken: a row cannot be read.
    """
    return [
        Provider(
            row.text("la_code"), row.text("provider"), row.text("provider_name"), row.text("kind"),
            row.maybe("valid_from", row.date), row.maybe("valid_to", row.date),
        )
        for row in calendar._rows(folder / PROVIDERS)
        if row.text("la_code") == la_code
    ]  # fmt: skip


def kinds(la_code: str, folder: Path = calendar.FOLDER) -> list[Kind]:
    """What each kind of provider delivers, in the order of the seed.

    Raises:
        neet.calendar.CalendarBroken: a row cannot be read.
    """
    return [
        Kind(
            row.text("la_code"), row.text("kind"), row.text("feed"), row.text("collection_name"),
            row.text("owner_service_code"), row.maybe("valid_from", row.date), row.maybe("valid_to", row.date),
        )
        for row in calendar._rows(folder / COLLECTIONS)
        if row.text("la_code") == la_code
    ]  # fmt: skip


def _in_force(row: Provider | Kind, day: dt.date) -> bool:
    return (row.valid_from or dt.date.min) <= day < (row.valid_to or dt.date.max)


def due(la_code: str, facts: Calendar | None = None) -> list[schedule.Collection]:
    """Every due date of every collected feed, as far as the calendar is loaded, by feed and date.

    Raises:
        neet.calendar.CalendarBroken: a row is wrong.
    """
    facts = facts or calendar.load()
    feeds = {kind.feed for kind in kinds(la_code, facts.folder)}
    first, last = facts.academic_years[0].starts_on, facts.academic_years[-1].ends_on
    return [
        found
        for rule in schedule.rules(la_code, facts.folder, facts)
        if rule.feed in feeds
        for found in schedule.collections_of(rule, la_code, first, last, facts)
    ]


def due_rows(facts: Calendar | None = None) -> str:
    """``collection_due.csv`` as the rules have it: what dbt is told of due dates."""
    facts = facts or calendar.load()
    codes = sorted({row.text("la_code") for row in calendar._rows(facts.folder / COLLECTIONS)})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["la_code", "feed", "opens_on", "closes_on", "due_on", "late_from", "source", "assumed"]
    )
    for la_code in codes:
        for found in due(la_code, facts):
            writer.writerow(
                [la_code, found.feed, found.opens_on, found.closes_on, found.due_on, found.late_from,
                 f"made of {schedule.FILE} by {COMMAND}", str(found.rule.is_assumed).lower()]
            )  # fmt: skip
    return text.getvalue()


def write_due(settings: Settings) -> bool:
    """Bring ``collection_due.csv`` up to date; a file that is right is not touched.

    Returns:
        whether it was written.
    Raises:
        SeedStale: it is out of date in a folder that cannot be written to.
    """
    folder = settings.dbt_project / "seeds" / "calendar"
    path, text = folder / DUE, due_rows(calendar.load(folder))
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise SeedStale(
            f"{path} does not say what {schedule.FILE} says, and cannot be written ({error.strerror}). Run "
            f"`{COMMAND}` where the project can be changed, and install the result."
        ) from error
    return True


CHASES = """
select body ->> 'provider', body ->> 'feed', (body ->> 'due_on')::date, count(*), max((body ->> 'chased_on')::date)
from control.decision
where kind = 'chase' and la_code = %s and (body ->> 'chased_on')::date <= %s
group by 1, 2, 3
"""

ACCEPTED = """
select delivery_id, rows_in from control.delivery
where la_code = %s and status = 'accepted' and feed = any(%s)
"""


def board(
    connection: psycopg.Connection,
    la_code: str,
    on: dt.date,
    facts: Calendar | None = None,
) -> Board:
    """The schedule as at a day, up to the end of its academic year.

    Args:
        connection: of a role that may read ``control``.
    Raises:
        neet.calendar.CalendarBroken, neet.calendar.CalendarEnd: a row is wrong, or that day is not loaded.
    """
    facts = facts or calendar.load()
    until = facts.academic_year_of(on).ends_on
    what = kinds(la_code, facts.folder)
    who = providers(la_code, facts.folder)
    collected = due(la_code, facts)
    arrived = schedule.deliveries(connection, la_code)
    feeds = sorted({kind.feed for kind in what})
    rows_in = dict(connection.execute(ACCEPTED, [la_code, feeds]).fetchall())
    chased = {tuple(row[:3]): row[3:] for row in connection.execute(CHASES, [la_code, on])}
    came: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
    first: dict[str, dt.date] = {}
    for feed in feeds:
        for delivery in arrived.get(feed, ()):
            if not schedule._is_dated(delivery) or delivery.received_on > on:
                continue
            came[feed, delivery.provider].append(delivery)
            if delivery.status == "accepted":
                content = delivery.content_on()
                first[feed] = min(first.get(feed, content), content)
    lines = []
    for kind in what:
        for each in collected:
            if each.feed != kind.feed or each.due_on > until or not _in_force(kind, each.due_on):
                continue
            if kind.feed not in first or each.closes_on <= first[kind.feed]:
                continue
            for provider in who:
                if provider.kind == kind.kind and _in_force(provider, each.due_on):
                    line = Line(
                        la_code, provider.provider, provider.name, provider.kind, kind.feed, kind.name,
                        kind.owner_service, each.opens_on, each.due_on, each.late_from, NOT_YET_DUE,
                    )  # fmt: skip
                    files = [d for d in came[kind.feed, provider.provider] if each.takes(d)]
                    times = chased.get((provider.provider, kind.feed, each.due_on), (0, None))
                    lines.append(_filled(line, files, rows_in, times, on))
    listed = {provider.provider for provider in who}
    strangers = sorted((provider, feed) for feed, provider in came if provider not in listed)
    lines.sort(key=lambda line: (line.provider_kind, line.feed, line.due_on, line.provider))
    return Board(la_code, on, tuple(lines), tuple(strangers))


def _filled(
    line: Line,
    files: list[Delivery],
    rows_in: dict[str, int],
    chased: tuple[int, dt.date | None],
    on: dt.date,
) -> Line:
    accepted = [each for each in files if each.status == "accepted"]
    waiting = [each for each in files if each.status in ("held", "refused")]
    line = replace(line, chased_count=chased[0], last_chased_on=chased[1])
    if accepted:
        received_on = accepted[0].received_on
        return replace(
            line,
            state=RECEIVED,
            received_on=received_on,
            is_nil=rows_in[accepted[-1].delivery_id] == 0,
            deliveries=len(accepted),
            delivery_id=accepted[-1].delivery_id,
            late_days=max((received_on - line.due_on).days, 0),
        )
    state = CHASED if chased[0] else LATE
    if on < line.late_from:
        state = IN_GRACE if on >= line.due_on else NOT_YET_DUE
    return replace(
        line,
        state=state,
        late_days=max((on - line.due_on).days, 0),
        waiting_status=waiting[-1].status if waiting else None,
        waiting_delivery_id=waiting[-1].delivery_id if waiting else None,
    )


def chase(
    settings: Settings,
    provider: str,
    feed: str,
    by: str,
    channel: str,
    note: str,
    due_on: dt.date | None = None,
    on: dt.date | None = None,
) -> tuple[Decision, Line]:
    """Record that a provider was chased for a file that is due.

    The same chase of the same day, by the same person with the same words, is recorded once.

    Args:
        channel: a code of the list ``contact_channel``.
        note: what was said or agreed; it stands in the audit for good.
        due_on: which of the feed's due dates; default: the oldest that is owed.
        on: the day it was chased; default: today in England.
    Returns:
        the decision, and the line as it stood before.
    Raises:
        CannotChase: no such provider or collection, or nothing is owed.
        neet.decisions.DecisionError: ``by`` or ``note`` will not do.
    """
    known = channels(settings)
    if channel.upper() not in known:
        raise CannotChase(f"{channel!r} is no channel. Known: {', '.join(sorted(known))}.")
    today = england_today()
    on = on or today
    if on > today:
        raise CannotChase(f"{on} is not yet: a chase is recorded once it was made.")
    decisions.recover(settings, settings.dsn("gate"))
    with connect(settings.dsn("gate")) as connection:
        line = _owed(connection, settings.la_code, provider, feed, due_on, on)
    body = {
        "provider": provider,
        "feed": feed,
        "due_on": line.due_on,
        "channel": channel.upper(),
        "chased_on": on,
    }
    subject = f"{provider} {feed} {line.due_on}"
    decision = decisions.record(
        settings, settings.dsn("gate"), "chase", settings.la_code, subject, body, by, note
    )
    return decision, line


def _owed(
    connection: psycopg.Connection,
    la_code: str,
    provider: str,
    feed: str,
    due_on: dt.date | None,
    on: dt.date,
) -> Line:
    whole = board(connection, la_code, on)
    of_provider = whole.narrowed(provider=provider)
    if not of_provider.lines:
        listed = [each for each in providers(la_code) if each.provider == provider]
        raise CannotChase(
            f"Nothing is collected from {provider!r} of authority {la_code}: "
            + ("nobody has delivered its feeds yet." if listed else f"it has no row in {PROVIDERS}.")
        )  # fmt: skip
    lines = of_provider.narrowed(feed=feed).lines
    name = of_provider.lines[0].provider_name
    if not lines:
        feeds = sorted({line.feed for line in of_provider.lines})
        raise CannotChase(
            f"{feed!r} is not collected from {name} ({provider}); it delivers {', '.join(feeds)}."
        )
    if due_on is not None:
        lines = tuple(line for line in lines if line.due_on == due_on)
        if not lines:
            raise CannotChase(f"{feed} of {name} is not due on {due_on}; see `./neet collections`.")
    owing = [line for line in lines if line.state in OWING]
    if owing:
        return owing[0]
    came = [line for line in lines if line.received_on]
    if came:
        last = came[-1]
        raise CannotChase(
            f"{name} owes no {feed}: the one due on {last.due_on} came on {last.received_on} ({last.delivery_id})."
        )
    raise CannotChase(f"{feed} of {name} is not due before {lines[0].due_on}.")


def note(line: Line) -> str:
    """What a person should know of a line beyond its state."""
    if line.waiting_status == "held":
        return f"a file came and is held: `./neet held {line.waiting_delivery_id}`"
    if line.waiting_status == "refused":
        return f"a file came and was refused: {line.waiting_delivery_id}"
    parts = ["nil return"] if line.is_nil else []
    if line.deliveries > 1:
        parts.append(f"{line.deliveries} times")
    return ", ".join(parts)


def channels(settings: Settings) -> dict[str, str]:
    """Code and label of the ways to reach a provider."""
    with (settings.dbt_project / CHANNELS).open(newline="", encoding="utf-8") as handle:
        return {
            row["code"]: row["label"]
            for row in csv.DictReader(handle)
            if row["code_list"] == CHANNEL_LIST
        }


def england_today() -> dt.date:
    """Today's date in England."""
    from zoneinfo import ZoneInfo

    return dt.datetime.now(ZoneInfo("Europe/London")).date()


def summary(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """One row a collection and due date: how many were received, late, chased."""
    groups: dict[tuple[str, str, dt.date], list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.collection_name, line.feed, line.due_on].append(line)
    return [
        {
            "collection": name,
            "feed": feed,
            "due_on": due_on,
            "providers": len(of_date),
            "received": sum(line.state == RECEIVED for line in of_date),
            "nil": sum(bool(line.is_nil) for line in of_date),
            "received_late": sum(line.state == RECEIVED and line.late_days > 0 for line in of_date),
            "late": sum(line.state in (LATE, CHASED) for line in of_date),
            "chased": sum(line.chased_count > 0 for line in of_date),
            "owner_service": of_date[0].owner_service,
        }
        for (name, feed, due_on), of_date in sorted(groups.items(), key=lambda item: item[0][2])
    ]


def main() -> int:
    """Write the due dates; says whether anything changed."""
    settings = Settings.load()
    changed = write_due(settings)
    print(f"{DUE} {'was brought up to date' if changed else 'is up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
