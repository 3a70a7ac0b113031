"""Every rule of every pack on generated rows: as DfE words it, and just on either side of where it bites.

From a valid record and variations of it (:data:`CONTEXTS`), every column in turn is given every value
that could matter. What each of the thousands of rows must fail is worked out in Python
(:mod:`tests.rules.dfe_wording`); SQL judges all of them in one statement; the (row, rule) pairs must be the
same. Among the rows, each rule has one that fails and a nearest neighbour, different in one column and
there as little as can be, that does not.
"""

from __future__ import annotations

import csv
import datetime as dt
import difflib
from collections.abc import Iterator

import pytest

from neet.rules import codes, judge, workspace
from neet.rules.pack import PACKS, available, load_pack
from tests.rules import dfe_wording
from tests.rules.dfe_wording import BESIDE_OTHERS, HEADER, Person

Y11 = {"dob": "2004-03-15", "activity_code": "110"}
NEET = {"due_to_lapse_date": "", "predicted_end_date": "", "neet_start_date": "2019-09-02"}
CONTEXTS: list[dict[str, object]] = [
    {},
    Y11 | {"intended_destination_yr11": "611"},
    Y11 | {"start_date": "2016-09-02", "date_ascertained": "2016-09-02", "date_verified": "2019-09-01"},
    NEET | {"activity_code": "619"},
    *(
        NEET | {"activity_code": activity, "characteristic_codes": [code]}
        for activity, code in (("620", "140"), ("630", "120"), ("650", "180"))
    ),
    {"activity_code": "280", "send_flag": "Y"},
    {"activity_code": "460", "send_flag": "Y"},
    {"activity_code": "440", "dob": "2001-12-31", "send_flag": "Y"},
    {"activity_code": "260", "review_date": "2020-01-31"},
    {"dob": "2001-03-15", "send_flag": "Y"},
    {"dob": "1993-03-15", "send_flag": "Y", "cohort_status": "A"},
    {"cohort_status": "T", "transferred_to_la_code": "887"},
    {"cohort_status": "E", "transferred_to_la_code": "002"},
    {"cohort_status": "G", "year11_guarantee_status": "110", "year11_lea_code": "886"},
    {"cohort_status": "G", "dob": "2002-03-15", "year12_guarantee_status": "110", "year12_lea_code": "886"},
    {"dob": "2002-03-15", "year12_guarantee_status": "114", "year12_lea_code": "886"},
    {"guarantee_status_indicator": "Y", "year11_guarantee_status": "110", "year11_lea_code": "886"},
    {"currency_lapsed": "Y", "due_to_lapse_date": "2019-12-31"},
    {"characteristic_codes": ["110", "180"]},
    {"activity_code": "810", "due_to_lapse_date": "", "predicted_end_date": ""},
    {"town": "", "address_line1": "", "county": "Kent"},
]  # fmt: skip
"""Differences from the valid record of December 2019; a later pack moves their dates by whole years."""

