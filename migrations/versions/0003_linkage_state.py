"""What linkage keeps to link only what a change reaches, and whose links changed.

Everything here follows from landing and may be dropped: the next build links from nothing.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = """
create table identity.link_change (
    la_code text not null,
    change_seq bigint generated always as identity,
    person_id text not null,
    known_seq bigint not null,
    primary key (la_code, change_seq)
);
comment on table identity.link_change is
    'Append-only: every person who gained, lost or changed a row of identity.link, and at which known time';

create table identity.seen (
    la_code text not null,
    source_feed text not null,
    source_key text not null,
    row_hash text not null,
    hubs text[] not null,
    primary key (la_code, source_feed, source_key)
);
comment on table identity.seen is 'Records as they were linked last: what has another hash of its row, or none, has changed';
comment on column identity.seen.hubs is 'What ties the record to others: numbers, what it says, namesakes; holds names and birth dates';

-- One index each, in the order in which rows are written: a second one would take longer than all the rest.
create table identity.mention (
    la_code text not null,
    hub text not null,
    source_feed text not null,
    source_key text not null
);
create index on identity.mention (la_code, hub);
comment on table identity.mention is 'Hubs of identity.seen the other way round: who shares one';

alter table identity.content add column blocks text[] not null default '{}';
comment on column identity.content.blocks is
    'Number of a rule (BLOCKS in plugins/neet/identity/model.py) and key, | between: contents that share one are compared';
create table identity.block (
    la_code text not null,
    block text not null,
    content_hash text not null
);
create index on identity.block (la_code, block);
comment on table identity.block is 'Blocks of identity.content the other way round: which contents meet there';

comment on table identity.content is
    'Contents at hand; the flag says which pairs are wanted of them (1: a record with it is not settled, 2: it is on Core+)';
comment on table identity.state is
    'What the links were made with: another model, policy or code links everybody anew, and so does a row that is gone';
"""

GRANTS = """
grant select, insert, update, delete, truncate on identity.link_change, identity.seen, identity.mention, identity.block
    to neet_builder;
grant select on identity.link_change to neet_auditor;
-- Statistics of what was just written, for the joins that follow in the same transaction.
grant maintain on all tables in schema identity to neet_builder;
"""


def upgrade() -> None:
    op.execute(SCHEMA)
    op.execute(GRANTS)
