"""The gate of a census run: every rule and check, judged, explained and recorded as one decision.

The DfE's rules (``expectations/nccis/``) and the checks of the gate (``expectations/gates/``) run as Great
Expectations expectations over one prepared table. The decision is computed from their results:
whatever could not run blocks, as does a rule without exactly one result (design rule 9). The decision,
its results and failing rows are recorded together (design rule 10).
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from neet.census import CensusRun
from neet.rules import codes, gate_checks, judge, movement, pack, workspace
from neet.settings import Settings

log = logging.getLogger(__name__)

GATE = "monthly_return"
DECIDED_BY = "neet.gate"

FAILING_ROWS_KEPT = 20_000
"""Failing rows recorded a check; the count is always that of all of them."""

STATUSES = ("passed", "failed", "waived", "not_applicable", "could_not_run")
SUMMARY_CHECKS = 12
"""Checks named a heading in the summary; the rest are counted."""


@dataclass(frozen=True)
class CheckResult:
    """A row of ``assurance.check_result``, with what the pages show beside it.

    Attributes:
        blocks: whether failing or not running stops the return.
        failed_count: failing rows, waived ones included; ``None`` where the check could not run.
        waived_count: failing rows that waivers let pass.
        failures_allowed: failing rows the priority tolerates before the return is stopped.
    """

    suite: str
    check_id: str
    title: str
    priority: int
    blocks: bool
    status: str
    protects: str
    owner_service: str
    reason: str
    how_to_mend: str
    failed_count: int | None = None
    checked_count: int | None = None
    observed: str | None = None
    threshold: str | None = None
    error: str | None = None
    waived_count: int = 0
    failures_allowed: int = 0
    rows: tuple[judge.FailingRow, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether this result alone stops the return."""
        if self.status == "could_not_run":
            return True
        unwaived = (self.failed_count or 0) - self.waived_count
        return self.status == "failed" and self.blocks and unwaived > self.failures_allowed


@dataclass(frozen=True)
class GateOutcome:
    """What the gate decided.

    Attributes:
        decision_id: the recorded decision.
        outcome: ``passed`` or ``blocked``.
        rules_run: checks that gave an answer: passed, failed or waived.
        failing_rows: rows that fail some check, waived ones included.
        stopped_by: the results that stop the return, worst first.
        changes: number of people by kind of change since the last sealed submission.
        summary: plain text: what is wrong, whose it is, how to mend it.
        data_docs_index: first page of the Data Docs of this check.
    """

    decision_id: str
    outcome: str
    record_count: int
    rules_run: int
    rules_failed: int
    rules_waived: int
    rules_not_applicable: int
    rules_could_not_run: int
    failing_rows: int
    stopped_by: tuple[CheckResult, ...]
    results: tuple[CheckResult, ...]
    changes: Mapping[str, int]
    summary: str
    data_docs_index: Path


@dataclass(frozen=True)
class Waiver:
    """A decision that lets a check's failures pass for a while.

    Attributes:
        people: YoungPersonsIDs it covers; empty for every failing row.
        expires_on: last PeriodEnd it holds for.
    """

    decision_id: str
    check_id: str
    people: frozenset[str]
    expires_on: dt.date
    reason: str
    approved_by: str


@dataclass(frozen=True)
class _Planned:
    """A check before it is run. ``ready`` is ``None``, or the status it has without being run."""

    result: CheckResult
    query: str | None = None
    ready: str | None = None
    observed: str | None = None
    checked: str | None = None
    severity: str = "critical"
    source: str = ""
    assumed: str = ""


@dataclass
class Judgement:
    """Everything the gate found, before it is recorded.

    Attributes:
        write_docs: writes the Data Docs below a folder from a report; gives the index page.
    """

    results: list[CheckResult]
    changes: list[movement.Change]
    previous: movement.PreviousSubmission | None
    record_count: int
    notes: list[str]
    inputs: dict[str, Any]
    write_docs: Callable[[Path, Mapping[str, Any]], Path]

    @property
    def stopped_by(self) -> list[CheckResult]:
        return sorted(
            (each for each in self.results if each.stops),
            key=lambda each: (each.status != "could_not_run", each.priority),
        )

    @property
    def outcome(self) -> str:
        return "blocked" if not self.results or self.stopped_by else "passed"

    def count(self, *statuses: str) -> int:
        return sum(each.status in statuses for each in self.results)


