"""DfE's rules once more, in Python, from their wording: what the packs' SQL is compared with.

Written from the published descriptions of the rules (the field, the condition, the ages and windows they
speak of), not from the packs. Dates are worked out by the year-group formula of the public checker, not by
academic age as the packs do. Only the code lists are shared with the packs, as dated seed rows.

A blank value breaks no rule but those about blanks; a date that is none counts as blank, except in the
rules about its form.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NEET = {"540", "610", "615", "616", "619", "620", "630", "640", "650", "660", "670", "680"}
COMPULSORY = {"110", "120", "130", "140", "150"}
EDUCATION = {"210", "220", "230", "240", "250", "260", "270", "280", "290"}
EMPLOYMENT = {"310", "320", "330", "340", "350", "360", "380", "381", "550"}
TRAINING = {"410", "430", "440", "450", "460"}
SYMBOLS = set('0123456789/\\:?@$&*(){}[]!"+=|')
POSTCODE = re.compile(r"(A9|A99|AA9|AA99|A9A|AA9A) 9AA")

Record = Mapping[str, object]
RULES: dict[str, Callable[[Person], bool]] = {}


@dataclass
class Person:
    """A record with what its rules ask of it.

    Attributes:
        r: texts by column, blank as ``None``.
        lists: code lists on the day of the period.
    """

    r: Record
    header: Mapping[str, object]
    lists: Mapping[str, tuple[str, ...]]

    def __getattr__(self, column: str) -> str | None:
        value = self.r.get(column)
        return value if isinstance(value, str) and value.strip(" \t\r\n") else None

    def day(self, column: str) -> dt.date | None:
        return day(getattr(self, column))

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self.r.get("characteristic_codes") or ())

    @property
    def period(self) -> dt.date:
        return dt.date.fromisoformat(str(self.header["period_end"]))

    @property
    def year_group(self) -> int | None:
        """As the public checker numbers them: Year 21 is academic age 25."""
        born, end = self.day("dob"), self.period
        if born is None:
            return None
        return end.year - born.year - 5 - (born.month >= 9) + (end.month >= 9)

    @property
    def is_summer(self) -> bool:
        """April to August, when the guarantee is about the person's own year group."""
        return 4 <= self.period.month <= 8

    @property
    def owed_in(self) -> int | None:
        """Year group in which the last offer was owed."""
        year = self.year_group
        return None if year is None else year if self.is_summer else year - 1

    def before(self, first: str, second: str) -> bool:
        a, b = self.day(first), self.day(second)
        return a is not None and b is not None and a < b


def day(text: str | None) -> dt.date | None:
    if text is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def birthday(born: dt.date, years: int) -> dt.date:
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return dt.date(born.year + years, 2, 28)


