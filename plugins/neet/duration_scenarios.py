"""The cases of ``dbt_project/scenarios/neet_duration.yml`` as dbt unit tests, as a table and as a drawing.

What the cases say of spells and months was worked out by hand. Here their activities are only painted day by day, so that
each model of the chain can be given what the one before it makes. ``python -m neet.duration_scenarios`` writes the three.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from neet import yaml_files
from neet.settings import PROJECT_ROOT

SCENARIOS = PROJECT_ROOT / "dbt_project" / "scenarios" / "neet_duration.yml"
UNIT_TESTS = (
    PROJECT_ROOT / "dbt_project" / "models" / "marts" / "neet" / "_scenarios_unit_tests.yml"
)
PAGE = PROJECT_ROOT / "docs" / "neet-duration.md"
DRAWING = PROJECT_ROOT / "docs" / "neet-duration.svg"
BEGIN, END = "<!-- scenarios: begin -->", "<!-- scenarios: end -->"

MONTH = dt.date(2021, 12, 31)
DAY = dt.timedelta(days=1)
NEET, EET, NOT_KNOWN, OTHER = "NEET", "EET", "NOT_KNOWN", "OTHER"


class Segment(NamedTuple):
    """Days from ``start`` to before ``end`` (None: on and on) in which one activity is in force, or none."""

    start: dt.date
    end: dt.date | None
    activity: int | None
    is_lapsed: bool
    bucket: str


@dataclass(frozen=True)
class Scenario:
    """One case.

    Attributes:
        raw: as the file has it.
        number: place in the file, from 1.
        buckets: bucket of each activity code.
    """

    raw: dict[str, Any]
    number: int
    buckets: dict[str, str]

    @property
    def id(self) -> str:
        return self.raw["id"]

    @property
    def month(self) -> dt.date:
        return self.raw.get("month", MONTH)

    @property
    def la_code(self) -> str:
        """Each reported month has an authority of its own, for an authority reports one month."""
        return "886" if self.month == MONTH else "887"

    @property
    def activities(self) -> list[dict[str, Any]]:
        return self.raw["activities"]

    @property
    def spells(self) -> list[dict[str, Any]]:
        return self.raw["spells"]

    @property
    def months(self) -> dict[dt.date, Any]:
        return self.raw["months"]

    def segments(self) -> list[Segment]:
        """The life, painted day by day: of the activities in force the one that began last, ascertained last, last in
        the list."""
        lasting = [
            (place, one)
            for place, one in enumerate(self.activities)
            if one.get("to") is None or one["to"] >= one["from"]
        ]
        days = [one["from"] for _, one in lasting]
        days += [one[key] + DAY for _, one in lasting for key in ("to", "lapses") if one.get(key)]
        painted: list[Segment] = []
        for day in _days(min(days), max(days) + DAY):
            held = [
                (one["from"], one.get("ascertained", one["from"]), place)
                for place, one in lasting
                if one["from"] <= day <= one.get("to", day)
            ]
            place = max(held)[2] if held else None
            one = self.activities[place] if held else {}
            is_lapsed = bool(one.get("lapses")) and one["lapses"] < day
            bucket = self.buckets[one["code"]] if one and not is_lapsed else NOT_KNOWN
            if painted and painted[-1][2:] == (place, is_lapsed, bucket):
                continue
            if painted:
                painted[-1] = painted[-1]._replace(end=day)
            painted.append(Segment(day, None, place, is_lapsed, bucket))
        return painted

    def at(self, day: dt.date) -> Segment | None:
        """What holds on a day."""
        return next((one for one in reversed(self.segments()) if one.start <= day), None)

    def first(self, spell: dict[str, Any]) -> dt.date:
        return spell.get("first", spell["start"])

    def is_ended(self, spell: dict[str, Any]) -> bool:
        return "last" in spell and not spell.get("suspended", False)

    # -- the rows of each relation

    def _row(self, **values: Any) -> dict[str, Any]:
        return {"la_code": self.la_code, "person_id": self.id} | values

    def _key(self, place: int | None) -> str | None:
        return None if place is None else f"{self.id}-{place + 1}"

    def activity_rows(self) -> Iterator[dict[str, Any]]:
        for place, one in enumerate(self.activities):
            yield self._row(
                activity_spell_id=self._key(place),
                activity_id=f"a{place + 1}",
                activity_code=one["code"],
                status_bucket=self.buckets[one["code"]],
                start_on=one["from"],
                ends_before=one["to"] + DAY if one.get("to") else None,
                ascertained_on=one.get("ascertained", one["from"]),
                lapsed_from=one["lapses"] + DAY if one.get("lapses") else None,
                recorded_neet_start_on=one.get("neet_start"),
            )

    def segment_rows(self) -> Iterator[dict[str, Any]]:
        for one in self.segments():
            yield self._row(
                starts_on=one.start,
                ends_before=one.end,
                activity_spell_id=self._key(one.activity),
                activity_code=self.activities[one.activity]["code"]
                if one.activity is not None
                else None,
                status_bucket=one.bucket,
                is_lapsed=one.is_lapsed,
            )

    def spell_segment_rows(self) -> Iterator[dict[str, Any]]:
        for number, spell in enumerate(self.spells, 1):
            first = self.first(spell)
            last = spell.get("last", self.month)
            of_it = [one for one in self.segments() if first <= one.start <= last]
            last_neet = max(one.start for one in of_it if one.bucket == NEET)
            for one in of_it:
                yield self._row(
                    neet_spell_number=number,
                    starts_on=one.start,
                    ends_before=one.end,
                    status_bucket=one.bucket,
                    activity_spell_id=self._key(one.activity),
                    is_first_of_spell=one.start == first,
                    is_last_of_spell=one.start == last_neet,
                    is_spell_broken_off=self.is_ended(spell),
                )

    def spell_rows(self) -> Iterator[dict[str, Any]]:
        for number, spell in enumerate(self.spells, 1):
            yield self._row(
                neet_spell_number=number,
                neet_start_on=spell["start"],
                first_neet_on=self.first(spell),
                ends_before=spell["last"] + DAY if "last" in spell else None,
                is_open="last" not in spell,
                is_suspended=spell.get("suspended", False),
                not_known_days=spell.get("not_known", 0),
                tolerated_gap_days=spell.get("away", 0),
            )

    def spell_rows_with_keys(self) -> Iterator[dict[str, Any]]:
        for row in self.spell_rows():
            yield row | {"neet_spell_id": f"{self.id}-s{row['neet_spell_number']}"}

    def end_rows(self) -> Iterator[dict[str, Any]]:
        for row, spell in zip(self.spell_rows(), self.spells, strict=True):
            if self.is_ended(spell):
                yield {
                    "person_id": self.id,
                    "neet_spell_number": row["neet_spell_number"],
                    "ends_before": row["ends_before"],
                    "neet_days": (row["ends_before"] - row["neet_start_on"]).days,
                    "ended_by": self.buckets[spell["ended_by"]],
                    "next_activity_code": spell["ended_by"],
                }

    def academic_age(self, month: dt.date) -> int | None:
        """Age on the 31 August before the academic year of ``month``."""
        born = self.raw.get("person", {}).get("dob")
        if born is None:
            return None
        day = dt.date(month.year if month.month >= 9 else month.year - 1, 8, 31)
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    def _status(self, month: dt.date) -> str:
        person = self.raw.get("person", {})
        return person["status"] if person.get("status_on", dt.date.max) <= month else "P"

    def person_month_rows(self) -> Iterator[dict[str, Any]]:
        for month in self.months:
            segment = self.at(month)
            age = self.academic_age(month)
            yield self._row(
                month_end=month,
                cohort_status_code=self._status(month),
                is_leaver=self._status(month) != "P",
                is_measured_age=age is None or age in (16, 17),
                activity_spell_id=self._key(segment.activity) if segment else None,
                status_bucket=segment.bucket if segment else NOT_KNOWN,
                is_lapsed=segment.is_lapsed if segment else False,
            )

    def month_rows(self) -> Iterator[dict[str, Any]]:
        measured = self.raw.get("measured", {})
        for month, found in self.months.items():
            days, known, number = found if isinstance(found, list) else (None, None, None)
            start = self.spells[number - 1]["start"] if number else None
            yield {
                "person_id": self.id,
                "month_end": month,
                "status_bucket": NEET if number else found,
                "neet_spell_number": number,
                "neet_start_on": start,
                "neet_days": days,
                "neet_days_without_not_known": known,
                "is_measured": measured.get(month, True),
            }


def load(path: Path = SCENARIOS) -> list[Scenario]:
    """The cases in the order of the file.

    Raises:
        ValueError: two cases share an id, or a case names a group that is not there.
    """
    document = yaml_files.read(path)
    seed = PROJECT_ROOT / "dbt_project" / "seeds" / "codes" / "activity_codes.csv"
    with seed.open(encoding="utf-8", newline="") as file:
        buckets = {row["activity_code"]: row["status_bucket"] for row in csv.DictReader(file)}
    found = [Scenario(raw, place, buckets) for place, raw in enumerate(document["scenarios"], 1)]
    if len({one.id for one in found}) != len(found):
        raise ValueError(f"{path.name}: two cases have one id")
    if strange := {one.raw["group"] for one in found} - document["groups"].keys():
        raise ValueError(f"{path.name}: no group is called {', '.join(sorted(strange))}")
    return found


def groups(path: Path = SCENARIOS) -> dict[str, str]:
    """Headings of the groups."""
    return yaml_files.read(path)["groups"]


def _days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    while first <= last:
        yield first
        first += DAY


# -- dbt unit tests


def _seed(path: str, *columns: str) -> list[dict]:
    """Rows of a seed as dbt takes them: what is empty is left out."""
    file = PROJECT_ROOT / "dbt_project" / "seeds" / path
    with file.open(encoding="utf-8", newline="") as handle:
        return [
            {name: row[name] for name in columns if row[name]} for row in csv.DictReader(handle)
        ]


def _policy() -> list[dict]:
    """The policy rows that NEET duration goes by, as they are in force."""
    names = ("neet_gap_tolerance_days", "neet_over_", "support_repeat_")
    rows = _seed("policy/policy.csv", "policy_id", "value", "valid_from", "valid_to")
    return [row for row in rows if row["policy_id"].startswith(names)]


def _given(name: str, rows: list[dict]) -> dict:
    return {"input": name, "rows": rows}


def _test(name: str, says: str, model: str, given: dict[str, list[dict]], expect: list[dict]) -> dict:  # fmt: skip
    return {
        "name": name,
        "description": says,
        "model": model,
        "given": [_given(source, rows) for source, rows in given.items()],
        "expect": {"rows": expect},
    }


def _points(scenarios: list[Scenario]) -> list[dict]:
    found = sorted({(one.la_code, one.month) for one in scenarios})
    return [{"la_code": la_code, "period_end": month} for la_code, month in found]


_STATUSES = [
    {"cohort_status_code": "P", "is_leaver": False, "is_measured": True},
    {"cohort_status_code": "T", "is_leaver": True, "is_measured": False},
]


def unit_tests(scenarios: list[Scenario]) -> list[dict]:
    """One test of the case's name each, and tests that lead every case through the models before and after it."""

    def every(rows: str) -> list[dict]:
        return [row for one in scenarios for row in getattr(one, rows)()]

    points = _points(scenarios)
    tests = [
        _test(
            "scenarios_from_activities_to_segments",
            "Every scenario of NEET duration, one person each: what is in force, day by day.",
            "int_status_segment",
            {"ref('int_activity_spell')": every("activity_rows")},
            every("segment_rows"),
        ),
    ]
    for one in scenarios:
        tests.append(
            _test(
                one.id,
                one.raw["says"],
                "int_neet_segment",
                {
                    "ref('int_status_segment')": list(one.segment_rows()),
                    "ref('int_reporting_point')": _points([one]),
                    "ref('policy')": _policy(),
                },
                [
                    {k: v for k, v in row.items() if k != "la_code"}
                    for row in one.spell_segment_rows()
                ],
            )
        )
    tests += [
        _test(
            "scenarios_from_segments_to_spells",
            "Every scenario of NEET duration: where spells begin and end, which are suspended, their days not known and away.",
            "fct_neet_spell",
            {
                "ref('int_neet_segment')": every("spell_segment_rows"),
                "ref('int_reporting_point')": points,
                "ref('int_activity_spell')": every("activity_rows"),
            },
            every("spell_rows"),
        ),
        _test(
            "scenarios_from_spells_to_their_ends",
            "Every scenario of NEET duration: what ended a spell. Open and suspended ones have no row.",
            "fct_neet_spell_end",
            {
                "ref('fct_neet_spell')": every("spell_rows_with_keys"),
                "ref('int_status_segment')": every("segment_rows"),
                "ref('int_activity_spell')": every("activity_rows"),
            },
            every("end_rows"),
        ),
        _test(
            "scenarios_from_spells_to_months",
            "Every scenario of NEET duration at its month ends: status, length with and without days not known, number.",
            "fct_cohort_month",
            {
                "ref('int_person_month')": every("person_month_rows"),
                "ref('int_neet_segment')": every("spell_segment_rows"),
                "ref('fct_neet_spell')": every("spell_rows_with_keys"),
                "ref('int_activity_spell')": every("activity_rows"),
                "ref('cohort_status_codes')": _STATUSES,
                "ref('int_month_end')": [],
                "ref('int_characteristic')": [],
            },
            every("month_rows"),
        ),
        _band_test([one for one in scenarios if "band" in one.raw]),
    ]
    tests += [_cohort_test(one) for one in scenarios if "person" in one.raw]
    tests += [_repeat_test(one) for one in scenarios if "repeat" in one.raw]
    return tests


