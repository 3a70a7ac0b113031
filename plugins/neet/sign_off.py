"""What a person reads before signing a return: measures, failing checks, changes, and what an answer does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from neet.census import CensusRun
from neet.database import connect
from neet.returns.package import Candidate

CHECKS_SHOWN = 30

FOUND = """
select check_id, suite, priority, blocks, status, failed_count, owner_service, reason
from assurance.check_result
where decision_id = %s and status in ('failed', 'could_not_run', 'waived')
order by status <> 'could_not_run', blocks desc, priority nulls first, failed_count desc, check_id collate "C"
"""

CHANGES = """
select change, count(*) from assurance.submission_change where decision_id = %s group by change
order by change collate "C"
"""

BEFORE = """
select census_point, signed_by, sealed_at, payload_sha256 from ledger.submission
where la_code = %s and outcome = 'sealed' order by chain_number desc limit 1
"""

ANSWERS = """
select outcome, decided_by, decided_at, reason, payload_sha256 from assurance.gate_decision
where la_code = %s and census_point = %s and outcome in ('signed', 'refused')
order by delivery_seq
"""


class AlreadyRefused(RuntimeError):
    """This very payload was refused, which is final: there is nothing left to ask."""


@dataclass(frozen=True)
class Question:
    """A sign-off as it is put before a person.

    Attributes:
        subject: one line.
        body: Markdown.
    """

    subject: str
    body: str


def question(
    dsn_gate: str, run: CensusRun, candidate: Candidate, data_docs_index: Path | str
) -> Question:
    """Put the sign-off of a candidate into words, from what is on record.

    Args:
        data_docs_index: first page of the Data Docs of the gate's check.
    Raises:
        AlreadyRefused: the same payload of this point was refused before.
    """
    with connect(dsn_gate) as connection:
        connection.read_only = True
        answers = connection.execute(ANSWERS, [run.la_code, run.census_point]).fetchall()
        refused = [
            answer
            for answer in answers
            if answer[0] == "refused" and answer[4] == candidate.payload_sha256
        ]
        if refused:
            _, who, when, why, _ = refused[-1]
            raise AlreadyRefused(
                f"The return of {run.census_point} with these very figures (payload {candidate.payload_sha256[:16]}) was "
                f"refused by {who} on {_day(when)}: {why}. A refusal is final. Correct what it names in the source "
                f"system, deliver the correction, and run the point again. Owner: Management Information."
            )
        found = connection.execute(FOUND, [candidate.gate_decision_id]).fetchall()
        changes = connection.execute(CHANGES, [candidate.gate_decision_id]).fetchall()
        before = connection.execute(BEFORE, [run.la_code]).fetchone()
    sections = [
        _opening(run, candidate),
        _measures(candidate),
        _checks(found, data_docs_index),
        _changes(changes, before, candidate),
        _answered(answers),
        _facts(run, candidate),
    ]
    return Question(
        subject=f"Sign the NCCIS return of {run.la_code} for {run.period_end:%B %Y}?",
        body="\n\n".join(section for section in sections if section),
    )


def _day(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%d %B %Y %H:%M} UTC"


def _cell(value: object) -> str:
    """A table cell: text from data cannot break out of it or become a link."""
    text = "" if value is None else str(value)
    for character in "\\`*_[]<>|!#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _opening(run: CensusRun, candidate: Candidate) -> str:
    records = candidate.counts.get("records", 0)
    return (
        f"The gate has passed this return of **{records:,} records** for {run.period_end:%d %B %Y}. Nothing is sealed yet.\n\n"
        "* **Approve** seals it: the package is written, signed and added to the ledger.\n"
        "* **Reject** refuses these figures for good: no package is made, and the same figures cannot be signed later. "
        "Correct the source, deliver, and run the point again.\n\n"
        "Give the name of the person on whose behalf you answer, and the reason. Your own account is recorded beside it."
    )


def _measures(candidate: Candidate) -> str:
    rows = [
        (measure["kpi_id"], measure["period_code"], measure["numerator"], measure["denominator"], measure["display"])
        for measure in candidate.measures
    ]  # fmt: skip
    if not rows:
        return "### Measures\n\nThis return gives no measure."
    return "### Measures\n\n" + _table(
        ("measure", "period", "numerator", "denominator", "value"), rows
    )


def _checks(found: Sequence[tuple], data_docs_index: Path | str) -> str:
    where = f"Every check and its rows: `{data_docs_index}`"
    if not found:
        return f"### Checks\n\nNo check failed and none was waived. {where}"
    rows = [
        (check_id, priority, status.replace("_", " "), failed, owner, reason)
        for check_id, _, priority, _, status, failed, owner, reason in found[:CHECKS_SHOWN]
    ]
    more = len(found) - CHECKS_SHOWN
    rest = f"\n\nand {more} more." if more > 0 else ""
    return (
        "### Checks that failed or were waived\n\n"
        + _table(("check", "priority", "status", "rows", "owner", "what it says"), rows)
        + f"{rest}\n\n{where}"
    )


def _changes(changes: Sequence[tuple], before: tuple | None, candidate: Candidate) -> str:
    if before is None:
        return "### Since the last submission\n\nThis would be the first return of the ledger: there is none to compare with."
    point, signed_by, sealed_at, payload = before
    heading = (
        f"### Since the return of {point}, signed by {_cell(signed_by)} on {_day(sealed_at)}\n\n"
    )
    if payload == candidate.payload_sha256:
        return heading + "Identical, byte for byte: approving it again changes nothing."
    if not changes:
        return heading + "No person changed."
    return heading + _table(("change", "people"), changes)


def _answered(answers: Sequence[tuple]) -> str:
    if not answers:
        return ""
    rows = [
        (outcome, who, _day(when), why, payload[:16] if payload else "")
        for outcome, who, when, why, payload in answers
    ]
    return "### Earlier answers for this point\n\n" + _table(
        ("answer", "by", "when", "reason", "payload"), rows
    )


def _facts(run: CensusRun, candidate: Candidate) -> str:
    return "### What exactly is signed\n\n" + _table(
        ("", ""),
        [
            ("payload sha256", candidate.payload_sha256),
            ("known to delivery", f"{run.known_seq}, accepted {_day(run.known_at)}"),
            ("rule pack", run.pack_version),
            ("code", run.code_version),
            ("gate decision", candidate.gate_decision_id),
            ("run", run.run_id),
        ],
    )
