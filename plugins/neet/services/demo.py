"""``neet demo``: a synthetic county, four months of files, four census points, through the real scheduler."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neet import calendar, live
from neet.comparison import comparison, words
from neet.database import connect
from neet.progress import Progress
from neet.services import census_run
from neet.services.airflow_api import AirflowApi
from neet.services.stack import Stack
from neet.settings import Settings

if TYPE_CHECKING:
    from neet.cli import Output

SIGNER = "Demonstration MI officer"
INGEST, BUILD = "ingest", "build_warehouse"
INGEST_MINUTES = 20
SCHEDULED = ("backfill", "scheduled", "asset_triggered")

HONESTLY = (
    "What this county is: people who never lived, from a generator whose rates were set to those published for Kent in "
    "2021-22 (calibrated by construction). What it is not: Kent. That the figures agree shows that the warehouse counts "
    "what is there; it is no evidence about any real young person, school or month."
)

SEALED = """
select distinct census_point from ledger.submission where la_code = %(la)s and outcome = 'sealed'
order by census_point
"""

# A demonstration that was stopped and goes on may hold files of later points already: those are not seen.
BEFORE = """
select min(delivery_seq) - 1 from control.delivery where file_name = any(%(files)s) and delivery_seq is not null
"""

MEASURES = """
with latest as (
    select la_code, census_point, submission_id,
           row_number() over (partition by la_code, census_point order by chain_number desc) as newest
    from ledger.submission where la_code = %(la)s and outcome = 'sealed'
)
select k.census_point, k.kpi_id, k.period_code, k.numerator, k.denominator, k.value, k.target, k.rag
from latest
inner join submitted.kpi_value as k on k.submission_id = latest.submission_id
where latest.newest = 1 and k.area_type = 'county' and k.group_code = 'ALL'
  and (k.period_code = k.census_point or k.kpi_id like 'SC-%%')
order by k.census_point, k.kpi_id, k.period_code
"""

FOUND = """
select r.decision_id, r.census_point, d.outcome, r.suite, r.check_id, r.priority, r.status, r.failed_count, r.owner_service, r.reason
from assurance.check_result as r
inner join assurance.gate_decision as d on d.decision_id = r.decision_id
where r.la_code = %(la)s and r.status <> 'passed' and r.status <> 'not_applicable'
order by d.delivery_seq, r.priority nulls first, r.suite, r.check_id
"""

PACKAGES = """
select census_point, signed_by, package_path, payload_sha256 from ledger.submission
where la_code = %(la)s and outcome = 'sealed' order by chain_number
"""

DELIVERED = """
select count(*), sum(rows_in), sum(rows_loaded), sum(rows_unchanged), sum(rows_rejected)
from control.delivery where mode <> 'decision' and status = 'accepted'
"""

LINKED = """
select detail->'identity' as linked from control.build
where lineage = 'live' and status = 'published' order by build_id desc limit 1
"""

CONFLICTS = """
select conflict_kind, owner_service_code, count(*) filter (where state = 'open') as open,
       count(*) filter (where is_overdue) as overdue, count(*) filter (where state = 'closed') as closed,
       percentile_disc(0.5) within group (order by days_taken) as median_days_taken
