{#  Children in care and care leavers as Liberi holds them. Restricted: no address, no placement postcode. #}
select
    known.la_code,
    {{ key_of(['known.la_code', "'liberi_care'", 'known.liberi_id']) }} as care_record_key,
    {{ linked_person_id('liberi_care', 'known', 'known.liberi_id') }} as person_id,
    link.young_persons_id,
    link.young_persons_id is not null as is_linked,
    {{ code_form('known.care_status') }} as care_status,
    coalesce(status.counts_as = 'OPEN', false) as is_open,
    {{ code_form('known.legal_status') }} as legal_status,
    {{ to_text('known.year_group') }} as year_group,
    {{ to_date('known.care_started_on') }} as care_started_on,
    {{ ends_before(to_date('known.care_ended_on')) }} as care_ends_before,
    {{ code_form('known.placement_kind') }} as placement_kind,
    {{ to_text('known.placing_la_code') }} as placing_la_code,
    coalesce({{ to_text('known.placing_la_code') }} <> known.la_code, false) as is_placed_by_another_authority,
    coalesce({{ code_form('known.is_uasc') }} = 'Y', false) as is_uasc,
    {{ to_date('known.missing_since') }} as missing_since,
    {{ code_form('known.eet_status') }} as eet_status,
    segment.status_bucket as core_plus_status,
    known.is_stale
from {{ as_known(ref('hist_liberi_care')) }} as known
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = known.la_code
{{ join_link('liberi_care', 'known', 'known.liberi_id') }}
left join {{ ref('support_codes') }} as status
    on status.code_list = 'care_status'
    and status.code = {{ code_form('known.care_status') }}
    and {{ valid_on('status', 'as_at.as_at') }}
left join {{ ref('int_status_segment') }} as segment
    on segment.la_code = known.la_code
    and segment.person_id = link.person_id
    and {{ in_force('segment.starts_on', 'segment.ends_before', 'as_at.as_at') }}
