{#  Whom each authority is held against in each scorecard: itself, England, its region, and the neighbours in force when
    the scorecard is published. A neighbour that the scorecard does not have stays in the list, without figures. #}
with area as (
    select distinct time_period, geographic_level, area_ons_code, area_la_code, area_name, region_ons_code
    from {{ ref('fct_dfe_scorecard') }}
),

authority as (
    select area.*, area.area_la_code as la_code
    from area
    where area.geographic_level = 'Local authority' and area.area_la_code is not null
),

published as (
    select
        year.time_period,
        make_date(year.time_period, {{ policy('dfe_scorecard_published_month', 'make_date(year.time_period, 12, 31)') }}, 1)
            as published_on
    from (select distinct time_period from area) as year
)

select
    la_code, time_period,
    'OWN' as comparator_type,
    area_ons_code as comparator_code, la_code as comparator_la_code, area_name as comparator_name,
    cast(null as integer) as neighbour_rank, false as is_assumed
from authority

union all

select
    authority.la_code, authority.time_period,
    case area.geographic_level when 'National' then 'ENGLAND' else 'REGION' end as comparator_type,
    area.area_ons_code, cast(null as text) as comparator_la_code, area.area_name,
    cast(null as integer) as neighbour_rank, false as is_assumed
from authority
inner join area
    on area.time_period = authority.time_period
    and (
        area.geographic_level = 'National'
        or (area.geographic_level = 'Regional' and area.area_ons_code = authority.region_ons_code)
    )

union all

select
    authority.la_code, authority.time_period,
    case neighbour.kind
        when 'geographical' then 'GEOGRAPHICAL_NEIGHBOUR'
        when 'statistical' then 'STATISTICAL_NEIGHBOUR'
    end as comparator_type,
    coalesce(there.area_ons_code, known.ons_code) as comparator_code,
    neighbour.neighbour_la_code as comparator_la_code,
    coalesce(there.area_name, known.la_name) as comparator_name,
    neighbour.neighbour_rank, neighbour.assumed as is_assumed
from authority
inner join published
    on published.time_period = authority.time_period
inner join {{ ref('la_neighbour') }} as neighbour
    on neighbour.la_code = authority.la_code
    and {{ valid_on('neighbour', 'published.published_on') }}
left join authority as there
    on there.time_period = authority.time_period and there.la_code = neighbour.neighbour_la_code
left join {{ ref('la_codes') }} as known
    on known.la_code = neighbour.neighbour_la_code
    and {{ valid_on('known', 'published.published_on') }}