from marts_conflicts.fct_source_conflict where la_code = %(la)s
group by conflict_kind, owner_service_code order by conflict_kind, owner_service_code
"""


class DemoError(RuntimeError):
    """The demonstration cannot start or did not end as it must."""


def run(
    stack: Stack,
    output: Output,
    people: int,
    seed: int,
    like: str,
    first: str,
    last: str,
    sources: bool,
) -> dict[str, Any]:
    """Run the demonstration, or, when it ran before, show its figures again.

    Args:
        people: size of the county; ``like``: the parameter set it follows; ``first`` and ``last``: census points, ``YYYY-MM``.
        sources: schools, colleges, Synergy and all the other systems deliver too, not Core+ alone.
    Returns:
        measures, findings, packages, identities and conflicts, as plain data.
    Raises:
        DemoError: the warehouse holds other data, or a run did not end as it must.
    """
    started = time.monotonic()

    def say(line: str) -> None:
        output.say(f"{time.monotonic() - started:5.0f} s  {line}")

    stack.say = say
    settings = stack.settings
    stack.database_up()
    with ThreadPoolExecutor(1) as beside:
        starting = beside.submit(stack.up)  # Airflow starts while the county is made
        county = _county(stack, people, seed, like, first, last, sources, say)
        starting.result()
    schedule = list(csv.DictReader((county / "schedule.csv").open(encoding="utf-8")))
    api = census_run.client(stack)
    for dag in (INGEST, census_run.DAG):
        census_run.wait_for_dag(api, dag)
    # a demonstration that was killed left it paused
    census_run.wait_for_dag(api, BUILD, even_paused=True)
    points = [p.census_point for p in calendar.census_points(settings.la_code, first, last)]
    sealed = _column(stack, SEALED)
    for point in sealed:
        say(f"{point} is sealed already")
    unsealed = [point for point in points if point not in sealed]
    # Every accepted delivery sets off a build of the live marts. Four months in as many minutes need but the last,
    # which the last sealed return sets off.
    api.pause(BUILD, True)
    try:
        _take_points(stack, api, county, schedule, unsealed, say)
    finally:
        api.pause(BUILD, False)
    finish_live_build(stack, api, say)
    _assert_scheduled(api, points)
    return _show(stack, output, say)


def _column(stack: Stack, query: str, **values: Any) -> list:
    with connect(stack.settings.dsn("auditor")) as connection:
        rows = connection.execute(query, {"la": stack.settings.la_code} | values).fetchall()
    return [row[0] for row in rows]


def _county(
    stack: Stack,
    people: int,
    seed: int,
    like: str,
    first: str,
    last: str,
    sources: bool,
    say: Callable,
) -> Path:
    """Generate the county, unless this very one was generated before.

    Raises:
        DemoError: the warehouse holds deliveries of something else.
    """
    from synthetic_county import Config, generate

    settings = stack.settings
    wanted = {
        "people": people, "seed": seed, "like": like, "first": first, "last": last, "sources": sources,
    }  # fmt: skip
    stamp = settings.home / "demo" / "county.json"
    county = settings.home / "demo" / "county"
    if stamp.exists():
        present = json.loads(stamp.read_text())
        if present != wanted:
            raise DemoError(
                f"This warehouse holds the demonstration county {present}, not {wanted}. Set NEET_HOME to another "
                "folder for a second one, or start afresh with `make clean`."
            )
        return county
    with connect(settings.dsn("auditor")) as connection:
        if connection.execute("select 1 from control.delivery limit 1").fetchone():
            raise DemoError(
                "This warehouse holds deliveries that are not the demonstration's; synthetic people must never "
                "mix with real ones. Set NEET_HOME to another folder."
            )
    say(f"Generating a synthetic county of {people} people, seed {seed}, like {like}")
    shutil.rmtree(county, ignore_errors=True)
    config = Config(
        people=people,
        seed=seed,
        first_month=first,
        last_month=last,
        first_point=first,
        la_code=settings.la_code,
        defects="demo",
        parameters=like,
        truth_months="none",
        sources=sources,
        formats="all" if sources else "csv",
        out=county,
    )
    with Progress(settings, "synthetic county", say) as progress:
        generate(config, lambda stage, done, all_: progress.at(stage, done, done / all_, "done"))
    stamp.write_text(json.dumps(wanted))
    return county


def put_files(stack: Stack, county: Path, rows: list[dict]) -> None:
    """Leave files in the inbox, as a source system would: under a temporary name, then renamed."""
    inbox = stack.settings.inbox
    for row in rows:
        folder = inbox / row["feed"]
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{row['file']}.part"
        shutil.copyfile(county / "exports" / row["deliver_on"] / row["file"], temporary)
        temporary.rename(folder / row["file"])


def put_scorecards(stack: Stack) -> None:
    folder = stack.settings.inbox / "dfe_la_scorecard"
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((stack.settings.root / "data" / "dfe_scorecard").glob("*.csv")):
        shutil.copyfile(file, folder / file.name)


def _take_points(
    stack: Stack,
    api: AirflowApi,
    county: Path,
    schedule: list[dict],
    points: list[str],
    say: Callable,
) -> None:
    """Take the points in order; the files of the next arrive as soon as a run has fixed what it sees."""
    if not _column(stack, "select 1 from control.delivery where feed = 'dfe_la_scorecard' limit 1"):
        put_scorecards(stack)

    def deliver(point: str, after_block: str) -> None:
        rows = _files_of(schedule, point, after_block)
        say(f"{point}: {len(rows)} files arrive")
        put_files(stack, county, rows)
        ingest_day(stack, api, county, max(row["deliver_on"] for row in rows), say)

    with ThreadPoolExecutor(1) as beside:
        arrival: Future | None = None
        for point, following in zip_longest(points, points[1:]):
            if arrival:
                arrival.result()
            else:
                deliver(point, "N")
            arrival = None

            def next_arrives(following: str | None = following) -> None:
                nonlocal arrival
                if following and arrival is None:
                    arrival = beside.submit(deliver, following, "N")

            if not following:
                api.pause(BUILD, False)
            is_planned_to_block = bool(_files_of(schedule, point, "Y"))
            ended = _census(
                stack, schedule, point, say, None if is_planned_to_block else next_arrives
            )
            if ended.outcome == "blocked" and is_planned_to_block:
                say(f"{point}: the gate blocks the return, as planned. Core+ is corrected")
                deliver(point, "Y")
                ended = _census(stack, schedule, point, say, next_arrives)
            if ended.outcome != "sealed":
                raise DemoError(
                    "\n".join([f"{point} ended as {ended.outcome}, not sealed:", *ended.lines])
                )


def _files_of(schedule: list[dict], point: str, after_block: str) -> list[dict]:
    return [
        row
        for row in schedule
        if row["census_point"] == point and row["after_block"] == after_block
    ]


def _census(
    stack: Stack,
    schedule: list[dict],
    point: str,
    say: Callable,
    on_resolved: Callable[[], None] | None,
) -> census_run.Ended:
    later = [row["file"] for row in schedule if row["census_point"] > point]
    known = {"known_seq": _column(stack, BEFORE, files=later)[0], "known_at": None}
    ended = census_run.take(
        stack, point, "sign", SIGNER, "demonstration: read and agreed", known, say, backfill=True,
        on_resolved=on_resolved,
    )  # fmt: skip
    for line in ended.lines:
        for part in line.splitlines():
            say(f"  {part}")
    return ended


UNSETTLED = """
select file_name, feed, status, split_part(status_reason, ':', 1) as code from control.delivery
where status in ('held', 'refused') order by received_at
"""


def _assert_planned(stack: Stack, county: Path, run: dict, say: Callable) -> None:
    """A run of ``ingest`` is red when files wait for a person: here those that the county's truth foretells.

    Raises:
        DemoError: it failed for anything else.
    """
    with (county / "truth" / "defects.csv").open(encoding="utf-8", newline="") as lines:
        planned = {row["file"] for row in csv.DictReader(lines)}
    with connect(stack.settings.dsn("auditor")) as connection:
        unsettled = connection.execute(UNSETTLED).fetchall()
    others = [f"{feed} {file}: {status}, {code}" for file, feed, status, code in unsettled if file not in planned]  # fmt: skip
    left = [file for file in stack.settings.inbox.glob("*/*") if not file.name.startswith(".")]
    if others or left or not unsettled:
        raise DemoError(
            "\n".join([f"ingest failed: {run['dag_run_id']}", *others, *map(str, left[:20])])
        )
    for _, feed, status, code in unsettled:
        say(f"  {feed}: a file is {status} ({code}), as planned; ./neet held, ./neet rejects")


def ingest_day(stack: Stack, api: AirflowApi, county: Path, day: str, say: Callable) -> None:
    """One backfilled run of ``ingest`` for a collection day."""
    before = {run["dag_run_id"]: run["queued_at"] for run in api.runs(INGEST)}
    api.backfill(INGEST, day, day)
    deadline = time.monotonic() + INGEST_MINUTES * 60
    while time.monotonic() < deadline:
        for run in api.runs(INGEST, run_type="backfill"):
            fresh = before.get(run["dag_run_id"]) != run["queued_at"]
            if run["partition_key"] == day and fresh and run["state"] in census_run.ENDED:
                if run["state"] == "failed":
                    _assert_planned(stack, county, run, say)
                else:
                    say(f"  ingest {day}: success")
                return
        time.sleep(census_run.POLL_SECONDS)
    raise DemoError(f"ingest of {day} did not end within {INGEST_MINUTES} minutes.")


def finish_live_build(stack: Stack, api: AirflowApi, say: Callable) -> None:
    """Wait until the builds that deliveries and sealed returns set off have ended; set one off if the marts are behind.

    Raises:
        DemoError: the marts are still behind.
    """
    for is_last in (False, True):
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 3:
            if api.runs(BUILD, state="running") or api.runs(BUILD, state="queued"):
                quiet_since = time.monotonic()
            time.sleep(census_run.POLL_SECONDS)
        if not live.state(stack.settings, stack.settings.dsn("auditor")).is_behind:
            say("The live marts are built and published")
            return
        if not is_last:
            say("Building the live marts")
            api.trigger(BUILD, {})
    raise DemoError("build_warehouse has not succeeded: see its newest run in Airflow.")


def _assert_scheduled(api: AirflowApi, points: list[str]) -> None:
    """The runs stand in Airflow's metadata as scheduled or backfilled, one or more a point."""
    made = {
        run["partition_key"] for run in api.runs(census_run.DAG) if run["run_type"] in SCHEDULED
    }
    wrong = [point for point in points if point not in made]
    if wrong:
        raise DemoError(f"Census runs that the scheduler did not make: {wrong}")


