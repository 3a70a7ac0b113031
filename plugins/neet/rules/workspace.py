"""The prepared tables that rules are judged over, one set a check, gone when the check ends.

``gate_work.w<token>_check`` holds every record as text (blank is null) beside what the text means: dates,
academic age, how many others share an id. A value that is no date gives a null date and harms nothing.
The tables belong to a process that holds an advisory lock while it lives. Whoever comes next removes
the tables whose lock nobody holds. A check that needs no second connection has temporary tables, which end
with its own.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import psycopg
from psycopg import sql

from neet.census import CensusRun
from neet.nccis.layout import record_columns

SCHEMA = "gate_work"
HEADER_LISTS = ("database_ids", "source_leas")
HEADER_TEXTS = (
    "date_of_send", "period_end", "supplier_name", "supplier_xml_version", "xml_schema_version",
)  # fmt: skip
SESSION = {
    "work_mem": "64MB",
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
    "default_statistics_target": "10",
}
"""Settings of every session that judges. Tables that dbt made a moment ago have no statistics: taken to
be one row long, they are joined row by row, which at 36,000 records takes an hour. A hash join does not mind."""

WORK_SETTINGS = {"synchronous_commit": "off", "temp_buffers": "128MB"}
"""Settings of the session that makes the tables: nobody misses them after a crash."""

CHARACTERISTICS = "characteristic_codes"

DATES = {
    "dob": "dob_on",
    "start_date": "start_on",
    "date_ascertained": "ascertained_on",
    "date_verified": "verified_on",
    "review_date": "review_on",
    "due_to_lapse_date": "due_to_lapse_on",
    "predicted_end_date": "predicted_end_on",
    "neet_start_date": "neet_start_on",
}
"""Text column of a record to the date it means in the check table."""

_STATISTICS = (
    "return_id", "record_number", "young_persons_id", "unique_learner_no", "given_name", "family_name",
    "dob", "cohort_status", "activity_code", "previous_ypid_identifier",
)  # fmt: skip
"""Columns that anything joins or groups by. Statistics of all eighty took longer than the rules themselves."""

_TABLE = re.compile(r"w([0-9a-f]{16})_\w+")


@dataclass(frozen=True)
class Source:
    """Three queries that give returns as text.

    Attributes:
        header: one row a return: ``return_id``, ``database_ids`` and ``source_leas`` (joined by commas)
            and the texts of :data:`HEADER_TEXTS`.
        records: ``return_id``, ``record_number`` and every column of
            :func:`neet.nccis.layout.record_columns`; a record number is unique within its return.
        characteristics: ``return_id``, ``record_number``, ``characteristic_number``,
            ``characteristic_code``.
    """

    header: str
    records: str
    characteristics: str


@dataclass(frozen=True)
class Prepared:
    """The tables of one check.

    Attributes:
        check_table, header_table: names within :data:`SCHEMA`.
        record_count: records to be judged.
        unreadable_periods: ``return_id`` and text of every PeriodEnd that is no date.
        schema: where the tables are.
    """

    check_table: str
    header_table: str
    record_count: int
    unreadable_periods: tuple[tuple[str, str | None], ...]
    schema: str = SCHEMA

    @property
    def check_relation(self) -> str:
        return f"{self.schema}.{self.check_table}"

    @property
    def header_relation(self) -> str:
        return f"{self.schema}.{self.header_table}"


def census_source(run: CensusRun) -> Source:
    """The return as dbt built it for a census run."""
    schema = sql.Identifier(run.schema_name).as_string(None)
    return_id = sql.Literal(f"{run.la_code}|{run.census_point}").as_string(None)
    which = (
        f"la_code = {sql.Literal(run.la_code).as_string(None)} "
        f"and census_point = {sql.Literal(run.census_point).as_string(None)}"
    )

    def rows(table: str) -> str:
        return f"select {return_id} as return_id, t.* from {schema}.{table} t where {which}"

    return Source(
        rows("ret_nccis_header"), rows("ret_nccis_record"), rows("ret_nccis_characteristic")
    )


def _is_date(text: str) -> str:
    """A date where the text is a day of the calendar written CCYY-MM-DD, else null."""
    return (
        f"case when {text} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$' "
        f"and pg_input_is_valid({text}, 'date') then {text}::date end"
    )


def _not_blank(column: str) -> str:
    """The text as it stands, null where there is nothing in it but white space."""
    return f"case when btrim({column}::text, E' \\t\\r\\n') <> '' then {column}::text end"


def _list(column: str) -> str:
    return f"array_remove(string_to_array(regexp_replace(coalesce({column}, ''), '\\s', '', 'g'), ','), '')"


Records = Iterable[Mapping[str, object]]
Header = Mapping[str, object]
Staged = tuple[str, Header | Callable[[], Header], Records]
"""A return from outside the warehouse: ``return_id``, header (or how to get it), records."""


class Workspace:
    """Tables of one check in :data:`SCHEMA`; a context manager that drops them at the end.

    Args:
        dsn: connection string of a role that may create tables there (``gate``).
        temporary: temporary tables, which no other connection sees and which are gone with this one, however
            it ends.
    """

    def __init__(self, dsn: str, temporary: bool = False):
        self.token = secrets.token_hex(8)
        self.schema = "pg_temp" if temporary else SCHEMA
        self._kind = "temporary" if temporary else "unlogged"
        self.connection = psycopg.connect(dsn, autocommit=True, options="-c TimeZone=UTC")
        try:
            settings = SESSION | WORK_SETTINGS
            self.connection.execute(
                "; ".join(f"set {name} = '{value}'" for name, value in settings.items())
            )
            self.connection.execute(
                "select pg_advisory_lock(hashtextextended(%s, 0))", [self.token]
            )
            self.removed_leftovers = self._remove_leftovers()
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # a lost connection must not hide the error that lost it; the next check tidies up
            with contextlib.suppress(psycopg.OperationalError):
                self._drop(self.token)
        finally:
            self.connection.close()

    def name(self, part: str) -> str:
        """Name of one of this check's tables, without the schema."""
        return f"w{self.token}_{part}"

    def _tables(self) -> dict[str, list[str]]:
        """Tables by token, those of other checks included."""
        found: dict[str, list[str]] = {}
        for (table,) in self.connection.execute(
            "select tablename from pg_tables where schemaname = %s and tableowner = current_user",
            [SCHEMA],
        ):
            if match := _TABLE.fullmatch(table):
                found.setdefault(match[1], []).append(table)
        return found

    def _drop(self, token: str) -> None:
        for table in self._tables().get(token, []):
            self.connection.execute(
                sql.SQL("drop table if exists {}").format(sql.Identifier(SCHEMA, table))
            )

    def _remove_leftovers(self) -> tuple[str, ...]:
        """Drop the tables of checks that died: those whose lock is free."""
        removed = []
        for token in self._tables():
            if token == self.token:
                continue
            is_free = self.connection.execute(
                "select pg_try_advisory_lock(hashtextextended(%s, 0))", [token]
            ).fetchone()[0]
            if is_free:
                self._drop(token)
                self.connection.execute(
                    "select pg_advisory_unlock(hashtextextended(%s, 0))", [token]
                )
                removed.append(token)
        return tuple(removed)

    def create(self, part: str, query: str) -> str:
        """A table of this check from a query; gives its name."""
        table = self.name(part)
        self.connection.execute(f"create {self._kind} table {self.schema}.{table} as {query}")
        self._collect_statistics(table)
        return table

    def relation(self, part: str) -> str:
        """One of this check's tables, with its schema."""
        return f"{self.schema}.{self.name(part)}"

    def _collect_statistics(self, table: str) -> None:
        names = [
            name
            for (name,) in self.connection.execute(
                "select attname from pg_attribute where attrelid = %s::regclass and attname = any(%s)",
                [f"{self.schema}.{table}", list(_STATISTICS)],
            )
        ]
        columns = f" ({', '.join(names)})" if names else ""
        self.connection.execute(f"analyze {self.schema}.{table}{columns}")

    def stage(self, returns: Iterable[Staged]) -> Source:
        """Copy returns from outside the warehouse into tables of text, a record at a time.

        Args:
            returns: ``return_id``, header and records of each. The header may be a function, called when the
                records are through. ``database_ids`` and ``source_leas`` of the header are text joined by
                commas, or sequences. Records as :class:`neet.nccis.xml.NccisReturn` gives them: columns left
                out are blank, ``characteristic_codes`` is a sequence, ``record_number`` defaults to the
                position.
        """
        columns = record_columns()
        self._create_empty("stage_header", ("return_id", *HEADER_LISTS, *HEADER_TEXTS))
        self._create_empty(
            "stage_record", ("return_id", "record_number", *columns, CHARACTERISTICS)
        )
        headers = []
        with self.connection.cursor() as cursor, cursor.copy(self._copy("stage_record")) as copy:
            for return_id, header, records in returns:
                for position, record in enumerate(records, 1):
                    get = record.get
                    codes = get(CHARACTERISTICS)
                    copy.write_row(
                        (
                            return_id,
                            get("record_number", position),
                            *map(get, columns),
                            list(codes) if codes else None,
                        )
                    )
                found = header() if callable(header) else header
                lists = [_joined(found.get(name)) for name in HEADER_LISTS]
                headers.append((return_id, *lists, *(found.get(name) for name in HEADER_TEXTS)))
        with self.connection.cursor() as cursor, cursor.copy(self._copy("stage_header")) as copy:
            for row in headers:
                copy.write_row(row)
        return Source(
            f"select * from {self.relation('stage_header')}",
            f"select * from {self.relation('stage_record')}",
            "select r.return_id, r.record_number, c.characteristic_number, c.characteristic_code "
            f"from {self.relation('stage_record')} r, unnest(r.{CHARACTERISTICS}) "
            "with ordinality as c (characteristic_code, characteristic_number)",
        )

    def _create_empty(self, part: str, columns: Sequence[str]) -> None:
        special = {"record_number": "integer", CHARACTERISTICS: "text[]"}
        kinds = ", ".join(f"{name} {special.get(name, 'text')}" for name in columns)
        self.connection.execute(f"create {self._kind} table {self.relation(part)} ({kinds})")

    def _copy(self, part: str) -> str:
        return f"copy {self.relation(part)} from stdin"

    def prepare(self, source: Source, policy: Mapping[str, str]) -> Prepared:
        """Make the check table and the header table from a source.

        Args:
            policy: :func:`neet.rules.codes.load_policy` on the day the return is for.
        Raises:
            psycopg.Error: the source lacks a table or a column.
        """
        header_table = self.create("header", _header_query(source))
        self.create("code", _characteristic_query(source))
        check_table = self.create(
            "check", _check_query(source, self.relation("code"), self.relation("header"), policy)
        )
        (count,) = self.connection.execute(
            f"select count(*) from {self.relation('check')}"
        ).fetchone()
        unreadable = self.connection.execute(
            f"select return_id, period_end from {self.relation('header')} where period_end_on is null"
        ).fetchall()
        return Prepared(check_table, header_table, count, tuple(unreadable), self.schema)


