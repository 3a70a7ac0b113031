{#  A data test is asked again when something that it reads has changed since it last passed; until then its answer stands.
    One that failed, or only warned, is asked at every build.

    Of a table made by person (meta entry `increment`), only the people whose rows changed since are looked at, if the test
    judges each row by itself, or sets apart rows of one person only: a key that holds person_id, a reference that does.
    Of any other key, all rows that share one with them: two rows of one key are only found where one of them is new.
    Of a history, the keys that deliveries brought since. Whatever else compares people with each other is asked of all of
    them. `dbt test`, a full refresh and a census build ask everything. #}
{% materialization test, default %}
    {% set asked = get_limit_subquery_sql(sql, config.get('limit')) %}
    {% if not ledger_is_kept() or flags.WHICH != 'build' or should_store_failures() %}
        {% do ask(asked) %}
        {{ return({'relations': []}) }}
    {% endif %}
    {% set name = 'test:' ~ model.unique_id %}
    {% set step = next_step({'by': 'person'}, own=name) %}
    {% if step.mode == 'unchanged' %}
        {% call statement('main', fetch_result=True) %}
            select 0 as failures, false as should_warn, false as should_error
        {% endcall %}
        {{ return({'relations': []}) }}
    {% endif %}
    {% set about = tested_model() %}
    {% set rows = changed_rows(about, step) if step.mode == 'increment' and about else none %}
    {% if rows %}
        {% call statement('narrow') %} create temporary view touched_rows as {{ rows }} {% endcall %}
        {% do ask(asked | replace(about.relation_name, 'touched_rows')) %}
        {% call statement('tidy') %} drop view touched_rows {% endcall %}
    {% else %}
        {% do ask(asked) %}
    {% endif %}
    {% set answer = load_result('main').table.rows[0] %}
    {% if answer['failures'] | int == 0 %}
        {% call statement('note_test') %}
            insert into increments.model_state (model, ran_at, changed_at, full_at, fingerprint, known_seq, mode, reason)
            values ('{{ name }}', {{ step.stamp }}, {{ step.stamp }}, {{ step.stamp }}, '{{ step.fingerprint }}', {{ known_seq() }},
                '{{ step.mode }}', 'passed')
            on conflict (model) do update set
                ran_at = excluded.ran_at, changed_at = excluded.changed_at, full_at = excluded.full_at,
                fingerprint = excluded.fingerprint, known_seq = excluded.known_seq, mode = excluded.mode
        {% endcall %}
        {{ adapter.commit() }}
    {% endif %}
    {{ return({'relations': []}) }}
{% endmaterialization %}

{% macro ask(asked) %}
    {% call statement('main', fetch_result=True) -%}
        {{ get_test_sql(asked, config.get('fail_calc'), config.get('warn_if'), config.get('error_if'), limit=none) }}
    {%- endcall %}
{% endmacro %}

{#  The model that a generic test stands under, if it is one made by person or by key. #}
{% macro tested_model() %}
    {% set about = graph.nodes.get(model.get('attached_node')) %}
    {% if about and about.resource_type == 'model' and increment_of(about).get('by') in ('person', 'key') %}
        {{ return(about) }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}

{#  The rows that may have made a test fail which passed before: SQL, or none if they cannot be told from the others. #}
{% macro changed_rows(about, step) %}
    {% set test = model.test_metadata %}
    {% set keys = test.kwargs.get('columns', []) %}
    {% set by_row = test.name in ('always', 'not_null', 'accepted_values') %}
    {% if increment_of(about)['by'] == 'key' %}
        {% if by_row or (test.name == 'key' and 'row_key' in keys) %}
            {{ return("select whole.* from " ~ about.relation_name ~ " as whole where (whole.la_code, whole.row_key) in (select la_code, row_key from "
                ~ raw_of(about).relation_name ~ " where delivery_seq > " ~ step.state['known_seq'] | int ~ ")") }}
        {% endif %}
        {{ return(none) }}
    {% endif %}
    {% if not by_row and test.name != 'key' and not (test.name == 'found_in' and 'person_id' in keys) %}
        {{ return(none) }}
    {% endif %}
    {% call statement('touched') %}
        create temporary table touched_now on commit drop as
        select distinct la_code, person_id from increments.touched_person
        where stamp > {{ step.since }} and model in ('{{ step.changed | join("', '") }}')
    {% endcall %}
    {% call statement('touched_known') %} analyze touched_now {% endcall %}
    {% set of_touched = "select changed.* from " ~ about.relation_name
        ~ " as changed where (changed.la_code, changed.person_id) in (select la_code, person_id from touched_now)" %}
    {% if by_row or 'person_id' in keys %}
        {{ return(of_touched) }}
    {% endif %}
    {% set key = keys | join(', ') %}
    {{ return("select whole.* from " ~ about.relation_name ~ " as whole where (" ~ key ~ ") in (select " ~ key ~ " from ("
        ~ of_touched ~ ") as own) union all select own.* from (" ~ of_touched ~ ") as own where "
        ~ keys | join(' is null or ') ~ " is null") }}
{% endmacro %}
