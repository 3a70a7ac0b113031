{#  Held, refused and duplicate files have no place in the order of what is known, so they are listed as they stand. #}
with settled as (
    select
        subject as delivery_id,
        kind,
        decided_by,
        decided_at,
        reason
    from {{ source('control', 'decision') }}
    where kind in ('release', 'discard')
)

select
    delivery.la_code,
    delivery.delivery_id,
    delivery.feed,
    delivery.provider,
    delivery.period,
    delivery.as_at,
    delivery.mode,
    delivery.file_name,
    delivery.file_sha256,
    delivery.file_bytes,
    delivery.received_at,
    delivery.status,
    delivery.status_reason,
    delivery.accepted_at,
    delivery.delivery_seq,
    delivery.contract_version,
    delivery.rows_in,
    delivery.rows_loaded,
    delivery.rows_unchanged,
    delivery.rows_rejected,
    delivery.rows_closed,
    delivery.closures_held as is_closure_held,
    delivery.duplicate_of,
    provider.provider_name,
    {{ file_ending('delivery.file_name') }} as file_format,
    delivery.status = 'accepted' and delivery.mode <> 'decision' and delivery.rows_in = 0 as is_nil,
    delivery.landing_path,
    -- where neet.feeds.reject_report writes it
    case
        when delivery.mode <> 'decision' and (delivery.status in ('held', 'refused') or delivery.rows_rejected > 0)
            then 'reports/' || delivery.feed || '/' || delivery.provider || '/' || delivery.period || '_'
                || delivery.delivery_id || '.html'
    end as report_path,
    settled.kind as settled_as,
    settled.decided_by as settled_by,
    settled.decided_at as settled_at,
    settled.reason as settled_reason
from {{ source('control', 'delivery') }} as delivery
left join settled
    on settled.delivery_id = delivery.delivery_id
left join {{ ref('collection_provider') }} as provider
    on provider.la_code = delivery.la_code
    and provider.provider = delivery.provider
    and {{ valid_on('provider', england_date('delivery.received_at')) }}
