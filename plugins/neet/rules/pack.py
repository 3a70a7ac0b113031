"""Rule packs: a requirement year is the year before it, plus changes, less what was retired.

A pack is a folder ``expectations/nccis/<CCYY-YY>/``. ``pack.yml`` says what it builds on and what it
retires; every other file holds ``rules`` (new) or ``changes`` (to inherited ones). Everything is read
as text, so that a code ``004`` or a date stays as written.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import yaml
from psycopg import sql

from neet.rules.codes import TEXT_LOADER
from neet.settings import PROJECT_ROOT

PACKS = PROJECT_ROOT / "expectations" / "nccis"

SCOPES = ("record", "file", "header", "document")
"""``record``: one record alone. ``file``: a record beside the others of its return. ``header``: the
FileHeader. ``document``: the shape of an XML file, judged by whoever reads it."""

PERIOD_COLUMNS = (
    "period_end_on",
    "academic_year_start_on",
    "academic_age",
    "year_group",
    "guarantee_year_group",
    "age",
)
"""Columns of the check table that mean nothing when the header's PeriodEnd cannot be read."""

_YEAR = re.compile(r"(\d{4})-(\d{2})")
_DATE = re.compile(r"(\d{4})(-\d{2}-\d{2})")
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_TEXTS = ("title", "reason", "how_to_mend")
_KEYS = {
    "id", "title", "scope", "fields", "fails_when", "found_by", "priority", "reason", "how_to_mend",
    "owner_service", "source", "assumed", "examples",
}  # fmt: skip


class PackError(ValueError):
    """A pack cannot be loaded; the message names the file, the rule and what to do."""


@dataclass(frozen=True)
class Example:
    """A small return that a rule must fail or pass: what differs from the pack's valid one.

    Attributes:
        header: columns of the header, text.
        records: columns of each record, text; ``characteristic_codes`` is a tuple.
    """

    header: Mapping[str, str]
    records: tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class Rule:
    """One rule of the DfE's, as a person who has to obey it would read it.

    Attributes:
        rule_id: DfE's number, or a local id where none was seen.
        scope: one of :data:`SCOPES`.
        fields: columns concerned, the one to mend first.
        fails_when: SQL condition over the check table (header table for scope ``header``); a record
            fails where it is true, and passes where it is false or cannot be answered.
        found_by: for scope ``document``, what the XML reader reports.
        priority: 1 must fix, 2 should fix, 3 for information.
        owner_service: who mends it, or ``None`` for the owner of the first field.
        assumed: what is inferred rather than read from DfE.
        written_in: requirement year whose pack wrote the examples, and so their dates.
    """

    rule_id: str
    title: str
    scope: str
    fields: tuple[str, ...]
    fails_when: str | None
    found_by: tuple[str, ...]
    priority: int
    reason: str
    how_to_mend: str
    owner_service: str | None
    source: str
    assumed: tuple[str, ...]
    fails: tuple[Example, ...]
    passes: tuple[Example, ...]
    written_in: str

    @property
    def needs_period(self) -> bool:
        """Whether the rule can be judged only where the header's PeriodEnd can be read."""
        if self.scope == "header":
            return False
        words = set(re.findall(r"\w+", self.fails_when or ""))
        return not words.isdisjoint(PERIOD_COLUMNS)

    def condition(self, lists: Mapping[str, tuple[str, ...]]) -> str:
        """``fails_when`` with every ``{{ list }}`` written out as ``('a', 'b')``.

        Raises:
            PackError: the rule names a list that ``code_lists.yml`` does not have.
        """
        if self.fails_when is None:
            raise PackError(f"Rule {self.rule_id} is judged by the XML reader, not in SQL.")

        def written_out(match: re.Match) -> str:
            codes = lists.get(match[1])
            if not codes:
                raise PackError(
                    f"Rule {self.rule_id} names the code list {match[1]!r}, which code_lists.yml does "
                    "not have. Add the list, or mend the name."
                )
            return "(" + ", ".join(sql.Literal(code).as_string(None) for code in codes) + ")"

        return _PLACEHOLDER.sub(written_out, self.fails_when)


