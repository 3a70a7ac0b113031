"""Any NCCIS XML file judged by the rules of the gate, without delivering it: ``neet check-return``.

The file is streamed into temporary tables, judged there, and what was found is streamed out again, so that
memory does not grow with the file and nothing is left behind. Nothing is decided or recorded here: that
is the gate's work (:mod:`neet.gate`).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

import psycopg
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from psycopg import sql
from psycopg.rows import dict_row

from neet.nccis import xml
from neet.rules import codes, judge
from neet.rules.pack import PACKS, Pack, PackError, Rule, available, load_pack
from neet.rules.workspace import Source, Workspace

RETURN_ID = "file"
MODES = ("dfe", "checker")

SHOWN_ROWS = 500
"""Failing rows the report shows a rule; the CSV has every pair."""

LIMITS = xml.Limits(max_problems=20_000)
STATEMENT_TIMEOUT = "15min"
"""No file within :data:`LIMITS` takes a tenth of it."""

PROGRESS_RECORDS = 500
SUMMARY_PROBLEMS = 5

_COMPRESSED = {
    b"\x1f\x8b": "it is compressed (gzip). Unpack it first",
    b"PK\x03\x04": "it is a zip archive or an Excel workbook. Unpack it, or ask for the XML",
    b"BZh": "it is compressed (bzip2). Unpack it first",
    b"\xfd7zXZ": "it is compressed (xz). Unpack it first",
}


class CheckError(RuntimeError):
    """The check itself could not be done; the message says why and what to do. The file may be sound."""


class NoPack(CheckError):
    """The pack asked for does not exist, or cannot be used in this mode."""


class Progress(Protocol):
    def __call__(self, read_bytes: int, total_bytes: int, records: int) -> None: ...


@dataclass(frozen=True)
class FailedRule:
    """A rule that something in the file fails.

    Attributes:
        owner: the service that mends it, by name.
        count: findings.
        rows: the first :data:`SHOWN_ROWS` of them: person, record, field, value, detail.
        places: of a rule about the shape of the file, where it was found: line, path, words.
    """

    rule: Rule
    owner: str
    count: int
    rows: tuple[judge.FailingRow, ...] = ()
    places: tuple[xml.Problem, ...] = ()


@dataclass
class Checked:
    """What is known of a file.

    Attributes:
        refused: why nothing in the file was judged, or ``None``.
        header: as far as it was read.
        pack: the rules it was judged by; ``None`` where they could not be chosen.
        record_count: records read.
        finding_count: pairs of record and rule, faults of the whole file included.
        failed: rules with findings, in the order of the pack.
        not_judged: rules that could not be judged, and why.
        problems: what the reader met; ``problem_count`` counts those beyond the limit too.
        untested: problems that no rule of the mode is about; they keep a file from being clean all the same.
    """

    file: Path
    mode: str
    refused: str | None = None
    header: xml.Header = field(default_factory=xml.Header)
    pack: Pack | None = None
    record_count: int = 0
    finding_count: int = 0
    failed: tuple[FailedRule, ...] = ()
    judged_count: int = 0
    not_judged: tuple[tuple[str, str], ...] = ()
    problems: tuple[xml.Problem, ...] = ()
    problem_count: int = 0
    untested: tuple[xml.Problem, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not (self.refused or self.finding_count or self.problem_count or self.not_judged)


def rules_of_problem(problem: xml.Problem, rules: Iterable[Rule]) -> list[Rule]:
    """The rules of scope ``document`` that a problem breaks.

    Those that name its kind and its place; where there is none, those that name its kind alone.
    """
    path = problem.path.split("/")
    placed, plain = [], []
    for rule in rules:
        for entry in rule.found_by:
            kind, _, place = entry.partition(" ")
            if kind != problem.kind:
                continue
            if not place:
                plain.append(rule)
            elif path[-1] == place or (place.endswith("/*") and place[:-2] in path):
                placed.append(rule)
    return placed or plain


def _refusal_of(file: Path) -> str | None:
    """Why a file is not even opened as XML, from what it is and how it begins."""
    try:
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):
            return "it is no regular file (a pipe or a device may never end). Save it to disk first"
        if not status.st_size:
            return "it is empty. Transfer it again"
        with file.open("rb") as opened:
            start = opened.read(8)
    except OSError as error:
        raise CheckError(f"{file} cannot be opened: {error.strerror}.") from error
    for magic, reason in _COMPRESSED.items():
        if start.startswith(magic):
            return reason
    return None


class Check:
    """The check of one file; a context manager that holds its tables.

    Args:
        dsn: connection string of the role ``gate``.
        mode: ``dfe`` for what DfE means, ``checker`` for what the public checker tests.
        version: requirement year whose pack is to be used, instead of that of the file's PeriodEnd.
    Raises:
        NoPack: there is no such pack, or none that can be used in this mode.
        psycopg.OperationalError: the database cannot be reached.
    """

    def __init__(
        self,
        dsn: str,
        file: Path,
        mode: str = "dfe",
        version: str | None = None,
        *,
        packs: Path = PACKS,
        limits: xml.Limits = LIMITS,
    ):
        self.result = Checked(file, mode)
        self._packs, self._version, self._limits = packs, version, limits
        self._pack = self._load(version) if version else None
        if mode == "checker" and version is None:
            self._pack = self._checker_pack()
        self._work = Workspace(dsn, temporary=True)
        self._work.connection.execute(
            f"set statement_timeout = '{STATEMENT_TIMEOUT}'; set client_connection_check_interval = '2s'"
        )

    def __enter__(self) -> Check:
        return self

    def __exit__(self, *_: object) -> None:
        self._work.connection.close()  # and with it every temporary table

    # -- which rules ---------------------------------------------------------------------------------

    def _load(self, version: str) -> Pack:
        try:
            pack = load_pack(version, self._packs)
            return pack.as_checker() if self.result.mode == "checker" else pack
        except PackError as error:
            raise NoPack(str(error)) from error

    def _checker_pack(self) -> Pack:
        """The newest pack that says how a public checker departs from it."""
        having = [
            each for each in available(self._packs) if (self._packs / each / "checker.yml").exists()
        ]
        if not having:
            raise NoPack(
                "No pack has a checker.yml, so there is no public checker to compare with."
            )
        return self._load(having[-1])

    def _choose_pack(self, period_end: dt.date | None) -> str | None:
        """Choose the rules by the period the file is for; gives the reason where they cannot be."""
        if self._pack is not None:
            return None
        years = f"There are packs for {', '.join(available(self._packs))}; name one with --pack"
        if period_end is None:
            text = self.result.header.period_end
            return (
                f"its PeriodEnd is {text!r}" if text else "it gives no PeriodEnd"
            ) + f", so which year's rules hold is not known. {years}"
        version = _requirement_year(period_end)
        if version not in available(self._packs):
            return f"its PeriodEnd {period_end} lies in {version}, a year without rules. {years}"
        self._pack = self._load(version)
        return None

    # -- reading and judging -------------------------------------------------------------------------

    def run(self, progress: Progress | None = None) -> Checked:
        """Read the file, judge it, and give what was found.

        Raises:
            CheckError: the file cannot be opened, or a rule cannot be run.
        """
        result = self.result
        source: Source | None = None
        result.refused = _refusal_of(result.file)
        if result.refused is None:
            try:
                source = self._read(progress)
            except xml.NccisFileError as error:
                result.refused = str(error)
        is_readable = result.refused is None
        period_end = _date(result.header.period_end)
        if is_readable:
            result.refused = self._choose_pack(period_end)
        result.pack = self._pack
        # the shape of a file and its header are judged alike in every year
        pack = self._pack or load_pack(available(self._packs)[-1], self._packs)
        places = self._document_faults(pack, is_refused=not is_readable)
        try:
            self._work.connection.execute(
                f"create temporary table {self._work.name('finding')} (return_id text, "
                "record_number bigint, young_persons_id text, rule_id text, rule_number integer)"
            )
            if source is not None:
                self._judge(source, pack, period_end)
            self._add(places, source)
            self._conclude(pack, places)
        except (psycopg.Error, codes.SeedError) as error:
            raise CheckError(
                f"The rules of {pack.version} could not be run on this file: {str(error).splitlines()[0]}. "
                "Nothing is known of the file. `make test-fast` tries every pack."
            ) from error
        return result

    def _read(self, progress: Progress | None) -> Source:
        result = self.result
        total = result.file.stat().st_size
        with xml.read(result.file, self._limits) as nccis:

            def records() -> Iterable[Mapping[str, object]]:
                for record in nccis:
                    yield record
                    if progress is not None and nccis.record_count % PROGRESS_RECORDS == 0:
                        progress(nccis.read_bytes, total, nccis.record_count)

            try:
                return self._work.stage([(RETURN_ID, lambda: vars(nccis.header), records())])
            finally:
                result.header, result.record_count = nccis.header, nccis.record_count
                result.problems = tuple(nccis.problems)
                result.problem_count = nccis.problem_count

    def _judge(self, source: Source, pack: Pack, period_end: dt.date | None) -> None:
        work, result = self._work, self.result
        on = period_end
        if on is None or _requirement_year(on) not in available(self._packs):
            # a period nobody can read, or without code lists: as on the last day of the rules' own year
            on = dt.date(int(pack.version[:4]) + 1, 3, 31)
        self._lists = codes.load_code_lists(on, self._packs / "code_lists.yml")
        prepared = work.prepare(source, codes.load_policy(on))
        rules = pack.judged_in_sql if result.refused is None else pack.of_scope("header")
        if prepared.unreadable_periods and result.refused is None:
            text = result.header.period_end or "blank"
            result.not_judged = tuple(
                (rule.rule_id, f"PeriodEnd of the header is {text!r}; the rule needs a date")
                for rule in rules
                if rule.needs_period
            )
            rules = tuple(rule for rule in rules if not rule.needs_period)
        result.judged_count = len(rules) + len(pack.of_scope("document"))
        failing = work.create("failing", judge.failing_records_query(rules, self._lists, prepared))
        query = judge.findings_query(rules, self._lists, prepared, work.relation("failing"))
        work.connection.execute(f"insert into {work.relation('finding')} {query}")
        self._prepared = replace(prepared, check_table=failing)

    def _document_faults(self, pack: Pack, is_refused: bool) -> dict[str, list[xml.Problem]]:
        """Rules about the shape of the file that it breaks, and where."""
        rules = pack.of_scope("document")
        places: dict[str, list[xml.Problem]] = {}
        if is_refused:
            places |= {rule.rule_id: [] for rule in rules if "refused" in rule.found_by}
        untested = []
        for problem in self.result.problems:
            broken = rules_of_problem(problem, rules)
            for rule in broken:
                places.setdefault(rule.rule_id, []).append(problem)
            if not broken:
                untested.append(problem)
        self.result.untested = tuple(untested)
        return places

    def _add(self, places: Mapping[str, list[xml.Problem]], source: Source | None) -> None:
        """Findings of the rules about the shape: one a rule and record, one a rule for the rest."""
        work = self._work
        table = work.name("document")
        work.connection.execute(
            f"create temporary table {table} (record_number bigint, rule_id text)"
        )
        with (
            work.connection.cursor() as cursor,
            cursor.copy(f"copy {work.relation('document')} from stdin") as copy,
        ):
            for rule_id, problems in places.items():
                for number in {each.record_number for each in problems} or {None}:
                    copy.write_row((number, rule_id))
        records = source.records if source else "select 0 as record_number, '' as young_persons_id"
        work.connection.execute(
            f"insert into {work.relation('finding')} "
            "select %s, d.record_number, nullif(btrim(r.young_persons_id), ''), d.rule_id "
            f"from {work.relation('document')} d left join ({records}) r on r.record_number = d.record_number",
            [RETURN_ID],
        )

    def _conclude(self, pack: Pack, places: Mapping[str, list[xml.Problem]]) -> None:
        result, connection = self.result, self._work.connection
        self._order = list(pack.rules)
        counts = dict(
            connection.execute(
                f"select rule_id, count(*) from {self._work.relation('finding')} group by rule_id"
            ).fetchall()
        )
        on = _date(result.header.period_end) or pack.example_period_end
        owners = codes.load_owners(on, self._packs / "owners.csv")
        services = codes.load_service_names(on)
        failed = []
        for rule in pack.rules.values():
            if rule.rule_id not in counts:
                continue
            rows: list[judge.FailingRow] = []
            if rule.scope != "document":
                query = judge.failing_query(rule, self._lists, self._prepared)
                rows = judge.failing_rows(connection, query, SHOWN_ROWS)
            owner = rule.owner_service or codes.owner_of(rule.fields, owners)
            shown = tuple(places.get(rule.rule_id, ())[:SHOWN_ROWS])
            failed.append(
                FailedRule(
                    rule, services.get(owner, owner), counts[rule.rule_id], tuple(rows), shown
                )
            )
        result.failed = tuple(failed)
        result.finding_count = sum(counts.values())

    # -- what is given out ---------------------------------------------------------------------------

    def _pairs(self, columns: str) -> str:
        order = ", ".join(sql.Literal(rule_id).as_string(None) for rule_id in self._order)
        return (
            f"select {columns} from {self._work.relation('finding')} order by "
            f'young_persons_id collate "C" nulls first, array_position(array[{order}], rule_id), '
            "record_number nulls first"
        )

    def write_csv(self, stream: IO[bytes]) -> None:
        """Every pair of ``young_persons_id,rule`` as CSV (UTF-8, LF): faults of the whole file, which
        name nobody, first; then by id, and by rule in the order of the pack. A person with two records
        that fail the same rule stands there twice."""
        query = self._pairs("young_persons_id, rule_id as rule")
        with self._work.connection.cursor().copy(
            f"copy ({query}) to stdout with (format csv, header)"
        ) as copy:
            for block in copy:
                stream.write(block)
        stream.flush()

    def findings(self) -> list[dict[str, object]]:
        """The same pairs with the number of the record in the file."""
        with self._work.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                self._pairs("young_persons_id, record_number, rule_id as rule")
            ).fetchall()


def _requirement_year(day: dt.date) -> str:
    """The requirement's year, April to March, as packs are named."""
    first = day.year if day.month >= 4 else day.year - 1
    return f"{first}-{(first + 1) % 100:02}"