FLAGS = ("", "Y", "N", "y", "X", " ")
CODES = ("", "000", "003", "004", "4", "005", "100", "886", "887", "999", "Kent")
NAMES = ("", " ", "Example", "Ex4mple", "Ex(ample", "O'Neill-Zoë", "Ex\\ample", 'Ex"', "[x]", "x|")
VALUES: dict[str, tuple[object, ...]] = {
    "young_persons_id": ("", "8860000000001", "886000000000", "88600000000001", "8870000000001"),
    "cohort_status": ("", *"PGALTEMDXQp", "PRIMARY"),
    **dict.fromkeys(("given_name", "middle_name", "family_name"), NAMES),
    **dict.fromkeys(("address_line1", "town", "county"), ("", "\t", "Somewhere")),
    "postcode": (
        "", "ZZ99 3WZ", "ZZ993WZ", "ZZ99 3WZ ", "Z9 3WZ", "Z99 3WZ", "ZZ9 3WZ", "Z9Z 3WZ", "ZZ9Z 3WZ",
        "zz9 3wz", "GIR 0AA", "ZZ99  3WZ", "ZZZ9 3WZ", "Z99Z 3WZ", "ZZ999 3WZ", "ZZ99 3W", "12345",
    ),
    "gender": ("", *"FMUWNf", "Female"),
    "ethnicity": ("", "NOBT", "BBRI", "WBRI", "nobt", "NONE"),
    **dict.fromkeys(
        ("lead_lea", "educated_lea", "transferred_to_la_code", "lea_code_at_year11",
         "year11_lea_code", "year12_lea_code"), CODES,
    ),
    "unique_learner_no": ("", "1000000001", "0000000001", "100000001", "10000000011", "100000000A"),
    "unique_pupil_number": ("", "A886299900001", "A88629990000", "A8862999000011"),
    "previous_ypid_identifier": ("", "8860000000009", "886000000009", "88600000000091"),
    **dict.fromkeys(
        ("guarantee_status_indicator", "send_flag", "sen_support_flag", "currency_lapsed"), FLAGS
    ),
    **dict.fromkeys(
        ("year11_guarantee_status", "year12_guarantee_status"), ("", "100", "110", "114", "115", "159")
    ),
    "level_of_need_code": ("", "0", "1", "2", "3", "4", "10"),
    "characteristic_codes": (
        [], ["100"], ["110"], ["120"], ["140"], ["180"], ["200"], ["210"], ["110", "999"], ["x"],
    ),
    "establishment_number": ("", "8869999", "886999", "88699999", "9999999", "886999A"),
    "uk_provider_reference_number": ("", "10000001", "20000001", "1000001", "100000011"),
    "intended_destination_yr11": ("", "111", "110", "611", "612"),
}  # fmt: skip
DATES = ("dob", "start_date", "date_ascertained", "date_verified", "review_date", "due_to_lapse_date",
         "neet_start_date", "predicted_end_date")  # fmt: skip
NO_DATES = ("", "31/08/2020", "2020-02-30", "2020", "2020-1-1", " 2020-01-01", "tbc")
BY_A_DAY = {"225", "231", "232", "237", "238", "242", "251", "256", "257", "305", "9", "10", "40",
            "229", "230", "253", "301", "909", "SG-a", "SG-b", "905", "906"}  # fmt: skip
"""Rules with a day at which they begin to bite: their nearest neighbours must be one day apart."""


def day_values(record: dict, period: dt.date) -> Iterator[str]:
    """Days around whatever a date of this record is compared with."""
    around = {period, dt.date(period.year - (period.month < 9), 9, 1)}
    for column in DATES:
        if (value := dfe_wording.day(record.get(column) or None)) is not None:
            around.add(value)
    if (born := dfe_wording.day(record.get("dob") or None)) is not None:
        around.add(dfe_wording.birthday(born, 15))
    for each in around:
        for step in (-1, 0, 1):
            yield (each + dt.timedelta(days=step)).isoformat()


def birth_values(record: dict, period: dt.date) -> Iterator[str]:
    """Days around every 1 September, and around every birthday that falls on the end of the period."""
    for years in range(13, 28):
        for end in (dt.date(period.year - years, 9, 1), dfe_wording.birthday(period, -years)):
            for step in (-1, 0, 1):
                yield (end + dt.timedelta(days=step)).isoformat()
    if (began := dfe_wording.day(record.get("neet_start_date") or None)) is not None:
        for step in (-1, 0, 1):
            yield (dfe_wording.birthday(began, -15) + dt.timedelta(days=step)).isoformat()


