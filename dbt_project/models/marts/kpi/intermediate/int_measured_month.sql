{#  Who is counted, twice over: as it is known now (restated), and as it was in the return (as_submitted). A census build
    counts its own point as submitted: if it is signed, that is what it will be. #}
{{ config(
    meta={'increment': {'by': 'person', 'journal': true}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with restated as (
    select * from {{ ref('fct_cohort_month') }} where is_in_denominator
),

submitted as (
    select cohort.*
    from {{ source('submitted', 'cohort_month') }} as cohort
    inner join {{ ref('int_submission') }} as submission
        on submission.la_code = cohort.la_code and submission.submission_id = cohort.submission_id
    where cohort.is_in_denominator
)

select
    'restated' as basis,
    la_code, month_end, person_id, district_code, sen_group, is_vulnerable, status_bucket, participation_route, neet_days
from restated

{% if is_census() %}
union all

select
    'as_submitted' as basis,
    restated.la_code, restated.month_end, restated.person_id, restated.district_code, restated.sen_group,
    restated.is_vulnerable, restated.status_bucket, restated.participation_route, restated.neet_days
from restated
inner join {{ ref('int_reporting_point') }} as point
    on point.la_code = restated.la_code and point.period_end = restated.month_end
{% endif %}

union all

select
    'as_submitted' as basis,
    submitted.la_code, submitted.period_end, submitted.person_id, submitted.district_code, submitted.sen_group,
    submitted.is_vulnerable, submitted.status_bucket,
    case when submitted.is_participating then code.participation_route end as participation_route,
    submitted.neet_days
from submitted
left join {{ ref('activity_codes') }} as code
    on code.activity_code = submitted.activity_code
    and {{ valid_on('code', 'submitted.period_end') }}
