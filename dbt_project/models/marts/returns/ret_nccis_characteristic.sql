{{ config(materialized='table' if is_census() else 'view') }}
with open_at_period_end as (
    select distinct
        record.la_code,
        record.census_point,
        record.record_number,
        record.young_persons_id,
        characteristic.characteristic_code
    from {{ ref('ret_nccis_record') }} as record
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = record.la_code
    inner join {{ ref('int_characteristic') }} as characteristic
        on characteristic.la_code = record.la_code
        and characteristic.person_id = record.person_id
        and characteristic.characteristic_code is not null
        and {{ in_force('characteristic.start_on', 'characteristic.ends_before', 'point.period_end') }}
)

select
    la_code,
    census_point,
    record_number,
    young_persons_id,
    cast(row_number() over (
        partition by la_code, record_number order by {{ bytewise('characteristic_code') }}
    ) as integer) as characteristic_number,
    characteristic_code
from open_at_period_end
