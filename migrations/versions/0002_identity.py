"""Who a record of another system is about: what linkage works with and what it found.

dbt reads ``identity.link``; Python writes it. Everything here follows from landing and may be dropped.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = """
create schema identity authorization neet_owner;
comment on schema identity is 'Linkage: scored pairs, links and the queue; follows from landing, never edited';

create table identity.link (
    la_code text not null,
    source_feed text not null,
    source_key text not null,
    person_id text not null,
    young_persons_id text,
    method text not null,
    score numeric(8, 3),
    status text not null check (status in ('linked', 'queued', 'alone')),
    evidence text not null,
    model_version text not null,
    decision_id text,
    content_hash text not null,
    primary key (la_code, source_feed, source_key)
);
comment on column identity.link.score is 'Match weight: log2 of the odds that both are one person; empty for exact keys';
comment on column identity.link.content_hash is 'Hash of what the record says about the person';

create table identity.candidate (
    la_code text not null,
    source_feed text not null,
    source_key text not null,
    candidate_rank integer not null,
    candidate_feed text not null,
    candidate_key text not null,
    method text not null,
    score numeric(8, 3),
    reason text not null,
    evidence text not null,
    model_version text not null,
    primary key (la_code, source_feed, source_key, candidate_rank)
);
comment on table identity.candidate is 'What a person must decide: records whose best matches are not sure';

create table identity.core_plus_duplicate (
    la_code text not null,
    young_persons_id text not null,
    other_young_persons_id text not null,
    method text not null,
    score numeric(8, 3),
    evidence text not null,
    model_version text not null,
    primary key (la_code, young_persons_id, other_young_persons_id)
);
comment on table identity.core_plus_duplicate is 'Two Core+ records that look like one person: for MI to settle in Core+';

create table identity.content (
    la_code text not null,
    content_hash text not null,
    flag smallint not null,
    primary key (la_code, content_hash)
);
comment on table identity.content is 'Contents whose pairs have been scored; the flag says which pairs were wanted';

create table identity.pair (
    la_code text not null,
    left_hash text not null,
    right_hash text not null,
    score numeric(8, 3) not null,
    levels text not null,
    primary key (la_code, left_hash, right_hash)
);
create index on identity.pair (la_code, right_hash);
comment on table identity.pair is 'Scored pairs of contents: a score depends on the two contents and the model, on nothing else';

create table identity.crowded_block (
    la_code text not null,
    rule text not null,
    block_key text not null,
    content_count bigint not null,
    primary key (la_code, rule, block_key)
);
comment on table identity.crowded_block is 'Blocks too large to compare; their records meet by other rules only';

create table identity.ruling (
    la_code text not null,
    decision_id text not null,
    state text not null check (state in ('in_force', 'superseded', 'undone', 'overruled')),
    reason text not null,
    primary key (la_code, decision_id)
);
comment on table identity.ruling is 'Whether each decision on identities is in force, and why';

create table identity.state (
    la_code text primary key,
    fingerprint text not null,
    known_seq bigint not null,
    detail jsonb not null
);
comment on table identity.state is 'What the scored pairs were made with; anything else makes them anew';
"""

GRANTS = """
grant usage on schema identity to neet_builder, neet_auditor;
grant select, insert, update, delete, truncate on all tables in schema identity to neet_builder;
grant select on identity.link, identity.candidate, identity.core_plus_duplicate, identity.crowded_block, identity.ruling,
    identity.state
    to neet_auditor;
"""


def upgrade() -> None:
    op.execute(SCHEMA)
    op.execute(GRANTS)
