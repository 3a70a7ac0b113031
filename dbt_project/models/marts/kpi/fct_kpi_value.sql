{#  Every KPI is a row of kpi_definition that names its counts, and a window that says which months they are summed over:
    a three-month average is the sum of three months' counts over the sum of their cohorts (kpis.md section 0 rule 6). #}
{%- set keys = ['la_code', 'basis', 'month_end', 'area_type', 'area_code', 'group_code'] %}
-- An area or group that everybody has left has no cohort any more, but a flow: who left it.
with cell as (
    select {{ keys | join(', ') }} from {{ ref('int_cohort_count') }}
    union
    select {{ keys | join(', ') }} from {{ ref('fct_flow') }}
),

count_by_month as (
    select
        {% for column in keys %}
        cell.{{ column }},
        {% endfor %}
        {% for measure in cohort_measures() %}
        cohort.{{ measure }},
        {% endfor %}
        {% for measure, (status, column) in flow_measures().items() %}
        flow_of_{{ status }}.{{ column }} as {{ measure }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from cell
    left join {{ ref('int_cohort_count') }} as cohort
        on cohort.la_code = cell.la_code
        {% for column in keys[1:] %}
        and cohort.{{ column }} = cell.{{ column }}
        {% endfor %}
    {% for status in flow_measures().values() | map('first') | unique %}
    left join {{ ref('fct_flow') }} as flow_of_{{ status }}
        on flow_of_{{ status }}.measure = '{{ status }}'
        {% for column in keys %}
        and flow_of_{{ status }}.{{ column }} = cell.{{ column }}
        {% endfor %}
    {% endfor %}
),

kpi_window as (
    select
        kpi_window.*,
        case when window_code = 'MONTH' then 1 else count(*) over (partition by window_code) end as months_needed
    from {{ ref('kpi_window') }} as kpi_window
),

-- Which months make which period, and whether all of them have been counted.
period as (
    select
        month_end.*,
        count(*) over (partition by basis, la_code, window_code, period_code) as months_found,
        max(month_end) over (partition by basis, la_code, window_code, period_code) as period_end
    from (
        select
            counted.basis,
            counted.la_code,
            counted.month_end,
            kpi_window.window_code,
            kpi_window.months_needed,
            case
                when kpi_window.period_prefix is null then {{ month_code('counted.month_end') }}
                else kpi_window.period_prefix
                    || (cast(extract(year from counted.month_end) as integer) + kpi_window.year_offset)
            end as period_code
        from (select distinct basis, la_code, month_end from count_by_month) as counted
        inner join kpi_window
            on kpi_window.month_of_year = extract(month from counted.month_end)
    ) as month_end
),

summed as (
    select
        counted.la_code,
        definition.kpi_id,
        period.period_code,
        period.period_end,
        period.window_code,
        counted.area_type,
        counted.area_code,
        counted.group_code,
        counted.basis,
        definition.unit,
        definition.polarity,
        sum({{ named_measure('definition.numerator_measure', 'counted') }}) as numerator,
        sum({{ named_measure('definition.denominator_measure', 'counted') }}) as denominator
    from {{ ref('kpi_definition') }} as definition
    inner join period
        on period.window_code = definition.window_code and period.months_found = period.months_needed
    inner join count_by_month as counted
        on counted.basis = period.basis
        and counted.la_code = period.la_code
        and counted.month_end = period.month_end
        and definition.group_code in ('EACH', counted.group_code)
    where {{ valid_on('definition', 'period.period_end') }}
    {% if is_census() %}
        and not coalesce(definition.needs_publication, false)
    {% endif %}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
),

valued as (
    select
        summed.*,
        case unit
            when 'rate' then cast(numerator as numeric) / nullif(denominator, 0)
            when 'count' then cast(numerator as numeric)
        end as value
    from summed
    where numerator is not null
),

compared as (
    select
        valued.*,
        case
            when lag(period_end) over earlier_first
                = {{ month_end(add_months('period_end', "case when window_code = 'MONTH' then -1 else -12 end")) }}
                then lag(value) over earlier_first
        end as previous_value
    from valued
    window earlier_first as (
        partition by la_code, basis, kpi_id, area_type, area_code, group_code order by period_end
    )
),

aimed as (
    select
        compared.*,
        coalesce(aim.target, benchmark.value) as target,
        aim.is_target_strict,
        coalesce(aim.floor, benchmark.value + aim.floor_above_benchmark) as floor
    from compared
    left join {{ ref('kpi_target') }} as aim
        on aim.kpi_id = compared.kpi_id
        and aim.group_code = compared.group_code
        and (aim.area_type is null or aim.area_type = compared.area_type)
        and {{ valid_on('aim', 'compared.period_end') }}
    left join {{ ref('int_benchmark') }} as benchmark
        on benchmark.benchmark_id = aim.benchmark_id
        and (benchmark.la_code is null or benchmark.la_code = compared.la_code)
        and {{ valid_on('benchmark', 'compared.period_end') }}
)

select
    la_code,
    kpi_id,
    period_code,
    period_end,
    area_type,
    area_code,
    group_code,
    basis,
    {{ to_long('numerator') }} as numerator,
    {{ to_long('denominator') }} as denominator,
    cast(value as numeric(20, 10)) as value,
    cast(target as numeric(20, 10)) as target,
    cast(floor as numeric(20, 10)) as floor,
    {{ rag('value', 'polarity', 'target', 'is_target_strict', 'floor') }} as rag,
    cast(previous_value as numeric(20, 10)) as previous_value,
    polarity,
    unit
from aimed
