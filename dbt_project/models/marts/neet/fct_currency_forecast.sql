{#  What lapses do to the not known rate if nothing is confirmed: today's cohort, by the state it will then be in. The
    cohort is held as it is, joiners, leavers and the move up of 1 September apart, so that what changes is currency and
    nothing else. #}
with horizon as {{ forecast_months() }},

person as (
    select
        cohort.la_code,
        cohort.month_end,
        cohort.person_id,
        cohort.district_code,
        cohort.owner_service_code,
        {{ provider_code('activity') }} as provider_code,
        case when cohort.status_bucket = 'NOT_KNOWN' then 1 else 0 end as is_not_known,
        lapse.forecast_month_end as lapses_by
    from {{ ref('fct_cohort_month') }} as cohort
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = cohort.la_code and point.period_end = cohort.month_end
    left join {{ ref('int_activity_spell') }} as activity
        on activity.la_code = cohort.la_code and activity.activity_spell_id = cohort.activity_spell_id
    left join {{ ref('fct_currency_lapse') }} as lapse
        on lapse.la_code = cohort.la_code and lapse.person_id = cohort.person_id
    where cohort.is_in_denominator
),

counted as (
    select
        person.la_code,
        person.month_end,
        horizon.forecast_month_end,
        split.split_by,
        case split.split_by
            when 'county' then person.la_code
            when 'district' then coalesce(person.district_code, 'NOT_RECORDED')
            when 'owner_service' then coalesce(person.owner_service_code, 'NOT_RECORDED')
            when 'provider' then person.provider_code
        end as split_code,
        count(*) as cohort,
        sum(person.is_not_known) as not_known_now,
        sum(case when person.lapses_by <= horizon.forecast_month_end then 1 else 0 end) as lapsing,
        sum(case when person.lapses_by = horizon.forecast_month_end then 1 else 0 end) as lapsing_in_month
    from person
    inner join horizon
        on horizon.la_code = person.la_code and horizon.period_end = person.month_end
    cross join (
        select 'county' as split_by
        union all
        select 'district'
        union all
        select 'owner_service'
        union all
        select 'provider'
    ) as split
    group by 1, 2, 3, 4, 5
)

select
    la_code,
    month_end,
    forecast_month_end,
    split_by,
    split_code,
    {{ to_long('cohort') }} as cohort,
    {{ to_long('not_known_now') }} as not_known_now,
    {{ to_long('lapsing') }} as lapsing,
    {{ to_long('lapsing_in_month') }} as lapsing_in_month,
    cast(cast(not_known_now as numeric) / cohort as numeric(20, 10)) as not_known_rate_now,
    cast(cast(not_known_now + lapsing as numeric) / cohort as numeric(20, 10)) as not_known_rate_if_unconfirmed
from counted
