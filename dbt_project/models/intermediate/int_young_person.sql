{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with person as (
    select * from {{ as_known(ref('hist_core_plus_people')) }} as known
),

authority as (
    select * from {{ ref('la_codes') }}
)

select
    person.la_code,
    {{ person_key('person.la_code', 'person.young_persons_id') }} as person_id,
    person.young_persons_id,
    {{ to_text('person.cohort_status') }} as cohort_status_code,
    {{ to_date('person.cohort_status_on') }} as cohort_status_on,
    {{ to_date('person.cohort_entry_on') }} as cohort_entry_on,
    {{ to_date('person.dob') }} as dob,
    {{ to_text('person.gender') }} as gender_code,
    {{ to_text('person.ethnicity') }} as ethnicity_code,
    {{ to_text('person.district_code') }} as district_code,
    {{ to_text('person.school_of_origin') }} as school_of_origin,
    {{ to_text('person.owner_service_code') }} as owner_service_code,
    case
        when person.send_flag = 'Y' then 'EHCP'
        when person.sen_support_flag = 'Y' then 'SEN_SUPPORT'
        else 'NONE'
    end as sen_group,
    -- Another authority's resident is a secondary registration and is not sent (rule 26). A missing or unknown code
    -- stays in, so that rules 14 and 15 can speak about it.
    coalesce(authority.la_code is null or authority.la_code = person.la_code, true) as has_lead_responsibility,
    person.is_stale,
    person.version_as_at
from person
left join authority
    on authority.la_code = {{ to_text('person.lead_lea') }}
    and authority.kind in ('ENGLISH_LA', 'SERVICE_CHILDREN')
