{#  Opening + joiners - leavers = closing, by month-end status alone: the tolerance for short gaps touches spell length,
    not these. Opening and closing are the counts of int_cohort_count, joiners and leavers are counted from the people
    who moved, so that the sum is a check and not a definition.

    Whoever stays NEET and moves house leaves one district and joins another, and does neither in the county; the same
    holds for whoever changes group. These moves are counted beside, so that the districts can be added up:
    joiners of all districts - joiners_from_other_area of all districts = joiners of the county. #}
with mover as (
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
        sum(case when is_here then people else 0 end) as joiners,
        sum(case when is_here and was_counted and was_in_group then people else 0 end)
            as joiners_from_other_area,
        sum(case when is_here and was_counted and not was_in_group then people else 0 end)
            as joiners_from_other_group,
        sum(case when was_here then people else 0 end) as leavers,
        sum(case when was_here and is_counted and is_in_group then people else 0 end)
            as leavers_to_other_area,
        sum(case when was_here and is_counted and not is_in_group then people else 0 end)
            as leavers_to_other_group
    from (
        select
            counted.*,
            was_counted and was_in_area and was_in_group as was_here,
            is_counted and is_in_area and is_in_group as is_here
        from counted
    ) as here
    where is_here <> was_here
    group by 1, 2, 3, 4, 5, 6, 7
),

{% set moves = ('joiners', 'joiners_from_other_area', 'joiners_from_other_group',
                'leavers', 'leavers_to_other_area', 'leavers_to_other_group') %}
-- What a month closes with, what the next opens with, and who moved, one below the other and then summed: joined, they
-- would be sought cell by cell, and the planner cannot know how many there are.
part as (
    {% for status in flow_statuses() %}
    select
        basis, la_code, month_end, area_type, area_code, group_code,
        '{{ status }}' as measure,
        0 as is_opened, 1 as is_closed,
        0 as opening,
        {{ status }} as closing{% for move in moves %}, 0 as {{ move }}{% endfor %}
    from {{ ref('int_cohort_count') }}

    union all

    select
        basis, la_code, {{ next_month_end('month_end') }}, area_type, area_code, group_code,
        '{{ status }}',
        1, 0,
        {{ status }},
        0{% for move in moves %}, 0{% endfor %}
    from {{ ref('int_cohort_count') }}

    union all
    {% endfor %}

    select
        basis, la_code, month_end, area_type, area_code, group_code, measure,
        0, 0, 0, 0, {{ moves | join(', ') }}
    from moved
),

summed as (
    select
        basis, la_code, month_end, area_type, area_code, group_code, measure,
        max(is_opened) as is_opened,
        max(is_closed) as is_closed,
        sum(opening) as opening,
        {% for move in moves %}
        sum({{ move }}) as {{ move }},
        {% endfor %}
        sum(closing) as closing
    from part
    group by 1, 2, 3, 4, 5, 6, 7
),

-- A month has a flow when the month before it was counted too.
shown as (
    select
        summed.*,
        max(is_opened) over (partition by basis, la_code, month_end) as has_opening,
        max(is_closed) over (partition by basis, la_code, month_end) as has_closing
    from summed
)

select
    la_code,
    basis,
    month_end,
    {{ month_code('month_end') }} as census_point,
    area_type,
    area_code,
    group_code,
    measure,
    {{ to_long('opening') }} as opening,
    {% for move in moves %}
    {{ to_long(move) }} as {{ move }},
    {% endfor %}
    {{ to_long('closing') }} as closing
from shown
where has_opening = 1 and has_closing = 1
