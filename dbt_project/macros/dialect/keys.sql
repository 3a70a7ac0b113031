{#  Keys are derived, never serials (design rule 6): 32 hex digits of a hash over the parts, which are joined by '|'. #}
{% macro key_of(parts) -%}
    substr(encode(sha256(convert_to({{ parts | join(" || '|' || ") }}, 'UTF8')), 'hex'), 1, 32)
{%- endmacro %}

{#  A person is, for now, a Core+ record: the first source key is the Core+ one. #}
{% macro person_key(la_code, young_persons_id) -%}
    {{ key_of([la_code, "'core_plus'", young_persons_id]) }}
{%- endmacro %}

{% macro bytewise(column) %}{{ column }} collate "C"{% endmacro %}

{#  The different values of a group, in order, comma between. #}
{% macro comma_list(column) -%}
    string_agg(distinct {{ bytewise(column) }}, ',' order by {{ bytewise(column) }})
{%- endmacro %}
