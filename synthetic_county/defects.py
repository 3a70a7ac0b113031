"""The catalogue of defects that can be planted: what each breaks, which check must find it, whom it can be planted on.

A defect breaks one rule and, as far as the rules allow, no other. Rules that it cannot help breaking too stand in
``expected`` after the first. Rule numbers are those of the DfE's validation rules; the other names are those of the
loader's rejects (contract) and of the gate's own checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from synthetic_county.core_plus import (
    ACTIVITIES,
    CHARACTERISTICS,
    COLUMNS,
    GUARANTEE,
    PEOPLE,
    ActivityRow,
    CharacteristicRow,
    GuaranteeRow,
    Image,
    Key,
    PersonRow,
    key_of,
    render,
)
from synthetic_county.dates import DAY, year_end

CONTRACT, IDENTITY, GATE, MOVEMENT = "contract", "identity", "gate", "movement"
_UNKNOWN_AUTHORITY, _UNKNOWN_CODE = "999", "999"
_COURSES = ("210", "230")
_DAYS_OLD = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Subject:
    """A person a defect may be planted on, as Core+ holds them when the faulty extract is taken."""

    person: PersonRow
    activity: ActivityRow
    characteristics: list[CharacteristicRow]
    node: GuaranteeRow | None
    """The September Guarantee row that the return must show for them (nccis.md section 6)."""
    year_group: int
    as_at: date
    period_end: date

    @property
    def is_plain(self) -> bool:
        """No plan, no support, no characteristic: what is changed about them changes nothing else."""
        person = self.person
        return person.has_plan == person.has_support == "N" and not self.characteristics


@dataclass(slots=True)
class Effect:
    """What a defect does to the rows of Core+, or to their lines in one file."""

    edits: dict[tuple[str, Key], dict[str, str]] = field(default_factory=dict)
    added: dict[tuple[str, Key], Image] = field(default_factory=dict)
    drops_person: str | None = None
    lines: Callable[[list[str]], list[list[str]]] | None = None
    kept_share: float | None = None
    at: tuple[str, Key] | None = None
    """The row that defects.csv points to."""
    person_id: str = ""
    detail: str = ""
    uses: set[str] = field(default_factory=set)
    """Other people it needs, who get no defect of their own."""


@dataclass(slots=True)
class Context:
    """What a defect may need beside its subject."""

    la_code: str
    other_authority: str
    new_id: Callable[[], str]
    new_activity_id: Callable[[], str]
    new_name: Callable[[], tuple[str, str]]
    another: Callable[[Callable[[Subject], bool]], Subject | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of defect.

    Attributes:
        expected: the checks that must find it, the intended one first, joined by ``|``.
        alters_truth: the person's standing differs from the truth while the defect is there.
        wants: whether a subject can bear it.
        guarantee: it needs the subject's guarantee row to stay as it is.
    """

    name: str
    stage: str
    expected: str
    alters_truth: bool
    what: str
    wants: Callable[[Subject], bool]
    make: Callable[[Subject, Context], Effect | None]
    guarantee: bool = False


KINDS: dict[str, Kind] = {}

# -- whom


def anyone(_: Subject) -> bool:
    return True


def year_11(one: Subject) -> bool:
    return one.is_plain and one.year_group == 11 and one.activity.code == "110"


def _on_course(one: Subject) -> bool:
    row = one.activity
    return (
        one.is_plain
        and row.code in _COURSES
        and row.due == year_end(one.period_end)
        and row.verified <= one.period_end - _DAYS_OLD
    )


def year_12(one: Subject) -> bool:
    return one.year_group == 12 and _on_course(one)


def year_13(one: Subject) -> bool:
    return one.year_group == 13 and _on_course(one)


def student(one: Subject) -> bool:
    return year_12(one) or year_13(one)


def current_for_long(one: Subject) -> bool:
    row = one.activity
    return one.is_plain and row.due is not None and row.due > one.period_end + timedelta(days=40)


def has_plan(one: Subject) -> bool:
    return one.person.has_plan == "Y" and one.person.has_support == "N"


def with_node(year_group: int) -> Callable[[Subject], bool]:
    def wants(one: Subject) -> bool:
        return (
            one.is_plain
            and one.node is not None
            and one.node.year_group == year_group
            and one.person.guarantee_indicator == "Y"
        )

    return wants


def any_node(one: Subject) -> bool:
    return with_node(11)(one) or with_node(12)(one)


