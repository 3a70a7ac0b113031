{#  MULT-2: of everybody NEET at a month end, how many spells they have had by then, this one included, since the end of
    Year 11, and how many that began within the window before the month end. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with rule as (
    select
        la_code,
        month_end,
        academic_year_starts_on,
        measured_age_from,
        {{ policy('support_repeat_spells', 'month_end') }} as repeat_spells,
        {{ policy('support_repeat_window_days', 'month_end') }} as repeat_window_days
    from {{ ref('int_month_end') }}
),

counted as (
    select
        cohort.la_code,
        cohort.month_end,
        cohort.person_id,
        rule.repeat_spells,
        -- Year 12 began on 1 September so many years ago, or will; whose age nobody knows, all spells count.
        sum(case when cohort.academic_age is null or spell.ends_before is null
            or spell.ends_before > {{ add_months('rule.academic_year_starts_on',
                                                  '-12 * (cohort.academic_age - rule.measured_age_from)') }}
            then 1 else 0 end) as spells_since_year_11,
        sum(case when spell.neet_start_on > {{ add_days('cohort.month_end', '-rule.repeat_window_days') }}
            then 1 else 0 end) as spells_in_window
    from {{ ref('fct_cohort_month') }} as cohort
    inner join rule
        on rule.la_code = cohort.la_code and rule.month_end = cohort.month_end
    inner join {{ ref('fct_neet_spell') }} as spell
        on spell.la_code = cohort.la_code
        and spell.person_id = cohort.person_id
        and spell.neet_spell_number <= cohort.neet_spell_number
    where cohort.status_bucket = 'NEET'
    group by 1, 2, 3, 4
)

select
    la_code,
    month_end,
    person_id,
    cast(spells_since_year_11 as integer) as spells_since_year_11,
    cast(spells_in_window as integer) as spells_in_window,
    spells_since_year_11 >= repeat_spells as is_repeat,
    spells_in_window >= repeat_spells as is_repeat_in_window
from counted