def _rows(connection, query: str, la: str) -> list[dict]:
    cursor = connection.execute(query, {"la": la})
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _percent(value) -> str:
    return "" if value is None else f"{float(value) * 100:.1f}"


def _show_findings(output: Output, found: list[dict]) -> None:
    """One line a check, one column a decision of the gate, so that what stays and what is mended can be seen."""
    decisions = list(
        dict.fromkeys((row["decision_id"], row["census_point"], row["outcome"]) for row in found)
    )
    lines: dict[tuple, dict[str, Any]] = {}
    for row in found:
        title = row["reason"].split(". ")[0]
        key = (row["check_id"], row["priority"], row["owner_service"], title)
        lines.setdefault(key, {})[row["decision_id"]] = (
            row["failed_count"] if row["status"] == "failed" else row["status"]
        )
    output.table(
        "What the gate found: records that fail a check, at each of its decisions",
        [
            "check",
            "priority",
            "owner",
            *[f"{point} {outcome}" for _, point, outcome in decisions],
            "what must be so",
        ],
        [
            (
                check,
                priority,
                owner,
                *[by_decision.get(decision) for decision, _, _ in decisions],
                title,
            )
            for (check, priority, owner, title), by_decision in sorted(
                lines.items(), key=lambda line: (line[0][1] or 0, line[0][0])
            )
        ],
    )


