{#  How long NEET spells last, at each month end: the middle length of those that are open and of those that ended in the
    month, and who is NEET again, counted over both windows. An ended spell is read at its own end; the tolerance for
    short gaps is in the spells already (int_neet_segment). Not known days are counted once in and once out. #}
with reporting_group as (
    select * from {{ ref('reporting_group') }}
),

rule as (
    select
        la_code,
        month_end,
        previous_month_end
    from {{ ref('int_month_end') }}
),

open_spell as (
    select
        cohort.la_code,
        cohort.month_end,
        cohort.person_id,
        cohort.district_code,
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
),

-- A spell counts as ended in a month by the person's place in the cohort at that month end; a leaver has none.
ended_spell as (
    select
        cohort.la_code,
        cohort.month_end,
        cohort.person_id,
        cohort.district_code,
        cohort.sen_group,
        cohort.is_vulnerable,
        {{ days_between('spell.neet_start_on', 'spell.ends_before') }} as neet_days,
        {{ days_between('spell.neet_start_on', 'spell.ends_before') }} - spell.not_known_days
            as neet_days_without_not_known
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
),

spell as (
    select
        la_code, month_end, district_code, sen_group, is_vulnerable, neet_days, neet_days_without_not_known,
        'open' as spell_state,
        case when is_repeat then 1 else 0 end as is_repeat,
        case when is_repeat_in_window then 1 else 0 end as is_repeat_in_window
    from open_spell

    union all

    select
        la_code, month_end, district_code, sen_group, is_vulnerable, neet_days, neet_days_without_not_known,
        'ended' as spell_state,
        0 as is_repeat,
        0 as is_repeat_in_window
    from ended_spell
)

select
    spell.la_code,
    spell.month_end,
    area.area_type,
    case area.area_type when 'county' then spell.la_code else coalesce(spell.district_code, 'NOT_RECORDED') end
        as area_code,
    reporting_group.group_code,
    spell.spell_state,
    {{ to_long('count(*)') }} as spell_count,
    cast({{ median('spell.neet_days') }} as numeric(10, 1)) as median_neet_days,
    cast({{ median('spell.neet_days_without_not_known') }} as numeric(10, 1)) as median_neet_days_without_not_known,
    {{ to_long('sum(spell.is_repeat)') }} as repeat_count,
    {{ to_long('sum(spell.is_repeat_in_window)') }} as repeat_in_window_count
from spell
cross join (select 'county' as area_type union all select 'district') as area
inner join reporting_group
    on (reporting_group.sen_group is null or reporting_group.sen_group = spell.sen_group)
    and (not reporting_group.is_vulnerable_only or spell.is_vulnerable)
group by 1, 2, 3, 4, 5, 6
