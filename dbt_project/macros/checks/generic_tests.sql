{#  One row a key, and no part of the key empty. #}
{% test key(model, columns) %}
select {{ columns | join(', ') }}, count(*) as times_found
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% for column in columns %} or {{ column }} is null {% endfor %}
{% endtest %}

{#  Every non-empty key here is a key there. `columns` maps ours to theirs; leave it out where the names agree. #}
{% test found_in(model, to, columns, theirs=none) %}
{% set theirs = theirs or columns %}
select ours.*
from {{ model }} as ours
left join {{ to }} as there
    on {% for column in columns %}ours.{{ column }} = there.{{ theirs[loop.index0] }}{{ ' and ' if not loop.last }}{% endfor %}
where there.{{ theirs[0] }} is null
{% for column in columns %} and ours.{{ column }} is not null {% endfor %}
{% endtest %}

{#  Every row obeys a condition; a condition that cannot be told is not obeyed. #}
{% test always(model, condition) %}
select *
from {{ model }}
where ({{ condition }}) is not true
{% endtest %}

{#  Rows of a seed that are dated do not overlap: on any day a key has at most one row. #}
{% test one_row_a_day(model, columns) %}
select {{ 'one.' ~ columns | join(', one.') }}, one.valid_from, one.valid_to
from {{ model }} as one
inner join {{ model }} as other
    on {% for column in columns %}one.{{ column }} = other.{{ column }} and {% endfor %}
    coalesce(one.valid_from, date '0001-01-01') < coalesce(other.valid_to, date '9999-12-31')
    and coalesce(other.valid_from, date '0001-01-01') < coalesce(one.valid_to, date '9999-12-31')
group by {{ 'one.' ~ columns | join(', one.') }}, one.valid_from, one.valid_to
having count(*) > 1
{% endtest %}

{#  The rows of all districts add up to the row of the county, for each key and each sum. #}
{% test districts_add_up(model, sums, keys) %}
select
    {{ keys | join(', ') }}
from {{ model }}
group by {{ keys | join(', ') }}
having
    {% for expression in sums %}
    sum(case when area_type = 'county' then {{ expression }} else 0 end)
        <> sum(case when area_type = 'district' then {{ expression }} else 0 end)
    {{ 'or' if not loop.last }}
    {% endfor %}
{% endtest %}

{#  The parts of each movement account sum to its change, in integers: numerators, cohorts and rates. #}
{% test account_sums_exactly(model) %}
{%- set keys = 'la_code, opening_id, closing_id, area_type, area_code, group_code, measure' %}
{%- set counts = ['opening_numerator', 'opening_denominator', 'waypoint_numerator', 'waypoint_denominator',
                  'closing_numerator', 'closing_denominator'] %}
select {{ keys }}, {{ counts | join(', ') }}
from {{ model }}
group by {{ keys }}, {{ counts | join(', ') }}
having
    opening_numerator + sum(numerator_effect) <> closing_numerator
    or opening_denominator + sum(denominator_effect) <> closing_denominator
    or sum(rate_effect_numerator)
        <> closing_numerator * opening_denominator * waypoint_denominator
        - opening_numerator * waypoint_denominator * closing_denominator
{% endtest %}

{#  What the accounts say of each numerator and cohort is what the counts of the two positions say. #}
{% test account_is_whole(model) %}
with position as (
    select la_code, position_id, basis, month_end from {{ ref('int_position_list') }} where place_in_order is not null
),

count_at as (
    {% for measure in movement_measures() %}
    select
        position.la_code, position.position_id, counted.area_type, counted.area_code, counted.group_code,
        '{{ measure }}' as measure, counted.{{ measure }} as numerator, counted.cohort as denominator
    from position
    inner join {{ ref('int_cohort_count') }} as counted
        on counted.la_code = position.la_code
        and counted.basis = position.basis
        and counted.month_end = position.month_end
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

change as (
    select
        la_code, opening_id, closing_id, area_type, area_code, group_code, measure,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from (
        {% for end, sign in (('opening', '-'), ('closing', '')) %}
        select
            pair.la_code, pair.opening_id, pair.closing_id, area_type, area_code, group_code, measure,
            {{ sign }}numerator as numerator, {{ sign }}denominator as denominator
        from {{ ref('int_position_pair') }} as pair
        inner join count_at
            on count_at.la_code = pair.la_code and count_at.position_id = pair.{{ end }}_id
        where pair.is_in_mart
        union all
        {% endfor %}
        select
            la_code, opening_id, closing_id, area_type, area_code, group_code, measure,
            -numerator_effect, -denominator_effect
        from {{ model }}
    ) as counted
    group by la_code, opening_id, closing_id, area_type, area_code, group_code, measure
)

select * from change where numerator <> 0 or denominator <> 0
{% endtest %}
