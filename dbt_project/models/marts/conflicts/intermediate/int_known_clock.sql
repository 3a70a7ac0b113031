{#  What day it was, for the warehouse, when each delivery was accepted: the newest day that any extract delivered so far
    speaks about. Acceptance itself is no guide to how long something took, for years may be loaded in a morning; and a
    file name with a date still to come must not push the clock beyond the day of its acceptance. #}
{{ config(
    meta={'increment': {'by': 'growth'}},
    indexes=[{'columns': ['la_code', 'seq'], 'unique': true}]
) }}

with delivery as (
    select
        la_code,
        delivery_seq as seq,
        feed,
        accepted_at,
        cast(accepted_at as date) as accepted_on,
        as_at
    from {{ as_known(source('control', 'delivery'), from_column='delivery_seq', to_column=none) }} as known
    where status = 'accepted'
),

heard as (
    select distinct source_feed as feed from {{ ref('conflict_rule') }}
),

dated as (
    select
        delivery.*,
        max(
            case
                when delivery.as_at is not null
                    and (heard.feed is not null or delivery.feed like record_system.value || '%')
                    then least(delivery.as_at, delivery.accepted_on)
            end
        ) over (
            partition by delivery.la_code order by delivery.seq rows between unbounded preceding and current row
        ) as day,
        min(case when delivery.as_at is not null then least(delivery.as_at, delivery.accepted_on) end) over (partition by delivery.la_code) as first_as_at
    from delivery
    left join heard
        on heard.feed = delivery.feed
    left join {{ ref('policy') }} as record_system
        on record_system.policy_id = 'record_system' and {{ valid_on('record_system', 'delivery.accepted_on') }}
)

select
    la_code,
    seq,
    feed,
    accepted_at,
    coalesce(day, first_as_at, accepted_on) as day
from dated
