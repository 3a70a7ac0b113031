{#  Who owes which file, since when, and who was chased. As at the day of the newest delivery or decision this build has
    seen: a build has no clock of its own. `./neet collections` says the same as at today. #}
with known as (
    select *
    from {{ as_known(source('control', 'delivery'), from_column='delivery_seq', to_column=none) }} as delivery
    where status = 'accepted'
),

clock as (
    select max({{ england_date('accepted_at') }}) as as_at_on
    from known
),

this_year as (
    select academic_years.ends_on
    from {{ ref('academic_years') }} as academic_years
    inner join clock
        on clock.as_at_on between academic_years.starts_on and academic_years.ends_on
),

-- Held and refused files have no place in the order of what is known, so they are listed as they stand.
delivered as (
    select
        delivery.la_code,
        delivery.feed,
        delivery.provider,
        delivery.delivery_id,
        delivery.status,
        delivery.rows_in,
        delivery.received_at,
        {{ england_date('delivery.received_at') }} as received_on,
        {{ content_on('delivery.as_at', 'delivery.period', 'academic_years.starts_on') }} as content_on
    from (
        select la_code, feed, provider, period, as_at, delivery_id, status, rows_in, received_at from known
        where mode <> 'decision'
        union all
        select la_code, feed, provider, period, as_at, delivery_id, status, rows_in, received_at
        from {{ source('control', 'delivery') }}
        where status in ('held', 'refused')
    ) as delivery
    left join {{ ref('academic_years') }} as academic_years
        on delivery.period = 'AY' || academic_years.academic_year
),

begun as (
    select la_code, feed, min(content_on) as first_content_on
    from delivered
    where status = 'accepted'
    group by la_code, feed
),

expected as (
    select
        due.la_code,
        provider.provider,
        provider.provider_name,
        provider.kind as provider_kind,
        due.feed,
        collection.collection_name,
        collection.owner_service_code,
        due.opens_on,
        due.closes_on,
        due.due_on,
        due.late_from,
        clock.as_at_on
    from {{ ref('collection_due') }} as due
    inner join {{ ref('collection') }} as collection
        on collection.la_code = due.la_code
        and collection.feed = due.feed
        and {{ valid_on('collection', 'due.due_on') }}
    inner join {{ ref('collection_provider') }} as provider
        on provider.la_code = due.la_code
        and provider.kind = collection.kind
        and {{ valid_on('provider', 'due.due_on') }}
    inner join begun
        on begun.la_code = due.la_code
        and begun.feed = due.feed
        and begun.first_content_on < due.closes_on
    inner join this_year
        on due.due_on <= this_year.ends_on
    cross join clock
),

came as (
    select
        expected.la_code,
        expected.provider,
        expected.feed,
        expected.due_on,
        delivered.delivery_id,
        delivered.status,
        delivered.rows_in,
        delivered.received_on,
        row_number() over (
            partition by expected.la_code, expected.provider, expected.feed, expected.due_on, delivered.status = 'accepted'
            order by delivered.received_at, delivered.delivery_id
        ) as first_rank,
        row_number() over (
            partition by expected.la_code, expected.provider, expected.feed, expected.due_on, delivered.status = 'accepted'
            order by delivered.received_at desc, delivered.delivery_id desc
        ) as last_rank
    from expected
    inner join delivered
        on delivered.la_code = expected.la_code
        and delivered.feed = expected.feed
        and delivered.provider = expected.provider
        and {{ in_force('expected.opens_on', 'expected.closes_on', 'delivered.content_on') }}
),

received as (
    select
        la_code,
        provider,
        feed,
        due_on,
        max(case when first_rank = 1 then received_on end) as received_on,
        max(case when last_rank = 1 then rows_in end) as rows_in,
        max(case when last_rank = 1 then delivery_id end) as delivery_id,
        count(*) as deliveries
    from came
    where status = 'accepted'
    group by la_code, provider, feed, due_on
),

waiting as (
    select la_code, provider, feed, due_on, status, delivery_id
    from came
    where status <> 'accepted' and last_rank = 1
),

chased as (
    select
        la_code,
        {{ json_text('body', 'provider') }} as provider,
        {{ json_text('body', 'feed') }} as feed,
        {{ to_date(json_text('body', 'due_on')) }} as due_on,
        count(*) as chased_count,
        max({{ to_date(json_text('body', 'chased_on')) }}) as last_chased_on
    from {{ as_known(source('control', 'decision'), from_column='delivery_seq', to_column=none) }} as decision
    where kind = 'chase'
    group by 1, 2, 3, 4
)

select
    expected.la_code,
    expected.provider,
    expected.feed,
    expected.due_on,
    expected.provider_name,
    expected.provider_kind,
    expected.collection_name,
    expected.owner_service_code,
    expected.opens_on,
    expected.late_from,
    expected.as_at_on,
    case
        when received.received_on is not null then 'received'
        when expected.as_at_on < expected.due_on then 'not_yet_due'
        when expected.as_at_on < expected.late_from then 'due'
        when chased.chased_count > 0 then 'chased'
        else 'late'
    end as state,
    received.received_on,
    received.rows_in = 0 as is_nil,
    cast(coalesce(received.deliveries, 0) as integer) as delivery_count,
    received.delivery_id,
    cast(
        greatest({{ days_between('expected.due_on', 'coalesce(received.received_on, expected.as_at_on)') }}, 0)
        as integer
    ) as late_days,
    cast(coalesce(chased.chased_count, 0) as integer) as chased_count,
    chased.last_chased_on,
    case when received.received_on is null then waiting.status end as waiting_status,
    case when received.received_on is null then waiting.delivery_id end as waiting_delivery_id
from expected
left join received
    on received.la_code = expected.la_code
    and received.provider = expected.provider
    and received.feed = expected.feed
    and received.due_on = expected.due_on
left join waiting
    on waiting.la_code = expected.la_code
    and waiting.provider = expected.provider
    and waiting.feed = expected.feed
    and waiting.due_on = expected.due_on
left join chased
    on chased.la_code = expected.la_code
    and chased.provider = expected.provider
    and chased.feed = expected.feed
    and chased.due_on = expected.due_on
