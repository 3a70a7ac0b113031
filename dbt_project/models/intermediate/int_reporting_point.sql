{#  A census build is told its point. The live lineage works out the newest month that a delivered extract covers: an
    extract of the last day of a month covers that month, an earlier one only the month before. #}
with extract as (
    select
        la_code,
        min(as_at) as first_as_at,
        max(as_at) as last_as_at
    from {{ as_known(source('control', 'delivery'), from_column='delivery_seq', to_column=none) }} as delivery
    where feed = 'core_plus_people' and as_at is not null
    group by la_code
),

point as (
    select
        la_code,
        first_as_at,
        {% if is_census() %}
        {{ date_value(run_value('period_end')) }} as period_end
        {% else %}
        case when last_as_at = {{ month_end('last_as_at') }} then last_as_at
            else {{ previous_month_end('last_as_at') }} end as period_end
        {% endif %}
    from extract
)

select
    la_code,
    {{ month_code('period_end') }} as census_point,
    period_end,
    {{ month_end('first_as_at') }} as first_month_end
from point