def _show_comparison(settings: Settings, output: Output, last_point: str) -> list[dict[str, Any]]:
    """The measures as submitted beside those that the department published for the real authority."""
    la = settings.la_code
    year = calendar.academic_year_of(calendar.census_point(la, last_point).period_end).ends_on.year
    rows = [row for row in comparison(settings, la, year) if row["our_percent"] is not None]
    output.table(
        f"As submitted, beside what the department published for the real authority {la} in {year}",
        ["measure", "", "ours %", "DfE %", "difference, points", "England %", "region %", "neighbours %", "target %", "RAG"],
        [
            (row["kpi_id"], row["name"], row["our_percent"], words(row), row["difference_points"], row["england_percent"],
             row["region_percent"], row["neighbours_percent"], row["target_percent"], row["rag"])
            for row in rows
        ],
    )  # fmt: skip
    if not output.as_json:
        output.console.print(HONESTLY, markup=False)
    return rows


def _show(stack: Stack, output: Output, say: Callable) -> dict[str, Any]:
    settings = stack.settings
    with connect(settings.dsn("auditor")) as connection:
        measures = _rows(connection, MEASURES, settings.la_code)
        found = _rows(connection, FOUND, settings.la_code)
        packages = _rows(connection, PACKAGES, settings.la_code)
        for package in packages:
            package["package_path"] = str(settings.home / package["package_path"])
        files, rows_in, loaded, unchanged, rejected = connection.execute(DELIVERED).fetchone()
        (linked,) = connection.execute(LINKED).fetchone()
        conflicts = _rows(connection, CONFLICTS, settings.la_code)
    rates = {"AP-NEET": "NEET %", "AP-NK": "Not Known %", "AP-PART": "Participating %"}
    by_point: dict[str, dict] = {}
    for row in measures:
        if row["kpi_id"] in rates:
            by_point.setdefault(row["census_point"], {})[row["kpi_id"]] = row
    output.table(
        "As submitted",
        ["point", "cohort", "NEET", *rates.values()],
        [
            (point, values["AP-NEET"]["denominator"], values["AP-NEET"]["numerator"],
             *[_percent(values[kpi]["value"]) for kpi in rates])
            for point, values in by_point.items()
        ],
    )  # fmt: skip
    output.table(
        "Scorecard measures (three-month averages of counts; participation in March)",
        ["measure", "period", "numerator", "denominator", "%", "target %", "RAG"],
        [
            (r["kpi_id"], r["period_code"], r["numerator"], r["denominator"], _percent(r["value"]),
             _percent(r["target"]), r["rag"])
            for r in measures if r["kpi_id"].startswith("SC-")
        ],
    )  # fmt: skip
    _show_findings(output, found)
    beside = _show_comparison(settings, output, packages[-1]["census_point"])
    if conflicts:
        output.table(
            "Where other systems and Core+ disagree (Core+ stays the record; a corrected row closes its conflict)",
            ["what", "owner", "open", "overdue", "closed", "median days taken"],
            [tuple(row.values()) for row in conflicts],
        )
    output.table(
        "Sealed packages",
        ["point", "signed by", "payload sha256", "folder"],
        [
            (p["census_point"], p["signed_by"], p["payload_sha256"][:16], p["package_path"])
            for p in packages
        ],
    )
    users = stack.installation()["airflow_users"]
    docs = sorted(settings.data_docs.glob("*/*/index.html"), key=lambda page: page.stat().st_mtime)
    if not output.as_json:
        for line in (
            "",
            f"{files} files delivered: {rows_in} rows = {loaded} loaded + {unchanged} unchanged + {rejected} rejected.",
            f"The sign-offs were answered through Airflow's API on behalf of '{SIGNER}'.",
            f"Check reports (Data Docs): {docs[-1] if docs else settings.data_docs}",
            f"Verify a package:          ./neet package verify {packages[-1]['package_path']}",
            *([_linked_words(linked)] if conflicts and linked else []),
            "Ask the marts:             ./neet sql 'select * from published_internal.fct_kpi_value'",
            f"Airflow:                   {stack.api_url}  as mi_officer / {users['mi_officer']}",
            "Stop everything:           make down",
        ):
            output.console.print(line, markup=False)
    say("Done")
    return {
        "measures": measures,
        "comparison": beside,
        "found": found,
        "packages": packages,
        "linked": linked,
        "conflicts": conflicts,
    }


def _linked_words(linked: dict[str, Any]) -> str:
    how = ", ".join(f"{method} {count:,}" for method, count in sorted(linked["methods"].items()))
    return (
        f"Who the records are about: {linked['records']:,} records, linked by {how}; {linked['queued']:,} wait for a "
        "person (./neet identity queue)"
    )
