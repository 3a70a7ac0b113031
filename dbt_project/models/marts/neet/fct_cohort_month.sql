{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with vulnerable as (
    select distinct
        month_end.la_code,
        month_end.month_end,
        characteristic.person_id
    from {{ ref('int_month_end') }} as month_end
    inner join {{ ref('int_characteristic') }} as characteristic
        on characteristic.la_code = month_end.la_code
        and characteristic.is_in_vulnerable_group
        and {{ in_force('characteristic.start_on', 'characteristic.ends_before', 'month_end.month_end') }}
),

-- The spell each NEET person is in, and the days in it, up to the month end, on which they were not known.
neet as (
    select
        person_month.la_code,
        person_month.person_id,
        person_month.month_end,
        present.neet_spell_number,
        sum(case when earlier.status_bucket = 'NOT_KNOWN'
            then {{ days_between('earlier.starts_on', 'earlier.ends_before') }} else 0 end) as not_known_days
    from {{ ref('int_person_month') }} as person_month
    inner join {{ ref('int_neet_segment') }} as present
        on present.la_code = person_month.la_code
        and present.person_id = person_month.person_id
        and {{ in_force('present.starts_on', 'present.ends_before', 'person_month.month_end') }}
    inner join {{ ref('int_neet_segment') }} as earlier
        on earlier.la_code = present.la_code
        and earlier.person_id = present.person_id
        and earlier.neet_spell_number = present.neet_spell_number
        and earlier.starts_on <= present.starts_on
    where person_month.status_bucket = 'NEET'
    group by 1, 2, 3, 4
),

judged as (
    select
        person_month.*,
        activity.activity_group,
        case when not person_month.is_lapsed then activity.participation_route end as participation_route,
        person_month.is_measured_age and coalesce(status.is_measured, false) as is_measured,
        coalesce(activity.is_in_rate_denominator, true) as is_code_in_denominator,
        spell.neet_spell_id,
        spell.neet_spell_number,
        spell.neet_start_on,
        {{ days_between('spell.neet_start_on', 'person_month.month_end') }} as neet_days,
        neet.not_known_days,
        vulnerable.person_id is not null as is_vulnerable
    from {{ ref('int_person_month') }} as person_month
    left join {{ ref('int_activity_spell') }} as activity
        on activity.la_code = person_month.la_code and activity.activity_spell_id = person_month.activity_spell_id
    left join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = person_month.cohort_status_code
        and {{ valid_on('status', 'person_month.month_end') }}
    left join neet
        on neet.la_code = person_month.la_code
        and neet.person_id = person_month.person_id
        and neet.month_end = person_month.month_end
    left join {{ ref('fct_neet_spell') }} as spell
        on spell.la_code = neet.la_code
        and spell.person_id = neet.person_id
        and spell.neet_spell_number = neet.neet_spell_number
    left join vulnerable
        on vulnerable.la_code = person_month.la_code
        and vulnerable.person_id = person_month.person_id
        and vulnerable.month_end = person_month.month_end
)

select
    la_code,
    month_end,
    person_id,
    census_point,
    young_persons_id,
    cohort_status_code,
    academic_age,
    year_group,
    district_code,
    school_of_origin,
    owner_service_code,
    gender_code,
    ethnicity_code,
    activity_spell_id,
    activity_code,
    activity_group,
    status_bucket,
    is_lapsed,
    participation_route is not null as is_participating,
    participation_route,
    is_measured,
    is_measured and is_code_in_denominator as is_in_denominator,
    neet_spell_id,
    neet_spell_number,
    neet_start_on,
    neet_days,
    cast(neet_days - not_known_days as integer) as neet_days_without_not_known,
    sen_group,
    is_vulnerable,
    is_stale
from judged
