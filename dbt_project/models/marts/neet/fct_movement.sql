{#  Who changed, for the pairs that everybody asks about: consecutive months, consecutive returns, each return and its month
    as known now. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with movement as (
    {{ movement_legs('(select * from ' ~ ref('int_position_pair') ~ ' where is_in_mart)') }}
)

select
    la_code,
    comparison,
    opening_id,
    closing_id,
    opening_on,
    closing_on,
    person_id,
    young_persons_id,
    leg_number,
    is_correction,
    change,
    {% for end in ('before', 'after') %}
    {% for column in counted_columns() + ['activity_code', 'is_lapsed'] %}
    {{ end }}_{{ column }}
    {{- ',' if not loop.last }}
    {% endfor %}
    {{- ',' if not loop.last }}
    {% endfor %}
from movement