def _joined(value: object) -> object:
    return value if value is None or isinstance(value, str) else ",".join(value)


def _header_query(source: Source) -> str:
    lists = ", ".join(f"{_list(f'h.{name}')} as {name}" for name in HEADER_LISTS)
    texts = ", ".join(f"{_not_blank(f'h.{name}')} as {name}" for name in HEADER_TEXTS)
    return f"""
        with blank_is_null as (select h.return_id, {lists}, {texts} from ({source.header}) h)
        select *, {_is_date("date_of_send")} as date_of_send_on, {_is_date("period_end")} as period_end_on
        from blank_is_null"""


def _text_query(source: Source) -> str:
    texts = ", ".join(f"{_not_blank(f'r.{name}')} as {name}" for name in record_columns())
    dates = ", ".join(f"{_is_date(f'r.{text}')} as {name}" for text, name in DATES.items())
    return (
        "select r.return_id, r.record_number::bigint as record_number, "
        f"{texts}, {dates} from ({source.records}) r"
    )


def _characteristic_query(source: Source) -> str:
    return f"""
        select return_id, record_number::bigint as record_number,
            array_agg(characteristic_code::text order by characteristic_number) as codes
        from ({source.characteristics}) c
        where btrim(characteristic_code::text) <> ''
        group by return_id, record_number"""


