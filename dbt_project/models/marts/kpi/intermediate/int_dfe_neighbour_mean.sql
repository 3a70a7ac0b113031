{#  What the neighbours of an authority reached together. Percentages are published without the counts they were made of,
    so their mean is a simple one, each neighbour counting alike, as in the department's own interactive tool; only a
    measure whose two counts are published is a sum of counts over a sum of counts. #}
with neighbour as (
    select * from {{ ref('int_dfe_comparator') }}
    where comparator_type in ('GEOGRAPHICAL_NEIGHBOUR', 'STATISTICAL_NEIGHBOUR')
),

figure as (
    select
        area_la_code, time_period, measure_id, printed_value, unit, polarity, published_numerator, published_denominator
    from {{ ref('fct_dfe_scorecard') }}
    where geographic_level = 'Local authority' and value_status = 'VALUE'
),

measure as (
    select distinct time_period, measure_id, unit, polarity from {{ ref('fct_dfe_scorecard') }}
)

select
    neighbour.la_code,
    neighbour.time_period,
    measure.measure_id,
    case neighbour.comparator_type
        when 'GEOGRAPHICAL_NEIGHBOUR' then 'GEOGRAPHICAL_MEAN'
        when 'STATISTICAL_NEIGHBOUR' then 'STATISTICAL_MEAN'
    end as comparator_type,
    count(*) as neighbours_listed,
    count(figure.printed_value) as neighbours_counted,
    max(case when neighbour.is_assumed then 1 else 0 end) = 1 as is_assumed,
    measure.unit,
    measure.polarity,
    cast(
        case
            when count(figure.published_numerator) = count(figure.printed_value)
                then 100 * sum(figure.published_numerator) / sum(figure.published_denominator)
            else avg(figure.printed_value)
        end as numeric(20, 10)
    ) as mean_value,
    case
        when count(figure.printed_value) = 0 then null
        when count(figure.published_numerator) = count(figure.printed_value) then 'FROM_COUNTS'
        else 'SIMPLE_MEAN'
    end as mean_method
from neighbour
inner join measure
    on measure.time_period = neighbour.time_period
left join figure
    on figure.time_period = neighbour.time_period
    and figure.area_la_code = neighbour.comparator_la_code
    and figure.measure_id = measure.measure_id
group by 1, 2, 3, 4, measure.unit, measure.polarity