# -- how


def _plus(day: date, days: int) -> str:
    return (day + timedelta(days=days)).isoformat()


def _told(values: dict[str, str]) -> str:
    return ", ".join(f"{column} = {value!r}" for column, value in values.items())


def edit(one: Subject, feed: str, values: dict[str, str], more: dict | None = None) -> Effect:
    """Overwrite columns of the subject's row of ``feed``; ``more`` holds edits of other feeds."""
    row = {PEOPLE: one.person, ACTIVITIES: one.activity, GUARANTEE: one.node}[feed]
    at = key_of(row)
    effect = Effect({at: values}, at=at, person_id=one.person.id, detail=_told(values))
    for other, changed in (more or {}).items():
        row = {PEOPLE: one.person, ACTIVITIES: one.activity, GUARANTEE: one.node}[other]
        effect.edits[key_of(row)] = changed
        effect.detail += f"; {other}: {_told(changed)}"
    return effect


def changed(image: Image, feed: str, **values: str) -> Image:
    cells = dict(zip(COLUMNS[feed], image, strict=True))
    unknown = values.keys() - cells.keys()
    if unknown:
        raise KeyError(f"{feed} has no column {sorted(unknown)}")
    return tuple((cells | values).values())


def _kind(
    name: str,
    stage: str,
    expected: str,
    alters: bool,
    what: str,
    wants: Callable,
    make: Callable,
    guarantee=False,
) -> None:
    KINDS[name] = Kind(name, stage, expected, alters, what, wants, make, guarantee)


def _rule(
    number: str,
    alters: bool,
    what: str,
    wants: Callable,
    make: Callable,
    also: str = "",
    guarantee=False,
) -> None:
    expected = f"{number}|{also}" if also else number
    _kind(f"rule_{number}", GATE, expected, alters, what, wants, make, guarantee)


def _person_rule(
    number: str, what: str, wants: Callable, alters: bool = False, also: str = "", **values: str
) -> None:
    _rule(number, alters, what, wants, lambda one, _: edit(one, PEOPLE, values), also)


def _activity_rule(
    number: str, what: str, wants: Callable, values: Callable[[Subject], dict[str, str]], alters: bool = False,
    also: str = "",
) -> None:  # fmt: skip
    _rule(number, alters, what, wants, lambda one, _: edit(one, ACTIVITIES, values(one)), also)


def _as_neet(one: Subject, code: str = "619", **values: str) -> dict[str, str]:
    """The subject's course turned into a faultless NEET activity, before ``values`` spoil it."""
    return {
        "ActivityCode": code,
        "ReviewDate": "",
        "PredictedEndDate": "",
        "DueToLapseDate": "",
        "CurrencyLapsed": "N",
        "NEETStartDate": one.activity.start.isoformat(),
    } | values


def _years_later(day: date, years: int) -> str:
    return day.replace(year=day.year + years, day=min(day.day, 28)).isoformat()


# -- contract: what the loader must refuse


def _line_kind(
    name: str,
    expected: str,
    what: str,
    feed: str,
    wants: Callable,
    spoil: Callable[[list[str]], list[list[str]]],
) -> None:
    def make(one: Subject, _: Context) -> Effect:
        row = one.activity if feed == ACTIVITIES else one.person
        if feed == CHARACTERISTICS:
            row = one.characteristics[0]
        return Effect(lines=spoil, at=key_of(row), person_id=one.person.id, detail=what)

    _kind(name, CONTRACT, expected, False, what, wants, make)


def _with(feed: str, column: str, value: str) -> Callable[[list[str]], list[list[str]]]:
    position = COLUMNS[feed].index(column)
    return lambda cells: [[*cells[:position], value, *cells[position + 1 :]]]


_line_kind(
    "unreadable_date", "not_a_date", "DateVerified reads 31/13/2021", ACTIVITIES, anyone,
    _with(ACTIVITIES, "DateVerified", "31/13/2021"),
)  # fmt: skip
_line_kind(
    "missing_key", "required_value_missing", "YoungPersonsID is blank", CHARACTERISTICS,
    lambda one: bool(one.characteristics),
    _with(CHARACTERISTICS, "YoungPersonsID", ""),
)  # fmt: skip
_line_kind(
    "too_few_columns", "column_count", "the line ends after seven columns", PEOPLE, anyone, lambda cells: [cells[:7]]
)  # fmt: skip
_line_kind(
    "duplicated_row",
    "duplicate_row",
    "the line stands twice",
    PEOPLE,
    anyone,
    lambda cells: [cells, cells],
)
_kind(
    "truncated_snapshot", CONTRACT, "held", False,
    "the activities snapshot arrives cut off after two fifths; whole again the next working day",
    anyone,
    lambda one, _: Effect(
        kept_share=0.4, at=key_of(one.activity), detail="file cut off in mid-line; the whole file follows a day later"
    ),
)  # fmt: skip

