"""Why did the rate change? The account between any two months or submissions, and the people, rows and files behind it.

The SQL stands in dbt (``macros/rules/movement.sql``): the marts hold the pairs that everybody asks about, the views
``int_movement_account`` and ``int_movement_effect`` answer for any two positions by the same text. This module asks them,
checks that the parts sum with nothing left over, and traces each person to file and line as :mod:`neet.explain` does. What
a part means: ``docs/movement-account.md``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from neet.explain import (
    DoesNotAdd,
    SourceRow,
    area_code_of,
    known_now,
    rows_behind,
    source_rows,
)  # fmt: skip

MEASURES = {
    "neet": "NEET",
    "not_known": "Not Known",
    "neet_or_not_known": "NEET or Not Known",
    "participating": "Participation",
}
"""What a rate is of; the denominator is always the cohort."""

PARTS = {
    "CORRECTED_LATE": "Corrected late",
    "JOINED": "Joined the cohort",
    "LEFT": "Left the cohort",
    "MOVED_IN": "Moved in",
    "MOVED_OUT": "Moved out",
    "RECODED": "Recoded",
    "LAPSED": "Lapsed",
    "CONFIRMED": "Confirmed",
    "COHORT_SIZE": "Cohort size",
}
"""Every part, in the order in which an account is told."""

LEFT_OUT = "is left out of the rates"

POSITIONS = """
select position_id, basis, census_point, month_end, known_seq, place_in_order is not null as is_counted
from intermediate.int_position_list where la_code = %(la)s
order by month_end, basis, chain_number
"""

COUNT = """
select cohort, neet, not_known, neet_or_not_known, participating from intermediate.int_position_count
where la_code = %(la)s and position_id = %(position)s and area_code = %(area)s and group_code = %(group)s
"""

ACCOUNT = """
select * from intermediate.int_movement_account
where la_code = %(la)s and opening_id = %(opening)s and closing_id = %(closing)s
  and area_code = %(area)s and group_code = %(group)s and measure = %(measure)s
"""

EFFECTS = """
select leg_number, is_correction, part, change, side, effect, person_id, young_persons_id, before_activity_code,
       after_activity_code, before_is_lapsed, after_is_lapsed, before_district_code, after_district_code,
       before_sen_group, after_sen_group, before_is_vulnerable, after_is_vulnerable
from intermediate.int_movement_effect
where la_code = %(la)s and opening_id = %(opening)s and closing_id = %(closing)s
  and area_code = %(area)s and group_code = %(group)s and measure = %(measure)s
order by leg_number, part, side desc, change, young_persons_id
"""

GROUPS = "select group_code from reference.reporting_group order by group_code"

# Why somebody came or went, as known now: what stands there instead of a place in the cohort.
STANDING = """
select person.person_id, person.cohort_status_code, person.cohort_status_on, person.cohort_entry_on, status.is_leaver
from intermediate.int_young_person as person
left join reference.cohort_status_codes as status
    on status.cohort_status_code = person.cohort_status_code
    and (status.valid_from is null or status.valid_from <= %(day)s)
    and (status.valid_to is null or %(day)s < status.valid_to)
where person.la_code = %(la)s and person.person_id = any(%(people)s)
"""

UNCOUNTED = """
select person_id, month_end, academic_age, activity_code, is_measured from marts_neet.fct_cohort_month
where la_code = %(la)s and person_id = any(%(people)s) and month_end = any(%(ends)s) and not is_in_denominator
"""

# Every version of somebody's rows that became known after one delivery and not after another, deletions too.
BETWEEN = """
with wanted as (
    select * from unnest(%(ids)s::text[], %(since)s::bigint[], %(until)s::bigint[]) as wanted (id, since, until)
),
version as (
    select 'person' as kind, young_persons_id, row_key, known_from_seq, line_number, row_hash, is_stale
    from hist.hist_core_plus_people where la_code = %(la)s
    union all
    select 'activity', young_persons_id, row_key, known_from_seq, line_number, row_hash, is_stale
    from hist.hist_core_plus_activities where la_code = %(la)s
    union all
    select 'characteristic', young_persons_id, row_key, known_from_seq, line_number, row_hash, is_stale
    from hist.hist_core_plus_characteristics where la_code = %(la)s
)
select version.kind, wanted.id, wanted.since, wanted.until, version.row_key, version.known_from_seq,
       version.line_number, version.row_hash, version.is_stale
