{#  Orders as Youth Justice holds them. Restricted, and for the monthly cross-check alone: no name, no alias, no address. #}
select
    known.la_code,
    {{ key_of(['known.la_code', "'youth_justice_orders'", 'known.row_key']) }} as order_key,
    {{ linked_person_id('youth_justice_orders', 'known', 'known.yj_id') }} as person_id,
    link.young_persons_id,
    link.young_persons_id is not null as is_linked,
    {{ code_form('known.order_kind') }} as order_kind,
    {{ to_date('known.started_on') }} as started_on,
    {{ ends_before(to_date('known.ended_on')) }} as ends_before,
    {{ in_force(to_date('known.started_on'), ends_before(to_date('known.ended_on')), 'as_at.as_at') }} as is_open,
    coalesce({{ code_form('known.in_custody') }} = 'Y', false) as is_in_custody,
    {{ code_form('known.ete_status') }} as ete_status,
    {{ to_number(to_text('known.ete_hours')) }} as ete_hours,
    coalesce({{ to_number(to_text('known.ete_hours')) }}
        >= {{ support_policy('youth_justice_full_time_hours', 'as_at.as_at') }}, false) as is_full_time,
    coalesce({{ code_form('known.has_plan') }} = 'Y', false) as has_plan,
    segment.status_bucket as core_plus_status,
    known.is_stale
from {{ as_known(ref('hist_youth_justice_orders')) }} as known
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = known.la_code
{{ join_link('youth_justice_orders', 'known', 'known.yj_id') }}
left join {{ ref('int_status_segment') }} as segment
    on segment.la_code = known.la_code
    and segment.person_id = link.person_id
    and {{ in_force('segment.starts_on', 'segment.ends_before', 'as_at.as_at') }}
