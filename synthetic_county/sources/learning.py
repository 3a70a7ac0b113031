"""Schools, colleges, training providers and the apprenticeship service: who learns there, joins, leaves."""

from __future__ import annotations

from datetime import date, timedelta

from synthetic_county.dates import DAY, academic_year, month_end, year_end
from synthetic_county.facts import temporary_upn
from synthetic_county.lives import Spell, ends_with_year
from synthetic_county.sources.files import Files, Slot, columns_of, own_headers
from synthetic_county.sources.manners import Desk
from synthetic_county.sources.subject import Subject

SCHOOL, COLLEGE, TRAINING, NAS = "school", "college", "training", "nas"
_COURSES = (
    ("Biology, Chemistry, Mathematics", "A level", "3"), ("English, History, Politics", "A level", "3"),
    ("Business and Economics", "A level", "3"), ("Art and Design", "BTEC Extended Diploma", "3"),
    ("Sport", "BTEC Extended Diploma", "3"), ("Health and Social Care", "BTEC Diploma", "2"),
    ("Construction Multiskills", "City and Guilds Diploma", "1"), ("Motor Vehicle", "IMI Diploma", "2"),
    ("Hair and Beauty", "VTCT Diploma", "2"), ("Catering", "City and Guilds Diploma", "2"),
    ("Digital Production", "T Level", "3"), ("Skills for Independence", "Award", "E"),
)  # fmt: skip
_NEXT = {
    "sixth_form": "Another sixth form", "college": "College", "apprenticeship": "Apprenticeship", "work": "Employment",
    "work_and_study": "Employment", "training": "Training", "neet": "", "reengagement": "Training",
}  # fmt: skip
_REASONS = (
    "Moved to another provider",
    "Attendance",
    "Health",
    "Moved away",
    "Not known",
    "Employment",
)


def own_number(index: int, salt: int) -> int:
    """A number of a system's own for a person: unique, and telling nothing of any other number."""
    return (index * 48_271 + salt * 7_919_993) % 99_999_989


def course_of(spell: Spell, index: int) -> tuple[str, str, str]:
    """Title, qualification and level of a course; the same in every file."""
    return _COURSES[(index * 31 + spell.start.toordinal()) % len(_COURSES)]


