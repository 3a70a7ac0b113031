{#  Who has a transition plan to make: everybody of the year groups that the plan names, in each academic year shown, and
    whoever is flagged as at risk in it. #}
with year as (
    select
        shown.*,
        {{ policy('year_group_below_academic_age', 'shown.academic_year_starts_on') }} as year_group_below_academic_age,
        {{ support_policy('transition_year_group_from', 'shown.academic_year_starts_on') }} as year_group_from,
        {{ support_policy('transition_year_group_to', 'shown.academic_year_starts_on') }} as year_group_to
    from (select distinct la_code, academic_year_starts_on from {{ ref('int_month_end') }}) as shown
),

member as (
    select
        person.la_code,
        person.person_id,
        person.young_persons_id,
        year.academic_year_starts_on,
        {{ academic_age('person.dob', 'year.academic_year_starts_on') }}
            - year.year_group_below_academic_age as year_group,
        year.year_group_from,
        year.year_group_to,
        person.district_code,
        person.owner_service_code,
        person.school_of_origin
    from {{ ref('int_young_person') }} as person
    inner join year
        on year.la_code = person.la_code
    where person.has_lead_responsibility
),

flag as (
    select
        known.la_code,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        {{ to_text('known.academic_year') }} as academic_year,
        {{ to_date('known.flagged_on') }} as flagged_on,
        {{ to_text('known.flagged_by_service_code') }} as flagged_by_service_code,
        {{ code_form('known.risk_factors') }} as risk_factors,
        {{ to_date('known.transition_plan_on') }} as transition_plan_on,
        {{ to_date('known.removed_on') }} as removed_on
    from {{ as_known(ref('hist_core_plus_at_risk')) }} as known
)

select
    member.la_code,
    member.person_id,
    member.young_persons_id,
    {{ year_code('member.academic_year_starts_on') }} as academic_year,
    member.academic_year_starts_on,
    member.year_group,
    member.district_code,
    member.owner_service_code,
    member.school_of_origin,
    flag.flagged_on,
    flag.flagged_by_service_code,
    flag.risk_factors,
    flag.transition_plan_on,
    flag.removed_on
from member
left join flag
    on flag.la_code = member.la_code
    and flag.young_persons_id = member.young_persons_id
    and flag.academic_year = {{ year_code('member.academic_year_starts_on') }}
where member.year_group between member.year_group_from and member.year_group_to
    or flag.young_persons_id is not null
