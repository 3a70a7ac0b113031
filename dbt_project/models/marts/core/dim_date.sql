{#  Every day of the academic years that the calendar holds, once an authority, as the calendar is known now. #}
{{ config(indexes=[{'columns': ['la_code', 'date_on'], 'unique': true}]) }}

with year as (
    select * from {{ ref('academic_years') }}
),

authority as (
    select distinct la_code from {{ ref('term_dates') }}
),

day as (
    select spine.day
    from {{ day_spine('(select min(starts_on) from year)', '(select max(ends_on) from year)') }} as spine
),

-- A term that was announced anew has a row for each announcement: the latest holds.
term as (
    select *
    from (
        select
            term_dates.*,
            row_number() over (
                partition by la_code, academic_year, term_no order by known_from desc nulls last
            ) as newest_first
        from {{ ref('term_dates') }} as term_dates
    ) as announced
    where newest_first = 1
),

holiday as (
    select holiday_on, min(name) as name
    from {{ ref('bank_holidays') }}
    where known_to is null
    group by holiday_on
)

select
    authority.la_code,
    day.day as date_on,
    year.academic_year,
    term.term_no,
    term.term_no is not null as is_in_term,
    holiday.name as bank_holiday,
    {{ weekday('day.day') }} <= 5 and holiday.holiday_on is null as is_working_day,
    {{ month_end('day.day') }} as month_end,
    day.day = {{ month_end('day.day') }} as is_month_end
from day
cross join authority
inner join year
    on day.day between year.starts_on and year.ends_on
left join term
    on term.la_code = authority.la_code and day.day between term.starts_on and term.ends_on
left join holiday
    on holiday.holiday_on = day.day
