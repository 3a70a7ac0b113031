{#  Barriers, aspirations and levels of Core+, as spells. An aspiration is a sector, so its codes are the sectors that
    providers offer. #}
with need as (
    select
        known.la_code,
        known.row_key,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        {{ code_form('known.need_kind') }} as need_kind,
        {{ code_form('known.need_code') }} as need_code,
        {{ to_date('known.started_on') }} as started_on,
        {{ ends_before(to_date('known.ended_on')) }} as ends_before,
        known.is_stale
    from {{ as_known(ref('hist_core_plus_needs')) }} as known
)

select
    need.la_code,
    {{ key_of(['need.la_code', "'need'", 'need.row_key']) }} as need_key,
    coalesce(person.person_id, {{ person_key('need.la_code', 'need.young_persons_id') }}) as person_id,
    need.young_persons_id,
    person.person_id is not null as is_on_core_plus,
    need.need_kind,
    need.need_code,
    code.label as need_label,
    code.code is not null as is_known_code,
    code.next_code as level_looked_for,
    need.started_on,
    need.ends_before,
    {{ in_force('need.started_on', 'need.ends_before', 'as_at.as_at') }} as is_current,
    need.is_stale
from need
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = need.la_code
{{ join_core_plus('need') }}
left join {{ ref('support_codes') }} as code
    on code.code_list = case need.need_kind when 'ASPIRATION' then 'sector' when 'BARRIER' then 'barrier' when 'LEVEL' then 'level' end
    and code.code = need.need_code
    and {{ valid_on('code', 'need.started_on') }}
