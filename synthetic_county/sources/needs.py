"""School census and attendance, Synergy, Liberi, Youth Justice and the Early Help Module."""

from __future__ import annotations

from datetime import date, timedelta

from synthetic_county.dates import DAY, academic_year, add_months, year_end
from synthetic_county.facts import temporary_upn
from synthetic_county.lives import Spell
from synthetic_county.sources.files import Files, Slot
from synthetic_county.sources.learning import SCHOOL, own_number
from synthetic_county.sources.manners import Desk
from synthetic_county.sources.subject import NOTHING, Subject

SYNERGY, LIBERI, YOUTH_JUSTICE, EARLY_HELP = "synergy", "liberi", "youth_justice", "early_help"
_NEEDS = ("SEMH", "ASD", "MLD", "SLCN", "SPLD", "PD", "HI", "VI", "SLD")
_TEAMS = ("North", "South", "East", "West")


def sen_on(one: Subject, desk: Desk, day: date) -> str:
    """SEN provision as its owner knows it: E, K or N. Core+ may think otherwise."""
    settings, person = desk.settings["send"], one.person
    dice = one.dice("sen")
    ended, unknown, faded = dice.random(), dice.random(), dice.random()
    sooner = dice.days(settings["plan_known_sooner_days"])
    turned = date(person.year_11, 9, 1) + dice.days((100, 500))
    granted = person.plan_granted_on
    if person.sen == "plan" or (granted is not None and granted - sooner <= day):
        return "N" if ended < settings["plan_ended_share"] and day >= turned else "E"
    if person.sen == "support":
        return "N" if faded < settings["support_ended_share"] and day >= turned else "K"
    return "K" if unknown < settings["support_unknown_to_core_share"] else "N"