class Schools:
    """Enrolment in September, joiners and leavers every month, and the September Guarantee from March."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        self.files = files
        days, la_code = files.days, desk.places.la_code
        schools = sorted({desk.school_on(one, days.last).number for one in desk.places.schools}
                         | {one.number for one in desk.places.schools})  # fmt: skip
        self._enrolment: dict[str, list[tuple[date, date, Slot]]] = {}
        self._movements: dict[str, dict[str, Slot]] = {}
        self._guarantee: dict[str, list[tuple[date, Slot]]] = {}
        settings = desk.settings
        for number in schools:
            for asked, on in days.dated(tuple(settings["school_enrolment_day"])):
                if not desk.has_number(number, asked):
                    continue
                year = academic_year(asked)
                name = (
                    f"{la_code}{number[3:]}SchoolPost16Enrolment{year}-{(year + 1) % 100:02d}.csv"
                )
                slot = files.slot("school_post16_enrolment", name, on, asked.isoformat())
                self._enrolment.setdefault(number, []).append((asked, on, slot))
            for month, end, on in days.monthly(settings["joiners_leavers_working_day"]):
                if desk.has_number(number, end):
                    name = f"{la_code}{number[3:]}SchoolJoinersLeavers{month}.csv"
                    slot = files.slot(
                        "school_joiners_leavers", name, on, month, "event", may_be_nil=True
                    )
                    self._movements.setdefault(number, {})[month] = slot
            for _, end, on in days.monthly(0):
                if end.month in settings["guarantee_months"] and desk.has_number(number, end):
                    name = f"{la_code}{number[3:]}SeptemberGuarantee{end:%Y%m%d}.csv"
                    slot = files.slot("school_september_guarantee", name, on, end.isoformat())
                    self._guarantee.setdefault(number, []).append((end, slot))

    def person(self, one: Subject) -> None:
        if one.is_double:
            return
        for spell in one.spells:
            if self.desk.is_sixth_form(spell):
                self._enrol(one, spell)
        self._no_show(one)
        self._move(one)
        self._offer(one)

    def _enrol(self, one: Subject, spell: Spell) -> None:
        for asked, on, slot in self._slots(self._enrolment, spell, one):
            if (
                spell.start <= asked
                and (spell.end is None or spell.end >= asked)
                and asked < one.person.gone_on
            ):
                self._enrolment_row(one, spell, asked, on, slot)

    def _slots(self, slots: dict, spell: Spell, one: Subject) -> list:
        found = []
        for asked, on, slot in slots.get(spell.place.number, ()):
            found.append((asked, on, slot))
        merged = self.desk.merged.get(spell.place.number)
        if merged:
            found = [entry for entry in found if entry[0] < merged[0]]
            found += [entry for entry in slots.get(merged[1].number, ()) if entry[0] >= merged[0]]
        return found

    def _enrolment_row(self, one: Subject, spell: Spell, asked: date, on: date, slot: Slot) -> None:
        written = one.written(SCHOOL, on)
        number = self.desk.school_on(spell.place, asked).number
        upn = written.upn or temporary_upn(one.named.upn)
        title, qualification, level = course_of(spell, one.index)
        slot.add(
            school_number=number, upn=upn, started_on=self.desk.day(SCHOOL, spell.start), uln=written.uln,
            **self.desk.name(one, SCHOOL, written), date_of_birth=self.desk.day(SCHOOL, written.born),
            gender=written.gender, postcode=self.desk.postcode(SCHOOL, written), year_group=one.person.year_group(asked),
            course_title=title, qualification=qualification, qualification_level=level, study_mode="FT",
            expected_end_on=self.desk.day(SCHOOL, spell.course_end), guided_hours="18",
        )  # fmt: skip
        key = f"{number}|{upn}"
        self.desk.ledger.key(one, slot.feed, key, written.kinds)
        self.desk.ledger.say(one, "ACTIVITY", slot.feed, key, on, "SIXTH_FORM")
        self.desk.ledger.say(one, "ADDRESS", slot.feed, key, on, written.postcode)

    def _no_show(self, one: Subject) -> None:
        """Enrolled in the file, and never came."""
        school = one.person.school
        if school is None or one.is_double or school.number not in self._enrolment:
            return
        dice = one.dice("no show")
        if not dice.chance(self.desk.settings["no_show_share"]):
            return
        ghost = Spell(
            "210",
            date(one.person.year_11 + 1, 9, 3),
            None,
            school,
            date(one.person.year_11 + 3, 8, 31),
        )
        for asked, on, slot in self._slots(self._enrolment, ghost, one):
            here = one.spell_on(asked)
            if (
                one.person.year_group(asked) == 12 and one.is_here(asked) and here is not None
                and not self.desk.is_sixth_form(here)
            ):  # fmt: skip
                self._enrolment_row(one, ghost, asked, on, slot)

    def _move(self, one: Subject) -> None:
        desk = self.desk
        for previous, spell in zip([None, *one.spells], [*one.spells, None], strict=True):
            left = previous if previous is not None and desk.at_school(previous) else None
            joined = spell if spell is not None and desk.at_school(spell) else None
            if left and joined and left.place == joined.place:
                continue
            if left and (spell is not None or one.person.gone_on <= desk.files_end):
                last = spell.start - DAY if spell is not None else one.person.gone_on - DAY
                by_year = spell is not None and ends_with_year(previous, spell)
                if not by_year and last >= left.start and last != year_end(last):
                    self._movement(one, left, "L", last, spell)
            if joined and not (joined.start.month == 9 and joined.start.day <= 14):
                self._movement(one, joined, "J", joined.start, None)

    def _movement(
        self, one: Subject, spell: Spell, movement: str, day: date, after: Spell | None
    ) -> None:
        desk = self.desk
        dice = one.dice("school moves", movement, day)
        settings = desk.settings["movements"]
        never, late = settings["never_share"], settings["month_late_share"]
        chance = dice.random()
        if chance < never:
            return
        month = day if chance >= never + late else month_end(f"{day:%Y-%m}") + DAY
        number = desk.school_on(spell.place, month_end(f"{month:%Y-%m}")).number
        slot = self._movements.get(number, {}).get(f"{month:%Y-%m}")
        if slot is None:
            return
        written = one.written(SCHOOL, slot.deliver_on)
        upn = written.upn or temporary_upn(one.named.upn)
        known = dice.chance(settings["destination_known_share"])
        slot.add(
            school_number=number, upn=upn, movement=movement, happened_on=desk.day(SCHOOL, day), uln=written.uln,
            **desk.name(one, SCHOOL, written), date_of_birth=desk.day(SCHOOL, written.born), gender=written.gender,
            postcode=desk.postcode(SCHOOL, written), year_group=one.person.year_group(day),
            reason=dice.one_of(_REASONS) if movement == "L" else "",
            destination=desk.words_for(after, _NEXT) if movement == "L" and known else "",
        )  # fmt: skip
        key = f"{number}|{upn}"
        desk.ledger.key(one, slot.feed, key, written.kinds)
        if one.person.year_group(day) > 11:
            said = "SIXTH_FORM" if movement == "J" else "LEFT_SIXTH_FORM"
            desk.ledger.say(one, "ACTIVITY", slot.feed, key, slot.deliver_on, said)

    def _offer(self, one: Subject) -> None:
        for slots in self._guarantee_of(one):
            end, slot = slots
            spell = one.spell_on(end)
            if (
                spell is None
                or not self.desk.at_school(spell)
                or one.person.year_group(end) not in (11, 12)
            ):
                continue
            written = one.written(SCHOOL, slot.deliver_on)
            upn = written.upn or temporary_upn(one.named.upn)
            number = self.desk.school_on(spell.place, end).number
            status, day = self._status(one, end)
            offer = {
                "110": "E",
                "114": "E",
                "115": "E",
                "120": "E",
                "122": "W",
                "123": "T",
                "124": "T",
            }.get(status, "")
            slot.add(
                school_number=number, upn=upn, **self.desk.name(one, SCHOOL, written),
                date_of_birth=self.desk.day(SCHOOL, written.born), gender=written.gender,
                postcode=self.desk.postcode(SCHOOL, written), year_group=one.person.year_group(end),
                intended_destination=one.person.intended_destination, offer_status=status,
                offer_provider=spell.place.name if offer == "E" else "",
                offer_kind={"E": "Education", "W": "Employment with training", "T": "Training"}.get(offer, ""),
                status_on=self.desk.day(SCHOOL, day),
            )  # fmt: skip
            key = f"{number}|{upn}"
            self.desk.ledger.key(one, slot.feed, key, written.kinds)
            if status != self.desk.not_recorded:
                self.desk.ledger.say(one, "GUARANTEE", slot.feed, key, slot.deliver_on, status)

    def _guarantee_of(self, one: Subject) -> list[tuple[date, Slot]]:
        found = []
        numbers = {spell.place.number for spell in one.spells if self.desk.at_school(spell)}
        numbers |= {
            self.desk.merged[number][1].number for number in numbers if number in self.desk.merged
        }
        for number in sorted(numbers):
            for end, slot in self._guarantee.get(number, ()):
                spell = one.spell_on(end)
                if spell is not None and self.desk.at_school(spell):
                    if self.desk.school_on(spell.place, end).number == number:
                        found.append((end, slot))
        return found

    def _status(self, one: Subject, end: date) -> tuple[str, date]:
        """As Core+ will have it, known at school some weeks sooner, and now and then otherwise."""
        settings = self.desk.settings["school_offer"]
        dice = one.dice("offer", academic_year(end))
        sooner = dice.days(settings["sooner_days"])
        decided = self.desk.guarantee_of(one, academic_year(end) + 1)
        if decided is not None:
            status, day = decided[0], decided[1] - sooner
            if dice.chance(settings["otherwise_share"]):
                status = "140" if status != "140" else "110"
            if day <= end:
                return status, day
        return self.desk.not_recorded, date(end.year, 3, 1)


class Colleges:
    """Enrolment in October, joiners and leavers every month, by group."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        days = files.days
        groups = sorted({one.ukprn for one in desk.places.campuses})
        self._enrolment: dict[str, list[tuple[date, Slot]]] = {}
        self._movements: dict[str, dict[str, Slot]] = {}
        for ukprn in groups:
            for asked, on in days.dated(tuple(desk.settings["college_enrolment_day"])):
                name = f"{ukprn}_college_enrolment_{asked:%Y%m%d}.csv"
                slot = files.slot("college_enrolment", name, on, asked.isoformat())
                self._enrolment.setdefault(ukprn, []).append((asked, slot))
            for month, _, on in days.monthly(desk.settings["joiners_leavers_working_day"]):
                name = f"{ukprn}_college_joiners_leavers_{month}.csv"
                slot = files.slot(
                    "college_joiners_leavers", name, on, month, "event", may_be_nil=True
                )
                self._movements.setdefault(ukprn, {})[month] = slot

    def person(self, one: Subject) -> None:
        if one.is_double:
            return
        spells = one.spells
        for spell, after in zip(spells, [*spells[1:], None], strict=True):
            if not self._is_here(spell):
                continue
            for asked, slot in self._enrolment.get(spell.place.ukprn, ()):
                if spell.start <= asked < one.person.gone_on and (
                    spell.end is None or spell.end >= asked
                ):
                    self._enrol(one, spell, asked, slot)
            begins = spell.start
            if not (begins.month == 9 or (begins.month == 10 and begins.day <= 15)):
                self._movement(one, spell, "J", begins, None)
            if (
                after is not None
                and self._is_here(after)
                and after.place.ukprn == spell.place.ukprn
            ):
                continue
            last = after.start - DAY if after is not None else one.person.gone_on - DAY
            by_year = after is not None and ends_with_year(spell, after)
            if last <= self.desk.files_end and not by_year and last != year_end(last):
                self._movement(one, spell, "L", last, after)

    def _is_here(self, spell: Spell) -> bool:
        return self.desk.kind(spell) == "college" and spell.place is not None

    def _who(
        self, one: Subject, ukprn: str, day: date
    ) -> tuple[dict[str, object], str, tuple[str, ...]]:
        written = one.written(COLLEGE, day)
        reference = f"{own_number(one.index, int(ukprn) % 97):08d}"
        cells = {
            "ukprn": ukprn, "learner_reference": reference, "uln": written.uln,
            "date_of_birth": self.desk.day(COLLEGE, written.born), "gender": written.gender,
            "postcode": self.desk.postcode(COLLEGE, written), **self.desk.name(one, COLLEGE, written),
        }  # fmt: skip
        return cells, f"{ukprn}|{reference}", written.kinds

    def _enrol(self, one: Subject, spell: Spell, asked: date, slot: Slot) -> None:
        cells, key, kinds = self._who(one, spell.place.ukprn, slot.deliver_on)
        title, _, level = course_of(spell, one.index)
        slot.add(
            **cells, started_on=self.desk.day(COLLEGE, spell.start), campus=spell.place.name, course_title=title,
            qualification_level=level, study_mode="PT" if spell.code == "250" else "FT",
            planned_end_on=self.desk.day(COLLEGE, spell.course_end),
            previous_school=one.person.school.name if one.person.school else "",
        )  # fmt: skip
        self.desk.ledger.key(one, slot.feed, key, kinds)
        self.desk.ledger.say(one, "ACTIVITY", slot.feed, key, slot.deliver_on, "COLLEGE")
        self.desk.ledger.say(
            one,
            "ADDRESS",
            slot.feed,
            key,
            slot.deliver_on,
            one.written(COLLEGE, slot.deliver_on).postcode,
        )

    def _movement(
        self, one: Subject, spell: Spell, movement: str, day: date, after: Spell | None
    ) -> None:
        dice = one.dice("college moves", movement, day)
        settings = self.desk.settings["movements"]
        chance, never = dice.random(), settings["never_share"]
        if chance < never:
            return
        late = chance < never + settings["month_late_share"]
        month = month_end(f"{day:%Y-%m}") + DAY if late else day
        slot = self._movements.get(spell.place.ukprn, {}).get(f"{month:%Y-%m}")
        if slot is None:
            return
        cells, key, kinds = self._who(one, spell.place.ukprn, slot.deliver_on)
        known = dice.chance(settings["destination_known_share"])
        slot.add(
            **cells, movement=movement, happened_on=self.desk.day(COLLEGE, day),
            course_title=course_of(spell, one.index)[0], study_mode="PT" if spell.code == "250" else "FT",
            reason=dice.one_of(_REASONS) if movement == "L" else "",
            destination=self.desk.words_for(after, _NEXT) if movement == "L" and known else "",
        )  # fmt: skip
        self.desk.ledger.key(one, slot.feed, key, kinds)
        said = "COLLEGE" if movement == "J" else "LEFT_COLLEGE"
        self.desk.ledger.say(one, "ACTIVITY", slot.feed, key, slot.deliver_on, said)


