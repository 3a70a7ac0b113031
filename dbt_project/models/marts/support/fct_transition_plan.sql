{#  Whether a young person of Years 11 and 12, or one flagged as at risk, is on the way to a place: account, applications,
    offers, ranks, the school's guarantee and the plan. Empty where nobody delivered anything for the year. #}
with factor as (
    select
        la_code,
        person_id,
        academic_year,
        cast(max(stated_count) as integer) as risk_factor_count,
        cast(max(stated_count) - count(code) as integer) as unknown_factor_count,
        {{ comma_list('case when is_nameable then code end') }} as risk_factors
    from {{ ref('int_risk_factor') }}
    group by la_code, person_id, academic_year
),

attendance as (
    select
        la_code,
        person_id,
        academic_year,
        cast(sum(sessions_possible) as integer) as sessions_possible,
        cast(sum(absent_sessions) as integer) as absent_sessions
    from {{ ref('fct_attendance_term') }}
    group by la_code, person_id, academic_year
)

select
    member.la_code,
    member.person_id,
    member.academic_year,
    member.young_persons_id,
    member.year_group,
    member.district_code,
    member.owner_service_code,
    member.school_of_origin,
    member.flagged_on is not null and (member.removed_on is null or member.removed_on > as_at.as_at) as is_at_risk,
    member.flagged_on as at_risk_flagged_on,
    member.removed_on as at_risk_removed_on,
    member.flagged_by_service_code,
    factor.risk_factor_count,
    factor.unknown_factor_count,
    factor.risk_factors,
    choices.account_count is not null as has_account,
    choices.code_issued_on,
    choices.activated_on,
    choices.activated_on is not null as is_account_activated,
    choices.event_attended_on,
    coalesce(choices.application_count, 0) as application_count,
    coalesce(choices.offer_count, 0) as offer_count,
    coalesce(choices.ranked_offer_count, 0) as ranked_offer_count,
    choices.first_offered_on,
    offer.offer_status as school_offer_status,
    offer.offer_category as school_offer_category,
    offer.status_on as school_offer_on,
    coalesce(offer.offer_category = 'OFFER_MADE', false) or coalesce(choices.offer_count, 0) > 0 as has_offer,
    least(member.transition_plan_on, choices.plan_agreed_on) as plan_agreed_on,
    coalesce(member.transition_plan_on, choices.plan_agreed_on) is not null as has_plan,
    census.is_fsm_eligible,
    census.sen_provision as census_sen_provision,
    attendance.sessions_possible,
    attendance.absent_sessions,
    attendance.sessions_possible > 0
        and attendance.absent_sessions >= attendance.sessions_possible
            * {{ support_policy('persistent_absence_share', 'member.academic_year_starts_on', 'numeric') }}
        as is_persistently_absent
from {{ ref('int_transition_person') }} as member
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = member.la_code
left join factor
    on factor.la_code = member.la_code
    and factor.person_id = member.person_id
    and factor.academic_year = member.academic_year
left join {{ ref('int_kent_choices') }} as choices
    on choices.la_code = member.la_code
    and choices.person_id = member.person_id
    and choices.academic_year = member.academic_year
left join {{ ref('int_school_offer') }} as offer
    on offer.la_code = member.la_code
    and offer.person_id = member.person_id
    and offer.academic_year = member.academic_year
left join {{ ref('int_census_pupil') }} as census
    on census.la_code = member.la_code and census.person_id = member.person_id
left join attendance
    on attendance.la_code = member.la_code
    and attendance.person_id = member.person_id
    and attendance.academic_year = member.academic_year