def _check_query(
    source: Source, characteristics: str, header: str, policy: Mapping[str, str]
) -> str:
    year_begins = int(policy["academic_year_first_month"])
    window_begins = int(policy["guarantee_window_first_month"])
    below = int(policy["year_group_below_academic_age"])
    keys = ("young_persons_id", "unique_learner_no", "cohort_status", "given_name", "family_name", "dob")  # fmt: skip
    names = ", ".join(f"{_not_blank(f'r.{name}')} as {name}" for name in keys)
    return f"""
        with years as (
            select *, extract(month from period_end_on)::integer as period_month,
                make_date(
                    extract(year from period_end_on)::integer
                        - case when extract(month from period_end_on) < {year_begins} then 1 else 0 end,
                    {year_begins}, 1) as academic_year_start_on
            from {header}
        ),
        name as (
            select r.return_id, {names} from ({source.records}) r
        ),
        same_id as (
            select return_id, young_persons_id, count(*) as records from name
            where young_persons_id is not null
            group by return_id, young_persons_id having count(*) > 1
        ),
        same_learner_number as (
            select return_id, unique_learner_no, count(distinct young_persons_id) as people
            from name
            where unique_learner_no is not null and cohort_status is distinct from 'M'
            group by return_id, unique_learner_no having count(distinct young_persons_id) > 1
        ),
        same_name_and_dob as (
            select return_id, lower(given_name) as given_name, lower(family_name) as family_name, dob,
                count(*) as records
            from name
            where given_name is not null and family_name is not null and dob is not null
            group by return_id, lower(given_name), lower(family_name), dob having count(*) > 1
        ),
        aged as (
            select d.*, h.database_ids, h.source_leas, h.period_end, h.period_end_on,
                h.academic_year_start_on,
                extract(year from age(h.period_end_on, d.dob_on))::integer as age,
                extract(year from h.academic_year_start_on)::integer - extract(year from d.dob_on)::integer
                    - case when extract(month from d.dob_on) >= {year_begins} then 1 else 0 end
                    as academic_age,
                case when h.period_month >= {window_begins} and h.period_month < {year_begins}
                    then 0 else 1 end as years_since_offer
            from ({_text_query(source)} offset 0) d left join years h on h.return_id = d.return_id
            offset 0
        )
        select a.*,
            a.academic_age - {below} as year_group,
            a.academic_age - {below} - a.years_since_offer as guarantee_year_group,
            coalesce(c.codes, '{{}}') as characteristic_codes,
            coalesce(i.records, case when a.young_persons_id is null then 0 else 1 end)
                as records_with_same_id,
            case when a.cohort_status = 'M' or a.unique_learner_no is null then 0
                else coalesce(u.people, 1) end as people_with_same_learner_number,
            coalesce(n.records, 1) as records_with_same_name_and_dob
        from aged a
        left join {characteristics} c on c.return_id = a.return_id and c.record_number = a.record_number
        left join same_id i on i.return_id = a.return_id and i.young_persons_id = a.young_persons_id
        left join same_learner_number u
            on u.return_id = a.return_id and u.unique_learner_no = a.unique_learner_no
        left join same_name_and_dob n
            on n.return_id = a.return_id and n.given_name = lower(a.given_name)
            and n.family_name = lower(a.family_name) and n.dob = a.dob"""
