{#  Everybody the authority leads for, at every month end since the first extract, with what they were doing. Leavers
    go to the DfE once, so they stand in the month reported only: those who left in it, or who were reported as present
    when they were last reported (nccis.md section 3.4). #}
{{ config(
    meta={'increment': {'by': 'person', 'narrow': {'return_record': 'young_persons_id'}}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with person as (
    select * from {{ ref('int_young_person') }} where has_lead_responsibility
),

reported_before as (
    select
        record.la_code,
        record.young_persons_id,
        max(case when not coalesce(status.is_leaver, false) then submission.census_point end) as last_present,
        max(case when status.is_leaver then submission.census_point end) as last_gone
    from {{ source('submitted', 'return_record') }} as record
    inner join {{ ref('int_submission') }} as submission
        on submission.la_code = record.la_code
        and submission.submission_id = record.submission_id
        and submission.is_before_reporting_point
    left join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = record.cohort_status
    group by record.la_code, record.young_persons_id
),

reported_as as (
    select
        record.la_code,
        record.young_persons_id,
        submission.census_point,
        record.cohort_status
    from {{ source('submitted', 'return_record') }} as record
    inner join {{ ref('int_submission') }} as submission
        on submission.la_code = record.la_code and submission.submission_id = record.submission_id
    inner join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = record.cohort_status
        and not status.is_leaver
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
        -- Core+ holds the present status only: before it began the person was what was reported of that month, or else
        -- is taken to have been primary.
        coalesce(person.cohort_status_on > month_end.month_end, false) as is_status_later,
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
    case when member.is_status_later then coalesce(reported_as.cohort_status, 'P') else member.cohort_status_code end
        as cohort_status_code,
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
left join reported_as
    on member.is_status_later
    and reported_as.la_code = member.la_code
    and reported_as.young_persons_id = member.young_persons_id
    and reported_as.census_point = member.census_point
where not member.is_leaver_now
    or member.left_later
    or (
        member.is_reporting_point
        and (reported_before.last_gone is null or reported_before.last_present > reported_before.last_gone)
        and (
            reported_before.last_present is not null
            or member.cohort_status_on >= {{ month_start('member.month_end') }}
        )
    )
