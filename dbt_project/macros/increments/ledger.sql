{#  The ledger of the live lineage (increments.model_state): what each table was made from, and since when it has been other
    than before. Like make, with stamps of one sequence in place of times: a table is up to date while nothing that it
    reads has changed since it last read it. Its row is written in the transaction that writes its rows, so a build
    killed anywhere leaves each table either done, with its stamp, or as it was; the next build goes on from there.

    A census build keeps no ledger: its tables are made whole in a schema of their own. #}

{% macro ledger_is_kept() %}
    {{ return(execute and not is_census() and flags.WHICH in ('build', 'run', 'seed', 'test')) }}
{% endmacro %}

{#  How a model may be made in steps: its meta entry `increment`, or nothing. #}
{% macro increment_of(node) %}
    {{ return(node.config.get('meta', {}).get('increment') or {}) }}
{% endmacro %}

{#  What a node reads, by the names that the ledger uses. A view holds no rows: whoever reads it reads what it reads. #}
{% macro upstreams_of(node, found=none) %}
    {% set found = [] if found is none else found %}
    {% for id in node.depends_on.nodes %}
        {% set up = graph.nodes.get(id) or graph.sources.get(id) %}
        {% if up.resource_type == 'source' %}
            {% do found.append('source:' ~ up.source_name ~ '.' ~ up.name) %}
        {% elif up.resource_type == 'seed' %}
            {% do found.append('seed:' ~ up.name) %}
        {% else %}
            {% do found.append(up.name) %}
            {% if up.config.materialized == 'view' %}
                {% do upstreams_of(up, found) %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {{ return(found | unique | list) }}
{% endmacro %}

{#  Hash of what decides what a model is: its SQL without the number of the newest delivery, its columns, its indexes, how
    it is made, and the macros that make it (which neet.transform hashes; a person who runs dbt by hand has them unknown,
    and everything is made anew). #}
{% macro fingerprint_of(node, code) %}
    {% set neutral = modules.re.sub('/\* known_seq \*/ \d+', 'known_seq', code) %}
    {% set columns = [] %}
    {% for name, column in (node.columns or {}).items() %}
        {% do columns.append(name ~ ' ' ~ (column.data_type or '')) %}
    {% endfor %}
    {{ return(local_md5([neutral, columns | join(','), node.config.get('indexes', []) | string, increment_of(node) | string,
        node.config.get('meta', {}).get('partition_by') | string, node.config.materialized, env_var('NEET_RUN_MACROS', 'by hand')] | join('|'))) }}
{% endmacro %}

{#  Hash of a table's rows and columns, in no order. #}
{% macro content_of(relation) -%}
    (select count(*) || ' ' || coalesce(sum(cast(hashtextextended(cast(content.* as text), 0) as numeric)), 0)
     from {{ relation }} as content)
    || ' ' || (
        select md5(string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' order by attnum))
        from pg_attribute
        where attrelid = cast('{{ relation }}' as regclass) and attnum > 0 and not attisdropped
    )
{%- endmacro %}

{#  Does a table only gain rows (meta entry `increment`, by: growth)? Its rebuild is compared with what it was. #}
{% macro grows(name) %}
    {% set node = graph.nodes.get('model.neet.' ~ name) %}
    {{ return(node is not none and increment_of(node).get('by') == 'growth') }}
{% endmacro %}

{#  What is to be done about the model at hand, and why. Begins the transaction.

    Returns a dictionary:
        mode     'unchanged', 'increment' (only if `steps` says that the model can), or 'full'
        reason   for people
        stamp    of this run
        since    stamp of the run before
        state    the ledger's row of the run before, or none
        changed  names of upstreams that have changed since #}
{% macro next_step(steps, extra='', own=none) %}
    {% set own = own or model.name %}
    {% set names = upstreams_of(model) %}
    {% call statement('stamp', fetch_result=True) %} select nextval('increments.model_stamp') as stamp {% endcall %}
    {% set stamp = load_result('stamp').table.rows[0][0] | int %}
    {% set fingerprint = fingerprint_of(model, sql ~ extra) %}
    {% set rows = run_query(
        "select model, ran_at, changed_at, full_at, known_seq, mark, fingerprint = '" ~ fingerprint ~ "' as is_same"
        ~ " from increments.model_state where model in ('" ~ (names + [own]) | join("', '") ~ "')").rows %}
    {% set states = {} %}
    {% for row in rows %}{% do states.update({row['model']: row}) %}{% endfor %}
    {% set state = states.get(own) %}
    {% set step = {'stamp': stamp, 'fingerprint': fingerprint, 'state': state, 'changed': [], 'mode': 'full',
                   'since': state['ran_at'] | int if state else 0, 'names': names} %}
    {% set existing = load_cached_relation(this) if model.resource_type == 'model' %}
    {% set unknown = names | reject('in', states) | list %}
    {% if flags.FULL_REFRESH %}
        {% do step.update({'reason': 'asked for'}) %}
    {% elif state is none or (model.resource_type == 'model' and existing is none) %}
        {% do step.update({'reason': 'never built'}) %}
    {% elif model.resource_type == 'model' and existing.type != 'table' %}
        {% do step.update({'reason': 'was a ' ~ existing.type}) %}
    {% elif not state['is_same'] %}
        {% do step.update({'reason': 'its code, columns or configuration changed'}) %}
    {% elif unknown %}
        {% do step.update({'reason': 'nothing known of ' ~ unknown | join(', ')}) %}
    {% elif (state['known_seq'] or 0) | int > known_seq() | int %}
        {% do step.update({'reason': 'known time went back'}) %}
    {% else %}
        {% for name in names if states[name]['changed_at'] | int > step.since %}
            {# Deliveries that were accepted stay what they are: a history changes with its raw rows alone. #}
            {% if steps.get('by') != 'key' or name.startswith('source:raw.') %}
                {% do step.changed.append(name) %}
            {% endif %}
        {% endfor %}
        {% set by_person = [] %}
        {% for name in step.changed %}
            {% if name in steps.get('told_by', {}) %}
                {# Its own list says whose rows changed. #}
            {% elif states[name]['full_at'] | int > step.since or (steps.by == 'sum' and name != steps.over) or (grows(name) and name not in steps.get('grows', [])) %}
                {% do by_person.append(name) %}
            {% endif %}
        {% endfor %}
        {% if not step.changed %}
            {% do step.update({'mode': 'unchanged', 'reason': 'nothing it reads changed'}) %}
        {% elif steps.get('by') == 'key' %}
            {% do step.update({'mode': 'increment', 'reason': step.changed | join(', ')}) %}
        {% elif steps.get('by') not in ('person', 'sum') %}
            {% do step.update({'reason': step.changed | join(', ')}) %}
        {% elif (steps.get('due') or steps.get('told_by')) and not state['mark'] %}
            {% do step.update({'reason': 'it is not known how far it had come'}) %}
        {% elif by_person %}
            {% do step.update({'reason': by_person | join(', ') ~ ' changed for everybody'}) %}
        {% else %}
            {% do step.update({'mode': 'increment', 'reason': step.changed | join(', ')}) %}
        {% endif %}
    {% endif %}
    {{ return(step) }}
{% endmacro %}

{#  The ledger's row after a run, in its transaction.

    content   SQL that hashes the rows, if an equal rebuild is to count as no change
    is_whole  nobody can say whose rows changed
    mode      full, rebuilt or increment #}
{% macro note_run(step, mode, is_whole, has_changed=true, is_grown=false, content='null', people=none, rows_written=0) %}
    {% call statement('note_run') %}
        insert into increments.model_state as state (model, ran_at, changed_at, full_at, fingerprint, content, known_seq, mode,
            reason, people, rows_written, mark)
        select '{{ model.name }}', {{ step.stamp }}, {{ step.stamp if has_changed else 0 }}, {{ step.stamp if is_whole and not is_grown else 0 }},
            '{{ step.fingerprint }}', {{ content }}, {{ known_seq() }}, '{{ mode }}', '{{ step.reason | replace("'", "''") }}',
            {{ people if people is not none else 'null' }}, {{ rows_written }},
            {{ '(' ~ steps_mark(increment_of(model)) ~ ')' }}
        on conflict (model) do update set
            ran_at = excluded.ran_at,
            changed_at = case when excluded.content = state.content then state.changed_at
                else greatest(excluded.changed_at, state.changed_at) end,
            full_at = case when excluded.content = state.content then state.full_at
                else greatest(excluded.full_at, state.full_at) end,
            fingerprint = excluded.fingerprint, content = excluded.content, known_seq = excluded.known_seq,
            mode = case when excluded.content = state.content then 'same' else excluded.mode end,
            reason = excluded.reason, people = excluded.people, rows_written = excluded.rows_written, mark = excluded.mark
    {% endcall %}
    {% if is_whole %}
        {% call statement('forget') %} delete from increments.touched_person where model = '{{ model.name }}' {% endcall %}
    {% endif %}
{% endmacro %}

{#  How far the calendar, or the list of changes, had come that a model was made with: its mark, or nothing. #}
{% macro steps_mark(steps) -%}
    {%- if steps.get('due') -%} select cast(jsonb_object_agg(la_code, day) as text)
        from (select la_code, max(day) as day from {{ relation_of('int_known_day') }} group by la_code) as come
    {%- elif steps.get('told_by') -%} select cast(coalesce(max(change_seq), 0) as text) from {{ steps.told_by.values() | first }}
    {%- else -%} select cast(null as text) {%- endif -%}
{%- endmacro %}

{#  The file that holds a table: another one when it was emptied or made anew, so that what was read of it is void. #}
{% macro file_of(relation) -%}
    coalesce(cast(pg_relation_filenode(to_regclass('{{ relation }}')) as text), 'none')
{%- endmacro %}

{#  A model's table, by its name, for statements around the model's own. #}
{% macro relation_of(name) %}{{ return(graph.nodes['model.neet.' ~ name].relation_name) }}{% endmacro %}

{#  After a seed was loaded: did its rows or columns change? Either lineage may have loaded it; both read it. #}
{% macro note_seed() %}
    insert into increments.model_state as state (model, ran_at, changed_at, full_at, content, mode, reason)
    select 'seed:{{ model.name }}', stamp, stamp, stamp, {{ content_of(this) }}, 'full', 'loaded'
    from (select nextval('increments.model_stamp') as stamp) as drawn
    on conflict (model) do update set
        ran_at = excluded.ran_at,
        changed_at = case when excluded.content = state.content then state.changed_at else excluded.changed_at end,
        full_at = case when excluded.content = state.content then state.full_at else excluded.full_at end,
        content = excluded.content
{% endmacro %}

{#  After a view was made: does it say something else than before? #}
{% macro note_view() %}
    insert into increments.model_state as state (model, ran_at, changed_at, full_at, fingerprint, mode, reason)
    select '{{ model.name }}', stamp, stamp, stamp, '{{ fingerprint_of(model, sql) }}', 'full', 'a view'
    from (select nextval('increments.model_stamp') as stamp) as drawn
    on conflict (model) do update set
        ran_at = excluded.ran_at, changed_at = excluded.changed_at, full_at = excluded.full_at, fingerprint = excluded.fingerprint
    where state.fingerprint is distinct from excluded.fingerprint
{% endmacro %}

{#  Before anything is built: which tables that dbt does not own, and which seeds (somebody may have put a row right by
    hand), have changed since the last look. What can change in a
    source stands in its meta entry `changes`: `rows` (default: hash them all), `appended` (nobody may update or delete:
    count them), or SQL. What a run reads of a source also depends on how far it sees, unless `is_known` is false: of how
    many rows. #}
{% macro note_sources() %}
    {% if ledger_is_kept() and flags.WHICH in ('build', 'run') %}
        {% set looks = [] %}
        {% for id, source in graph.sources.items() %}
            {% set meta = source.config.get('meta', {}) or source.meta or {} %}
            {% set changes = meta.get('changes', 'rows') %}
            {% if source.source_name == 'raw' %}
                {% set content = "(select coalesce(max(delivery_seq), 0) from control.delivery where feed = '" ~ source.name
                    ~ "' and delivery_seq <= " ~ known_seq() ~ ") || ' ' || " ~ file_of(source.relation_name) %}
            {% elif changes == 'rows' %}
                {% set content = content_of(source.relation_name) %}
            {% elif changes == 'appended' %}
                {% set content = "(select cast(count(*) as text) from " ~ source.relation_name ~ ")" %}
            {% else %}
                {% set content = "(" ~ changes ~ ")" %}
            {% endif %}
            {% if source.source_name != 'raw' and meta.get('is_known', true) %}
                {% set content = content ~ " || ' seen ' || (select count(*) from " ~ source.relation_name
                    ~ " where delivery_seq <= " ~ known_seq() ~ ")" %}
            {% endif %}
            {% do looks.append("select 'source:" ~ source.source_name ~ "." ~ source.name ~ "' as model, " ~ content ~ " as content") %}
        {% endfor %}
        {% set loaded = run_query("select tablename from pg_tables where schemaname = 'reference'").columns[0].values() %}
        {% for id, node in graph.nodes.items() if node.resource_type == 'seed' and node.alias in loaded %}
            {% do looks.append("select 'seed:" ~ node.name ~ "' as model, " ~ content_of(node.relation_name) ~ " as content") %}
        {% endfor %}
        {% call statement('sources') %}
            insert into increments.model_state as state (model, ran_at, changed_at, full_at, content, mode, reason)
            select model, stamp, stamp, stamp, content, 'full', 'looked at'
            from (select nextval('increments.model_stamp') as stamp) as drawn
            cross join ({{ looks | join(' union all ') }}) as look
            on conflict (model) do update set
                ran_at = excluded.ran_at, changed_at = excluded.changed_at, full_at = excluded.full_at, content = excluded.content
            where state.content is distinct from excluded.content
        {% endcall %}
        {% do adapter.commit() %}
    {% endif %}
{% endmacro %}
