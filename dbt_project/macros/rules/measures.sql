{#  The counts of int_cohort_count, by the names that kpi_definition refers to. #}

{% macro duration_band_measures() -%}
    {{ return(['neet_band_00_06', 'neet_band_06_12', 'neet_band_12_26', 'neet_band_26_52', 'neet_band_52_up']) }}
{%- endmacro %}

{% macro cohort_measures() -%}
    {{ return(['cohort', 'neet', 'not_known', 'neet_or_not_known', 'eet', 'participating', 'full_time_education',
               'apprenticeship', 'other_education_and_training', 'neet_over_06_weeks', 'neet_over_12_weeks',
               'neet_over_52_weeks'] + duration_band_measures()) }}
{%- endmacro %}

{#  What a person counts in by status alone: 1 or 0. #}
{% macro status_measure(measure, bucket, route='null') -%}
    {%- set condition = {
        'cohort': '1 = 1',
        'neet': bucket ~ " = 'NEET'",
        'not_known': bucket ~ " = 'NOT_KNOWN'",
        'neet_or_not_known': bucket ~ " in ('NEET', 'NOT_KNOWN')",
        'eet': bucket ~ " = 'EET'",
        'participating': route ~ ' is not null',
    }[measure] -%}
    case when {{ condition }} then 1 else 0 end
{%- endmacro %}

{#  What fct_flow keeps an account of. #}
{% macro flow_statuses() %}{{ return(['cohort', 'neet', 'not_known', 'eet']) }}{% endmacro %}

{#  The flows that a KPI may count: the measure of fct_flow and its column. #}
{% macro flow_measures() -%}
    {{ return({'neet_joiners': ('neet', 'joiners'), 'neet_leavers': ('neet', 'leavers')}) }}
{%- endmacro %}

{#  The count that a definition names, out of a row that holds them all; null for a name nobody counts. #}
{% macro named_measure(name, counts) -%}
    case {{ name }}
        {%- for measure in cohort_measures() + flow_measures().keys() | list %}
        when '{{ measure }}' then {{ counts }}.{{ measure }}
        {%- endfor %}
    end
{%- endmacro %}

{#  One published count as a percentage of another, as text like every printed figure: a symbol in either (suppressed,
    not applicable) is what is said instead. #}
{% macro share_of_counts(part, whole) -%}
    case
        when {{ to_number(to_text(whole)) }} is null then {{ to_text(whole) }}
        when {{ to_number(to_text(part)) }} is null then {{ to_text(part) }}
        when {{ to_number(to_text(whole)) }} > 0
            then cast(cast(100 * {{ to_number(to_text(part)) }} / {{ to_number(to_text(whole)) }} as numeric(20, 10)) as text)
    end
{%- endmacro %}

{#  Which of five groups a position falls into, 1 the first, as ntile(5) makes them: as even as can be, the first ones
    larger by one when the number does not divide. #}
{% macro group_of_five(position, number) -%}
    {%- set small = 'floor(' ~ number ~ ' / 5.0)' -%}
    {%- set larger_groups = '(' ~ number ~ ' - 5 * ' ~ small ~ ')' -%}
    {%- set in_larger = '(' ~ larger_groups ~ ' * (' ~ small ~ ' + 1))' -%}
    cast(
        case
            when {{ position }} <= {{ in_larger }} then ceil({{ position }} / ({{ small }} + 1))
            else {{ larger_groups }} + ceil(({{ position }} - {{ in_larger }}) / nullif({{ small }}, 0))
        end as integer
    )
{%- endmacro %}
