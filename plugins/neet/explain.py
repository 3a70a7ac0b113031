"""Why that number? A KPI value taken apart: its people-months, and for each the source rows, files and lines.

A rate is counts over counts (:mod:`dbt_project` ``int_person_measure`` says of each person and month what they count
in), so its explanation is the list of people-months that were counted; that the list has as many as the figure says is
checked every time. Each person-month names the versions of the Core+ rows that it rests on: what was in force when the
figure was made, now for ``restated``, at the sealed return's known time for ``as_submitted``.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from neet.database import connect
from neet.settings import Settings

BASES = ("restated", "as_submitted")
FLOWS = {"neet_joiners": (0, 1), "neet_leavers": (1, 0)}
"""Measures that compare two month ends: NEET at the one before, NEET at this one."""

VALUE = """
select value.*, definition.name, definition.definition, definition.numerator_measure, definition.denominator_measure,
       definition.source
from marts_kpi.fct_kpi_value as value
inner join reference.kpi_definition as definition
    on definition.kpi_id = value.kpi_id
    and (definition.valid_from is null or definition.valid_from <= value.period_end)
    and (definition.valid_to is null or value.period_end < definition.valid_to)
where value.la_code = %(la)s and value.kpi_id = %(kpi)s and value.period_code = %(period)s
  and value.area_code = %(area)s and value.group_code = %(group)s and value.basis = %(basis)s
"""

NEAR = """
select distinct kpi_id, period_code, area_code, group_code, basis from marts_kpi.fct_kpi_value
where la_code = %(la)s and (kpi_id = %(kpi)s or %(kpi)s = '')
order by 1, 2, 3, 4, 5
"""

DISTRICTS = "select district_code, district_name from reference.districts where la_code = %(la)s"

MONTHS = """
select distinct counted.month_end
from intermediate.int_cohort_count as counted
inner join reference.kpi_window as kpi_window
    on kpi_window.window_code = %(window)s and kpi_window.month_of_year = extract(month from counted.month_end)
where counted.la_code = %(la)s and counted.basis = %(basis)s
  and case when kpi_window.period_prefix is null then to_char(counted.month_end, 'YYYY-MM')
      else kpi_window.period_prefix
          || (cast(extract(year from counted.month_end) as integer) + kpi_window.year_offset) end = %(period)s
order by 1
"""

WINDOW = "select window_code from reference.kpi_definition where kpi_id = %(kpi)s limit 1"

PEOPLE = """
select counted.month_end, counted.person_id, {numerator} as in_numerator, counted.district_code, counted.sen_group,
       counted.is_vulnerable
from intermediate.int_person_measure as counted
inner join reference.reporting_group as reporting_group
    on reporting_group.group_code = %(group)s
    and (reporting_group.sen_group is null or reporting_group.sen_group = counted.sen_group)
    and (not reporting_group.is_vulnerable_only or counted.is_vulnerable)
where counted.la_code = %(la)s and counted.basis = %(basis)s and counted.month_end = any(%(months)s)
  and (%(area)s = %(la)s or counted.district_code = %(area)s)
  and {denominator} = 1
order by 1, 2
"""

RESTATED = """
select month_end, person_id, young_persons_id, activity_code, status_bucket, is_lapsed, neet_days, activity_spell_id
from marts_neet.fct_cohort_month
where la_code = %(la)s and month_end = any(%(months)s) and person_id = any(%(people)s)
"""

SUBMITTED = """
select cohort.period_end as month_end, cohort.person_id, cohort.young_persons_id, cohort.activity_code,
       cohort.status_bucket, cohort.is_lapsed, cohort.neet_days, cast(null as text) as activity_spell_id,
       ledger.known_seq, cohort.submission_id
from submitted.cohort_month as cohort
inner join intermediate.int_submission as counted
    on counted.la_code = cohort.la_code and counted.submission_id = cohort.submission_id
inner join ledger.submission as ledger
    on ledger.la_code = cohort.la_code and ledger.submission_id = cohort.submission_id
