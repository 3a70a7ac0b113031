{#  Establishments as the activities name them, dated by the extracts that did: schools merge and UKPRNs change. #}
with named as (
    select
        la_code,
        coalesce({{ to_text('establishment_number') }}, {{ to_text('uk_provider_reference_number') }}) as establishment_code,
        {{ to_text('establishment_number') }} as establishment_number,
        {{ to_text('establishment_name') }} as establishment_name,
        {{ to_text('uk_provider_reference_number') }} as uk_provider_reference_number,
        version_as_at
    from {{ as_known(ref('hist_core_plus_activities'), versions='all') }} as known
    where not is_deleted
),

dated as (
    select
        la_code,
        establishment_code,
        establishment_number,
        establishment_name,
        uk_provider_reference_number,
        min(version_as_at) as first_seen_on,
        max(version_as_at) as last_seen_on
    from named
    where establishment_code is not null
    group by 1, 2, 3, 4, 5
)

select
    la_code,
    {{ key_of(['la_code', 'establishment_code', "coalesce(establishment_name, '')",
               "coalesce(uk_provider_reference_number, '')"]) }} as establishment_id,
    establishment_code,
    establishment_number,
    establishment_name,
    uk_provider_reference_number,
    first_seen_on,
    last_seen_on,
    row_number() over (
        partition by la_code, establishment_code
        order by last_seen_on desc, first_seen_on desc, {{ bytewise('establishment_name') }}
    ) = 1 as is_current
from dated
