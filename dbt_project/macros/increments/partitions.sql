{#  Tables that grow by a month every month are cut into one partition a month (meta entry `partition_by`: the column of
    the month end). Who asks for one month reads one partition; within it the indexes begin with la_code. PostgreSQL's way
    of it; on another engine the same entry would become its own clause.

    A new table and the one it replaces stand side by side for a moment, so the partitions carry the number of the run
    that made them, and stand in a schema of their own, out of the way of those who look for tables. A census build, whose
    schema is renamed when it is done, makes plain tables. #}
{% macro postgres__create_table_as(temporary, relation, sql) %}
    {%- set month_column = partition_column() -%}
    {%- if temporary or not month_column -%}
        {{ dbt.postgres__create_table_as(temporary, relation, sql) }}
    {%- else -%}
        {%- if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
        create table {{ relation }} {{ get_table_columns_and_constraints() }} partition by range ({{ month_column }});
        {%- set sql = get_select_subquery(sql) %}
        {%- else %}
        create temporary table partitioned_shape on commit drop as {{ sql }} with no data;
        create table {{ relation }} (like partitioned_shape) partition by range ({{ month_column }});
        drop table partitioned_shape;
        {%- endif %}
        {{ partitions_of(relation, month_column) }}
        insert into {{ relation }} {{ '(' ~ adapter.dispatch('get_column_names', 'dbt')() ~ ')' if config.get('contract').enforced }}
        {{ sql }};
    {%- endif -%}
{% endmacro %}

{#  The column whose months a model is cut by, or nothing: of the live lineage alone. #}
{% macro partition_column() %}
    {{ return(none if is_census() else config.get('meta', {}).get('partition_by')) }}
{% endmacro %}

{#  Statements that add the partitions of the months that a table of months lacks. The months are those of
    int_month_end, which every such model reads: a row of another month would be refused. #}
{% macro partitions_of(relation, month_column) %}
    {% set months = run_query(
        "select distinct cast(" ~ month_start('month_end') ~ " as text), cast(" ~ month_end('month_end') ~ " + 1 as text)"
        ~ " from " ~ ref('int_month_end')
        ~ " where not exists (select from pg_inherits where inhparent = to_regclass('" ~ relation ~ "')"
        ~ " and pg_get_expr((select relpartbound from pg_class where oid = inhrelid), inhrelid)"
        ~ " like '%FROM (''' || cast(" ~ month_start('month_end') ~ " as text) || ''')%') order by 1").rows %}
    {% if months %} create schema if not exists partitions; {% endif %}
    {% for first_day, next_month in months %}
        create table partitions."{{ this.identifier }}_{{ first_day[:7] | replace('-', '_') }}_{{ invocation_id[:8] }}"
            partition of {{ relation }} for values from ('{{ first_day }}') to ('{{ next_month }}');
    {% endfor %}
{% endmacro %}

{#  Before a table is brought up to date in place: the partitions of months that came since it was made. #}
{% macro add_partitions(relation) %}
    {% set month_column = partition_column() %}
    {% set statements = partitions_of(relation, month_column) | trim if month_column else '' %}
    {% if statements %}
        {% call statement('partitions') %} {{ statements }} {% endcall %}
    {% endif %}
{% endmacro %}
