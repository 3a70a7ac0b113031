with month_end as (
    select
        point.la_code,
        point.period_end,
        months.month_end,
        {{ academic_year_starts_on('months.month_end') }} as academic_year_starts_on
    from {{ ref('int_reporting_point') }} as point
    {{ cross_join_month_ends('least(point.first_month_end, point.period_end)', 'point.period_end') }}
)

select
    la_code,
    month_end,
    {{ month_code('month_end') }} as census_point,
    {{ previous_month_end('month_end') }} as previous_month_end,
    academic_year_starts_on,
    {{ policy('measured_age_from', 'month_end') }} as measured_age_from,
    {{ policy('measured_age_to', 'month_end') }} as measured_age_to,
    {{ policy('year_group_below_academic_age', 'month_end') }} as year_group_below_academic_age,
    month_end = period_end as is_reporting_point
from month_end