def check(settings: Settings, dsn_gate: str, run: CensusRun) -> GateOutcome:
    """Judge the return of a census run and record the decision.

    The same return judged again, with nothing else known, is the same decision and is not repeated.

    Args:
        dsn_gate: connection string of the role ``gate``.
    Raises:
        neet.decisions.DecisionError: the decision could not be recorded; there is none then, and without one
            nothing can be sealed.
        psycopg.OperationalError: the database cannot be reached.
    """
    from neet import decisions

    started = time.monotonic()
    judgement = judge_return(settings, dsn_gate, run)
    log.info(
        "%s records judged by %d checks in %.1f s; writing the check report and recording the decision",
        f"{judgement.record_count:,}", len(judgement.results), time.monotonic() - started,
    )  # fmt: skip
    folder = settings.data_docs / f"{run.la_code}_{run.census_point}"
    draft = folder / f".draft-{secrets.token_hex(8)}"
    try:
        judgement.write_docs(draft, _report(judgement, run))
        decision = decisions.record(
            settings,
            dsn_gate,
            "gate_check",
            run.la_code,
            run.census_point,
            _body(judgement, run),
            DECIDED_BY,
            _one_line(judgement),
            _files(judgement, run),
        )
        index = _put_in_place(draft, folder / re.sub(r"[^\w.-]", "_", decision.decision_id))
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    counted = Counter(each.change for each in judgement.changes)
    return GateOutcome(
        decision_id=decision.decision_id,
        outcome=judgement.outcome,
        record_count=judgement.record_count,
        rules_run=judgement.count("passed", "failed", "waived"),
        rules_failed=judgement.count("failed"),
        rules_waived=judgement.count("waived"),
        rules_not_applicable=judgement.count("not_applicable"),
        rules_could_not_run=judgement.count("could_not_run"),
        failing_rows=sum(each.failed_count or 0 for each in judgement.results),
        stopped_by=tuple(judgement.stopped_by),
        results=tuple(judgement.results),
        changes=dict(counted),
        summary=summary(judgement, run, index),
        data_docs_index=index,
    )


def _put_in_place(draft: Path, final: Path) -> Path:
    """The pages appear whole. Those of the same decision, made before, are replaced."""
    former = final.with_name(f".former-{secrets.token_hex(8)}")
    if final.exists():
        os.rename(final, former)
    os.rename(draft, final)
    shutil.rmtree(former, ignore_errors=True)
    return final / "index.html"


def judge_return(settings: Settings, dsn_gate: str, run: CensusRun) -> Judgement:
    """Judge the return of a census run without recording anything.

    Nothing that goes wrong with a rule, a check, a table or Great Expectations is raised: it is a result
    that could not run.
    """
    with workspace.Workspace(dsn_gate) as work:
        return _Gate(settings, dsn_gate, run, work).judge()