def age(born: dt.date, on: dt.date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def rule(rule_id: str):
    def add(test: Callable[[Person], bool]):
        RULES[rule_id] = test
        return test

    return add


def empty(rule_id: str, column: str) -> None:
    RULES[rule_id] = lambda p: getattr(p, column) is None


def no_date(rule_id: str, column: str) -> None:
    RULES[rule_id] = lambda p: p.day(column) is None


def not_in(rule_id: str, column: str, *codes: str) -> None:
    RULES[rule_id] = lambda p: getattr(p, column) is not None and getattr(p, column) not in codes


def not_listed(rule_id: str, column: str, *names: str) -> None:
    RULES[rule_id] = lambda p: (
        getattr(p, column) is not None
        and not any(getattr(p, column) in p.lists[name] for name in names)
    )


def unlike(rule_id: str, column: str, pattern: str) -> None:
    RULES[rule_id] = lambda p: (
        getattr(p, column) is not None and not re.fullmatch(pattern, getattr(p, column))
    )


def wrong_order(rule_id: str, earlier: str, later: str) -> None:
    """The first may not be after the second; equal dates pass."""
    RULES[rule_id] = lambda p: p.before(later, earlier)


def illegal_name(rule_id: str, column: str) -> None:
    RULES[rule_id] = lambda p: bool(SYMBOLS & set(getattr(p, column) or ""))


RULES["1"] = lambda p: len(p.young_persons_id or "") != 13
empty("2", "given_name")
empty("3", "family_name")
empty("4", "gender")
not_in("5", "gender", "F", "M", "U", "W")
empty("6", "ethnicity")
not_listed("7", "ethnicity", "ethnicities")
no_date("8", "dob")
empty("11", "cohort_status")
empty("14", "lead_lea")
not_listed("15", "lead_lea", "la_codes")
not_listed("19", "educated_lea", "la_codes", "other_la_codes")
not_listed("24", "lea_code_at_year11", "la_codes", "other_la_codes")
unlike("30", "unique_learner_no", r"[1-9][0-9]{9}")
empty("32", "postcode")
unlike("37", "previous_ypid_identifier", r"(?s).{13}")
unlike("38", "unique_pupil_number", r"(?s).{13}")
unlike("39", "uk_provider_reference_number", r"1[0-9]{7}")
illegal_name("44", "given_name")
illegal_name("45", "family_name")
illegal_name("46", "middle_name")
empty("100", "level_of_need_code")
not_in("101", "level_of_need_code", "1", "2", "3")
not_in("102", "send_flag", "Y", "N")
empty("103", "send_flag")
empty("200", "activity_code")
not_listed("201", "activity_code", "activities")
no_date("202", "start_date")
no_date("203", "date_ascertained")
empty("220", "currency_lapsed")
not_in("221", "currency_lapsed", "Y", "N")
wrong_order("225", "neet_start_date", "start_date")
wrong_order("237", "date_ascertained", "date_verified")
wrong_order("238", "due_to_lapse_date", "predicted_end_date")
wrong_order("242", "start_date", "date_ascertained")
wrong_order("256", "start_date", "date_verified")
wrong_order("257", "review_date", "predicted_end_date")
not_in("302", "intended_destination_yr11", "111", "121", "211", "311", "321", "411", "511", "611")
empty("303", "sen_support_flag")
not_in("304", "sen_support_flag", "Y", "N")


@rule("9")
def _(p: Person) -> bool:
    return p.year_group is not None and p.year_group > 21 and p.cohort_status != "A"


@rule("10")
def _(p: Person) -> bool:
    return p.year_group is not None and p.year_group < 11


@rule("13")
def _(p: Person) -> bool:
    return p.cohort_status == "T" and p.transferred_to_la_code is None


@rule("25")
def _(p: Person) -> bool:
    return None not in (p.lea_code_at_year11, p.year11_lea_code) and (
        p.lea_code_at_year11 != p.year11_lea_code
    )


@rule("26")
def _(p: Person) -> bool:
    return p.lead_lea is not None and p.lead_lea not in str(p.header["source_leas"]).split(",")


@rule("27")
def _(p: Person) -> bool:
    offers = {"110", "120", "122", "123", "124", "140", "150", "151", "153", "154", "159"}
    return (p.year11_guarantee_status or "110") not in offers or (
        (p.year12_guarantee_status or "110") not in offers | {"114", "115"}
    )


@rule("31")
def _(p: Person) -> bool:
    return not any(
        (p.address_line1, p.address_line2, p.address_line3, p.address_line4, p.town, p.county)
    )


@rule("34")
def _(p: Person) -> bool:
    return p.transferred_to_la_code is not None and p.cohort_status not in ("T", "E")


@rule("35")
def _(p: Person) -> bool:
    code = p.transferred_to_la_code
    if code is None:
        return False
    if p.cohort_status == "T":
        return code not in p.lists["la_codes"]
    return p.cohort_status == "E" and code not in ("000", "001", "002", "003")


@rule("40")
def _(p: Person) -> bool:
    return (
        p.year_group is not None
        and p.year_group >= 14
        and p.send_flag != "Y"
        and p.cohort_status not in ("A", "L")
    )


@rule("41")
def _(p: Person) -> bool:
    return (p.transferred_to_la_code or "").rjust(3, "0")[:3] == "004"


@rule("42")
def _(p: Person) -> bool:
    return p.transferred_to_la_code is not None and p.transferred_to_la_code == p.lead_lea


@rule("43")
def _(p: Person) -> bool:
    if p.postcode is None:
        return False
    shape = re.sub("[0-9]", "9", re.sub("[A-Za-z]", "A", p.postcode))
    return not POSTCODE.fullmatch(shape)


@rule("104")
def _(p: Person) -> bool:
    return any(code not in p.lists["characteristics"] for code in p.codes)


@rule("224")
def _(p: Person) -> bool:
    return p.activity_code in NEET and p.day("neet_start_date") is None


@rule("226")
def _(p: Person) -> bool:
    return None not in (p.neet_start_date, p.activity_code) and p.activity_code not in NEET


@rule("228")
def _(p: Person) -> bool:
    number = p.establishment_number
    return number is not None and (
        not re.fullmatch("[0-9]{7}", number) or number[:3] not in p.lists["la_codes"]
    )


@rule("229")
def _(p: Person) -> bool:
    return (
        p.year_group is not None
        and p.year_group <= 11
        and p.activity_code in p.lists["activities"]
        and p.activity_code not in COMPULSORY
    )


@rule("230")
def _(p: Person) -> bool:
    return p.year_group is not None and p.year_group > 11 and p.activity_code in COMPULSORY


@rule("231")
def _(p: Person) -> bool:
    due = p.day("due_to_lapse_date")
    return p.currency_lapsed == "Y" and due is not None and due > p.period


@rule("232")
def _(p: Person) -> bool:
    due = p.day("due_to_lapse_date")
    return p.currency_lapsed == "N" and due is not None and due < p.period


@rule("233")
def _(p: Person) -> bool:
    return p.activity_code == "620" and "140" not in p.codes


@rule("234")
def _(p: Person) -> bool:
    return p.activity_code == "630" and "120" not in p.codes


@rule("235")
def _(p: Person) -> bool:
    return p.activity_code == "650" and "180" not in p.codes


@rule("243")
def _(p: Person) -> bool:
    lapsing = COMPULSORY | EDUCATION | EMPLOYMENT | TRAINING | {"530", "710"}
    return p.due_to_lapse_date is None and p.activity_code in lapsing


@rule("244")
def _(p: Person) -> bool:
    return p.due_to_lapse_date is not None and p.day("due_to_lapse_date") is None


@rule("251")
def _(p: Person) -> bool:
    born, began = p.day("dob"), p.day("neet_start_date")
    return None not in (born, began) and began < birthday(born, 15)


@rule("253")
def _(p: Person) -> bool:
    born = p.day("dob")
    return p.activity_code == "440" and born is not None and age(born, p.period) in (16, 17)


@rule("254")
def _(p: Person) -> bool:
    return p.activity_code == "280" and p.send_flag not in ("Y", None)


@rule("255")
def _(p: Person) -> bool:
    return p.activity_code == "460" and p.send_flag not in ("Y", None)


@rule("258")
def _(p: Person) -> bool:
    return p.predicted_end_date is not None and p.day("predicted_end_date") is None


@rule("259")
def _(p: Person) -> bool:
    return p.predicted_end_date is None and p.activity_code in COMPULSORY | EDUCATION | TRAINING


@rule("260")
def _(p: Person) -> bool:
    return p.gender == "M" and "180" in p.codes


@rule("261")
def _(p: Person) -> bool:
    return any(
        code is not None and code not in p.lists["la_codes"]
        for code in (p.year11_lea_code, p.year12_lea_code)
    )


@rule("262")
def _(p: Person) -> bool:
    return p.activity_code in {"260", "290", "350", "616", "710"} and p.day("review_date") is None


@rule("301")
def _(p: Person) -> bool:
    return p.year_group == 11 and p.intended_destination_yr11 is None


@rule("305")
def _(p: Person) -> bool:
    verified = p.day("date_verified")
    return verified is not None and verified > p.period


@rule("306")
def _(p: Person) -> bool:
    return p.send_flag == "Y" and p.sen_support_flag == "Y"


@rule("903")
def _(p: Person) -> bool:
    key = p.young_persons_id
    return key is not None and key[:3] not in str(p.header["database_ids"]).split(",")


@rule("904")
def _(p: Person) -> bool:
    return p.cohort_status is not None and p.cohort_status not in set("PGALTEMDX")


@rule("F10")
def _(p: Person) -> bool:
    return p.cohort_status == "X"


def lacks_offer(p: Person) -> bool:
    if p.owed_in == 11:
        return None in (p.year11_guarantee_status, p.year11_lea_code)
    return p.owed_in == 12 and None in (p.year12_guarantee_status, p.year12_lea_code)


@rule("905")
def _(p: Person) -> bool:
    return p.cohort_status == "G" and lacks_offer(p)


@rule("906")
def _(p: Person) -> bool:
    return p.guarantee_status_indicator == "Y" and lacks_offer(p)


@rule("909")
def _(p: Person) -> bool:
    days = [each for each in (p.day("start_date"), p.day("date_verified")) if each]
    first = dt.date(p.period.year - (p.period.month < 9), 9, 1)
    return p.activity_code in COMPULSORY and bool(days) and max(days) < first


@rule("SG-a")
def _(p: Person) -> bool:
    later = ("114", "115")
    return p.owed_in == 11 and (
        p.year11_guarantee_status in later or p.year12_guarantee_status in later
    )


@rule("SG-b")
def _(p: Person) -> bool:
    given = p.year11_guarantee_status or p.year12_guarantee_status
    return given is not None and p.owed_in is not None and p.owed_in not in (11, 12)


# -- a record beside the others of its return, and the header --------------------------------------------


def shares_id(person: Person, others: list[Person]) -> bool:
    """902"""
    mine = person.young_persons_id
    return mine is not None and any(each.young_persons_id == mine for each in others)


def shares_learner_number(person: Person, others: list[Person]) -> bool:
    """907: on two different YoungPersonsIDs, neither of status M."""
    mine = person.unique_learner_no
    return (
        mine is not None
        and person.young_persons_id is not None
        and person.cohort_status != "M"
        and any(
            each.unique_learner_no == mine
            and each.cohort_status != "M"
            and each.young_persons_id not in (None, person.young_persons_id)
            for each in others
        )
    )


def shares_name_and_dob(person: Person, others: list[Person]) -> bool:
    """908"""

    def key(each: Person) -> tuple | None:
        parts = (each.given_name, each.family_name, each.dob)
        return None if None in parts else (parts[0].lower(), parts[1].lower(), parts[2])

    return key(person) is not None and any(key(each) == key(person) for each in others)


BESIDE_OTHERS = {"902": shares_id, "907": shares_learner_number, "908": shares_name_and_dob}


def _codes(text: object) -> list[str]:
    return [each for each in re.sub(r"\s", "", str(text or "")).split(",") if each]


HEADER: dict[str, Callable[[Mapping], bool]] = {
    "F4": lambda h: (
        not all(re.fullmatch("[0-9]{3}", each) for each in _codes(h["database_ids"]) or ["-"])
    ),
    "F5": lambda h: (
        not all(re.fullmatch("[0-9]{3}", each) for each in _codes(h["source_leas"]) or ["-"])
    ),
    "F6": lambda h: day(h["date_of_send"]) is None,
    "F7": lambda h: day(h["period_end"]) is None,
}
