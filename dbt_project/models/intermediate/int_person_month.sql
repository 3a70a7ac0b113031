{#  Everybody the authority leads for, at every month end since the first extract, with what they were doing. Leavers
    go to the DfE once, so they stand in the month reported only: those who left in it, or who were reported as present
    before and have not been reported as gone (nccis.md section 3.4). #}
with person as (
    select * from {{ ref('int_young_person') }} where has_lead_responsibility
),

reported_before as (
    select
        record.la_code,
        record.young_persons_id,
        max(case when status.is_leaver then 1 else 0 end) as times_as_leaver
    from {{ source('submitted', 'return_record') }} as record
    inner join {{ ref('int_submission') }} as submission
        on submission.la_code = record.la_code
        and submission.submission_id = record.submission_id
        and submission.is_before_reporting_point
    left join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = record.cohort_status
    group by record.la_code, record.young_persons_id
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
left join reported_before
    on reported_before.la_code = member.la_code
    and reported_before.young_persons_id = member.young_persons_id
where not member.is_leaver_now
    or member.left_later
    or (
        member.is_reporting_point
        and coalesce(reported_before.times_as_leaver, 0) = 0
        and (
            reported_before.young_persons_id is not null
            or member.cohort_status_on >= {{ month_start('member.month_end') }}
        )
    )
