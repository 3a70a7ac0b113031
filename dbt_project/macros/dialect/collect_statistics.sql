{#  Statistics for whoever reads the table next. A view has none; the ledger is told what it says. #}
{% macro collect_statistics() %}
    {%- if model.config.materialized in ('table', 'seed') -%} analyze {{ this }}
    {%- elif ledger_is_kept() -%} {{ note_view() }} {%- endif -%}
{% endmacro %}
