{#  The working day by which a case needs its first assessment or plan, twice: by the bank holidays known now, and by
    those known when the case was accepted. A holiday announced late moves the first and not the second. Day 0 is the
    day of acceptance (KPI catalogue section 0 rule 7). #}
with opened as (
    select
        la_code,
        case_key,
        accepted_on,
        {{ support_policy('case_plan_working_days', 'accepted_on') }} as working_days
    from {{ ref('int_case') }}
    where accepted_on is not null
),

case_day as (
    select
        opened.la_code,
        opened.case_key,
        opened.accepted_on,
        day.date_on,
        opened.working_days,
        case when day.is_working_day then 1 else 0 end as is_working_day_now,
        case when {{ weekday('day.date_on') }} <= 5 and not exists (
            select 1
            from {{ ref('bank_holidays') }} as holiday
            where holiday.holiday_on = day.date_on
                and (holiday.known_from is null or holiday.known_from <= opened.accepted_on)
                and (holiday.known_to is null or holiday.known_to > opened.accepted_on)
        ) then 1 else 0 end as is_working_day_then
    from opened
    inner join {{ ref('dim_date') }} as day
        on day.la_code = opened.la_code
        and day.date_on > opened.accepted_on
        -- Two calendar days a working day are more than any run of holidays needs.
        and day.date_on <= {{ add_days('opened.accepted_on', '2 * opened.working_days') }}
),

numbered as (
    select
        case_day.*,
        sum(is_working_day_now) over (partition by la_code, case_key order by date_on) as number_now,
        sum(is_working_day_then) over (partition by la_code, case_key order by date_on) as number_then
    from case_day
)

select
    la_code,
    case_key,
    min(case when number_now = working_days then date_on end) as plan_due_on,
    min(case when number_then = working_days then date_on end) as plan_due_on_as_accepted
from numbered
group by la_code, case_key