def _band_test(scenarios: list[Scenario]) -> dict:
    given, expect = [], []
    for one in scenarios:
        days, _, _ = one.months[one.month]
        given.append(
            {"basis": "restated", "la_code": one.la_code, "month_end": one.month, "person_id": one.id, "status_bucket": NEET,
             "neet_days": days}
        )  # fmt: skip
        band = one.raw["band"]
        expect.append(
            {"person_id": one.id, "neet": 1}
            | {f"neet_over_{weeks}_weeks": int(weeks in band["over"]) for weeks in ("06", "12", "52")}
            | {
                f"neet_band_{code.lower().replace('-', '_')}": int(code == band["code"])
                for code in ("00-06", "06-12", "12-26", "26-52", "52-UP")
            }
        )  # fmt: skip
    return _test(
        "scenarios_from_months_to_bands",
        "The scenarios about length: one band each, and `over` strictly.",
        "int_person_measure",
        {
            "ref('int_measured_month')": given,
            "ref('neet_duration_band')": _seed(
                "kpi/neet_duration_band.csv", "band_code", "measure", "more_than_days", "up_to_days"
            ),
            "ref('policy')": _policy(),
        },
        expect,
    )


def _cohort_test(one: Scenario) -> dict:
    person = one.raw["person"]
    months = [
        {
            "la_code": one.la_code, "month_end": month, "census_point": f"{month:%Y-%m}",
            "academic_year_starts_on": dt.date(month.year - (month.month < 9), 9, 1),
            "measured_age_from": 16, "measured_age_to": 17, "year_group_below_academic_age": 4,
            "is_reporting_point": month == one.month,
        }
        for month in one.months
    ]  # fmt: skip
    return _test(
        f"{one.id}__cohort",
        one.raw["says"],
        "int_person_month",
        {
            "ref('int_young_person')": [
                {
                    "la_code": one.la_code, "person_id": one.id, "young_persons_id": one.id, "dob": person["dob"],
                    "cohort_status_code": person.get("status", "P"), "cohort_status_on": person.get("status_on"),
                    "has_lead_responsibility": True,
                }
            ],
            "ref('int_month_end')": months,
            "ref('cohort_status_codes')": _STATUSES,
            "source('submitted', 'return_record')": [],
            "ref('int_submission')": [],
            "ref('int_status_segment')": list(one.segment_rows()),
        },
        [
            {"academic_age": one.academic_age(row["month_end"])}
            | {key: row[key] for key in ("person_id", "month_end", "cohort_status_code", "is_leaver", "is_measured_age",
                                         "activity_spell_id", "status_bucket", "is_lapsed")}
            for row in one.person_month_rows()
        ],
    )  # fmt: skip


