{#  Raw columns are text. These read them without ever failing a build: what cannot be read is null here and is sent
    in the return as it was found, where a rule speaks about it (design rule 5). #}

{% macro to_text(column) %}nullif(trim({{ column }}), ''){% endmacro %}

{% macro to_date(column) -%}
    case when {{ column }} ~ '^\d{4}-\d{2}-\d{2}$' and pg_input_is_valid({{ column }}, 'date')
        then cast({{ column }} as date) end
{%- endmacro %}

{% macro to_integer(column) -%}
    case when {{ column }} ~ '^\d{1,9}$' then cast({{ column }} as integer) end
{%- endmacro %}

{% macro to_number(column) -%}
    case when {{ column }} ~ '^-?\d+(\.\d+)?$' then cast({{ column }} as numeric) end
{%- endmacro %}

{% macro to_long(column) %}cast({{ column }} as bigint){% endmacro %}
