"""The worklist of a service: whom to put right, what is wrong, since when, by when (design section 1).

Rows are ``marts_conflicts.fct_worklist`` of the newest build. They close by themselves when a delivery shows that the
record is right; nobody ticks them off. They name young people, so files are written for their owner's eyes only.
"""

from __future__ import annotations

import datetime as dt
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from neet import outgoing
from neet.database import connect
from neet.settings import Settings

COLUMNS = {
    "owner_service_code": "Service",
    "severity": "Severity",
    "young_persons_id": "YoungPersonsID",
    "given_name": "Given name",
    "family_name": "Family name",
    "dob": "Date of birth",
    "district_name": "District",
    "what": "What",
    "core_plus_says": "Core+ says",
    "source_says": "Source says",
    "source_feed": "Source",
    "since_on": "True since",
    "opened_on": "On the list since",
    "age_days": "Days",
    "due_on": "Due",
    "how_to_mend": "How to mend",
}
"""Columns of the table and the file: ours -> as people read them."""

_OPEN = """
select item.*, coalesce(district.district_name, item.district_code) as district_name
from marts_conflicts.fct_worklist as item
left join marts_core.dim_district as district
    on district.la_code = item.la_code and district.district_code = item.district_code
where item.la_code = %(la_code)s and item.state = 'open'
    and (%(service)s::text is null or item.owner_service_code = %(service)s)
order by item.owner_service_code,
    case item.severity when 'high' then 1 when 'medium' then 2 else 3 end,
    item.due_on, item.reason_code collate "C", item.young_persons_id collate "C", item.source_feed collate "C",
    item.opened_seq
"""

_TAKEN = """
select owner_service_code, reason_code, what, days_taken, due_on < closed_on as was_late
from marts_conflicts.fct_worklist
where la_code = %(la_code)s and state = 'closed' and (%(service)s::text is null or owner_service_code = %(service)s)
"""


class NoWorklist(RuntimeError):
    """There is nothing to list from, or nobody of that name to list for; the message says what to do."""


@dataclass(frozen=True)
class Summary:
    """One reason of one service.

    Attributes:
        is_open: people open now.
        overdue: of them, beyond their day.
        closed: rows that closed by themselves so far.
        median_days: days that half of the closed ones took at most; None when none closed.
        closed_late: of the closed ones, after their day.
    """

    service_code: str
    reason_code: str
    what: str
    is_open: int
    overdue: int
    closed: int
    median_days: float | None
    closed_late: int


@dataclass(frozen=True)
class Worklist:
    """What is open for a service, or for all of them.

    Attributes:
        as_at: newest day known, to which ages are counted; None when the list has never held a row.
        rows: open items, most urgent first.
    """

    la_code: str
    service_code: str | None
    service_name: str
    as_at: dt.date | None
    rows: list[dict[str, Any]]
    summaries: list[Summary]

    def table(self) -> list[tuple]:
        """The rows in the order of :data:`COLUMNS`."""
        return [tuple(row[column] for column in COLUMNS) for row in self.rows]


def read(settings: Settings, service: str | None = None) -> Worklist:
    """The worklist as the newest build has it.

    Args:
        service: code of the owner service; None for all.
    Raises:
        NoWorklist: nothing has been built yet, or the authority has no such service.
    """
    given = {"la_code": settings.la_code, "service": service}
    try:
        with connect(settings.dsn("auditor")) as connection:
            names = dict(
                connection.execute(
                    "select service_code, service_name from marts_core.dim_service where la_code = %s",
                    [settings.la_code],
                ).fetchall()
            )
            if service is not None and service not in names:
                raise NoWorklist(
                    f"Authority {settings.la_code} has no service {service!r}. It has "
                    f"{', '.join(sorted(names))} (dbt_project/seeds/codes/services.csv)."
                )
            with connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(_OPEN, given).fetchall()
                taken = cursor.execute(_TAKEN, given).fetchall()
            as_at = connection.execute(
                "select max(day) from intermediate.int_known_clock where la_code = %s",
                [settings.la_code],
            ).fetchone()[0]
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise NoWorklist(
            "There is no worklist yet: nothing has been built. Deliver files and let build_warehouse run, then ask again."
        ) from error
    name = names[service] if service else "All services"
    return Worklist(settings.la_code, service, name, as_at, rows, _summaries(rows, taken))


def _summaries(rows: list[dict], taken: list[dict]) -> list[Summary]:
    keys = {(row["owner_service_code"], row["reason_code"], row["what"]) for row in [*rows, *taken]}
    found = []
    for key in sorted(keys):
        now = [r for r in rows if (r["owner_service_code"], r["reason_code"], r["what"]) == key]
        past = [r for r in taken if (r["owner_service_code"], r["reason_code"], r["what"]) == key]
        days = [row["days_taken"] for row in past]
        found.append(
            Summary(
                *key,
                is_open=len(now),
                overdue=sum(row["is_overdue"] for row in now),
                closed=len(past),
                median_days=statistics.median(days) if days else None,
                closed_late=sum(row["was_late"] for row in past),
            )
        )
    return found


def write_csv(worklist: Worklist, file: Path) -> None:
    """The open rows as CSV, safe to open in a spreadsheet.

    Raises:
        OSError: it cannot be written.
    """
    outgoing.write_csv(file, list(COLUMNS.values()), worklist.table())


def write_page(worklist: Worklist, file: Path) -> None:
    """The open rows as a page that needs nothing from a network.

    Raises:
        OSError: it cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    text = environment.get_template("worklist_page.html.j2").render(worklist=worklist)
    outgoing.write_whole(file, lambda target: target.write(text.encode("utf-8")))
