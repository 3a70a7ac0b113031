"""Every feed with its owner, its cadence, what came last and whether it is late: ``./neet feeds`` and its page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from neet import calendar
from neet.database import connect
from neet.feeds import landing, lateness, schedule
from neet.feeds.contract import Contract
from neet.feeds.dbt_properties import catalogue_numbers
from neet.feeds.schedule import NATIONAL, FeedState, Rule
from neet.settings import Settings

PLACE = "Europe/London"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

LAST = """
with numbered as (
    select delivery.*, row_number() over (partition by feed order by received_at desc, delivery_id desc) as newest_first,
           count(*) over (partition by feed) as deliveries,
           count(*) filter (where status = 'held') over (partition by feed) as held,
           count(*) filter (where status = 'refused') over (partition by feed) as refused,
           sum(case when status = 'accepted' then rows_in else 0 end) over (partition by feed) as all_rows,
           sum(case when status = 'accepted' then rows_rejected else 0 end) over (partition by feed) as all_rejects
    from control.delivery
    where mode <> 'decision' and la_code in (%(la_code)s, %(national)s)
)
select feed, (received_at at time zone %(place)s)::timestamp(0), provider, period, status, status_reason,
       rows_in, rows_rejected, deliveries, held, refused, all_rows, all_rejects
from numbered where newest_first = 1
"""


@dataclass(frozen=True)
class Row:
    """One feed as it stands.

    Attributes:
        numbers: of the catalogue of feeds, ``F-02``.
        cadence: when it is due, in words.
        received_at: England's time of the newest delivery, whatever became of it; ``None``: nothing ever came.
        status: of that delivery.
        reason: why it was held or refused.
        rows_in, rows_rejected: of that delivery.
        held: deliveries that wait for a person.
        refused: deliveries that could not be used.
        all_rows, all_rejects: of all accepted deliveries.
        state: ``late``, ``due``, ``received``, or ``None`` where nothing is expected yet.
        due_on: when the collection that ``state`` speaks of was due.
        late_since: first day of lateness.
        gates: gates that its lateness endangers.
    """

    feed: str
    title: str
    numbers: tuple[str, ...]
    owner_service: str
    source_system: str
    cadence: str
    received_at: dt.datetime | None = None
    provider: str | None = None
    period: str | None = None
    status: str | None = None
    reason: str | None = None
    rows_in: int = 0
    rows_rejected: int = 0
    deliveries: int = 0
    held: int = 0
    refused: int = 0
    all_rows: int = 0
    all_rejects: int = 0
    state: str | None = None
    due_on: dt.date | None = None
    late_since: dt.date | None = None
    gates: tuple[str, ...] = ()

    @property
    def reject_share(self) -> float:
        """Rejected rows of the rows of all accepted deliveries, 0 to 1."""
        return self.all_rejects / self.all_rows if self.all_rows else 0.0

    @property
    def needs_somebody(self) -> bool:
        """Whether a person has something to settle: lateness, a held file, or a refused one that came last."""
        return self.state == schedule.LATE or bool(self.held) or self.status == "refused"


def overview(settings: Settings, on: dt.date) -> list[Row]:
    """Every feed with a contract, in the order of the catalogue.

    Args:
        on: the day on which lateness is judged.
    Raises:
        neet.calendar.CalendarBroken, neet.calendar.CalendarEnd: the calendar does not say what is due.
        neet.feeds.sources.SourcesError, neet.feeds.contract.ContractError: a file is wrong.
    """
    with connect(settings.dsn("auditor")) as connection:
        came = _came(connection, settings.la_code)
        standing = lateness.standing(settings, connection, on, since=lateness.live_from(settings))
    states = {state.feed: state for state in standing}
    cadences = cadences_of(settings, on)
    rows = [
        _row(contract, cadences, came.get(contract.feed), states.get(contract.feed))
        for contract in landing.contracts_of(settings).values()
    ]
    return sorted(rows, key=lambda row: (not row.numbers, row.numbers, row.feed))


def _came(connection: psycopg.Connection, la_code: str) -> dict[str, tuple]:
    parameters = {"la_code": la_code, "national": NATIONAL, "place": PLACE}
    return {row[0]: row[1:] for row in connection.execute(LAST, parameters)}


def _row(
    contract: Contract,
    cadences: Mapping[str, str],
    came: tuple | None,
    state: FeedState | None,
) -> Row:
    said = {}
    if came:
        names = (
            "received_at", "provider", "period", "status", "reason", "rows_in", "rows_rejected", "deliveries",
            "held", "refused", "all_rows", "all_rejects",
        )  # fmt: skip
        said = dict(zip(names, came, strict=True))
        said |= {name: int(said[name]) for name in ("all_rows", "all_rejects")}
    if state:
        said |= {
            "state": state.state,
            "due_on": state.collection.due_on,
            "late_since": state.since,
            "gates": state.gates,
        }
    return Row(
        feed=contract.feed,
        title=contract.title,
        numbers=tuple(catalogue_numbers(contract)),
        owner_service=contract.owner_service,
        source_system=contract.source_system,
        cadence=cadences.get(contract.feed, "as it comes"),
        **said,
    )


def cadences_of(settings: Settings, on: dt.date) -> dict[str, str]:
    """When each feed is due, in words, by the rules in force on a day."""
    return {
        rule.feed: words(rule)
        for rule in schedule.rules(settings.la_code)
        if (rule.valid_from or dt.date.min) <= on < (rule.valid_to or dt.date.max)
    }


def words(rule: Rule) -> str:
    """A rule of the schedule as a person says it: ``monthly, working day 5, November to July``."""
    months = _months(rule.months)
    of_months = f", {months}" if months else ""
    match rule.rule:
        case "working_day":
            return f"every working day{of_months}"
        case "weekday":
            return f"every {WEEKDAYS[rule.day - 1]}{of_months}"
        case "month_working_day":
            return f"monthly, working day {rule.day} after the month{of_months}"
        case "census_point":
            days = "the working day" if rule.day == 1 else f"{rule.day} working days"
            return f"each census point, {days} before the run"
        case "term_working_day":
            terms = (
                "every term" if len(rule.terms) == 6 else f"terms {', '.join(map(str, rule.terms))}"
            )
            return f"{terms}, working day {rule.day}"
        case "year_day":
            if len(rule.months) == 1:
                end = calendar.month_end(f"2001-{rule.months[0]:02d}").day
                return f"yearly, {min(rule.day, end)} {months}"
            return f"at the end of {months}" if rule.day == 31 else f"day {rule.day} of {months}"
    return "as it comes"


def _months(months: tuple[int, ...]) -> str:
    """``November to July`` for months that follow each other, also over the new year."""
    names = [dt.date(2001, month, 1).strftime("%B") for month in months]
    follow = all(b == a % 12 + 1 for a, b in zip(months, months[1:], strict=False))
    if len(names) > 2 and follow:
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)


def page(settings: Settings, rows: list[Row], on: dt.date) -> str:
    """The feeds as one HTML page that needs nothing from a network."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("feeds_page.html.j2").render(
        rows=rows,
        on=on,
        la_code=settings.la_code,
        late=[row for row in rows if row.state == schedule.LATE],
        held=sum(row.held for row in rows),
        never=sum(not row.deliveries for row in rows),
        waiting=[row for row in rows if row.needs_somebody],
    )
