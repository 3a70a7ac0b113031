{#  Who provides an activity, as one code: the UKPRN, or authority and DfE number, or NOT_RECORDED. #}
{% macro provider_code(activity) -%}
    coalesce({{ activity }}.uk_provider_reference_number, {{ activity }}.establishment_number, 'NOT_RECORDED')
{%- endmacro %}
