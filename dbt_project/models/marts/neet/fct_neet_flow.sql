{#  Opening + joiners - leavers = closing, by month-end status alone: the tolerance for short gaps touches spell length,
    not these. The four numbers are counted separately, so that the sum is a check and not a definition. #}
with reporting_group as (
    select * from {{ ref('reporting_group') }}
),

neet as (
    select
        person.basis,
        person.la_code,
        person.month_end,
        person.person_id,
        area.area_type,
        case area.area_type when 'county' then person.la_code else coalesce(person.district_code, 'NOT_RECORDED') end
            as area_code,
        reporting_group.group_code
    from {{ ref('int_measured_month') }} as person
    cross join (select 'county' as area_type union all select 'district') as area
    inner join reporting_group
        on (reporting_group.sen_group is null or reporting_group.sen_group = person.sen_group)
        and (not reporting_group.is_vulnerable_only or person.is_vulnerable)
    where person.status_bucket = 'NEET'
),

cell as (
    select basis, la_code, month_end, area_type, area_code, group_code from {{ ref('int_cohort_count') }}
),

-- A month has a flow when the month before it was counted too.
month_pair as (
    select counted.basis, counted.la_code, counted.month_end, counted.previous_month_end
    from (
        select distinct
            basis, la_code, month_end,
            {{ previous_month_end('month_end') }} as previous_month_end
        from cell
    ) as counted
    inner join (select distinct basis, la_code, month_end from cell) as before
        on before.basis = counted.basis
        and before.la_code = counted.la_code
        and before.month_end = counted.previous_month_end
),

reported as (
    select distinct
        month_pair.basis, month_pair.la_code, month_pair.month_end, month_pair.previous_month_end,
        cell.area_type, cell.area_code, cell.group_code
    from month_pair
    inner join cell
        on cell.basis = month_pair.basis
        and cell.la_code = month_pair.la_code
        and cell.month_end in (month_pair.month_end, month_pair.previous_month_end)
),

-- One row a person who is NEET at either end of the month: each month end closes one month and opens the next.
movement as (
    select
        basis, la_code, month_end, area_type, area_code, group_code, person_id,
        max(was_neet) as was_neet,
        max(is_neet) as is_neet
    from (
        select basis, la_code, month_end, area_type, area_code, group_code, person_id, 0 as was_neet, 1 as is_neet
        from neet
        union all
        select
            basis, la_code, {{ next_month_end('month_end') }} as month_end, area_type, area_code, group_code, person_id,
            1 as was_neet, 0 as is_neet
        from neet
    ) as either_end
    group by basis, la_code, month_end, area_type, area_code, group_code, person_id
),

account as (
    select
        basis, la_code, month_end, area_type, area_code, group_code,
        sum(was_neet) as opening,
        sum(case when is_neet = 1 and was_neet = 0 then 1 else 0 end) as joiners,
        sum(case when was_neet = 1 and is_neet = 0 then 1 else 0 end) as leavers,
        sum(is_neet) as closing
    from movement
    group by basis, la_code, month_end, area_type, area_code, group_code
)

select
    reported.la_code,
    reported.basis,
    reported.month_end,
    {{ month_code('reported.month_end') }} as census_point,
    reported.area_type,
    reported.area_code,
    reported.group_code,
    coalesce(account.opening, 0) as opening,
    coalesce(account.joiners, 0) as joiners,
    coalesce(account.leavers, 0) as leavers,
    coalesce(account.closing, 0) as closing
from reported
left join account
    on account.basis = reported.basis
    and account.la_code = reported.la_code
    and account.month_end = reported.month_end
    and account.area_type = reported.area_type
    and account.area_code = reported.area_code
    and account.group_code = reported.group_code