class Census:
    """The school census of each term and the attendance of each term, one file a county."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code, settings = desk.places.la_code, desk.settings
        self._census = [
            (asked, files.slot(
                "school_census", f"{la_code}_school_census_{asked:%Y%m%d}.csv", on, asked.isoformat()))
            for asked, on in files.days.dated(*map(tuple, settings["census_days"]))
        ]  # fmt: skip
        self._attendance = [
            (asked, files.slot(
                "school_attendance", f"{la_code}_school_attendance_{asked:%Y%m%d}.csv", on, asked.isoformat()))
            for asked, on in files.days.dated(*map(tuple, settings["attendance_days"]))
        ]  # fmt: skip

    def person(self, one: Subject) -> None:
        if one.is_double:
            return
        for asked, slot in self._census:
            spell = one.spell_on(asked)
            if spell is not None and self.desk.at_school(spell):
                self._count(one, spell, asked, slot)
        for asked, slot in self._attendance:
            spell = one.spell_on(asked)
            if spell is not None and self.desk.at_school(spell):
                self._attend(one, spell, asked, slot)

    def _pupil(
        self, one: Subject, spell: Spell, asked: date, slot: Slot
    ) -> tuple[dict, str, tuple[str, ...]]:
        desk = self.desk
        written = one.written(SCHOOL, slot.deliver_on)
        upn = written.upn or temporary_upn(one.named.upn)
        estab = desk.school_on(spell.place, asked).number[3:]
        former = [
            family
            for since, _, family in one.named.names
            if since <= asked and family != written.family
        ]
        year = one.person.year_group(asked)
        cells = {
            "estab": estab, "upn": upn, **desk.name(one, SCHOOL, written), "middle_names": written.middle,
            "former_surname": former[-1] if former and "former_family_name" not in written.kinds else "",
            "gender": written.gender, "date_of_birth": desk.day(SCHOOL, written.born), "enrolment_status": "C",
            "entered_on": desk.day(SCHOOL, date(one.person.year_11 - 4, 9, 1) if year == 11 else spell.start),
            "nc_year_actual": year,
        }  # fmt: skip
        return cells, f"{estab}|{upn}", written.kinds

    def _count(self, one: Subject, spell: Spell, asked: date, slot: Slot) -> None:
        desk = self.desk
        cells, key, kinds = self._pupil(one, spell, asked, slot)
        written = one.written(SCHOOL, slot.deliver_on)
        dice = one.dice("census")
        differs, need, poor = dice.random(), dice.one_of(_NEEDS), dice.random()
        sen = sen_on(one, desk, asked)
        if sen != "N" and differs < desk.settings["send"]["census_differs_share"]:
            sen = "K" if sen == "E" else "N"
        number, _, street = written.address[0].partition(" ")
        age = (
            asked.year
            - one.person.born.year
            - ((asked.month, asked.day) < (one.person.born.month, one.person.born.day))
        )
        slot.add(
            **cells, ethnicity=one.person.ethnicity, language="ENG", sen_provision=sen,
            sen_need1=need if sen != "N" else "", sen_unit_indicator="N", resourced_provision_indicator="N",
            uln=written.uln, postcode=desk.postcode(SCHOOL, written), paon=number, street=street,
            town=written.address[1], administrative_area=desk.places.county, native_id=own_number(one.index, 11),
            fsm_eligible="Y" if poor < 0.17 * one.person.unsettled else "N", age="16+" if age >= 16 else age,
        )  # fmt: skip
        desk.ledger.key(one, slot.feed, key, kinds)
        desk.ledger.say(one, "SEN", slot.feed, key, slot.deliver_on, sen)
        desk.ledger.say(one, "ADDRESS", slot.feed, key, slot.deliver_on, written.postcode)

    def _attend(self, one: Subject, spell: Spell, asked: date, slot: Slot) -> None:
        cells, key, kinds = self._pupil(one, spell, asked, slot)
        dice = one.dice("attendance", asked)
        possible = 130 if asked.month == 10 else 70
        share = min(0.9, 0.055 * one.person.unsettled * (0.4 + 1.6 * dice.random() ** 2) * 1.6)
        away = int(possible * share)
        ill, unexplained = int(away * 0.5), int(away * 0.3 * min(1.0, one.person.unsettled))
        holiday = away - ill - unexplained
        late = int(4 * dice.random() * one.person.unsettled)
        present = possible - away - late
        slot.add(
            **cells, sessions_possible=possible, mark_present_am=present - present // 2, mark_present_pm=present // 2,
            mark_late=late, mark_illness=ill, mark_unauthorised=unexplained, mark_holiday_authorised=holiday,
            **dict.fromkeys(_OTHER_MARKS, 0),
        )  # fmt: skip
        self.desk.ledger.key(one, slot.feed, key, kinds)


_OTHER_MARKS = tuple(
    f"mark_{name}"
    for name in """off_site interview sport visit work_experience other_authorised excluded medical religious
    study_leave traveller holiday_unauthorised no_reason_yet late_after_close dual_registered not_required
    unable_to_attend""".split()
)


class Synergy:
    """SEN every week, home education and missing education every week."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code, weekly = desk.places.la_code, desk.settings["weekly_on"]
        self._send = [
            (on, files.slot("synergy_send", f"{la_code}_synergy_send_{on:%Y%m%d}.csv", on, on.isoformat()))
            for on in _with_first(files, weekly["synergy_send"])
        ]  # fmt: skip
        self._home = [
            (on, files.slot(
                "synergy_ehe_cme", f"{la_code}_synergy_ehe_cme_{on:%Y%m%d}.csv", on, on.isoformat(), may_be_nil=True))
            for on in _with_first(files, weekly["synergy_ehe_cme"])
        ]  # fmt: skip

    def person(self, one: Subject) -> None:
        if one.is_double or one.named.is_stranger:
            return
        self._needs(one)
        for spell in one.spells:
            if spell.code in ("120", "130", "140", "150"):
                self._out_of_school(one, spell)

    def _cells(self, one: Subject, on: date) -> tuple[dict[str, object], tuple[str, ...], str]:
        desk, written = self.desk, one.written(SYNERGY, on)
        return (
            {
                "synergy_id": f"SY{own_number(one.index, 5):08d}", "upn": written.upn,
                **desk.name(one, SYNERGY, written), "date_of_birth": desk.day(SYNERGY, written.born),
                "gender": desk.gender(SYNERGY, written), "postcode": desk.postcode(SYNERGY, written),
            },
            written.kinds,
            written.postcode,
        )  # fmt: skip

    def _needs(self, one: Subject) -> None:
        person, desk = one.person, self.desk
        if person.sen == "none" and sen_on(one, desk, desk.files_end) == "N":
            return
        dice = one.dice("send")
        need, team, began = dice.one_of(_NEEDS), dice.one_of(_TEAMS), dice.days((200, 3000))
        for on, slot in self._send:
            if not one.is_here(on):
                continue
            sen = sen_on(one, desk, on)
            cells, kinds, postcode = self._cells(one, on)
            spell = one.spell_on(on)
            was_plan = sen == "N" and person.sen == "plan"
            status = {"E": "CURRENT"}.get(sen, "CEASED" if was_plan else "")
            granted = person.plan_granted_on
            if (
                sen == "K"
                and granted is not None
                and granted > on
                and granted - on < timedelta(days=200)
            ):
                status = "IN_ASSESSMENT"
            since = (
                granted
                if granted is not None and sen == "E" and person.sen != "plan"
                else date(person.year_11, 9, 1) - began
            )
            slot.add(
                **cells, sen_provision=sen, plan_status=status,
                plan_started_on=since.isoformat() if sen == "E" or was_plan else "",
                plan_ended_on=_turn_of(one, desk).isoformat() if was_plan else "", primary_need=need, key_worker_team=team,
                school_number=desk.school_on(spell.place, on).number if spell and desk.at_school(spell) else "",
                last_updated_on=min(on, since + timedelta(days=400)).isoformat(),
            )  # fmt: skip
            key = cells["synergy_id"]
            desk.ledger.key(one, slot.feed, key, kinds)
            desk.ledger.say(one, "SEN", slot.feed, key, on, sen)
            desk.ledger.say(one, "ADDRESS", slot.feed, key, on, postcode)

    def _out_of_school(self, one: Subject, spell: Spell) -> None:
        desk, settings = self.desk, self.desk.settings["home_education"]
        if spell.code == "130":
            return
        kind = "EHE" if spell.code == "120" else "CME"
        dice = one.dice("out of school", spell.start)
        told = spell.start + dice.days((3, 30))
        has_contact, replies, has_plan = (
            dice.chance(settings[name])
            for name in ("contact_share", "reply_share", "plan_known_share")
        )
        replied, intends = dice.days((10, 90)), one.person.intended_destination
        number = own_number(one.index, 5) % 1000
        for on, slot in self._home:
            if told > on or not one.is_here(on) or spell.start < date(academic_year(on) - 1, 9, 1):
                continue
            cells, kinds, _ = self._cells(one, on)
            year = academic_year(on)
            letters = {
                "letter_y11a_on": date(year, 9, 24),
                "letter_y11b_on": date(year, 12, 6),
                "letter_y11c_on": date(year + 1, 4, 25),
            }
            is_sent = kind == "EHE" and one.person.year_group(on) == 11
            reply = max(spell.start, date(year, 9, 24)) + replied
            ended = spell.end if spell.end is not None and spell.end <= on else None
            has_replied = is_sent and replies and reply <= on
            slot.add(
                **cells, record_kind=kind, started_on=spell.start.isoformat(), year_group=one.person.year_group(on),
                ended_on=ended.isoformat() if ended else "", end_reason="Year 11 over" if ended == year_end(spell.start) else "Back to school" if ended else "",
                parent_telephone=f"01632 960{number:03d}" if has_contact else "",
                parent_email=f"family{one.index}@example.org" if has_contact and number % 3 else "",
                post16_plan=intends if has_replied and has_plan else "",
                **{name: day.isoformat() if is_sent and spell.start <= day <= on else "" for name, day in letters.items()},
                reply_on=reply.isoformat() if has_replied else "", last_updated_on=(ended or told).isoformat(),
            )  # fmt: skip
            desk.ledger.key(one, slot.feed, cells["synergy_id"], kinds)