@dataclass(frozen=True)
class Pack:
    """The rules of one requirement year (April to March).

    Attributes:
        version: ``CCYY-YY``.
        years: the packs it is made of, oldest first.
        standing: what was and was not read of this year's requirement.
        rules: by id, in reading order: numbers first, then local ids.
        retired: rule id to the reason, of every year so far.
        example_header, example_record: a return of one record that breaks no rule, dated as
            ``years[0]`` wrote it.
        fingerprint: SHA-256 (64 hex digits) of every file the pack was read from.
        departures: where a public checker of this requirement differs, see :meth:`as_checker`.
    """

    version: str
    years: tuple[str, ...]
    standing: str
    rules: Mapping[str, Rule]
    retired: Mapping[str, str]
    example_header: Mapping[str, str]
    example_record: Mapping[str, object]
    fingerprint: str
    departures: Mapping[str, Mapping] = field(default_factory=dict)

    def of_scope(self, *scopes: str) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules.values() if rule.scope in scopes)

    @property
    def judged_in_sql(self) -> tuple[Rule, ...]:
        return self.of_scope("record", "file", "header")

    def dated(self, values: Mapping[str, object], written_in: str) -> dict[str, object]:
        """Example values with every date moved from the year they were written for to this pack's."""
        years = int(self.version[:4]) - int(written_in[:4])

        def moved(value: object) -> object:
            if isinstance(value, str) and (match := _DATE.fullmatch(value)):
                return f"{int(match[1]) + years:04}{match[2]}"
            return value

        return {name: moved(value) for name, value in values.items()}

    def example_return(self, rule: Rule | None = None, example: Example | None = None):
        """Header and records of an example, complete; of the valid base return without one."""
        header = self.dated(self.example_header, self.years[0])
        base = self.dated(self.example_record, self.years[0])
        if example is None or rule is None:
            return header, [base]
        header |= self.dated(example.header, rule.written_in)
        return header, [base | self.dated(each, rule.written_in) for each in example.records]

    @property
    def example_period_end(self) -> dt.date:
        return dt.date.fromisoformat(str(self.example_return()[0]["period_end"]))

    def as_checker(self) -> Pack:
        """This pack as the public checker tests it: its departures put in place of DfE's meaning.

        Raises:
            PackError: the pack has no ``checker.yml`` of its own.
        """
        if not self.departures:
            raise PackError(
                f"No departures of a public checker are recorded for {self.version}: only "
                "expectations/nccis/2019-20 has a checker.yml."
            )
        rules = {}
        for rule_id, rule in self.rules.items():
            departure = self.departures.get(rule_id)
            if departure is None:
                rules[rule_id] = rule
            elif "fails_when" in departure:
                rules[rule_id] = replace(rule, fails_when=departure["fails_when"])
        return replace(self, rules=MappingProxyType(rules))


def _read(file: Path) -> dict:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=TEXT_LOADER)
    except FileNotFoundError as error:
        raise PackError(f"{file} does not exist, so the pack cannot be loaded.") from error
    except yaml.YAMLError as error:
        raise PackError(f"{file} is not readable YAML: {error}") from error
    if not isinstance(content, dict):
        raise PackError(f"{file} does not hold a mapping of keys.")
    return content


