{#  Pregnant young women and young parents as the Early Help Module holds them. Restricted: need to know. #}
select
    known.la_code,
    {{ key_of(['known.la_code', "'early_help_parents'", 'known.ehm_id']) }} as teenage_parent_key,
    {{ linked_person_id('early_help_parents', 'known', 'known.ehm_id') }} as person_id,
    link.young_persons_id,
    link.young_persons_id is not null as is_linked,
    {{ code_form('known.parent_status') }} as parent_status,
    coalesce(status.counts_as = 'OPEN', false)
        and coalesce({{ to_date('known.closed_on') }} > as_at.as_at, true) as is_open,
    {{ to_date('known.status_from') }} as status_from,
    {{ to_date('known.expected_on') }} as expected_on,
    coalesce({{ code_form('known.cares_for_child') }} = 'Y', false) as cares_for_child,
    {{ to_date('known.closed_on') }} as closed_on,
    segment.status_bucket as core_plus_status,
    segment.activity_code as core_plus_activity_code,
    known.is_stale
from {{ as_known(ref('hist_early_help_parents')) }} as known
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = known.la_code
{{ join_link('early_help_parents', 'known', 'known.ehm_id') }}
left join {{ ref('support_codes') }} as status
    on status.code_list = 'parent_status'
    and status.code = {{ code_form('known.parent_status') }}
    and {{ valid_on('status', 'as_at.as_at') }}
left join {{ ref('int_status_segment') }} as segment
    on segment.la_code = known.la_code
    and segment.person_id = link.person_id
    and {{ in_force('segment.starts_on', 'segment.ends_before', 'as_at.as_at') }}
