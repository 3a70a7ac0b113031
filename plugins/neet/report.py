"""What runs, what arrived, what is late, how the gates stand and what to do next: behind ``neet status``.

It answers in a second at any size: a few small queries, and nothing heavy is imported.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import yaml
from psycopg.rows import dict_row

from neet import calendar, progress
from neet.feeds import lateness
from neet.feeds.contract import ContractError
from neet.feeds.landing import contracts_of
from neet.feeds.sources import SourcesError
from neet.settings import NotSetUp, Settings

if TYPE_CHECKING:
    from neet.cli import Output

LAST_DELIVERIES = """
select numbered.feed, provider, providers, period, status, delivery_seq, received_at, rows_in, rows_rejected, status_reason
from (
    select *, row_number() over (partition by feed order by received_at desc, delivery_id) as newest
    from control.delivery where mode <> 'decision'
) as numbered
inner join (
    select feed, count(distinct provider) as providers from control.delivery where mode <> 'decision' group by feed
) as counted
  on counted.feed = numbered.feed
where newest = 1
order by numbered.feed
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


PUBLISHED = """
select published.build_id, published.known_seq, published.finished_at, accepted.delivery_seq as accepted_seq
from (
    select max(delivery_seq) as delivery_seq from control.delivery where status = 'accepted'
) as accepted
left join (
    select build_id, known_seq, finished_at from control.build
    where lineage = 'live' and status = 'published' order by build_id desc limit 1
) as published on true
"""

# Airflow has no other way to say this that answers while its web server is down or busy; these columns are as they are
# since Airflow 2.2, and where they should change, status says that it cannot tell.
RUNNING = """
select instance.dag_id, run.partition_key, instance.task_id, instance.map_index, instance.state,
       instance.start_date as started_at
from task_instance as instance
inner join dag_run as run on run.dag_id = instance.dag_id and run.run_id = instance.run_id
where run.state = 'running' and instance.state in ('running', 'deferred', 'awaiting_input', 'up_for_retry')
order by instance.start_date nulls last, instance.dag_id, instance.task_id, instance.map_index
"""

HEARTBEATS = """
select job_type, max(latest_heartbeat) as latest from job where state = 'running' group by job_type
"""
DAEMON_OF_JOB = {
    "SchedulerJob": "scheduler",
    "DagProcessorJob": "dag-processor",
    "TriggererJob": "triggerer",
}
SILENT_SECONDS = 90
CONNECT_SECONDS = 3
HINTS_OF_A_KIND = 3

SETTLED = "select max(census_point) from ledger.submission where la_code = %(la_code)s"

ACCEPTED = """
select distinct feed from control.delivery
where la_code = %(la_code)s and status = 'accepted' and mode = 'snapshot' and period = %(period)s
"""


def late_feeds(connection: psycopg.Connection, settings: Settings, today: dt.date) -> list[dict]:
    """Every feed that is late: first what the next return waits for, then what the calendar expected since the
    installation went live.

    Returns:
        one entry a feed: ``feed``, ``due_on``, ``since``, ``owner_service``, ``gates``, ``census_point`` (of the return
        that waits for it, or None), ``sentence``.
    Raises:
        neet.calendar.CalendarBroken, neet.calendar.CalendarEnd, neet.feeds.sources.SourcesError: a file is wrong.
    """
    waiting = _next_return(connection, settings, today)
    owners = {feed: contract.owner_service for feed, contract in contracts_of(settings).items()}
    found = [
        entry
        | {
            "since": entry["due_on"],
            "owner_service": owners.get(entry["feed"]),
            "gates": [calendar.census_point(settings.la_code, entry["census_point"]).gate_id],
            "sentence": f"the return of {entry['census_point']} waits for {entry['feed']}",
        }
        for entry in waiting
    ]
    named = {entry["feed"] for entry in found}
    since = lateness.live_from(settings)
    for state in lateness.late(settings, connection, today, since=since):
        if state.feed not in named:
            found.append(
                {
                    "census_point": None,
                    "feed": state.feed,
                    "due_on": state.collection.due_on,
                    "since": state.since,
                    "owner_service": state.owner_service,
                    "gates": list(state.gates),
                    "sentence": state.sentence,
                }
            )
    return found


