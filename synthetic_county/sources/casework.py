"""What services do with people: referrals, cases, reviews, needs, contact details, the at-risk list, calls, sheets, logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from synthetic_county.core_plus import ACTIVITIES, OPERATION, PEOPLE, PersonRow
from synthetic_county.dates import (
    DAY,
    academic_year,
    add_working_days,
    month_end,
    working_day_on_or_after,
)
from synthetic_county.parameters import Dice
from synthetic_county.schedule import SECOND_CORRECTIONS
from synthetic_county.sources.files import Files, Slot, columns_of
from synthetic_county.sources.learning import own_number
from synthetic_county.sources.manners import Desk
from synthetic_county.sources.subject import Subject

REFERRAL = "referral"
_NEVER = date.max


class Stay(NamedTuple):
    """A stretch of NEET, as it truly was: first day, first day after it (date.max: not over), what came after."""

    start: date
    until: date
    next_kind: str
    code: str


class Case(NamedTuple):
    """A case as it truly went; days that never come are date.max."""

    number: str
    referral: str
    referred: date
    source: str
    accepted: date
    assessed: date
    planned: date
    matched: date
    closed: date
    reason: str
    by_mailbox: bool


def stays(one: Subject, desk: Desk) -> list[Stay]:
    """The NEET stretches of a person after compulsory school age."""
    found: list[Stay] = []
    start: date | None = None
    code = ""
    for spell, after in zip(one.spells, [*one.spells[1:], None], strict=True):
        if desk.kind(spell) != "neet":
            continue
        if start is None:
            start, code = spell.start, spell.code
        if after is None or desk.kind(after) != "neet":
            until = after.start if after is not None else _NEVER
            if one.person.gone_on < until:
                until = one.person.gone_on
            found.append(Stay(start, until, desk.kind(after) if after else "", code))
            start = None
    return [stay for stay in found if stay.until > stay.start]


def owner_of(one: Subject) -> str:
    return next(
        (change.row.owner_service for change in one.changes if change.feed == PEOPLE), "TEP"
    )


class Table:
    """A further table of Core+: whole at every snapshot, what differs in every delta."""

    def __init__(self, files: Files, feed: str, la_code: str):
        self.slots: list[tuple[date, bool, Slot]] = []
        for extract in files.days.extracts:
            if extract.role == SECOND_CORRECTIONS:
                continue
            is_whole = extract.mode == "snapshot"
            columns = columns_of(feed, extract.deliver_on) | (
                {} if is_whole else {"operation": OPERATION}
            )
            name = f"{la_code}_{feed}_{extract.mode}_{extract.as_at:%Y%m%d}.csv"
            slot = files.slot(
                feed,
                name,
                extract.deliver_on,
                extract.as_at.isoformat(),
                extract.mode,
                True,
                columns,
            )
            self.slots.append((extract.as_at, is_whole, slot))

    def keep(self, row_on: Callable[[date], dict[str, object] | None]) -> None:
        """Write a row wherever it belongs.

        Args:
            row_on: the row as Core+ holds it on a day; None while it is not there.
        """
        before: dict[str, object] | None = None
        for as_at, is_whole, slot in self.slots:
            row = row_on(as_at)
            if is_whole:
                if row is not None:
                    slot.add(**row)
            elif row != before:
                slot.add(**(row or before), operation="U" if row is not None else "D")
            before = row


def _till(day: date, as_at: date) -> object:
    """The day, once it has come."""
    return day if day <= as_at else ""


class Daily:
    """A file each working day, whether or not there is something to say: one that does not come is late."""

    def __init__(self, files: Files, feed: str, stem: str):
        self._slots = {
            on: files.slot(
                feed, f"{stem}_{on:%Y%m%d}.csv", on, on.isoformat(), "event", may_be_nil=True
            )
            for on in files.days.daily()
        }
        self.last = max(self._slots)
        self.first = min(self._slots)

    def on(self, day: date) -> Slot | None:
        """The file in which something of ``day`` comes; none before the first or after the last."""
        if not self.first <= day <= self.last:
            return None
        return self._slots.get(working_day_on_or_after(day))


class Casework:
    """Referrals by mailbox and otherwise, the cases that follow, their reviews, and what people need."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code = desk.places.la_code
        self._mail = Daily(files, "referral_mailbox", f"{la_code}_referrals")
        self._cases = Table(files, "core_plus_cases", la_code)
        self._reviews = Table(files, "core_plus_case_reviews", la_code)
        self._needs = Table(files, "core_plus_needs", la_code)
        self._months = files.days.months

    def person(self, one: Subject) -> None:
        if one.is_double or not one.changes:
            return
        desk = self.desk
        since = desk.settings["casework_since_days"]
        first = desk.days.first - timedelta(days=since)
        found = [stay for stay in stays(one, desk) if stay.until > first]
        closed = date.min
        cases: list[Case] = []
        for stay in found:
            case = self._case(one, stay, closed)
            if case is not None:
                cases.append(case)
                closed = case.closed
            self._need(one, stay)
        for case in cases:
            self._keep(one, case)
        self._review(one, found, cases)
        self._warn(one)

    def _case(self, one: Subject, stay: Stay, free_from: date) -> Case | None:
        desk, settings = self.desk, self.desk.settings["cases"]
        dice = one.dice("case", stay.start)
        share = settings["referred_share"]["vulnerable" if one.person.group != "none" else "none"]
        if not dice.chance(share):
            return None
        referred = add_working_days(
            max(stay.start, one.person.known_on, free_from),
            dice.within(settings["referred_working_days"]),
        )
        accepted = add_working_days(referred, dice.within(settings["accepted_working_days"]))
        assessed = add_working_days(accepted, dice.within(settings["assessed_working_days"]))
        planned = add_working_days(assessed, dice.within(settings["planned_working_days"]))
        matched, closed, reason = (
            _NEVER,
            add_working_days(accepted, dice.within(settings["closed_working_days"])),
            "",
        )
        unmatched = dice.one_of(("NO_ENGAGEMENT", "DECLINED", "TRANSFERRED", "OTHER"))
        after_match = dice.within(settings["closed_after_match_working_days"])
        is_matched = dice.chance(settings["matched_share"])
        if referred >= stay.until or free_from == _NEVER:
            return None
        if stay.until < _NEVER and stay.until <= one.person.gone_on:
            if stay.next_kind and is_matched:
                matched = working_day_on_or_after(max(stay.until, accepted))
                closed, reason = add_working_days(matched, after_match), "EET"
            elif not stay.next_kind:
                closed, reason = working_day_on_or_after(max(stay.until, accepted)), "MOVED"
        reason = reason or unmatched
        source = dice.one_of(_REFERRERS.get(owner_of(one), _REFERRERS["TEP"]))
        number = own_number(one.index, 41)
        by_mailbox = dice.chance(desk.settings["referral_by_mailbox_share"])
        tail = f"{number:08d}{stay.start:%y%m}"
        return Case(
            f"C{tail}", f"R{tail}" if by_mailbox else "", referred, source, accepted, assessed, planned, matched, closed,
            reason, by_mailbox,
        )  # fmt: skip

    def _keep(self, one: Subject, case: Case) -> None:
        person_id = one.person.id
        entered = case.accepted + DAY
        days = sorted(
            {
                entered,
                *(
                    day
                    for day in (case.assessed, case.planned, case.matched, case.closed)
                    if day < _NEVER
                ),
            }
        )

        def row_on(as_at: date) -> dict[str, object] | None:
            if as_at < entered:
                return None
            return {
                "case_id": case.number, "young_persons_id": person_id, "referral_id": case.referral,
                "referred_on": case.referred, "referral_source": case.source, "accepted_on": case.accepted,
                "owner_service_code": "NSS", "assessment_completed_on": _till(case.assessed, as_at) if case.assessed < case.closed else "",
                "plan_completed_on": _till(case.planned, as_at) if case.planned < case.closed else "",
                "eet_matched_on": _till(case.matched, as_at), "closed_on": _till(case.closed, as_at),
                "closure_reason": case.reason if case.closed <= as_at else "",
                "last_updated_on": max(day for day in days if day <= as_at),
            }  # fmt: skip

        self._cases.keep(row_on)
        slot = self._mail.on(case.referred)
        if case.by_mailbox and slot is not None:
            reason = one.dice("reason", case.referred).one_of(_REASONS)
            self._write_mail(one, case.referral, case.referred, case.source, reason, slot)

    def _warn(self, one: Subject) -> None:
        """A mail about somebody who is at risk: the mailbox has it, no case follows."""
        desk = self.desk
        for year in range(academic_year(desk.days.first), academic_year(desk.days.last) + 1):
            dice = one.dice("warned", year)
            is_warned = dice.chance(
                desk.settings["referral_at_risk_share"] * (2 if one.person.unsettled > 1 else 1)
            )
            on = working_day_on_or_after(date(year, 9, 6) + dice.days((0, 320)))
            slot = self._mail.on(on)
            spell = one.spell_on(on)
            if is_warned and slot is not None and spell is not None and desk.kind(spell) != "neet":
                number = f"R{own_number(one.index, 59):08d}W{year % 100:02d}"
                self._write_mail(one, number, on, dice.one_of(_REFERRERS["TEP"]), "AT_RISK", slot)

    def _write_mail(
        self, one: Subject, number: str, referred: date, source: str, reason: str, slot: Slot
    ) -> None:  # fmt: skip
        desk = self.desk
        dice = one.dice("mail", referred)
        written = one.written(REFERRAL, slot.deliver_on)
        states_id = dice.chance(desk.settings["referral_with_id_share"])
        knows_school = dice.chance(0.7) and one.person.school is not None
        slot.add(
            referral_id=number, received_on=desk.day(REFERRAL, slot.deliver_on),
            referred_on=desk.day(REFERRAL, referred), referral_source=source,
            referral_reason=reason,
            young_persons_id=one.person.id if states_id else "", **desk.name(one, REFERRAL, written),
            date_of_birth=desk.day(REFERRAL, written.born), postcode=desk.postcode(REFERRAL, written),
            school_name=one.person.school.name if knows_school else "",
        )  # fmt: skip
        kinds = (*written.kinds, *(() if states_id else ("core_id_missing",)))
        desk.ledger.key(one, slot.feed, number, kinds)

    def _review(self, one: Subject, found: list[Stay], cases: list[Case]) -> None:
        settings, person = self.desk.settings["reviews"], one.person
        owner = owner_of(one)
        kind, service = {
            "SEND": ("SEND_DISCUSSION", "SEND"),
            "VSK": ("VSK_MEETING", "VSK"),
            "YJ": ("YJ_MEETING", "YJ"),
        }.get(owner, ("NEET_MONTHLY", "NSS"))
        for month in self._months:
            end = month_end(month)
            if not any(
                stay.start <= end - timedelta(days=20) and stay.until > end for stay in found
            ):
                continue
            dice = one.dice("review", month)
            if not dice.chance(settings["reviewed_share"]):
                continue
            on = add_working_days(end.replace(day=1), dice.within((2, 17)))
            typed = add_working_days(on, dice.within((0, 2)))
            case = next((case for case in cases if case.accepted <= on < case.closed), None)
            has_action = dice.chance(settings["action_share"])
            row = {
                "review_id": f"V{own_number(one.index, 43):08d}{month[2:4]}{month[5:]}", "young_persons_id": person.id,
                "case_id": case.number if case else "", "reviewed_on": on, "review_kind": kind,
                "allocated_action": dice.one_of(_ACTIONS) if has_action else "",
                "follow_up_on": add_working_days(on, dice.within((5, 20))) if has_action else "",
                "reviewing_service_code": service, "last_updated_on": typed,
            }  # fmt: skip
            self._reviews.keep(lambda as_at, row=row, typed=typed: row if typed <= as_at else None)

    def _need(self, one: Subject, stay: Stay) -> None:
        dice = one.dice("needs", stay.start)
        begun = max(stay.start, one.person.known_on) + dice.days((5, 40))
        if begun >= stay.until or not dice.chance(self.desk.settings["needs_recorded_share"]):
            return
        barriers = {dice.one_of(_BARRIERS) for _ in range(dice.within((1, 2)))}
        barriers |= {_BARRIER_OF[stay.code]} if stay.code in _BARRIER_OF else set()
        needs = [("BARRIER", code) for code in sorted(barriers)]
        needs += [("ASPIRATION", dice.one_of(_SECTORS)), ("LEVEL", dice.one_of(_LEVELS))]
        for kind, code in needs:

            def row_on(as_at: date, kind: str = kind, code: str = code) -> dict[str, object] | None:
                if as_at < begun:
                    return None
                ended = (
                    stay.until + 10 * DAY
                    if kind == "BARRIER" and stay.until < _NEVER - 20 * DAY
                    else _NEVER
                )
                return {
                    "young_persons_id": one.person.id, "need_kind": kind, "need_code": code, "started_on": begun,
                    "ended_on": _till(ended, as_at), "last_updated_on": ended if ended <= as_at else begun,
                }  # fmt: skip

            self._needs.keep(row_on)


