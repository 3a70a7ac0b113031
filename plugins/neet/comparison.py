"""The department's figures for an authority beside others' and beside what the authority submitted.

Everything comes from the published mart ``fct_dfe_comparison``; nothing is computed here but the rounding, once, to the
decimal that the department prints. How to read the figures: ``docs/compare-with-dfe.md``.
"""

from __future__ import annotations

from typing import Any

import psycopg

from neet.database import connect
from neet.settings import Settings

QUERY = """
select
    kpi_id,
    measure_id,
    measure_name as name,
    unit,
    max(our_numerator) as numerator,
    max(our_denominator) as denominator,
    round(100 * max(our_value), 1) as our_percent,
    round(max(case when comparator_type = 'OWN' then value end), 1) as dfe_percent,
    max(case when comparator_type = 'OWN' then value_status end) as dfe_status,
    round(floor(10 * max(case when comparator_type = 'OWN' then our_difference_points end) + 0.5) / 10, 1) as difference_points,
    round(max(case when comparator_type = 'ENGLAND' then value end), 1) as england_percent,
    round(max(case when comparator_type = 'REGION' then value end), 1) as region_percent,
    round(max(case when comparator_type = 'STATISTICAL_MEAN' then value end), 1) as neighbours_percent,
    max(case when comparator_type = 'STATISTICAL_MEAN' then neighbours_counted end) as neighbours_counted,
    max(case when comparator_type = 'OWN' then quintile end) as quintile,
    max(case when comparator_type = 'OWN' then best_quintile end) as best_quintile,
    max(case when comparator_type = 'OWN' then worst_quintile end) as worst_quintile,
    max(our_best_quintile) as our_best_quintile,
    max(our_worst_quintile) as our_worst_quintile,
    max(our_ranked_among) as our_ranked_among,
    round(100 * max(our_target), 1) as target_percent,
    round(100 * max(our_floor), 1) as floor_percent,
    max(our_rag) as rag
from published_internal.fct_dfe_comparison
where la_code = %(la_code)s and time_period = %(year)s and kpi_id <> 'SC-CTX'
group by kpi_id, measure_id, measure_name, unit, display_order
order by display_order
"""

YEARS = """
select distinct time_period from published_internal.fct_dfe_comparison
where la_code = %(la_code)s and comparator_type = 'OWN'
order by time_period
"""

REGION = """
select max(comparator_name) from published_internal.fct_dfe_comparison
where la_code = %(la_code)s and time_period = %(year)s and comparator_type = 'REGION'
"""

SERIES = """
select measure_id, measure_name, display_order, polarity, time_period, comparator_type, comparator_name,
       neighbour_rank, value, value_status, printed_text, best_quintile, worst_quintile
from published_internal.fct_dfe_comparison
where la_code = %(la_code)s and kpi_id <> 'SC-CTX' and unit = 'percent' and polarity in ('H', 'L')
order by display_order, time_period, comparator_type collate "C", comparator_code collate "C"
"""

STATUS_WORDS = {
    "NOT_APPLICABLE": "z",
    "SUPPRESSED": "c",
    "MISSING": "not printed",
    "NOT_PUBLISHED": "not published",
}
"""What is shown where the department has no number: its own symbols, and words for an empty cell."""


class NothingToCompare(LookupError):
    """The published marts hold no scorecard of that authority or year; the message says what there is."""


