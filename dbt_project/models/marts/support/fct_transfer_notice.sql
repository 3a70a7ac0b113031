{#  Notices of other authorities, and whether Core+ shows what they say: who moved out stands there as transferred to the
    authority that wrote, who moved in stands there at all. #}
with notice as (
    select
        known.la_code,
        known.row_key,
        {{ to_text('known.other_la_code') }} as other_la_code,
        {{ linked_person_id('other_la_moves', 'known', "known.other_la_code || '|' || known.notice_id") }} as person_id,
        link.young_persons_id,
        link.status as link_status,
        {{ code_form('known.direction') }} as direction,
        {{ to_date('known.moved_on') }} as moved_on,
        {{ to_text('known.activity') }} as activity,
        known.known_from
    from {{ as_known(ref('hist_other_la_moves')) }} as known
    {{ join_link('other_la_moves', 'known', "known.other_la_code || '|' || known.notice_id") }}
)

select
    notice.la_code,
    {{ key_of(['notice.la_code', "'notice'", 'notice.row_key']) }} as notice_key,
    notice.other_la_code,
    authority.la_name as other_la_name,
    notice.direction,
    notice.person_id,
    notice.young_persons_id,
    notice.young_persons_id is not null as is_linked,
    notice.moved_on,
    activity.activity_code,
    person.cohort_status_code,
    core_plus.transferred_to_la_code,
    case notice.direction
        when 'OUT' then coalesce(status.is_leaver, false) and coalesce(core_plus.transferred_to_la_code = notice.other_la_code, false)
        when 'IN' then person.person_id is not null and not coalesce(status.is_leaver, false)
        when 'RESIDENT' then person.person_id is not null
    end as is_entered_in_core_plus,
    {{ days_between('notice.moved_on', 'as_at.as_at') }} as days_since_move,
    notice.known_from
from notice
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = notice.la_code
left join {{ ref('la_codes') }} as authority
    on authority.la_code = notice.other_la_code
left join {{ ref('int_young_person') }} as person
    on person.la_code = notice.la_code and person.person_id = notice.person_id
left join (
    select la_code, young_persons_id, {{ to_text('transferred_to_la_code') }} as transferred_to_la_code
    from {{ as_known(ref('hist_core_plus_people')) }} as known
) as core_plus
    on core_plus.la_code = notice.la_code and core_plus.young_persons_id = notice.young_persons_id
left join {{ ref('cohort_status_codes') }} as status
    on status.cohort_status_code = person.cohort_status_code
    and {{ valid_on('status', 'as_at.as_at') }}
left join {{ ref('activity_codes') }} as activity
    on activity.activity_code = notice.activity
    and {{ valid_on('activity', 'notice.moved_on') }}
