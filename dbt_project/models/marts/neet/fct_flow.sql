{#  Opening + joiners - leavers = closing, by month-end status alone: the tolerance for short gaps touches spell length,
    not these. Opening and closing are the counts of int_cohort_count, joiners and leavers are counted from the people
    who moved, so that the sum is a check and not a definition.

    Whoever stays NEET and moves house leaves one district and joins another, and does neither in the county; the same
    holds for whoever changes group. These moves are counted beside, so that the districts can be added up:
    joiners of all districts - joiners_from_other_area of all districts = joiners of the county. #}
with cell as (
    select * from {{ ref('int_cohort_count') }}
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

mover as (
    select
        basis, la_code, month_end, district_before, sen_group_before, vulnerable_before, bucket_before,
        district_after, sen_group_after, vulnerable_after, bucket_after,
        count(*) as people
    from {{ ref('int_flow_mover') }}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
),

-- Each of them once in the county, and once in each district they were or are in.
in_area as (
    select mover.*, 'county' as area_type, la_code as area_code from mover
    union all
    select mover.*, 'district' as area_type, district_before as area_code from mover where district_before is not null
    union all
    select mover.*, 'district' as area_type, district_after as area_code
    from mover where district_after is not null and (district_before is null or district_before <> district_after)
),

in_cell as (
    select
        in_area.*,
        reporting_group.group_code,
        coalesce(in_area.area_type = 'county' or in_area.district_before = in_area.area_code, false) as was_in_area,
        coalesce(in_area.area_type = 'county' or in_area.district_after = in_area.area_code, false) as is_in_area,
        coalesce(
            (reporting_group.sen_group is null or reporting_group.sen_group = in_area.sen_group_before)
            and (not reporting_group.is_vulnerable_only or in_area.vulnerable_before), false
        ) as was_in_group,
        coalesce(
            (reporting_group.sen_group is null or reporting_group.sen_group = in_area.sen_group_after)
            and (not reporting_group.is_vulnerable_only or in_area.vulnerable_after), false
        ) as is_in_group
    from in_area
    cross join {{ ref('reporting_group') }} as reporting_group
),

counted as (
    {% for status in flow_statuses() %}
    select
        basis, la_code, month_end, area_type, area_code, group_code, people,
        was_in_area, is_in_area, was_in_group, is_in_group,
        '{{ status }}' as measure,
        district_before is not null and {{ status_measure(status, 'bucket_before') }} = 1 as was_counted,
        district_after is not null and {{ status_measure(status, 'bucket_after') }} = 1 as is_counted
    from in_cell
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

moved as (
    select
        basis, la_code, month_end, area_type, area_code, group_code, measure,
        sum(case when is_here and not was_here then people else 0 end) as joiners,
        sum(case when is_here and not was_here and was_counted and was_in_group then people else 0 end)
            as joiners_from_other_area,
        sum(case when is_here and not was_here and was_counted and not was_in_group then people else 0 end)
            as joiners_from_other_group,
        sum(case when was_here and not is_here then people else 0 end) as leavers,
        sum(case when was_here and not is_here and is_counted and is_in_group then people else 0 end)
            as leavers_to_other_area,
        sum(case when was_here and not is_here and is_counted and not is_in_group then people else 0 end)
            as leavers_to_other_group
    from (
        select
            counted.*,
            was_counted and was_in_area and was_in_group as was_here,
            is_counted and is_in_area and is_in_group as is_here
        from counted
    ) as here
    group by 1, 2, 3, 4, 5, 6, 7
)

{% for status in flow_statuses() %}
select
    reported.la_code,
    reported.basis,
    reported.month_end,
    {{ month_code('reported.month_end') }} as census_point,
    reported.area_type,
    reported.area_code,
    reported.group_code,
    '{{ status }}' as measure,
    {{ to_long('coalesce(before.' ~ status ~ ', 0)') }} as opening,
    {% for column in ('joiners', 'joiners_from_other_area', 'joiners_from_other_group',
                      'leavers', 'leavers_to_other_area', 'leavers_to_other_group') %}
    {{ to_long('coalesce(moved.' ~ column ~ ', 0)') }} as {{ column }},
    {% endfor %}
    {{ to_long('coalesce(after.' ~ status ~ ', 0)') }} as closing
from reported
{% for side, month_end in (('before', 'previous_month_end'), ('after', 'month_end')) %}
{#- From the table itself: of a CTE the planner knows nothing, and meets every row with every row. #}
left join {{ ref('int_cohort_count') }} as {{ side }}
    on {{ side }}.month_end = reported.{{ month_end }}
    {% for column in ('basis', 'la_code', 'area_type', 'area_code', 'group_code') %}
    and {{ side }}.{{ column }} = reported.{{ column }}
    {% endfor %}
{% endfor %}
left join moved
    on moved.measure = '{{ status }}'
    {% for column in ('basis', 'la_code', 'month_end', 'area_type', 'area_code', 'group_code') %}
    and moved.{{ column }} = reported.{{ column }}
    {% endfor %}
{{ 'union all' if not loop.last }}
{% endfor %}
