{#  Stops a run that would put the wrong time in the wrong place (design rule 3). Runs before anything else, whoever
    starts dbt: neet.transform, Airflow or a person. #}
{% macro guard_lineage() %}
    {% if execute and flags.WHICH in ('build', 'run', 'test', 'seed') %}
        {% if is_census() %}
            {% if not var('census_schema').startswith('census_') %}
                {{ exceptions.raise_compiler_error(
                    "A census build may only write to a schema named census_*, not to '" ~ var('census_schema') ~ "'. "
                    ~ "It shows what was known at delivery " ~ known_seq() ~ ", which must never be read as today's figures. "
                    ~ "Start it with `./neet census POINT`, which names the schema.") }}
            {% endif %}
            {% if not run_value('period_end') or not run_value('census_point') %}
                {{ exceptions.raise_compiler_error(
                    "A census build must be told its census_point and period_end. Start it with `./neet census POINT`.") }}
            {% endif %}
        {% elif flags.WHICH in ('build', 'run') %}
            {% set published = run_query(
                "select coalesce(max(known_seq), 0) from " ~ source('control', 'build')
                ~ " where lineage = 'live' and status = 'published'").columns[0].values()[0] %}
            {% if known_seq() | int < published | int %}
                {{ exceptions.raise_compiler_error(
                    "The live lineage shows what is known now: it may not go back to delivery " ~ known_seq()
                    ~ ", because delivery " ~ published ~ " is already published. To see an earlier moment, run a census "
                    ~ "build, which has a schema of its own (`./neet census POINT`).") }}
            {% endif %}
        {% endif %}
    {% endif %}
{% endmacro %}
