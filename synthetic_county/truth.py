"""The right answer, worked out in plain Python from what the recorder put into Core+, planted defects left out.

Independent of the warehouse on purpose: it shares no code, no seed and no SQL with it, and it never reads an exported
file. For every census point it says what anybody who knew exactly what Core+ knew when that point was run must find,
at that month end and at every one before it.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from synthetic_county.core_plus import (
    ACTIVITIES,
    CHARACTERISTICS,
    PEOPLE,
    ActivityRow,
    Change,
    CharacteristicRow,
    PersonRow,
)
from synthetic_county.dates import DAY, academic_age, month_end
from synthetic_county.parameters import Tables

EET, NEET, NOT_KNOWN, OTHER = "EET", "NEET", "NOT_KNOWN", "OTHER"
EVERYWHERE = "ALL"
LEAVERS = frozenset("ALTEMD")
_MEASURED_AGES = (16, 17)

COHORT_COLUMNS = (
    "known_at_census_point", "month_end", "young_persons_id", "in_return", "cohort_status", "academic_age",
    "activity_code", "status_bucket", "is_lapsed", "is_participating", "is_measured", "is_in_denominator",
    "neet_start_on", "neet_days", "neet_days_without_not_known", "neet_spell_number", "sen_group", "is_vulnerable",
    "district_code",
)  # fmt: skip
COUNT_COLUMNS = (
    "known_at_census_point", "month_end", "measure", "district_code", "numerator", "denominator",
)  # fmt: skip


class Segment(NamedTuple):
    """A stretch of days, ``start`` to ``end`` without ``end``, in which the record says one thing."""

    start: date
    end: date
    activity: ActivityRow | None
    is_lapsed: bool
    bucket: str
    neet_start: date | None
    spell: int | None = None
    not_known_before: int | None = None
    """Days of the spell, before this stretch, on which nobody knew."""


class Standing(NamedTuple):
    """One person at one month end."""

    id: str
    in_return: bool
    status: str
    academic_age: int
    code: str
    bucket: str
    is_lapsed: bool
    is_participating: bool
    is_measured: bool
    is_in_denominator: bool
    neet_start: date | None
    neet_days: int | None
    known_neet_days: int | None
    spell: int | None
    sen_group: str
    is_vulnerable: bool
    district: str


class Truth:
    """Follows Core+ change by change and answers at each census point.

    Feed it changes in the order typed with ``learn``; ask with ``standings`` and ``close`` at each point, in order.
    """

    def __init__(self, tables: Tables, la_code: str):
        self.tables = tables
        self.la_code = la_code
        self.settings = tables.parameters["measures"]
        self.participating = frozenset(self.settings["participating"])
        self.occupied = frozenset(self.settings["education_employment_training"])
        self.outside = frozenset(self.settings["outside_denominator"])
        self.people: dict[str, PersonRow] = {}
        self._activities: dict[str, dict[str, ActivityRow]] = defaultdict(dict)
        self._person_of_activity: dict[str, str] = {}
        self._characteristics: dict[str, dict[tuple, CharacteristicRow]] = defaultdict(dict)
        self._segments: dict[str, list[Segment]] = {}
        self._last_reported: dict[str, str] = {}
        self._reported_as: dict[tuple[str, date], str] = {}

    def learn(self, change: Change) -> None:
        """Take one more entry of Core+ into account."""
        row = change.row
        if change.feed == PEOPLE:
            self.people[row.id] = row
        elif change.feed == CHARACTERISTICS:
            self._characteristics[row.person_id][change.key] = row
        elif change.feed == ACTIVITIES:
            (activity_id,) = change.key
            if row is None:
                person_id = self._person_of_activity.pop(activity_id)
                del self._activities[person_id][activity_id]
            else:
                person_id = self._person_of_activity[activity_id] = row.person_id
                self._activities[person_id][activity_id] = row
            self._segments.pop(person_id, None)

    # -- one life as recorded

    def _bucket(self, code: str) -> str:
        if code in self.tables.neet:
            return NEET
        if code in self.tables.not_known:
            return NOT_KNOWN
        return EET if code in self.occupied else OTHER

    def _lapses_on(self, row: ActivityRow) -> date | None:
        """NEET and not known records never lapse, whatever date they hold."""
        return None if self._bucket(row.code) in (NEET, NOT_KNOWN) else row.due

    def segments(self, person_id: str) -> list[Segment]:
        """The person's days as recorded, from the first activity on, without a hole."""
        found = self._segments.get(person_id)
        if found is None:
            found = self._segments[person_id] = list(
                self._with_spells(self._cut(list(self._activities[person_id].values())))
            )
        return found

    def _cut(self, rows: list[ActivityRow]) -> Iterator[Segment]:
        edges: set[date] = set()
        for row in rows:
            edges.add(row.start)
            if row.end:
                edges.add(row.end + DAY)
            lapses_on = self._lapses_on(row)
            if lapses_on and lapses_on >= row.start and (row.end is None or lapses_on < row.end):
                edges.add(lapses_on + DAY)
        ordered = sorted(edges)
        for start, end in zip(ordered, [*ordered[1:], date.max], strict=True):
            holding = [
                row for row in rows if row.start <= start and (row.end is None or row.end >= start)
            ]
            if not holding:
                yield Segment(start, end, None, False, NOT_KNOWN, None)
                continue
            # The latest start counts; among equals the latest news, then the highest id.
            row = max(holding, key=lambda one: (one.start, one.ascertained, one.verified, one.id))
            lapses_on = self._lapses_on(row)
            is_lapsed = lapses_on is not None and lapses_on < start
            yield Segment(
                start, end, row, is_lapsed, NOT_KNOWN if is_lapsed else self._bucket(row.code), None
            )

    def _with_spells(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Give every NEET segment its spell: first day, number, days not known so far (kpis.md section 4).

        Not known suspends a spell. Education, employment or training ends it, unless it lasted no longer than the
        tolerance before NEET or not known came back. Anything else ends it. A spell's first day is the one recorded with
        it, unless that is later than NEET was, or lies in the spell before.
        """
        spell_start: date | None = None
        away_since: date | None = None
        last_neet_day = date.min
        number = not_known = in_doubt = 0
        for segment in segments:
            if segment.bucket == EET:
                away_since = away_since or segment.start
                yield segment
                continue
            if away_since and (segment.start - away_since).days > self.settings["neet_gap_days"]:
                spell_start = None
            away_since = None
            if segment.bucket == OTHER:
                spell_start = None
            elif segment.bucket == NOT_KNOWN:
                in_doubt += (segment.end - segment.start).days
            elif segment.bucket == NEET:
                if spell_start is None:
                    recorded = segment.activity.neet_start or segment.start
                    is_usable = last_neet_day < recorded <= segment.start
                    spell_start = recorded if is_usable else segment.start
                    number, not_known = number + 1, 0
                else:
                    not_known += in_doubt
                in_doubt = 0
                last_neet_day = segment.end - DAY
                segment = segment._replace(
                    neet_start=spell_start, spell=number, not_known_before=not_known
                )
            yield segment

    def _at(self, person_id: str, day: date) -> Segment | None:
        for segment in reversed(self.segments(person_id)):
            if segment.start <= day:
                return segment
        return None

    # -- everybody at one month end

    def standings(self, point: str, on: date) -> Iterator[Standing]:
        """Everybody in the cohort or the return at the month end ``on``, as known now, ``point`` being run.

        Leavers stand here only in the return of ``point`` itself: once, and only if they were reported as present
        before or left within the month.
        """
        is_own_month = on == month_end(point)
        for person_id in sorted(self.people):
            person = self.people[person_id]
            if person.lead_authority != self.la_code or person.entry_on > on:
                continue
            status = person.status
            if person.status_on > on:
                # Core+ keeps the present status only: before it everybody is taken to have been what the return of that
                # month said, or primary.
                status = self._reported_as.get((person_id, on), "P")
            elif status in LEAVERS:
                if not is_own_month:
                    continue
                last = self._last_reported.get(person_id)
                if last in LEAVERS or (last is None and person.status_on < on.replace(day=1)):
                    continue
            yield self._standing(person, status, on)

    def _standing(self, person: PersonRow, status: str, on: date) -> Standing:
        segment = self._at(person.id, on)
        activity = segment.activity if segment else None
        code = activity.code if activity else ""
        bucket = segment.bucket if segment else NOT_KNOWN
        is_lapsed = bool(segment and segment.is_lapsed)
        age = academic_age(person.born, on)
        is_measured = status == "P" and age in _MEASURED_AGES
        neet_start = segment.neet_start if segment else None
        sen_group = "NONE"
        if person.has_plan == "Y":
            sen_group = "EHCP"
        elif person.has_support == "Y":
            sen_group = "SEN_SUPPORT"
        return Standing(
            id=person.id,
            in_return=True,
            status=status,
            academic_age=age,
            code=code,
            bucket=bucket,
            is_lapsed=is_lapsed,
            is_participating=code in self.participating and not is_lapsed,
            is_measured=is_measured,
            is_in_denominator=is_measured and code not in self.outside,
            neet_start=neet_start,
            neet_days=(on - neet_start).days if neet_start else None,
            known_neet_days=(on - neet_start).days - segment.not_known_before
            if neet_start
            else None,
            spell=segment.spell if segment else None,
            sen_group=sen_group,
            is_vulnerable=self._is_vulnerable(person.id, on),
            district=person.district,
        )

    def _is_vulnerable(self, person_id: str, on: date) -> bool:
        held = self._characteristics.get(person_id)
        return bool(held) and any(
            row.code in self.tables.vulnerable
            and row.start <= on
            and (row.end is None or row.end >= on)
            for row in held.values()
        )

    def close(self, returned: Iterable[Standing], on: date) -> None:
        """Remember whom the sealed return of the month end ``on`` named, and as what: leavers are named once."""
        for standing in returned:
            self._last_reported[standing.id] = standing.status
            if standing.status not in LEAVERS and standing.status != "P":
                self._reported_as[standing.id, on] = standing.status


class Cell:
    """The counts of one area and group at one month end, and who is NEET in it."""

    __slots__ = ("counts", "neet")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.neet: set[str] = set()


Cells = dict[tuple[str, str], Cell]
"""Cells by district and group."""


@dataclass(slots=True)
class Position:
    """What one census point finds: the cells of each month end, oldest first, and its return by cohort status."""

    point: str
    cells: dict[date, Cells]
    statuses: Counter[str]

    def add(self, other: Position) -> None:
        """Count the people of ``other``, who are none of these."""
        self.statuses.update(other.statuses)
        for on, cells in other.cells.items():
            for key, cell in cells.items():
                mine = self.cells[on].setdefault(key, Cell())
                mine.counts.update(cell.counts)
                mine.neet |= cell.neet


class CohortWriter:
    """Writes ``cohort_month.csv`` point by point, and counts.

    Args:
        months: ``all`` writes every month end up to each point; ``own`` the point's own alone, which is enough to
            check submissions and grows no faster than the county.
    """

    def __init__(self, path: Path, truth: Truth, months: str, with_header: bool = True):
        self.truth = truth
        self.months = months
        self.durations: dict[str, int] = truth.settings["duration_days"]
        self._file = path.open("w", encoding="utf-8", newline="")
        self._cohort = csv.writer(self._file, lineterminator="\n")
        if with_header:
            self._cohort.writerow(COHORT_COLUMNS)

    def close(self) -> None:
        self._file.close()

    def write(self, point: str, month_ends: list[date]) -> Position:
        """Write what is true at ``month_ends``, oldest first and the point's own last, and close the point."""
        found = Position(point, {}, Counter())
        own = month_ends[-1]
        if self.months == "own":
            month_ends = month_ends[-2:]
        for on in month_ends:
            standings = list(self.truth.standings(point, on))
            if self.months == "all" or on == own:
                self._cohort.writerows(self._row(point, on, standing) for standing in standings)
            found.cells[on] = self._cells(standings)
            if on == own:
                found.statuses.update(one.status for one in standings)
                self.truth.close(standings, on)
        return found

    @staticmethod
    def _row(point: str, on: date, one: Standing) -> tuple:
        return (
            point, on.isoformat(), one.id, _flag(one.in_return), one.status, one.academic_age, one.code, one.bucket,
            _flag(one.is_lapsed), _flag(one.is_participating), _flag(one.is_measured),
            _flag(one.is_in_denominator), one.neet_start.isoformat() if one.neet_start else "",
            "" if one.neet_days is None else one.neet_days,
            "" if one.known_neet_days is None else one.known_neet_days, one.spell or "", one.sen_group,
            _flag(one.is_vulnerable), one.district,
        )  # fmt: skip

    def _cells(self, standings: Iterable[Standing]) -> Cells:
        cells: Cells = defaultdict(Cell)
        _ = cells[EVERYWHERE, EVERYWHERE]
        for one in standings:
            if not one.is_in_denominator:
                continue
            groups = [
                (EVERYWHERE, EVERYWHERE),
                (one.district, EVERYWHERE),
                (EVERYWHERE, one.sen_group),
            ]
            if one.is_vulnerable:
                groups.append((EVERYWHERE, "VULNERABLE"))
            names = ["cohort", *measures_of(one)]
            if one.bucket == NEET:
                names += [name for name, days in self.durations.items() if one.neet_days > days]
            for group in groups:
                cell = cells[group]
                cell.counts.update(names)
                if one.bucket == NEET:
                    cell.neet.add(one.id)
        return cells


class CountsWriter:
    """Writes ``counts.csv``, point by point, for the whole county."""

    def __init__(self, path: Path, durations: Iterable[str], months: str):
        self.durations = list(durations)
        self.months = months
        self._file = path.open("w", encoding="utf-8", newline="")
        self._counts = csv.writer(self._file, lineterminator="\n")
        self._counts.writerow(COUNT_COLUMNS)
        self._submitted: dict[date, Cells] = {}
        self.summary: dict[str, dict[str, int]] = {}

    def close(self) -> None:
        self._file.close()

    def write(self, found: Position) -> None:
        """Write the counts of one point."""
        point, known = found.point, found.cells
        own = list(known)[-1]
        self._count(point, own, "RETURN", EVERYWHERE, found.statuses.total(), "")
        for status in sorted(found.statuses):
            self._count(point, own, f"RETURN-{status}", EVERYWHERE, found.statuses[status], "")
        for on, before in zip(known, [None, *known], strict=False):
            if self.months == "all" or on == own:
                self._write_month(point, on, known[on], known.get(before))
        self._submitted[own] = known[own]
        self._write_scorecard(point, own, known)
        self.summary[point] = dict(known[own][EVERYWHERE, EVERYWHERE].counts)

    def _count(
        self, point: str, on: date, measure: str, area: str, numerator: int, denominator: Any
    ) -> None:
        self._counts.writerow((point, on.isoformat(), measure, area, numerator, denominator))

    def _write_month(
        self,
        point: str,
        on: date,
        cells: Cells,
        before: Cells | None,
    ) -> None:
        for area, group in sorted(cells.keys() | (before or {}).keys()):
            cell = cells.get((area, group), Cell())
            suffix = "" if group == EVERYWHERE else f"@{group}"
            counts = cell.counts
            cohort = counts["cohort"]
            self._count(point, on, f"COHORT{suffix}", area, cohort, "")
            self._count(point, on, f"EET{suffix}", area, counts["eet"], cohort)
            self._count(point, on, f"AP-NEET{suffix}", area, counts["neet"], cohort)
            self._count(point, on, f"AP-NK{suffix}", area, counts["not_known"], cohort)
            self._count(point, on, f"AP-COMB{suffix}", area, counts["neet_or_not_known"], cohort)
            self._count(point, on, f"AP-PART{suffix}", area, counts["participating"], cohort)
            for name in self.durations:
                self._count(point, on, f"{name}{suffix}", area, counts[name], counts["neet"])
            if before is not None:
                opening = before[area, group].neet if (area, group) in before else set()
                joiners, leavers = cell.neet - opening, opening - cell.neet
                self._count(point, on, f"FLOW-OPEN{suffix}", area, len(opening), "")
                self._count(point, on, f"FLOW-J{suffix}", area, len(joiners), "")
                self._count(point, on, f"FLOW-L{suffix}", area, len(leavers), "")
                self._count(point, on, f"FLOW-CLOSE{suffix}", area, len(cell.neet), "")

    def _write_scorecard(self, point: str, own: date, known: dict[date, Cells]) -> None:
        """The three winter months together, and March, in February's and March's own rows.

        ``SC-*`` counts each month as it was submitted; ``SC-*:restated`` as it is known now.
        """
        winter = {12: 1, 1: 0, 2: 0}
        if own.month == 2:
            months = [date(own.year - winter[month], month, 1) for month in winter]
            ends = [month_end(f"{first:%Y-%m}") for first in months]
            names = {"NEET": "neet", "NK": "not_known", "COMB": "neet_or_not_known"}
        elif own.month == 3:
            ends, names = [own], {"PART": "participating"}
        else:
            return
        for source, suffix in ((self._submitted, ""), (known, ":restated")):
            if not all(end in source for end in ends):
                continue
            keys = sorted({key for end in ends for key in source[end]})
            for area, group in keys:
                cells = [source[end].get((area, group), Cell()) for end in ends]
                cohort = sum(cell.counts["cohort"] for cell in cells)
                tail = suffix if group == EVERYWHERE else f"@{group}{suffix}"
                for name, count in names.items():
                    total = sum(cell.counts[count] for cell in cells)
                    self._count(point, own, f"SC-{name}{tail}", area, total, cohort)


def measures_of(one: Standing) -> list[str]:
    """Names of the counts that somebody of the cohort belongs to."""
    names = []
    if one.bucket == NEET:
        names += ["neet", "neet_or_not_known"]
    elif one.bucket == NOT_KNOWN:
        names += ["not_known", "neet_or_not_known"]
    elif one.bucket == EET:
        names.append("eet")
    if one.is_participating:
        names.append("participating")
    return names


def _flag(value: bool) -> str:
    return "Y" if value else "N"