def _date(text: str | None) -> dt.date | None:
    """A day written CCYY-MM-DD, else ``None``: the same reading as in the prepared tables."""
    if text is None or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


# -- what people and machines read ------------------------------------------------------------------------


def summary(result: Checked) -> list[str]:
    """What was found, in a few lines of plain text."""
    if result.refused:
        lines = [f"{result.file.name} is refused whole: {result.refused}."]
    else:
        rules = f"the rules of {result.pack.version}"
        if result.mode == "checker":
            rules += " as the public checker tests them"
        found = (
            f"{result.finding_count:,} findings of {len(result.failed)} rules"
            if result.finding_count
            else "no findings"
        )
        lines = [f"{result.file.name}: {result.record_count:,} records by {rules}: {found}."]
    for each in result.failed:
        if each.rule.scope in ("document", "header"):
            where = each.places[0] if each.places else None
            place = f" (line {where.line}: {where.text})" if where else ""
            lines.append(f"  {each.rule.rule_id}: not so: {each.rule.title}{place}")
            lines.append(f"      {each.rule.how_to_mend}")
    if result.not_judged:
        rules = ", ".join(rule_id for rule_id, _ in result.not_judged)
        lines.append(f"  Not judged: {rules}. {result.not_judged[0][1]}.")
    for problem in result.untested[:SUMMARY_PROBLEMS]:
        lines.append(f"  line {problem.line}: {problem.text} (no rule of this mode is about it)")
    hidden = result.problem_count - len(result.problems) + len(result.untested[SUMMARY_PROBLEMS:])
    if hidden > 0:
        lines.append(f"  and {hidden:,} more faults of the file's shape")
    return lines


