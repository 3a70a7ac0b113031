{#  A code as written, without blanks around it and in capitals: senders are not agreed on either. #}
{% macro code_form(column) %}upper({{ to_text(column) }}){% endmacro %}

{#  The person that a row of `feed` is about, by what linkage found. Whoever joins says `linked_person_id`. #}
{% macro join_link(feed, alias, key, link='link') -%}
    left join {{ ref('int_person_link') }} as {{ link }}
        on {{ link }}.la_code = {{ alias }}.la_code
        and {{ link }}.source_feed = '{{ feed }}'
        and {{ link }}.source_key = {{ key }}
{%- endmacro %}

{#  Before linkage has seen a record, and where it found nobody, the person is the record itself. #}
{% macro linked_person_id(feed, alias, key, link='link') -%}
    coalesce({{ link }}.person_id, {{ key_of([alias ~ '.la_code', "'" ~ feed ~ "'", key]) }})
{%- endmacro %}

{#  The Core+ person of a row that states the Core+ identity itself. #}
{% macro join_core_plus(alias, column='young_persons_id', person='person') -%}
    left join {{ ref('int_young_person') }} as {{ person }}
        on {{ person }}.la_code = {{ alias }}.la_code
        and {{ person }}.young_persons_id = {{ to_text(alias ~ '.' ~ column) }}
{%- endmacro %}

{#  Label and group of a code of one list, in force on a day of the row. #}
{% macro join_code(code_list, alias, column, name, day) -%}
    left join {{ ref('support_codes') }} as {{ name }}
        on {{ name }}.code_list = '{{ code_list }}'
        and {{ name }}.code = {{ alias }}.{{ column }}
        and {{ valid_on(name, day) }}
{%- endmacro %}

{#  The value of a dated row of support_policy on a day, as `type`. #}
{% macro support_policy(policy_id, day, type='integer') -%}
    (
        select cast(support_policy.value as {{ type }})
        from {{ ref('support_policy') }} as support_policy
        where support_policy.policy_id = '{{ policy_id }}' and {{ valid_on('support_policy', day) }}
    )
{%- endmacro %}

{#  Academic year that a day lies in, as 2021-22. #}
{% macro academic_year_code(day) -%}
    {{ year_code(academic_year_starts_on(day)) }}
{%- endmacro %}

{% macro year_code(starts_on) -%}
    (cast(extract(year from {{ starts_on }}) as text) || '-'
        || substr(cast(extract(year from {{ starts_on }}) + 1 as text), 3, 2))
{%- endmacro %}

{#  The newest version of each row of a feed, also of rows that have gone from its list since (`is_listed` tells): a list of
    a year takes the place of the year before, and what stood there was so. #}
{% macro ever_listed(feed) -%}
    (
        select version.*, version.known_to is null as is_listed
        from (
            select
                known.*,
                row_number() over (partition by la_code, row_key order by known_from_seq desc) as newest_first
            from {{ as_known(ref('hist_' ~ feed), versions='all') }} as known
            where not is_deleted
        ) as version
        where version.newest_first = 1
    )
{%- endmacro %}
