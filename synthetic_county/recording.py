"""What Core+ comes to know of each life, when, and how wrongly: every version of every row, by the day it was typed.

Two rules of thumb make the record look like a real one. First, it is truthful when written: a date, a code or an
authority is wrong only by mistake (``code_mistake_share``) or because the world moved on. Second, it is late: the
authority learns of a change after days or months, and types it some days after that.
"""

from __future__ import annotations

import heapq
from datetime import date, timedelta
from itertools import count

from synthetic_county.core_plus import (
    ActivityRow,
    Change,
    CharacteristicRow,
    GuaranteeRow,
    PersonRow,
    Row,
    key_of,
)
from synthetic_county.dates import DAY, academic_year, add_months, year_end
from synthetic_county.lives import Spell, ends_with_year, spell_at
from synthetic_county.parameters import Dice, Tables
from synthetic_county.people import Person
from synthetic_county.places import Places
from synthetic_county.schedule import Rhythm

_NOT_KNOWN, _NO_ADDRESS = "810", "820"
_NOT_KNOWN_AT_SCHOOL = "150"
_PREGNANT = "650"
# Rules 233 to 235: the activity cannot stand without its characteristic.
_CHARACTERISTIC_OF = {"620": "140", "630": "120", _PREGNANT: "180"}
# Entered from the true first day always: a course or a sentence has one.
_DATED_KINDS = {"sixth_form", "college", "higher_education", "special", "reengagement", "custody"}
_LONGEST_EXTENSION = 4


class Recorder:
    """Turns people and their lives into changes of Core+."""

    def __init__(self, tables: Tables, places: Places, rhythm: Rhythm, opening: date, until: date):
        self.tables = tables
        self.places = places
        self.rhythm = rhythm
        self.opening = opening
        self.until = until

    def record(self, person: Person, spells: list[Spell], dice: Dice) -> list[Change]:
        """Every change that concerns the person, in the order typed, up to the last day that matters."""
        entry = _Entry(self, person, dice)
        changes = entry.created()
        changes += _ActivityFile(self, person, spells, entry.created_on, dice).changes()
        changes += _PersonFile(self, person, entry, dice).changes()
        changes += self._characteristics(person, spells, entry.created_on, dice)
        changes.sort(key=lambda change: change.keyed_on)
        return [change for change in changes if change.keyed_on <= self.until]

    def typed_on(
        self, learned: date, content: date, after: date, dice: Dice, late: bool = True
    ) -> date:
        """Day on which something learned on ``learned`` is typed, never before the entry typed on ``after``."""
        typing = self.tables.parameters["recording"]["typing_days"]
        chance = dice.random()
        bounds = typing["usual"]
        if chance < typing["late_share"] and late:
            bounds = typing["late"]
        elif chance < typing["late_share"] + typing["backlog_share"]:
            bounds = typing["backlog"]
        return max(after, self.rhythm.keyed_on(learned + dice.days(bounds), content))

    def _characteristics(
        self, person: Person, spells: list[Spell], created_on: date, dice: Dice
    ) -> list[Change]:
        changes = []
        codes = {spell.code for spell in spells}
        for code, start, end in person.characteristics:
            with_activity = any(_CHARACTERISTIC_OF.get(one) == code for one in codes)
            if with_activity or start >= min(person.gone_on, self.until):
                continue
            known = max(start + dice.days((5, 60)), person.known_on)
            typed = self.typed_on(known, known, created_on, dice)
            row = CharacteristicRow(person.id, code, start, None, typed)
            changes.append(Change(typed, *key_of(row), row))
            if end and end < min(person.gone_on, self.until):
                ended = max(end + dice.days((5, 40)), known)
                typed = self.typed_on(ended, ended, typed, dice)
                row = row._replace(end=end, updated_on=typed)
                changes.append(Change(typed, *key_of(row), row))
        return changes