class Providers:
    """Training providers, every month: whom they have and whom they had this academic year."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        self._slots: dict[str, list[tuple[date, Slot]]] = {}
        for provider in desk.places.providers:
            for _, end, on in files.days.monthly(desk.settings["training_working_day"]):
                name = f"{provider.ukprn}_training_learners_{end:%Y%m%d}.csv"
                feed, share = "training_provider_learners", desk.settings["own_headers_share"]
                own = desk.facts.dice("headers", provider.ukprn)
                columns = own_headers(feed, columns_of(feed, on), own, share)
                slot = files.slot(feed, name, on, end.isoformat(), may_be_nil=True, columns=columns)
                self._slots.setdefault(provider.ukprn, []).append((end, slot))

    def person(self, one: Subject) -> None:
        if one.is_double:
            return
        for spell, after in zip(one.spells, [*one.spells[1:], None], strict=True):
            if self.desk.kind(spell) != "training" or spell.place is None:
                continue
            last = after.start - DAY if after else None
            if last is None and one.person.gone_on <= self.desk.files_end:
                last = one.person.gone_on - DAY
            dice = one.dice("training", spell.start)
            told = spell.start + dice.days(self.desk.settings["training_late_days"])
            told_left = (
                last + dice.days(self.desk.settings["training_late_days"]) if last else date.max
            )
            known = dice.chance(self.desk.settings["movements"]["destination_known_share"])
            for end, slot in self._slots.get(spell.place.ukprn, ()):
                if told > end or (last and last < date(academic_year(end), 9, 1)):
                    continue
                has_left = told_left <= end
                written = one.written(TRAINING, slot.deliver_on)
                reference = f"{own_number(one.index, int(spell.place.ukprn) % 89):08d}"
                slot.add(
                    ukprn=spell.place.ukprn, learner_reference=reference,
                    started_on=self.desk.day(TRAINING, spell.start), uln=written.uln,
                    **self.desk.name(one, TRAINING, written), date_of_birth=self.desk.day(TRAINING, written.born),
                    postcode=self.desk.postcode(TRAINING, written), programme=_PROGRAMMES.get(spell.code, "Study programme"),
                    planned_end_on=self.desk.day(TRAINING, spell.course_end),
                    left_on=self.desk.day(TRAINING, last) if has_left else "",
                    leaving_reason="Left" if has_left else "",
                    destination=self.desk.words_for(after, _NEXT) if has_left and known else "",
                )  # fmt: skip
                key = f"{spell.place.ukprn}|{reference}"
                self.desk.ledger.key(one, slot.feed, key, written.kinds)
                said = "LEFT_TRAINING" if has_left else "TRAINING"
                self.desk.ledger.say(one, "ACTIVITY", slot.feed, key, slot.deliver_on, said)


_PROGRAMMES = {
    "410": "ESFA study programme",
    "430": "Other training",
    "450": "Traineeship",
    "460": "Supported internship",
}


class Apprenticeships:
    """Starts and ends as the National Apprenticeship Service tells them, weeks later."""

    def __init__(self, desk: Desk, files: Files):
        self.desk = desk
        self._slots = [
            (month, end, files.slot(
                "apprenticeship_starts", f"nas_apprenticeships_{month}.csv", on, month, "event"))
            for month, end, on in files.days.monthly(desk.settings["nas_working_day"])
        ]  # fmt: skip

    def person(self, one: Subject) -> None:
        if one.is_double:
            return
        desk = self.desk
        for spell, after in zip(one.spells, [*one.spells[1:], None], strict=True):
            if desk.kind(spell) != "apprenticeship":
                continue
            dice = one.dice("apprenticeship", spell.start)
            told = spell.start + dice.days(desk.settings["nas_late_days"])
            ended = after.start - DAY if after else None
            told_end = ended + dice.days(desk.settings["nas_late_days"]) if ended else date.max
            number = f"A{own_number(one.index, 3):08d}{spell.start.toordinal() % 10_000:04d}"
            employer = dice.one_of(desk.places.employers)
            provider = (
                spell.place
                if spell.place and spell.place.ukprn
                else dice.one_of(desk.places.providers)
            )
            standard = dice.one_of(_STANDARDS)
            before = date.min
            for position, (_, end, slot) in enumerate(self._slots):
                news = before < told <= end or before < told_end <= end
                if position == 0:
                    # The first file brings those still going on; what is long over is not sent again.
                    news = told <= end and told_end > end
                before = end
                if not news or told > end:
                    continue
                written = one.written(NAS, slot.deliver_on)
                slot.add(
                    apprenticeship_id=number, uln=written.uln, **desk.name(one, NAS, written),
                    date_of_birth=desk.day(NAS, written.born), postcode=desk.postcode(NAS, written),
                    standard_title=standard, apprenticeship_level=str(2 + one.index % 2),
                    employer=employer.name, ukprn=provider.ukprn, started_on=desk.day(NAS, spell.start),
                    planned_end_on=desk.day(NAS, spell.start + timedelta(days=450)),
                    ended_on=desk.day(NAS, ended) if told_end <= end else "",
                )  # fmt: skip
                desk.ledger.key(one, slot.feed, number, written.kinds)
                said = "LEFT_APPRENTICESHIP" if told_end <= end else "APPRENTICESHIP"
                desk.ledger.say(one, "ACTIVITY", slot.feed, number, slot.deliver_on, said)


_STANDARDS = ("Adult care worker", "Bricklayer", "Business administrator", "Hair professional", "Engineering technician",
              "Customer service practitioner", "Early years educator", "Motor vehicle technician")  # fmt: skip
