"""What changed since the last sealed submission, person by person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from neet.census import CensusRun
from neet.rules.workspace import SCHEMA, Prepared, Workspace

COMPARED = (
    "activity_code", "start_date", "date_verified", "due_to_lapse_date", "currency_lapsed",
    "neet_start_date",
)  # fmt: skip


@dataclass(frozen=True)
class PreviousSubmission:
    """The last sealed submission before a census point, as known to the run."""

    submission_id: str
    census_point: str
    known_seq: int


@dataclass(frozen=True)
class Change:
    """A row of ``assurance.submission_change`` without its keys."""

    young_persons_id: str
    change: str
    before_code: str | None
    after_code: str | None
    detail: str | None


def previous_submission(
    connection: psycopg.Connection, run: CensusRun
) -> PreviousSubmission | None:
    """The newest sealed submission of an earlier point that the run's known time has reached."""
    row = connection.execute(
        """select submission_id, census_point, coalesce(known_seq, 0) from ledger.submission
           where la_code = %(la)s and outcome = 'sealed' and census_point < %(point)s
             and delivery_seq <= %(known)s
           order by census_point desc, chain_number desc limit 1""",
        {"la": run.la_code, "point": run.census_point, "known": run.known_seq},
    ).fetchone()
    return PreviousSubmission(*row) if row else None


def _stage_hashes(workspace: Workspace, run: CensusRun, are_needed: bool) -> str:
    """The hash of every record of the return, as a sealed package holds it; none where there is nothing to
    compare them with."""
    from neet.returns.candidate import RECORDS, record_hash

    table = workspace.name("hash")
    workspace.connection.execute(
        f"create unlogged table {SCHEMA}.{table} (record_number bigint, record_sha256 text)"
    )
    if not are_needed:
        return table
    query = sql.SQL(RECORDS).format(schema=sql.Identifier(run.schema_name))
    with workspace.connection.cursor(row_factory=dict_row) as records:
        records.execute(query)
        with (
            workspace.connection.cursor() as cursor,
            cursor.copy(f"copy {SCHEMA}.{table} from stdin") as copy,
        ):
            for record in records:
                copy.write_row((record["record_number"], record_hash(record)))
    return table


def build(
    workspace: Workspace,
    prepared: Prepared,
    run: CensusRun,
    previous: PreviousSubmission | None,
    lists: Mapping[str, tuple[str, ...]],
) -> str:
    """Make the movement table: one row for everyone in the last submission or in this return.

    A record whose PreviousYPIDIdentifier names someone of the last submission is that person under a
    new id. Where an id stands twice its first record is taken; other checks name the rest.

    Returns:
        name of the table within the work schema.
    """

    def listed(name: str) -> str:
        return "(" + ", ".join(sql.Literal(code).as_string(None) for code in lists[name]) + ")"

    active, leaving = listed("active_statuses"), listed("leaver_statuses")
    hashes = f"{SCHEMA}.{_stage_hashes(workspace, run, previous is not None)}"
    submission = sql.Literal(previous.submission_id if previous else None).as_string(None)
    columns = ("cohort_status", "record_sha256", *COMPARED)
    sides = ", ".join(
        f"b.{name} as before_{name}, a.{name} as after_{name}"
        for name in columns
        if name != "cohort_status"
    )
    return workspace.create(
        "movement",
        f"""
        with before as (
            select distinct on (young_persons_id) young_persons_id, {", ".join(columns)}
            from submitted.return_record
            where submission_id = {submission} and young_persons_id is not null
            order by young_persons_id, record_number
        ),
        records as (
            select distinct on (r.young_persons_id) r.young_persons_id, r.previous_ypid_identifier,
                r.cohort_status, h.record_sha256, {", ".join(f"r.{name}" for name in COMPARED)}
            from {prepared.check_relation} r left join {hashes} h on h.record_number = r.record_number
            where r.young_persons_id is not null
            order by r.young_persons_id, r.record_number
        ),
        renamed as (
            select min(r.young_persons_id) as young_persons_id, r.previous_ypid_identifier as former_id
            from records r
            join before p on p.young_persons_id = r.previous_ypid_identifier
            where not exists (select from before b where b.young_persons_id = r.young_persons_id)
                and not exists (select from records s where s.young_persons_id = r.previous_ypid_identifier)
            group by r.previous_ypid_identifier
        ),
        after as (
            select r.*, coalesce(n.former_id, r.young_persons_id) as identity
            from records r left join renamed n on n.young_persons_id = r.young_persons_id
        ),
        person as (
            select coalesce(a.young_persons_id, b.young_persons_id) as young_persons_id,
                case when a.young_persons_id <> b.young_persons_id then b.young_persons_id end as former_id,
                b.cohort_status as before_status, a.cohort_status as after_status, {sides},
                coalesce(b.cohort_status in {active}, false) as was_active,
                coalesce(a.cohort_status in {active}, false) as is_active,
                coalesce(a.cohort_status in {leaving}, false) as is_leaver,
                a.young_persons_id is not null as is_present
            from before b full outer join after a on a.identity = b.young_persons_id
        )
        select *,
            is_active and not was_active as has_joined,
            was_active and is_leaver as has_left,
            was_active and not is_present as has_vanished
        from person""",
    )


