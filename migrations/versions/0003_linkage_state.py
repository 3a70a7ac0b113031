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
    content_hash text not null,
    primary key (la_code, source_feed, source_key)
);
create index on identity.seen (la_code, content_hash);
comment on table identity.seen is 'Records as they were linked last: one with another hash, or none, has changed';

create table identity.mention (
    la_code text not null,
    source_feed text not null,
    source_key text not null,
    hub text not null,
    primary key (la_code, source_feed, source_key, hub)
);
create index on identity.mention (la_code, hub);
comment on table identity.mention is
    'What connects records: numbers, agreement in everything, namesakes; holds names and birth dates';

create table identity.block (
    la_code text not null,
    content_hash text not null,
    rule text not null,
    block_key text not null,
    primary key (la_code, rule, block_key, content_hash)
);
create index on identity.block (la_code, content_hash);
comment on table identity.block is 'Which contents meet: those that share a key of a rule, unless the block is crowded';

comment on table identity.content is
    'Contents at hand; the flag says which pairs are wanted of them (1: somebody with it is not settled, 2: it is on Core+)';
comment on table identity.state is
    'What the links were made with: another model, policy or code links everybody anew';
"""

GRANTS = """
grant select, insert, update, delete, truncate on identity.link_change, identity.seen, identity.mention, identity.block
    to neet_builder;
grant select on identity.link_change to neet_auditor;
"""


def upgrade() -> None:
    op.execute(SCHEMA)
    op.execute(GRANTS)
