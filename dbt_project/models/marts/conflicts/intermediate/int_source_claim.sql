{#  What the other systems have said, piece by piece: between which deliveries it stood. A day that has come since cuts what
    is dated by it: `due` names whose. #}
{{ config(
    meta={'increment': {'by': 'person', 'grows': ['int_known_day'], 'due': 'int_source_version'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with row_said as (
    select * from {{ ref('int_source_version') }}
)

select
    la_code,
    person_id,
    conflict_kind,
    source_feed,
    source_key,
    piece_from_seq,
    piece_to_seq,
    says,
    said_on,
    -- What a system said of a day still to come was told when the day came.
    greatest(told_on, said_on) as told_on,
    activity_code,
    school_number,
    ukprn
from ({{ cut_by_date('row_said') }}) as piece