where cohort.la_code = %(la)s and cohort.period_end = any(%(months)s) and cohort.person_id = any(%(people)s)
"""

# What was in force for a person at a month end, as known at a delivery: the newest row that had begun.
ROWS = """
with wanted as (
    select * from unnest(%(ids)s::text[], %(ends)s::date[], %(seqs)s::bigint[]) as wanted (id, month_end, known_seq)
),
person_row as (
    select 'person' as kind, wanted.id, wanted.month_end, wanted.known_seq, version.row_key, version.known_from_seq, version.line_number,
           version.row_hash, version.is_stale, cast(null as text) as activity_id
    from wanted
    inner join hist.hist_core_plus_people as version
        on version.la_code = %(la)s and version.young_persons_id = wanted.id
        and version.known_from_seq <= wanted.known_seq
        and (version.known_to_seq is null or version.known_to_seq > wanted.known_seq) and not version.is_deleted
),
activity_row as (
    select 'activity' as kind, wanted.id, wanted.month_end, wanted.known_seq, version.row_key, version.known_from_seq, version.line_number,
           version.row_hash, version.is_stale, version.activity_id,
           row_number() over (
               partition by wanted.id, wanted.month_end, wanted.known_seq
               order by version.start_on desc, version.ascertained_on desc nulls last,
                        version.verified_on desc nulls last, version.activity_id collate "C" desc
           ) as newest
    from wanted
    inner join hist.hist_core_plus_activities as version
        on version.la_code = %(la)s and version.young_persons_id = wanted.id
        and version.known_from_seq <= wanted.known_seq
        and (version.known_to_seq is null or version.known_to_seq > wanted.known_seq) and not version.is_deleted
        and version.start_on <= to_char(wanted.month_end, 'YYYY-MM-DD')
        and (coalesce(version.end_on, '') = '' or version.end_on >= to_char(wanted.month_end, 'YYYY-MM-DD'))
)
select kind, id, month_end, known_seq, row_key, known_from_seq, line_number, row_hash, is_stale from person_row
union all
select kind, id, month_end, known_seq, row_key, known_from_seq, line_number, row_hash, is_stale from activity_row
where newest = 1
"""

DELIVERIES = """
select delivery_seq, delivery_id, feed, file_name, landing_path, file_sha256, accepted_at, contract_version
from control.delivery where delivery_seq = any(%(seqs)s)
"""

NOW = """
select max(known_seq) as known_seq from control.build
where lineage = 'live' and status in ('built', 'published')
"""


class NoSuchValue(LookupError):
    """There is no such KPI value; the message says which there are."""


class DoesNotAdd(RuntimeError):
    """The people counted are not as many as the figure says: the explanation cannot be right."""


@dataclass(frozen=True)
class SourceRow:
    """A row of a delivered file that a person-month rests on.

    Attributes:
        kind: ``activity`` or ``person``.
        line_number: line of the file on which it begins, or its number in a format without lines.
        row_hash: of its values as read; the same line read again must give it.
        is_stale: a newer row of the key could not be read, so this older one stands.
    """

    kind: str
    feed: str
    row_key: str
    delivery_seq: int
    file_name: str
    landing_path: str
    line_number: int | None
    row_hash: str
    is_stale: bool


@dataclass(frozen=True)
class PersonMonth:
    """One person at one month end, as counted.

    Attributes:
        in_numerator: counts in the numerator; everybody listed counts in the denominator.
        neet_days: days since the recorded NEET start, or ``None``.
    """

    month_end: Any
    young_persons_id: str
    district_code: str
    sen_group: str
    in_numerator: bool
    activity_code: str | None
    status_bucket: str | None
    is_lapsed: bool | None
    neet_days: int | None
    rows: tuple[SourceRow, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """A KPI value and everything it was counted from.

    Attributes:
        value: a share from 0 to 1, or a count, as the mart has it.
        months: month ends summed over.
    """

    kpi_id: str
    name: str
    definition: str
    source: str
    period_code: str
    area_code: str
    group_code: str
    basis: str
    numerator: int
    denominator: int | None
    value: Decimal | None
    unit: str
    months: tuple
    people: tuple[PersonMonth, ...] = field(default=(), repr=False)

    @property
    def files(self) -> list[tuple[str, str, int]]:
        """``(file, place in landing, rows)`` of every file the figure rests on, most rows first."""
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for person in self.people:
            for row in person.rows:
                counts[row.file_name, row.landing_path] += 1
        return sorted(((*key, n) for key, n in counts.items()), key=lambda one: (-one[2], one[1]))


def explain(
    settings: Settings,
    kpi_id: str,
    period: str,
    area: str = "",
    group: str = "ALL",
    basis: str = "restated",
    dsn: str | None = None,
) -> Explanation:
    """Take one KPI value of the published marts apart.

    Args:
        period: as in ``fct_kpi_value.period_code``: ``2022-01``, ``DJF-2022``, ``MAR-2022``.
        area: code or name of a district; empty or the authority's code: the county.
        basis: one of :data:`BASES`.
        dsn: of a role that may read marts and ``control``; default: the auditor's.
    Raises:
        NoSuchValue: nothing of that name was computed.
        DoesNotAdd: the people found are not as many as the figure counts.
    """
    with connect(dsn or settings.dsn("auditor")) as connection:
        connection.read_only = True
        cursor = connection.cursor(row_factory=dict_row)

        def rows(query: str, **values: Any) -> list[dict]:
            return cursor.execute(query, {"la": settings.la_code} | values).fetchall()

        area_code = area_code_of(rows, settings.la_code, area)
        where = {"kpi": kpi_id, "period": period, "area": area_code, "group": group, "basis": basis}
        found = rows(VALUE, **where)
        if not found:
            raise NoSuchValue(_what_there_is(rows, where))
        value = found[0]
        window = rows(WINDOW, kpi=kpi_id)[0]["window_code"]
        months = [row["month_end"] for row in rows(MONTHS, window=window, **where)]
        counted = _people(rows, value, months, where)
        _assert_adds(value, counted)
        people = _with_rows(rows, counted, basis, months, settings.la_code)
    return Explanation(
        kpi_id, value["name"], value["definition"], value["source"], period, area_code, group, basis,
        value["numerator"], value["denominator"], value["value"], value["unit"], tuple(months), people,
    )  # fmt: skip


def area_code_of(rows: Callable, la_code: str, area: str) -> str:
    """Code of an area that a person named: a district by name or code, or the county, which is also what nothing means."""
    if not area or area == la_code or area.casefold() == "county":
        return la_code
    names = {row["district_name"].casefold(): row["district_code"] for row in rows(DISTRICTS)}
    return names.get(area.casefold(), area)


def _what_there_is(rows: Callable, where: dict) -> str:
    near = rows(NEAR, kpi=where["kpi"]) or rows(NEAR, kpi="")
    if not near:
        return (
            "No KPI value has been computed yet. Deliver the Core+ files and build the marts first."
        )

    def values(column: str) -> str:
        found = sorted({row[column] for row in near})
        return ", ".join(found[:15]) + (f" and {len(found) - 15} more" if len(found) > 15 else "")

    return (
        f"There is no value of {where['kpi']} for {where['period']}, area {where['area']}, group "
        f"{where['group']}, {where['basis']}. There are: KPI {values('kpi_id')}; period "
        f"{values('period_code')}; area {values('area_code')}; group {values('group_code')}; "
        f"basis {values('basis')}."
    )


def _people(rows: Callable, value: dict, months: list, where: dict) -> list[dict]:
    measure = value["numerator_measure"]
    denominator = value["denominator_measure"]
    if measure in FLOWS:
        return _movers(rows, measure, months[0], where)
    for name in filter(None, (measure, denominator)):
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name of a measure")
    query = PEOPLE.format(
        numerator=f"counted.{measure}", denominator=f"counted.{denominator or measure}"
    )
    return rows(query, months=months, **where)


def _movers(rows: Callable, measure: str, month_end: Any, where: dict) -> list[dict]:
    """Who is NEET in the area and group at one end of the month and not at the other."""
    before = month_end.replace(day=1) - (month_end.resolution)
    query = PEOPLE.format(numerator="counted.neet", denominator="counted.neet")
    at_end = defaultdict(dict)
    for row in rows(query, months=[before, month_end], **where):
        at_end[row["month_end"]][row["person_id"]] = row
    was, now = at_end[before], at_end[month_end]
    there, not_there = (now, was) if FLOWS[measure] == (0, 1) else (was, now)
    return [row for person, row in there.items() if person not in not_there]


def _assert_adds(value: dict, counted: list[dict]) -> None:
    numerator = sum(row["in_numerator"] for row in counted)
    wrong = numerator != value["numerator"] or (
        value["denominator"] is not None and len(counted) != value["denominator"]
    )
    if wrong:
        raise DoesNotAdd(
            f"{value['kpi_id']} {value['period_code']} says {value['numerator']} of {value['denominator']}, and the "
            f"people counted are {numerator} of {len(counted)}. The marts may have been built meanwhile: try again; "
            "if it stays, the data engineer must look at int_person_measure and fct_kpi_value."
        )


def _with_rows(
    rows: Callable, counted: list[dict], basis: str, months: list, la_code: str
) -> tuple[PersonMonth, ...]:
    if not counted:
        return ()
    query = SUBMITTED if basis == "as_submitted" else RESTATED
    people = sorted({row["person_id"] for row in counted})
    ends = sorted({row["month_end"] for row in counted} | set(months))
    states = {
        (row["month_end"], row["person_id"]): row for row in rows(query, months=ends, people=people)
    }
    now = known_now(rows)
    keys = [states[row["month_end"], row["person_id"]] for row in counted]
    behind = rows_behind(
        rows,
        [
            (state["young_persons_id"], state["month_end"], state.get("known_seq") or now)
            for state in keys
        ],
    )
    return tuple(
        PersonMonth(
            row["month_end"],
            state["young_persons_id"],
            row["district_code"],
            row["sen_group"],
            bool(row["in_numerator"]),
            state["activity_code"],
            state["status_bucket"],
            state["is_lapsed"],
            state["neet_days"],
            behind[state["young_persons_id"], row["month_end"], state.get("known_seq") or now],
        )  # fmt: skip
        for row, state in zip(counted, keys, strict=True)
    )


def known_now(rows: Callable) -> int:
    """Up to which delivery the live lineage has seen."""
    return rows(NOW)[0]["known_seq"]


def rows_behind(
    rows: Callable, keys: Iterable[tuple[str, Any, int]]
) -> dict[tuple[str, Any, int], tuple[SourceRow, ...]]:
    """The source rows that states of people rest on: of each, the person's row and the activity in force.

    Args:
        rows: runs a query with named values for the authority and gives dictionaries.
        keys: ``(young_persons_id, month_end, known_seq)``: whose state, at which day, as known at which delivery.
    """
    wanted = sorted(set(keys))
    ids, ends, seqs = (
        (list(column) for column in zip(*wanted, strict=True)) if wanted else ([], [], [])
    )
    found = rows(ROWS, ids=ids, ends=ends, seqs=seqs) if wanted else []
    behind: dict[tuple, list[SourceRow]] = {key: [] for key in wanted}
    for row, source in zip(found, source_rows(rows, found), strict=True):
        behind[row["id"], row["month_end"], row["known_seq"]].append(source)
    return {key: tuple(sorted(of, key=lambda one: one.kind)) for key, of in behind.items()}


def source_rows(rows: Callable, found: list[dict]) -> list[SourceRow]:
    """Versions of rows, as queries give them, with the delivery and file of each."""
    deliveries = {
        row["delivery_seq"]: row
        for row in rows(DELIVERIES, seqs=sorted({row["known_from_seq"] for row in found}))
    }
    return [
        SourceRow(
            row["kind"],
            (delivery := deliveries[row["known_from_seq"]])["feed"],
            row["row_key"],
            row["known_from_seq"],
            delivery["file_name"],
            delivery["landing_path"],
            row["line_number"],
            row["row_hash"],
            row["is_stale"],
        )
        for row in found
    ]


@dataclass(frozen=True)
class Reread:
    """What became of reading source rows again from landing.

    Attributes:
        same: rows whose line still gives the values that were loaded.
        differing: one sentence each for the others.
    """

    same: int
    differing: tuple[str, ...]


def reread(settings: Settings, found: Iterable[SourceRow]) -> Reread:
    """Read the lines again in landing, each file once, and compare what they say with what was loaded.

    Rows that are stale repeat an older line and are looked for there no further; they are not counted.
    """
    from neet.feeds import landing
    from neet.feeds.profile import profile
    from neet.feeds.reading import open_file

    wanted: dict[str, dict[int, SourceRow]] = defaultdict(dict)
    for row in found:
        if not row.is_stale and row.line_number is not None:
            wanted[row.landing_path][row.line_number] = row
    same, differing = 0, []
    for path, by_line in sorted(wanted.items()):
        landed = landing.read_landed(settings, settings.landing / Path(path))
        contract = landing.contract_of(settings, landed.feed)
        layout = contract.layout_on(landing.first_day(landed.period))
        reading = open_file(landed.file, contract, layout, landed.mode, profile(landed.file))
        waiting = dict(by_line)
        try:
            for block in reading.blocks():
                for number, key, digest, _, _ in block:
                    row = waiting.pop(number, None)
                    if row is None:
                        continue
                    if (key, digest) == (row.row_key, row.row_hash):
                        same += 1
                    else:
                        differing.append(
                            f"{path}, line {number}: now {key}, loaded as {row.row_key}, other values"
                        )
        finally:
            reading.close()
        differing += [
            f"{path}, line {number}: not there any more, or not readable" for number in waiting
        ]
    return Reread(same, tuple(differing))


def as_data(explanation: Explanation) -> dict[str, Any]:
    """The whole as plain data."""
    return dataclasses.asdict(explanation) | {"files": explanation.files}


def words(found: Explanation, again: Reread | None = None) -> list[str]:
    """What a person reads first: the figure, what it counts, and that the people counted add up to it."""
    figure = (
        f"{found.numerator:,}"
        if found.unit == "count"
        else f"{found.numerator:,} / {found.denominator:,} = "
        + ("undefined" if found.value is None else f"{found.value * 100:.4f} %")
    )
    ends = ", ".join(str(month) for month in found.months)
    people = len({person.young_persons_id for person in found.people})
    lines = [
        f"{found.kpi_id} {found.period_code}, area {found.area_code}, group {found.group_code}, {found.basis}: {figure}",
        f"{found.name}: {found.definition} (source: {found.source})",
        f"Counted at {ends}: {len(found.people):,} people-months of {people:,} people; the figure adds up to them.",
    ]
    if again:
        outcome = (
            "all as loaded"
            if not again.differing
            else f"{len(again.differing)} NOT as loaded; the first: {again.differing[0]}"
        )
        lines.append(f"Read again in landing: {again.same:,} source lines, {outcome}.")
    return lines


def place(person: PersonMonth, kind: str) -> str:
    """File and line of the row of a kind, for a person."""
    return "; ".join(
        f"{row.file_name}:{row.line_number or '-'}{' (stale)' if row.is_stale else ''}"
        for row in person.rows
        if row.kind == kind
    )


def write(file: Path, found: Explanation) -> None:
    """Every people-month with its rows as CSV, one line each.

    Raises:
        OSError: it cannot be written.
    """
    from neet.outgoing import write_csv

    header = (
        "month_end", "young_persons_id", "district_code", "sen_group", "in_numerator", "activity_code",
        "status_bucket", "is_lapsed", "neet_days", "activity_row", "person_row",
    )  # fmt: skip
    write_csv(
        file,
        header,
        (
            (one.month_end, one.young_persons_id, one.district_code, one.sen_group, one.in_numerator,
             one.activity_code, one.status_bucket, one.is_lapsed, one.neet_days,
             place(one, "activity"), place(one, "person"))
            for one in found.people
        ),
    )  # fmt: skip
