select
    known.la_code,
    {{ key_of(['known.la_code', "'course'", 'known.row_key']) }} as course_key,
    {{ to_text('known.ukprn') }} as uk_provider_reference_number,
    {{ to_text('known.course_id') }} as course_id,
    {{ to_text('known.course_title') }} as course_title,
    {{ code_form('known.sector_code') }} as sector_code,
    sector.code is not null as is_known_sector,
    {{ code_form('known.qualification_level') }} as qualification_level,
    {{ to_text('known.district_code') }} as district_code,
    {{ code_form('known.study_mode') }} as study_mode,
    {{ to_date('known.start_on') }} as start_on,
    {{ to_integer('known.places') }} as places,
    {{ to_integer('known.places_left') }} as places_left,
    coalesce({{ to_date('known.start_on') }} > as_at.as_at, false) as is_yet_to_start
from {{ as_known(ref('hist_course_offer')) }} as known
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = known.la_code
left join {{ ref('support_codes') }} as sector
    on sector.code_list = 'sector'
    and sector.code = {{ code_form('known.sector_code') }}
    and {{ valid_on('sector', to_date('known.start_on')) }}