def _repeat_test(one: Scenario) -> dict:
    _, _, number = one.months[one.month]
    return _test(
        f"{one.id}__repeat",
        one.raw["says"],
        "int_neet_repeat",
        {
            "ref('int_month_end')": [
                {
                    "la_code": one.la_code,
                    "month_end": one.month,
                    "academic_year_starts_on": dt.date(2021, 9, 1),
                    "measured_age_from": 16,
                }
            ],
            "ref('policy')": _policy(),
            "ref('fct_cohort_month')": [
                one._row(
                    month_end=one.month,
                    academic_age=17,
                    status_bucket=NEET,
                    neet_spell_number=number,
                )
            ],
            "ref('fct_neet_spell')": list(one.spell_rows_with_keys()),
        },
        [
            {
                "person_id": one.id,
                "is_repeat": one.raw["repeat"]["life"],
                "is_repeat_in_window": one.raw["repeat"]["year"],
            }
        ],
    )


class _Dumper(yaml.SafeDumper):
    """Rows on one line each, as the hand-written tests have them."""


def _as_row(dumper: _Dumper, row: dict) -> yaml.Node:
    is_row = not any(isinstance(value, list | dict) for value in row.values()) and len(row) > 1
    node = yaml.SafeDumper.represent_dict(dumper, row.items())
    node.flow_style = is_row and "input" not in row
    return node


