{#  Statistics for whoever reads the table next; views have none. #}
{% macro collect_statistics() %}
    {%- if model.config.materialized in ('table', 'seed') -%} analyze {{ this }} {%- endif -%}
{% endmacro %}
