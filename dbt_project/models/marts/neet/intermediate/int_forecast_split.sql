{#  Each person of int_forecast_person once for each month forecast and each way to split the cohort. #}
{{ config(materialized='view') }}
with horizon as {{ forecast_months() }}

select
    person.la_code,
    person.month_end,
    person.person_id,
    horizon.forecast_month_end,
    split.split_by,
    case split.split_by
        when 'county' then person.la_code
        when 'district' then person.district_code
        when 'owner_service' then person.owner_service_code
        when 'provider' then person.provider_code
    end as split_code,
    person.is_not_known,
    case when person.lapses_by <= horizon.forecast_month_end then 1 else 0 end as is_lapsing,
    case when person.lapses_by = horizon.forecast_month_end then 1 else 0 end as is_lapsing_in_month
from {{ ref('int_forecast_person') }} as person
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
