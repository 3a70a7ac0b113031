{#  The month ends that lapses are forecast for, from the month reported: la_code, period_end, forecast_month_end. #}
{% macro forecast_months() -%}
(
    select
        point.la_code,
        point.period_end,
        months.month_end as forecast_month_end
    from {{ ref('int_reporting_point') }} as point
    {{ cross_join_month_ends(
        add_days('point.period_end', 1),
        add_months('point.period_end', policy('currency_forecast_months', 'point.period_end'))) }}
)
{%- endmacro %}
