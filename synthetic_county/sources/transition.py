"""Kent Choices accounts and applications, and what other authorities tell of people who move."""

from __future__ import annotations

from datetime import date, timedelta

from faker.providers.person.en_GB import Provider as EnglishNames

from synthetic_county.dates import DAY, academic_year
from synthetic_county.parameters import Dice
from synthetic_county.sources.files import Files, Slot
from synthetic_county.sources.learning import course_of, own_number
from synthetic_county.sources.manners import Desk
from synthetic_county.sources.subject import Subject

KENT_CHOICES, OTHER_LA = "kent_choices", "other_la"


class KentChoices:
    """Accounts and applications of Years 11 and 12, every week."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        la_code = desk.places.la_code
        weekly = files.days.weekly(desk.settings["weekly_on"]["kent_choices"])
        season = desk.settings["kent_choices_months"]
        days = [on for on in weekly if on.month in season] or [files.days.first]
        self._slots = [
            (
                on,
                files.slot("kent_choices_accounts", f"{la_code}_kent_choices_accounts_{on:%Y%m%d}.csv", on, on.isoformat()),
                files.slot("kent_choices_applications", f"{la_code}_kent_choices_applications_{on:%Y%m%d}.csv", on,
                           on.isoformat(), may_be_nil=True),
            )
            for on in days
        ]  # fmt: skip

    def person(self, one: Subject) -> None:
        if one.is_double or one.person.school is None:
            return
        years = {academic_year(on) for on, _, _ in self._slots}
        for year in sorted(years):
            if 11 + year - one.person.year_11 in (11, 12):
                self._season(one, year)

    def _season(self, one: Subject, year: int) -> None:
        desk, person, settings = self.desk, one.person, self.desk.settings["accounts"]
        dice = one.dice("account", person.year_11)
        if not dice.chance(settings["issued_share"]):
            return
        issued = date(person.year_11, 11, 4) + dice.days((0, 25))
        activated = (
            issued + dice.days((1, 110)) if dice.chance(settings["activated_share"]) else None
        )
        event = (
            date(person.year_11 + 1, 2, 5) + dice.days((0, 16))
            if dice.chance(settings["event_share"])
            else None
        )
        plan = (
            date(person.year_11 + 1, 1, 15) + dice.days((0, 100))
            if dice.chance(settings["plan_share"])
            else None
        )
        number = f"KC{own_number(one.index, 23):08d}"
        applications = self._applications(one, activated) if activated else []
        for on, accounts, applied in self._slots:
            if academic_year(on) != year or issued > on or not one.is_here(on):
                continue
            written = one.written(KENT_CHOICES, on)
            is_active = activated is not None and activated <= on
            school = desk.school_on(person.school, on)
            accounts.add(
                account_id=number, **desk.name(one, KENT_CHOICES, written), date_of_birth=written.born,
                postcode=desk.postcode(KENT_CHOICES, written), school_name=school.name, school_number=school.number,
                year_group=person.year_group(on), code_issued_on=issued, activated_on=activated if is_active else "",
                event_attended_on=event if event and event <= on else "", plan_agreed_on=plan if plan and plan <= on else "",
                email=f"learner{own_number(one.index, 29):08d}@example.org" if is_active else "",
            )  # fmt: skip
            desk.ledger.key(one, accounts.feed, number, written.kinds)
            if is_active:
                self._apply(number, applications, on, applied)

    def _applications(self, one: Subject, activated: date) -> list[dict]:
        desk, settings = self.desk, self.desk.settings["applications"]
        dice = one.dice("applications")
        found = []
        for position in range(dice.within(settings["several"])):
            place = (
                desk.places.campus_near(one.person.district, dice)
                if dice.chance(0.5)
                else one.person.school
            )
            applied = activated + dice.days((0, 90))
            interview, offered = applied + dice.days((10, 40)), applied + dice.days((25, 80))
            is_offered, is_declined = (
                dice.chance(settings["offer_share"]),
                dice.chance(settings["decline_share"]),
            )
            ghost = one.spells[0] if one.spells else None
            title, _, level = course_of(ghost, one.index + position) if ghost else ("", "", "")
            found.append({
                "number": f"AP{own_number(one.index, 31):08d}{position}", "place": place, "title": title, "level": level,
                "applied": applied, "interview": interview, "offered": offered if is_offered else None,
                "declined": offered + dice.days((5, 40)) if is_declined else None,
                "kind": "CONDITIONAL" if dice.chance(0.8) else "UNCONDITIONAL", "ranked": offered + dice.days((5, 60)),
            })  # fmt: skip
        return found

    @staticmethod
    def _apply(account: str, applications: list[dict], on: date, slot: Slot) -> None:
        rank = 0
        for entry in applications:
            if entry["applied"] > on:
                continue
            is_offered = entry["offered"] is not None and entry["offered"] <= on
            status = "SUBMITTED"
            if entry["declined"] and entry["declined"] <= on:
                status = "DECLINED"
            elif is_offered:
                status = "OFFER"
            elif entry["interview"] <= on:
                status = "INTERVIEW"
            is_ranked = is_offered and entry["ranked"] <= on
            rank += is_ranked
            slot.add(
                application_id=entry["number"], account_id=account, provider_name=entry["place"].name,
                ukprn=entry["place"].ukprn, course_title=entry["title"], qualification_level=entry["level"],
                applied_on=entry["applied"], application_status=status, offered_on=entry["offered"] if is_offered else "",
                offer_kind=entry["kind"] if is_offered else "", offer_rank=rank if is_ranked else "",
            )  # fmt: skip


class OtherAuthorities:
    """Notices of moves, from each neighbour once a month if it has any."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        working_day = desk.settings["monthly_working_day"]["other_la"]
        self._slots: dict[str, list[tuple[date, Slot]]] = {}
        for position, code in enumerate(desk.places.neighbours):
            for _, _, on in files.days.monthly(working_day + position % 3):
                slot = files.slot(
                    "other_la_moves", f"{code}_moves_{on:%Y%m%d}.csv", on, on.isoformat(), "event"
                )
                self._slots.setdefault(code, []).append((on, slot))

    def person(self, one: Subject) -> None:
        if one.is_double:
            return
        person, settings = one.person, self.desk.settings["moves"]
        dice = one.dice("move")
        if not dice.chance(settings["notice_share"]):
            return
        leaving = person.leaving
        if leaving is not None and leaving.status == "T" and leaving.to_authority in self._slots:
            self._notice(
                one,
                leaving.to_authority,
                "OUT",
                leaving.on,
                leaving.on + dice.days(settings["notice_days"]),
                dice,
            )
        elif person.lead_authority in self._slots:
            since = person.entered_on
            self._notice(
                one,
                person.lead_authority,
                "RESIDENT",
                since,
                self.desk.days.first + dice.days((0, 60)),
                dice,
            )
        elif person.entered_on > date(person.year_11, 9, 1):
            code = person.authority_in_year_11
            code = code if code in self._slots else dice.one_of(self.desk.places.neighbours)
            self._notice(
                one,
                code,
                "IN",
                person.entered_on,
                person.entered_on + dice.days(settings["notice_days"]),
                dice,
            )

    def _notice(
        self, one: Subject, code: str, direction: str, moved: date, told: date, dice: Dice
    ) -> None:
        desk = self.desk
        previous = desk.places.address(one.person.district, dice)[2]
        code_or_words = dice.one_of(("At college", "210", "230", "Not known", "NEET", "Sixth form"))
        if told < desk.days.first - timedelta(days=30):
            return
        slot = next(((on, slot) for on, slot in self._slots[code] if on >= told), None)
        if slot is None:
            return
        on, slot = slot
        written = one.written(OTHER_LA, on)
        number = f"N{own_number(one.index, 37):08d}"
        here, there = desk.postcode(OTHER_LA, written), previous
        slot.add(
            notice_id=number, other_la_code=code, direction=direction, **desk.name(one, OTHER_LA, written),
            date_of_birth=desk.day(OTHER_LA, written.born), postcode=there if direction == "OUT" else here,
            previous_postcode=here if direction == "OUT" else there, upn=written.upn, uln=written.uln,
            moved_on=desk.day(OTHER_LA, moved), activity=code_or_words,
        )  # fmt: skip
        desk.ledger.key(one, slot.feed, f"{code}|{number}", written.kinds)

    def strangers(self, block: int) -> None:
        """People who are said to have come and of whom Core+ has never heard."""
        desk = self.desk
        boys, girls = list(EnglishNames.first_names_male), list(EnglishNames.first_names_female)
        families = list(EnglishNames.last_names)
        for code, slots in self._slots.items():
            for on, slot in slots:
                dice = desk.facts.dice("unheard of", block, code, on)
                if not dice.chance(desk.settings["moves"]["strangers_a_month"] / len(self._slots)):
                    continue
                number = f"N9{block:02d}{on:%y%m%d}"
                slot.add(
                    notice_id=number, other_la_code=code, direction="IN", surname=dice.one_of(families),
                    forename=dice.one_of(boys if dice.chance(0.5) else girls),
                    date_of_birth=desk.day(OTHER_LA, on - timedelta(days=dice.within((5900, 6500)))),
                    postcode=desk.places.address(dice.one_of(list(desk.places.districts)), dice)[2],
                    moved_on=desk.day(OTHER_LA, on - 20 * DAY), activity="Not known",
                )  # fmt: skip
                desk.ledger.stranger(slot.feed, f"{code}|{number}", f"X{code}{number}")