def _turn_of(one: Subject, desk: Desk) -> date:
    """Day on which a plan or support ended that Core+ still holds; as in ``sen_on``."""
    dice = one.dice("sen")
    for _ in range(3):
        dice.random()
    dice.days(desk.settings["send"]["plan_known_sooner_days"])
    return date(one.person.year_11, 9, 1) + dice.days((100, 500))


def _with_first(files: Files, weekday: int) -> list[date]:
    """The weekly days; where none falls within the time shown, the first day."""
    return sorted({files.days.first, *files.days.weekly(weekday)})


def _monthly(files: Files, feed: str, stem: str, working_day: int) -> list[tuple[date, Slot]]:
    return [
        (end, files.slot(feed, f"{stem}_{end:%Y%m%d}.csv", on, end.isoformat(), may_be_nil=True))
        for _, end, on in files.days.monthly(working_day)
    ]


class Liberi:
    """Children in care and care leavers every month, and their education plans."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code, days = desk.places.la_code, desk.settings["monthly_working_day"]
        self._care = _monthly(files, "liberi_care", f"{la_code}_liberi_care", days["liberi_care"])
        self._plans = _monthly(files, "pep_plans", f"{la_code}_pep_plans", days["pep"])

    def person(self, one: Subject) -> None:
        if one.is_double or one.named.is_stranger:
            return
        desk, settings = self.desk, self.desk.settings["care"]
        dice = one.dice("care")
        held = [(settings["codes"][code], since, until) for code, since, until in one.person.characteristics
                if code in settings["codes"]]  # fmt: skip
        unknown, closes, leaves = dice.random(), dice.random(), dice.random()
        from_day = date(one.person.year_11, 9, 1) - dice.days((60, 2500))
        if not held:
            if unknown > settings["unknown_to_core_share"]:
                return
            held = [("IN_CARE", from_day, None)]
        status, since, until = held[-1]
        turned = date(one.person.year_11, 9, 1) + dice.days((30, 600))
        if closes < settings["closed_share"]:
            until = max(turned, since + DAY)
        is_uasc, is_missing = (
            dice.chance(settings["uasc_share"]),
            dice.chance(settings["missing_share"]),
        )
        placement = dice.one_of(
            ("Foster care", "Kinship care", "Residential", "Supported lodgings", "Semi-independent")
        )
        team, number = dice.one_of(_TEAMS), f"L{own_number(one.index, 7):08d}"
        legal = dice.one_of(("C2", "E1", "V2"))
        placed = desk.places.address(one.person.district, dice)[2]
        for end, slot in self._care:
            on = slot.deliver_on
            if not one.is_here(end) or since > end:
                continue
            here = status
            if here == "IN_CARE" and (
                leaves < settings["left_care_share"] and turned <= end or _is_18(one, end)
            ):
                here = "CARE_LEAVER"
            if until is not None and until <= end:
                here = "CLOSED"
            written = one.written(LIBERI, on)
            spell = one.spell_on(end)
            bucket = "NEET" if spell and desk.kind(spell) == "neet" else "EET" if spell else ""
            slot.add(
                liberi_id=number, upn=written.upn, **desk.name(one, LIBERI, written), date_of_birth=written.born,
                gender=written.gender, postcode=desk.postcode(LIBERI, written), year_group=one.person.year_group(end),
                care_status=here, legal_status=legal if here == "IN_CARE" else "", care_started_on=since,
                care_ended_on=(until or turned) if here != "IN_CARE" else "",
                placement_kind=placement if here == "IN_CARE" else "",
                placement_postcode=placed if here == "IN_CARE" else "", placing_la_code=desk.places.la_code,
                is_uasc="Y" if is_uasc else "N", missing_since=end - 3 * DAY if is_missing and here == "IN_CARE" and end.month % 3 == 0 else "",
                eet_status=bucket, worker_team=team, last_updated_on=end,
            )  # fmt: skip
            desk.ledger.key(one, slot.feed, number, written.kinds)
            said = NOTHING if here == "CLOSED" else here
            desk.ledger.say(one, "CARE", slot.feed, number, on, said)
            desk.ledger.say(one, "ADDRESS", slot.feed, number, on, written.postcode)
        for end, slot in self._plans:
            if (
                one.is_here(end)
                and since <= end
                and one.person.year_group(end) <= 13
                and status == "IN_CARE"
            ):
                self._plan(one, number, end, slot)

    def _plan(self, one: Subject, number: str, end: date, slot: Slot) -> None:
        year = academic_year(end)
        for term, first in enumerate(
            (date(year, 10, 5), date(year + 1, 2, 1), date(year + 1, 5, 10)), 1
        ):
            dice = one.dice("plan", year, term)
            met = first + dice.days((0, 40))
            if met > end:
                break
            slot.add(
                pep_id=f"P{own_number(one.index, 13):08d}{year % 100:02d}{term}", liberi_id=number, meeting_on=met,
                academic_year=f"{year}-{(year + 1) % 100:02d}",
                plan_quality=dice.one_of(("RED", "AMBER", "AMBER", "GREEN", "GREEN", "GREEN")),
                intended_destination=one.person.intended_destination, next_meeting_on=add_months(met, 4),
                is_complete="Y" if dice.chance(0.88) else "N",
            )  # fmt: skip


def _is_18(one: Subject, day: date) -> bool:
    return (day - one.person.born).days >= 18 * 365.25


class YouthJustice:
    """Orders every month."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        working_day = desk.settings["monthly_working_day"]["youth_justice"]
        stem = f"{desk.places.la_code}_youth_justice"
        self._slots = _monthly(files, "youth_justice_orders", stem, working_day)

    def person(self, one: Subject) -> None:
        if one.is_double or one.named.is_stranger:
            return
        desk, settings = self.desk, self.desk.settings["youth_justice"]
        dice = one.dice("youth justice")
        orders = [
            (since, until) for code, since, until in one.person.characteristics if code == "170"
        ]
        unknown, closes = dice.random(), dice.random()
        if not orders:
            if unknown > settings["unknown_to_core_share"]:
                return
            orders = [(date(one.person.year_11, 9, 1) + dice.days((0, 700)), None)]
        kind = dice.one_of(
            ("Referral order", "YRO", "Youth conditional caution", "DTO", "Referral order")
        )
        hours, alias = dice.one_of((0, 6, 12, 16, 25)), dice.chance(0.15)
        turned = dice.days((120, 500))
        number = f"YJ{own_number(one.index, 17):08d}"
        for end, slot in self._slots:
            spell = one.spell_on(end)
            for position, (since, until) in enumerate(orders, 1):
                if closes < settings["closed_share"]:
                    until = since + turned
                if since > end or not one.is_here(end):
                    continue
                is_open = until is None or until > end
                written = one.written(YOUTH_JUSTICE, slot.deliver_on)
                kind_now = desk.kind(spell) if spell else ""
                is_busy = bool(kind_now) and kind_now not in ("neet", "custody")
                slot.add(
                    yj_id=number, order_number=position, **desk.name(one, YOUTH_JUSTICE, written),
                    alias=one.named.other_name if alias else "", date_of_birth=desk.day(YOUTH_JUSTICE, written.born),
                    gender=desk.gender(YOUTH_JUSTICE, written), postcode=desk.postcode(YOUTH_JUSTICE, written),
                    order_kind=kind, started_on=desk.day(YOUTH_JUSTICE, since),
                    ended_on="" if is_open else desk.day(YOUTH_JUSTICE, until),
                    in_custody="Y" if spell and kind_now == "custody" else "N",
                    ete_status="In ETE" if is_busy or (spell and spell.code == "110") else "Not in ETE",
                    ete_hours=hours if is_busy else 0, has_plan="Y" if hours and not is_busy else "N",
                    school_number=desk.school_on(spell.place, end).number if spell and desk.at_school(spell) else "",
                )  # fmt: skip
                desk.ledger.key(one, slot.feed, number, written.kinds)
                said = "OPEN" if is_open else NOTHING
                desk.ledger.say(one, "YOUTH_JUSTICE", slot.feed, number, slot.deliver_on, said)


