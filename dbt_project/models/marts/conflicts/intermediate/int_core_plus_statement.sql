{#  What Core+ says of each person and kind, delivery by delivery: of activities the one that int_status_segment would
    take on the day, of everything else the newest; while the person is in the cohort. #}
with piece as (
    select
        claim.*,
        cast(claim.is_base as text) as is_base_only
    from {{ ref('int_core_plus_claim') }} as claim
),

base as (
    select * from piece where is_base = 1
),

said as (
    {{ first_said(
        'piece', ['la_code', 'person_id', 'conflict_kind'],
        ['piece.is_base', 'piece.order_on desc nulls last', 'piece.then_on desc nulls last',
         'piece.last_on desc nulls last', bytewise('piece.order_key') ~ ' desc'],
        ['says', 'activity_code', 'school_number', 'ukprn', 'told_on'],
        ['says', 'activity_code', 'school_number', 'ukprn', 'told_on']) }}
),

-- The cohort of a kind: the time in which the person is there to be spoken of.
present as (
    {{ first_said(
        'base', ['la_code', 'person_id', 'conflict_kind'], ['piece.piece_from_seq'], ['is_base_only'], ['is_base_only']) }}
)

select
    said.la_code,
    said.person_id,
    said.conflict_kind,
    greatest(said.from_seq, present.from_seq) as from_seq,
    least(said.to_seq, present.to_seq) as to_seq,
    said.says,
    said.activity_code,
    said.school_number,
    said.ukprn,
    said.told_on
from said
inner join present
    on present.la_code = said.la_code
    and present.person_id = said.person_id
    and present.conflict_kind = said.conflict_kind
    and said.from_seq < present.to_seq
    and present.from_seq < said.to_seq