class _Entry:
    """The first entry of a person."""

    def __init__(self, recorder: Recorder, person: Person, dice: Dice):
        typed = recorder.typed_on(person.known_on, person.known_on, date.min, dice, late=False)
        self.created_on = min(typed, year_end(person.known_on))
        self.recorder = recorder
        self.person = person
        line, town, postcode = person.address
        self.row = PersonRow(
            id=person.id,
            status="P",
            status_on=person.entered_on,
            entry_on=person.entered_on,
            given_name=person.given_name,
            middle_name=person.middle_name,
            family_name=person.family_name,
            address=line,
            town=town,
            county=recorder.places.county,
            postcode=postcode,
            gender=person.gender,
            born=person.born,
            ethnicity=person.ethnicity,
            lead_authority=person.lead_authority,
            educated_in=person.educated_in,
            transferred_to="",
            authority_in_year_11=person.authority_in_year_11,
            learner_number=person.learner_number,
            pupil_number=person.pupil_number,
            guarantee_indicator="N",
            former_id=person.former_id,
            level_of_need=person.level_of_need,
            has_plan="Y" if person.sen == "plan" else "N",
            has_support="Y" if person.sen == "support" else "N",
            intended_destination="",
            district=person.district,
            school_of_origin=person.school.number if person.school else "",
            owner_service=self._owner(),
            updated_on=self.created_on,
        )
        if person.year_group(person.known_on) > 11:
            self.row = self.row._replace(intended_destination=person.intended_destination)

    def _owner(self) -> str:
        held = {code for code, _, _ in self.person.characteristics}
        settings = self.recorder.tables.parameters["population"]
        for kind, value, service in settings["owner_service"]:
            if (
                kind == "anyone"
                or (kind == "characteristic" and value in held)
                or (kind == "plan" and self.person.sen == "plan")
            ):
                return service
        return ""

    def created(self) -> list[Change]:
        return [Change(self.created_on, *key_of(self.row), self.row)]


