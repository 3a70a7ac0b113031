{# What this run was told. One macro a value, so that a model never reads a variable by itself. #}

{% macro is_census() %}{{ return(var('lineage') == 'census') }}{% endmacro %}

{% macro known_seq() %}{{ return(var('known_seq')) }}{% endmacro %}
