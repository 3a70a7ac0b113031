{#  Which way a difference in points goes for a measure of a polarity: H high is good, L low is good. Less than half of the
    last printed place is no difference. A measure that is good near its target (T) has no better side. #}
{% macro better_or_worse(points, polarity, half_a_place, better, same, worse) -%}
    case
        when {{ points }} is null or {{ polarity }} not in ('H', 'L') then null
        when abs({{ points }}) < {{ half_a_place }} then '{{ same }}'
        when ({{ points }} > 0) = ({{ polarity }} = 'H') then '{{ better }}'
        else '{{ worse }}'
    end
{%- endmacro %}
