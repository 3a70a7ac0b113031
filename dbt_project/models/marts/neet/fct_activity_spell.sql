{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
select
    la_code,
    activity_spell_id,
    person_id,
    activity_id,
    activity_code,
    activity_group,
    status_bucket,
    participation_route,
    start_on,
    ends_before,
    ascertained_on,
    verified_on,
    review_on,
    predicted_end_on,
    recorded_due_to_lapse_on,
    lapses_on,
    recorded_neet_start_on,
    establishment_number,
    uk_provider_reference_number,
    is_stale
from {{ ref('int_activity_spell') }}