_REFERRERS = {
    "TEP": ("TEP", "TEP", "EO", "SCHOOL", "COLLEGE", "PROVIDER", "SELF", "FAMILY", "JOBCENTRE", "HEALTH"),
    "SEND": ("SEND", "SEND", "SCHOOL", "COLLEGE"), "VSK": ("VSK", "CARE_LEAVERS", "SOCIAL_CARE"),
    "YJ": ("YJ", "YJ", "SOCIAL_CARE"), "EHE": ("EHE", "FAIR_ACCESS"),
}  # fmt: skip
_REASONS = ("NEET", "NEET", "NEET", "LEFT_COURSE", "NO_CONTACT", "NO_OFFER")
_ACTIONS = (
    "CONTACT",
    "CONTACT",
    "VISIT",
    "REFER",
    "APPLY",
    "PLACE",
    "ASSESS",
    "SIGNPOST",
    "MONITOR",
)
_BARRIERS = ("HEALTH", "MENTAL_HEALTH", "MENTAL_HEALTH", "CONFIDENCE", "CONFIDENCE", "TRANSPORT", "FINANCE", "HOUSING",
             "LEARNING", "QUALIFICATIONS", "NO_PROVISION", "OTHER")  # fmt: skip
_BARRIER_OF = {"620": "CARING", "630": "PARENTHOOD", "640": "HEALTH", "650": "PREGNANCY"}
_SECTORS = ("CONSTRUCTION", "ENGINEERING", "DIGITAL", "HEALTH_CARE", "CHILDCARE", "HAIR_BEAUTY", "HOSPITALITY", "BUSINESS",
            "RETAIL", "CREATIVE", "SPORT", "ANIMALS_LAND", "PUBLIC_SERVICES", "SCIENCE", "ACADEMIC", "FOUNDATION")  # fmt: skip
