{#  The middle of a group's values, the mean of the two middle ones where their number is even. #}
{% macro median(expression) %}percentile_cont(0.5) within group (order by {{ expression }}){% endmacro %}
