{#  Everything about dates that differs between engines, and the one place where an inclusive end date becomes an
    exclusive one. Inside the warehouse every period is half open: [starts, ends_before). #}

{% macro add_days(day, days) %}({{ day }} + {{ days }}){% endmacro %}

{% macro days_between(earlier, later) %}({{ later }} - {{ earlier }}){% endmacro %}

{% macro add_months(day, months) %}cast({{ day }} + make_interval(months => {{ months }}) as date){% endmacro %}

{% macro month_end(day) %}cast(date_trunc('month', {{ day }}) + interval '1 month' as date) - 1{% endmacro %}

{% macro month_start(day) %}cast(date_trunc('month', {{ day }}) as date){% endmacro %}

{% macro previous_month_end(day) %}{{ month_start(day) }} - 1{% endmacro %}

{% macro next_month_end(day) %}{{ month_end('(' ~ day ~ ' + 1)') }}{% endmacro %}

{% macro month_code(day) %}to_char({{ day }}, 'YYYY-MM'){% endmacro %}

{% macro date_value(text) %}cast('{{ text }}' as date){% endmacro %}

{#  Last day (inclusive, as a source system writes it) to the first day after it. #}
{% macro ends_before(last_day) %}({{ last_day }} + 1){% endmacro %}

{#  Is `day` within [starts, ends_before)? An empty ends_before means open. #}
{% macro in_force(starts, ends_before, day) -%}
    ({{ starts }} <= {{ day }} and ({{ ends_before }} is null or {{ day }} < {{ ends_before }}))
{%- endmacro %}

{#  Is a dated seed row in force on `day`? An empty valid_from means since ever, an empty valid_to for ever. #}
{% macro valid_on(alias, day) -%}
    (({{ alias }}.valid_from is null or {{ alias }}.valid_from <= {{ day }})
     and ({{ alias }}.valid_to is null or {{ day }} < {{ alias }}.valid_to))
{%- endmacro %}

{#  One row a day, column `day`, both ends included. #}
{% macro day_spine(first_day, last_day) -%}
    (select cast(day as date) as day from generate_series({{ first_day }}, {{ last_day }}, interval '1 day') as day)
{%- endmacro %}

{#  One row a month end, column `month_end`, from the month of `first_day` to that of `last_day`, correlated to the
    relation joined before it. #}
{% macro cross_join_month_ends(first_day, last_day) -%}
    cross join lateral (
        select {{ month_end('month_start') }} as month_end
        from generate_series(
            date_trunc('month', {{ first_day }}), date_trunc('month', {{ last_day }}), interval '1 month'
        ) as month_start
    ) as months
{%- endmacro %}

{% macro iso_date(day) %}to_char({{ day }}, 'YYYY-MM-DD'){% endmacro %}

{#  1 Monday to 7 Sunday. #}
{% macro weekday(day) %}cast(extract(isodow from {{ day }}) as integer){% endmacro %}

{#  A moment that is not there, of the type that delivery times have. #}
{% macro no_moment() %}cast(null as timestamp with time zone){% endmacro %}

{#  One row a day, column `day`, both ends included, correlated to the relation joined before it. #}
{% macro cross_join_days(first_day, last_day) -%}
    cross join lateral (
        select cast(each_day as date) as day
        from generate_series({{ first_day }}, {{ last_day }}, interval '1 day') as each_day
    ) as days
{%- endmacro %}

{#  The value below which a share of the rows lies, interpolated. #}
{% macro percentile(share, column) -%}
    percentile_cont({{ share }}) within group (order by {{ column }})
{%- endmacro %}
