"""What runs, what arrived, what is late and how the gates stand: the facts behind ``neet status``."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import psycopg
import yaml

from neet import calendar
from neet.database import connect
from neet.settings import NotSetUp, Settings

if TYPE_CHECKING:
    from neet.cli import Output

LAST_DELIVERIES = """
select distinct feed, provider, period, status, delivery_seq, received_at, rows_in, rows_rejected, status_reason
from (
    select *, row_number() over (partition by feed, provider order by received_at desc, delivery_id) as newest
    from control.delivery where mode <> 'decision'
) as numbered
where newest = 1
order by feed, provider
"""

HELD = """
select delivery_id, feed, provider, period, status_reason, received_at from control.delivery
where status = 'held' order by received_at
"""

GATES = """
select decided.census_point, decided.outcome, decided.decided_by, decided.decided_at, decided.reason,
       sealed.submission_id
from (
    select *, row_number() over (partition by la_code, census_point order by delivery_seq desc) as newest
    from assurance.gate_decision where la_code = %(la_code)s
) as decided
left join (
    select la_code, census_point, submission_id,
           row_number() over (partition by la_code, census_point order by chain_number desc) as newest
    from ledger.submission where outcome = 'sealed'
) as sealed
  on sealed.la_code = decided.la_code and sealed.census_point = decided.census_point and sealed.newest = 1
where decided.newest = 1
order by decided.census_point
"""


SETTLED = "select max(census_point) from ledger.submission where la_code = %(la_code)s"

ACCEPTED = """
select distinct feed from control.delivery
where la_code = %(la_code)s and status = 'accepted' and mode = 'snapshot' and period = %(period)s
"""


def late_feeds(connection: psycopg.Connection, settings: Settings, today: dt.date) -> list[dict]:
    """Feeds that the next return of the chain needs and does not have although its run was due.

    Returns:
        one entry a feed: ``census_point``, ``feed``, ``due_on``.
    """
    from neet.returns import ledger

    settled = connection.execute(SETTLED, {"la_code": settings.la_code}).fetchone()[0]
    points = calendar.load().all_census_points(settings.la_code)
    waiting = [
        point
        for point in points
        if (
            point.census_point > settled
            if settled
            else point.census_point >= ledger.start(settings.la_code)
        )
    ]
    if not waiting or waiting[0].due_on > today:
        return []
    point = waiting[0]
    gate = yaml.safe_load((settings.expectations / "gates" / "monthly_return.yml").read_text())
    arrived = connection.execute(
        ACCEPTED, {"la_code": settings.la_code, "period": point.period_end.isoformat()}
    ).fetchall()
    return [
        {"census_point": point.census_point, "feed": feed, "due_on": point.due_on}
        for feed in gate["required_feeds"]
        if (feed,) not in arrived
    ]


def status(
    settings: Settings,
    states: dict[str, str],
    crashes: list[dict],
    today: dt.date | None = None,
) -> dict[str, Any]:
    """Everything ``neet status`` shows, as plain data.

    Args:
        states: of the services, as Supervisor names them.
        crashes: unexpected ends of services, oldest first.
        today: for lateness; default: the present day.
    """
    today = today or dt.date.today()
    day_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).isoformat()
    found: dict[str, Any] = {
        "home": str(settings.home),
        "services": states,
        "crashes_last_day": [crash for crash in crashes if crash["at"] >= day_ago],
        "deliveries": [],
        "held": [],
        "late": [],
        "gates": [],
        "next_point": None,
    }
    try:
        upcoming = calendar.next_census_point(settings.la_code, today)
        found["next_point"] = {
            "census_point": upcoming.census_point,
            "period_end": upcoming.period_end,
            "due_on": upcoming.due_on,
        }
    except calendar.CalendarEnd as error:
        found["calendar"] = str(error)
    try:
        with connect(settings.dsn("auditor")) as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            found["deliveries"] = cursor.execute(LAST_DELIVERIES).fetchall()
            found["held"] = cursor.execute(HELD).fetchall()
            found["late"] = late_feeds(connection, settings, today)
            found["gates"] = cursor.execute(GATES, {"la_code": settings.la_code}).fetchall()
    except (NotSetUp, psycopg.OperationalError) as error:
        found["database"] = str(error).strip()
    return found


def print_status(output: Output, found: dict[str, Any], url: str | None) -> None:
    """The same for a person, worst news first."""
    services = found["services"]
    if not services:
        output.table(
            "Services", ["service", "state"], [("all", "stopped: `./neet up` starts them")]
        )
    else:
        output.table("Services", ["service", "state"], list(services.items()))
    output.table(
        "Crashes in the last day",
        ["service", "when", "what"],
        [(c["name"], c["at"], c["state"]) for c in found["crashes_last_day"]] or [("none", "", "")],
    )
    if "database" in found:  # what cannot be asked is unknown, not none
        if not output.as_json:
            output.console.print(
                f"\nThe warehouse does not answer: {found['database']}", markup=False
            )
        return
    output.table(
        "Held: a person must release or discard them",
        ["delivery", "feed", "period", "why"],
        [(h["delivery_id"], h["feed"], h["period"], h["status_reason"]) for h in found["held"]]
        or [("none", "", "", "")],
    )
    output.table(
        "Late: the next return needs them and its run was due",
        ["census point", "feed", "due on"],
        [(late["census_point"], late["feed"], late["due_on"]) for late in found["late"]]
        or [("none", "", "")],
    )
    output.table(
        "Newest delivery of each feed",
        ["feed", "provider", "period", "status", "seq", "rows", "rejected"],
        [
            (d["feed"], d["provider"], d["period"], d["status"], d["delivery_seq"], d["rows_in"], d["rows_rejected"])
            for d in found["deliveries"]
        ]
        or [("none", "", "", "", "", "", "")],
    )  # fmt: skip
    output.table(
        "Census points",
        ["point", "gate", "by", "when", "sealed as"],
        [
            (g["census_point"], g["outcome"], g["decided_by"],
             f"{g['decided_at']:%Y-%m-%d %H:%M}", g["submission_id"])
            for g in found["gates"]
        ]
        or [("none", "", "", "", "")],
    )  # fmt: skip
    upcoming = found["next_point"]
    if upcoming and not output.as_json:
        output.console.print(
            f"\nNext census point: {upcoming['census_point']}, due {upcoming['due_on']}",
            markup=False,
        )
    if found.get("calendar") and not output.as_json:
        output.console.print(found["calendar"], markup=False)
    if url and not output.as_json:
        output.console.print(f"Airflow: {url}", markup=False)
