{#  What Core+ says of each person and kind, delivery by delivery: of activities the one that int_status_segment would
    take on the day, of everything else the newest; while the person is in the cohort. #}
{{ config(meta={'increment': {'by': 'person'}}, indexes=[{'columns': ['la_code', 'person_id']}]) }}
select
    la_code,
    person_id,
    conflict_kind,
    from_seq,
    to_seq,
    says,
    activity_code,
    school_number,
    ukprn,
    told_on
from (
    {{ first_said(
        ref('int_core_plus_claim'), ['la_code', 'person_id', 'conflict_kind'],
        ['piece.is_base', 'piece.order_on desc nulls last', 'piece.then_on desc nulls last',
         'piece.last_on desc nulls last', bytewise('piece.order_key') ~ ' desc'],
        ['says', 'activity_code', 'school_number', 'ukprn', 'told_on'],
        ['says', 'activity_code', 'school_number', 'ukprn', 'told_on'],
        needs='is_base') }}
) as said
