{#  The department's figures for an authority beside those of England, its region and its neighbours, and beside what the
    authority itself had submitted. A figure that is suppressed, not applicable or missing is no figure: nothing is
    subtracted from it, and it is never nought. #}
with measure as (
    select
        measure_id, label, display_order, kpi_id, unit, polarity, year_from, year_to,
        -- Two printed figures that differ by less than half of their last place are the same figure.
        0.5 / power(10, decimals) as half_a_place
    from {{ ref('dfe_measure') }}
),

area_figure as (
    select
        figure.*,
        previous.printed_value as previous_value,
        quintile_range.best_quintile,
        quintile_range.worst_quintile
    from {{ ref('fct_dfe_scorecard') }} as figure
    left join {{ ref('fct_dfe_scorecard') }} as previous
        on previous.la_code = figure.la_code
        and previous.area_ons_code = figure.area_ons_code
        and previous.measure_id = figure.measure_id
        and previous.time_period = figure.time_period - 1
    left join {{ ref('fct_dfe_quintile_range') }} as quintile_range
        on quintile_range.la_code = figure.la_code
        and quintile_range.time_period = figure.time_period
        and quintile_range.measure_id = figure.measure_id
        and quintile_range.area_la_code = figure.area_la_code
),

beside as (
    select
        comparator.la_code,
        comparator.time_period,
        own.measure_id,
        comparator.comparator_type,
        comparator.comparator_code,
        comparator.comparator_la_code,
        comparator.comparator_name,
        comparator.neighbour_rank,
        comparator.is_assumed,
        figure.printed_text,
        figure.printed_value as value,
        coalesce(figure.value_status, 'NOT_PUBLISHED') as value_status,
        cast(null as text) as mean_method,
        cast(null as bigint) as neighbours_counted,
        cast(null as bigint) as neighbours_listed,
        figure.published_denominator,
        figure.printed_quintile,
        figure.quintile,
        figure.best_quintile,
        figure.worst_quintile,
        figure.previous_value,
        figure.annual_change_points,
        figure.former_text,
        figure.known_from
    from {{ ref('int_dfe_comparator') }} as comparator
    inner join area_figure as own
        on own.geographic_level = 'Local authority'
        and own.area_la_code = comparator.la_code
        and own.time_period = comparator.time_period
    left join area_figure as figure
        on figure.time_period = comparator.time_period
        and figure.area_ons_code = comparator.comparator_code
        and figure.measure_id = own.measure_id

    union all

    select
        mean.la_code,
        mean.time_period,
        mean.measure_id,
        mean.comparator_type,
        mean.comparator_type as comparator_code,
        cast(null as text) as comparator_la_code,
        case mean.comparator_type
            when 'STATISTICAL_MEAN' then 'Mean of statistical neighbours'
            else 'Mean of geographical neighbours'
        end as comparator_name,
        cast(null as integer) as neighbour_rank,
        mean.is_assumed,
        cast(null as text) as printed_text,
        mean.mean_value as value,
        case when mean.mean_value is null then 'MISSING' else 'VALUE' end as value_status,
        mean.mean_method,
        mean.neighbours_counted,
        mean.neighbours_listed,
        cast(null as numeric) as published_denominator,
        cast(null as integer) as printed_quintile,
        cast(null as integer) as quintile,
        cast(null as integer) as best_quintile,
        cast(null as integer) as worst_quintile,
        previous.mean_value as previous_value,
        cast(null as numeric) as annual_change_points,
        cast(null as text) as former_text,
        {{ no_moment() }} as known_from
    from {{ ref('int_dfe_neighbour_mean') }} as mean
    left join {{ ref('int_dfe_neighbour_mean') }} as previous
        on previous.la_code = mean.la_code
        and previous.measure_id = mean.measure_id
        and previous.comparator_type = mean.comparator_type
        and previous.time_period = mean.time_period - 1
        -- A neighbour more or less would show as a change of them all.
        and previous.neighbours_counted = mean.neighbours_counted
),

submitted as (
    select * from {{ ref('int_dfe_submitted') }}
),

-- What we know of a year that the department has not published yet.
awaited as (
    select
        submitted.la_code,
        submitted.time_period,
        submitted.measure_id,
        known.ons_code as comparator_code,
        known.la_name as comparator_name
    from submitted
    inner join {{ ref('la_codes') }} as known
        on known.la_code = submitted.la_code
        and {{ valid_on('known', 'submitted.period_end') }}
    left join beside
        on beside.la_code = submitted.la_code
        and beside.time_period = submitted.time_period
        and beside.measure_id = submitted.measure_id
        and beside.comparator_type = 'OWN'
    where beside.la_code is null
),

every_row as (
    select * from beside

    union all

    select
        la_code, time_period, measure_id, 'OWN' as comparator_type, comparator_code, la_code as comparator_la_code,
        comparator_name, cast(null as integer) as neighbour_rank, false as is_assumed, cast(null as text) as printed_text,
        cast(null as numeric) as value, 'NOT_PUBLISHED' as value_status, cast(null as text) as mean_method,
        cast(null as bigint) as neighbours_counted, cast(null as bigint) as neighbours_listed,
        cast(null as numeric) as published_denominator, cast(null as integer) as printed_quintile,
        cast(null as integer) as quintile, cast(null as integer) as best_quintile, cast(null as integer) as worst_quintile,
        cast(null as numeric) as previous_value, cast(null as numeric) as annual_change_points,
        cast(null as text) as former_text, {{ no_moment() }} as known_from
    from awaited
),

differing as (
    select
        every_row.*,
        measure.label,
        measure.display_order,
        measure.kpi_id,
        measure.unit,
        measure.polarity,
        measure.half_a_place,
        case when every_row.comparator_type <> 'OWN' then own.value - every_row.value end as difference_points,
        coalesce(every_row.annual_change_points, every_row.value - every_row.previous_value) as change_points
    from every_row
    inner join measure
        on measure.measure_id = every_row.measure_id
        and (measure.year_from is null or measure.year_from <= every_row.time_period)
        and (measure.year_to is null or every_row.time_period < measure.year_to)
    left join beside as own
        on own.la_code = every_row.la_code
        and own.time_period = every_row.time_period
        and own.measure_id = every_row.measure_id
        and own.comparator_type = 'OWN'
)

select
    differing.la_code,
    differing.time_period,
    differing.measure_id,
    differing.comparator_type,
    differing.comparator_code,
    differing.comparator_la_code,
    differing.comparator_name,
    differing.neighbour_rank,
    differing.is_assumed,
    differing.kpi_id,
    differing.label as measure_name,
    differing.display_order,
    differing.unit,
    differing.polarity,
    differing.printed_text,
    cast(differing.value as numeric(20, 10)) as value,
    differing.value_status,
    differing.mean_method,
    cast(differing.neighbours_counted as integer) as neighbours_counted,
    cast(differing.neighbours_listed as integer) as neighbours_listed,
    cast(differing.published_denominator as numeric(20, 10)) as published_denominator,
    cast(differing.difference_points as numeric(20, 10)) as difference_points,
    {{ better_or_worse('differing.difference_points', 'differing.polarity', 'differing.half_a_place',
                       'BETTER', 'SAME', 'WORSE') }} as own_is,
    differing.printed_quintile,
    differing.quintile,
    differing.best_quintile,
    differing.worst_quintile,
    cast(differing.previous_value as numeric(20, 10)) as previous_value,
    cast(differing.annual_change_points as numeric(20, 10)) as printed_change_points,
    cast(differing.change_points as numeric(20, 10)) as change_points,
    {{ better_or_worse('differing.change_points', 'differing.polarity', 'differing.half_a_place',
                       'IMPROVED', 'SAME', 'WORSENED') }} as change_is,
    differing.former_text,
    differing.known_from,
    submitted.period_code as our_period_code,
    submitted.numerator as our_numerator,
    submitted.denominator as our_denominator,
    submitted.value as our_value,
    cast(case when differing.unit = 'percent' then 100 * submitted.value - differing.value end as numeric(20, 10))
        as our_difference_points,
    submitted.target as our_target,
    submitted.floor as our_floor,
    submitted.rag as our_rag,
    submitted.best_quintile as our_best_quintile,
    submitted.worst_quintile as our_worst_quintile,
    submitted.ranked_among as our_ranked_among
from differing
left join submitted
    on submitted.la_code = differing.la_code
    and submitted.time_period = differing.time_period
    and submitted.measure_id = differing.measure_id
