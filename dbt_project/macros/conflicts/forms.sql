{#  A postcode in the form in which two systems can be compared. #}
{% macro postcode_compared(column) -%}
    nullif(upper(replace(replace({{ column }}, ' ', ''), '-', '')), '')
{%- endmacro %}

{#  Is what stands in a contact field of the shape that such a contact has? `pattern` is the row of contact_pattern. #}
{% macro is_valid_telephone(column, pattern) -%}
    coalesce(regexp_replace({{ column }}, '[^0-9]', '', 'g') ~ {{ pattern }}, false)
{%- endmacro %}

{% macro is_valid_email(column, pattern) -%}
    coalesce(lower(trim({{ column }})) ~ {{ pattern }}, false)
{%- endmacro %}
