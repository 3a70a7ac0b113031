{{ config(
    meta={'increment': {'by': 'person', 'narrow': {'int_referral': 'person_id', 'int_case': 'person_id'}}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with neet_then as (
    select
        referral.*,
        segment.status_bucket as status_on_referral,
        row_number() over (
            partition by referral.la_code, referral.person_id, referral.referred_on, referral.referral_source
            order by case when referral.case_key is null then 1 else 0 end, {{ bytewise('referral.referral_key') }}
        ) > 1 as is_repeat
    from {{ ref('int_referral') }} as referral
    left join {{ ref('int_status_segment') }} as segment
        on segment.la_code = referral.la_code
        and segment.person_id = referral.person_id
        and {{ in_force('segment.starts_on', 'segment.ends_before', 'referral.referred_on') }}
),

-- The last case of the person that was closed before the referral.
closed_before as (
    select
        referral.la_code,
        referral.referral_key,
        max(earlier.closed_on) as last_closed_on
    from {{ ref('int_referral') }} as referral
    inner join {{ ref('int_case') }} as earlier
        on earlier.la_code = referral.la_code
        and earlier.person_id = referral.person_id
        and earlier.closed_on <= referral.referred_on
        and earlier.case_key <> coalesce(referral.case_key, '')
    group by referral.la_code, referral.referral_key
)

select
    neet_then.la_code,
    neet_then.referral_key,
    neet_then.channel,
    neet_then.referral_id,
    neet_then.person_id,
    neet_then.young_persons_id,
    neet_then.young_persons_id is not null as is_linked,
    person.district_code,
    neet_then.referral_source,
    source.referral_source is not null as is_known_source,
    source.service_code as referring_service_code,
    neet_then.referral_reason,
    neet_then.received_on,
    neet_then.referred_on,
    {{ month_end('neet_then.referred_on') }} as referred_month_end,
    neet_then.is_repeat,
    neet_then.status_on_referral,
    coalesce(neet_then.status_on_referral = 'NEET', false) as was_neet,
    neet_then.case_key,
    cast(neet_then.case_count as integer) as case_count,
    neet_then.accepted_on,
    closed_before.last_closed_on,
    coalesce({{ days_between('closed_before.last_closed_on', 'neet_then.referred_on') }}
        <= {{ support_policy('rereferral_window_days', 'neet_then.referred_on') }}, false) as is_rereferral
from neet_then
left join closed_before
    on closed_before.la_code = neet_then.la_code and closed_before.referral_key = neet_then.referral_key
left join {{ ref('int_young_person') }} as person
    on person.la_code = neet_then.la_code and person.person_id = neet_then.person_id
left join {{ ref('referral_source_codes') }} as source
    on source.la_code = neet_then.la_code
    and source.referral_source = neet_then.referral_source
    and {{ valid_on('source', 'neet_then.referred_on') }}
