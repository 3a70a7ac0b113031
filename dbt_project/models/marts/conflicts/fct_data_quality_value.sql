with month_end as (
    select la_code, month_end from {{ ref('int_month_end') }}
),

area as (
    select 'county' as area_type
    union all
    select 'district'
),

in_conflict as (
    select distinct
        cohort.la_code,
        'DQ-CONFLICT' as measure_id,
        cohort.month_end,
        cohort.person_id,
        coalesce(cohort.district_code, 'NOT_RECORDED') as district_code,
        cohort.sen_group,
        cohort.is_vulnerable,
        1 as is_in_numerator
    from {{ ref('fct_source_conflict') }} as conflict
    inner join {{ ref('fct_cohort_month') }} as cohort
        on cohort.la_code = conflict.la_code
        and cohort.person_id = conflict.person_id
        and {{ in_force('conflict.opened_on', 'conflict.closed_on', 'cohort.month_end') }}
    where conflict.is_counted_in_data_quality and cohort.is_in_denominator
),

at_risk as (
    select
        la_code, 'DQ-CONTACT' as measure_id, month_end, person_id, district_code, sen_group, is_vulnerable,
        case when is_contact_valid then 1 else 0 end as is_in_numerator
    from {{ ref('int_at_risk_month') }}
),

counted as (
    select
        person.la_code,
        person.measure_id,
        person.month_end,
        area.area_type,
        case area.area_type when 'county' then person.la_code else person.district_code end as area_code,
        reporting_group.group_code,
        sum(person.is_in_numerator) as numerator,
        count(*) as people
    from (
        select * from in_conflict
        union all
        select * from at_risk
    ) as person
    cross join area
    inner join {{ ref('reporting_group') }} as reporting_group
        on (reporting_group.sen_group is null or reporting_group.sen_group = person.sen_group)
        and (not reporting_group.is_vulnerable_only or person.is_vulnerable)
    group by 1, 2, 3, 4, 5, 6
),

-- The whole cohort is counted once for every rate; here only who of it is in conflict.
rated as (
    select
        cohort.la_code,
        'DQ-CONFLICT' as measure_id,
        cohort.month_end as period_end,
        cohort.area_type,
        cohort.area_code,
        cohort.group_code,
        coalesce(counted.numerator, 0) as numerator,
        cohort.cohort as denominator
    from {{ ref('int_cohort_count') }} as cohort
    left join counted
        on counted.la_code = cohort.la_code
        and counted.measure_id = 'DQ-CONFLICT'
        and counted.month_end = cohort.month_end
        and counted.area_type = cohort.area_type
        and counted.area_code = cohort.area_code
        and counted.group_code = cohort.group_code
    where cohort.basis = 'restated'

    union all

    select la_code, measure_id, month_end, area_type, area_code, group_code, numerator, people
    from counted
    where measure_id = 'DQ-CONTACT'
),

late as (
    select
        event.la_code,
        measure.measure_id,
        month_end.month_end as period_end,
        place.area_type,
        case place.area_type when 'county' then event.la_code else event.provider end as area_code,
        'ALL' as group_code,
        count(*) as numerator,
        count(*) as denominator,
        case measure.percentile
            {% for share in (0.5, 0.9) %}
            when {{ share }} then {{ percentile(share, 'event.lag_days') }}
            {% endfor %}
        end as value
    from {{ ref('int_event_recorded') }} as event
    inner join month_end
        on month_end.la_code = event.la_code
        and event.recorded_on > {{ previous_month_end('month_end.month_end') }}
        and event.recorded_on <= month_end.month_end
    cross join (select 'county' as area_type union all select 'provider') as place
    inner join {{ ref('data_quality_measure') }} as measure
        on measure.percentile is not null and {{ valid_on('measure', 'month_end.month_end') }}
    where event.lag_days is not null
    group by event.la_code, measure.measure_id, measure.percentile, month_end.month_end, place.area_type,
        case place.area_type when 'county' then event.la_code else event.provider end
),

either as (
    select rated.*, cast(rated.numerator as numeric) / rated.denominator as value
    from rated
    union all
    select la_code, measure_id, period_end, area_type, area_code, group_code, numerator, denominator, cast(value as numeric)
    from late
)

select
    either.la_code,
    either.measure_id,
    {{ month_code('either.period_end') }} as period_code,
    either.period_end,
    either.area_type,
    either.area_code,
    either.group_code,
    {{ to_long('either.numerator') }} as numerator,
    {{ to_long('either.denominator') }} as denominator,
    cast(either.value as numeric(20, 10)) as value,
    cast(before.value as numeric(20, 10)) as previous_value,
    measure.polarity,
    measure.unit
from either
inner join {{ ref('data_quality_measure') }} as measure
    on measure.measure_id = either.measure_id and {{ valid_on('measure', 'either.period_end') }}
left join either as before
    on before.la_code = either.la_code
    and before.measure_id = either.measure_id
    and before.period_end = {{ previous_month_end('either.period_end') }}
    and before.area_type = either.area_type
    and before.area_code = either.area_code
    and before.group_code = either.group_code