_Dumper.add_representer(dict, _as_row)
_Dumper.ignore_aliases = lambda self, data: True  # type: ignore[method-assign]


def unit_tests_text(scenarios: list[Scenario]) -> str:
    """The file of dbt unit tests."""
    head = (
        "# Written by python -m neet.duration_scenarios from dbt_project/scenarios/neet_duration.yml: change that file.\n"
        "version: 2\n\n"
    )
    body = yaml.dump(
        {"unit_tests": unit_tests(scenarios)},
        Dumper=_Dumper,
        sort_keys=False,
        width=100_000,
        allow_unicode=True,
    )
    return head + body


# -- the page


def _day(day: dt.date) -> str:
    return f"{day.day} {day:%b %Y}"


def _spell_words(one: Scenario) -> str:
    words = []
    for number, spell in enumerate(one.spells, 1):
        text = f"{number}: from {_day(spell['start'])}"
        if "last" not in spell:
            text += ", goes on"
        elif spell.get("suspended"):
            text += f", suspended after {_day(spell['last'])}"
        else:
            text += f" to {_day(spell['last'])}, ended by {spell['ended_by']}"
        if spell.get("not_known"):
            text += f"; {spell['not_known']} days not known"
        if spell.get("away"):
            text += f"; {spell['away']} days away"
        words.append(text)
    return "<br>".join(words) or "none"


