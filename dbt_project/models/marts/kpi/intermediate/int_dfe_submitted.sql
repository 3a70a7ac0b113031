{#  Our own figure of each scorecard measure and year, as it was submitted, and the quintiles it would take: what was not
    submitted is not ours to compare. It is placed among the other authorities of the newest scorecard that is not later,
    so that the position is known in March, not in July. They print one decimal: whoever prints a value whose unrounded
    figure can lie on either side of ours leaves a range. #}
with measure as (
    select
        measure_id, kpi_id, group_code, unit, polarity, is_ranked, year_from, year_to,
        0.5 / power(10, decimals) as half_a_place
    from {{ ref('dfe_measure') }}
),

submitted as (
    select
        kpi.la_code,
        measure.measure_id,
        measure.is_ranked,
        measure.polarity,
        measure.half_a_place,
        cast(extract(year from kpi.period_end) as integer) as time_period,
        kpi.period_code,
        kpi.period_end,
        kpi.numerator,
        kpi.denominator,
        kpi.value,
        kpi.target,
        kpi.floor,
        kpi.rag
    from {{ ref('fct_kpi_value') }} as kpi
    inner join measure
        on measure.kpi_id = kpi.kpi_id
        and measure.group_code = kpi.group_code
        and (measure.year_from is null or measure.year_from <= extract(year from kpi.period_end))
        and (measure.year_to is null or extract(year from kpi.period_end) < measure.year_to)
    where kpi.basis = 'as_submitted' and kpi.area_type = 'county' and kpi.area_code = kpi.la_code
),

authority as (
    select time_period, area_la_code, measure_id, printed_value
    from {{ ref('fct_dfe_scorecard') }}
    where geographic_level = 'Local authority' and value_status = 'VALUE' and is_ranked
),

newest as (
    select
        submitted.la_code,
        submitted.measure_id,
        submitted.time_period,
        max(authority.time_period) as ranked_among
    from submitted
    inner join authority
        on authority.measure_id = submitted.measure_id and authority.time_period <= submitted.time_period
    where submitted.is_ranked and submitted.value is not null
    group by 1, 2, 3
),

placed as (
    select
        submitted.la_code,
        submitted.measure_id,
        submitted.time_period,
        submitted.polarity,
        newest.ranked_among,
        1 + count(*) as authorities,
        1 + sum(case when other.printed_value + submitted.half_a_place <= 100 * submitted.value then 1 else 0 end)
            as lowest_position,
        1 + sum(case when other.printed_value - submitted.half_a_place < 100 * submitted.value then 1 else 0 end)
            as highest_position
    from submitted
    inner join newest
        on newest.la_code = submitted.la_code
        and newest.measure_id = submitted.measure_id
        and newest.time_period = submitted.time_period
    inner join authority as other
        on other.measure_id = newest.measure_id
        and other.time_period = newest.ranked_among
        and other.area_la_code <> submitted.la_code
    group by 1, 2, 3, 4, 5
),

grouped as (
    select
        placed.*,
        {{ group_of_five('lowest_position', 'authorities') }} as lowest_group,
        {{ group_of_five('highest_position', 'authorities') }} as highest_group
    from placed
)

select
    submitted.la_code,
    submitted.measure_id,
    submitted.time_period,
    submitted.period_code,
    submitted.period_end,
    submitted.numerator,
    submitted.denominator,
    submitted.value,
    submitted.target,
    submitted.floor,
    submitted.rag,
    case when submitted.polarity = 'H' then 6 - grouped.highest_group else grouped.lowest_group end as best_quintile,
    case when submitted.polarity = 'H' then 6 - grouped.lowest_group else grouped.highest_group end as worst_quintile,
    grouped.ranked_among
from submitted
left join grouped
    on grouped.la_code = submitted.la_code
    and grouped.measure_id = submitted.measure_id
    and grouped.time_period = submitted.time_period
