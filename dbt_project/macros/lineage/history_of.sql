{#  Every version of every key of a feed: [known_from_seq, known_to_seq) in the order of acceptance.

    Raw keeps only rows that changed, so a version lasts until the next row of its key. Operations: U says what is so,
    D says it is so no longer, S repeats the last good values because the newest row could not be read. The values of an
    S row are as old as the U row before it, which is what version_as_at tells.

    A census build keeps of its own authority the versions in force at its known_seq, and keeps them as a table: whatever
    reads them is planned with statistics, which a raw table that was filled a moment ago has not got. #}
{% macro history_of(feed) %}
with changes as (
    {% if is_census() %}
    select
        changed.*,
        cast(null as bigint) as next_seq,
        newest.version_seq
    from {{ source('raw', feed) }} as changed
    inner join (
        select
            la_code,
            row_key,
            max(delivery_seq) as delivery_seq,
            max(case when operation <> 'S' then delivery_seq end) as version_seq
        from {{ source('raw', feed) }}
        where delivery_seq <= {{ newest_seq() }} and {{ la_filter() }}
        group by la_code, row_key
    ) as newest
        on newest.la_code = changed.la_code
        and newest.row_key = changed.row_key
        and newest.delivery_seq = changed.delivery_seq
    where changed.operation <> 'D'
    {% else %}
    select
        changed.*,
        lead(delivery_seq) over key_in_order as next_seq,
        max(case when operation <> 'S' then delivery_seq end) over (
            partition by la_code, row_key order by delivery_seq
            rows between unbounded preceding and current row
        ) as version_seq
    from {{ source('raw', feed) }} as changed
    where delivery_seq <= {{ newest_seq() }}
    window key_in_order as (partition by la_code, row_key order by delivery_seq)
    {% endif %}
)

select
    changes.*,
    changes.delivery_seq as known_from_seq,
    changes.next_seq as known_to_seq,
    accepted.accepted_at as known_from,
    superseded.accepted_at as known_to,
    version.as_at as version_as_at,
    changes.operation = 'D' as is_deleted,
    changes.operation = 'S' as is_stale
from changes
inner join {{ source('control', 'delivery') }} as accepted
    on accepted.delivery_seq = changes.delivery_seq
left join {{ source('control', 'delivery') }} as superseded
    on superseded.delivery_seq = changes.next_seq
left join {{ source('control', 'delivery') }} as version
    on version.delivery_seq = changes.version_seq
{% endmacro %}
