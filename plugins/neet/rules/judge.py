"""Rules as SQL over the prepared tables."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from neet.nccis.layout import all_rows
from neet.rules.pack import Pack, Rule
from neet.rules.workspace import Prepared

VALUE_CHARACTERS = 500
"""A failing value is recorded up to this length; the whole of it is in the source."""

Lists = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Finding:
    """A record that fails a rule; ``record_number`` is ``None`` for a fault of the header."""

    return_id: str
    record_number: int | None
    young_persons_id: str | None
    rule_id: str


@dataclass(frozen=True)
class FailingRow:
    """What a person needs to find and mend one failure."""

    young_persons_id: str | None
    record_number: int | None
    field: str | None
    value: str | None
    detail: str | None


@functools.cache
def field_names() -> Mapping[str, str]:
    """Column to the name of its element in the NCCIS XML, as the people who mend it know it."""
    names = {}
    for row in all_rows():
        group = row.path[-2]
        names[row.column] = f"{group}/{row.path[-1]}" if group.startswith("Year") else row.path[-1]
    return names


def field_name(column: str) -> str:
    """Element name of a column; a derived column in words."""
    return field_names().get(column, column.replace("_", " "))


def failing_query(rule: Rule, lists: Lists, prepared: Prepared) -> str:
    """Every record (or header) the rule fails, as rows of :class:`FailingRow`'s columns."""
    on_header = rule.scope == "header"
    relation = prepared.header_relation if on_header else prepared.check_relation
    shown = [_shown(column) for column in rule.fields]
    detail = "null::text"
    if len(rule.fields) > 1:
        parts = ", ".join(
            f"{sql.Literal(field_name(column) + ' ').as_string(None)} || coalesce({text}, 'blank')"
            for column, text in zip(rule.fields[1:], shown[1:], strict=True)
        )
        detail = f"left(concat_ws(', ', {parts}), {VALUE_CHARACTERS})"
    who = "null::text, null::bigint" if on_header else "young_persons_id, record_number"
    order = "return_id" if on_header else "record_number"
    return (
        f"select {who}, {sql.Literal(field_name(rule.fields[0])).as_string(None)}, "
        f"left({shown[0]}, {VALUE_CHARACTERS}), {detail} "
        f"from {relation} where ({rule.condition(lists)}) order by {order}"
    )


def _shown(column: str) -> str:
    if column in ("characteristic_codes", "database_ids", "source_leas"):
        return f"nullif(array_to_string({column}, ' '), '')"
    return f"{column}::text"


def failing_rows(
    connection: psycopg.Connection, query: str, limit: int | None = None
) -> list[FailingRow]:
    """Rows of :func:`failing_query`, at most ``limit``."""
    with connection.cursor() as cursor:
        cursor.execute(query if limit is None else f"{query} limit {limit}")
        return [FailingRow(*row) for row in cursor]


def failing_records_query(rules: Iterable[Rule], lists: Lists, prepared: Prepared) -> str:
    """Whole rows of the check table that fail at least one of the rules, in one scan of it.

    Nearly every record passes every rule, and most of what a rule costs is reading the row. So the
    rules are asked together here, and which of them failed is asked of the few rows this leaves.
    """
    conditions = [
        f"({rule.condition(lists)})" for rule in rules if rule.scope in ("record", "file")
    ]
    return f"select * from {prepared.check_relation} where " + (
        "\n or ".join(conditions) or "false"
    )


def findings_query(
    rules: Iterable[Rule], lists: Lists, prepared: Prepared, among: str | None = None
) -> str:
    """Every rule over every record as one statement, with rows of :class:`Finding`'s columns.

    Args:
        among: relation that holds the result of :func:`failing_records_query` already.
    """
    rules = tuple(rules)
    parts = []
    for number, rule in enumerate(rules):
        on_header = rule.scope == "header"
        who = "null::bigint, null::text" if on_header else "record_number, young_persons_id"
        relation = prepared.header_relation if on_header else among or "failing"
        rule_id = sql.Literal(rule.rule_id).as_string(None)
        parts.append(
            f"select return_id, {who}, {rule_id}, {number} from {relation} "
            f"where ({rule.condition(lists)})"
        )
    found = "\nunion all\n".join(parts) + "\norder by 1, 2 nulls first, 5"
    if among:
        return found
    failing = failing_records_query(rules, lists, prepared)
    return f"with failing as materialized ({failing})\n{found}"


def judge_all(
    connection: psycopg.Connection, pack: Pack, lists: Lists, prepared: Prepared
) -> list[Finding]:
    """Every rule over every record in one statement, without Great Expectations.

    For files that are only looked at, and for the examples of a pack. One rule with broken SQL ends
    the statement with an error: it is no way to take a decision.

    Raises:
        psycopg.Error: a rule cannot be run.
    """
    query = findings_query(pack.judged_in_sql, lists, prepared)
    return [Finding(*row[:4]) for row in connection.execute(query)]
