{#  Everybody who counts at the month reported, with the month end by which what is known of them lapses. #}
{{ config(
    meta={'increment': {'by': 'person', 'journal': true}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
select
    cohort.la_code,
    cohort.month_end,
    cohort.person_id,
    coalesce(cohort.district_code, 'NOT_RECORDED') as district_code,
    coalesce(cohort.owner_service_code, 'NOT_RECORDED') as owner_service_code,
    {{ provider_code('activity') }} as provider_code,
    case when cohort.status_bucket = 'NOT_KNOWN' then 1 else 0 end as is_not_known,
    lapse.forecast_month_end as lapses_by
from {{ ref('fct_cohort_month') }} as cohort
inner join {{ ref('int_reporting_point') }} as point
    on point.la_code = cohort.la_code and point.period_end = cohort.month_end
left join {{ ref('int_activity_spell') }} as activity
    on activity.la_code = cohort.la_code and activity.activity_spell_id = cohort.activity_spell_id
left join {{ ref('fct_currency_lapse') }} as lapse
    on lapse.la_code = cohort.la_code and lapse.person_id = cohort.person_id
where cohort.is_in_denominator
