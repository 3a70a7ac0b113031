{#  The tracking queue: who left a provider and is not known to have gone anywhere. A destination is a statement by the
    provider, a later place at any provider, or an activity of Core+ that began after the day of leaving. #}
{{ config(
    meta={'increment': {'by': 'person', 'narrow': {'fct_enrolment': 'person_id'}}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with leaver as (
    select
        enrolment.*,
        as_at.as_at
    from {{ ref('fct_enrolment') }} as enrolment
    inner join {{ ref('int_as_at') }} as as_at
        on as_at.la_code = enrolment.la_code
    where enrolment.ended_on <= as_at.as_at
        and {{ days_between('enrolment.ended_on', 'as_at.as_at') }} <= {{ support_policy('leaver_queue_days', 'as_at.as_at') }}
        and not enrolment.is_destination_known
),

last_leaving as (
    select
        leaver.*,
        row_number() over (partition by la_code, person_id order by ended_on desc, enrolment_key) as newest_first
    from leaver
)

select
    leaver.la_code,
    leaver.person_id,
    leaver.young_persons_id,
    leaver.is_linked,
    leaver.enrolment_key,
    leaver.provider_kind,
    leaver.provider_code,
    leaver.started_on,
    leaver.ended_on,
    {{ days_between('leaver.ended_on', 'leaver.as_at') }} as days_since_leaving,
    leaver.leaving_reason,
    person.district_code,
    person.owner_service_code,
    segment.status_bucket as core_plus_status,
    coalesce(cohort.is_in_denominator, false) as is_in_cohort,
    exists (
        select 1
        from {{ ref('int_characteristic') }} as characteristic
        where characteristic.la_code = leaver.la_code
            and characteristic.person_id = leaver.person_id
            and characteristic.is_in_vulnerable_group
            and {{ in_force('characteristic.start_on', 'characteristic.ends_before', 'leaver.as_at') }}
    ) as is_vulnerable
from last_leaving as leaver
left join {{ ref('int_young_person') }} as person
    on person.la_code = leaver.la_code and person.person_id = leaver.person_id
left join {{ ref('int_status_segment') }} as segment
    on segment.la_code = leaver.la_code
    and segment.person_id = leaver.person_id
    and {{ in_force('segment.starts_on', 'segment.ends_before', 'leaver.as_at') }}
left join {{ ref('int_reporting_point') }} as point
    on point.la_code = leaver.la_code
left join {{ ref('fct_cohort_month') }} as cohort
    on cohort.la_code = leaver.la_code
    and cohort.person_id = leaver.person_id
    and cohort.month_end = point.period_end
where leaver.newest_first = 1
    and not exists (
        select 1
        from {{ ref('fct_enrolment') }} as later
        where later.la_code = leaver.la_code
            and later.person_id = leaver.person_id
            and later.enrolment_key <> leaver.enrolment_key
            and (later.started_on >= leaver.ended_on or later.is_open)
    )
    and not exists (
        select 1
        from {{ ref('int_activity_spell') }} as activity
        where activity.la_code = leaver.la_code
            and activity.person_id = leaver.person_id
            and activity.status_bucket in ('EET', 'NEET')
            and activity.start_on > leaver.ended_on
    )
