"""The candidate: the payload of a return, made from a census schema, before anyone has signed it.

The payload depends on the run's known time alone (design rule 8): no clock, no run id, no
``delivery_seq`` stands in it, and every list has an explicit order.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from neet.census import CensusRun
from neet.database import connect
from neet.nccis import layout as nccis_layout
from neet.nccis import xml as nccis_xml
from neet.returns import files, ledger
from neet.settings import Settings

PAYLOAD, SLICE = "payload", "slice"
BUCKETS = ("EET", "NEET", "NOT_KNOWN", "OTHER")
ROWS_A_FETCH = 2_000

_quoted = json.encoder.encode_basestring

COHORT_COLUMNS = (
    "la_code", "census_point", "period_end", "person_id", "young_persons_id", "cohort_status_code",
    "academic_age", "district_code", "school_of_origin", "sen_group", "is_vulnerable", "activity_code",
    "status_bucket", "is_lapsed", "is_participating", "is_in_denominator", "is_measured", "neet_days",
)  # fmt: skip
KPI_COLUMNS = (
    "la_code", "census_point", "kpi_id", "period_code", "area_type", "area_code", "group_code",
    "numerator", "denominator", "value", "target", "rag",
)  # fmt: skip
RECORD_COLUMNS = (
    "la_code", "census_point", "record_number", "young_persons_id", "cohort_status", "activity_code",
    "start_date", "date_verified", "due_to_lapse_date", "currency_lapsed", "neet_start_date",
    "record_sha256",
)  # fmt: skip
ERROR_COLUMNS = (
    "suite", "check_id", "priority", "blocks", "status", "record_number", "young_persons_id", "field",
    "value", "detail", "owner_service", "reason", "how_to_mend",
)  # fmt: skip
CHANGE_COLUMNS = ("young_persons_id", "change", "before_code", "after_code", "detail")

# failure_number is the order in which a database happened to find the rows, so it is not used; nor
# are observed and error, which may name temporary tables.
ERRORS = """
select result.suite, result.check_id, result.priority, result.blocks, result.status,
       failure.record_number, failure.young_persons_id, failure.field, failure.value, failure.detail,
       result.owner_service, result.reason, result.how_to_mend
from assurance.check_result as result
left join assurance.check_failure as failure
    on failure.decision_id = result.decision_id
    and failure.suite = result.suite
    and failure.check_id = result.check_id
where result.decision_id = %(decision)s
    and (result.status in ('failed', 'waived', 'could_not_run') or failure.decision_id is not null)
order by result.suite collate "C", result.check_id collate "C", failure.record_number nulls first,
         failure.young_persons_id collate "C" nulls first, failure.field collate "C" nulls first,
         failure.value collate "C" nulls first, failure.detail collate "C" nulls first
"""

CHANGES = """
select young_persons_id, change, before_code, after_code, detail
from assurance.submission_change
where decision_id = %(decision)s
order by young_persons_id collate "C", change collate "C", before_code collate "C" nulls first,
         after_code collate "C" nulls first, detail collate "C" nulls first
"""

RECORDS = """
select record.*, coalesce(characteristic.codes, '{{}}') as characteristic_codes
from {schema}.ret_nccis_record as record
left join (
    select record_number, array_agg(characteristic_code order by characteristic_number) as codes
    from {schema}.ret_nccis_characteristic
    group by record_number
) as characteristic on characteristic.record_number = record.record_number
order by record.record_number
"""

COHORT = """
select la_code, census_point, month_end as period_end, person_id, young_persons_id, cohort_status_code,
       academic_age, district_code, school_of_origin, sen_group, is_vulnerable, activity_code,
       status_bucket, is_lapsed, is_participating, is_in_denominator, is_measured, neet_days
from {schema}.fct_cohort_month
where la_code = %(la)s and month_end = %(period_end)s
order by person_id collate "C"
"""

KPIS = """
select la_code, %(point)s as census_point, kpi_id, period_code, area_type, area_code, group_code,
       numerator, denominator, value, target, rag, unit
from {schema}.fct_kpi_value
where la_code = %(la)s and period_end = %(period_end)s and basis = 'as_submitted'
order by kpi_id collate "C", period_code collate "C", area_type collate "C", area_code collate "C",
         group_code collate "C"