# -- identity: what linkage or the gate must notice


def _second_record(one: Subject, context: Context, **values: str) -> Effect:
    """The subject entered a second time, under an id of its own."""
    second = context.new_id()
    person = changed(
        render(one.person, one.as_at), PEOPLE, YoungPersonsID=second, UniquePupilNumber="", PreviousYPIDIdentifier="",
        GuaranteeStatusIndicator="N", **values,
    )  # fmt: skip
    activity_id = context.new_activity_id()
    activity = changed(
        render(one.activity, one.as_at), ACTIVITIES, ActivityID=activity_id, YoungPersonsID=second
    )
    at = (PEOPLE, (second,))
    return Effect(
        added={at: person, (ACTIVITIES, (activity_id,)): activity}, at=at, person_id=second,
        detail=f"a second record of {one.person.id}", uses={one.person.id},
    )  # fmt: skip


_kind(
    "duplicate_person", IDENTITY, "908|duplicate_people", True,
    "one young person under two ids: same name, birth date and postcode, no ULN on the second",
    student, lambda one, context: _second_record(one, context, UniqueLearnerNo=""),
)  # fmt: skip
_kind(
    "duplicate_person_shared_uln", IDENTITY, "907|908|duplicate_people", True,
    "one young person under two ids: same name, birth date, postcode and ULN",
    lambda one: student(one) and bool(one.person.learner_number), _second_record,
)  # fmt: skip

# -- gate: the DfE's rules


def _wrong_length(one: Subject, context: Context) -> Effect:
    bad = context.new_id()[:-1]
    given, family = context.new_name()
    person = changed(
        render(one.person, one.as_at), PEOPLE, YoungPersonsID=bad, GivenName=given, FamilyName=family,
        UniqueLearnerNo="", UniquePupilNumber="", PreviousYPIDIdentifier="", GuaranteeStatusIndicator="N",
    )  # fmt: skip
    activity_id = context.new_activity_id()
    activity = changed(
        render(one.activity, one.as_at), ACTIVITIES, ActivityID=activity_id, YoungPersonsID=bad
    )
    at = (PEOPLE, (bad,))
    return Effect(
        added={at: person, (ACTIVITIES, (activity_id,)): activity}, at=at, person_id=bad,
        detail="somebody new, whose id lost its last digit", uses={one.person.id},
    )  # fmt: skip