class _Gate:
    """One run of the gate."""

    def __init__(self, settings: Settings, dsn: str, run: CensusRun, work: workspace.Workspace):
        self.settings, self.dsn, self.run, self.work = settings, dsn, run, work
        self.connection = work.connection
        self.results: list[CheckResult] = []
        self.notes: list[str] = []
        self.ended: list[Waiver] = []
        self.changes: list[movement.Change] = []
        self.rules_suite = f"nccis_{run.pack_version}"
        self.prepared: workspace.Prepared | None = None
        self.narrowed: workspace.Prepared | None = None
        self.session: Any = None

    def judge(self) -> Judgement:
        previous = movement.previous_submission(self.connection, self.run)
        waivers = self._waivers()
        planned = self._plan(previous)
        try:
            found = self._run(planned)
            self.results += [self._concluded(each, found, waivers) for each in planned]
        finally:
            if self.session is not None:
                self.session.close()
        known = {each.check_id for each in self.results}
        failing = {each.check_id for each in self.results if each.status == "failed"}
        missed = sorted(
            {f"{w.check_id} ({w.expires_on})" for w in self.ended if w.check_id in failing}
        )
        if missed:
            self.notes.append(
                f"failing again, now that their waivers have ended: {', '.join(missed)}"
            )
        self.notes += [
            f"waiver {each.decision_id} names the check {each.check_id!r}, which this gate does not have"
            for each in waivers
            if each.check_id not in known
        ]
        return Judgement(
            results=self.results,
            changes=self.changes,
            previous=previous,
            record_count=self.prepared.record_count if self.prepared else 0,
            notes=self.notes,
            inputs=self._inputs(previous, waivers),
            write_docs=self._write_docs,
        )

    # -- what is to be run ---------------------------------------------------------------------------

    def _plan(self, previous: movement.PreviousSubmission | None) -> list[_Planned]:
        on = self.run.period_end
        try:
            packs, seeds = self.settings.expectations / "nccis", self.settings.dbt_project / "seeds"
            lists = codes.load_code_lists(on, packs / "code_lists.yml", self.settings.root)
            priorities = codes.load_priorities(on, packs / "priorities.csv")
            owners = codes.load_owners(on, packs / "owners.csv")
            thresholds = codes.load_thresholds(on, seeds)
            policy = codes.load_policy(on, seeds / "policy" / "policy.csv")
            rules = pack.load_pack(self.run.pack_version, packs)
            self.pack_fingerprint = rules.fingerprint
            gate = gate_checks.load_gate(GATE, self.settings.expectations / "gates")
            twice = rules.rules.keys() & gate.checks.keys()
            if twice:
                raise gate_checks.GateSpecError(
                    f"{', '.join(sorted(twice))}: the id of a rule and of a check of the gate; waivers and "
                    "results need one name for one thing."
                )
        except Exception as error:  # whatever it is, the rules are not known and nothing may pass
            self.results.append(self._not_loaded("rules_load", self.rules_suite, error))
            return []
        wanted = [self._rule(rule, priorities, owners) for rule in rules.rules.values()]
        wanted += [
            self._gate_check(each, priorities, gate.suite, thresholds)
            for each in gate.checks.values()
        ]
        try:
            self.prepared = self.work.prepare(workspace.census_source(self.run), policy)
            self.narrowed = self._narrowed(rules, lists)
            names = self._names(previous, lists, thresholds, gate)
        except Exception as error:  # the models of the census run are not there or not as agreed
            reason = self._words(error)
            return [
                self._unrun(each, f"the return could not be prepared: {reason}") for each in wanted
            ]
        self.changes = movement.changes(self.connection, self.movement_table) if previous else []
        specs: dict[str, pack.Rule | gate_checks.GateCheck] = {**rules.rules, **gate.checks}
        return [self._filled(each, specs[each.result.check_id], lists, names) for each in wanted]

    def _narrowed(
        self, rules: pack.Pack, lists: Mapping[str, tuple[str, ...]]
    ) -> workspace.Prepared:
        """The records that fail some rule, which is all that each rule need look at.

        A record that fails a rule is among them, so every rule finds the same rows as in the whole table.
        Where one rule cannot be run the scan fails; then each is asked of the whole table, and only the
        broken one could not run.
        """
        try:
            query = judge.failing_records_query(self._runnable(rules), lists, self.prepared)
            return replace(self.prepared, check_table=self.work.create("failing", query))
        except (psycopg.Error, pack.PackError):
            return self.prepared

    def _runnable(self, rules: pack.Pack) -> list[pack.Rule]:
        unreadable = bool(self.prepared.unreadable_periods)
        return [rule for rule in rules.judged_in_sql if not (unreadable and rule.needs_period)]

    def _names(
        self,
        previous: movement.PreviousSubmission | None,
        lists: Mapping[str, tuple[str, ...]],
        thresholds: Mapping[str, codes.Threshold],
        gate: gate_checks.Gate,
    ) -> gate_checks.Names:
        run = self.run
        self.movement_table = movement.build(self.work, self.prepared, run, previous, lists)
        late_table = gate_checks.build_feed_states(self.settings, self.work, run)
        return gate_checks.Names(
            texts={
                "census": run.schema_name,
                "census_schema": run.schema_name,
                "la_code": run.la_code,
                "census_point": run.census_point,
                "period_end": run.period_end,
                "known_seq": run.known_seq,
                "check_table": self.prepared.check_relation,
                "header_table": self.prepared.header_relation,
                "movement": f"{workspace.SCHEMA}.{self.movement_table}",
                "feed_states": f"{workspace.SCHEMA}.{late_table}",
                "previous_submission": previous.submission_id if previous else "",
                "previous_known_seq": previous.known_seq if previous else 0,
            },
            lists={**lists, "required_feeds": gate.required_feeds},
            thresholds=thresholds,
        )

    def _rule(
        self, rule: pack.Rule, priorities: Mapping[int, codes.Priority], owners: Mapping[str, str]
    ) -> _Planned:
        priority = priorities[rule.priority]
        fields = ", ".join(judge.field_name(column) for column in rule.fields) or "the file"
        return _Planned(
            CheckResult(
                suite=self.rules_suite,
                check_id=rule.rule_id,
                title=rule.title,
                priority=rule.priority,
                blocks=priority.blocks,
                status="could_not_run",
                protects=f"the NCCIS return: {fields}",
                owner_service=rule.owner_service or codes.owner_of(rule.fields, owners),
                reason=rule.reason,
                how_to_mend=rule.how_to_mend,
                failures_allowed=priority.failures_allowed or 0,
                threshold=_allowed(priority),
            ),
            severity=priority.severity,
            source=rule.source,
            assumed="; ".join(rule.assumed),
        )

    def _gate_check(
        self,
        spec: gate_checks.GateCheck,
        priorities: Mapping[int, codes.Priority],
        suite: str,
        thresholds: Mapping[str, codes.Threshold],
    ) -> _Planned:
        priority = priorities[spec.priority]
        limits = [
            f"{each.value:f} {each.unit} ({each.meaning})"
            for name in spec.thresholds
            if (each := thresholds.get(name))
        ]
        return _Planned(
            CheckResult(
                suite=suite,
                check_id=spec.check_id,
                title=spec.title,
                priority=spec.priority,
                blocks=priority.blocks,
                status="could_not_run",
                protects=spec.protects,
                owner_service=spec.owner_service,
                reason=spec.reason,
                how_to_mend=spec.how_to_mend,
                failures_allowed=priority.failures_allowed or 0,
                threshold="; ".join(limits) or _allowed(priority),
            ),
            severity=priority.severity,
        )

    def _filled(
        self,
        planned: _Planned,
        spec: pack.Rule | gate_checks.GateCheck,
        lists: Mapping[str, tuple[str, ...]],
        names: gate_checks.Names,
    ) -> _Planned:
        """The check with its SQL, or with what it is without being run."""
        try:
            if isinstance(spec, pack.Rule):
                return self._filled_rule(planned, spec, lists)
            if spec.only_with == "previous_submission" and not names.texts["previous_submission"]:
                return self._without(planned, "no earlier sealed submission is known to this run")
            where = f"check {spec.check_id}"
            return replace(
                planned,
                query=names.fill(spec.failing_rows, where).strip(),
                observed=names.fill(spec.observed, where) if spec.observed else None,
                checked=names.fill(spec.checked, where) if spec.checked else None,
            )
        except (pack.PackError, gate_checks.GateSpecError) as error:
            return self._unrun(planned, str(error))

    def _filled_rule(
        self, planned: _Planned, rule: pack.Rule, lists: Mapping[str, tuple[str, ...]]
    ) -> _Planned:
        prepared = self.prepared
        if rule.scope == "document":
            return self._without(planned, "about an XML file; judged where one is read")
        if rule.scope != "header" and not prepared.record_count:
            return self._without(planned, "the return has no records to judge")
        if rule.needs_period and prepared.unreadable_periods:
            text = prepared.unreadable_periods[0][1]
            return self._unrun(
                planned, f"PeriodEnd of the header is {text or 'blank'!r}; the rule needs a date"
            )
        checked = 1 if rule.scope == "header" else prepared.record_count
        return replace(
            planned,
            query=judge.failing_query(rule, lists, self.narrowed),
            result=replace(planned.result, checked_count=checked),
        )

    @staticmethod
    def _without(planned: _Planned, why: str) -> _Planned:
        return replace(
            planned,
            ready="not_applicable",
            result=replace(planned.result, status="not_applicable", observed=why),
        )

    @staticmethod
    def _unrun(planned: _Planned, error: str) -> _Planned:
        return replace(
            planned,
            ready="could_not_run",
            result=replace(planned.result, status="could_not_run", blocks=True, error=error),
        )

    def _not_loaded(self, check_id: str, suite: str, error: Exception) -> CheckResult:
        return CheckResult(
            suite=suite,
            check_id=check_id,
            title="The rules and the checks of the gate can be loaded",
            priority=1,
            blocks=True,
            status="could_not_run",
            protects="the whole return",
            owner_service="MI",
            reason="A return judged by no rule breaks none.",
            how_to_mend="Mend the file that the error names; `make test-fast` tries every pack.",
            error=self._words(error),
        )

    # -- running and concluding ----------------------------------------------------------------------

    def _run(self, planned: Sequence[_Planned]) -> dict[tuple[str, str], list[Any]]:
        """Everything Great Expectations said, by suite and check; an exception is said of all it hit."""
        suites: dict[str, list[_Planned]] = {}
        for each in planned:
            if each.ready is None:
                suites.setdefault(each.result.suite, []).append(each)
        found: dict[tuple[str, str], list[Any]] = {}
        if not suites:
            return found
        from neet.rules import gx

        try:
            self.session = gx.Session(self.dsn, self.prepared.check_table)
        except Exception as error:
            failed = gx.Outcome(None, f"Great Expectations could not begin: {self._words(error)}")
            return {
                (suite, each.result.check_id): [failed]
                for suite, members in suites.items()
                for each in members
            }
        for suite, members in suites.items():
            started = time.monotonic()
            try:
                outcomes = self.session.run(suite, [_as_expectation(each) for each in members])
            except Exception as error:  # a suite that cannot run is an answer, and blocks
                failed = gx.Outcome(None, f"the suite could not run: {self._words(error)}")
                outcomes = {each.result.check_id: [failed] for each in members}
            found |= {(suite, check_id): said for check_id, said in outcomes.items()}
            log.info("%s: %d checks in %.1f s", suite, len(members), time.monotonic() - started)
        return found

    def _concluded(
        self,
        planned: _Planned,
        found: Mapping[tuple[str, str], list[Any]],
        waivers: Sequence[Waiver],
    ) -> CheckResult:
        result = planned.result
        if planned.ready is not None:
            return result
        said = found.get((result.suite, result.check_id), [])
        if len(said) != 1:
            many = "no result" if not said else f"{len(said)} results"
            return self._unrun(
                planned, f"Great Expectations gave {many} where one is needed"
            ).result
        if said[0].error:
            return self._unrun(planned, self._words(said[0].error)).result
        result = replace(result, failed_count=said[0].failed_count)
        try:
            if planned.checked:
                result = replace(result, checked_count=int(self._value(planned.checked)))
            if planned.observed:
                result = replace(result, observed=self._value(planned.observed))
            if not result.failed_count:
                return replace(result, status="passed")
            rows = judge.failing_rows(self.connection, planned.query, FAILING_ROWS_KEPT)
        except psycopg.Error as error:
            return self._unrun(planned, self._words(error)).result
        if len(rows) != min(result.failed_count, FAILING_ROWS_KEPT):
            return self._unrun(
                planned,
                f"{result.failed_count} rows failed when counted and {len(rows)} when listed: the data "
                "changed meanwhile",
            ).result
        return _waived(replace(result, status="failed", rows=tuple(rows)), waivers)

    def _value(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        return row[0] if row else None

    def _words(self, error: Exception | str) -> str:
        """An error in one line, without the names of this run's own tables: the same again next time."""
        text = error if isinstance(error, str) else f"{error}" or type(error).__name__
        text = text.split("[SQL:")[0].replace(f"{workspace.SCHEMA}.w{self.work.token}_", "")
        return " ".join(text.replace(f"w{self.work.token}_", "").split())[:500]

    # -- waivers, inputs, pages ----------------------------------------------------------------------

    def _waivers(self) -> list[Waiver]:
        """Waivers known to the run that hold for its period; the others are noted."""
        found = []
        for decision_id, subject, body, decided_by, reason in self.connection.execute(
            """select decision_id, subject, body, decided_by, reason from control.decision
               where la_code = %s and kind = 'waiver' and delivery_seq <= %s order by delivery_seq""",
            [self.run.la_code, self.run.known_seq],
        ):
            body = body if isinstance(body, dict) else {}
            people = body.get("young_persons_ids") or body.get("young_persons_id") or ()
            try:
                waiver = Waiver(
                    decision_id=decision_id,
                    check_id=str(body.get("check_id") or subject),
                    people=frozenset([people] if isinstance(people, str) else map(str, people)),
                    expires_on=dt.date.fromisoformat(str(body.get("expires_on"))),
                    reason=str(body.get("reason") or reason),
                    approved_by=str(body.get("approved_by") or decided_by),
                )
            except (TypeError, ValueError):
                self.notes.append(
                    f"waiver {decision_id} was ignored: it has no readable expires_on, or no list of people"
                )
                continue
            if waiver.expires_on < self.run.period_end:
                self.ended.append(waiver)
                continue
            found.append(waiver)
        return found

    def _inputs(
        self, previous: movement.PreviousSubmission | None, waivers: Sequence[Waiver]
    ) -> dict[str, Any]:
        """What the decision was taken against (design rule 10)."""
        run = self.run
        deliveries = self.connection.execute(
            """select delivery_seq, feed, provider, period, file_sha256 from control.delivery
               where la_code = %s and mode <> 'decision' and status = 'accepted' and delivery_seq <= %s
               order by delivery_seq""",
            [run.la_code, run.known_seq],
        ).fetchall()
        since = previous.known_seq if previous else 0
        names = ("delivery_seq", "feed", "provider", "period", "file_sha256")
        return {
            "known_seq": run.known_seq,
            "known_at": run.known_at.isoformat(),
            "code_version": run.code_version,
            "pack_version": run.pack_version,
            "pack_sha256": getattr(self, "pack_fingerprint", None),
            "row_counts": self._row_counts(),
            "previous_submission_id": previous.submission_id if previous else None,
            "waivers": [each.decision_id for each in waivers],
            "delivery_count": len(deliveries),
            "deliveries_sha256": hashlib.sha256(json.dumps(deliveries).encode()).hexdigest(),
            "deliveries_since_last_submission": [
                dict(zip(names, row, strict=True)) for row in deliveries if row[0] > since
            ],
            "notes": self.notes,
        }

    def _row_counts(self) -> dict[str, int | None]:
        counts: dict[str, int | None] = {}
        for table in (
            "ret_nccis_header", "ret_nccis_record", "ret_nccis_characteristic", "fct_cohort_month",
            "fct_kpi_value",
        ):  # fmt: skip
            query = sql.SQL("select count(*) from {}").format(
                sql.Identifier(self.run.schema_name, table)
            )
            try:
                counts[table] = self.connection.execute(query).fetchone()[0]
            except psycopg.Error:
                counts[table] = None  # the checks that needed it have said so
        return counts

    def _write_docs(self, folder: Path, report: Mapping[str, Any]) -> Path:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if self.session is not None:
            return self.session.build_docs(folder, report)
        from neet.rules import docs

        folder.mkdir()
        index = folder / "index.html"
        index.write_text(
            docs.IndexView().render(docs.IndexRenderer(json.dumps(report)).render({})),
            encoding="utf-8",
        )
        return index


def _allowed(priority: codes.Priority) -> str:
    if not priority.blocks:
        return f"priority {priority.priority} ({priority.name}) does not stop the return"
    return f"priority {priority.priority} ({priority.name}): {priority.failures_allowed} failing rows allowed"


def _as_expectation(planned: _Planned) -> Any:
    from neet.rules import gx

    result = planned.result
    return gx.Check(
        suite=result.suite,
        check_id=result.check_id,
        title=result.title,
        query=planned.query,
        severity=planned.severity,
        meta={
            "priority": str(result.priority),
            "owner": result.owner_service,
            "reason": result.reason,
            "how_to_mend": result.how_to_mend,
            "source": planned.source,
            "assumed": planned.assumed,
            "notes": {
                "format": "markdown",
                "content": [
                    f"Owner: {result.owner_service}",
                    f"How to mend it: {result.how_to_mend}",
                ],
            },
        },
    )


def _waived(result: CheckResult, waivers: Sequence[Waiver]) -> CheckResult:
    """A failed result after the waivers of its check: waived if they cover every failing row."""
    held = [each for each in waivers if each.check_id == result.check_id]
    if not held:
        return result
    words = "; ".join(
        f"waived by {each.approved_by} until {each.expires_on}"
        f"{f' for {len(each.people)} people' if each.people else ''}: {each.reason}"
        for each in held
    )
    everyone = any(not each.people for each in held)
    people = frozenset().union(*(each.people for each in held))
    count = (
        result.failed_count
        if everyone
        else sum(row.young_persons_id in people for row in result.rows)
    )
    if not count:
        return result
    seen = f"{result.observed}; " if result.observed else ""
    if count < result.failed_count:
        return replace(
            result,
            waived_count=count,
            observed=f"{seen}{count} of {result.failed_count} {words}",
        )
    return replace(result, status="waived", waived_count=count, observed=f"{seen}{words}")


# -- what is recorded ---------------------------------------------------------------------------------

RESULT_COLUMNS = (
    "run_id", "la_code", "census_point", "known_seq", "suite", "check_id", "priority", "blocks",
    "status", "failed_count", "checked_count", "observed", "threshold", "protects", "owner_service",
    "reason", "how_to_mend", "error",
)  # fmt: skip
FAILURE_COLUMNS = (
    "run_id", "la_code", "census_point", "suite", "check_id", "failure_number", "young_persons_id",
    "record_number", "field", "value", "detail",
)  # fmt: skip
CHANGE_COLUMNS = (
    "run_id", "la_code", "census_point", "young_persons_id", "change", "before_code", "after_code",
    "detail",
)  # fmt: skip


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _files(judgement: Judgement, run: CensusRun) -> dict[str, bytes]:
    identity = (run.run_id, run.la_code, run.census_point)
    results = (
        (
            *identity, run.known_seq, r.suite, r.check_id, r.priority,
            "true" if r.blocks else "false", r.status, r.failed_count, r.checked_count, r.observed,
            r.threshold, r.protects, r.owner_service, f"{r.title}. {r.reason}", r.how_to_mend, r.error,
        )
        for r in judgement.results
    )  # fmt: skip
    failures = (
        (
            *identity, r.suite, r.check_id, number, row.young_persons_id, row.record_number, row.field,
            row.value, row.detail,
        )
        for r in judgement.results
        for number, row in enumerate(r.rows, 1)
    )  # fmt: skip
    changes = (
        (*identity, c.young_persons_id, c.change, c.before_code, c.after_code, c.detail)
        for c in judgement.changes
    )
    return {
        "check_results.csv": _csv(RESULT_COLUMNS, results),
        "check_failures.csv": _csv(FAILURE_COLUMNS, failures),
        "submission_changes.csv": _csv(CHANGE_COLUMNS, changes),
    }


def _body(judgement: Judgement, run: CensusRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "census_point": run.census_point,
        "known_seq": run.known_seq,
        "outcome": judgement.outcome,
        "rules_run": judgement.count("passed", "failed", "waived"),
        "rules_failed": judgement.count("failed"),
        "rules_waived": judgement.count("waived"),
        "rules_not_applicable": judgement.count("not_applicable"),
        "rules_could_not_run": judgement.count("could_not_run"),
        "inputs": judgement.inputs,
    }


def _one_line(judgement: Judgement) -> str:
    stopped = judgement.stopped_by
    if not stopped:
        return f"{judgement.count('failed')} checks failed, none of which stops the return"
    named = ", ".join(each.check_id for each in stopped[:SUMMARY_CHECKS])
    more = f" and {len(stopped) - SUMMARY_CHECKS} more" if len(stopped) > SUMMARY_CHECKS else ""
    return f"stopped by {named}{more}"


# -- what people read ---------------------------------------------------------------------------------


def _month(run: CensusRun) -> str:
    return f"{run.period_end:%B %Y}"


def _counts_in_words(judgement: Judgement) -> str:
    stopped = len(judgement.stopped_by)
    return (
        f"{len(judgement.results)} checks: {judgement.count('passed')} passed, "
        f"{judgement.count('failed')} failed, {judgement.count('waived')} waived, "
        f"{judgement.count('could_not_run')} could not run, "
        f"{judgement.count('not_applicable')} did not apply. "
        + (f"{stopped} stop{'s' if stopped == 1 else ''} the return." if stopped else "")
    ).strip()


def _listed(heading: str, results: Sequence[CheckResult]) -> list[str]:
    if not results:
        return []
    lines = ["", heading]
    for each in results[:SUMMARY_CHECKS]:
        what = (
            f"could not run: {each.error}"
            if each.status == "could_not_run"
            else f"{each.failed_count:,} row{'s' if each.failed_count != 1 else ''}"
        )
        lines.append(f"  {each.check_id}: {each.title} ({what})")
        lines.append(f"      {each.owner_service}: {each.how_to_mend}")
    if len(results) > SUMMARY_CHECKS:
        lines.append(f"  and {len(results) - SUMMARY_CHECKS} more")
    return lines


def summary(judgement: Judgement, run: CensusRun, index: Path) -> str:
    """The decision as plain text, for a log or above a sign-off."""
    lines = [
        f"Gate of the return of {run.la_code} for {_month(run)}: {judgement.outcome.upper()}",
        f"{judgement.record_count:,} records, rules of {run.pack_version}, known to delivery {run.known_seq}.",
        _counts_in_words(judgement),
    ]
    lines += _listed("What stops the return", judgement.stopped_by)
    lines += _listed("Failing, but not stopping the return", _failing_without_stopping(judgement))
    waived = [each for each in judgement.results if each.status == "waived"]
    if waived:
        lines += ["", "Waived"]
        lines += [f"  {each.check_id}: {each.observed}" for each in waived[:SUMMARY_CHECKS]]
    if judgement.previous:
        counted = Counter(each.change for each in judgement.changes)
        words = ", ".join(f"{number} {name}" for name, number in sorted(counted.items()))
        lines += ["", f"Since {judgement.previous.census_point}: {words or 'nothing changed'}."]
    lines += [f"Note: {note}" for note in judgement.notes[:SUMMARY_CHECKS]]
    lines += ["", f"Everything the gate looked at: {index}"]
    return "\n".join(lines)


def _failing_without_stopping(judgement: Judgement) -> list[CheckResult]:
    return sorted(
        (each for each in judgement.results if each.status == "failed" and not each.stops),
        key=lambda each: (each.priority, -(each.failed_count or 0)),
    )


def _shown(result: CheckResult) -> dict[str, Any]:
    stops = result.stops
    badge = "warned" if result.status == "failed" and not stops else result.status
    return {
        "check_id": result.check_id,
        "title": result.title,
        "reason": result.reason,
        "how_to_mend": result.how_to_mend,
        "owner_service": result.owner_service,
        "observed": result.observed or "",
        # that nothing may fail goes without saying; a limit of its own does not
        "threshold": "" if (result.threshold or "").startswith("priority ") else result.threshold,
        "error": result.error or "",
        "failed_count": result.failed_count if result.status != "not_applicable" else 0,
        "checked_count": result.checked_count or 0,
        "badge": badge,
        "status_words": result.status.replace("_", " "),
    }


def _report(judgement: Judgement, run: CensusRun) -> dict[str, Any]:
    """What the first page of the Data Docs shows."""
    stopped = judgement.stopped_by

    def of(*statuses: str) -> list[dict[str, Any]]:
        return [_shown(each) for each in judgement.results if each.status in statuses]

    is_blocked = judgement.outcome == "blocked"
    previous = judgement.previous
    counted = Counter(each.change for each in judgement.changes)
    return {
        "title": f"Gate of the NCCIS return: {run.la_code}, {_month(run)}",
        "subtitle": f"{judgement.record_count:,} records, rules of {run.pack_version}, "
        f"known to delivery {run.known_seq} ({run.known_at:%d %B %Y %H:%M} UTC)",
        "outcome": judgement.outcome,
        "verdict": "Blocked" if is_blocked else "Passed",
        "verdict_detail": (
            f"{len(stopped)} check{'s' if len(stopped) != 1 else ''} must be mended or waived before this "
            "return can be signed."
            if is_blocked
            else "The return may be put before somebody to sign."
        ),
        "counts": [
            ("checks", len(judgement.results)),
            ("stop the return", len(stopped)),
            ("failed", judgement.count("failed")),
            ("could not run", judgement.count("could_not_run")),
            ("waived", judgement.count("waived")),
            ("passed", judgement.count("passed")),
            ("did not apply", judgement.count("not_applicable")),
        ],
        "groups": [
            {
                "heading": "What stops the return", "is_open": True,
                "hint": "Mend these in the source system and deliver again, or have them waived.",
                "checks": [_shown(each) for each in stopped],
            },
            {
                "heading": "Failing, but not stopping the return", "is_open": True,
                "hint": "DfE reports these back; each has an owner.",
                "checks": [_shown(each) for each in _failing_without_stopping(judgement)],
            },
            {
                "heading": "Waived", "is_open": True,
                "hint": "Failing, and let pass by a recorded decision.", "checks": of("waived"),
            },
            {
                "heading": "Passed", "is_open": False, "hint": "No row failed.", "checks": of("passed"),
            },
            {
                "heading": "Did not apply", "is_open": False,
                "hint": "Each says why; an error is never a reason.", "checks": of("not_applicable"),
            },
        ],
        "changes": sorted(counted.items()),
        "changes_hint": (
            f"Compared with the sealed return of {previous.census_point}."
            if previous
            else "No earlier sealed return is known, so there is nothing to compare with."
        ),
        "failures_query": (
            "./neet sql \"select check_id, young_persons_id, record_number, field, value, detail\n"
            "  from assurance.check_failure\n"
            "  where decision_id = (select decision_id from assurance.gate_decision\n"
            f"    where run_id = '{run.run_id}' and outcome in ('passed', 'blocked')\n"
            "    order by delivery_seq desc limit 1)\n"
            "  order by check_id, failure_number\""
        ),
        "facts": [
            ("Census point", run.census_point),
            ("Run", run.run_id),
            ("Code", run.code_version),
            ("Rule pack", f"{run.pack_version}, sha256 {judgement.inputs['pack_sha256']}"),
            ("Deliveries seen", f"{judgement.inputs['delivery_count']}, "
             f"sha256 of their list {judgement.inputs['deliveries_sha256']}"),
            *(("Note", note) for note in judgement.notes),
        ],
    }  # fmt: skip
