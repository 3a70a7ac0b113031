{#  A pupil's attendance in a term, by the day of the extract that told it. Raw keeps only what changed: a pupil whose
    marks are the same as the term before stands in the earlier term alone, with the same share of absence.

    What each mark counts as is a seed row; sessions possible are as the school sent them. #}
{% set mark_columns = ['mark_present_am', 'mark_present_pm', 'mark_off_site', 'mark_interview', 'mark_late', 'mark_sport',
    'mark_visit', 'mark_work_experience', 'mark_other_authorised', 'mark_excluded', 'mark_holiday_authorised',
    'mark_illness', 'mark_medical', 'mark_religious', 'mark_study_leave', 'mark_traveller', 'mark_holiday_unauthorised',
    'mark_no_reason_yet', 'mark_unauthorised', 'mark_late_after_close', 'mark_dual_registered', 'mark_not_required',
    'mark_unable_to_attend', 'mark_regulated_performance', 'mark_part_time_timetable', 'mark_job_interview',
    'mark_la_provision', 'mark_access_arrangements', 'mark_transport', 'mark_travel_disruption', 'mark_premises',
    'mark_site_closed', 'mark_custody', 'mark_public_health', 'mark_unavoidable'] %}
{% set groups = ['AUTHORISED', 'UNAUTHORISED', 'PRESENT'] %}
with version as (
    select
        known.*,
        row_number() over (partition by la_code, row_key, period order by known_from_seq desc) as newest_first
    from {{ as_known(ref('hist_school_attendance'), versions='all') }} as known
    where not is_deleted
),

pupil_term as (
    select
        version.la_code,
        version.row_key,
        version.period,
        version.version_as_at as term_ends_by,
        version.estab || '|' || version.upn as source_key,
        {{ to_text('version.estab') }} as school_number,
        {{ to_integer('version.sessions_possible') }} as sessions_possible,
        {%- for column in mark_columns %}
        coalesce({{ to_integer('version.' ~ column) }}, 0) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from version
    where version.newest_first = 1
),

-- What each mark counts as at the end of each term, side by side: a pupil's row meets one row of it, not one a mark.
weight as (
    select
        term.term_ends_by,
        {%- for group in groups %}{% set last_group = loop.last %}
        {%- for column in mark_columns %}
        max(case when mark.mark_column = '{{ column }}' and mark.counts_as = '{{ group }}' then 1 else 0 end)
            as {{ group | lower }}_{{ column }}{{ ',' if not (last_group and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    from (select distinct term_ends_by from pupil_term) as term
    left join {{ ref('attendance_marks') }} as mark
        on {{ valid_on('mark', 'term.term_ends_by') }}
    group by term.term_ends_by
),

counted as (
    select
        pupil_term.la_code,
        pupil_term.row_key,
        pupil_term.period,
        {%- for group in groups %}
        {% for column in mark_columns -%}
        weight.{{ group | lower }}_{{ column }} * pupil_term.{{ column }}{{ ' + ' if not loop.last }}
        {%- endfor %} as {{ group | lower }}_sessions{{ ',' if not loop.last }}
        {%- endfor %}
    from pupil_term
    inner join weight
        on weight.term_ends_by = pupil_term.term_ends_by
)

select
    pupil_term.la_code,
    {{ key_of(['pupil_term.la_code', "'attendance'", 'pupil_term.row_key', 'pupil_term.period']) }} as attendance_key,
    {{ linked_person_id('school_attendance', 'pupil_term', 'pupil_term.source_key') }} as person_id,
    link.young_persons_id,
    link.young_persons_id is not null as is_linked,
    pupil_term.school_number,
    pupil_term.term_ends_by,
    {{ academic_year_code('pupil_term.term_ends_by') }} as academic_year,
    pupil_term.sessions_possible,
    counted.present_sessions,
    counted.authorised_sessions,
    counted.unauthorised_sessions,
    counted.authorised_sessions + counted.unauthorised_sessions as absent_sessions,
    coalesce(pupil_term.sessions_possible > 0
        and counted.authorised_sessions + counted.unauthorised_sessions
            >= pupil_term.sessions_possible
                * {{ support_policy('persistent_absence_share', 'pupil_term.term_ends_by', 'numeric') }}, false)
        as is_persistently_absent
from pupil_term
inner join counted
    on counted.la_code = pupil_term.la_code
    and counted.row_key = pupil_term.row_key
    and counted.period = pupil_term.period
{{ join_link('school_attendance', 'pupil_term', 'pupil_term.source_key') }}
