{#  The record as it is known now, beside the same with what is still open settled: a conflict that was closed is in the
    record already. A conflict counts in the months that the source speaks of. Whoever has no open conflict is counted
    the same on both sides, so only the others are looked at one by one. #}
{% set measures = {
    'cohort': none, 'neet': 'activity', 'not_known': 'activity', 'eet': 'activity', 'participating': 'activity',
    'sen_ehcp': 'sen', 'sen_support': 'sen',
} %}
{% set sen_groups = {'sen_ehcp': 'EHCP', 'sen_support': 'SEN_SUPPORT'} %}
with recorded as (
    select
        la_code,
        month_end,
        area_type,
        area_code,
        {% for measure in ('cohort', 'neet', 'not_known', 'eet', 'participating') %}
        sum(case when group_code = 'ALL' then {{ measure }} else 0 end) as {{ measure }},
        {% endfor %}
        {% for measure, sen_group in sen_groups.items() %}
        sum(case when group_code = '{{ sen_group }}' then cohort else 0 end) as {{ measure }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_cohort_count') }}
    where basis = 'restated'
    group by la_code, month_end, area_type, area_code
),

person as (
    select
        cohort.la_code,
        cohort.month_end,
        cohort.person_id,
        coalesce(cohort.district_code, 'NOT_RECORDED') as district_code,
        cohort.status_bucket,
        case when cohort.is_participating then 1 else 0 end as is_participating,
        cohort.sen_group,
        max(case when conflict.conflict_kind = 'ACTIVITY' then conflict.source_says end) as activity_says,
        max(case when conflict.conflict_kind = 'ACTIVITY' then conflict.source_activity_code end) as activity_code,
        max(case when conflict.conflict_kind = 'SEN' then conflict.source_says end) as sen_says
    from {{ ref('fct_source_conflict') }} as conflict
    inner join {{ ref('fct_cohort_month') }} as cohort
        on cohort.la_code = conflict.la_code
        and cohort.person_id = conflict.person_id
        and cohort.month_end >= coalesce(conflict.since_on, conflict.opened_on)
    where conflict.state = 'open' and conflict.conflict_kind in ('ACTIVITY', 'SEN') and cohort.is_in_denominator
    group by 1, 2, 3, 4, 5, 6, 7
),

corrected as (
    select
        person.*,
        -- Whoever left is not known until somebody finds out more.
        case person.activity_says
            when 'LEFT' then 'NOT_KNOWN'
            else coalesce(person.activity_says, person.status_bucket)
        end as corrected_bucket,
        case
            when person.activity_says is null then person.is_participating
            when person.activity_says = 'EET' and code.participation_route is not null then 1
            else 0
        end as is_participating_corrected,
        coalesce(person.sen_says, person.sen_group) as corrected_sen_group
    from person
    left join {{ ref('activity_codes') }} as code
        on code.activity_code = person.activity_code
        and {{ valid_on('code', 'person.month_end') }}
),

-- By how much settling moves each measure: 1, 0 or -1 a person.
moved as (
    select
        la_code,
        month_end,
        district_code,
        0 as cohort,
        {% for bucket in ('neet', 'not_known', 'eet') %}
        case when corrected_bucket = '{{ bucket | upper }}' then 1 else 0 end
        - case when status_bucket = '{{ bucket | upper }}' then 1 else 0 end as {{ bucket }},
        {% endfor %}
        is_participating_corrected - is_participating as participating,
        {% for measure, sen_group in sen_groups.items() %}
        case when corrected_sen_group = '{{ sen_group }}' then 1 else 0 end
        - case when sen_group = '{{ sen_group }}' then 1 else 0 end as {{ measure }}{{ ',' if not loop.last }}
        {% endfor %}
    from corrected
),

moves as (
    select
        moved.la_code,
        moved.month_end,
        area.area_type,
        case area.area_type when 'county' then moved.la_code else moved.district_code end as area_code,
        {% for measure in measures %}
        sum(greatest(moved.{{ measure }}, 0)) as {{ measure }}_gained,
        sum(greatest(-moved.{{ measure }}, 0)) as {{ measure }}_lost,
        {% endfor %}
        count(*) as people_in_conflict
    from moved
    cross join (select 'county' as area_type union all select 'district') as area
    group by 1, 2, 3, 4
),

counted as (
    {% for measure, kind in measures.items() %}
    select
        recorded.la_code,
        recorded.month_end,
        recorded.area_type,
        recorded.area_code,
        '{{ measure }}' as measure_id,
        recorded.{{ measure }} as as_recorded,
        {% for moved_by in ('activity', 'sen') %}
        {% for way in ('gained', 'lost') %}
        {{ 'coalesce(moves.' ~ measure ~ '_' ~ way ~ ', 0)' if kind == moved_by else '0' }} as {{ way }}_by_{{ moved_by }},
        {% endfor %}
        {% endfor %}
        coalesce(moves.people_in_conflict, 0) as people_in_conflict
    from recorded
    left join moves
        on moves.la_code = recorded.la_code
        and moves.month_end = recorded.month_end
        and moves.area_type = recorded.area_type
        and moves.area_code = recorded.area_code
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    la_code,
    month_end,
    area_type,
    area_code,
    measure_id,
    {{ to_long('as_recorded') }} as as_recorded,
    {{ to_long('as_recorded + gained_by_activity + gained_by_sen - lost_by_activity - lost_by_sen') }} as if_corrected,
    {% for column in ('gained_by_activity', 'lost_by_activity', 'gained_by_sen', 'lost_by_sen', 'people_in_conflict') %}
    {{ to_long(column) }} as {{ column }}{{ ',' if not loop.last }}
    {% endfor %}
from counted
