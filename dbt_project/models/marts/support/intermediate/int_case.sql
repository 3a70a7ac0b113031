{#  Cases of the NEET Support Service, dates read. The clock of a case starts when it is accepted. #}
with known as (
    select * from {{ as_known(ref('hist_core_plus_cases')) }} as known
)

select
    known.la_code,
    known.case_id,
    {{ key_of(['known.la_code', "'case'", 'known.case_id']) }} as case_key,
    coalesce(person.person_id, {{ person_key('known.la_code', 'known.young_persons_id') }}) as person_id,
    {{ to_text('known.young_persons_id') }} as young_persons_id,
    person.person_id is not null as is_on_core_plus,
    person.district_code,
    {{ to_text('known.referral_id') }} as referral_id,
    {{ to_date('known.referred_on') }} as referred_on,
    {{ code_form('known.referral_source') }} as referral_source,
    {{ to_date('known.accepted_on') }} as accepted_on,
    {{ to_text('known.owner_service_code') }} as owner_service_code,
    {{ to_date('known.assessment_completed_on') }} as assessment_completed_on,
    {{ to_date('known.plan_completed_on') }} as plan_completed_on,
    {{ to_date('known.eet_matched_on') }} as eet_matched_on,
    {{ to_date('known.closed_on') }} as closed_on,
    {{ code_form('known.closure_reason') }} as closure_reason,
    known.is_stale
from known
{{ join_core_plus('known') }}
