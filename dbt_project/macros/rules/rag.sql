{#  Green: target met. Amber: floor met, target missed. Red: floor missed (kpis.md section 0 rule 10). Without a target
    there is no colour. A strict target is missed by equality. #}
{% macro rag(value, polarity, target, is_strict, floor) -%}
    case
        when {{ value }} is null or {{ target }} is null then null
        when {{ polarity }} = 'H' and ({{ value }} > {{ target }} or ({{ value }} = {{ target }} and not {{ is_strict }}))
            then 'GREEN'
        when {{ polarity }} = 'L' and ({{ value }} < {{ target }} or ({{ value }} = {{ target }} and not {{ is_strict }}))
            then 'GREEN'
        when {{ polarity }} = 'H' and {{ value }} >= {{ floor }} then 'AMBER'
        when {{ polarity }} = 'L' and {{ value }} <= {{ floor }} then 'AMBER'
        when {{ polarity }} in ('H', 'L') then 'RED'
    end
{%- endmacro %}