from wanted
inner join version
    on version.young_persons_id = wanted.id
    and version.known_from_seq > wanted.since and version.known_from_seq <= wanted.until
order by wanted.id, version.known_from_seq, version.kind, version.row_key collate "C"
"""


# Every characteristic of somebody in force at a month end, as known at a delivery.
CHARACTERISTICS = """
with wanted as (
    select * from unnest(%(ids)s::text[], %(ends)s::date[], %(seqs)s::bigint[]) as wanted (id, month_end, known_seq)
)
select 'characteristic' as kind, wanted.id, wanted.month_end, wanted.known_seq, version.row_key, version.known_from_seq,
       version.line_number, version.row_hash, version.is_stale
from wanted
inner join hist.hist_core_plus_characteristics as version
    on version.la_code = %(la)s and version.young_persons_id = wanted.id
    and version.known_from_seq <= wanted.known_seq
    and (version.known_to_seq is null or version.known_to_seq > wanted.known_seq) and not version.is_deleted
    and version.start_on <= to_char(wanted.month_end, 'YYYY-MM-DD')
    and (coalesce(version.end_on, '') = '' or version.end_on >= to_char(wanted.month_end, 'YYYY-MM-DD'))
order by wanted.id, version.row_key collate "C"
"""


class NoSuchPosition(LookupError):
    """There is no such month or submission, area or group, or the two cannot be compared; the message says what can."""


@dataclass(frozen=True)
class Position:
    """Who was counted at a month end, as known now or in one sealed return.

    Attributes:
        position_id: ``2022-01``, or the identifier of a submission.
        basis: ``restated`` or ``as_submitted``.
        known_seq: the delivery up to which the return knew; ``None``: as known now.
    """

    position_id: str
    basis: str
    census_point: str
    month_end: dt.date
    known_seq: int | None = None

    @property
    def words(self) -> str:
        return (
            f"{self.census_point} {'as known now' if self.basis == 'restated' else 'as submitted'}"
        )


@dataclass(frozen=True)
class Part:
    """One part of an account.

    Attributes:
        part: one of :data:`PARTS`.
        change: the part; of what was corrected late the kind of change that was learnt.
        people_added: people who count now and did not; of the cohort's size in the denominator, else in the numerator.
        rate_effect: what the part changes in the rate, exactly; ``None`` where a cohort is empty.
    """

    part: str
    change: str
    leg_number: int
    people_added: int
    people_removed: int
    numerator_effect: int
    denominator_effect: int
    rate_effect: Fraction | None


@dataclass(frozen=True)
class Account:
    """Why a rate is another than it was. The parts sum to the change, in people and in the rate.

    Attributes:
        measure: one of :data:`MEASURES`.
        area_code: the authority's code for the county, else a district's.
    """

    la_code: str
    opening: Position
    closing: Position
    measure: str
    area_code: str
    group_code: str
    opening_numerator: int
    opening_denominator: int
    closing_numerator: int
    closing_denominator: int
    parts: tuple[Part, ...]

    @property
    def opening_rate(self) -> Fraction | None:
        return _share(self.opening_numerator, self.opening_denominator)

    @property
    def closing_rate(self) -> Fraction | None:
        return _share(self.closing_numerator, self.closing_denominator)

    @property
    def change(self) -> Fraction | None:
        """Closing rate less opening rate, exactly; ``None`` where a cohort is empty."""
        if self.opening_rate is None or self.closing_rate is None:
            return None
        return self.closing_rate - self.opening_rate

    def check(self) -> None:
        """Sum the parts.

        Raises:
            neet.explain.DoesNotAdd: they are not the change of numerator, cohort and rate.
        """
        wrong = []
        for what, effect in (
            ("numerator", "numerator_effect"),
            ("denominator", "denominator_effect"),
        ):
            change = getattr(self, f"closing_{what}") - getattr(self, f"opening_{what}")
            told = sum(getattr(part, effect) for part in self.parts)
            if change != told:
                wrong.append(f"the {what} changed by {change:+}, the parts say {told:+}")
        for part in self.parts:
            if (
                part.people_added - part.people_removed
                != part.numerator_effect + part.denominator_effect
            ):
                wrong.append(
                    f"{part.part} is {part.people_added} people more and {part.people_removed} less"
                )
        if self.change is not None and not any(part.rate_effect is None for part in self.parts):
            told = sum((part.rate_effect for part in self.parts), Fraction(0))
            if told != self.change:
                wrong.append(f"the rate changed by {self.change}, the parts say {told}")
        if wrong:
            raise DoesNotAdd(
                f"The account of {MEASURES[self.measure]} from {self.opening.position_id} to "
                f"{self.closing.position_id}, area {self.area_code}, group {self.group_code}, does not add up: "
                f"{'; '.join(wrong)}. The marts may have been built meanwhile: try again; if it stays, the data "
                "engineer must look at dbt_project/macros/rules/movement.sql."
            )


@dataclass(frozen=True)
class Mover:
    """One person in one part of an account.

    Attributes:
        effect: +1 counts now and did not, -1 counted and does not: in the numerator, or of the cohort's size in the
            cohort.
        why: in words.
        rows: the source rows that made the change: those that say what is so after it and did not say so before.
        rows_before: the rows that stood for the person before it.
    """

    part: str
    change: str
    effect: int
    young_persons_id: str
    why: str
    rows: tuple[SourceRow, ...]
    rows_before: tuple[SourceRow, ...]


def account(
    connection: psycopg.Connection,
    la_code: str,
    opening: str,
    closing: str,
    measure: str = "neet",
    area: str = "",
    group: str = "ALL",
    basis: str = "restated",
) -> Account:
    """The account of one rate between two positions; checked.

    Args:
        connection: of a role that may read the live tables: builder, gate or auditor.
        opening: the earlier one: ``2022-01``, ``2022-01@submitted``, ``2022-01@restated`` or a submission's identifier.
        closing: the later one, likewise.
        measure: one of :data:`MEASURES`.
        area: code or name of a district; empty or the authority's code: the county.
        basis: what a month without ``@`` means: ``restated`` or ``as_submitted``.
    Raises:
        NoSuchPosition: there is no such thing to compare.
        neet.explain.DoesNotAdd: the parts do not sum to the change.
    """
    rows = _asking(connection, la_code)
    listed = rows(POSITIONS)
    positions = [
        Position(*(row[name] for name in ("position_id", "basis", "census_point", "month_end", "known_seq")))
        for row in listed
    ]  # fmt: skip
    counted = {row["position_id"] for row in listed if row["is_counted"]}
    first = _position(positions, counted, opening, basis)
    last = _position(positions, counted, closing, basis)
    _assert_in_order(positions, first, last)
    if measure not in MEASURES:
        raise NoSuchPosition(f"There is no measure {measure!r}. There are: {', '.join(MEASURES)}.")
    where = {
        "area": area_code_of(rows, la_code, area), "group": _group(rows, group), "measure": measure,
        "opening": first.position_id, "closing": last.position_id,
    }  # fmt: skip
    ends = [(rows(COUNT, position=one.position_id, **where) or [{}])[0] for one in (first, last)]
    if not any(ends):
        raise NoSuchPosition(
            f"Nobody was counted in area {where['area']} and group {where['group']}, neither at "
            f"{first.position_id} nor at {last.position_id}."
        )
    found = Account(
        la_code, first, last, measure, where["area"], where["group"],
        ends[0].get(measure, 0), ends[0].get("cohort", 0), ends[1].get(measure, 0), ends[1].get("cohort", 0),
        tuple(sorted(map(_part, rows(ACCOUNT, **where)), key=_in_order)),
    )  # fmt: skip
    found.check()
    return found


def movers(connection: psycopg.Connection, found: Account) -> list[Mover]:
    """The people of each part of an account, with the source rows that made the change.

    Raises:
        neet.explain.DoesNotAdd: they are not as many as the account says.
    """
    rows = _asking(connection, found.la_code)
    effects = rows(
        EFFECTS, opening=found.opening.position_id, closing=found.closing.position_id,
        area=found.area_code, group=found.group_code, measure=found.measure,
    )  # fmt: skip
    _assert_all_there(found, effects)
    if not effects:
        return []
    now = known_now(rows)
    legs = _ends_of_legs(found, now)
    keys = {
        (effect["young_persons_id"], *end)
        for effect in effects
        for end in legs[effect["leg_number"]]
    }
    behind = rows_behind(rows, keys)
    characteristics = _characteristics(rows, effects, legs)
    between = _between(rows, effects, legs)
    standing = _standing(rows, found, effects)
    told = []
    for effect in effects:
        ypid = effect["young_persons_id"]
        ends = legs[effect["leg_number"]]
        before, after = (behind[ypid, *end] for end in ends)
        why = _why(effect, standing.get(effect["person_id"], ""))
        told.append(
            Mover(
                effect["part"],
                "COHORT_SIZE" if effect["side"] == "denominator" else effect["change"],
                effect["effect"],
                ypid,
                why,
                _telling(
                    _decided_by(effect, why),
                    *(side + characteristics.get((ypid, *end), ()) for side, end in zip((before, after), ends, strict=True)),
                    between.get((ypid, effect["leg_number"]), ()),
                ),
                before,
            )
        )  # fmt: skip
    return sorted(told, key=lambda one: (*_in_order(one), one.young_persons_id))


# -- finding what is meant ------------------------------------------------------------------------------------------


def _asking(connection: psycopg.Connection, la_code: str) -> Callable:
    def ask(cursor: psycopg.Cursor, query: str, **values: Any) -> list[dict]:
        return cursor.execute(query, {"la": la_code} | values).fetchall()

    return partial(ask, connection.cursor(row_factory=dict_row))


def _position(positions: list[Position], counted: set[str], text: str, basis: str) -> Position:
    month, _, asked = text.partition("@")
    wanted = {
        "submitted": "as_submitted",
        "as_submitted": "as_submitted",
        "restated": "restated",
        "": basis,
    }
    for one in positions:
        if one.position_id == text and one.basis == "as_submitted":
            return one
        if (one.census_point, one.basis) == (
            month,
            wanted.get(asked),
        ) and one.position_id in counted:
            return one
    raise NoSuchPosition(
        f"There is nothing to compare called {text!r}. {_what_there_is(positions)}"
    )


def _what_there_is(positions: list[Position]) -> str:
    if not positions:
        return "Nothing has been counted yet: deliver the Core+ files and build the marts first."
    months = sorted({one.census_point for one in positions if one.basis == "restated"})
    sealed = [one for one in positions if one.basis == "as_submitted"]
    submitted = ", ".join(f"{one.census_point}@submitted ({one.position_id})" for one in sealed)
    return (
        f"There are the months {months[0]} to {months[-1]}, as known now, and "
        f"{f'the submissions {submitted}' if sealed else 'no submission yet'}."
    )


def _assert_in_order(positions: list[Position], first: Position, last: Position) -> None:
    order = positions.index
    is_correction = first.month_end == last.month_end and first.basis == "as_submitted"
    if first.month_end < last.month_end or (
        is_correction and (last.basis == "restated" or order(first) < order(last))
    ):
        return
    raise NoSuchPosition(
        f"An account goes from the earlier to the later, and from what was submitted to what is known now: "
        f"{first.words} ({first.position_id}) to {last.words} ({last.position_id}) does not. Give them the other way round."
    )


def _group(rows: Callable, group: str) -> str:
    groups = [row["group_code"] for row in rows(GROUPS)]
    if group.upper() not in groups:
        raise NoSuchPosition(f"There is no group {group!r}. There are: {', '.join(groups)}.")
    return group.upper()


# -- people and rows ------------------------------------------------------------------------------------------------


def _share(numerator: int, denominator: int) -> Fraction | None:
    return Fraction(numerator, denominator) if denominator else None


def _part(row: dict) -> Part:
    return Part(
        row["part"], row["change"], row["leg_number"], row["people_added"], row["people_removed"],
        row["numerator_effect"], row["denominator_effect"],
        _share(row["rate_effect_numerator"], row["rate_effect_denominator"]),
    )  # fmt: skip


def _in_order(one: Part | Mover) -> tuple[int, int]:
    names = list(PARTS)
    return names.index(one.part), names.index(one.change)


def _assert_all_there(found: Account, effects: list[dict]) -> None:
    listed = defaultdict(int)
    for row in effects:
        change = "COHORT_SIZE" if row["side"] == "denominator" else row["change"]
        listed[row["part"], change] += 1
    said = {
        (part.part, part.change): part.people_added + part.people_removed for part in found.parts
    }
    if listed != said:
        raise DoesNotAdd(
            f"The account from {found.opening.position_id} to {found.closing.position_id} counts {said}, and the people "
            f"listed are {dict(listed)}. The marts may have been built meanwhile: try again."
        )


def _ends_of_legs(found: Account, now: int) -> dict[int, tuple[tuple, tuple]]:
    """Month end and known time before and after each leg."""
    opening = found.opening.month_end, found.opening.known_seq or now
    closing = found.closing.month_end, found.closing.known_seq or now
    if found.opening.basis == "as_submitted":
        waypoint = found.opening.month_end, found.closing.known_seq or now
    else:
        waypoint = found.closing.month_end, now
    if found.opening.basis == found.closing.basis == "as_submitted":
        return {1: (opening, waypoint), 2: (opening, closing)}
    return {1: (opening, waypoint), 2: (waypoint, closing)}


def _between(rows: Callable, effects: list[dict], legs: dict) -> dict[tuple, tuple[SourceRow, ...]]:
    """Versions that became known within a leg, for those where none of the rows in force is new: an ended activity, a
    deleted row, a characteristic."""
    asked = sorted(
        {
            (effect["young_persons_id"], *sorted((before[1], after[1])), effect["leg_number"])
            for effect in effects
            for before, after in [legs[effect["leg_number"]]]
            if before[1] != after[1]
        }
    )
    if not asked:
        return {}
    ids, since, until, _ = (list(column) for column in zip(*asked, strict=True))
    found = rows(BETWEEN, ids=ids, since=since, until=until)
    legs_of: dict[tuple, list[int]] = defaultdict(list)
    for *key, leg in asked:
        legs_of[tuple(key)].append(leg)
    by_leg: dict[tuple, dict[SourceRow, None]] = defaultdict(dict)
    for row, source in zip(found, source_rows(rows, found), strict=True):
        for leg in legs_of[row["id"], row["since"], row["until"]]:
            by_leg[row["id"], leg][source] = None
    return {key: tuple(of) for key, of in by_leg.items()}


def _is_by_characteristic(effect: dict) -> bool:
    """Came into the vulnerable group or went out of it, and changed nothing else that could have moved them."""
    return (
        effect["change"] in ("MOVED_IN", "MOVED_OUT")
        and effect["before_is_vulnerable"] != effect["after_is_vulnerable"]
        and all(
            effect[f"before_{name}"] == effect[f"after_{name}"]
            for name in ("district_code", "sen_group")
        )
    )


def _decided_by(effect: dict, why: str) -> str:
    """The kind of row that a change was decided by."""
    if effect["change"] in ("RECODED", "LAPSED", "CONFIRMED") or LEFT_OUT in why:
        return "activity"
    return "characteristic" if _is_by_characteristic(effect) else "person"


def _characteristics(
    rows: Callable, effects: list[dict], legs: dict
) -> dict[tuple, tuple[SourceRow, ...]]:
    """Characteristics in force at both ends, of those whom they moved."""
    keys = sorted(
        {
            (effect["young_persons_id"], *end)
            for effect in effects
            if _is_by_characteristic(effect)
            for end in legs[effect["leg_number"]]
        }
    )
    if not keys:
        return {}
    ids, ends, seqs = (list(column) for column in zip(*keys, strict=True))
    found = rows(CHARACTERISTICS, ids=ids, ends=ends, seqs=seqs)
    by_key: dict[tuple, tuple[SourceRow, ...]] = defaultdict(tuple)
    for row, source in zip(found, source_rows(rows, found), strict=True):
        by_key[row["id"], row["month_end"], row["known_seq"]] += (source,)
    return by_key


def _telling(
    kind: str, before: tuple, after: tuple, between: tuple[SourceRow, ...]
) -> tuple[SourceRow, ...]:
    """The rows that made a change: what is in force after it and was not before; failing that, what became known in
    between, or stood before and is over; failing that nothing new was said, and the row that stood there anyhow did it:
    its currency ran out, or a birthday came.

    Args:
        kind: of the rows that decided, see :func:`_decided_by`.
    """
    known, still = ({(row.row_key, row.delivery_seq) for row in side} for side in (before, after))
    new = [row for row in after if (row.row_key, row.delivery_seq) not in known]
    over = [row for row in before if (row.row_key, row.delivery_seq) not in still]
    sources = (
        (new, between, over, after, before)
        if kind == "characteristic"
        else (new, between, after, before)
    )
    found = [[row for row in rows if row.kind == kind] for rows in sources]
    told = next(filter(None, found), [])
    if kind == "person" and not found[0] and not found[1]:
        told = told + new  # a new activity of somebody whose own row is as it was
    return tuple(told)


def _standing(rows: Callable, found: Account, effects: list[dict]) -> dict[str, str]:
    """Of those who joined or left: what is known now of their place in the cohort."""
    people = sorted({row["person_id"] for row in effects if row["change"] in ("JOINED", "LEFT")})
    if not people:
        return {}
    ends = [found.opening.month_end, found.closing.month_end]
    words: dict[str, str] = {}
    for row in rows(STANDING, people=people, day=found.closing.month_end):
        if row["is_leaver"]:
            words[row["person_id"]] = (
                f"cohort status {row['cohort_status_code']} since {row['cohort_status_on']}"
            )
        elif row["cohort_entry_on"] and ends[0] < row["cohort_entry_on"] <= ends[1]:
            words[row["person_id"]] = f"in the cohort since {row['cohort_entry_on']}"
    for row in rows(UNCOUNTED, people=people, ends=ends):
        words.setdefault(
            row["person_id"],
            f"activity {row['activity_code']} {LEFT_OUT} on {row['month_end']}"
            if row["is_measured"]
            else f"academic age {row['academic_age']} on {row['month_end']}",
        )
    return words


def _why(effect: dict, standing: str) -> str:
    def activity(end: str) -> str:
        code = effect[f"{end}_activity_code"] or "no activity"
        return f"{code} (lapsed)" if effect[f"{end}_is_lapsed"] else code

    change = effect["change"]
    if change in ("JOINED", "LEFT"):
        end = "after" if change == "JOINED" else "before"
        return f"{activity(end)}; {standing}" if standing else activity(end)
    if change in ("MOVED_IN", "MOVED_OUT"):
        places = effect["before_district_code"], effect["after_district_code"]
        moved = [f"district {places[0]} -> {places[1]}"] if places[0] != places[1] else []
        if effect["before_sen_group"] != effect["after_sen_group"]:
            moved.append(f"{effect['before_sen_group']} -> {effect['after_sen_group']}")
        if effect["before_is_vulnerable"] != effect["after_is_vulnerable"]:
            moved.append(
                f"{'in' if effect['after_is_vulnerable'] else 'out of'} the vulnerable group"
            )
        return "; ".join(moved)
    return f"{activity('before')} -> {activity('after')}"


# -- telling --------------------------------------------------------------------------------------------------------


def points(rate: Fraction | None, places: int = 3) -> str:
    """A difference of rates in percentage points, rounded half up once, for display."""
    if rate is None:
        return "undefined"
    scaled = abs(rate) * 100 * 10**places
    digits = int(scaled + Fraction(1, 2))
    sign = "-" if rate < 0 and digits else "+"
    whole, rest = divmod(digits, 10**places)
    return f"{sign}{whole}.{rest:0{places}d}"


def percent(rate: Fraction | None, places: int = 3) -> str:
    """A rate in per cent, rounded half up once, for display."""
    return "undefined" if rate is None else points(rate, places).lstrip("+")


def words(found: Account) -> list[str]:
    """What a person reads first."""
    name = MEASURES[found.measure]
    return [
        f"{name}, area {found.area_code}, group {found.group_code}: {found.opening.words} "
        f"{found.opening_numerator:,} / {found.opening_denominator:,} = {percent(found.opening_rate)} %, "
        f"{found.closing.words} {found.closing_numerator:,} / {found.closing_denominator:,} = "
        f"{percent(found.closing_rate)} %: {points(found.change)} points.",
        "The parts sum to the change exactly; what is printed is rounded.",
    ]  # fmt: skip


def label(one: Part | Mover) -> str:
    """The name of a part; of what was corrected late also of what kind it was."""
    if one.part == one.change:
        return PARTS[one.part]
    return f"{PARTS[one.part]}: {PARTS[one.change].lower()}"


def places(rows: Iterable[SourceRow]) -> str:
    """File and line of each row."""
    return "; ".join(
        f"{row.file_name}:{row.line_number or '-'}{' (stale)' if row.is_stale else ''}"
        for row in rows
    )


def as_data(found: Account, people: list[Mover] | None = None) -> dict[str, Any]:
    """The whole as plain data; rates as exact fractions in words."""
    data = dataclasses.asdict(found) | {
        "opening_rate": str(found.opening_rate), "closing_rate": str(found.closing_rate), "change": str(found.change),
    }  # fmt: skip
    for part in data["parts"]:
        part["rate_effect"] = str(part["rate_effect"])
    if people is not None:
        data["people"] = [dataclasses.asdict(one) for one in people]
    return data


def write(file: Path, found: Account, people: list[Mover]) -> None:
    """The people of every part with their rows as CSV, one line each.

    Raises:
        OSError: it cannot be written.
    """
    from neet.outgoing import write_csv

    header = (
        "opening", "closing", "measure", "area_code", "group_code", "part", "change", "effect", "young_persons_id", "why",
        "rows", "deliveries", "in_landing", "rows_before",
    )  # fmt: skip
    write_csv(
        file,
        header,
        (
            (found.opening.position_id, found.closing.position_id, found.measure, found.area_code, found.group_code,
             one.part, one.change, one.effect, one.young_persons_id, one.why, places(one.rows),
             "; ".join(str(row.delivery_seq) for row in one.rows),
             "; ".join(sorted({row.landing_path for row in one.rows})), places(one.rows_before))
            for one in people
        ),
    )  # fmt: skip