def _next_return(connection: psycopg.Connection, settings: Settings, today: dt.date) -> list[dict]:
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


@contextlib.contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection that does not wait long for a server that is not there."""
    with psycopg.connect(
        dsn, connect_timeout=CONNECT_SECONDS, options="-c TimeZone=UTC -c statement_timeout=10s"
    ) as connection:
        connection.read_only = True
        yield connection


def status(
    settings: Settings,
    states: dict[str, str],
    crashes: list[dict],
    today: dt.date | None = None,
    airflow_dsn: str | None = None,
) -> dict[str, Any]:
    """Everything ``neet status`` shows, as plain data. Whatever does not answer is named, not raised.

    Args:
        states: of the services, as Supervisor names them.
        crashes: unexpected ends of services, oldest first.
        today: for lateness; default: the present day.
        airflow_dsn: of Airflow's metadata; ``None`` leaves out what runs in Airflow.
    Returns:
        ``database`` is there only when the warehouse does not answer, ``airflow`` only when Airflow's metadata does
        not: it says why. ``supervised`` is false where `neet up` never ran: containers run the services there, or
        nothing does. ``running`` is None where it is not known. ``next`` holds one sentence for each thing a person should do, most pressing first.
    """
    today = today or dt.date.today()
    day_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).isoformat()
    found: dict[str, Any] = {
        "home": str(settings.home),
        "supervised": (settings.run / "installation.json").exists(),
        "services": states,
        "silent": {},
        "newest_crash": crashes[-1] if crashes else None,
        "crashes_last_day": [crash for crash in crashes if crash["at"] >= day_ago],
        "running": None,
        "progress": progress.running(settings),
        "published": None,
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
        with _connected(settings.dsn("auditor")) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            found["published"] = cursor.execute(PUBLISHED).fetchone()
            found["deliveries"] = cursor.execute(LAST_DELIVERIES).fetchall()
            found["held"] = cursor.execute(HELD).fetchall()
            try:
                found["late"] = late_feeds(connection, settings, today)
            except (
                calendar.CalendarEnd,
                calendar.CalendarBroken,
                SourcesError,
                ContractError,
            ) as error:
                found["late_unknown"] = str(error)
            found["gates"] = cursor.execute(GATES, {"la_code": settings.la_code}).fetchall()
    except (NotSetUp, psycopg.Error) as error:
        found["database"] = _reason(error)
    if airflow_dsn and "database" not in found:
        try:
            with _connected(airflow_dsn) as connection:
                cursor = connection.cursor(row_factory=dict_row)
                found["running"] = cursor.execute(RUNNING).fetchall()
                found["silent"] = _silent(cursor.execute(HEARTBEATS).fetchall(), states)
        except psycopg.Error as error:
            found["airflow"] = _reason(error)
    found["next"] = _what_next(settings, found)
    return found


def is_well(found: dict[str, Any]) -> bool:
    """Whether every service that is known here runs, and what was asked answers."""
    states = found["services"]
    runs = set(states.values()) == {"RUNNING"} if states else not found["supervised"]
    return runs and "database" not in found and "airflow" not in found


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _silent(heartbeats: list[dict], states: dict[str, str]) -> dict[str, int]:
    """Daemons that run and have not been heard of for too long, with the seconds."""
    now = dt.datetime.now(dt.UTC)
    silent = {}
    for row in heartbeats:
        daemon = DAEMON_OF_JOB.get(row["job_type"])
        if daemon and states.get(daemon) == "RUNNING" and row["latest"] is not None:
            seconds = int((now - row["latest"]).total_seconds())
            if seconds > SILENT_SECONDS:
                silent[daemon] = seconds
    return silent


def _what_next(settings: Settings, found: dict[str, Any]) -> list[str]:
    """One sentence for each thing a person should do, most pressing first."""
    hints = _services_next(settings, found)
    if "database" not in found:
        hints += _data_next(settings, found)
    upcoming = found["next_point"]
    if not hints and upcoming:
        hints.append(
            f"Nothing needs you. The next census point is {upcoming['census_point']}, due {upcoming['due_on']}."
        )
    if not upcoming:
        hints.append(found["calendar"])
    return hints


def _services_next(settings: Settings, found: dict[str, Any]) -> list[str]:
    states = found["services"]
    if not found["supervised"] and "database" in found:
        return ["Nothing is set up here. Type `./neet up` (or `make demo` for a synthetic county)."]
    if not states and "database" in found:
        return ["Everything is stopped. Type `./neet up`; nothing is lost meanwhile."]
    if not states and found["supervised"]:
        return [
            "The database answers, but Supervisor does not run, and Airflow with it. Type `./neet up`."
        ]
    hints = []
    down = [name for name, state in states.items() if state != "RUNNING"]
    if down:
        logs = ", ".join(str(settings.logs / f"{name}.log") for name in down)
        hints.append(
            f"{', '.join(down)} {'is' if len(down) == 1 else 'are'} not running. Type `./neet up`; if it fails again, "
            f"the end of {logs} says why."
        )
    elif "database" in found:
        hints.append(
            f"PostgreSQL runs but does not answer ({found['database']}). Look at the end of "
            f"{settings.logs / 'postgres.log'}; `./neet down` and `./neet up` start it anew."
        )
    if "airflow" in found:
        hints.append(
            f"Airflow's metadata does not answer ({found['airflow']}), so what runs is not known. Type `./neet up`."
        )
    for daemon, seconds in found["silent"].items():
        hints.append(
            f"The {daemon} runs but has not been heard of for {seconds} s. Look at {settings.logs / f'{daemon}.log'}; "
            "`./neet down` and `./neet up` start it anew."
        )
    return hints


def _data_next(settings: Settings, found: dict[str, Any]) -> list[str]:
    hints = []
    for held in found["held"][:HINTS_OF_A_KIND]:
        hints.append(
            f"{held['feed']} {held['period']} is held. `./neet held` says why and what each choice does; then type "
            f'`./neet release {held["delivery_id"]} --by NAME --reason "..."` (first with --dry-run) or `./neet discard`.'
        )
    if len(found["held"]) > HINTS_OF_A_KIND:
        hints.append(f"{len(found['held']) - HINTS_OF_A_KIND} more deliveries are held.")
    for newest in found["deliveries"]:
        if newest["status"] == "refused":
            hints.append(
                f"The newest file of {newest['feed']} ({newest['period']}) was refused: {newest['status_reason']}"
            )
    if "late_unknown" in found:
        hints.append(f"Which feeds are late cannot be told: {found['late_unknown']}")
    late = [entry for entry in found["late"] if entry["census_point"]]
    if late:
        feeds = ", ".join(entry["feed"] for entry in late)
        hints.append(
            f"{late[0]['census_point']} was due on {late[0]['due_on']} and waits for {feeds}. Put the files into "
            f"{settings.inbox}/<feed>/, or type `./neet deliver FEED FILE`."
        )
    others = [entry for entry in found["late"] if not entry["census_point"]]
    for entry in others[:HINTS_OF_A_KIND]:
        gates = f" It endangers {', '.join(entry['gates'])}." if entry["gates"] else ""
        hints.append(f"{entry['sentence']}{gates} Ask the owner for it.")
    if len(others) > HINTS_OF_A_KIND:
        hints.append(f"{len(others) - HINTS_OF_A_KIND} more feeds are late.")
    waiting = [row for row in found["running"] or [] if row["task_id"] == "sign_off"]
    for row in waiting:
        hints.append(
            f"The return of {row['partition_key'] or 'a census point'} waits for a signature: in Airflow's page of the "
            f"run, or `./neet census {row['partition_key'] or 'POINT'} --sign --by NAME`."
        )
    for gate in found["gates"]:
        if gate["outcome"] == "blocked" and not gate["submission_id"]:
            hints.append(
                f"The gate blocks {gate['census_point']}. The check reports below {settings.data_docs} say what to mend "
                f"and whose it is; when the corrections are delivered, type `./neet census {gate['census_point']}`."
            )
    return hints


def _ago(moment: dt.datetime | str | None) -> str:
    if moment is None:
        return ""
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    seconds = int((dt.datetime.now(dt.UTC) - moment).total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _running_rows(found: dict[str, Any]) -> list[tuple]:
    """Airflow's tasks, then the work that tells how far it is."""
    tasks: dict[tuple, list[dict]] = {}
    for row in found["running"] or []:
        key = (row["dag_id"], row["partition_key"], row["task_id"], row["state"])
        tasks.setdefault(key, []).append(row)
    rows = []
    for (dag, partition, task, state), same in tasks.items():
        what = f"{dag} {partition or ''}".strip()
        times = f" x {len(same)}" if len(same) > 1 else ""
        rows.append((what, f"{task}{times}", _ago(same[0]["started_at"]), state))
    for note in found["progress"]:
        far = [note["step"]]
        if note.get("done") is not None:
            far.append(f"{note['done']:,} {note['unit']}")
        if note.get("share") is not None:
            far.append(f"{note['share']:.0%}")
        if note.get("rate"):
            far.append(f"{note['rate']:,.0f} {note['unit']} a second")
        rows.append((note["what"], ", ".join(far), _ago(note["started_at"]), "running"))
    return rows


