{#  Which counts each person counts in at each month end: 1 or 0 a measure. int_cohort_count sums it, `neet explain` lists
    it, so that no figure is explained by other conditions than it was counted by. #}
{{ config(materialized='view') }}

with person as (
    select * from {{ ref('int_measured_month') }}
),

band as (
    select * from {{ ref('neet_duration_band') }}
),

weeks as (
    select
        la_code,
        month_end,
        {{ policy('neet_over_06_weeks_days', 'month_end') }} as over_06,
        {{ policy('neet_over_12_weeks_days', 'month_end') }} as over_12,
        {{ policy('neet_over_52_weeks_days', 'month_end') }} as over_52
    from (select distinct la_code, month_end from person) as month_end
)

select
    person.basis,
    person.la_code,
    person.month_end,
    person.person_id,
    coalesce(person.district_code, 'NOT_RECORDED') as district_code,
    person.sen_group,
    coalesce(person.is_vulnerable, false) as is_vulnerable,
    {% for measure in ('cohort', 'neet', 'not_known', 'neet_or_not_known', 'eet', 'participating') %}
    {{ status_measure(measure, 'person.status_bucket', 'person.participation_route') }} as {{ measure }},
    {% endfor %}
    {% for route in ('full_time_education', 'apprenticeship', 'other_education_and_training') %}
    case when person.participation_route = '{{ route | upper }}' then 1 else 0 end as {{ route }},
    {% endfor %}
    {% for weeks in ('06', '12', '52') %}
    case when person.status_bucket = 'NEET' and person.neet_days > weeks.over_{{ weeks }} then 1 else 0 end
        as neet_over_{{ weeks }}_weeks,
    {% endfor %}
    {% for measure in duration_band_measures() %}
    case when person.status_bucket = 'NEET' and band.measure = '{{ measure }}' then 1 else 0 end as {{ measure }}
    {{- ',' if not loop.last }}
    {% endfor %}
from person
inner join weeks
    on weeks.la_code = person.la_code and weeks.month_end = person.month_end
left join band
    on person.status_bucket = 'NEET'
    and (band.more_than_days is null or person.neet_days > band.more_than_days)
    and (band.up_to_days is null or person.neet_days <= band.up_to_days)