_rule("1", True, "YoungPersonsID of 12 characters, on somebody new", student, _wrong_length)
_person_rule("2", "GivenName empty", year_11, GivenName="")
_person_rule("3", "FamilyName empty", year_11, FamilyName="")
_person_rule("4", "Gender empty", year_11, Gender="")
_person_rule("5", "Gender not in the list", year_11, Gender="X")
_person_rule("6", "Ethnicity empty", year_11, Ethnicity="")
_person_rule("7", "Ethnicity not in the list", year_11, Ethnicity="ABCD")
_person_rule("8", "DOB empty", year_11, True, DOB="")
_rule(
    "9", True, "born nine years too early: academic age 26", year_13,
    lambda one, _: edit(one, PEOPLE, {"DOB": _years_later(one.person.born, -9), "SENDFlag": "Y"}),
)  # fmt: skip
_rule(
    "10", True, "born a year too late: academic age 14", year_11,
    lambda one, _: edit(one, PEOPLE, {"DOB": _years_later(one.person.born, 1)}),
)  # fmt: skip
_person_rule("11", "CohortStatus empty", student, True, CohortStatus="")
_person_rule("14", "LeadLEA empty", year_11, LeadLEA="")
_person_rule("15", "LeadLEA is no authority", year_11, also="26", LeadLEA=_UNKNOWN_AUTHORITY)
_person_rule("19", "EducatedLEA is no authority", year_11, EducatedLEA=_UNKNOWN_AUTHORITY)
_person_rule("24", "LEACodeAtYear11 is no authority", year_13, LEACodeAtYear11=_UNKNOWN_AUTHORITY)
_rule(
    "25", False, "LEACodeAtYear11 differs from the Year 11 guarantee", with_node(11),
    lambda one, context: edit(one, PEOPLE, {"LEACodeAtYear11": context.other_authority}), guarantee=True,
)  # fmt: skip
_person_rule("26", "LeadLEA is a code outside England", year_11, also="15", LeadLEA="000")
_rule(
    "27", False, "GuaranteeStatus not in the list", any_node,
    lambda one, _: edit(one, GUARANTEE, {"GuaranteeStatus": "199"}), guarantee=True,
)  # fmt: skip
_rule(
    "30", False, "UniqueLearnerNo begins with 0", lambda one: year_11(one) and bool(one.person.learner_number),
    lambda one, _: edit(one, PEOPLE, {"UniqueLearnerNo": "0" + one.person.learner_number[1:]}),
)  # fmt: skip
_person_rule("31", "no part of an address", year_11, AddressLine1="", Town="", County="")
_person_rule("32", "Postcode empty", year_11, Postcode="")
_rule(
    "34", False, "TransferredToLACode on somebody who has not moved", year_11,
    lambda one, context: edit(one, PEOPLE, {"TransferredToLACode": context.other_authority}),
)  # fmt: skip
_person_rule(
    "37", "PreviousYPIDIdentifier of six characters", year_11, PreviousYPIDIdentifier="886123"
)
_rule(
    "38", False, "UniquePupilNumber of 12 characters", lambda one: year_11(one) and bool(one.person.pupil_number),
    lambda one, _: edit(one, PEOPLE, {"UniquePupilNumber": one.person.pupil_number[:-1]}),
)  # fmt: skip
_activity_rule("39", "UKProviderReferenceNumber begins with 2", student,
               lambda _: {"UKProviderReferenceNumber": "20001234"})  # fmt: skip
_rule(
    "40", True, "born a year too early: academic age 18 without a plan", year_13,
    lambda one, _: edit(one, PEOPLE, {"DOB": _years_later(one.person.born, -1)}),
)  # fmt: skip
_person_rule("43", "Postcode without its space", year_11, Postcode="ZZ991AA")


def _transfer(number: str, what: str, to: Callable[[Context], str], also: str = "") -> None:
    def make(one: Subject, context: Context) -> Effect:
        on = one.period_end - timedelta(days=5)
        return edit(
            one, PEOPLE,
            {"CohortStatus": "T", "CohortStatusDate": on.isoformat(), "TransferredToLACode": to(context)},
        )  # fmt: skip

    _rule(number, True, what, student, make, also)


_transfer("13", "status T without the importing authority", lambda _: "")
_transfer("35", "status T to a code that is no authority", lambda _: _UNKNOWN_AUTHORITY)
_transfer("41", "status T to authority 004, not known", lambda _: "004", also="35")
_transfer("42", "status T to the authority that leads already", lambda context: context.la_code)

_person_rule("100", "LevelOfNeedCode empty", year_11, LevelOfNeedCode="")
_person_rule("101", "LevelOfNeedCode not 1 to 3", year_11, LevelOfNeedCode="7")
_person_rule("102", "SENDFlag neither Y nor N", year_11, SENDFlag="X")
_person_rule("103", "SENDFlag empty", year_11, SENDFlag="")
_person_rule(
    "302", "IntendedDestinationYr11 not in the list", year_11, IntendedDestinationYr11="999"
)
_person_rule("303", "SENSupportFlag empty", year_11, SENSupportFlag="")
_person_rule("304", "SENSupportFlag neither Y nor N", year_11, SENSupportFlag="X")
_person_rule("306", "SENDFlag and SENSupportFlag both Y", has_plan, SENSupportFlag="Y")


def _extra_characteristic(code: str) -> Callable[[Subject, Context], Effect]:
    def make(one: Subject, _: Context) -> Effect:
        row = CharacteristicRow(one.person.id, code, one.activity.start, None, one.as_at)
        at = key_of(row)
        return Effect(
            added={at: render(row, one.as_at)},
            at=at,
            person_id=one.person.id,
            detail=f"characteristic {code}",
        )

    return make