def print_status(output: Output, found: dict[str, Any], url: str | None) -> None:
    """The same for a person, worst news first, and at the end what to do."""
    services = found["services"]
    rows = [
        (
            name,
            f"{state}, silent for {found['silent'][name]} s" if name in found["silent"] else state,
        )
        for name, state in services.items()
    ]
    elsewhere = not services and not found["supervised"] and "database" not in found
    nothing = (
        "all",
        "not run by `neet up`: see whoever runs the containers" if elsewhere else "stopped",
    )
    output.table("Services", ["service", "state"], rows or [nothing])
    crash = found["newest_crash"]
    if crash:
        count = len(found["crashes_last_day"])
        output.table(
            f"Newest crash ({count} in the last day)",
            ["service", "when", "what"],
            [(crash["name"], crash["at"], crash["state"])],
        )
    if "database" not in found:  # what cannot be asked is unknown, not none
        _print_data(output, found)
    elif not output.as_json:
        output.console.print(f"\nThe warehouse does not answer: {found['database']}", markup=False)
    if output.as_json:
        return
    output.console.print("\nWhat to do next", markup=False)
    for hint in found["next"]:
        output.console.print(f"- {hint}", markup=False)
    if url:
        output.console.print(f"\nAirflow: {url}", markup=False)


def _print_data(output: Output, found: dict[str, Any]) -> None:
    running = _running_rows(found)
    if running or found["running"] is not None:
        output.table(
            "Running now", ["what", "step", "for", "state"], running or [("nothing", "", "", "")]
        )
    if found["held"]:
        output.table(
            "Held: a person must release or discard them",
            ["delivery", "feed", "period", "why"],
            [(h["delivery_id"], h["feed"], h["period"], h["status_reason"]) for h in found["held"]],
        )
    if found["late"]:
        output.table(
            "Late: due and not there",
            ["feed", "owner", "due on", "late since", "return", "endangers"],
            [
                (
                    late["feed"],
                    late["owner_service"],
                    late["due_on"],
                    late["since"],
                    late["census_point"],
                    " ".join(late["gates"]),
                )
                for late in found["late"]
            ],
        )
    output.table(
        "Newest delivery of each feed (of each provider: neet collections)",
        ["feed", "providers", "newest from", "period", "status", "received", "seq", "rows", "rejected"],
        [
            (d["feed"], d["providers"], d["provider"], d["period"], d["status"], f"{d['received_at']:%Y-%m-%d %H:%M}",
             d["delivery_seq"], d["rows_in"], d["rows_rejected"])
            for d in found["deliveries"]
        ]
        or [("none", "", "", "", "", "", "", "", "")],
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
    published = found["published"] or {}
    if not output.as_json and published.get("accepted_seq"):
        seen = (
            f"build {published['build_id']}, which has seen delivery {published['known_seq']} of "
            f"{published['accepted_seq']}"
            if published["build_id"]
            else f"nothing yet; delivery {published['accepted_seq']} is the newest accepted"
        )
        output.console.print(f"\nReaders see {seen}.", markup=False)
