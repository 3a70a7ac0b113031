{#  SC-POP: everybody counted in the rates at a month end against the estimate of people of the same ages, by the newest
    mid-year that had passed. Near one is good; ages of an estimate are at mid-year and not academic. #}
with estimate as (
    select
        authority.la_code,
        {{ to_integer('known.reference_year') }} as reference_year,
        {{ to_integer('known.age') }} as age,
        {{ to_integer('known.population') }} as population
    from {{ as_known(ref('hist_ons_population')) }} as known
    inner join {{ ref('la_codes') }} as authority
        on authority.ons_code = {{ to_text('known.area_code') }}
),

cohort as (
    select
        la_code,
        month_end,
        cast(cohort as integer) as cohort
    from {{ ref('int_cohort_count') }}
    where basis = 'restated' and area_type = 'county' and group_code = 'ALL'
),

ages as (
    select
        month_end.la_code,
        month_end.month_end,
        estimate.reference_year,
        cast(sum(estimate.population) as integer) as population
    from {{ ref('int_month_end') }} as month_end
    inner join estimate
        on estimate.la_code = month_end.la_code
        and estimate.age between month_end.measured_age_from and month_end.measured_age_to
        and estimate.reference_year <= extract(year from month_end.month_end)
    group by month_end.la_code, month_end.month_end, estimate.reference_year
),

newest as (
    select la_code, month_end, max(reference_year) as reference_year
    from ages
    group by la_code, month_end
)

select
    cohort.la_code,
    cohort.month_end,
    cohort.cohort,
    ages.reference_year,
    ages.population,
    case when ages.population > 0
        then cast(cast(cohort.cohort as numeric) / ages.population as numeric(20, 10)) end as ratio
from cohort
left join newest
    on newest.la_code = cohort.la_code and newest.month_end = cohort.month_end
left join ages
    on ages.la_code = newest.la_code
    and ages.month_end = newest.month_end
    and ages.reference_year = newest.reference_year
