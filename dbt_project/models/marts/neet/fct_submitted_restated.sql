{#  Every KPI value as the sealed returns had it and as it is known now, side by side. A period that was not submitted, or
    not yet, has one side only. #}
with value as (
    select * from {{ ref('fct_kpi_value') }}
),

submitted as (
    select * from value where basis = 'as_submitted'
),

restated as (
    select * from value where basis = 'restated'
)

select
    coalesce(restated.la_code, submitted.la_code) as la_code,
    coalesce(restated.kpi_id, submitted.kpi_id) as kpi_id,
    coalesce(restated.period_code, submitted.period_code) as period_code,
    coalesce(restated.period_end, submitted.period_end) as period_end,
    coalesce(restated.area_type, submitted.area_type) as area_type,
    coalesce(restated.area_code, submitted.area_code) as area_code,
    coalesce(restated.group_code, submitted.group_code) as group_code,
    coalesce(restated.unit, submitted.unit) as unit,
    submitted.numerator as submitted_numerator,
    submitted.denominator as submitted_denominator,
    submitted.value as submitted_value,
    restated.numerator as restated_numerator,
    restated.denominator as restated_denominator,
    restated.value as restated_value,
    restated.numerator - submitted.numerator as numerator_difference,
    restated.denominator - submitted.denominator as denominator_difference,
    cast(restated.value - submitted.value as numeric(20, 10)) as value_difference
from restated
full outer join submitted
    on submitted.la_code = restated.la_code
    and submitted.kpi_id = restated.kpi_id
    and submitted.period_code = restated.period_code
    and submitted.area_type = restated.area_type
    and submitted.area_code = restated.area_code
    and submitted.group_code = restated.group_code
