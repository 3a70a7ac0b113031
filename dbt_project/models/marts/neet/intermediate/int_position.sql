{#  Who is counted at each position: at a month end as known now, or in one sealed return, and in what. Of submissions every
    sealed one is here, not only the newest of its point, so that any two can be compared. #}
{{ config(materialized='view', meta={'increment': {'by': 'person'}}) }}

select
    la_code,
    census_point as position_id,
    person_id,
    young_persons_id,
    coalesce(district_code, 'NOT_RECORDED') as district_code,
    coalesce(sen_group, '') as sen_group,
    coalesce(is_vulnerable, false) as is_vulnerable,
    activity_code,
    coalesce(is_lapsed, false) as is_lapsed,
    {% for measure in movement_measures() %}
    {{ status_measure(measure, 'status_bucket', 'participation_route') }} as {{ measure }}
    {{- ',' if not loop.last }}
    {% endfor %}
from {{ ref('fct_cohort_month') }}
where is_in_denominator

union all

select
    la_code,
    submission_id,
    person_id,
    young_persons_id,
    coalesce(district_code, 'NOT_RECORDED'),
    coalesce(sen_group, ''),
    coalesce(is_vulnerable, false),
    activity_code,
    coalesce(is_lapsed, false),
    {% for measure in movement_measures() %}
    {{ status_measure(measure, 'status_bucket', "case when is_participating then 'YES' end") }}
    {{- ',' if not loop.last }}
    {% endfor %}
from {{ source('submitted', 'cohort_month') }}
where is_in_denominator