class Rows:
    """Generated returns of one record, each with the rules it must fail."""

    def __init__(self, version: str):
        self.pack = load_pack(version)
        self.header, (self.base,) = self.pack.example_return()
        self.period = self.pack.example_period_end
        self.lists = codes.load_code_lists(self.period)
        self.tests = {
            rule.rule_id: dfe_wording.RULES[rule.rule_id]
            for rule in self.pack.of_scope("record", "file")
            if rule.rule_id not in BESIDE_OTHERS
        }
        self.returns: list[tuple[str, dict, list[dict]]] = []
        self.expected: set[tuple[str, int | None, str]] = set()
        self.nearest: dict[str, tuple[float, str, str, str]] = {}

    def broken(self, record: dict) -> set[str]:
        person = Person(record, self.header, self.lists)
        return {rule_id for rule_id, test in self.tests.items() if test(person)}

    def add(self, header: dict, records: list[dict], broken: list[set[str]], on_header=()) -> str:
        name = f"row {len(self.returns)}"
        self.returns.append((name, header, records))
        for number, rules in enumerate(broken, 1):
            self.expected |= {(name, number, rule_id) for rule_id in rules}
        self.expected |= {(name, None, rule_id) for rule_id in on_header}
        return name

    def generate(self) -> None:
        for context in CONTEXTS:
            record = self.base | self.pack.dated(context, "2019-20")
            for column in (*VALUES, "activity_code", *DATES):
                self._vary(record, column)
        self._beside_others()
        self._headers()

    def values(self, record: dict, column: str) -> list:
        if column == "activity_code":
            codes_ = [*self.lists["activities"], "", "720", "999", "ABC"]
        elif column in DATES:
            days = birth_values if column == "dob" else day_values
            codes_ = [*NO_DATES, *days(record, self.period)]
        else:
            codes_ = list(VALUES[column])
        now = record.get(column) or ("" if column != "characteristic_codes" else [])
        return [now, *(each for each in codes_ if each != now)]

    def _vary(self, record: dict, column: str) -> None:
        rows = []
        for value in self.values(record, column):
            changed = record | {column: value}
            broken = self.broken(changed)
            rows.append((value, broken, self.add(self.header, [changed], [broken])))
        for first, (value, broken, name) in enumerate(rows):
            for other, also_broken, neighbour in rows[first + 1 :]:
                for rule_id in broken ^ also_broken:
                    fails, passes = (name, neighbour) if rule_id in broken else (neighbour, name)
                    apart = distance(column, value, other)
                    if rule_id not in self.nearest or apart < self.nearest[rule_id][0]:
                        self.nearest[rule_id] = (apart, fails, passes, column)

    def _beside_others(self) -> None:
        """Two records, the second more and more another person."""
        other = self.base | {"young_persons_id": "8860000000002", "given_name": "Other",
                             "unique_learner_no": "1000000002", "dob": self.base["dob"][:-1] + "6"}  # fmt: skip
        shared = ("young_persons_id", "unique_learner_no", "given_name", "dob")
        for bits in range(1 << len(shared)):
            same = {name: self.base[name] for place, name in enumerate(shared) if bits >> place & 1}
            for extra in (
                {},
                {"cohort_status": "M"},
                {"given_name": "EXAMPLE"},
                {"unique_learner_no": ""},
                {"young_persons_id": ""},
                {"dob": ""},
            ):
                self._add_two(self.base, other | same | extra)
        for rule_id in BESIDE_OTHERS:
            fails = {name for name, _, found in self.expected if found == rule_id}
            mine = {name: records for name, _, records in self.returns if len(records) == 2}
            pairs = [
                (sum(a[1][c] != b[1][c] for c in a[1]), one, two)
                for one, a in mine.items()
                if one in fails
                for two, b in mine.items()
                if two not in fails
            ]
            apart, one, two = min(pairs)
            self.nearest[rule_id] = (apart, one, two, "another record")

    def _add_two(self, first: dict, second: dict) -> None:
        people = [Person(each, self.header, self.lists) for each in (first, second)]
        broken = [
            self.broken(record)
            | {
                rule_id
                for rule_id, shares in BESIDE_OTHERS.items()
                if shares(person, [each for each in people if each is not person])
            }
            for record, person in zip((first, second), people, strict=True)
        ]
        self.add(self.header, [first, second], broken)

    def _headers(self) -> None:
        for column, values in {
            "database_ids": ("886", "", "88", "886,887", "8866", "886,KENT", " 886 "),
            "source_leas": ("886", "", "886,887", "Kent", "886,88"),
            "date_of_send": (self.header["date_of_send"], "", "06/01/2020", "2020-02-30"),
            "period_end": (self.header["period_end"], "", "2019-12", "31 December 2019"),
        }.items():
            rows = []
            for value in values:
                header = self.header | {column: value}
                broken = {rule_id for rule_id, test in HEADER.items() if test(header)}
                # a record of its own would be judged by this header too; a return of nobody is not
                rows.append((value, broken, self.add(header, [], [], broken)))
            for value, broken, name in rows:
                for rule_id in broken:
                    sound = next(row for row in rows if rule_id not in row[1])
                    apart = distance(column, value, sound[0])
                    if rule_id not in self.nearest or apart < self.nearest[rule_id][0]:
                        self.nearest[rule_id] = (apart, name, sound[2], column)


