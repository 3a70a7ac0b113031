{#  How the department ranks, found by trying what reproduces all its printed quintiles of 2021 to 2024: lowest value
    first for every measure, in five groups of which the first ones are the larger when the number does not divide
    (what ntile does), and turned round afterwards where high is good. Counting from the best end puts the odd
    authorities into other groups and misplaces some at the boundaries. #}
with authority as (
    select * from {{ ref('fct_dfe_scorecard') }}
    where geographic_level = 'Local authority' and value_status = 'VALUE' and is_ranked
),

-- Authorities with one value have no order among them: the order here only hands out the places they share.
placed as (
    select
        authority.*,
        count(*) over (partition by time_period, measure_id) as authority_count,
        row_number() over in_order as place,
        ntile(5) over in_order as group_from_lowest
    from authority
    window in_order as (partition by time_period, measure_id order by printed_value, area_ons_code)
),

bounded as (
    select
        placed.*,
        min(place) over shared_value as lowest_position,
        max(place) over shared_value as highest_position,
        min(group_from_lowest) over shared_value as lowest_group,
        max(group_from_lowest) over shared_value as highest_group
    from placed
    window shared_value as (partition by time_period, measure_id, printed_value)
),

turned as (
    select
        bounded.*,
        case when polarity = 'H' then 6 - highest_group else lowest_group end as best_quintile,
        case when polarity = 'H' then 6 - lowest_group else highest_group end as worst_quintile
    from bounded
)

select
    turned.la_code,
    turned.time_period,
    turned.area_la_code,
    turned.area_name,
    turned.measure_id,
    turned.printed_value,
    cast(turned.authority_count as integer) as authority_count,
    cast(turned.lowest_position as integer) as lowest_position,
    cast(turned.highest_position as integer) as highest_position,
    turned.best_quintile,
    turned.worst_quintile,
    turned.quintile,
    coalesce(turned.quintile between turned.best_quintile and turned.worst_quintile, false) as is_dfe_within_range,
    exception.area_la_code is not null as is_known_exception
from turned
left join {{ ref('dfe_quintile_exception') }} as exception
    on exception.time_period = turned.time_period
    and exception.measure_id = turned.measure_id
    and exception.area_la_code = turned.area_la_code
