{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with activity as (
    select
        la_code,
        activity_id,
        young_persons_id,
        {{ to_text('activity_code') }} as activity_code,
        {{ to_date('start_on') }} as start_on,
        {{ to_date('end_on') }} as end_on,
        {{ to_date('ascertained_on') }} as ascertained_on,
        {{ to_date('verified_on') }} as verified_on,
        {{ to_date('review_on') }} as review_on,
        {{ to_date('predicted_end_on') }} as predicted_end_on,
        {{ to_date('due_to_lapse_on') }} as recorded_due_to_lapse_on,
        {{ to_date('neet_start_on') }} as recorded_neet_start_on,
        {{ to_text('establishment_number') }} as establishment_number,
        {{ to_text('establishment_name') }} as establishment_name,
        {{ to_text('uk_provider_reference_number') }} as uk_provider_reference_number,
        is_stale,
        version_as_at
    from {{ as_known(ref('hist_core_plus_activities')) }} as known
),

judged as ({{ judged_activities('activity') }})

select
    la_code,
    {{ key_of(['la_code', "'core_plus'", 'activity_id']) }} as activity_spell_id,
    {{ person_key('la_code', 'young_persons_id') }} as person_id,
    activity_id,
    activity_code,
    activity_group,
    status_bucket,
    participation_route,
    is_in_rate_denominator,
    start_on,
    {{ ends_before('end_on') }} as ends_before,
    ascertained_on,
    verified_on,
    review_on,
    predicted_end_on,
    recorded_due_to_lapse_on,
    recorded_neet_start_on,
    lapses_on,
    lapsed_from,
    establishment_number,
    establishment_name,
    uk_provider_reference_number,
    is_stale,
    version_as_at
from judged
