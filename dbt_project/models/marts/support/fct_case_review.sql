{#  Reviews of a person. AP-REVIEW: NEET people of a month end of fct_cohort_month who have a row of that month here with
    has_next_step (docs/support-marts.md has the query). #}
with review as (
    select
        known.*,
        {{ code_form('known.review_kind') }} as kind,
        {{ code_form('known.allocated_action') }} as action,
        {{ to_date('known.reviewed_on') }} as on_day,
        {{ to_date('known.follow_up_on') }} as follow_up
    from {{ as_known(ref('hist_core_plus_case_reviews')) }} as known
),

in_order as (
    select
        review.*,
        max(on_day) over (partition by la_code, young_persons_id) as last_reviewed_on
    from review
)

select
    in_order.la_code,
    {{ key_of(['in_order.la_code', "'review'", 'in_order.review_id']) }} as review_key,
    in_order.review_id,
    coalesce(person.person_id, {{ person_key('in_order.la_code', 'in_order.young_persons_id') }}) as person_id,
    {{ to_text('in_order.young_persons_id') }} as young_persons_id,
    person.person_id is not null as is_on_core_plus,
    opened.case_key,
    in_order.on_day as reviewed_on,
    {{ month_end('in_order.on_day') }} as reviewed_month_end,
    in_order.kind as review_kind,
    kind.counts_as as review_group,
    coalesce(kind.counts_as = 'SEND_DISCUSSION', false) as is_send_discussion,
    in_order.action as action_code,
    in_order.follow_up as follow_up_on,
    (in_order.action is not null or in_order.follow_up is not null) as has_next_step,
    coalesce(in_order.follow_up < as_at.as_at
        and in_order.on_day = in_order.last_reviewed_on, false) as is_follow_up_overdue,
    {{ to_text('in_order.reviewing_service_code') }} as reviewing_service_code,
    in_order.is_stale
from in_order
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = in_order.la_code
{{ join_core_plus('in_order') }}
left join {{ ref('int_case') }} as opened
    on opened.la_code = in_order.la_code and opened.case_id = {{ to_text('in_order.case_id') }}
{{ join_code('case_review_kind', 'in_order', 'kind', 'kind', 'in_order.on_day') }}
