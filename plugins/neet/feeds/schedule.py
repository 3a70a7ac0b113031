"""When each feed is due, what has come, what is late since when, and which gates that endangers.

The rules are rows of ``dbt_project/seeds/calendar/feed_schedule.csv``; what came is ``control.delivery``. A feed is
expected from the first delivery it ever sent, or from the day its source was configured to deliver
(``expectations/sources.yml``): what never was expected is never late.

=====================  ==========================================================================================
rule                   due
=====================  ==========================================================================================
``working_day``        every working day, with content of the working day before or later
``weekday``            every week on weekday ``day`` (1 = Monday), or the next working day
``month_working_day``  on working day ``day`` after each month reported, of ``months`` where they are given
``census_point``       ``day`` working days before the census run starts, with the snapshot of the month end
``term_working_day``   on working day ``day`` of each of ``terms``
``year_day``           on day ``day`` of each of ``months``, or the next working day
``ad_hoc``             never
=====================  ==========================================================================================
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from neet import calendar
from neet.calendar import DAY, Calendar, CalendarBroken, CalendarEnd
from neet.feeds import landing

FILE = "feed_schedule.csv"
RULES = (
    "working_day",
    "weekday",
    "month_working_day",
    "census_point",
    "term_working_day",
    "year_day",
    "ad_hoc",
)
NATIONAL = "ENG"
"""``la_code`` of what is delivered for the whole of England, once for every authority."""
RECEIVED, DUE, LATE = "received", "due", "late"


@dataclass(frozen=True)
class Rule:
    """One row of ``feed_schedule.csv``.

    Attributes:
        day: what it counts depends on the rule, see above.
        months: calendar months, 1 to 12; empty: all.
        terms: numbers of terms.
        opens_days: content counts for a collection from this many days before it is due; for
            ``month_working_day`` before the month's last day.
        lag_months: moves the date of the content before it is compared: what is published long after the year it
            is of, or before it.
        grace_days: days after the due day that nobody is chased.
        gates: ids of ``gates.csv`` that are endangered while the feed is late.
        blocks: whether lateness stops those gates, rather than warning the person who signs.
    """

    la_code: str
    feed: str
    rule: str
    day: int | None
    months: tuple[int, ...]
    terms: tuple[int, ...]
    opens_days: int
    lag_months: int
    grace_days: int
    gates: tuple[str, ...]
    blocks: bool
    valid_from: dt.date | None
    valid_to: dt.date | None
    source: str
    is_assumed: bool


@dataclass(frozen=True)
class Collection:
    """One time that a feed is due.

    Attributes:
        opens_on, closes_on: content dated in this half-open interval is for this collection.
        due_on: a working day.
        late_from: the first day on which it is late.
    """

    rule: Rule
    opens_on: dt.date
    closes_on: dt.date
    due_on: dt.date
    late_from: dt.date

    @property
    def feed(self) -> str:
        return self.rule.feed

    @property
    def name(self) -> str:
        """A name that stays: the feed and the due date."""
        return f"{self.feed} {self.due_on}"

    def takes(self, delivery: Delivery) -> bool:
        """Whether a delivery is for this collection."""
        if self.rule.rule == "census_point" and delivery.mode != "snapshot":
            return False
        return self.opens_on <= delivery.content_on(self.rule.lag_months) < self.closes_on


@dataclass(frozen=True)
class Delivery:
    """What lateness asks of a row of ``control.delivery``.

    Attributes:
        received_on: England's date of receipt.
    """

    la_code: str
    feed: str
    provider: str
    period: str
    as_at: dt.date | None
    mode: str
    status: str
    received_on: dt.date
    delivery_id: str

    def content_on(self, lag_months: int = 0) -> dt.date:
        """The date its content is of: as at, or the month's last day, or the year's first."""
        if self.as_at is not None:
            day = self.as_at
        elif calendar.POINT.fullmatch(self.period):
            day = calendar.month_end(self.period)
        else:
            day = landing.first_day(self.period)
        return _add_months(day, lag_months) if lag_months else day


@dataclass(frozen=True)
class FeedState:
    """How a feed stands on a day.

    Attributes:
        state: ``received``: the collection due last has come; ``due``: its grace still runs; ``late``.
        collection: the oldest that is missing, or else the one due last.
        missing: how many are missing: of a feed of snapshots one at most, since the next makes the last good.
        since: the first day of lateness, or ``None``.
        gates: gates it endangers while it is late.
        received_on: when the newest delivery came, or ``None``.
        trouble: what is known of a file for it that was refused or is held.
    """

    feed: str
    owner_service: str
    state: str
    collection: Collection
    missing: int
    since: dt.date | None
    gates: tuple[str, ...]
    blocks: bool
    received_on: dt.date | None
    trouble: str | None

    @property
    def sentence(self) -> str:
        """For a person: what is late, since when, whose it is."""
        times = f", {self.missing} times" if self.missing > 1 else ""
        last = f"the last came on {self.received_on}" if self.received_on else "none ever came"
        trouble = f"; {self.trouble}" if self.trouble else ""
        return (
            f"{self.feed} was due on {self.collection.due_on}{times}; {last}{trouble}. "
            f"Owner: {self.owner_service}."
        )


def _add_months(day: dt.date, months: int) -> dt.date:
    """The same day of another month, or that month's last."""
    index = day.year * 12 + day.month - 1 + months
    first = dt.date(index // 12, index % 12 + 1, 1)
    last = calendar.month_end(f"{first:%Y-%m}")
    return min(first + (day.day - 1) * DAY, last)


_read: dict[Path, tuple[tuple[int, int], list[Rule]]] = {}


def rules(
    la_code: str, folder: Path = calendar.FOLDER, facts: Calendar | None = None
) -> list[Rule]:
    """The rows of an authority and of England, by feed.

    Raises:
        CalendarBroken: a row cannot be read, contradicts another or names what does not exist.
    """
    file = folder / FILE
    if not file.exists():
        raise CalendarBroken(
            f"The calendar file {FILE} is missing: nothing says when a feed is due. Owner: {calendar.OWNER}."
        )
    signature = (file.stat().st_mtime_ns, file.stat().st_size)
    held = _read.get(file)
    if held is None or held[0] != signature:
        held = (signature, list(_rules_of(file, facts or calendar.load(folder))))
        _read[file] = held
    return [rule for rule in held[1] if rule.la_code in (la_code, NATIONAL)]


def _rules_of(file: Path, facts: Calendar) -> Iterator[Rule]:
    seen: dict[tuple[str, str], list[Rule]] = {}
    for row in calendar._rows(file):
        rule = Rule(
            la_code=row.text("la_code"),
            feed=row.text("feed"),
            rule=row.text("rule"),
            day=row.maybe("day", row.number),
            months=_numbers(row, "months"),
            terms=_numbers(row, "terms"),
            opens_days=row.maybe("opens_days", row.number) or 0,
            lag_months=row.maybe("lag_months", row.number) or 0,
            grace_days=row.number("grace_days"),
            gates=tuple((row.maybe("gates", row.text) or "").split()),
            blocks=row.flag("blocks"),
            valid_from=row.maybe("valid_from", row.date),
            valid_to=row.maybe("valid_to", row.date),
            source=row.text("source"),
            is_assumed=row.flag("assumed"),
        )
        if rule.rule not in RULES:
            raise row.broken("rule", f"is none of {', '.join(RULES)}")
        if rule.rule not in ("working_day", "ad_hoc") and rule.day is None:
            raise row.broken("day", f"must be given for {rule.rule}")
        if rule.day is not None and not 1 <= rule.day <= 31:
            raise row.broken("day", "is not from 1 to 31")
        if rule.rule == "weekday" and rule.day not in range(1, 8):
            raise row.broken("day", "is no day of the week from 1 (Monday) to 7")
        if not set(rule.months) <= set(range(1, 13)):
            raise row.broken("months", "holds something that is not a month")
        if rule.rule == "year_day" and not rule.months:
            raise row.broken("months", "must be given for year_day")
        if rule.rule == "term_working_day" and not rule.terms:
            raise row.broken("terms", "must be given for term_working_day")
        if rule.grace_days < 0 or rule.opens_days < 0:
            raise row.broken("grace_days", "or opens_days is below 0")
        if unknown := [gate for gate in rule.gates if gate not in facts.gates]:
            raise row.broken("gates", f"names {', '.join(unknown)}, no row of gates.csv")
        for other in seen.setdefault((rule.la_code, rule.feed), []):
            if (other.valid_from or dt.date.min) < (rule.valid_to or dt.date.max) and (
                rule.valid_from or dt.date.min
            ) < (other.valid_to or dt.date.max):
                raise row.broken("feed", "has two rows in force at once: which one holds?")
        seen[rule.la_code, rule.feed].append(rule)
        yield rule


def _numbers(row: calendar._Row, column: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in (row.maybe(column, row.text) or "").split())
    except ValueError:
        raise row.broken(column, "is not a list of numbers with blanks between") from None


def collections(
    la_code: str, first: dt.date, last: dt.date, facts: Calendar | None = None
) -> list[Collection]:
    """Every collection of every feed that is due from ``first`` to ``last``, both included, by due date and feed.

    Raises:
        CalendarBroken: a row is wrong.
        CalendarEnd: the calendar is not loaded for those days.
    """
    facts = facts or calendar.load()
    found: list[Collection] = []
    for rule in rules(la_code, facts.folder, facts):
        found += collections_of(rule, la_code, first, last, facts)
    return sorted(found, key=lambda each: (each.due_on, each.feed))


def collections_of(
    rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar
) -> list[Collection]:
    """The collections of one rule that are due from ``first`` to ``last``, both included, in order."""
    made = []
    for opens_on, closes_on, due_on in _DATES[rule.rule](rule, la_code, first, last, facts):
        in_force = (rule.valid_from or dt.date.min) <= due_on < (rule.valid_to or dt.date.max)
        if first <= due_on <= last and in_force:
            late_from = due_on + (rule.grace_days + 1) * DAY
            made.append(Collection(rule, opens_on, closes_on, due_on, late_from))
    return made


Dates = Iterator[tuple[dt.date, dt.date, dt.date]]


def _working(facts: Calendar, day: dt.date) -> dt.date:
    """The day itself, or the next working day."""
    while not facts.is_working_day(day):
        day += DAY
    return day


def _working_day_dates(
    rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar
) -> Dates:
    day = first
    before = first - DAY
    while not facts.is_working_day(before):
        before -= DAY
    while day <= last:
        if facts.is_working_day(day):
            if not rule.months or day.month in rule.months:
                yield before, day, day
            before = day
        day += DAY


def _weekday_dates(
    rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar
) -> Dates:
    week = dt.timedelta(days=7)
    day = first - week  # a bank holiday moves it on, never by a week
    day += (rule.day - day.isoweekday()) % 7 * DAY
    while day <= last:
        if not rule.months or day.month in rule.months:
            yield day - week + DAY, day + DAY, _working(facts, day)
        day += week


def _month_dates(rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar) -> Dates:
    end = calendar.month_end(f"{_add_months(first, -2):%Y-%m}")
    opens = rule.opens_days * DAY
    while end < last:
        following = calendar.month_end(f"{end + DAY:%Y-%m}")
        if not rule.months or end.month in rule.months:
            yield end - opens, following - opens, facts.add_working_days(end, rule.day)
        end = following


def _census_dates(
    rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar
) -> Dates:
    for point in facts.all_census_points(la_code):
        if point.due_on < first or point.period_end > last:
            continue
        day = point.due_on
        for _ in range(rule.day):
            day -= DAY
            while not facts.is_working_day(day):
                day -= DAY
        yield point.period_end, point.period_end + DAY, day


def _years(facts: Calendar, first: dt.date, last: dt.date) -> list:
    """Academic years that a span touches, with the one after, whose first collection ends the last."""
    until = last + dt.timedelta(days=366)
    return [
        year for year in facts.academic_years if year.ends_on >= first and year.starts_on <= until
    ]


def _following(rule: Rule, due: Iterable[dt.date]) -> Dates:
    """Each is open until the next one opens."""
    days = sorted(due)
    opens = [day - rule.opens_days * DAY for day in days]
    for day, opened, closed in zip(days, opens, [*opens[1:], dt.date.max], strict=True):
        yield opened, closed, day


def _term_dates(rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar) -> Dates:
    due = []
    for year in _years(facts, first, last):
        try:
            terms = facts.terms_of(la_code, year.academic_year)
        except CalendarEnd:
            if year.starts_on <= last:
                raise
            continue
        due += [
            facts.add_working_days(term.starts_on - DAY, rule.day)
            for term in terms
            if term.term_no in rule.terms
        ]
    return _following(rule, due)


def _year_dates(rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar) -> Dates:
    due = []
    for year in range(first.year - 1, last.year + 2):
        for month in rule.months:
            end = calendar.month_end(f"{year}-{month:02d}")
            day = min(dt.date(year, month, 1) + (rule.day - 1) * DAY, end)
            if facts.holidays_from <= day <= facts.holidays_to - 7 * DAY:
                due.append(_working(facts, day))
    return _following(rule, due)


def _never(rule: Rule, la_code: str, first: dt.date, last: dt.date, facts: Calendar) -> Dates:
    return iter(())


_DATES = {
    "working_day": _working_day_dates,
    "weekday": _weekday_dates,
    "month_working_day": _month_dates,
    "census_point": _census_dates,
    "term_working_day": _term_dates,
    "year_day": _year_dates,
    "ad_hoc": _never,
}

DELIVERIES = """
select la_code, feed, provider, period, as_at, mode, status,
       (received_at at time zone 'Europe/London')::date, delivery_id
from control.delivery
where mode <> 'decision' and la_code in (%(la_code)s, %(national)s)
  and (%(known_seq)s::bigint is null or delivery_seq <= %(known_seq)s)
order by received_at, delivery_id
"""


def deliveries(
    connection: psycopg.Connection, la_code: str, known_seq: int | None = None
) -> dict[str, list[Delivery]]:
    """Every delivery of each feed, in order of receipt.

    Args:
        known_seq: only those accepted by then, so that a gate's answer depends on its known time alone.
    """
    found: dict[str, list[Delivery]] = {}
    parameters = {"la_code": la_code, "national": NATIONAL, "known_seq": known_seq}
    for row in connection.execute(DELIVERIES, parameters):
        delivery = Delivery(*row)
        found.setdefault(delivery.feed, []).append(delivery)
    return found


def states(
    arrived: Mapping[str, list[Delivery]],
    la_code: str,
    on: dt.date,
    owners: Mapping[str, str],
    expected_from: Mapping[str, dt.date] | None = None,
    snapshots: Iterable[str] = (),
    facts: Calendar | None = None,
    since: dt.date | None = None,
) -> list[FeedState]:
    """How every expected feed stands on a day, by feed.

    Args:
        arrived: of :func:`deliveries`.
        on: the day; a gate asks for the day its run is due.
        owners: owner service of each feed; feeds without one have no contract and are left out.
        expected_from: first day on which a feed with a configured source is expected.
        snapshots: feeds whose newest delivery makes every older one good.
        since: what fell due before that day is not asked for.
    Raises:
        CalendarBroken, CalendarEnd: see :func:`collections`.
    """
    facts = facts or calendar.load()
    expected_from = expected_from or {}
    snapshots = set(snapshots)
    found = []
    for rule in rules(la_code, facts.folder, facts):
        if rule.feed not in owners:
            continue
        if not (rule.valid_from or dt.date.min) <= on < (rule.valid_to or dt.date.max):
            continue
        came = [
            each
            for each in arrived.get(rule.feed, ())
            if each.la_code == rule.la_code and _is_dated(each)
        ]
        begun = _expected_since(rule, came, expected_from.get(rule.feed))
        if begun is None or begun > on:
            continue
        first = max(begun, since or begun, facts.holidays_from + 14 * DAY)
        due = collections_of(rule, la_code, first, on, facts)
        due = [each for each in due if each.closes_on > begun]
        if due:
            found.append(_state(rule, due, came, on, owners[rule.feed], rule.feed in snapshots))
    return found


def _is_dated(delivery: Delivery) -> bool:
    """A refused file may not even say which period it is for."""
    try:
        delivery.content_on()
    except ValueError:
        return False
    return True


def _expected_since(rule: Rule, came: list[Delivery], configured: dt.date | None) -> dt.date | None:
    days = [each.content_on(rule.lag_months) for each in came if each.status != "refused"]
    if configured is not None:
        days.append(configured)
    return min(days, default=None)


def _state(
    rule: Rule,
    due: list[Collection],
    came: list[Delivery],
    on: dt.date,
    owner: str,
    is_snapshot: bool,
) -> FeedState:
    usable = [each for each in came if each.status != "refused"]
    content = sorted(
        each.content_on(rule.lag_months)
        for each in usable
        if rule.rule != "census_point" or each.mode == "snapshot"
    )
    missing = [each for each in due if not _holds_any(each, content)]
    if is_snapshot:  # a newer snapshot says all that an older one would have said
        missing = [each for each in missing if not content or content[-1] < each.opens_on]
    late = [each for each in missing if each.late_from <= on]
    shown = (late or missing or due[-1:])[0]
    trouble = None
    if missing:
        for each in reversed(came):
            if each.status in ("refused", "held") and shown.opens_on <= each.content_on(
                rule.lag_months
            ):
                trouble = (
                    f"the file received on {each.received_on} is {each.status} ({each.delivery_id})"
                )
                break
    return FeedState(
        feed=rule.feed,
        owner_service=owner,
        state=LATE if late else DUE if missing else RECEIVED,
        collection=shown,
        missing=min(1, len(missing)) if is_snapshot else len(late or missing),
        since=shown.late_from if late else None,
        gates=rule.gates if late else (),
        blocks=rule.blocks,
        received_on=max((each.received_on for each in usable), default=None),
        trouble=trouble,
    )


def _holds_any(collection: Collection, content: list[dt.date]) -> bool:
    index = bisect.bisect_left(content, collection.opens_on)
    return index < len(content) and content[index] < collection.closes_on