_LEVELS = ("NONE", "E", "1", "1", "2", "2", "3")
_RISKS = (
    "ATTENDANCE",
    "ATTENDANCE",
    "EXCLUSION",
    "FSM",
    "LOW_ATTAINMENT",
    "NO_OFFER",
    "MOVED_SCHOOL",
    "MENTAL_HEALTH",
)
_RISK_OF = {
    "110": "IN_CARE",
    "140": "YOUNG_CARER",
    "170": "YOUTH_JUSTICE",
    "200": "ALTERNATIVE_PROVISION",
    "210": "MENTAL_HEALTH",
}


class Contacts:
    """Telephone and e-mail of everybody, and the list of those at risk."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        self._details = Table(files, "core_plus_contact_details", desk.places.la_code)
        self._at_risk = Table(files, "core_plus_at_risk", desk.places.la_code)

    def person(self, one: Subject) -> None:
        if not one.changes or one.is_double:
            return
        self._contact(one)
        self._flag(one)

    def _contact(self, one: Subject) -> None:
        settings, dice = self.desk.settings["contact"], one.dice("contact")
        entered = one.changes[0].keyed_on
        number = own_number(one.index, 47)
        telephone = (
            f"01632 960{number % 1000:03d}" if dice.chance(settings["telephone_share"]) else ""
        )
        mobile = (
            f"07700 900{number // 1000 % 1000:03d}" if dice.chance(settings["mobile_share"]) else ""
        )
        email = f"young{number:08d}@example.org" if dice.chance(settings["email_share"]) else ""
        if dice.chance(settings["invalid_share"]):
            telephone, mobile = ("", "0770") if dice.chance(0.5) else ("not known", "")
        if email and dice.chance(settings["invalid_share"]):
            email = email.replace("@", " at ")
        bounced = (
            entered + dice.days((30, 300))
            if email and dice.chance(settings["bounced_share"])
            else _NEVER
        )
        changed = (
            entered + dice.days((60, 420)) if dice.chance(settings["changed_share"]) else _NEVER
        )
        new_mobile = f"07700 900{(number // 7) % 1000:03d}"
        consent = "Y" if dice.chance(0.94) else "N"

        def row_on(as_at: date) -> dict[str, object] | None:
            if as_at < entered or as_at - timedelta(days=120) >= one.person.gone_on:
                return None
            days = [day for day in (entered, bounced, changed) if day <= as_at]
            return {
                "young_persons_id": one.person.id, "telephone": telephone,
                "mobile": new_mobile if changed <= as_at else mobile, "email": email,
                "email_bounced_on": _till(bounced, as_at), "consent_to_contact": consent,
                "checked_on": max(day for day in (entered, changed) if day <= as_at), "last_updated_on": max(days),
            }  # fmt: skip

        self._details.keep(row_on)

    def _flag(self, one: Subject) -> None:
        settings, person = self.desk.settings["at_risk"], one.person
        for year_group in (11, 12):
            year = person.year_11 + year_group - 11
            if (
                year > academic_year(self.desk.files_end)
                or year < academic_year(self.desk.days.opening) - 1
            ):
                continue
            dice = one.dice("at risk", year)
            share = settings["share"][person.group] * (2 if person.unsettled > 1 else 0.7)
            if not dice.chance(share):
                continue
            flagged = add_working_days(date(year, 12, 1) + dice.days((0, 60)), 0)
            if flagged < person.known_on or flagged >= person.gone_on:
                continue
            planned = (
                flagged + dice.days((10, 90)) if dice.chance(settings["plan_share"]) else _NEVER
            )
            removed = (
                flagged + dice.days((40, 200)) if dice.chance(settings["removed_share"]) else _NEVER
            )
            risks = {dice.one_of(_RISKS) for _ in range(dice.within((1, 3)))}
            risks |= {_RISK_OF[code] for code, _, _ in person.characteristics if code in _RISK_OF}
            risks |= {"plan": {"EHCP"}, "support": {"SEN_SUPPORT"}}.get(person.sen, set())
            row = {
                "young_persons_id": person.id, "academic_year": f"{year}-{(year + 1) % 100:02d}", "flagged_on": flagged,
                "flagged_by_service_code": owner_of(one), "risk_factors": "|".join(sorted(risks)),
            }  # fmt: skip

            def row_on(
                as_at: date, row: dict = row, flagged: date = flagged, planned: date = planned, removed: date = removed
            ) -> dict[str, object] | None:  # fmt: skip
                if as_at < flagged:
                    return None
                days = [day for day in (flagged, planned, removed) if day <= as_at]
                return row | {
                    "transition_plan_on": _till(planned, as_at), "removed_on": _till(removed, as_at),
                    "last_updated_on": max(days),
                }  # fmt: skip

            self._at_risk.keep(row_on)


class Calls:
    """Attempts to reach people nobody knows about, and the calls to families who educate at home."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        self._calls = Daily(files, "contact_attempts", f"{desk.places.la_code}_contact_attempts")

    def person(self, one: Subject) -> None:
        if one.is_double or not one.changes:
            return
        self._number = 0
        for lost, found in self._lost(one):
            self._track(one, lost, found)
        for spell in one.spells:
            if spell.code == "120":
                self._ask_at_home(one, spell.start, spell.end or self.desk.files_end)

    def _lost(self, one: Subject) -> Iterator[tuple[date, date]]:
        """Stretches, by the days typed, in which Core+ held the person as not known."""
        since: dict[tuple, date] = {}
        for change in one.changes:
            if change.feed != ACTIVITIES:
                continue
            row = change.row
            is_lost = row is not None and row.code in self.desk.tables.not_known and row.end is None
            if is_lost:
                since.setdefault(change.key, change.keyed_on)
            elif change.key in since:
                yield since.pop(change.key), change.keyed_on
        for day in since.values():
            yield day, _NEVER

    def _track(self, one: Subject, lost: date, found: date) -> None:
        settings, dice = self.desk.settings["calls"], one.dice("calls", lost)
        until = min(found, self._calls.last + DAY, one.person.gone_on)
        day = lost + dice.days(settings["first_days"])
        for _ in range(settings["most"]):
            if day >= until:
                break
            outcome = dice.one_of(
                ("NO_ANSWER", "NO_ANSWER", "NO_ANSWER", "WRONG_NUMBER", "REACHED", "BOUNCED")
            )
            self._attempt(one, day, dice, "TRACKING", outcome)
            day += dice.days(settings["next_days"])
        if lost < found <= self._calls.last and found < one.person.gone_on:
            self._attempt(
                one,
                found,
                dice,
                "TRACKING",
                "CONFIRMED" if dice.chance(0.8) else "REACHED",
                learns=True,
            )

    def _ask_at_home(self, one: Subject, start: date, end: date) -> None:
        dice = one.dice("home calls", start)
        year = academic_year(max(start, self._calls.first))
        for month_first in (
            date(year, 10, 11),
            date(year, 11, 15),
            date(year + 1, 1, 17),
            date(year + 1, 3, 7),
        ):
            day = working_day_on_or_after(month_first + dice.days((0, 14)))
            outcome = dice.one_of(
                ("REACHED", "CONFIRMED", "NO_ANSWER", "NO_ANSWER", "REFUSED", "WRONG_NUMBER")
            )
            if max(start, one.person.known_on) <= day <= end and day < one.person.gone_on:
                self._attempt(one, day, dice, "EHE_CALL", outcome)
                if outcome in ("REACHED", "CONFIRMED", "REFUSED"):
                    return

    def _attempt(
        self, one: Subject, day: date, dice: Dice, purpose: str, outcome: str, learns: bool = False
    ) -> None:
        slot = self._calls.on(day)
        self._number += 1
        channel = dice.one_of(_CHANNELS)
        if slot is None:
            return
        spell = one.spell_on(day) if learns else None
        slot.add(
            attempt_id=f"T{own_number(one.index, 53):08d}{self._number:03d}", young_persons_id=one.person.id,
            attempted_on=day, channel=channel, purpose=purpose, outcome=outcome,
            new_activity_code=spell.code if spell else "", activity_started_on=spell.start if spell else "",
            service_code="EHE" if purpose == "EHE_CALL" else "TEP",
        )  # fmt: skip


