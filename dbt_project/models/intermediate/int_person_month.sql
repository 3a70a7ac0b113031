{#  Everybody the authority leads for, at every month end since the first extract, with what they were doing. Leavers
    are kept for the month reported only: the return may have to name them once. #}
with person as (
    select * from {{ ref('int_young_person') }} where has_lead_responsibility
),

member as (
    select
        person.*,
        month_end.month_end,
        month_end.census_point,
        month_end.is_reporting_point,
        month_end.measured_age_from,
        month_end.measured_age_to,
        {{ academic_age('person.dob', 'month_end.academic_year_starts_on') }} as academic_age,
        month_end.year_group_below_academic_age,
        -- Core+ holds the present status only: whoever left after the month end is taken to have been primary then.
        status.is_leaver and coalesce(person.cohort_status_on > month_end.month_end, false) as left_later,
        coalesce(status.is_leaver, false) as is_leaver_now
    from person
    inner join {{ ref('int_month_end') }} as month_end
        on month_end.la_code = person.la_code
        and (person.cohort_entry_on is null or person.cohort_entry_on <= month_end.month_end)
    left join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = person.cohort_status_code
        and {{ valid_on('status', 'month_end.month_end') }}
)

select
    member.la_code,
    member.person_id,
    member.young_persons_id,
    member.month_end,
    member.census_point,
    member.is_reporting_point,
    case when member.left_later then 'P' else member.cohort_status_code end as cohort_status_code,
    member.cohort_status_on,
    member.is_leaver_now and not member.left_later as is_leaver,
    coalesce(member.left_later, false) as left_later,
    member.academic_age,
    member.academic_age - member.year_group_below_academic_age as year_group,
    coalesce(member.academic_age between member.measured_age_from and member.measured_age_to, false) as is_measured_age,
    member.gender_code,
    member.ethnicity_code,
    member.district_code,
    member.school_of_origin,
    member.owner_service_code,
    member.sen_group,
    segment.activity_spell_id,
    segment.activity_code,
    coalesce(segment.status_bucket, 'NOT_KNOWN') as status_bucket,
    coalesce(segment.is_lapsed, false) as is_lapsed,
    member.is_stale
from member
left join {{ ref('int_status_segment') }} as segment
    on segment.la_code = member.la_code
    and segment.person_id = member.person_id
    and {{ in_force('segment.starts_on', 'segment.ends_before', 'member.month_end') }}
where not member.is_leaver_now or member.left_later or member.is_reporting_point