def comparison(settings: Settings, la_code: str, year: int) -> list[dict[str, Any]]:
    """Every scorecard measure of a year: ours, the department's, England's, the region's and the neighbours'.

    Args:
        la_code: three digits of the authority.
        year: of the scorecard; 2022 is December 2021 to February 2022 and March 2022.
    Returns:
        one row a measure, in the scorecard's order: ``kpi_id``, ``measure_id``, ``name``, ``unit``; ``numerator`` and
        ``denominator`` (people, summed over the months of the period) and ``our_percent`` as submitted, None where
        nothing was; ``dfe_percent`` (None when ``dfe_status`` is not ``VALUE``); ``difference_points`` (ours less the
        department's, from the unrounded figure); ``england_percent``, ``region_percent``, ``neighbours_percent`` (mean
        of the ``neighbours_counted`` statistical neighbours with a value); ``quintile`` (1 best), ``best_quintile`` and
        ``worst_quintile`` that the printed value allows, ``quintile_range`` for display; ``our_best_quintile``,
        ``our_worst_quintile`` and ``our_quintile_range`` that our figure would take among the other authorities of the
        scorecard ``our_ranked_among``; ``target_percent``,
        ``floor_percent`` and ``rag`` of our figure. Percentages and points are rounded once, to one decimal, half up,
        so that a difference is always that of the two figures beside it.
    Raises:
        NothingToCompare: no scorecard or submission of that year and authority is published.
    """
    with connect(settings.dsn("auditor")) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        rows = _asked(cursor, QUERY, la_code, year)
        if not rows:
            years = [row["time_period"] for row in _asked(cursor, YEARS, la_code, year)]
            raise NothingToCompare(_nothing(la_code, year, years))
    for row in rows:
        row["quintile_range"] = quintile_range(row["best_quintile"], row["worst_quintile"])
        row["our_quintile_range"] = quintile_range(
            row["our_best_quintile"], row["our_worst_quintile"]
        )
    return rows


def latest_year(settings: Settings, la_code: str) -> int:
    """The newest year that can be compared.

    Raises:
        NothingToCompare: none is published for the authority.
    """
    with connect(settings.dsn("auditor")) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        years = [row["time_period"] for row in _asked(cursor, YEARS, la_code, 0)]
    if not years:
        raise NothingToCompare(_nothing(la_code, None, []))
    return years[-1]


def region_name(settings: Settings, la_code: str, year: int) -> str | None:
    """The authority's region, as printed in the scorecard of the year; None when it has none."""
    with connect(settings.dsn("auditor")) as connection:
        cursor = connection.execute(REGION, {"la_code": la_code, "year": year})
        return cursor.fetchone()[0]


def series(settings: Settings, la_code: str) -> list[dict[str, Any]]:
    """Every published value of the authority and its comparators, all years: what the page of ``neet compare`` draws."""
    with connect(settings.dsn("auditor")) as connection:
        return _asked(connection.cursor(row_factory=psycopg.rows.dict_row), SERIES, la_code, 0)


def quintile_range(best: int | None, worst: int | None) -> str | None:
    """``3`` or ``3-4``, 1 being best; None where the department does not rank."""
    if best is None or worst is None:
        return None
    return str(best) if best == worst else f"{best}-{worst}"


def words(row: dict[str, Any]) -> str:
    """The department's figure for a person: the number, or why there is none."""
    if row["dfe_percent"] is not None:
        return str(row["dfe_percent"])
    return STATUS_WORDS.get(row["dfe_status"], "")


def _asked(cursor: psycopg.Cursor, query: str, la_code: str, year: int) -> list[dict[str, Any]]:
    try:
        return cursor.execute(query, {"la_code": la_code, "year": year}).fetchall()
    except psycopg.errors.UndefinedTable as error:
        raise NothingToCompare(_nothing(la_code, None, [])) from error


def _nothing(la_code: str, year: int | None, years: list[int]) -> str:
    if years:
        held = ", ".join(map(str, years))
        return (
            f"No scorecard of {year} is published for authority {la_code}; there is {held}. Deliver the "
            f"department's file: ./neet deliver dfe_la_scorecard neet_la_scorecard_{year}.csv, and let the marts be built."
        )
    return (
        f"Nothing is published for authority {la_code}. Deliver the department's files (./neet deliver "
        "dfe_la_scorecard FILE; those of 2021 to 2024 are in data/dfe_scorecard) and let the marts be built."
    )
