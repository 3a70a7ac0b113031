{#  The guarantee record that each person's node must hold at the month reported (nccis.md section 6): from April until
    the academic year ends that of their own year group, afterwards that of the year group they have just left. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with guarantee as (
    select
        la_code,
        {{ person_key('la_code', 'young_persons_id') }} as person_id,
        {{ to_integer('guarantee_year') }} as guarantee_year,
        {{ to_integer('year_group') }} as year_group,
        {{ to_text('guarantee_status') }} as guarantee_status,
        {{ to_text('lea_code') }} as lea_code
    from {{ as_known(ref('hist_core_plus_september_guarantee')) }} as known
),

reported as (
    select
        month_end.la_code,
        month_end.month_end,
        cast(extract(year from month_end.academic_year_starts_on) as integer) as year_starts_in,
        extract(month from month_end.month_end) >= cast(first_month.value as integer)
            and extract(month from month_end.month_end) < extract(month from month_end.academic_year_starts_on)
            as is_own_year
    from {{ ref('int_month_end') }} as month_end
    left join {{ ref('policy') }} as first_month
        on first_month.policy_id = 'guarantee_window_first_month'
        and {{ valid_on('first_month', 'month_end.month_end') }}
    where month_end.is_reporting_point
),

wanted as (
    select
        person.la_code,
        person.person_id,
        person.month_end,
        reported.year_starts_in + case when reported.is_own_year then 1 else 0 end as guarantee_year,
        person.year_group - case when reported.is_own_year then 0 else 1 end as guarantee_year_group
    from {{ ref('int_person_month') }} as person
    inner join reported
        on reported.la_code = person.la_code and reported.month_end = person.month_end
    where person.is_reporting_point
)

select
    wanted.la_code,
    wanted.person_id,
    wanted.month_end,
    guarantee.guarantee_year,
    guarantee.year_group,
    guarantee.guarantee_status,
    guarantee.lea_code
from wanted
inner join guarantee
    on guarantee.la_code = wanted.la_code
    and guarantee.person_id = wanted.person_id
    and guarantee.guarantee_year = wanted.guarantee_year
    and guarantee.year_group = wanted.guarantee_year_group
