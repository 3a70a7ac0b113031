{#  What the department answers about a return, beside the submission it answers and what was sent of the person. #}
with feedback as (
    select
        known.la_code,
        known.row_key,
        {{ to_date('known.period_end') }} as period_end,
        {{ code_form('known.feedback_kind') }} as feedback_kind,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        {{ to_text('known.rule_id') }} as rule_id,
        {{ to_text('known.detail') }} as detail,
        {{ to_text('known.other_la_code') }} as other_la_code,
        {{ to_date('known.claimant_since') }} as claimant_since,
        known.version_as_at,
        known.known_from
    from {{ as_known(ref('hist_nccis_feedback')) }} as known
)

select
    feedback.la_code,
    {{ key_of(['feedback.la_code', "'feedback'", 'feedback.row_key']) }} as feedback_key,
    feedback.period_end,
    {{ month_code('feedback.period_end') }} as census_point,
    feedback.feedback_kind,
    feedback.young_persons_id,
    person.person_id,
    person.person_id is not null as is_on_core_plus,
    person.owner_service_code,
    feedback.rule_id,
    feedback.detail,
    feedback.other_la_code,
    feedback.claimant_since,
    submission.submission_id,
    sent.young_persons_id is not null as was_in_return,
    sent.cohort_status as sent_cohort_status,
    sent.activity_code as sent_activity_code,
    present.cohort_status_code as present_cohort_status,
    present.activity_code as present_activity_code,
    coalesce(sent.activity_code <> present.activity_code or sent.cohort_status <> present.cohort_status_code, false)
        as is_changed_since,
    feedback.known_from
from feedback
{{ join_core_plus('feedback') }}
left join {{ ref('int_submission') }} as submission
    on submission.la_code = feedback.la_code
    and submission.census_point = {{ month_code('feedback.period_end') }}
-- A person returned twice is one row here: that is what a duplicate is about.
left join (
    select la_code, submission_id, young_persons_id, max(cohort_status) as cohort_status, max(activity_code) as activity_code
    from {{ source('submitted', 'return_record') }}
    group by la_code, submission_id, young_persons_id
) as sent
    on sent.la_code = submission.la_code
    and sent.submission_id = submission.submission_id
    and sent.young_persons_id = feedback.young_persons_id
left join {{ ref('int_person_month') }} as present
    on present.la_code = feedback.la_code
    and present.person_id = person.person_id
    and present.month_end = feedback.period_end
