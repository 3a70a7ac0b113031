{#  Of the spells that began in a month, how many still went on after so many weeks: a survival curve by entry month and
    group (Kaplan and Meier). A spell whose end cannot have been seen yet leaves the curve at that week, uncounted after
    it, so young curves are short rather than wrong: one that goes on at the month reported, one since whose last NEET
    day nothing is known, one of somebody who left the county first. The week's share is the product of the weekly
    shares that stayed. #}
with watched as (
    select
        spell.la_code,
        spell.neet_spell_id,
        spell.neet_start_on,
        person.sen_group,
        spell.is_open or spell.is_suspended as is_going_on,
        coalesce(spell.ends_before, {{ ends_before('point.period_end') }}) as seen_until,
        case when status.is_leaver then person.cohort_status_on end as left_on
    from {{ ref('fct_neet_spell') }} as spell
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = spell.la_code
    inner join {{ ref('int_young_person') }} as person
        on person.la_code = spell.la_code and person.person_id = spell.person_id
    left join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = person.cohort_status_code
        and {{ valid_on('status', 'point.period_end') }}
),

spell as (
    select
        la_code,
        {{ month_code('neet_start_on') }} as entry_month,
        neet_spell_id,
        sen_group,
        is_going_on or coalesce(left_on < seen_until, false) as is_going_on,
        cast(floor({{ days_between('neet_start_on', 'least(seen_until, left_on)') }} / 7.0) as integer) as whole_weeks
    from watched
    -- Whoever had left before it began was never ours to watch.
    where left_on is null or left_on > neet_start_on
),

-- Spells by their length in weeks.
grouped as (
    select
        spell.la_code,
        spell.entry_month,
        reporting_group.group_code,
        spell.whole_weeks,
        count(*) as spells,
        sum(case when spell.is_going_on then 0 else 1 end) as ended
    from spell
    inner join {{ ref('reporting_group') }} as reporting_group
        on not reporting_group.is_vulnerable_only
        and (reporting_group.sen_group is null or reporting_group.sen_group = spell.sen_group)
    group by 1, 2, 3, 4
),

-- Every week in which a spell of the authority may end, up to the curve's longest.
week as (
    select curve.la_code, curve.entry_month, curve.group_code, any_week.week_number
    from (
        select la_code, entry_month, group_code, max(whole_weeks) as longest
        from grouped
        group by la_code, entry_month, group_code
    ) as curve
    inner join (select distinct la_code, whole_weeks as week_number from grouped) as any_week
        on any_week.la_code = curve.la_code and any_week.week_number <= curve.longest
),

counted as (
    select
        week.la_code,
        week.entry_month,
        week.group_code,
        week.week_number,
        -- At risk of ending in this week, counted from 0: spells at least so long.
        sum(coalesce(grouped.spells, 0)) over (
            partition by week.la_code, week.entry_month, week.group_code order by week.week_number desc
            rows between unbounded preceding and current row
        ) as at_risk,
        coalesce(grouped.ended, 0) as ended
    from week
    left join grouped
        on grouped.la_code = week.la_code
        and grouped.entry_month = week.entry_month
        and grouped.group_code = week.group_code
        and grouped.whole_weeks = week.week_number
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