def distance(column: str, one: object, other: object) -> float:
    """How far two values of a column are apart: days, or how unlike the texts are."""
    days = [dfe_wording.day(each) if isinstance(each, str) else None for each in (one, other)]
    if None not in days:
        return abs((days[0] - days[1]).days)
    texts = [" ".join(each) if isinstance(each, list) else str(each) for each in (one, other)]
    return 1000 + sum(
        each[0] != " " for each in difflib.ndiff(texts[0], texts[1]) if each[0] != "?"
    )


WITH_RULES_OF_THEIR_OWN = ("2019-20", "2020-21", "2026-27")


def test_the_years_between_have_no_rules_of_their_own():
    for version in set(available()) - set(WITH_RULES_OF_THEIR_OWN):
        assert dict(load_pack(version).rules) == dict(load_pack("2020-21").rules), version


@pytest.mark.slow
@pytest.mark.parametrize("version", WITH_RULES_OF_THEIR_OWN)
def test_sql_and_wording_agree_on_every_generated_row(warehouse, version):
    rows = Rows(version)
    rows.generate()
    assert len(rows.returns) > 8_000
    with workspace.Workspace(warehouse.dsn["gate"], temporary=True) as work:
        prepared = work.prepare(work.stage(rows.returns), codes.load_policy(rows.period))
        findings = judge.judge_all(work.connection, rows.pack, rows.lists, prepared)
    found = {(each.return_id, each.record_number, each.rule_id) for each in findings}
    assert len(found) == len(findings)
    by_name = {name: records for name, _, records in rows.returns}

    def described(pairs):
        return [
            (rule_id, {k: v for k, v in by_name[name][number - 1].items() if rows.base.get(k) != v})
            if number
            else (name, rule_id)
            for name, number, rule_id in sorted(pairs, key=str)[:10]
        ]

    assert described(found - rows.expected) == [], "SQL alone says so"
    assert described(rows.expected - found) == [], "the wording alone says so"

    judged = {rule.rule_id for rule in rows.pack.judged_in_sql}
    assert set(rows.nearest) == judged, (
        "each rule has a row that fails it and a neighbour that does not"
    )
    failing = {(name, rule_id) for name, _, rule_id in found}
    for rule_id, (apart, fails, passes, column) in rows.nearest.items():
        assert (fails, rule_id) in failing and (passes, rule_id) not in failing
        if rule_id in BY_A_DAY:
            assert (apart, column in DATES) == (1, True), f"{rule_id}: {apart} by {column}"


RULES_KNOWN = {
    # requirement year: rules known up to it, judged on records and header, judged on files, withdrawn
    "2019-20": (103, 87, 12, 4),
    "2020-21": (106, 89, 12, 5),
    "2026-27": (109, 92, 12, 5),
}


def test_every_rule_that_is_known_is_judged_or_has_a_row_that_says_why_not():
    with (PACKS / "not_judged.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        assert row["reason"] and row["source"], row
    for version, expected in RULES_KNOWN.items():
        pack = load_pack(version)
        withdrawn = {row["rule_id"] for row in rows} | set(pack.retired)
        assert not withdrawn & set(pack.rules)
        found = (
            len(pack.rules) + len(withdrawn),
            len(pack.judged_in_sql),
            len(pack.of_scope("document")),
            len(withdrawn),
        )
        assert found == expected, version
