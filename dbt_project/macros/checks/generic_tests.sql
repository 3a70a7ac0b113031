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