def _month_words(one: Scenario) -> str:
    words = []
    for month, found in one.months.items():
        if isinstance(found, list):
            days, known, number = found
            text = f"NEET {days} days"
            text += f" ({known} known)" if known != days else ""
            text += f", spell {number}" if len(one.spells) > 1 else ""
        else:
            text = found.replace("_", " ").lower() if found == NOT_KNOWN else found
        if one.raw.get("measured", {}).get(month, True) is False:
            text += ", in no rate"
        words.append(f"{_day(month)}: {text}")
    if "band" in one.raw:
        over = ", ".join(str(int(weeks)) for weeks in one.raw["band"]["over"])
        words.append(f"band {one.raw['band']['code']}; over {over or 'no'} weeks")
    if "repeat" in one.raw:
        said = [
            f"{name}: {'yes' if one.raw['repeat'][key] else 'no'}"
            for key, name in (("life", "multiple since Year 11"), ("year", "in 365 days"))
        ]
        words.append("; ".join(said))
    return "<br>".join(words)


def table(scenarios: list[Scenario]) -> str:
    """The cases for the page, in Markdown."""
    out = []
    for group, heading in groups().items():
        out += [f"### {heading}", "", "| | case | what happens | spells | month ends |",
                "|---|---|---|---|---|"]  # fmt: skip
        for one in scenarios:
            if one.raw["group"] == group:
                out.append(
                    f"| {one.number} | `{one.id}` | {one.raw['says'].strip()} | {_spell_words(one)} | {_month_words(one)} |"
                )
        out.append("")
    return "\n".join(out)


