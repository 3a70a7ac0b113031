{#  The first delivery by which each day had come, so that a date can be looked up instead of compared. #}
{{ config(meta={'increment': {'by': 'growth'}}) }}
with step as (
    select la_code, day, min(seq) as first_seq
    from {{ ref('int_known_clock') }}
    group by la_code, day
),

stretch as (
    select
        la_code,
        first_seq,
        day as last_day,
        coalesce({{ add_days('lag(day) over (partition by la_code order by day)', 1) }}, day) as first_day
    from step
)

select
    stretch.la_code,
    days.day,
    stretch.first_seq
from stretch
{{ cross_join_days('stretch.first_day', 'stretch.last_day') }}