_CHANNELS = ("PHONE", "PHONE", "PHONE", "TEXT", "EMAIL", "SOCIAL", "LETTER", "VISIT")


class Sheets:
    """Review sheets that services put back into the shared folder, each its own people."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        working_day = desk.settings["monthly_working_day"]["shared_folder"]
        self._slots: dict[str, list[tuple[date, Slot]]] = {}
        for service in desk.settings["sheet_services"]:
            for _, end, on in files.days.monthly(working_day + 1):
                name = f"{service}_review_{end:%Y%m%d}.csv"
                slot = files.slot("shared_folder_reviews", name, on, end.isoformat(), "event")
                self._slots.setdefault(service, []).append((end, slot))

    def person(self, one: Subject) -> None:
        if one.is_double or not one.changes:
            return
        owner = owner_of(one)
        if one.person.school is not None and one.index % 9 == 0 and owner == "TEP":
            owner = "OPEN_ACCESS"
        for end, slot in self._slots.get(owner, ()):
            spell = one.spell_on(end)
            if (
                spell is None
                or self.desk.kind(spell) not in ("neet", "college", "training")
                or one.person.known_on > end
            ):
                continue
            dice = one.dice("sheet", end)
            is_busy = self.desk.kind(spell) != "neet"
            if dice.random() > (0.06 if is_busy else 0.75):
                continue
            status = "EET" if is_busy else "NEET"
            if dice.chance(0.08):
                status = "NOT_KNOWN"
            _, given, family = one.named.names[0]
            slot.add(
                young_persons_id=one.person.id, reviewed_on=f"{end - dice.days((0, 12)):%d/%m/%Y}", service_code=owner,
                surname=family, forename=given, date_of_birth=f"{one.person.born:%d/%m/%Y}", confirmed_status=status,
                activity_code=spell.code if status != "NOT_KNOWN" and dice.chance(0.7) else "",
                started_on=f"{spell.start:%d/%m/%Y}" if status == "EET" else "",
                establishment_name=spell.place.name if spell.place and status == "EET" else "",
                comment_code="" if status != "NOT_KNOWN" else "NO_REPLY", is_reviewed="Y",
            )  # fmt: skip


class Feedback:
    """What the department answers to each month's return."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code = desk.places.la_code
        self._slots = [
            (end, files.slot("nccis_feedback", f"{la_code}_nccis_feedback_{month}.csv", on, month, may_be_nil=True))
            for month, end, on in files.days.monthly(desk.settings["monthly_working_day"]["nccis_feedback"])
        ]  # fmt: skip

    def person(self, one: Subject) -> None:
        if not one.changes or one.person.lead_authority != self.desk.places.la_code:
            return
        settings, person = self.desk.settings["feedback"], one.person
        for end, slot in self._slots:
            if person.known_on > end:
                continue
            dice = one.dice("feedback", end)
            chance, other = dice.random(), dice.one_of(self.desk.places.neighbours)
            leaving = person.leaving
            cells: dict[str, object] = {}
            if (
                leaving is not None
                and leaving.status == "T"
                and leaving.known_on <= end < leaving.known_on + timedelta(days=40)
            ):
                cells = {
                    "feedback_kind": "TRANSFER",
                    "other_la_code": leaving.to_authority,
                    "detail": "Accepted by the importing authority",
                }
            elif person.gone_on <= end:
                continue
            elif chance < settings["error_share"]:
                rule = dice.one_of(("38", "43", "237", "302", "908"))
                cells = {"feedback_kind": "ERROR", "rule_id": rule, "detail": f"Rule {rule} failed"}
            elif chance < settings["error_share"] + settings["duplicate_share"]:
                cells = {
                    "feedback_kind": "DUPLICATE",
                    "other_la_code": other,
                    "detail": "Also returned by another authority",
                }
            else:
                spell = one.spell_on(end)
                is_old = (end - person.born).days > 18 * 365.25
                if (
                    spell
                    and is_old
                    and self.desk.kind(spell) == "neet"
                    and dice.chance(settings["claimant_share"])
                ):
                    since = max(spell.start, person.born + timedelta(days=6580))
                    cells = {"feedback_kind": "DWP_CLAIMANT", "claimant_since": since}
            if cells:
                slot.add(period_end=end, young_persons_id=person.id, **cells)