def as_data(result: Checked) -> dict[str, object]:
    """The result for machines, without the pairs."""
    return {
        "file": str(result.file),
        "mode": result.mode,
        "refused": result.refused,
        "pack": result.pack.version if result.pack else None,
        "period_end": result.header.period_end,
        "records": result.record_count,
        "finding_count": result.finding_count,
        "by_rule": {each.rule.rule_id: each.count for each in result.failed},
        "not_judged": dict(result.not_judged),
        "problems": [vars(each) for each in result.problems],
        "problem_count": result.problem_count,
    }


# -- the report -----------------------------------------------------------------------------------------

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("data_docs")),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)

PRIORITIES = {1: "must fix", 2: "should fix", 3: "for information"}


def write_report(result: Checked, destination: Path) -> None:
    """The findings as one HTML page that needs nothing else, grouped by rule, worst first.

    It names young people, so only its owner may read it; it replaces what stood there, all or nothing.

    Raises:
        OSError: it cannot be written there.
    """
    page = _TEMPLATES.get_template("check_return.html.j2").render(
        result=result,
        failed=sorted(result.failed, key=lambda each: (each.rule.priority, -each.count)),
        priorities=PRIORITIES,
        shown_rows=SHOWN_ROWS,
        field_name=judge.field_name,
    )
    descriptor, draft = tempfile.mkstemp(dir=destination.parent, prefix=f".{destination.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(page)
        os.replace(draft, destination)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
