{#  One column of the file a measure: its value, the department's quintile, its change on the year, and the published
    count that the percentage is of. Population is the one measure that is a ratio of two published counts. #}
{% set measures = {
    'NEET_NK': ['neet_not_known_percent', 'neet_nk_quintile', 'annual_change_ppts_neet_not_known', 'cohort_djfavg'],
    'NEET': ['neet_percent', 'neet_quintile', 'annualchange_neet', 'cohort_djfavg'],
    'NK': ['notknown_percent', 'notknown_quintile', 'annualchange_notknown', 'cohort_djfavg'],
    'PART': ['total_participating_in_education_and_training_percent', 'participation_et_quintile',
             'annual_change_participation_in_education_training', 'cohort_march'],
    'PART_FTE': ['full_time_education_percent', none, 'annual_change_fte', 'cohort_march'],
    'PART_APP': ['apprenticeship_percent', none, 'annual_change_apprenticeship', 'cohort_march'],
    'PART_OTH': ['other_education_and_training_percent', none, 'annual_change_other_education_training', 'cohort_march'],
    'SG': ['september_guarantee_offer_made_percent', 'sep_guarantee_quintile', 'september_guarantee_annual_change_ppts',
           none],
    'NEET_NK_EHCP': ['neet_nk_ehcp_percent', none, none, none],
    'NEET_NK_SENSUP': ['neet_nk_sendsupport_percent', none, none, none],
    'NEET_NK_NOSEN': ['neet_nk_nosen_percent', none, none, none],
    'NEET_NK_VG': ['vg_neet_nk_percentage', none, none, 'vg_cohort_djf_avg'],
    'POP': [none, none, none, 'age1617_ons_population'],
    'CTX_L3': ['level_3', none, none, none],
    'CTX_L2': ['l2_em_gcse_othl2', none, none, none],
    'CTX_ATT8': ['avg_att8', none, none, none],
    'CTX_BASICS': ['pt_l2basics_94', none, none, none],
    'CTX_ABS': ['sess_overall_percent', none, none, none],
    'CTX_PA': ['coalesce(enrolments_pa_10_exact_percent, sess_overall_percent_pa_10_exact)', none, none, none],
} %}

with version as (
    select
        said.*,
        said.known_from_seq as said_seq
    from {{ as_known(ref('hist_dfe_la_scorecard'), versions='all') }} as said
    where not said.is_deleted
),

newest as (
    select la_code, row_key, known_from_seq as said_seq
    from {{ as_known(ref('hist_dfe_la_scorecard')) }} as known
),

figure as (
    {% for measure, (value, quintile, change, cohort) in measures.items() %}
    select
        la_code, row_key, said_seq, known_from,
        {{ to_integer('time_period') }} as time_period,
        geographic_level,
        country_code, region_code, new_la_code, country_name, region_name, la_name,
        {{ to_text('old_la_code') }} as area_la_code,
        '{{ measure }}' as measure_id,
        {% if measure == 'POP' %}
        {{ share_of_counts('cohort_djfavg', 'age1617_ons_population') }} as printed_text,
        {{ to_number(to_text('cohort_djfavg')) }} as published_numerator,
        {% else %}
        {{ to_text(value) }} as printed_text,
        cast(null as numeric) as published_numerator,
        {% endif %}
        {{ to_number(to_text(cohort)) if cohort else 'cast(null as numeric)' }} as published_denominator,
        {{ to_text(quintile) if quintile else 'cast(null as text)' }} as printed_quintile,
        {{ to_text(change) if change else 'cast(null as text)' }} as annual_change
    from version
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

current_figure as (
    select figure.*
    from figure
    inner join newest
        on newest.la_code = figure.la_code and newest.row_key = figure.row_key and newest.said_seq = figure.said_seq
),

-- What the department had printed before it corrected this very figure; a correction of another figure of the row is none.
former as (
    select
        earlier.la_code,
        earlier.row_key,
        earlier.measure_id,
        earlier.printed_text,
        row_number() over (
            partition by earlier.la_code, earlier.row_key, earlier.measure_id order by earlier.said_seq desc
        ) as newest_first
    from current_figure
    inner join figure as earlier
        on earlier.la_code = current_figure.la_code
        and earlier.row_key = current_figure.row_key
        and earlier.measure_id = current_figure.measure_id
        and coalesce(earlier.printed_text, '') <> coalesce(current_figure.printed_text, '')
),

-- The department's own dummy row of 2021 has no code: it is nobody.
area as (
    select
        current_figure.*,
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
    from current_figure
)

select
    area.la_code,
    area.time_period,
    area.geographic_level,
    area.area_ons_code,
    area.area_la_code,
    area.area_name,
    {{ to_text('area.region_code') }} as region_ons_code,
    area.measure_id,
    area.printed_text,
    cast({{ to_number('area.printed_text') }} as numeric(20, 10)) as printed_value,
    case measure.unit
        when 'percent' then cast({{ to_number('area.printed_text') }} / 100 as numeric(20, 10))
    end as value_rate,
    case
        when {{ to_number('area.printed_text') }} is not null then 'VALUE'
        when area.printed_text = 'z' then 'NOT_APPLICABLE'
        when area.printed_text = 'c' then 'SUPPRESSED'
        else 'MISSING'
    end as value_status,
    cast(area.published_numerator as numeric(20, 10)) as published_numerator,
    cast(area.published_denominator as numeric(20, 10)) as published_denominator,
    {{ to_integer('area.printed_quintile') }} as printed_quintile,
    case
        when measure.is_one_best then {{ to_integer('area.printed_quintile') }}
        else 6 - {{ to_integer('area.printed_quintile') }}
    end as quintile,
    measure.is_ranked,
    measure.polarity,
    measure.unit,
    cast({{ to_number('area.annual_change') }} as numeric(20, 10)) as annual_change_points,
    former.printed_text as former_text,
    area.known_from
from area
inner join {{ ref('dfe_measure') }} as measure
    on measure.measure_id = area.measure_id
    and (measure.year_from is null or measure.year_from <= area.time_period)
    and (measure.year_to is null or area.time_period < measure.year_to)
left join former
    on former.la_code = area.la_code
    and former.row_key = area.row_key
    and former.measure_id = area.measure_id
    and former.newest_first = 1
where {{ to_text('area.area_ons_code') }} is not null
