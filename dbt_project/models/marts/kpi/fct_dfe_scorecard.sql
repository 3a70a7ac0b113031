{% set measures = {
    'NEET_NK': ['neet_not_known_percent', 'neet_nk_quintile', 'annual_change_ppts_neet_not_known'],
    'NEET': ['neet_percent', 'neet_quintile', 'annualchange_neet'],
    'NK': ['notknown_percent', 'notknown_quintile', 'annualchange_notknown'],
    'PART': ['total_participating_in_education_and_training_percent', 'participation_et_quintile',
             'annual_change_participation_in_education_training'],
    'SG': ['september_guarantee_offer_made_percent', 'sep_guarantee_quintile', 'september_guarantee_annual_change_ppts'],
} %}

with scorecard as (
    select * from {{ as_known(ref('hist_dfe_la_scorecard')) }} as known
),

figure as (
    {% for measure, columns in measures.items() %}
    select
        la_code,
        {{ to_integer('time_period') }} as time_period,
        geographic_level,
        country_code, region_code, new_la_code, country_name, region_name, la_name,
        {{ to_text('old_la_code') }} as area_la_code,
        '{{ measure }}' as measure_id,
        {{ to_text(columns[0]) }} as printed_value,
        {{ to_text(columns[1]) }} as printed_quintile,
        {{ to_text(columns[2]) }} as annual_change
    from scorecard
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- The department's own dummy row of 2021 has no code: it is nobody.
area as (
    select
        figure.*,
        case geographic_level
            when 'National' then country_code
            when 'Regional' then region_code
            else new_la_code
        end as area_ons_code,
        case geographic_level
            when 'National' then country_name
            when 'Regional' then region_name
            else la_name
        end as area_name
    from figure
)

select
    area.la_code,
    area.time_period,
    area.geographic_level,
    area.area_ons_code,
    area.area_la_code,
    area.area_name,
    area.measure_id,
    cast({{ to_number('area.printed_value') }} as numeric(20, 10)) as printed_value,
    cast({{ to_number('area.printed_value') }} / 100 as numeric(20, 10)) as value_rate,
    case
        when {{ to_number('area.printed_value') }} is not null then 'VALUE'
        when area.printed_value = 'z' then 'NOT_APPLICABLE'
        when area.printed_value = 'c' then 'SUPPRESSED'
        else 'MISSING'
    end as value_status,
    {{ to_integer('area.printed_quintile') }} as printed_quintile,
    case
        when measure.is_one_best then {{ to_integer('area.printed_quintile') }}
        else 6 - {{ to_integer('area.printed_quintile') }}
    end as quintile,
    measure.polarity,
    cast({{ to_number('area.annual_change') }} as numeric(20, 10)) as annual_change_points
from area
inner join {{ ref('dfe_measure') }} as measure
    on measure.measure_id = area.measure_id
    and (measure.year_from is null or measure.year_from <= area.time_period)
    and (measure.year_to is null or area.time_period < measure.year_to)
where {{ to_text('area.area_ons_code') }} is not null
