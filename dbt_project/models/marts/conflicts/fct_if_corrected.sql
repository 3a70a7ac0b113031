{#  The record as it is known now, beside the same with what is still open settled: a conflict that was closed is in the
    record already. A conflict counts in the months that the source speaks of. #}
with open_conflict as (
    select
        cohort.la_code,
        cohort.month_end,
        cohort.person_id,
        max(case when conflict.conflict_kind = 'ACTIVITY' then conflict.source_says end) as activity_says,
        max(case when conflict.conflict_kind = 'ACTIVITY' then conflict.source_activity_code end) as activity_code,
        max(case when conflict.conflict_kind = 'SEN' then conflict.source_says end) as sen_says
    from {{ ref('fct_source_conflict') }} as conflict
    inner join {{ ref('fct_cohort_month') }} as cohort
        on cohort.la_code = conflict.la_code
        and cohort.person_id = conflict.person_id
        and cohort.month_end >= coalesce(conflict.since_on, conflict.opened_on)
    where conflict.state = 'open' and conflict.conflict_kind in ('ACTIVITY', 'SEN') and cohort.is_in_denominator
    group by cohort.la_code, cohort.month_end, cohort.person_id
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
        case when conflict.person_id is not null then 1 else 0 end as is_in_conflict,
        -- Whoever left is not known until somebody finds out more.
        case conflict.activity_says
            when 'LEFT' then 'NOT_KNOWN'
            else coalesce(conflict.activity_says, cohort.status_bucket)
        end as corrected_bucket,
        case
            when conflict.activity_says is null then case when cohort.is_participating then 1 else 0 end
            when conflict.activity_says = 'EET' and code.participation_route is not null then 1
            else 0
        end as is_participating_corrected,
        coalesce(conflict.sen_says, cohort.sen_group) as corrected_sen_group
    from {{ ref('fct_cohort_month') }} as cohort
    left join open_conflict as conflict
        on conflict.la_code = cohort.la_code
        and conflict.month_end = cohort.month_end
        and conflict.person_id = cohort.person_id
    left join {{ ref('activity_codes') }} as code
        on code.activity_code = conflict.activity_code
        and {{ valid_on('code', 'cohort.month_end') }}
    where cohort.is_in_denominator
),

counted as (
    {% set measures = {
        'cohort': ('1', '1', none),
        'neet': ("case when status_bucket = 'NEET' then 1 else 0 end", "case when corrected_bucket = 'NEET' then 1 else 0 end", 'activity'),
        'not_known': ("case when status_bucket = 'NOT_KNOWN' then 1 else 0 end", "case when corrected_bucket = 'NOT_KNOWN' then 1 else 0 end", 'activity'),
        'eet': ("case when status_bucket = 'EET' then 1 else 0 end", "case when corrected_bucket = 'EET' then 1 else 0 end", 'activity'),
        'participating': ('is_participating', 'is_participating_corrected', 'activity'),
        'sen_ehcp': ("case when sen_group = 'EHCP' then 1 else 0 end", "case when corrected_sen_group = 'EHCP' then 1 else 0 end", 'sen'),
        'sen_support': ("case when sen_group = 'SEN_SUPPORT' then 1 else 0 end", "case when corrected_sen_group = 'SEN_SUPPORT' then 1 else 0 end", 'sen'),
    } %}
    {% for measure, (recorded, corrected, kind) in measures.items() %}
    select
        la_code,
        month_end,
        district_code,
        '{{ measure }}' as measure_id,
        sum({{ recorded }}) as as_recorded,
        sum({{ corrected }}) as if_corrected,
        {% for moved_by in ('activity', 'sen') %}
        {% if kind == moved_by %}
        sum(greatest({{ corrected }} - {{ recorded }}, 0)) as gained_by_{{ moved_by }},
        sum(greatest({{ recorded }} - {{ corrected }}, 0)) as lost_by_{{ moved_by }},
        {% else %}
        0 as gained_by_{{ moved_by }},
        0 as lost_by_{{ moved_by }},
        {% endif %}
        {% endfor %}
        sum(is_in_conflict) as people_in_conflict
    from person
    group by la_code, month_end, district_code
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    counted.la_code,
    counted.month_end,
    area.area_type,
    case area.area_type when 'county' then counted.la_code else counted.district_code end as area_code,
    counted.measure_id,
    {% for column in ('as_recorded', 'if_corrected', 'gained_by_activity', 'lost_by_activity', 'gained_by_sen', 'lost_by_sen',
                      'people_in_conflict') %}
    {{ to_long('sum(counted.' ~ column ~ ')') }} as {{ column }}{{ ',' if not loop.last }}
    {% endfor %}
from counted
cross join (select 'county' as area_type union all select 'district') as area
group by 1, 2, 3, 4, 5
