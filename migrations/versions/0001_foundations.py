"""Schemas, grants and the tables that dbt does not own.

Landing is the truth (design rule 6): every table here can be dropped and replayed from it.
"""

from alembic import op

revision = "0001"
down_revision = None

SCHEMAS = """
create schema control authorization neet_owner;
create schema raw authorization neet_owner;
create schema assurance authorization neet_owner;
create schema ledger authorization neet_owner;
create schema submitted authorization neet_owner;
create schema gate_work authorization neet_owner;
comment on schema control is 'Deliveries, rejects, decisions, builds: what was received and what became of it';
comment on schema raw is 'Append-only: only the rows each accepted delivery changed';
comment on schema assurance is 'Check results, failing rows and gate decisions, one set a census run';
comment on schema ledger is 'The chain of sealed submissions';
comment on schema submitted is 'The slices of each sealed package: what as_submitted means';
comment on schema gate_work is 'Scratch tables of a running gate';
"""

TABLES = """
create table control.delivery (
    delivery_id text primary key,
    la_code text not null,
    feed text not null,
    provider text not null,
    period text not null,
    as_at date,
    mode text not null check (mode in ('snapshot', 'delta', 'event', 'decision')),
    file_name text not null,
    file_sha256 text not null,
    file_bytes bigint not null,
    landing_path text not null unique,
    received_at timestamptz not null,
    status text not null check (status in ('received', 'accepted', 'duplicate', 'held', 'refused')),
    status_reason text,
    accepted_at timestamptz,
    delivery_seq bigint unique,
    contract_version text,
    rows_in bigint not null default 0,
    rows_loaded bigint not null default 0,
    rows_unchanged bigint not null default 0,
    rows_rejected bigint not null default 0,
    rows_closed bigint not null default 0,
    closures_held boolean not null default false,
    duplicate_of text references control.delivery,
    warnings jsonb not null default '[]',
    constraint accepted_has_sequence check ((status = 'accepted') = (delivery_seq is not null)),
    constraint accepted_has_time check ((delivery_seq is null) = (accepted_at is null)),
    constraint rows_conserved check (
        status <> 'accepted' or rows_in = rows_loaded + rows_unchanged + rows_rejected)
);
create index on control.delivery (la_code, feed, provider, period, delivery_seq);

create table control.reject (
    delivery_id text not null references control.delivery on delete cascade,
    la_code text not null,
    reject_number integer not null,
    line_number bigint not null,
    row_key text,
    column_name text,
    value text,
    rule text not null,
    reason text not null,
    row_text text not null,
    primary key (delivery_id, reject_number)
);
comment on column control.reject.line_number is 'Line of the file on which the row begins, the header being 1';

create table control.decision (
    decision_id text primary key references control.delivery (delivery_id),
    la_code text not null,
    delivery_seq bigint not null unique,
    kind text not null,
    subject text not null,
    decided_by text not null,
    decided_at timestamptz not null,
    reason text not null,
    body jsonb not null
);
create index on control.decision (la_code, kind, subject);
comment on table control.decision is 'What people and gates decided: a delivery like any other (design rule 6)';

create table control.build (
    build_id bigint generated always as identity primary key,
    lineage text not null check (lineage in ('live', 'census')),
    la_code text,
    census_point text,
    schema_name text,
    known_seq bigint not null,
    code_version text not null,
    seed_fingerprint text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    status text not null default 'running' check (status in ('running', 'built', 'published', 'failed')),
    detail jsonb
);

create table assurance.census_run (
    run_id text primary key,
    la_code text not null,
    census_point text not null,
    period_end date not null,
    known_seq bigint not null,
    known_at timestamptz not null,
    schema_name text not null,
    pack_version text not null,
    code_version text not null,
    created_at timestamptz not null default now()
);

create table assurance.check_result (
    decision_id text not null references control.decision,
    run_id text not null,
    la_code text not null,
    census_point text not null,
    known_seq bigint not null,
    suite text not null,
    check_id text not null,
    priority integer,
    blocks boolean not null,
    status text not null check (status in ('passed', 'failed', 'waived', 'not_applicable', 'could_not_run')),
    failed_count bigint,
    checked_count bigint,
    observed text,
    threshold text,
    protects text not null,
    owner_service text not null,
    reason text not null,
    how_to_mend text not null,
    error text,
    primary key (decision_id, suite, check_id)
);

create table assurance.check_failure (
    decision_id text not null references control.decision,
    run_id text not null,
    la_code text not null,
    census_point text not null,
    suite text not null,
    check_id text not null,
    failure_number integer not null,
    young_persons_id text,
    record_number bigint,
    field text,
    value text,
    detail text,
    primary key (decision_id, suite, check_id, failure_number)
);

create table assurance.gate_decision (
    decision_id text primary key references control.decision,
    run_id text not null,
    la_code text not null,
    census_point text not null,
    known_seq bigint not null,
    outcome text not null check (outcome in ('passed', 'blocked', 'signed', 'refused', 'not_sent')),
    payload_sha256 text,
    decided_by text not null,
    answered_by text,
    decided_at timestamptz not null,
    reason text not null,
    rules_run integer,
    rules_failed integer,
    rules_waived integer,
    rules_not_applicable integer,
    rules_could_not_run integer,
    inputs jsonb not null,
    delivery_seq bigint not null
);

create table assurance.submission_change (
    decision_id text not null references control.decision,
    run_id text not null,
    la_code text not null,
    census_point text not null,
    young_persons_id text not null,
    change text not null check (change in ('joined', 'left', 'vanished', 'recoded', 'lapsed', 'confirmed', 'corrected')),
    before_code text,
    after_code text,
    detail text,
    primary key (decision_id, young_persons_id, change)
);
comment on table assurance.submission_change is 'What differs from the last sealed submission, one row a person and kind of change';

create table ledger.submission (
    submission_id text primary key,
    la_code text not null,
    census_point text not null,
    outcome text not null check (outcome in ('sealed', 'not_sent')),
    chain_number integer not null,
    previous_submission_id text references ledger.submission,
    package_path text,
    payload_sha256 text,
    manifest_sha256 text,
    known_seq bigint,
    signed_by text not null,
    sealed_at timestamptz not null,
    delivery_seq bigint not null unique,
    decision_id text not null references control.decision,
    unique (la_code, chain_number)
);

create table submitted.cohort_month (
    submission_id text not null references ledger.submission,
    la_code text not null,
    census_point text not null,
    period_end date not null,
    person_id text not null,
    young_persons_id text not null,
    cohort_status_code text,
    academic_age integer,
    district_code text,
    school_of_origin text,
    sen_group text,
    is_vulnerable boolean,
    activity_code text,
    status_bucket text,
    is_lapsed boolean,
    is_participating boolean,
    is_in_denominator boolean,
    is_measured boolean,
    neet_days integer,
    primary key (submission_id, person_id)
);

create table submitted.kpi_value (
    submission_id text not null references ledger.submission,
    la_code text not null,
    census_point text not null,
    kpi_id text not null,
    period_code text not null,
    area_type text not null,
    area_code text not null,
    group_code text not null,
    numerator numeric,
    denominator numeric,
    value numeric,
    target numeric,
    rag text,
    primary key (submission_id, kpi_id, period_code, area_type, area_code, group_code)
);

create table submitted.return_record (
    submission_id text not null references ledger.submission,
    la_code text not null,
    census_point text not null,
    record_number integer not null,
    young_persons_id text,
    cohort_status text,
    activity_code text,
    start_date text,
    date_verified text,
    due_to_lapse_date text,
    currency_lapsed text,
    neet_start_date text,
    record_sha256 text not null,
    primary key (submission_id, record_number)
);
"""