class _PersonFile:
    """Status, address, needs and September Guarantee of one person, in the order they become known."""

    def __init__(self, recorder: Recorder, person: Person, entry: _Entry, dice: Dice):
        self.recorder = recorder
        self.person = person
        self.row = entry.row
        self.last = entry.created_on
        self.created_on = entry.created_on
        self.dice = dice
        self.settings = recorder.tables.parameters["guarantee"]
        self.guarantees: dict[int, GuaranteeRow] = {}
        self.out: list[Change] = []

    def changes(self) -> list[Change]:
        """The changes after the first entry."""
        events = [*self._guarantee_events(), *self._leaving_events()]
        if self.person.duplicate_of is None:
            events += self._other_events()
        for order, (known, content, act) in enumerate(sorted(events, key=lambda event: event[0])):
            del order
            known = max(known, self.person.known_on)
            typed = self.recorder.typed_on(known, content, self.last, self.dice, late=False)
            typed = max(self.last, min(typed, year_end(content)))
            self.last = typed
            act(known)
        return self.out

    def _write(self, row: Row) -> Row:
        row = row._replace(updated_on=self.last)
        self.out.append(Change(self.last, *key_of(row), row))
        return row

    def _person(self, **values: object) -> None:
        self.row = self._write(self.row._replace(**values))

    def _known_until(self) -> date:
        """The day the record stops being anybody's work."""
        return self.person.leaving.known_on if self.person.leaving else date.max

    # -- events: (day known, latest date they hold, what happens)

    def _other_events(self) -> list[tuple]:
        person, dice = self.person, self.dice
        moves = self.recorder.tables.parameters["population"]["moves"]
        events: list[tuple] = []
        for year in range(
            academic_year(self.recorder.opening) - 1, academic_year(self.recorder.until) + 1
        ):
            if dice.chance(12 * moves["change_of_address"]):
                day = date(year, 9, 1) + dice.days((0, 364))
                if person.known_on < day < person.gone_on:
                    events.append((day, day, self._new_address))
        if person.intended_destination and not self.row.intended_destination:
            asked = date(person.year_11 + 1, 1, 10) + dice.days((0, 75))
            if person.known_on < asked < person.gone_on:
                events.append((asked, asked, self._ask_destination))
        granted = person.plan_granted_on
        if granted and person.known_on < granted < person.gone_on:
            events.append((granted, granted, lambda _: self._person(has_plan="Y", has_support="N")))
        return events

    def _new_address(self, _: date) -> None:
        moves = self.recorder.tables.parameters["population"]["moves"]
        district = self.row.district
        if self.dice.chance(moves["address_in_other_district_share"]):
            district = self.recorder.places.draw_district(self.dice)
        line, town, postcode = self.recorder.places.address(district, self.dice)
        self._person(address=line, town=town, postcode=postcode, district=district)

    def _ask_destination(self, _: date) -> None:
        self._person(intended_destination=self.person.intended_destination)

    def _guarantee_events(self) -> list[tuple]:
        person, dice = self.person, self.dice
        if person.duplicate_of is not None:
            return []
        events: list[tuple] = []
        month, first, last = self.settings["opens"]
        fixed = self.settings["cohort_fixed"]
        opened: set[int] = set()
        for year_group in (11, 12):
            year = person.year_11 + year_group - 10
            made = max(date(year, month, first) + dice.days((0, last - first)), person.known_on)
            # Whoever is on record when the guarantee opens gets a row, gone or not: nobody may find it missing.
            if made > date(year, *fixed) or self._known_until() < date(year, month, 1):
                continue
            events.append((made, made, lambda known, y=year, g=year_group: self._open(y, g, known)))
            # Until April the indicator speaks of last year's offer, so a newcomer of Year 12 gets it only then.
            asked = made
            if year_group == 12 and year - 1 not in opened:
                month_on, first_on, last_on = self.settings["indicator_moves"]
                asked = max(
                    made, date(year, month_on, first_on) + dice.days((0, last_on - first_on))
                )
            opened.add(year)
            events.append((asked, asked, self._open_indicator))
            if dice.chance(self.settings["still_not_recorded_share"]):
                continue
            decided = min(made + dice.days(self.settings["decided_days"]), date(year, 9, 24))
            if decided < person.gone_on:
                events.append((decided, decided, lambda known, y=year: self._decide(y, known)))
        month, first, last = self.settings["indicator_moves"]
        closed = date(person.year_11 + 3, month, first) + dice.days((0, last - first))
        if person.known_on < closed < self._known_until():
            events.append((closed, closed, self._close_indicator))
        return events

    def _open(self, year: int, year_group: int, known: date) -> None:
        row = GuaranteeRow(
            self.person.id, year, year_group, self.settings["not_recorded"], self.recorder.places.la_code, known,
            known,
        )  # fmt: skip
        self.guarantees[year] = self._write(row)

    def _open_indicator(self, _: date) -> None:
        if self.row.guarantee_indicator != "Y":
            self._person(guarantee_indicator="Y")

    def _decide(self, year: int, known: date) -> None:
        row = self.guarantees[year]
        table = f"year_{row.year_group}"
        status = self.recorder.tables.weighted("guarantee", "status", table).draw(self.dice)
        self.guarantees[year] = self._write(row._replace(status=status, status_on=known))

    def _close_indicator(self, _: date) -> None:
        if self.row.guarantee_indicator == "Y":
            self._person(guarantee_indicator="N")

    def _leaving_events(self) -> list[tuple]:
        leaving = self.person.leaving
        if leaving is None:
            return []
        until = leaving.guarantee_only_until
        if until is None:
            return [(leaving.known_on, leaving.on, lambda _: self._leave(leaving.on))]
        kept = (
            leaving.known_on,
            leaving.on,
            lambda _: self._person(status="G", status_on=leaving.on),
        )
        return [kept, (until, until, lambda _: self._leave(until))]

    def _leave(self, on: date) -> None:
        leaving = self.person.leaving
        values: dict[str, object] = {"status": leaving.status, "status_on": on}
        if leaving.to_authority:
            values["transferred_to"] = leaving.to_authority
        if leaving.status == "L":
            values |= {"has_plan": "N", "has_support": "N"}
        self._person(**values)


