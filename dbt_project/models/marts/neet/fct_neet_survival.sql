{#  Of the spells that began in a month, how many still went on after so many weeks: a survival curve by entry month and
    group (Kaplan and Meier). A spell whose end cannot have been seen yet leaves the curve at that week, uncounted after
    it, so young curves are short rather than wrong. The week's share is the product of the weekly shares that stayed. #}
with spell as (
    select
        spell.la_code,
        {{ month_code('spell.neet_start_on') }} as entry_month,
        spell.neet_spell_id,
        person.sen_group,
        spell.is_open,
        cast(floor({{ days_between(
            'spell.neet_start_on',
            'coalesce(spell.ends_before, ' ~ ends_before('point.period_end') ~ ')') }} / 7.0) as integer) as whole_weeks
    from {{ ref('fct_neet_spell') }} as spell
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = spell.la_code and spell.neet_start_on <= point.period_end
    inner join {{ ref('int_young_person') }} as person
        on person.la_code = spell.la_code and person.person_id = spell.person_id
),

grouped as (
    select
        spell.la_code,
        spell.entry_month,
        reporting_group.group_code,
        spell.whole_weeks,
        spell.is_open
    from spell
    inner join {{ ref('reporting_group') }} as reporting_group
        on not reporting_group.is_vulnerable_only
        and (reporting_group.sen_group is null or reporting_group.sen_group = spell.sen_group)
),

week as (
    select distinct whole_weeks as week_number from grouped
),

counted as (
    select
        grouped.la_code,
        grouped.entry_month,
        grouped.group_code,
        week.week_number,
        -- At risk of ending in this week, counted from 0: spells at least so long.
        count(*) as at_risk,
        sum(case when grouped.whole_weeks = week.week_number and not grouped.is_open then 1 else 0 end) as ended
    from grouped
    inner join week
        on week.week_number <= grouped.whole_weeks
    group by 1, 2, 3, 4
)

select
    la_code,
    entry_month,
    group_code,
    week_number,
    {{ to_long('at_risk') }} as at_risk,
    {{ to_long('ended') }} as ended_count,
    -- A product of shares, as the exponential of a sum of logarithms; a week in which all ended ends the curve at nought.
    cast(case
        when min(at_risk - ended) over upto = 0 then 0
        else exp(sum(ln(cast(case when at_risk = ended then 1 else at_risk - ended end as numeric) / at_risk)) over upto)
    end as numeric(12, 10)) as surviving_share
from counted
window upto as (
    partition by la_code, entry_month, group_code order by week_number
    rows between unbounded preceding and current row
)
