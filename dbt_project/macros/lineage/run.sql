{# What this run was told. One macro a value, so that a model never reads a variable by itself.

   dbt parses the whole project again when a `--vars` value differs from the last run's, which takes longer than the build
   of a small county. So what differs from run to run comes from the environment (`NEET_RUN_<NAME>`, read only when a
   statement is made, never while parsing); a person who runs dbt by hand may give the variable instead. #}

{% macro is_census() %}{{ return(var('lineage') == 'census') }}{% endmacro %}

{% macro run_value(name) %}
    {% if execute %}
        {{ return(env_var('NEET_RUN_' ~ name | upper, var(name) | string)) }}
    {% endif %}
    {{ return(var(name) | string) }}
{% endmacro %}

{% macro known_seq() %}{{ return(run_value('known_seq')) }}{% endmacro %}

{#  The same inside a statement, marked, so that the ledger can tell a statement that changed from one that sees further. #}
{% macro newest_seq() %}{{ return('/* known_seq */ ' ~ known_seq()) }}{% endmacro %}
