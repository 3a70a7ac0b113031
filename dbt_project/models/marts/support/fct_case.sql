{#  Open on a day: accepted on it or before, and not closed by then. A case accepted while an earlier one of the same
    person was open is an error of the record, never two people's. #}
with in_order as (
    select
        opened.*,
        as_at.as_at,
        {{ in_force('opened.accepted_on', 'opened.closed_on', 'as_at.as_at') }} as is_in_force,
        least(opened.assessment_completed_on, opened.plan_completed_on) as first_completed_on,
        max(coalesce(opened.closed_on, {{ ends_before('as_at.as_at') }})) over (
            partition by opened.la_code, coalesce(opened.person_id, opened.case_key)
            order by opened.accepted_on, {{ bytewise('opened.case_id') }}
            rows between unbounded preceding and 1 preceding
        ) as earlier_open_until
    from {{ ref('int_case') }} as opened
    inner join {{ ref('int_as_at') }} as as_at
        on as_at.la_code = opened.la_code
),

judged as (
    select
        in_order.*,
        coalesce(is_in_force, false) as is_open,
        case when is_in_force then {{ days_between('accepted_on', 'as_at') }} end as open_days
    from in_order
)

select
    judged.la_code,
    judged.case_key,
    judged.case_id,
    judged.person_id,
    judged.young_persons_id,
    judged.is_on_core_plus,
    judged.district_code,
    judged.owner_service_code,
    referral.referral_key,
    judged.referral_source,
    judged.referred_on,
    judged.accepted_on,
    judged.assessment_completed_on,
    judged.plan_completed_on,
    judged.first_completed_on,
    due.plan_due_on,
    due.plan_due_on_as_accepted,
    case
        when judged.first_completed_on <= due.plan_due_on then true
        when judged.first_completed_on > due.plan_due_on or due.plan_due_on < judged.as_at then false
    end as is_plan_in_time,
    judged.eet_matched_on,
    judged.closed_on,
    judged.closure_reason,
    reason.counts_as as closure_group,
    judged.is_open,
    judged.open_days,
    coalesce(judged.open_days > {{ support_policy('case_long_open_days', 'judged.as_at') }}, false) as is_open_long,
    coalesce(judged.earlier_open_until > judged.accepted_on, false) as is_second_open_case,
    judged.is_stale
from judged
left join {{ ref('int_case_due') }} as due
    on due.la_code = judged.la_code and due.case_key = judged.case_key
left join (
    select la_code, referral_id, referral_key from {{ ref('int_referral') }} where channel = 'MAILBOX'
) as referral
    on referral.la_code = judged.la_code and referral.referral_id = judged.referral_id
{{ join_code('case_closure_reason', 'judged', 'closure_reason', 'reason', 'judged.closed_on') }}