"""


class CandidateFailed(RuntimeError):
    """The payload could not be made; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Candidate:
    """A payload that may be signed.

    Attributes:
        directory: holds ``payload/`` (what is hashed and sent), ``slice/`` (what is appended to
            ``submitted.*``) and ``candidate.json``.
        payload_sha256: see :func:`neet.returns.files.payload_hash`.
        counts: the content of ``payload/counts.json``.
        measures: the county's measures for all young people, for the text above the sign-off:
            ``kpi_id``, ``period_code``, ``numerator``, ``denominator``, ``display``.
        gate_decision_id: the gate decision whose error list the payload holds.
    """

    directory: Path
    payload_sha256: str
    counts: dict[str, Any]
    measures: list[dict[str, Any]]
    gate_decision_id: str

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Candidate:
        values = json.loads(text)
        return cls(**values | {"directory": Path(values["directory"])})


@dataclass
class _Tally:
    """What the streams count on their way through."""

    records: int = 0
    by_cohort_status: Counter = field(default_factory=Counter)
    by_activity_code: Counter = field(default_factory=Counter)
    characteristics: int = 0


def candidate_folder(settings: Settings, run: CensusRun) -> Path:
    """Where the candidate of a run lies until it is sealed or refused."""
    return settings.packages / ".candidates" / run.run_id


def return_name(la_code: str, census_point: str) -> str:
    """File name of the XML; the name DfE wants for an upload was not seen (nccis.md, section 1.1)."""
    return f"NCCIS_{la_code}_{census_point}.xml"


@functools.cache
def _hashed_columns() -> tuple[tuple[str, str], ...]:
    """Columns that are hashed, sorted, each with how it begins as a member of a JSON object."""
    names = sorted((*nccis_layout.record_columns(), "characteristic_codes"))
    return tuple((name, f'"{name}":') for name in names)


def record_hash(record: dict[str, Any]) -> str:
    """SHA-256 over one record's values by column name, whatever the order of the layout.

    The bytes hashed are the record as JSON: keys sorted, no spaces, blank is null. They are put together
    here because ``json.dumps`` takes three times as long, and every record is hashed by the gate, the
    candidate and the verification.
    """
    members = []
    for name, key in _hashed_columns():
        if name == "characteristic_codes":
            codes = ",".join([_quoted(code) if code else "null" for code in record[name]])
            members.append(f"{key}[{codes}]")
        else:
            value = record.get(name)
            members.append(key + (_quoted(value) if value else "null"))
    return hashlib.sha256(("{" + ",".join(members) + "}").encode()).hexdigest()


def display(numerator: Decimal | None, denominator: Decimal | None, unit: str) -> str:
    """A measure as people read it: a rate as a percentage to one place, rounded half up from its counts.

    >>> display(Decimal(25), Decimal(1000), "rate")
    '2.5%'
    """
    if numerator is None:
        return ""
    if unit != "rate":
        return format(Decimal(numerator).normalize(), "f")
    if not denominator:
        return ""
    percentage = Decimal(100) * Decimal(numerator) / Decimal(denominator)
    return f"{percentage.quantize(Decimal('0.1'), ROUND_HALF_UP)}%"


def prepare(settings: Settings, dsn_gate: str, run: CensusRun, gate_decision_id: str) -> Candidate:
    """Write the candidate of a run from its census schema; again gives the same bytes again.

    Args:
        gate_decision_id: the recorded gate decision of this run, passed or blocked. A blocked one
            gives a candidate to look at, which :func:`neet.returns.package.seal` refuses.
    Raises:
        CandidateFailed: the gate decision is not of this run, or the schema was built for another
            run or does not hang together.
        neet.nccis.xml.NccisValueError: a record cannot be written as XML; names record and field.
    """
    with ledger.lock(dsn_gate):
        return _prepare(settings, dsn_gate, run, gate_decision_id)


