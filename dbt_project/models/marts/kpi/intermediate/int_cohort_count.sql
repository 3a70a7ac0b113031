{#  The counts that every rate is made of. A person counts once in the county and once in their district, in ALL and in
    each reporting group they belong to. #}
{{ config(meta={'increment': {
    'by': 'sum', 'over': 'int_measured_month', 'through': 'int_person_measure',
    'keys': ['basis', 'la_code', 'month_end', 'area_type', 'area_code', 'group_code'],
}}) }}
-- Counted first by what tells people apart, so that the county and the groups are sums of few rows.
with cell as (
    select
        basis,
        la_code,
        month_end,
        district_code,
        sen_group,
        is_vulnerable,
        {% for measure in cohort_measures() %}
        sum({{ measure }}) as {{ measure }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_person_measure') }}
    group by 1, 2, 3, 4, 5, 6
)

select
    cell.basis,
    cell.la_code,
    cell.month_end,
    area.area_type,
    case area.area_type when 'county' then cell.la_code else cell.district_code end as area_code,
    reporting_group.group_code,
    {% for measure in cohort_measures() %}
    {{ to_long('sum(cell.' ~ measure ~ ')') }} as {{ measure }}
    {{- ',' if not loop.last }}
    {% endfor %}
from cell
cross join (select 'county' as area_type union all select 'district') as area
inner join {{ ref('reporting_group') }} as reporting_group
    on (reporting_group.sen_group is null or reporting_group.sen_group = cell.sen_group)
    and (not reporting_group.is_vulnerable_only or cell.is_vulnerable)
group by 1, 2, 3, 4, 5, 6