GRANTS = """
grant connect on database {database} to neet_loader, neet_builder, neet_gate, neet_bi, neet_auditor;
grant create, temporary on database {database} to neet_builder;
grant temporary on database {database} to neet_loader, neet_gate;

grant usage on schema control, raw to neet_loader;
grant select, insert, update on all tables in schema control to neet_loader;
revoke insert, update on control.build from neet_loader;
alter default privileges in schema raw grant select, insert on tables to neet_loader;

grant usage on schema control, raw, assurance, ledger, submitted to neet_builder;
grant select on all tables in schema control, assurance, ledger, submitted to neet_builder;
grant insert, update on control.build to neet_builder;
alter default privileges in schema raw grant select on tables to neet_builder;

grant usage on schema control, raw, assurance, ledger, submitted to neet_gate;
grant usage, create on schema gate_work to neet_gate;
grant select on all tables in schema control, assurance, ledger, submitted to neet_gate;
grant insert on all tables in schema assurance, ledger, submitted to neet_gate;
grant insert, update on assurance.census_run to neet_gate;
grant insert on control.delivery, control.decision to neet_gate;
grant insert, update on control.build to neet_gate;

grant usage on schema control, raw, assurance, ledger, submitted to neet_auditor;
grant select on all tables in schema control, assurance, ledger, submitted to neet_auditor;
alter default privileges in schema raw grant select on tables to neet_auditor;
"""

# What the builder makes is readable by those who judge it, never by BI, which sees published_internal only.
BUILDER_DEFAULTS = """
create schema published_store authorization neet_owner;
create schema published_internal authorization neet_owner;
comment on schema published_store is 'The rows of the published build; read through published_internal';
comment on schema published_internal is 'What BI reads: one consistent build, chosen by a pointer that is moved last';
grant usage, create on schema published_store, published_internal to neet_builder;
grant usage on schema published_internal to neet_bi, neet_auditor;
"""


def upgrade() -> None:
    op.execute(SCHEMAS)
    op.execute(TABLES)
    database = op.get_bind().exec_driver_sql("select current_database()").scalar()
    op.execute(GRANTS.format(database=f'"{database}"'))
    op.execute(BUILDER_DEFAULTS)
