{#  Who becomes not known in the coming months because nobody confirms what they do: everybody who counts at the month
    reported and whose activity lapses by one of the next month ends. It is the status of that day read off the segments
    that are known now, so an activity that ends, or one that is planned to follow, is taken into account. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with horizon as {{ forecast_months() }},

-- Whoever counts now, not known people apart: they cannot become it.
present as (
    select cohort.*
    from {{ ref('fct_cohort_month') }} as cohort
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = cohort.la_code and point.period_end = cohort.month_end
    where cohort.is_in_denominator and cohort.status_bucket <> 'NOT_KNOWN'
),

lapsing as (
    select
        present.la_code,
        present.month_end,
        present.person_id,
        present.young_persons_id,
        present.district_code,
        present.owner_service_code,
        present.year_group,
        horizon.forecast_month_end,
        segment.activity_spell_id,
        row_number() over (
            partition by present.la_code, present.person_id order by horizon.forecast_month_end
        ) as number_of_month
    from present
    inner join horizon
        on horizon.la_code = present.la_code and horizon.period_end = present.month_end
    inner join {{ ref('int_status_segment') }} as segment
        on segment.la_code = present.la_code
        and segment.person_id = present.person_id
        and {{ in_force('segment.starts_on', 'segment.ends_before', 'horizon.forecast_month_end') }}
    where segment.is_lapsed
)

select
    lapsing.la_code,
    lapsing.month_end,
    lapsing.person_id,
    lapsing.forecast_month_end,
    lapsing.young_persons_id,
    lapsing.district_code,
    lapsing.owner_service_code,
    lapsing.year_group,
    activity.activity_spell_id,
    activity.activity_code,
    activity.verified_on,
    activity.lapses_on,
    {{ provider_code('activity') }} as provider_code,
    activity.establishment_name as provider_name
from lapsing
inner join {{ ref('int_activity_spell') }} as activity
    on activity.la_code = lapsing.la_code and activity.activity_spell_id = lapsing.activity_spell_id
where lapsing.number_of_month = 1
