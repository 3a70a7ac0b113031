"""The ledger of the live lineage: what each table was made from, and whose rows changed.

Everything here follows from the live tables and may be emptied: the next build then makes every table anew.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = """
create schema increments authorization neet_owner;
comment on schema increments is 'What each live table was made from; follows from the live tables, holds no record of anything';

create sequence increments.model_stamp;
comment on sequence increments.model_stamp is 'Order of everything written to increments.model_state; never a time';

create table increments.model_state (
    model text primary key,
    ran_at bigint not null,
    changed_at bigint not null,
    full_at bigint not null,
    fingerprint text,
    content text,
    known_seq bigint,
    mode text not null,
    reason text,
    people bigint,
    rows_written bigint,
    mark text
);
comment on table increments.model_state is
    'One row a table of the live lineage, a seed (seed:), a source (source:) or a data test (test:), written in the transaction '
    'that wrote its rows. A model is up to date while no upstream has changed_at later than its own ran_at';
comment on column increments.model_state.ran_at is 'Stamp drawn before the model last read what it is made from';
comment on column increments.model_state.changed_at is 'Stamp of the last run after which its rows were other rows';
comment on column increments.model_state.full_at is
    'Whose rows changed is known (increments.touched_person) only for changes with a later stamp than this';
comment on column increments.model_state.fingerprint is 'Hash of its SQL without run values, its configuration and the increment macros';
comment on column increments.model_state.content is 'Hash of its rows, where a rebuild is compared with what stood there before';
comment on column increments.model_state.known_seq is 'Deliveries up to this one are in it';
comment on column increments.model_state.mode is 'What was done last: full, rebuilt, same (rebuilt, and equal) or increment';
comment on column increments.model_state.reason is 'Why';
comment on column increments.model_state.people is 'People looked at again by the last increment';
comment on column increments.model_state.rows_written is 'Rows deleted and inserted by the last run';
comment on column increments.model_state.mark is 'Where a model that changes with the calendar had come to';

create table increments.touched_person (
    model text not null,
    stamp bigint not null,
    la_code text not null,
    person_id text not null,
    primary key (model, stamp, la_code, person_id)
);
comment on table increments.touched_person is
    'Whose rows in a model were changed by its run of this stamp: exactly those rows of the table that differ from before belong '
    'to these people. Kept while stamp > full_at of the model; older ones are deleted';

create table increments.core_plus_person (
    la_code text not null,
    person_id text not null,
    young_persons_id text not null,
    primary key (la_code, person_id)
);
comment on table increments.core_plus_person is 'The Core+ number that each person_id is the hash of, to find their rows in histories';
"""

# Seeds must be loaded once more, for the ledger to know them.
GRANTS = """
grant usage on schema increments to neet_builder, neet_auditor, neet_gate;
grant usage, select on sequence increments.model_stamp to neet_builder;
grant select, insert, update, delete, truncate on increments.model_state, increments.touched_person, increments.core_plus_person
    to neet_builder;
grant select on increments.model_state, increments.touched_person to neet_auditor, neet_gate;
"""


def upgrade() -> None:
    op.execute(SCHEMA)
    op.execute(GRANTS)
