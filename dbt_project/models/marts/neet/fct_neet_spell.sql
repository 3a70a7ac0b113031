{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with segment as (
    select
        segment.*,
        point.period_end,
        -- A segment that runs past the month reported is counted up to its end, that day included.
        case
            when segment.ends_before is null or segment.ends_before > point.period_end
                then {{ ends_before('point.period_end') }}
            else segment.ends_before
        end as counted_until
    from {{ ref('int_neet_segment') }} as segment
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = segment.la_code
),

spell as (
    select
        la_code,
        person_id,
        neet_spell_number,
        min(starts_on) as first_neet_on,
        max(counted_until) as counted_until,
        max(case when is_last_of_spell and (ends_before is null or ends_before > period_end) then 1 else 0 end) = 1
            as is_open,
        max(case when is_spell_broken_off then 1 else 0 end) = 1 as is_broken_off,
        min(case when is_first_of_spell then activity_spell_id end) as first_activity_spell_id,
        sum(case when status_bucket = 'NOT_KNOWN' then {{ days_between('starts_on', 'counted_until') }} else 0 end)
            as not_known_days,
        sum(case when status_bucket not in ('NEET', 'NOT_KNOWN') then {{ days_between('starts_on', 'counted_until') }}
            else 0 end) as tolerated_gap_days
    from segment
    group by la_code, person_id, neet_spell_number
),

in_order as (
    select
        spell.*,
        lag(counted_until) over (partition by la_code, person_id order by neet_spell_number) as former_ends_before
    from spell
)

select
    spell.la_code,
    {{ key_of(['spell.la_code', 'spell.first_activity_spell_id', 'cast(spell.first_neet_on as text)']) }} as neet_spell_id,
    spell.person_id,
    spell.neet_spell_number,
    -- A spell begins on the day recorded, which may be long before anybody knew; never after the first day on which the
    -- person was seen NEET, though (rule 225), nor within the spell before.
    case
        when activity.recorded_neet_start_on <= spell.first_neet_on
            and (spell.former_ends_before is null or activity.recorded_neet_start_on >= spell.former_ends_before)
            then activity.recorded_neet_start_on
        else spell.first_neet_on
    end as neet_start_on,
    spell.first_neet_on,
    case when not spell.is_open then spell.counted_until end as ends_before,
    spell.is_open,
    not spell.is_open and not spell.is_broken_off as is_suspended,
    spell.first_activity_spell_id,
    cast(spell.not_known_days as integer) as not_known_days,
    cast(spell.tolerated_gap_days as integer) as tolerated_gap_days
from in_order as spell
inner join {{ ref('int_activity_spell') }} as activity
    on activity.la_code = spell.la_code and activity.activity_spell_id = spell.first_activity_spell_id
