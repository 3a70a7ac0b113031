{#  Every version of every person that has been known. Validity is the date of the extract that first said so: Core+ does
    not date its changes. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with version as (
    select
        known.*,
        lead(version_as_at) over (partition by la_code, young_persons_id order by known_from_seq) as next_as_at,
        row_number() over (partition by la_code, young_persons_id order by known_from_seq desc) = 1 as is_newest
    from {{ as_known(ref('hist_core_plus_people'), versions='all') }} as known
)

select
    la_code,
    {{ person_key('la_code', 'young_persons_id') }} as person_id,
    known_from_seq,
    young_persons_id,
    version_as_at as valid_from,
    next_as_at as valid_to,
    is_newest and not is_deleted as is_current,
    is_stale,
    {{ to_text('given_name') }} as given_name,
    {{ to_text('middle_name') }} as middle_name,
    {{ to_text('family_name') }} as family_name,
    {{ to_date('dob') }} as dob,
    {{ to_text('gender') }} as gender_code,
    {{ to_text('ethnicity') }} as ethnicity_code,
    {{ to_text('postcode') }} as postcode,
    {{ to_text('unique_learner_no') }} as unique_learner_no,
    {{ to_text('unique_pupil_number') }} as unique_pupil_number,
    {{ to_text('cohort_status') }} as cohort_status_code,
    {{ to_date('cohort_status_on') }} as cohort_status_on,
    {{ to_date('cohort_entry_on') }} as cohort_entry_on,
    {{ to_text('lead_lea') }} as lead_la_code,
    {{ to_text('educated_lea') }} as educated_la_code,
    {{ to_text('district_code') }} as district_code,
    {{ to_text('school_of_origin') }} as school_of_origin,
    {{ to_text('owner_service_code') }} as owner_service_code,
    {{ to_text('level_of_need_code') }} as level_of_need_code,
    send_flag = 'Y' as has_ehc_plan,
    sen_support_flag = 'Y' as has_sen_support
from version
where not is_deleted
