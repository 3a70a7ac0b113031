{#  The account of the pairs that fct_movement holds; opening and closing are the counts that the KPIs are made of. #}
with count_at as (
    select
        position.la_code, position.position_id, counted.area_type, counted.area_code, counted.group_code,
        {% for measure in ['cohort'] + movement_measures() %}
        counted.{{ measure }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_position_list') }} as position
    inner join {{ ref('int_cohort_count') }} as counted
        on counted.la_code = position.la_code
        and counted.basis = position.basis
        and counted.month_end = position.month_end
    where position.place_in_order is not null
),

account as (
    {{ movement_account('(' ~ movement_effects(ref('fct_movement')) ~ ')', 'count_at') }}
)

select * from account
