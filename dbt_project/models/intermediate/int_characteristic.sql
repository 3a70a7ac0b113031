{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with characteristic as (
    select
        la_code,
        young_persons_id,
        {{ to_text('characteristic_code') }} as characteristic_code,
        {{ to_date('start_on') }} as start_on,
        {{ to_date('end_on') }} as end_on
    from {{ as_known(ref('hist_core_plus_characteristics')) }} as known
)

select
    characteristic.la_code,
    {{ person_key('characteristic.la_code', 'characteristic.young_persons_id') }} as person_id,
    characteristic.characteristic_code,
    characteristic.start_on,
    {{ ends_before('characteristic.end_on') }} as ends_before,
    coalesce(code.is_in_vulnerable_group, false) as is_in_vulnerable_group
from characteristic
left join {{ ref('characteristic_codes') }} as code
    on code.characteristic_code = characteristic.characteristic_code