def page_text(page: str, scenarios: list[Scenario]) -> str:
    """The page with its table written anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{table(scenarios)}\n{END}{after}"


# -- the drawing

_LEFT, _WIDTH, _ROW = 330, 640, 52
_FILLS = {NEET: "#c05621", EET: "#2b6cb0", NOT_KNOWN: "url(#unknown)", OTHER: "#6b7280"}
_LETTERS = {NEET: "NEET", EET: "EET", NOT_KNOWN: "?", OTHER: "other"}


def svg(scenarios: list[Scenario]) -> str:
    """Each case a line: above what Core+ says day by day, below the spells, dots the month ends that are counted."""
    out: list[str] = []
    y = 96
    for group, heading in groups().items():
        out.append(f'<text x="8" y="{y}" font-weight="bold" font-size="14">{escape(heading)}</text>')  # fmt: skip
        y += 14
        for one in scenarios:
            if one.raw["group"] == group:
                out += _line(one, y)
                y += _ROW
        y += 26
    height = y
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 40}" height="{height}" '
        'font-family="sans-serif" font-size="11" fill="#111">',
        "<title>NEET spells: the cases of neet-duration.md</title>",
        '<defs><pattern id="unknown" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="6" height="6" fill="#f3f4f6"/><line x1="0" y1="0" x2="0" y2="6" stroke="#6b7280" stroke-width="3"/>'
        "</pattern></defs>",
        f'<rect width="{_LEFT + _WIDTH + 40}" height="{height}" fill="#fff"/>',
        '<text x="8" y="20" font-size="16" font-weight="bold">NEET spells, case by case</text>',
        '<text x="8" y="38">Bar: what Core+ says, day by day. Bracket: a spell and its number; '
        "with an arrow it goes on, dashed it is suspended. Dot: a month end, dark where it counts as NEET.</text>",
    ]
    x = 8
    for bucket, name in ((NEET, "NEET"), (EET, "education, employment or training"), (NOT_KNOWN, "not known"),
                         (OTHER, "neither (custody, re-engagement)")):  # fmt: skip
        head.append(f'<rect x="{x}" y="50" width="18" height="12" fill="{_FILLS[bucket]}"/>')
        head.append(f'<text x="{x + 24}" y="60">{name}</text>')
        x += 40 + 6 * len(name) + 24
    return "\n".join([*head, *out, "</svg>"]) + "\n"


def _line(one: Scenario, top: int) -> list[str]:
    segments = one.segments()
    begin = min(segments[0].start, *(spell["start"] for spell in one.spells), *one.months) - DAY
    over = one.month + dt.timedelta(days=18)
    scale = _WIDTH / (over - begin).days

    def at(day: dt.date) -> float:
        return _LEFT + (min(day, over) - begin).days * scale

    name = one.id.replace("_", " ")
    out = [f'<text x="8" y="{top + 17}">{one.number}. {escape(name)}</text>']
    out.append(f'<text x="8" y="{top + 31}" fill="#4b5563">{escape(_short(one))}</text>')
    for segment in segments:
        left, right = at(segment.start), at(segment.end or over)
        if right - left < 0.5:
            continue
        out.append(
            f'<rect x="{left:.1f}" y="{top + 6}" width="{right - left:.1f}" height="13" fill="{_FILLS[segment.bucket]}" '
            'stroke="#fff" stroke-width="0.5"/>'
        )
        label = _LETTERS[segment.bucket]
        if segment.bucket != NOT_KNOWN and right - left > 7 * len(label) + 4:
            out.append(
                f'<text x="{(left + right) / 2:.1f}" y="{top + 16}" text-anchor="middle" fill="#fff" font-size="9">'
                f"{label}</text>"
            )
    for number, spell in enumerate(one.spells, 1):
        left = at(spell["start"])
        right = at(spell["last"] + DAY) if "last" in spell else at(one.month + DAY)
        y = top + 26
        dash = ' stroke-dasharray="4 3"' if spell.get("suspended") else ""
        out.append(
            f'<path d="M{left:.1f} {y - 4}V{y}H{right:.1f}{"" if "last" not in spell else f"V{y - 4}"}" '
            f'fill="none" stroke="#111" stroke-width="1.4"{dash}/>'
        )
        if "last" not in spell:
            out.append(f'<path d="M{right:.1f} {y}l-6 -3v6z" fill="#111"/>')
        out.append(
            f'<text x="{max((left + right) / 2, _LEFT + 4):.1f}" y="{y + 11}" text-anchor="middle" font-size="9">'
            f"{number}</text>"
        )
    for month, found in one.months.items():
        fill = "#111" if isinstance(found, list) else "#fff"
        out.append(
            f'<circle cx="{at(month) + scale / 2:.1f}" cy="{top + 2}" r="2.6" fill="{fill}" stroke="#111" '
            f'stroke-width="0.8"><title>{_day(month)}</title></circle>'
        )
    reported = at(one.month + DAY)
    # What lies after the month reported is not counted.
    out.append(f'<rect x="{reported:.1f}" y="{top + 5}" width="{_LEFT + _WIDTH - reported:.1f}" height="15" fill="#fff" fill-opacity="0.65"/>')  # fmt: skip
    out.append(f'<line x1="{reported:.1f}" y1="{top - 2}" x2="{reported:.1f}" y2="{top + 28}" stroke="#9ca3af" stroke-width="0.8"/>')  # fmt: skip
    if reported - _LEFT > 130:
        out.append(f'<text x="{_LEFT}" y="{top + 44}" fill="#6b7280" font-size="8">{_day(begin + DAY)}</text>')  # fmt: skip
    out.append(f'<text x="{reported:.1f}" y="{top + 44}" fill="#6b7280" font-size="8" text-anchor="end">{_day(one.month)}</text>')  # fmt: skip
    return out


def _short(one: Scenario) -> str:
    """The last month end in a few words."""
    month, found = list(one.months.items())[-1]
    if not isinstance(found, list):
        return f"{month:%d %b}: {_LETTERS[found] if found != NOT_KNOWN else 'not known'}"
    days, known, number = found
    return f"{month:%d %b}: spell {number}, {days} days" + (
        f", {known} known" if known != days else ""
    )


def main() -> None:
    """Write the unit tests, the drawing and the page's table."""
    scenarios = load()
    UNIT_TESTS.write_text(unit_tests_text(scenarios), encoding="utf-8")
    DRAWING.write_text(svg(scenarios), encoding="utf-8")
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8"), scenarios), encoding="utf-8")


if __name__ == "__main__":
    main()