_rule(
    "104",
    False,
    "a characteristic that is not in the list",
    year_11,
    _extra_characteristic(_UNKNOWN_CODE),
)
_rule("260", False, "a man recorded as pregnant", lambda one: year_11(one) and one.person.gender == "M",
      _extra_characteristic("180"))  # fmt: skip

_activity_rule("200", "ActivityCode empty", student, lambda _: {"ActivityCode": ""}, alters=True)
_activity_rule(
    "201",
    "ActivityCode not in the list",
    student,
    lambda _: {"ActivityCode": _UNKNOWN_CODE},
    alters=True,
)
_activity_rule(
    "202", "StartDate empty: at the period's end there is no activity at all", student, lambda _: {"StartDate": ""},
    alters=True, also="200|203|220",
)  # fmt: skip
_activity_rule("203", "DateAscertained empty", student, lambda _: {"DateAscertained": ""})
_activity_rule("220", "CurrencyLapsed empty", student, lambda _: {"CurrencyLapsed": ""})
_activity_rule("221", "CurrencyLapsed neither Y nor N", student, lambda _: {"CurrencyLapsed": "X"})
_activity_rule(
    "224",
    "NEET without NEETStartDate",
    student,
    lambda one: _as_neet(one, NEETStartDate=""),
    alters=True,
)
_activity_rule("225", "NEETStartDate after StartDate", student,
               lambda one: _as_neet(one, NEETStartDate=_plus(one.activity.start, 3)), alters=True)  # fmt: skip
_activity_rule("226", "NEETStartDate on somebody at college", student,
               lambda one: {"NEETStartDate": one.activity.start.isoformat()})  # fmt: skip
_activity_rule(
    "228", "EstablishmentNumber of five digits", student, lambda _: {"EstablishmentNumber": "12345"}
)
_activity_rule(
    "229", "a sixth-form code in Year 11", year_11, lambda _: {"ActivityCode": "210"}, alters=True
)
_activity_rule(
    "230",
    "a compulsory-age code in Year 12",
    year_12,
    lambda _: {"ActivityCode": "110"},
    alters=True,
)
_activity_rule("231", "marked as lapsed before its date", current_for_long, lambda _: {"CurrencyLapsed": "Y"},
               also="lapse_flag_agrees")  # fmt: skip
_activity_rule("232", "not marked as lapsed after its date", student,
               lambda one: {"DueToLapseDate": _plus(one.period_end, -3), "CurrencyLapsed": "N"},
               alters=True, also="lapse_flag_agrees")  # fmt: skip
_activity_rule("233", "young carer (620) without characteristic 140", student, lambda one: _as_neet(one, "620"),
               alters=True)  # fmt: skip
_activity_rule("234", "teenage parent (630) without characteristic 120", student, lambda one: _as_neet(one, "630"),
               alters=True)  # fmt: skip
_activity_rule("235", "pregnant (650) without characteristic 180",
               lambda one: student(one) and one.person.gender == "F", lambda one: _as_neet(one, "650"),
               alters=True)  # fmt: skip
_activity_rule("237", "DateAscertained after DateVerified", student,
               lambda one: {"DateAscertained": _plus(one.activity.verified, 2)})  # fmt: skip
_activity_rule("238", "DueToLapseDate after PredictedEndDate", student,
               lambda one: {"PredictedEndDate": _plus(one.activity.due, -1)})  # fmt: skip
_activity_rule("242", "DateAscertained before StartDate", student,
               lambda one: {"DateAscertained": _plus(one.activity.start, -4)})  # fmt: skip
_activity_rule("243", "DueToLapseDate empty on a course", student, lambda _: {"DueToLapseDate": ""})
_activity_rule("251", "NEETStartDate before the 15th birthday", student,
               lambda one: _as_neet(one, NEETStartDate=_years_later(one.person.born - 10 * DAY, 15)),
               alters=True)  # fmt: skip
_activity_rule(
    "253", "a DWP programme (440) at 16", year_12, lambda _: {"ActivityCode": "440"}, alters=True
)
_activity_rule("254", "special institution (280) without a plan", student, lambda _: {"ActivityCode": "280"},
               alters=True)  # fmt: skip
_activity_rule("255", "supported internship (460) without a plan", student, lambda _: {"ActivityCode": "460"},
               alters=True)  # fmt: skip
_activity_rule("256", "DateVerified before StartDate", student,
               lambda one: {"DateVerified": _plus(one.activity.start, -3)}, also="237")  # fmt: skip