def _strings(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise PackError(f"{where} must be a list of texts.")
    return tuple(value)


def _values(content: object, where: str) -> dict[str, object]:
    if not isinstance(content, dict):
        raise PackError(f"{where} must be a mapping of columns to values.")
    return {
        name: _strings(value, f"{where}: {name}") if isinstance(value, list) else value
        for name, value in content.items()
    }


def _example(content: object, where: str) -> Example:
    content = _values(content, where) if not isinstance(content, dict) else content
    if content.keys() & {"header", "records"}:
        if content.keys() - {"header", "records"}:
            raise PackError(f"{where}: give header and records, or the columns of one record.")
        records = content.get("records", [{}])
        return Example(
            _values(content.get("header", {}), where),
            tuple(_values(record, where) for record in records),
        )
    return Example({}, (_values(content, where),))


def _rule(content: dict, source: str, year: str, file: Path) -> Rule:
    where = f"{file.parent.name}/{file.name}, rule {content.get('id', '(without id)')}"
    if unknown := content.keys() - _KEYS:
        raise PackError(f"{where}: unknown key {', '.join(sorted(unknown))}.")
    for key in ("id", "fields", "priority", *_TEXTS):
        if not content.get(key) and not (key == "fields" and content.get("scope") == "document"):
            raise PackError(f"{where}: {key} is missing. Every rule says it.")
    scope = content.get("scope", "record")
    if scope not in SCOPES:
        raise PackError(f"{where}: scope {scope!r} is none of {', '.join(SCOPES)}.")
    if content["priority"] not in ("1", "2", "3"):
        raise PackError(f"{where}: priority {content['priority']!r} is not 1, 2 or 3.")
    examples = content.get("examples", {})
    fails = tuple(_example(each, where) for each in examples.get("fails", []))
    passes = tuple(_example(each, where) for each in examples.get("passes", []))
    if scope == "document":
        if not content.get("found_by") or content.get("fails_when"):
            raise PackError(f"{where}: a rule on the document needs found_by and no fails_when.")
    else:
        if not content.get("fails_when") or content.get("found_by"):
            raise PackError(f"{where}: fails_when is missing; without it nothing can be judged.")
        if not fails or not passes:
            raise PackError(
                f"{where}: an example that fails and one that passes are needed, so that the rule is "
                "known to be able to do both."
            )
    return Rule(
        rule_id=content["id"],
        title=content["title"],
        scope=scope,
        fields=_strings(content["fields"], f"{where}: fields"),
        fails_when=content.get("fails_when"),
        found_by=_strings(content.get("found_by", []), f"{where}: found_by"),
        priority=int(content["priority"]),
        reason=content["reason"],
        how_to_mend=content["how_to_mend"],
        owner_service=content.get("owner_service"),
        source=content.get("source", source),
        assumed=_strings(content.get("assumed", []), f"{where}: assumed"),
        fails=fails,
        passes=passes,
        written_in=year,
    )


def _changed(rule: Rule, content: dict, source: str, year: str, file: Path) -> Rule:
    """An inherited rule with what the year's change says; new examples replace the old ones."""
    where = f"{file.parent.name}/{file.name}, change of rule {rule.rule_id}"
    if unknown := content.keys() - _KEYS:
        raise PackError(f"{where}: unknown key {', '.join(sorted(unknown))}.")
    changes: dict[str, object] = {"source": content.get("source", source)}
    for key in (*_TEXTS, "fails_when", "owner_service"):
        if key in content:
            changes[key] = content[key]
    if "scope" in content:
        raise PackError(f"{where}: a rule keeps its scope; retire it and add another.")
    if "priority" in content:
        changes["priority"] = int(content["priority"])
    for key in ("fields", "found_by", "assumed"):
        if key in content:
            changes[key] = _strings(content[key], f"{where}: {key}")
    if "examples" in content:
        examples = content["examples"]
        changes["fails"] = tuple(_example(each, where) for each in examples.get("fails", []))
        changes["passes"] = tuple(_example(each, where) for each in examples.get("passes", []))
        changes["written_in"] = year
        if not changes["fails"] or not changes["passes"]:
            raise PackError(f"{where}: an example that fails and one that passes are needed.")
    elif "fails_when" in content:
        raise PackError(f"{where}: a new fails_when needs new examples.")
    return replace(rule, **changes)


def _order(rule_id: str) -> tuple:
    digits = re.sub(r"\D", "", rule_id)
    return (not rule_id.isdigit(), re.sub(r"\d", "", rule_id), int(digits or 0), rule_id)


def available(folder: Path = PACKS) -> tuple[str, ...]:
    """Requirement years that have a pack, oldest first."""
    return tuple(
        sorted(
            each.name for each in folder.iterdir() if _YEAR.fullmatch(each.name) and each.is_dir()
        )
    )


def load_pack(version: str, folder: Path = PACKS) -> Pack:
    """The rules of a requirement year.

    Args:
        version: ``CCYY-YY``, for example ``2021-22`` for census points April 2021 to March 2022.
    Raises:
        PackError: there is no such pack, a year builds on an unknown or later one, a rule is incomplete or
            given twice, or a year changes or retires a rule it does not have.
    """
    years: list[str] = []
    year: str | None = version
    packs: dict[str, dict] = {}
    while year:
        if year in packs:
            raise PackError(f"The packs {' and '.join(packs)} build on each other in a circle.")
        if not _YEAR.fullmatch(year) or not (folder / year).is_dir():
            raise PackError(
                f"There is no rule pack for the requirement year {year!r}. There are: "
                f"{', '.join(available(folder))}. A new year is a folder with a pack.yml: CONTRIBUTING.md."
            )
        packs[year] = _read(folder / year / "pack.yml")
        if packs[year].get("requirement_year") != year:
            raise PackError(f"{year}/pack.yml: requirement_year is not {year}.")
        years.insert(0, year)
        year = packs[year].get("based_on")
    if years != sorted(years):
        raise PackError(f"{version} builds on a later year: {' <- '.join(years)}.")

    rules: dict[str, Rule] = {}
    retired: dict[str, str] = {}
    digest = hashlib.sha256()
    for year in years:
        _apply(folder / year, packs[year], year, rules, retired, digest)

    base = packs[years[0]]
    record = _values(base.get("example_record"), f"{years[0]}/pack.yml: example_record")
    header = _values(base.get("example_header"), f"{years[0]}/pack.yml: example_header")
    ordered = {rule_id: rules[rule_id] for rule_id in sorted(rules, key=_order)}
    return Pack(
        version=version,
        years=tuple(years),
        standing=packs[version].get("standing", ""),
        rules=MappingProxyType(ordered),
        retired=MappingProxyType(retired),
        example_header=MappingProxyType(header),
        example_record=MappingProxyType(record),
        fingerprint=digest.hexdigest(),
        departures=_departures(folder / version / "checker.yml", rules),
    )


def _apply(
    folder: Path, pack: dict, year: str, rules: dict, retired: dict, digest: hashlib._Hash
) -> None:
    """Put one year's retired rules, changes and new rules in place."""
    source = pack.get("source", "")
    for file in sorted(folder.glob("*.yml")):
        digest.update(f"{year}/{file.name}\0".encode() + file.read_bytes() + b"\0")
    for entry in pack.get("retired", []):
        rule_id = entry.get("id")
        if rule_id not in rules:
            raise PackError(
                f"{year}/pack.yml retires rule {rule_id}, which no earlier year has. Mend the id."
            )
        if not entry.get("reason"):
            raise PackError(f"{year}/pack.yml retires rule {rule_id} without a reason.")
        del rules[rule_id]
        retired[rule_id] = f"{year}: {entry['reason']}"
    for file in sorted(folder.glob("*.yml")):
        if file.name in ("pack.yml", "checker.yml"):
            continue
        content = _read(file)
        if unknown := content.keys() - {"rules", "changes"}:
            raise PackError(f"{year}/{file.name}: unknown key {', '.join(sorted(unknown))}.")
        for entry in content.get("changes", []):
            rule_id = entry.get("id")
            if rule_id not in rules:
                raise PackError(
                    f"{year}/{file.name} changes rule {rule_id}, which no earlier year has. A new rule "
                    "stands under rules."
                )
            rules[rule_id] = _changed(rules[rule_id], entry, source, year, file)
        for entry in content.get("rules", []):
            rule = _rule(entry, source, year, file)
            if rule.rule_id in rules:
                raise PackError(
                    f"{year}/{file.name}: rule {rule.rule_id} is there already. Change it under changes, "
                    "or give the new one another id."
                )
            rules[rule.rule_id] = rule


def _departures(file: Path, rules: Mapping[str, Rule]) -> Mapping[str, Mapping]:
    if not file.exists():
        return MappingProxyType({})
    found: dict[str, Mapping] = {}
    for entry in _read(file).get("departures", []):
        rule_id = entry.get("id")
        if rule_id not in rules:
            raise PackError(f"{file.parent.name}/checker.yml: there is no rule {rule_id}.")
        if rule_id in found:
            raise PackError(f"{file.parent.name}/checker.yml: rule {rule_id} stands there twice.")
        if not entry.get("because") or ("fails_when" in entry) == (entry.get("tested") == "no"):
            raise PackError(
                f"{file.parent.name}/checker.yml, rule {rule_id}: say because, and either fails_when or "
                "tested: no."
            )
        found[rule_id] = MappingProxyType(dict(entry))
    return MappingProxyType(found)
