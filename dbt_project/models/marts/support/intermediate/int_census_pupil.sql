{#  What the newest school census says of a person: free school meals on census day, SEN provision. #}
with pupil as (
    select
        known.la_code,
        {{ linked_person_id('school_census', 'known', "known.estab || '|' || known.upn") }} as person_id,
        {{ to_text('known.estab') }} as school_number,
        {{ code_form('known.sen_provision') }} as sen_provision,
        {{ code_form('known.fsm_eligible') }} in ('Y', 'YES', 'TRUE', '1') as is_fsm_eligible,
        known.version_as_at as census_on,
        -- C and M are main registrations; a subsidiary one yields to them.
        row_number() over (
            partition by known.la_code, {{ linked_person_id('school_census', 'known', "known.estab || '|' || known.upn") }}
            order by case when {{ code_form('known.enrolment_status') }} = 'S' then 1 else 0 end,
                known.version_as_at desc, {{ bytewise('known.row_key') }}
        ) as newest_first
    from {{ as_known(ref('hist_school_census')) }} as known
    {{ join_link('school_census', 'known', "known.estab || '|' || known.upn") }}
)

select la_code, person_id, school_number, sen_provision, coalesce(is_fsm_eligible, false) as is_fsm_eligible, census_on
from pupil
where newest_first = 1
