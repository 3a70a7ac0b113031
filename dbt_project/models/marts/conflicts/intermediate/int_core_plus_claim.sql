{#  Everything Core+ has ever held that another system also speaks about, piece by piece: who, what kind of thing, between
    which deliveries, and what it said. A day that has come since cuts what is dated by it: `due` names whose. #}
{{ config(
    meta={'increment': {'by': 'person', 'grows': ['int_known_day'], 'due': 'int_core_plus_version'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with version as (
    select * from {{ ref('int_core_plus_version') }}
)

select
    la_code,
    person_id,
    conflict_kind,
    is_base,
    piece_from_seq,
    piece_to_seq,
    says,
    order_on,
    then_on,
    last_on,
    order_key,
    activity_code,
    school_number,
    ukprn,
    ends_before as ended_before,
    -- Not to know is no knowledge: whoever says anything at all is newer.
    case when says <> 'NOT_KNOWN' then greatest(order_on, then_on, last_on) end as told_on
from ({{ cut_by_date('version') }}) as piece
