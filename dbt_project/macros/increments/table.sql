{#  Tables of the live lineage are made by the ledger: left alone while nothing they read has changed, otherwise made
    anew and put in the place of the old one, or, for a model that says how (meta entry `increment`), brought up to date
    in place:

        by: key      a history: the keys that deliveries brought since
                     A model with `journal` also keeps the rows that went and came, for sums.
        by: sum      counts over the rows of one such model (`over`), read through a view (`through`), in columns beside the
                     `keys`: what came is added, what went is taken away, and a row whose first count comes to nothing
                     is gone.
        by: growth   a small table that only ever gains rows. It is made anew, and if it kept what it had, whoever names it
                     under `grows` is touched by it for new rows of others only.
        by: person   rows of one person follow from rows of the same person upstream, and from small tables that are the
                     same for everybody. Only the people whose upstream rows changed are made again, and of these only
                     those whose rows came out other than before are written. `narrow` names other large tables of which only
                     their rows are read, with the column that tells whose they are. `told_by` names the list of whom a
                     source changed (la_code, person_id, change_seq). `due` names a table of the same people with
                     dates, starts_on and ends_before: who has one that the calendar of deliveries (int_known_day) has
                     reached since is made again too.

    A census build makes plain tables. #}
{% materialization table, adapter='postgres' %}
    {% if not ledger_is_kept() %}
        {{ return(make_whole(none)) }}
    {% endif %}
    {% set steps = increment_of(model) %}
    {% set raw_file = "" %}
    {% if steps.get('by') == 'key' %}
        {% set raw_file = run_query("select " ~ file_of(raw_of(model).relation_name)).rows[0][0] %}
    {% endif %}
    {% set step = next_step(steps, raw_file) %}
    {% if step.mode == 'unchanged' %}
        {% do store_raw_result('main', 'UNCHANGED', 'UNCHANGED', '0') %}
        {{ adapter.commit() }}
        {{ return({'relations': [this.incorporate(type='table')]}) }}
    {% elif step.mode == 'full' %}
        {{ return(make_whole(step)) }}
    {% elif steps.by == 'key' %}
        {{ return(replace_keys(step)) }}
    {% elif steps.by == 'sum' %}
        {{ return(add_up(step)) }}
    {% else %}
        {{ return(replace_people(step)) }}
    {% endif %}
{% endmaterialization %}

{#  dbt's own way: a new table is made and takes the place of the old one in one transaction. #}
{% macro make_whole(step) %}
    {% set existing = load_cached_relation(this) %}
    {% set target = this.incorporate(type='table') %}
    {% set intermediate = make_intermediate_relation(target) %}
    {% set backup = make_backup_relation(target, 'table' if existing is none else existing.type) %}
    {{ drop_relation_if_exists(load_cached_relation(intermediate)) }}
    {{ drop_relation_if_exists(load_cached_relation(backup)) }}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        {{ get_create_table_as_sql(False, intermediate, sql) }}
    {%- endcall %}
    {% set rows = load_result('main').response.rows_affected | int %}
    {% do create_indexes(intermediate) %}
    {% if step is not none and names_core_plus_person(model) %}
        {# Whoever makes some people again reads all versions of theirs. #}
        {% call statement('read_by_person') %} create index on {{ intermediate }} (la_code, young_persons_id) {% endcall %}
    {% endif %}
    {% set is_grown = false %}
    {% if step is not none and increment_of(model).get('by') == 'growth' and step.state and step.state['is_same'] and existing is not none %}
        {% set lost = run_query("select count(*) from (select * from " ~ existing ~ " except select * from " ~ intermediate ~ ") as lost") %}
        {% set is_grown = lost.rows[0][0] | int == 0 %}
    {% endif %}
    {% if existing is not none %}
        {{ adapter.rename_relation(existing, backup) }}
    {% endif %}
    {{ adapter.rename_relation(intermediate, target) }}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% if step is not none %}
        {% set by = increment_of(model).get('by') %}
        {% set is_compared = by not in ('key', 'person', 'sum') and rows <= compared_up_to() %}
        {% do note_run(step, 'rebuilt' if is_compared else 'full', true, is_grown=is_grown, rows_written=rows,
            content=content_of(target) if is_compared else 'null') %}
        {% if by == 'key' %}{% do note_core_plus_people() %}{% endif %}
        {% if increment_of(model).get('journal') %}
            {% call statement('journal') %}
                drop table if exists {{ journal_of(this) }};
                create table {{ journal_of(this) }} (stamp bigint not null, side integer not null, like {{ target }});
                create index on {{ journal_of(this) }} (stamp)
            {% endcall %}
        {% endif %}
    {% endif %}
    {% do apply_grants(target, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=True)) %}
    {% do persist_docs(target, model) %}
    {{ adapter.commit() }}
    {{ drop_relation_if_exists(backup) }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmacro %}

{#  Rows up to which a rebuilt table is compared with what it was before; a larger one counts as changed. #}
{% macro compared_up_to() %}{{ return(500000) }}{% endmacro %}

{% macro raw_of(node) %}
    {% for id in node.depends_on.nodes if id in graph.sources and graph.sources[id].source_name == 'raw' %}
        {{ return(graph.sources[id]) }}
    {% endfor %}
{% endmacro %}

{#  Does a history say whose a row is in Core+'s own number? #}
{% macro names_core_plus_person(node) %}
    {{ return(increment_of(node).get('by') == 'key' and 'young_persons_id' in node.columns) }}
{% endmacro %}

{#  A history follows key by key from the raw rows, which are only ever added to: a key without a row of a delivery that
    was not seen before is as it was. #}
{% macro replace_keys(step) %}
    {% set raw = raw_of(model) %}
    {% set seen = step.state['known_seq'] | int %}
    {% call statement('keys') %}
        create temporary table touched_key on commit drop as
        select distinct la_code, row_key from {{ raw.relation_name }}
        where delivery_seq > {{ seen }} and delivery_seq <= {{ known_seq() }}
    {% endcall %}
    {% call statement('keys_known') %} analyze touched_key {% endcall %}
    {% call statement('raw_rows') %}
        create temporary view touched_raw as
        select changed.* from {{ raw.relation_name }} as changed
        inner join touched_key on touched_key.la_code = changed.la_code and touched_key.row_key = changed.row_key
    {% endcall %}
    {% set deleted = run_writing("delete from " ~ this ~ " as hist using touched_key where touched_key.la_code = hist.la_code"
        ~ " and touched_key.row_key = hist.row_key", 'gone') %}
    {% set inserted = run_writing("insert into " ~ this ~ " " ~ sql | replace(raw.relation_name, 'touched_raw'), 'new') %}
    {% if names_core_plus_person(model) %}
        {% do note_core_plus_people('inner join touched_key on touched_key.la_code = hist.la_code and touched_key.row_key = hist.row_key') %}
        {% call statement('people') %}
            insert into increments.touched_person (model, stamp, la_code, person_id)
            select distinct '{{ model.name }}', {{ step.stamp }}, hist.la_code, {{ person_key('hist.la_code', 'hist.young_persons_id') }}
            from {{ this }} as hist
            inner join touched_key on touched_key.la_code = hist.la_code and touched_key.row_key = hist.row_key
            where hist.young_persons_id is not null
        {% endcall %}
    {% endif %}
    {% call statement('tidy') %} drop view touched_raw {% endcall %}
    {% do note_run(step, 'increment', is_whole=not names_core_plus_person(model) and inserted > 0, has_changed=inserted > 0,
        rows_written=deleted + inserted) %}
    {% do store_raw_result('main', 'INCREMENT ' ~ inserted, 'INCREMENT', (deleted + inserted) | string) %}
    {{ adapter.commit() }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmacro %}

{#  The numbers behind the hashes, of whom a history speaks. #}
{% macro note_core_plus_people(only='') %}
    {% if names_core_plus_person(model) %}
        {% call statement('numbers') %}
            insert into increments.core_plus_person (la_code, person_id, young_persons_id)
            select hist.la_code, {{ person_key('hist.la_code', 'hist.young_persons_id') }}, hist.young_persons_id
            from (
                select distinct hist.la_code, hist.young_persons_id from {{ this }} as hist {{ only }}
                where hist.young_persons_id is not null
                except
                select la_code, young_persons_id from increments.core_plus_person
            ) as hist
            -- Several histories at a time tell of the same people: all in one order, or they wait for each other for ever.
            order by 1, 2
            on conflict do nothing
        {% endcall %}
    {% endif %}
{% endmacro %}

{#  Runs a statement that writes; returns how many rows. #}
{% macro run_writing(statement_text, name) %}
    {% call statement(name) %} {{ statement_text }} {% endcall %}
    {{ return([load_result(name).response.rows_affected | int, 0] | max) }}
{% endmacro %}

{#  The people whose upstream rows changed are made again from their own rows alone. Of them, whoever comes out other than
    before is written: their rows are replaced, and they are named in increments.touched_person for whoever reads next. #}
{% macro replace_people(step) %}
    {% set steps = increment_of(model) %}
    {% call statement('touched') %}
        create temporary table touched_now on commit drop as
        select touched.la_code, touched.person_id, known.young_persons_id
        from (
            select distinct la_code, person_id from increments.touched_person
            where stamp > {{ step.since }} and model in ('{{ step.changed | join("', '") }}')
            {% for source, changes in steps.get('told_by', {}).items() if source in step.changed %}
            union
            select la_code, person_id from {{ changes }} where change_seq > {{ step.state['mark'] }}
            {% endfor %}
            {% if steps.due and 'int_known_day' in step.changed %}
            union
            select dated.la_code, dated.person_id
            from {{ relation_of(steps.due) }} as dated
            cross join (
                select la_code, max(day) as to_day,
                    coalesce(cast(cast('{{ step.state["mark"] }}' as jsonb) ->> la_code as date), date '0001-01-01') as from_day
                from {{ relation_of('int_known_day') }}
                group by la_code
            ) as come
            where come.la_code = dated.la_code and ((dated.starts_on > come.from_day and dated.starts_on <= come.to_day)
                or (dated.ends_before > come.from_day and dated.ends_before <= come.to_day))
            {% endif %}
        ) as touched
        left join increments.core_plus_person as known
            on known.la_code = touched.la_code and known.person_id = touched.person_id
    {% endcall %}
    {% call statement('touched_known') %} analyze touched_now {% endcall %}
    {% set people = run_query("select count(*) from touched_now").rows[0][0] | int %}
    {% if not people %}
        {% do note_run(step, 'increment', is_whole=false, has_changed=false, people=0) %}
        {% do store_raw_result('main', 'INCREMENT nobody', 'INCREMENT', '0') %}
        {{ adapter.commit() }}
        {{ return({'relations': [this.incorporate(type='table')]}) }}
    {% endif %}
    {% set narrowed = {} %}
    {% for id in model.depends_on.nodes %}
        {% set up = graph.nodes.get(id) or graph.sources.get(id) %}
        {% set column = none %}
        {% if up.resource_type == 'model' and (increment_of(up).get('by') == 'person') %}
            {% set column = 'person_id' %}
        {% elif up.name in steps.get('narrow', {}) %}
            {% set column = steps['narrow'][up.name] %}
        {% elif up.resource_type == 'model' and names_core_plus_person(up) %}
            {% set column = 'young_persons_id' %}
        {% endif %}
        {% if column %}
            {% set view = 'touched__' ~ up.name %}
            {% do narrowed.update({up.relation_name: view}) %}
            {# A table, not a view: the planner must know how few rows it holds, or it joins them as if they were all. #}
            {% call statement('narrow') %}
                create temporary table {{ view }} on commit drop as
                select * from {{ up.relation_name }} as whole
                where (whole.la_code, whole.{{ column }}) in (
                    select la_code, {{ column }} from touched_now where {{ column }} is not null
                )
            {% endcall %}
            {% call statement('narrow_known') %} analyze {{ view }} {% endcall %}
        {% endif %}
    {% endfor %}
    {% set text = namespace(sql=sql) %}
    {% for relation, view in narrowed.items() %}
        {% set text.sql = text.sql | replace(relation, view) %}
    {% endfor %}
    {% set columns = adapter.get_columns_in_relation(this) | map(attribute='quoted') | join(', ') %}
    {% do add_partitions(this) %}
    {% call statement('made_table') %} create temporary table made_now (like {{ this }}) on commit drop {% endcall %}
    {% call statement('made') %}
        insert into made_now ({{ columns }})
        select {{ columns }} from ({{ text.sql }}) as made
        where (made.la_code, made.person_id) in (select la_code, person_id from touched_now)
    {% endcall %}
    {% call statement('stood') %}
        create temporary table signed_now on commit drop as
        select {{ columns }}, cast(sum(side) as integer) as side
        from (
            select {{ columns }}, 1 as side from made_now
            union all
            select {{ columns }}, -1 from {{ this }} as stood
            where (stood.la_code, stood.person_id) in (select la_code, person_id from touched_now)
        ) as both_sides
        group by {{ columns }}
        having sum(side) <> 0
    {% endcall %}
    {% call statement('other') %}
        create temporary table other_now on commit drop as select distinct la_code, person_id from signed_now
    {% endcall %}
    {% call statement('other_known') %} analyze other_now {% endcall %}
    {% set deleted = run_writing("delete from " ~ this ~ " as stood using other_now where other_now.la_code = stood.la_code"
        ~ " and other_now.person_id = stood.person_id", 'gone') %}
    {% set inserted = run_writing("insert into " ~ this ~ " (" ~ columns ~ ") select " ~ columns ~ " from made_now"
        ~ " where (la_code, person_id) in (select la_code, person_id from other_now)", 'new') %}
    {% set others = run_writing("insert into increments.touched_person (model, stamp, la_code, person_id) select '" ~ model.name ~ "', "
        ~ step.stamp ~ ", la_code, person_id from other_now", 'people') %}
    {% if steps.get('journal') %}
        {% call statement('journal') %}
            insert into {{ journal_of(this) }} (stamp, side, {{ columns }}) select {{ step.stamp }}, side, {{ columns }} from signed_now
        {% endcall %}
        {% call statement('journal_read') %}
            delete from {{ journal_of(this) }} where stamp <= {{ step.state['full_at'] }}
        {% endcall %}
    {% endif %}
    {% do note_run(step, 'increment', is_whole=false, has_changed=others > 0, people=people, rows_written=deleted + inserted) %}
    {% do store_raw_result('main', 'INCREMENT ' ~ people ~ ' people, ' ~ others ~ ' other than before', 'INCREMENT',
        (deleted + inserted) | string) %}
    {{ adapter.commit() }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmacro %}

{#  Where a model made by person keeps the rows that went (side -1) and came (side 1), by stamp. #}
{% macro journal_of(relation) %}{{ return(relation.incorporate(path={'identifier': relation.identifier ~ '__changes'})) }}{% endmacro %}

{#  Counts are sums over rows, so the counts of what came, less those of what went, are what they change by. #}
{% macro add_up(step) %}
    {% set steps = increment_of(model) %}
    {% set over = graph.nodes['model.neet.' ~ steps.over] %}
    {% set journal = journal_of(api.Relation.create(database=over.database, schema=over.schema, identifier=over.alias)) %}
    {% set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
    {% set counts = columns | reject('in', steps['keys']) | list %}
    {% set keys = steps['keys'] | join(', ') %}
    {% set through = graph.nodes['model.neet.' ~ steps.through] %}
    {% set seen = run_query("select pg_get_viewdef(cast('" ~ through.relation_name ~ "' as regclass))").rows[0][0] | trim(';') %}
    {% set table_name = modules.re.compile('\\b' ~ over.schema ~ '\\.' ~ over.alias ~ '\\b') %}
    {% if not table_name.search(seen) %}
        {{ exceptions.raise_compiler_error(steps.through ~ ' does not read ' ~ steps.over ~ ', over which ' ~ model.name ~ ' sums') }}
    {% endif %}
    {% for side, counted in ((1, 'counted_came'), (-1, 'counted_went')) %}
        {# Under the name of the table that it stands for, which columns of the view may be named by. #}
        {% call statement('side') %}
            create temporary view {{ over.alias }} as
            select * from {{ journal }} where stamp > {{ step.since }} and side = {{ side }}
        {% endcall %}
        {% call statement('side_seen') %}
            create temporary view seen_side as {{ table_name.sub('pg_temp.' ~ over.alias, seen) }}
        {% endcall %}
        {% call statement('side_counted') %}
            create temporary table {{ counted }} on commit drop as
            select {{ keys }}, {{ counts | join(', ') }} from ({{ sql | replace(through.relation_name, 'seen_side') }}) as counted
        {% endcall %}
        {% call statement('tidy') %} drop view pg_temp.seen_side, pg_temp.{{ over.alias }} {% endcall %}
    {% endfor %}
    {% call statement('delta') %}
        create temporary table delta_now on commit drop as
        select {{ keys }}, {% for count in counts %}sum({{ count }}) as {{ count }}{{ ', ' if not loop.last }}{% endfor %}
        from (
            select {{ keys }}, {{ counts | join(', ') }} from counted_came
            union all
            select {{ keys }}, -{{ counts | join(', -') }} from counted_went
        ) as both_sides
        group by {{ keys }}
        having {% for count in counts %}sum({{ count }}) <> 0{{ ' or ' if not loop.last }}{% endfor %}
    {% endcall %}
    {% call statement('sums') %}
        create temporary table sums_now on commit drop as
        select {% for key in steps['keys'] %}delta.{{ key }}, {% endfor %}
            {% for count in counts %}delta.{{ count }} + coalesce(stood.{{ count }}, 0) as {{ count }}{{ ', ' if not loop.last }}{% endfor %}
        from delta_now as delta
        left join {{ this }} as stood
            on {% for key in steps['keys'] %}stood.{{ key }} = delta.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
    {% endcall %}
    {% set deleted = run_writing("delete from " ~ this ~ " as stood using delta_now as delta where "
        ~ same_keys(steps['keys'], 'stood', 'delta'), 'gone') %}
    {% set names = (steps['keys'] + counts) | join(', ') %}
    {% set inserted = run_writing("insert into " ~ this ~ " (" ~ names ~ ") select " ~ names ~ " from sums_now where "
        ~ counts[0] ~ " <> 0", 'new') %}
    {% do note_run(step, 'increment', is_whole=deleted + inserted > 0, has_changed=deleted + inserted > 0,
        rows_written=deleted + inserted) %}
    {% do store_raw_result('main', 'INCREMENT ' ~ inserted ~ ' sums', 'INCREMENT', (deleted + inserted) | string) %}
    {{ adapter.commit() }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmacro %}

{% macro same_keys(keys, ours, theirs) -%}
    {% for key in keys %}{{ ours }}.{{ key }} = {{ theirs }}.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
{%- endmacro %}