class Offices:
    """What has no young person in it: users of Core+ and the log of compliments, complaints and risks. First block alone."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code, days = desk.places.la_code, desk.settings["monthly_working_day"]
        self._users = [
            (end, files.slot("core_plus_users", f"{la_code}_core_plus_users_snapshot_{end:%Y%m%d}.csv", on, end.isoformat()))
            for _, end, on in files.days.monthly(days["users"])
        ]  # fmt: skip
        self._log = [
            (end, files.slot("service_log", f"{la_code}_service_log_{month}.csv", on, month, "event", may_be_nil=True))
            for month, end, on in files.days.monthly(days["service_log"])
        ]  # fmt: skip
        if desk.facts.block == 0:
            self._write_users()
            self._write_log()

    def person(self, one: Subject) -> None:
        """Nothing: nobody is named."""

    def _write_users(self) -> None:
        services = (
            "TEP",
            "TEP",
            "TEP",
            "NSS",
            "NSS",
            "NSS",
            "VSK",
            "YJ",
            "SEND",
            "EHE",
            "FAIR_ACCESS",
            "OPEN_ACCESS",
            "MI",
        )
        for number in range(1, self.desk.settings["users"] + 1):
            dice = self.desk.facts.dice("user", number)
            opened = self.desk.days.first - timedelta(days=dice.within((30, 1800)))
            trained = opened - timedelta(days=dice.within((1, 20)))
            again = self.desk.days.first - timedelta(days=dice.within((0, 700)))
            trained = max(trained, again) if dice.chance(0.9) else trained
            left = (
                self.desk.days.first + timedelta(days=dice.within((-60, 110)))
                if dice.chance(0.1)
                else _NEVER
            )
            is_closed_late = dice.chance(0.25)
            closed = left + timedelta(days=90 if is_closed_late else 3) if left < _NEVER else _NEVER
            service, role = (
                dice.one_of(services),
                dice.one_of(("READ", "WRITE", "WRITE", "WRITE", "ADMIN")),
            )
            for end, slot in self._users:
                slot.add(
                    user_id=f"U{number:05d}", service_code=service, access_role=role, account_opened_on=opened,
                    trained_on=trained, training_expires_on=trained + timedelta(days=730), left_on=_till(left, end),
                    account_closed_on=_till(closed, end), last_used_on=min(end, closed) - timedelta(days=dice.within((0, 60))),
                )  # fmt: skip

    def _write_log(self) -> None:
        themes = {
            "COMPLIMENT": ("STAFF", "QUALITY", "PROVISION"), "COMMENT": ("COMMUNICATION", "ACCESS", "PROVISION"),
            "COMPLAINT": ("COMMUNICATION", "WAITING", "QUALITY", "STAFF"), "RISK": ("FUNDING", "STAFFING", "DATA"),
            "SAFEGUARDING": ("HOUSING", "MENTAL_HEALTH", "EXPLOITATION", "ONLINE", "HOME"),
            "SOCIAL_VALUE": ("VOLUNTEERING", "LOCAL_JOBS"),
        }  # fmt: skip
        places = self.desk.places
        for end, slot in self._log:
            dice = self.desk.facts.dice("log", end)
            for number in range(dice.within((8, 25))):
                kind = dice.one_of(
                    (
                        "COMPLIMENT",
                        "COMPLIMENT",
                        "COMMENT",
                        "COMPLAINT",
                        "RISK",
                        "SAFEGUARDING",
                        "SAFEGUARDING",
                        "SOCIAL_VALUE",
                    )
                )
                on = end.replace(day=1) + dice.days((0, 27))
                closed = on + dice.days((1, 25))
                is_closed = closed <= end
                slot.add(
                    entry_id=f"E{end:%y%m}{number:03d}", log_kind=kind, entered_on=on, theme=dice.one_of(themes[kind]),
                    district_code=dice.one_of(list(places.districts)), voice=dice.one_of(("YOUNG_PERSON", "FAMILY", "PROFESSIONAL")),
                    severity=dice.one_of(("LOW", "LOW", "MEDIUM", "HIGH")) if kind in ("RISK", "SAFEGUARDING", "COMPLAINT") else "",
                    status="CLOSED" if is_closed else "OPEN", closed_on=closed if is_closed else "",
                    narrative="Words of an imaginary entry",
                )  # fmt: skip


def latest_person(one: Subject, as_at: date) -> PersonRow | None:
    """The person's row as Core+ held it in the evening of ``as_at``."""
    found = None
    for change in one.changes:
        if change.keyed_on > as_at:
            break
        if change.feed == PEOPLE:
            found = change.row
    return found