_activity_rule("257", "ReviewDate after PredictedEndDate", student,
               lambda one: {"ReviewDate": _plus(one.activity.course_end, 10)})  # fmt: skip
_activity_rule(
    "259", "PredictedEndDate empty on a course", student, lambda _: {"PredictedEndDate": ""}
)
_rule(
    "261", False, "the authority of a guarantee is none", with_node(12),
    lambda one, _: edit(one, GUARANTEE, {"LEACode": _UNKNOWN_AUTHORITY}), guarantee=True,
)  # fmt: skip
_activity_rule("262", "temporary employment (350) without ReviewDate", student,
               lambda _: {"ActivityCode": "350", "ReviewDate": "", "PredictedEndDate": ""}, alters=True)  # fmt: skip
_activity_rule("305", "DateVerified after the period's end", student,
               lambda one: {"DateVerified": _plus(one.period_end, 2)})  # fmt: skip
_person_rule("904", "CohortStatus not in the list", student, True, CohortStatus="Z")
_person_rule(
    "F10",
    "CohortStatus X, the internal mark of people who left before",
    student,
    True,
    CohortStatus="X",
)
_rule(
    "905", True, "status G without a guarantee", any_node,
    lambda one, _: edit(
        one, PEOPLE, {"CohortStatus": "G", "GuaranteeStatusIndicator": "N"},
        {GUARANTEE: {"GuaranteeStatus": "", "LEACode": ""}},
    ), guarantee=True,
)  # fmt: skip
_rule(
    "906", False, "GuaranteeStatusIndicator Y without a guarantee", any_node,
    lambda one, _: edit(one, GUARANTEE, {"GuaranteeStatus": "", "LEACode": ""}), guarantee=True,
)  # fmt: skip


def _shared_number(one: Subject, context: Context) -> Effect | None:
    other = context.another(
        lambda two: bool(two.person.learner_number) and two.person.id != one.person.id
    )
    if other is None:
        return None
    effect = edit(one, PEOPLE, {"UniqueLearnerNo": other.person.learner_number})
    effect.detail += f", which belongs to {other.person.id}"
    effect.uses = {other.person.id}
    return effect


def _same_name(one: Subject, context: Context) -> Effect | None:
    other = context.another(
        lambda two: (
            two.year_group == one.year_group and two.is_plain and two.person.id != one.person.id
        )
    )
    if other is None:
        return None
    twin = other.person
    effect = edit(
        one, PEOPLE,
        {"GivenName": twin.given_name, "FamilyName": twin.family_name, "DOB": twin.born.isoformat()},
    )  # fmt: skip
    effect.detail += f", as {twin.id}"
    effect.uses = {twin.id}
    return effect


_rule("907", False, "one ULN on two people", year_11, _shared_number)
_rule("908", False, "name and birth date of somebody else", year_11, _same_name)


def _not_confirmed(one: Subject) -> dict[str, str]:
    """Rule 909: the place was last confirmed in the academic year before."""
    begins = date(year_end(one.period_end).year - 1, 9, 1)
    return {
        "StartDate": _plus(begins, -360),
        "DateAscertained": _plus(begins, -350),
        "DateVerified": _plus(begins, -100),
    }


_activity_rule("909", "a Year 11 place not confirmed this academic year", year_11, _not_confirmed)

# -- movement: faultless rows that tell an impossible story


def _now_not_known(one: Subject, context: Context) -> Effect:
    activity_id = context.new_activity_id()
    start = one.period_end - timedelta(days=12)
    row = ActivityRow(
        activity_id,
        one.person.id,
        "810",
        start,
        None,
        start,
        start,
        None,
        None,
        None,
        "",
        "",
        "",
        None,
        one.as_at,
    )
    at = key_of(row)
    return Effect(
        edits={key_of(one.activity): {"EndDate": (start - DAY).isoformat()}},
        added={at: render(row, one.as_at)}, at=at, person_id=one.person.id, detail="not known (810), with many others",
    )  # fmt: skip


_kind(
    "vanished", MOVEMENT, "nobody_vanished", True, "dropped from every file without a leaving status", student,
    lambda one, _: Effect(
        drops_person=one.person.id, person_id=one.person.id, detail="in no file from this snapshot on"
    ),
)  # fmt: skip
_kind("not_known_jump", MOVEMENT, "not_known_jump", True, "a twelfth of the cohort becomes not known at once",
      student, _now_not_known)  # fmt: skip