def _prepare(settings: Settings, dsn_gate: str, run: CensusRun, gate_decision_id: str) -> Candidate:
    folder = candidate_folder(settings, run)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    for left in folder.parent.glob(".*"):  # of attempts that were killed: the lock is ours alone
        shutil.rmtree(left)
    draft, old = (folder.with_name(f".{name}-{run.run_id}") for name in ("draft", "old"))
    (draft / PAYLOAD).mkdir(parents=True)
    (draft / SLICE).mkdir()
    try:
        with connect(dsn_gate) as connection:
            # One snapshot for all files: a rebuild of the schema meanwhile is not seen by halves.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            _check_run(connection, run, gate_decision_id)
            counts, measures = _write(connection, draft, run, gate_decision_id)
        payload = files.listing(draft / PAYLOAD)
        candidate = Candidate(
            folder, files.payload_hash(payload), counts, measures, gate_decision_id
        )
        (draft / "candidate.json").write_bytes(
            files.json_bytes(
                {
                    "run": json.loads(run.to_json()),
                    "gate_decision_id": gate_decision_id,
                    "payload_sha256": candidate.payload_sha256,
                    "payload": payload,
                    "slice": files.listing(draft / SLICE),
                    "measures": measures,
                }
            )
        )
        files.sync_tree(draft)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
        files.sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return candidate


def _check_run(connection: psycopg.Connection, run: CensusRun, gate_decision_id: str) -> None:
    decision = connection.execute(
        """select run_id, la_code, census_point, outcome from assurance.gate_decision
           where decision_id = %s""",
        [gate_decision_id],
    ).fetchone()
    if decision is None or decision[:3] != (run.run_id, run.la_code, run.census_point):
        raise CandidateFailed(
            f"Gate decision {gate_decision_id} is not one of run {run.run_id} ({run.census_point}), so "
            "its error list cannot go into this return. Run the gate for this run first."
        )
    if decision[3] not in ("passed", "blocked"):
        raise CandidateFailed(
            f"Decision {gate_decision_id} is '{decision[3]}', which is not the outcome of a gate check."
        )
    build = connection.execute(
        """select known_seq, code_version, status from control.build
           where lineage = 'census' and schema_name = %s order by build_id desc limit 1""",
        [run.schema_name],
    ).fetchone()
    wanted = (run.known_seq, run.code_version)
    if build is None or build[:2] != wanted or build[2] not in ("built", "published"):
        found = (
            "was never built"
            if build is None
            else f"was last built for delivery {build[0]} by code {build[1]} and is '{build[2]}'"
        )
        raise CandidateFailed(
            f"Schema {run.schema_name} {found}; this run sees delivery {run.known_seq} by code "
            f"{run.code_version}. A package from it would not be what the gate judged. Start "
            f"`./neet census {run.census_point}` again, one run of a point at a time."
        )


def _query(text: str, run: CensusRun) -> sql.Composed:
    return sql.SQL(text).format(schema=sql.Identifier(run.schema_name))


def _stream(connection: psycopg.Connection, query: sql.Composed, values: dict) -> Iterator[dict]:
    with connection.cursor(name="return_rows", row_factory=dict_row) as cursor:
        cursor.itersize = ROWS_A_FETCH
        yield from cursor.execute(query, values)


