{#  Seeds are shared: they live in `reference` whichever lineage runs.
    Live models go to the schema of their layer, and every census model to the one schema of its run. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if node.resource_type == 'seed' -%}
        reference
    {%- elif is_census() -%}
        {{ var('census_schema') }}
    {%- else -%}
        {{ custom_schema_name or target.schema }}
    {%- endif -%}
{%- endmacro %}