class _ActivityFile:
    """The activities of one person as the authority learns of them."""

    def __init__(
        self, recorder: Recorder, person: Person, spells: list[Spell], created_on: date, dice: Dice
    ):
        self.recorder = recorder
        self.tables = recorder.tables
        self.settings = recorder.tables.parameters["recording"]
        self.person = person
        self.spells = spells
        self.dice = dice
        self.last = created_on
        self.out: list[Change] = []
        self.rows: dict[str, ActivityRow] = {}
        self.spell_of: dict[str, int | None] = {}
        self.touched: dict[tuple, tuple[str, tuple, Row | None]] = {}
        self.current: str = ""
        self.known_to = -1
        self.open_characteristics: dict[str, CharacteristicRow] = {}
        self._numbers = count(1)
        self._orders = count()
        self._events: list[tuple] = []

    def changes(self) -> list[Change]:
        """Every version of every activity, and of the characteristics that come with one."""
        known_on = self.person.known_on
        if self.person.duplicate_of is not None:
            self._create_for_duplicate()
            return self.out
        first_day = max(known_on, self.spells[0].start) if self.spells else known_on
        if not self.spells or first_day >= self.person.gone_on:
            return []
        rollover = self.person.post_16_on
        if known_on < rollover and self.spells[0].code in self.tables.compulsory:
            self._at(rollover, self._roll_over)
        self._at(first_day, self._learn)
        self._plan_learning(first_day)
        while self._events:
            when, _, act = heapq.heappop(self._events)
            leaving = self.person.leaving
            kept = leaving.guarantee_only_until if leaving else None
            is_rollover = act == self._roll_over
            # Whoever leaves on or after 1 September, or is kept for the guarantee, moves up a year on record.
            last_day = max(self.person.gone_on, kept or date.min)
            if when > last_day if is_rollover else when >= self.person.gone_on:
                continue
            if when > self.recorder.until:
                break
            act(when)
            self._type(when, late=not is_rollover)
        return self.out

    def _at(self, when: date, act) -> None:
        heapq.heappush(self._events, (when, next(self._orders), act))

    def _type(self, when: date, late: bool = True) -> None:
        """Everything that the event touched is typed in one go."""
        if not self.touched:
            return
        content = max(
            (row.verified for _, _, row in self.touched.values() if isinstance(row, ActivityRow)),
            default=when,
        )
        is_first = not self.out
        if is_first:
            typed = self.last if self.last >= when else self.recorder.rhythm.keyed_on(when, content)
        else:
            typed = self.recorder.typed_on(when, content, self.last, self.dice, late)
        if when < self.person.post_16_on:
            # Whatever is still on the desk on 31 August is typed before everyone moves up.
            typed = max(self.last, min(typed, self.person.post_16_on - DAY))
        self.last = typed
        for feed, key, row in self.touched.values():
            if row is not None:
                row = row._replace(updated_on=typed)
                if isinstance(row, ActivityRow):
                    self.rows[row.id] = row
            self.out.append(Change(typed, feed, key, row))
        self.touched = {}

    # -- what the authority learns

    def _plan_learning(self, since: date) -> None:
        for position, spell in enumerate(self.spells):
            if spell.start <= since:
                continue
            previous = self.spells[position - 1]
            learned = self._learned_on(spell, previous)
            self._at(learned, lambda when, p=position: self._learn_of(p, when))
            notice = self.settings["leaving_notice"].get(self.tables.kind_of.get(previous.code))
            if notice and not ends_with_year(previous, spell) and self.dice.chance(notice[0]):
                told = spell.start + self.dice.days(notice[1:])
                if told < learned:
                    self._at(told, lambda when, p=position: self._told_of_leaving(p, when))

    def _learned_on(self, spell: Spell, previous: Spell) -> date:
        settings, dice, group = self.settings, self.dice, self.person.group
        kind = self.tables.kind_of.get(spell.code, "sixth_form")
        enrolment = settings["enrolment_days"].get(kind)
        if enrolment and spell.start.month == 9:
            day = self._enrolled_on(kind, academic_year(spell.start))
        else:
            days = dice.within(settings["learning_days"][kind])
            if self.person.sen != "none":
                days *= settings["supported_learning_multiplier"]
            day = spell.start + timedelta(days=int(days))
            if dice.chance(settings["hard_to_reach_share"][group]):
                day += dice.days(settings["hard_to_reach_days"])
        return max(day, spell.start)

    def _enrolled_on(self, kind: str, year: int) -> date:
        """When the enrolment return that names the person is in hand."""
        settings, dice = self.settings, self.dice
        day = date(year, 8, 31) + dice.days(settings["enrolment_days"][kind])
        missed = settings["enrolment_missed_share"][kind]
        if self.person.sen != "none":
            missed *= settings["verification"]["supported_missed_multiplier"]
        if dice.chance(missed):
            day += dice.days(settings["enrolment_missed_days"])
        return day

    def _learn_of(self, position: int, when: date) -> None:
        """News of one activity; it may be old news by now."""
        at = spell_at(self.spells, when)
        if at == position or self.dice.chance(
            self.settings["verification"]["contact_reveals_share"]
        ):
            self._learn(when)

    def _learn(self, when: date) -> None:
        """Somebody finds out what the person does on ``when`` and enters it."""
        at = spell_at(self.spells, when)
        current = self.rows.get(self.current)
        is_lost = current is not None and current.code in self.tables.not_known
        if at is None or at < self.known_to or (at == self.known_to and not is_lost):
            return
        spell = self.spells[at]
        if spell.code in self.tables.compulsory and when >= self.person.post_16_on:
            return
        if at == self.known_to:
            # Found again, still doing the same.
            self._enter(at, when, when)
            return
        kind = self.tables.kind_of.get(spell.code)
        back_dated = (
            not is_lost
            or kind in _DATED_KINDS
            or self.dice.chance(self.settings["back_dated_share"])
        )
        if not back_dated:
            self._enter(at, when, when)
            return
        if current is not None:
            for position in range(self.known_to + 1, at):
                missed = self.spells[position]
                is_compulsory = missed.code in self.tables.compulsory
                if not is_compulsory and self.dice.chance(self.settings["history_kept_share"]):
                    self._enter(position, missed.start, when)
        self._enter(at, spell.start, when)

    def _told_of_leaving(self, position: int, when: date) -> None:
        if self.known_to == position - 1 and self.spell_of.get(self.current) == position - 1:
            self._enter_not_known(self.spells[position].start, when, self._draw_not_known())

    def _draw_not_known(self) -> str:
        return self.tables.weighted("recording", "not_known_codes").draw(self.dice)

    def _lose(self, when: date) -> None:
        """A NEET review reaches nobody."""
        self._enter_not_known(when, when, self._draw_not_known())
        self._at(when + self.dice.days(self.settings["contact_lost"]["back_days"]), self._learn)

    def _roll_over(self, when: date) -> None:
        """1 September: nobody may carry a compulsory-age code into Year 12 (rule 230)."""
        self.known_to = max(self.known_to, spell_at(self.spells, when - DAY))
        self._enter_not_known(when, when, _NOT_KNOWN)

    # -- what is entered

    def _create_for_duplicate(self) -> None:
        when = self.person.known_on
        at_school = self.person.year_group(when) <= 11
        row = self._new_row(_NOT_KNOWN_AT_SCHOOL if at_school else _NOT_KNOWN, when, when, None)
        if at_school:
            row = row._replace(course_end=year_end(when), due=year_end(when))
        self._put(row)
        self._type(when)

    def _enter_not_known(self, start: date, when: date, code: str) -> None:
        self._make_room(start, leave_open=False)
        row = self._new_row(code, start, when, None)
        self._put(row)
        self.current = row.id
        later = self.settings["becomes_820"]
        if code == _NOT_KNOWN and self.dice.chance(later["share"]):
            self._at(
                when + self.dice.days(later["days"]), lambda at, i=row.id: self._becomes_820(i, at)
            )

    def _becomes_820(self, activity_id: str, when: date) -> None:
        if self.current == activity_id:
            self._put(self.rows[activity_id]._replace(code=_NO_ADDRESS, verified=when))

    def _enter(self, position: int, start: date, when: date) -> None:
        """Enter the spell at ``position`` as an activity that began on ``start``, known on ``when``."""
        spell = self.spells[position]
        before = self._make_room(start, leave_open=True)
        row = self._new_row(spell.code, start, when, position)
        if spell.code in self.tables.neet:
            row = row._replace(neet_start=self._neet_start(spell, start, before))
        following = self.spells[position + 1].start if position + 1 < len(self.spells) else date.max
        if following <= when:
            # Over already; what follows is entered next and makes room for itself.
            row = row._replace(end=following - DAY)
        row = self._dated(row, when)
        mistake = self.settings["code_mistakes"].get(row.code)
        if mistake and self.dice.chance(self.settings["code_mistake_share"]):
            right = row.code
            row = row._replace(code=mistake)
            later = when + self.dice.days(self.settings["code_mistake_days"])
            self._at(later, lambda at, i=row.id: self._correct_code(i, right))
        self._put(row)
        self.current = row.id
        self.known_to = max(self.known_to, position)
        self._add_characteristic(row)
        self._plan_verification(row, when)

    def _correct_code(self, activity_id: str, code: str) -> None:
        self._put(self.rows[activity_id]._replace(code=code))

    def _make_room(self, start: date, leave_open: bool) -> ActivityRow | None:
        """End what was going on the day before ``start``; delete not known stretches that turn out not to have been.

        Returns:
            the activity that now comes just before ``start``.
        """
        for row in list(self.rows.values()):
            if row.end is not None and row.end < start:
                continue
            if row.start >= start:
                if row.code not in self.tables.not_known:
                    raise AssertionError(f"{row} would be overwritten from {start}")
                del self.rows[row.id]
                self.touched[row.id] = (*key_of(row), None)
                continue
            is_dated = row.code in self.tables.not_known or row.code in self.tables.compulsory
            if (
                leave_open
                and row.end is None
                and not (is_dated or row.code == _PREGNANT)
                and self.dice.chance(self.settings["left_open_share"])
            ):
                continue
            self._put(row._replace(end=start - DAY))
            if row.code == _PREGNANT:
                self._end_pregnancy(row, start - DAY)
        earlier = [row for row in self.rows.values() if row.start < start]
        return max(earlier, key=lambda row: row.start, default=None)

    def _new_row(self, code: str, start: date, when: date, position: int | None) -> ActivityRow:
        number = next(self._numbers)
        activity_id = f"{self.person.index * 100 + number:010d}"
        spell = self.spells[position] if position is not None else None
        place = spell.place if spell else None
        self.spell_of[activity_id] = position
        course_end = spell.course_end if spell else None
        if course_end and code not in self.tables.needs_course_end:
            often = self.settings["course_end_often"].get(code, 0)
            course_end = course_end if self.dice.chance(often) else None
        return ActivityRow(
            id=activity_id,
            person_id=self.person.id,
            code=code,
            start=start,
            end=None,
            ascertained=when,
            verified=when,
            review=None,
            course_end=course_end,
            due=None,
            number=place.number if place else "",
            name=place.name if place else "",
            ukprn=place.ukprn if place else "",
            neet_start=None,
            updated_on=when,
        )

    def _put(self, row: ActivityRow) -> None:
        self.rows[row.id] = row
        self.touched[row.id] = (*key_of(row), row)

    def _neet_start(self, spell: Spell, start: date, before: ActivityRow | None) -> date:
        """First day of the NEET spell, as the person who enters it would fill it in."""
        if before is None:
            return start
        if before.code in self.tables.neet:
            return before.neet_start
        if before.code not in self.tables.not_known:
            return start
        earlier = [row for row in self.rows.values() if row.start < before.start]
        previous = max(earlier, key=lambda row: row.start, default=None)
        if previous is not None and previous.code in self.tables.neet:
            carried = self.dice.chance(self.settings["neet_start_carried_share"])
            return previous.neet_start if carried else start
        if self.dice.chance(self.settings["neet_start_from_true_start_share"]):
            return min(start, max(spell.start, self.person.post_16_on))
        return start

    def _dated(self, row: ActivityRow, when: date) -> ActivityRow:
        """The row as verified on ``when``: review and lapse dates by the rule of its code (nccis.md section 3.2)."""
        code, course_end, review = row.code, row.course_end, None
        if (
            course_end
            and course_end <= when
            and row.end is None
            and code not in self.tables.lapses_at_year_end
        ):
            course_end = add_months(when, self.dice.within((1, _LONGEST_EXTENSION)))
        if code in self.tables.reviewed:
            review = when + self.dice.days(self.settings["currency"]["review_after_days"][code])
            review = min(review, course_end) if course_end else review
        due = None
        if code in self.tables.lapses_at_year_end:
            due = year_end(when)
        elif code in self.tables.lapse_months:
            due = add_months(when, self.tables.lapse_months[code])
        elif code in self.tables.lapse_after_review:
            due = review + timedelta(days=self.tables.lapse_after_review[code])
        if due and course_end:
            due = min(due, course_end)
        return row._replace(verified=when, review=review, course_end=course_end, due=due)

    def _add_characteristic(self, row: ActivityRow) -> None:
        code = _CHARACTERISTIC_OF.get(row.code)
        if code is None or (code in self.open_characteristics and row.code != _PREGNANT):
            return
        held = CharacteristicRow(
            self.person.id, code, row.start, row.end if row.code == _PREGNANT else None, row.start
        )
        self.open_characteristics[code] = held
        self.touched[code, row.start] = (*key_of(held), held)

    def _end_pregnancy(self, row: ActivityRow, end: date) -> None:
        held = CharacteristicRow(self.person.id, _CHARACTERISTIC_OF[_PREGNANT], row.start, end, end)
        self.touched[held.code, held.start] = (*key_of(held), held)

    # -- verification

    def _plan_verification(self, row: ActivityRow, when: date) -> None:
        settings, dice = self.settings["verification"], self.dice
        if row.end is not None or row.code in self.tables.compulsory:
            return
        kind = self.tables.kind_of[row.code]
        act = lambda at, i=row.id: self._verify(i, at)  # noqa: E731
        if kind in self.settings["enrolment_days"]:
            again = when + dice.days(settings["education_again_days"])
            if dice.chance(settings["education_again_share"]) and again < year_end(when):
                self._at(again, act)
            self._at(self._enrolled_on(kind, academic_year(when) + 1), act)
            return
        supported = settings["supported_missed_multiplier"] if self.person.sen != "none" else 1
        missed = dice.chance(settings["missed_share"] * supported)
        if row.code in self.tables.neet and row.review is None:
            days = dice.within(settings["neet_review_days"])
            if dice.chance(settings["neet_review_missed_share"]):
                days *= 2
            self._at(when + timedelta(days=days), act)
        elif row.review is not None:
            day = row.review - dice.days((0, 6))
            if missed:
                day = (row.due or row.review) + dice.days(settings["missed_days"])
            self._at(max(day, when + DAY), act)
        elif row.due is not None:
            day = row.due - dice.days(settings["before_lapse_days"])
            if missed:
                day = row.due + dice.days(settings["missed_days"])
            self._at(max(day, when + DAY), act)

    def _verify(self, activity_id: str, when: date) -> None:
        if self.current != activity_id:
            return
        row = self.rows[activity_id]
        if when <= row.verified:
            return
        settings = self.settings["verification"]
        if spell_at(self.spells, when) != self.spell_of[activity_id]:
            if self.dice.chance(settings["contact_reveals_share"]):
                self._learn(when)
            else:
                again = when + self.dice.days(settings["neet_review_days"])
                self._at(again, lambda at: self._verify(activity_id, at))
            return
        lost = self.settings["contact_lost"]["share"]
        if row.code in self.tables.neet and row.code != _PREGNANT and self.dice.chance(lost):
            self._lose(when)
            return
        row = self._dated(row, when)
        self._put(row)
        self._plan_verification(row, when)