def _write(
    connection: psycopg.Connection, draft: Path, run: CensusRun, gate_decision_id: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    values = {
        "la": run.la_code,
        "point": run.census_point,
        "period_end": run.period_end,
        "decision": gate_decision_id,
    }
    header = _header(connection, run)
    tally = _Tally()
    slices = draft / SLICE
    with (slices / "return_record.csv").open("w", encoding="utf-8", newline="") as record_slice:
        records = _tallied(
            _stream(connection, _query(RECORDS, run), values), run, tally, record_slice
        )
        nccis_xml.write(
            draft / PAYLOAD / return_name(run.la_code, run.census_point),
            header,
            records,
            nccis_layout.layout_for(run.period_end),
        )

    cohort: Counter = Counter()
    measured = 0

    def counted() -> Iterator[tuple]:
        nonlocal measured
        for row in _stream(connection, _query(COHORT, run), values):
            measured += bool(row["is_measured"])
            if row["is_in_denominator"]:
                cohort[row["status_bucket"]] += 1
            yield tuple(row[column] for column in COHORT_COLUMNS)

    files.write_csv(slices / "cohort_month.csv", COHORT_COLUMNS, counted())
    strange = sorted(set(cohort) - set(BUCKETS), key=str)
    if strange:
        raise CandidateFailed(
            f"{run.schema_name}.fct_cohort_month holds status buckets {strange}, which no measure counts."
        )

    kpis = list(_stream(connection, _query(KPIS, run), values))
    seen = Counter(tuple(row[column] for column in KPI_COLUMNS[2:7]) for row in kpis)
    twice = sorted(key for key, times in seen.items() if times > 1)
    if twice:
        raise CandidateFailed(
            f"{run.schema_name}.fct_kpi_value gives {twice[0]} more than once for {run.period_end}."
        )
    files.write_csv(
        slices / "kpi_value.csv", KPI_COLUMNS, ([row[c] for c in KPI_COLUMNS] for row in kpis)
    )

    errors = connection.execute(ERRORS, values).fetchall()
    files.write_csv(draft / PAYLOAD / "errors.csv", ERROR_COLUMNS, errors, for_people=True)
    changes = connection.execute(CHANGES, values).fetchall()
    files.write_csv(draft / PAYLOAD / "changes.csv", CHANGE_COLUMNS, changes, for_people=True)

    all_measures = [
        {
            "kpi_id": row["kpi_id"],
            "period_code": row["period_code"],
            "area_type": row["area_type"],
            "area_code": row["area_code"],
            "group_code": row["group_code"],
            "numerator": files.cell(row["numerator"]),
            "denominator": files.cell(row["denominator"]),
            "unit": row["unit"],
            "display": display(row["numerator"], row["denominator"], row["unit"]),
        }
        for row in kpis
    ]
    counts = {
        "la_code": run.la_code,
        "census_point": run.census_point,
        "period_end": run.period_end.isoformat(),
        "records": tally.records,
        "records_by_cohort_status": dict(tally.by_cohort_status),
        "records_by_activity_code": dict(tally.by_activity_code),
        "characteristics": tally.characteristics,
        "cohort": {
            "measured": measured,
            "in_denominator": sum(cohort.values()),
            "by_status_bucket": {bucket: cohort[bucket] for bucket in BUCKETS},
        },
        "error_rows_by_priority": dict(Counter(files.cell(row[2]) for row in errors)),
        "changes": dict(Counter(row[1] for row in changes)),
        "measures": all_measures,
    }
    (draft / PAYLOAD / "counts.json").write_bytes(files.json_bytes(counts))
    for_sign_off = [
        {key: row[key] for key in ("kpi_id", "period_code", "numerator", "denominator", "display")}
        for row in all_measures
        if row["area_type"] == "county" and row["group_code"] == "ALL"
    ]
    return counts, for_sign_off


def _header(connection: psycopg.Connection, run: CensusRun) -> nccis_xml.Header:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_query("select * from {schema}.ret_nccis_header", run)).fetchall()
    if len(rows) != 1:
        raise CandidateFailed(
            f"{run.schema_name}.ret_nccis_header has {len(rows)} rows; a return has one header."
        )
    row = {key: None if value is None else files.cell(value) for key, value in rows[0].items()}
    stated = (row["la_code"], row["census_point"], row["period_end"])
    if stated != (run.la_code, run.census_point, run.period_end.isoformat()):
        raise CandidateFailed(
            f"{run.schema_name}.ret_nccis_header is about {stated}, not about this run's "
            f"{run.la_code}, {run.census_point}, {run.period_end}. Build the schema again."
        )

    def members(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in (row[name] or "").split(",") if part.strip())

    return nccis_xml.Header(
        database_ids=members("database_ids"),
        source_leas=members("source_leas"),
        **{
            name: row[name]
            for name in (
                "date_of_send", "period_end", "supplier_name", "supplier_xml_version",
                "xml_schema_version", "doctype",
            )
        },
    )  # fmt: skip


def _tallied(rows: Iterator[dict], run: CensusRun, tally: _Tally, record_slice) -> Iterator[dict]:
    """The records on their way into the XML: counted, hashed, and noted for the slice."""
    writer = files.csv.writer(record_slice, lineterminator="\n")
    writer.writerow(RECORD_COLUMNS)
    for row in rows:
        tally.records += 1
        if row["record_number"] != tally.records or (row["la_code"], row["census_point"]) != (
            run.la_code,
            run.census_point,
        ):
            raise CandidateFailed(
                f"{run.schema_name}.ret_nccis_record: record {row['record_number']} of "
                f"{row['la_code']} {row['census_point']} stands where record {tally.records} of "
                f"{run.la_code} {run.census_point} belongs. Records are numbered 1, 2, 3 without a gap."
            )
        tally.by_cohort_status[row["cohort_status"] or ""] += 1
        tally.by_activity_code[row["activity_code"] or ""] += 1
        tally.characteristics += len(row["characteristic_codes"])
        row["record_sha256"] = record_hash(row)
        writer.writerow([files.cell(row[column]) for column in RECORD_COLUMNS])
        yield row
