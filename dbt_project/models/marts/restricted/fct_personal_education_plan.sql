{#  Personal education plans of children in care, reached by the Liberi record of the same number, those of earlier years among
    them. Restricted. #}
select
    known.la_code,
    {{ key_of(['known.la_code', "'pep_plans'", 'known.pep_id']) }} as plan_key,
    {{ linked_person_id('liberi_care', 'known', "coalesce(known.liberi_id, '')") }} as person_id,
    link.young_persons_id,
    link.young_persons_id is not null as is_linked,
    {{ to_text('known.academic_year') }} as academic_year,
    {{ to_date('known.meeting_on') }} as meeting_on,
    {{ code_form('known.plan_quality') }} as plan_quality,
    {{ code_form('known.intended_destination') }} as intended_destination,
    {{ to_date('known.next_meeting_on') }} as next_meeting_on,
    coalesce({{ to_date('known.next_meeting_on') }} < as_at.as_at, false) as is_meeting_overdue,
    coalesce({{ code_form('known.is_complete') }} = 'Y', false) as is_complete,
    row_number() over (
        partition by known.la_code, known.liberi_id
        order by {{ to_date('known.meeting_on') }} desc nulls last, {{ bytewise('known.pep_id') }} desc
    ) = 1 as is_latest_of_person,
    known.is_listed,
    known.is_stale
from {{ ever_listed('pep_plans') }} as known
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = known.la_code
{{ join_link('liberi_care', 'known', 'known.liberi_id') }}
