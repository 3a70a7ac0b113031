"""The clerical queue: a workbook that goes to a person and comes back, and a page to read.

A row is one question: are these two records of one person? Who answers writes SAME, DIFFERENT or UNSURE. Each answered
row becomes a decision. A row that is not as it was written, is of another queue, or has been overtaken by newer data is
not taken, and the reason is said.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neet import outgoing
from neet.database import connect
from neet.identity import deciding
from neet.identity.deciding import LINK, SPLIT, UNSURE
from neet.identity.records import CORE, RecordKey
from neet.settings import Settings

ANSWERS = {"SAME": LINK, "DIFFERENT": SPLIT, "UNSURE": UNSURE}
SHEET = "Queue"
SAYS = (
    ("given_name", "given name"), ("middle_names", "middle names"), ("family_name", "family name"),
    ("former_family_name", "former family name"), ("preferred_family_name", "preferred family name"), ("alias", "alias"),
    ("dob", "date of birth"), ("gender", "gender"), ("postcode", "postcode"), ("previous_postcode", "other postcode"),
    ("upn", "UPN"), ("uln", "ULN"), ("school", "school"),
)  # fmt: skip
"""Column of ``int_source_person`` and its heading."""

FACTS = ("Question", "Authority", "Record of", "Record key", "Candidate of", "Candidate key", "Score", "Why it is asked", "What agrees")  # fmt: skip
HEADER = (
    *FACTS[:1], "Decision", "Note", *FACTS[1:],
    *(heading for _, name in SAYS for heading in (f"Record: {name}", f"Candidate: {name}")), "Check",
)  # fmt: skip
MAX_BYTES = 32 << 20
MAX_UNPACKED_BYTES = 256 << 20
MAX_ROWS = 100_000


class AnswerRefused(ValueError):
    """The workbook cannot be read as a whole; the message says why and what to do."""


@dataclass(frozen=True)
class Question:
    """Two records side by side.

    Attributes:
        record, candidate: feed and source key.
        says: heading -> what each says.
        asked: number of the question; rows with the same number are candidates for one record.
    """

    asked: int
    la_code: str
    record: RecordKey
    candidate: RecordKey
    score: float | None
    reason: str
    evidence: str
    says: dict[str, tuple[str, str]]

    @property
    def facts(self) -> dict[str, str]:
        """What the row shows, by heading, without what a person fills in."""
        shown = {
            "Question": str(self.asked), "Authority": self.la_code, "Record of": self.record[0], "Record key": self.record[1],
            "Candidate of": self.candidate[0], "Candidate key": self.candidate[1],
            "Score": "" if self.score is None else f"{self.score:.1f}", "Why it is asked": self.reason,
            "What agrees": self.evidence,
        }  # fmt: skip
        for name, (ours, theirs) in self.says.items():
            shown[f"Record: {name}"] = ours
            shown[f"Candidate: {name}"] = theirs
        return shown


@dataclass(frozen=True)
class Answered:
    """What became of a workbook.

    Attributes:
        recorded: decisions by answer.
        rejected: row number and reason.
        blank: rows without an answer.
    """

    recorded: dict[str, int]
    rejected: list[tuple[int, str]]
    blank: int


def questions(dsn: str, la_code: str) -> list[Question]:
    """The queue as the latest build left it, the surest first.

    Args:
        dsn: the builder's: the queue shows names.
    """
    columns = ", ".join(f"{side}.{name}" for side in ("ours", "theirs") for name, _ in SAYS)
    with connect(dsn) as connection:
        rows = connection.execute(
            f"""select candidate.source_feed, candidate.source_key, candidate_feed, candidate_key, score::float, reason,
                       candidate.evidence, {columns}
                from identity.candidate
                join intermediate.int_source_person as ours on ours.la_code = candidate.la_code
                  and ours.source_feed = candidate.source_feed and ours.source_key = candidate.source_key
                join intermediate.int_source_person as theirs on theirs.la_code = candidate.la_code
                  and theirs.source_feed = candidate_feed and theirs.source_key = candidate_key
                where candidate.la_code = %s
                order by max(score) over (partition by candidate.source_feed, candidate.source_key) desc nulls last,
                  candidate.source_feed collate "C", candidate.source_key collate "C", candidate_rank""",
            [la_code],
        ).fetchall()
    found: list[Question] = []
    for row in rows:
        record = (row[0], row[1])
        asked = found[-1].asked + (found[-1].record != record) if found else 1
        sides = row[7 : 7 + len(SAYS)], row[7 + len(SAYS) :]
        says = {
            name: (_shown(ours), _shown(theirs))
            for (_, name), ours, theirs in zip(SAYS, *sides, strict=True)
        }
        found.append(
            Question(asked, la_code, record, (row[2], row[3]), row[4], row[5], row[6], says)
        )
    return found


def _shown(value: Any) -> str:
    """As a cell holds it and gives it back: one blank between words, none at the ends."""
    return "" if value is None else " ".join(outgoing.ILLEGAL_IN_XLSX.sub("", str(value)).split())


def _check(facts: dict[str, str]) -> str:
    text = "\x1f".join(
        f"{name}={facts.get(name, '')}" for name in sorted(facts) if name != "Question"
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_workbook(file: Path, queue: list[Question]) -> None:
    """The queue as a workbook with a list of answers to choose from.

    Raises:
        OSError: it cannot be written.
    """
    from openpyxl import load_workbook
    from openpyxl.worksheet.datavalidation import DataValidation

    rows = []
    for question in queue:
        facts = question.facts
        rows.append([*(facts.get(name, "") for name in HEADER[:-1]), _check(facts)])
    how = [
        (
            "Answer in the column Decision: SAME, DIFFERENT or UNSURE. Leave it empty to answer later.",
        ),
        (
            "Rows with one number in Question are candidates for the same record: at most one of them is SAME.",
        ),
        ("Change nothing else: a row that was changed is not taken.",),
        ("Send the file back with: ./neet identity answer FILE --by NAME",),
        ("Score: 0 is even odds, each point more doubles them.",),
    ]
    outgoing.write_xlsx(
        file,
        {SHEET: (HEADER, rows), "How": (("How to answer",), how)},
        {"What agrees": 60, "Why it is asked": 40},
    )
    book = load_workbook(file)
    sheet = book[SHEET]
    answers = DataValidation(
        type="list", formula1=f'"{",".join(ANSWERS)}"', allow_blank=True, showErrorMessage=True
    )
    answers.errorTitle, answers.error = (
        "Decision",
        "Choose SAME, DIFFERENT or UNSURE, or leave it empty.",
    )
    sheet.add_data_validation(answers)
    answers.add(f"B2:B{max(2, len(rows) + 1)}")
    sheet.freeze_panes = "D2"
    outgoing.write_whole(file, book.save)


def answer(settings: Settings, dsn: dict[str, str], file: Path, by: str) -> Answered:
    """Take back an answered workbook.

    Args:
        dsn: connection strings of ``builder`` (reads the queue) and ``gate`` (records decisions).
        by: who answered.
    Raises:
        AnswerRefused: it is no workbook of the queue, or not safe to open.
    """
    rows = _rows(file)
    queue = {
        (one.record, one.candidate): one for one in questions(dsn["builder"], settings.la_code)
    }
    recorded: Counter[str] = Counter()
    rejected: list[tuple[int, str]] = []
    blank = 0
    # a row that was changed is no answer, so it contradicts none
    same: dict[RecordKey, set[RecordKey]] = defaultdict(set)
    for _, row in rows:
        if row["Decision"].upper() == "SAME" and _is_as_written(row):
            record = (row["Record of"], row["Record key"])
            same[record].add((row["Candidate of"], row["Candidate key"]))
    seen: set[tuple[RecordKey, RecordKey]] = set()
    for number, row in rows:
        said = row["Decision"].upper()
        record = (row["Record of"], row["Record key"])
        pair = (record, (row["Candidate of"], row["Candidate key"]))
        if not said:
            blank += 1
            continue
        reason = _why_not(row, said, pair, queue, len(same[record]), seen, settings.la_code)
        if reason:
            rejected.append((number, reason))
            continue
        seen.add(pair)
        question = queue[pair]
        note = row["Note"] or "no note"
        why = f"Clerical review: {said}. {note}. Asked because: {question.reason}; {question.evidence}"
        deciding.record(settings, dsn["gate"], ANSWERS[said], *pair, by, why[:4000])
        recorded[said] += 1
    return Answered(dict(sorted(recorded.items())), rejected, blank)


def _is_as_written(row: dict[str, str]) -> bool:
    facts = {name: row[name] for name in HEADER if name not in ("Decision", "Note", "Check")}
    return row["Check"] == _check(facts)


def _why_not(row, said, pair, queue, times_same, seen, la_code) -> str:
    (feed, key), (other_feed, other_key) = pair
    if said not in ANSWERS:
        return f"the decision {row['Decision']!r} is none of {', '.join(ANSWERS)}"
    if row["Authority"] != la_code:
        return f"it is of authority {row['Authority']!r}; this installation serves {la_code}"
    if not _is_as_written(row):
        return (
            f"the row about {key!r} of {feed!r} is not as it was written: a cell was changed, or the row is not of this queue. "
            "Write the queue anew and answer there"
        )
    if pair in seen:
        return f"{key} of {feed} and {other_key} of {other_feed} stand twice in the file; the first answer was taken"
    if said == "SAME" and times_same > 1:
        return f"{key} of {feed} is said to be {times_same} different people; it can be one"
    if pair not in queue:
        return (
            f"{key} of {feed} is no longer asked about with {other_key}: it was decided, or newer data settled it. "
            "See int_person_link"
        )
    if _check(queue[pair].facts) != row["Check"]:
        return f"what is known of {key} of {feed} has changed since the file was written. Write the queue anew and look again"
    return ""


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows of the sheet by heading, with their numbers."""
    from python_calamine import CalamineWorkbook

    if not file.is_file():
        raise AnswerRefused(f"{file} is not there.")
    if file.stat().st_size > MAX_BYTES:
        raise AnswerRefused(
            f"{file} has {file.stat().st_size:,} bytes; an answered queue has at most {MAX_BYTES:,}."
        )
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise AnswerRefused(
                f"{file} unpacks to {unpacked:,} bytes; an answered queue has at most {MAX_UNPACKED_BYTES:,}."
            )
        cells = CalamineWorkbook.from_path(str(file)).get_sheet_by_name(SHEET).to_python()
    except AnswerRefused:
        raise
    except Exception as error:  # whatever a broken archive makes the readers raise
        raise AnswerRefused(
            f"{file} cannot be read as a workbook with a sheet {SHEET!r} ({error}). Answer in the file that "
            "`./neet identity queue` wrote, and save it as .xlsx."
        ) from error
    if not cells:
        raise AnswerRefused(f"{file}: the sheet {SHEET!r} is empty.")
    if len(cells) > MAX_ROWS:
        raise AnswerRefused(f"{file} has {len(cells):,} rows; at most {MAX_ROWS:,}.")
    header = [_text(cell) for cell in cells[0]]
    missing = [name for name in HEADER if header.count(name) != 1]
    if missing:
        raise AnswerRefused(
            f"{file}: row 1: the columns {', '.join(missing)} are missing or stand twice. Write the queue anew."
        )
    places = {name: header.index(name) for name in HEADER}
    found = []
    for number, row in enumerate(cells[1:], start=2):
        values = {
            name: _text(row[place]) if place < len(row) else "" for name, place in places.items()
        }
        if any(values.values()):
            found.append((number, values))
    return found


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return outgoing.restored(str(cell)).strip() if cell is not None else ""


def write_page(file: Path, queue: list[Question]) -> None:
    """The queue as a plain page, to read or print."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    folder = Path(__file__).parent
    page = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["j2", "html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("queue.html.j2")
    by_record: dict[int, list[Question]] = {}
    for question in queue:
        by_record.setdefault(question.asked, []).append(question)
    text = page.render(groups=by_record, names=[name for _, name in SAYS], core=CORE)
    outgoing.write_whole(file, lambda target: target.write(text.encode()))
