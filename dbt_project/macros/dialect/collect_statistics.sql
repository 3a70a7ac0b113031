{#  Statistics for whoever reads the table next; views have none. #}
{% macro collect_statistics() %}
    {%- if model.config.materialized == 'table' -%} analyze {{ this }} {%- endif -%}
{% endmacro %}
