{#  The counts of each position by area and group, as int_cohort_count has them of the positions that count. #}
{{ config(materialized='view') }}

-- Counted first by what tells people apart, so that the county and the groups are sums of few rows.
with cell as (
    select
        la_code,
        position_id,
        district_code,
        sen_group,
        is_vulnerable,
        count(*) as cohort,
        {% for measure in movement_measures() %}
        sum({{ measure }}) as {{ measure }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_position') }}
    group by la_code, position_id, district_code, sen_group, is_vulnerable
),

in_area as (
    select
        cell.*,
        area.area_type,
        case area.area_type when 'county' then cell.la_code else cell.district_code end as area_code,
        reporting_group.group_code
    from cell
    cross join (select 'county' as area_type union all select 'district') as area
    inner join {{ ref('reporting_group') }} as reporting_group
        on (reporting_group.sen_group is null or reporting_group.sen_group = cell.sen_group)
        and (not reporting_group.is_vulnerable_only or cell.is_vulnerable)
)

select
    la_code,
    position_id,
    area_type,
    area_code,
    group_code,
    {% for measure in ['cohort'] + movement_measures() %}
    {{ to_long('sum(' ~ measure ~ ')') }} as {{ measure }}
    {{- ',' if not loop.last }}
    {% endfor %}
from in_area
group by la_code, position_id, area_type, area_code, group_code
