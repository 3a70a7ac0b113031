{#  Each NEET spell in each month in which it counts for its length: open at the month end, or ended in the month. An ended
    spell is read at its own end; the tolerance for short gaps is in the spells already (int_neet_segment). #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with rule as (
    select
        la_code,
        month_end,
        previous_month_end
    from {{ ref('int_month_end') }}
)

select
    cohort.la_code,
    cohort.month_end,
    cohort.person_id,
    'open' as spell_state,
    coalesce(cohort.district_code, 'NOT_RECORDED') as district_code,
    cohort.sen_group,
    cohort.is_vulnerable,
    cohort.neet_days,
    cohort.neet_days_without_not_known,
    repeated.is_repeat,
    repeated.is_repeat_in_window
from {{ ref('fct_cohort_month') }} as cohort
inner join {{ ref('int_neet_repeat') }} as repeated
    on repeated.la_code = cohort.la_code
    and repeated.month_end = cohort.month_end
    and repeated.person_id = cohort.person_id
where cohort.is_in_denominator

union all

-- A spell counts as ended in a month by the person's place in the cohort at that month end; a leaver has none.
select
    cohort.la_code,
    cohort.month_end,
    cohort.person_id,
    'ended' as spell_state,
    coalesce(cohort.district_code, 'NOT_RECORDED') as district_code,
    cohort.sen_group,
    cohort.is_vulnerable,
    {{ days_between('spell.neet_start_on', 'spell.ends_before') }} as neet_days,
    {{ days_between('spell.neet_start_on', 'spell.ends_before') }} - spell.not_known_days
        as neet_days_without_not_known,
    false as is_repeat,
    false as is_repeat_in_window
from {{ ref('fct_neet_spell') }} as spell
inner join rule
    on rule.la_code = spell.la_code
    and spell.ends_before > {{ add_days('rule.previous_month_end', 1) }}
    and spell.ends_before <= {{ add_days('rule.month_end', 1) }}
    and not spell.is_suspended
inner join {{ ref('fct_cohort_month') }} as cohort
    on cohort.la_code = spell.la_code
    and cohort.person_id = spell.person_id
    and cohort.month_end = rule.month_end
    and cohort.is_in_denominator
