{#  The sums that the forecast's rates are made of. #}
{{ config(meta={'increment': {
    'by': 'sum', 'over': 'int_forecast_person', 'through': 'int_forecast_split',
    'keys': ['la_code', 'month_end', 'forecast_month_end', 'split_by', 'split_code'],
}}) }}
select
    la_code,
    month_end,
    forecast_month_end,
    split_by,
    split_code,
    {{ to_long('count(*)') }} as cohort,
    {{ to_long('sum(is_not_known)') }} as not_known_now,
    {{ to_long('sum(is_lapsing)') }} as lapsing,
    {{ to_long('sum(is_lapsing_in_month)') }} as lapsing_in_month
from {{ ref('int_forecast_split') }}
group by 1, 2, 3, 4, 5