class EarlyHelp:
    """Young parents and pregnancies every month."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        working_day = desk.settings["monthly_working_day"]["early_help"]
        self._slots = _monthly(
            files, "early_help_parents", f"{desk.places.la_code}_early_help_parents", working_day
        )

    def person(self, one: Subject) -> None:
        if one.is_double or one.named.is_stranger:
            return
        desk, settings = self.desk, self.desk.settings["parents"]
        dice = one.dice("parent")
        unknown, closes, absent = dice.random(), dice.random(), dice.random()
        statuses = [
            ("PARENT", since, until, "N")
            for code, since, until in one.person.characteristics
            if code == "190"
        ]
        for spell in one.spells:
            if spell.code == "650":
                statuses.append(("PREGNANT", spell.start, spell.end, ""))
            elif spell.code == "630":
                statuses.append(("PARENT", spell.start, None, "Y"))
        from_day = date(one.person.year_11, 9, 1) + dice.days((200, 900))
        if not statuses:
            if unknown > settings["unknown_to_core_share"] or one.person.gender != "F":
                return
            statuses = [("PREGNANT", from_day, from_day + timedelta(days=150), ""),
                        ("PARENT", from_day + timedelta(days=151), None, "Y")]  # fmt: skip
        elif absent < settings["not_in_module_share"]:
            return
        statuses.sort(key=lambda status: status[1])
        turned, told = dice.days((120, 400)), dice.days((5, 60))
        number = f"EH{own_number(one.index, 19):08d}"
        hub = desk.places.districts[one.person.district]
        for end, slot in self._slots:
            begun = [entry for entry in statuses if entry[1] + told <= end]
            if not begun or not one.is_here(end):
                continue
            status, since, _, cares = begun[-1]
            closed = begun[-1][1] + turned if closes < settings["closed_share"] else None
            is_closed = closed is not None and closed <= end
            written = one.written(EARLY_HELP, slot.deliver_on)
            said = "CLOSED" if is_closed else status
            slot.add(
                ehm_id=number, **desk.name(one, EARLY_HELP, written), date_of_birth=written.born,
                postcode=desk.postcode(EARLY_HELP, written), parent_status=said, status_from=since,
                expected_on=since + timedelta(days=160) if status == "PREGNANT" else "", cares_for_child=cares,
                hub=f"{hub} hub", closed_on=closed if is_closed else "",
            )  # fmt: skip
            desk.ledger.key(one, slot.feed, number, written.kinds)
            value = NOTHING if is_closed else said
            desk.ledger.say(one, "PARENTHOOD", slot.feed, number, slot.deliver_on, value)