def changes(connection: psycopg.Connection, table: str) -> list[Change]:
    """The changes of a movement table, by person and kind.

    joined, left, vanished: who is in. recoded: another activity. lapsed: currency ran out. confirmed:
    verified again since. corrected: the record differs, and none of these says why.
    """
    rows = connection.execute(
        f"""
        with kind as (
            select *,
                was_active and is_active as stayed,
                was_active and is_active
                    and after_activity_code is distinct from before_activity_code as is_recoded,
                was_active and is_active and after_currency_lapsed = 'Y'
                    and before_currency_lapsed is distinct from 'Y' as has_lapsed,
                was_active and is_active and coalesce(after_date_verified > before_date_verified, false)
                    as is_confirmed
            from {SCHEMA}.{table}
        )
        select young_persons_id, change, before_code, after_code, detail from (
            select young_persons_id, 'joined' as change, before_status as before_code,
                after_status as after_code, after_activity_code as detail from kind where has_joined
            union all
            select young_persons_id, 'left', before_status, after_status, before_activity_code
                from kind where has_left
            union all
            select young_persons_id, 'vanished', before_status, null, before_activity_code
                from kind where has_vanished
            union all
            select young_persons_id, 'recoded', before_activity_code, after_activity_code,
                'began ' || coalesce(after_start_date, 'blank') from kind where is_recoded
            union all
            select young_persons_id, 'lapsed', before_currency_lapsed, after_currency_lapsed,
                'due ' || coalesce(after_due_to_lapse_date, 'blank') from kind where has_lapsed
            union all
            select young_persons_id, 'confirmed', before_date_verified, after_date_verified,
                after_activity_code from kind where is_confirmed
            union all
            select young_persons_id, 'corrected', before_status, after_status, concat_ws(', ',
                case when former_id is not null then 'id was ' || former_id end,
                case when after_status is distinct from before_status then 'CohortStatus' end,
                case when after_start_date is distinct from before_start_date then 'StartDate' end,
                case when after_neet_start_date is distinct from before_neet_start_date
                    then 'NEETStartDate' end,
                case when after_date_verified is distinct from before_date_verified then 'DateVerified' end,
                case when after_due_to_lapse_date is distinct from before_due_to_lapse_date
                    then 'DueToLapseDate' end)
                from kind
                where stayed and not is_recoded and not has_lapsed and not is_confirmed
                    and after_record_sha256 is distinct from before_record_sha256
        ) as change
        order by young_persons_id collate "C", change collate "C" """
    ).fetchall()
    return [Change(*row[:4], row[4] or None) for row in rows]
