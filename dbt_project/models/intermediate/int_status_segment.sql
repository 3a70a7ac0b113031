{#  Each person's time, cut wherever the activity in force changes or lapses, and glued together again where nothing
    changed. From the first activity on there is no hole: a stretch without an activity is a segment of its own. #}
with activity as (
    select *
    from {{ ref('int_activity_spell') }}
    where start_on is not null and (ends_before is null or ends_before > start_on)
),

boundary as (
    select la_code, person_id, start_on as starts_on from activity
    union
    select la_code, person_id, ends_before from activity where ends_before is not null
    union
    select la_code, person_id, lapsed_from from activity
    where lapsed_from > start_on and (ends_before is null or lapsed_from < ends_before)
),

slice as (
    select
        boundary.*,
        lead(starts_on) over (partition by la_code, person_id order by starts_on) as ends_before
    from boundary
),

ranked as (
    select
        slice.la_code,
        slice.person_id,
        slice.starts_on,
        slice.ends_before,
        activity.activity_spell_id,
        activity.activity_code,
        activity.status_bucket,
        coalesce(activity.lapsed_from <= slice.starts_on, false) as is_lapsed,
        row_number() over (
            partition by slice.la_code, slice.person_id, slice.starts_on
            order by
                activity.start_on desc nulls last,
                activity.ascertained_on desc nulls last,
                activity.verified_on desc nulls last,
                {{ bytewise('activity.activity_id') }} desc nulls last
        ) as rank_in_slice
    from slice
    left join activity
        on activity.la_code = slice.la_code
        and activity.person_id = slice.person_id
        and {{ in_force('activity.start_on', 'activity.ends_before', 'slice.starts_on') }}
),

state as (
    select
        la_code,
        person_id,
        starts_on,
        ends_before,
        activity_spell_id,
        activity_code,
        is_lapsed,
        case when activity_spell_id is null or is_lapsed then 'NOT_KNOWN' else status_bucket end as status_bucket,
        coalesce(activity_spell_id, '') || is_lapsed as state_key
    from ranked
    where rank_in_slice = 1
),

marked as (
    select
        state.*,
        case when state_key = lag(state_key) over person_in_order then 0 else 1 end as is_new
    from state
    window person_in_order as (partition by la_code, person_id order by starts_on)
),

numbered as (
    select
        marked.*,
        sum(is_new) over (partition by la_code, person_id order by starts_on) as segment_number
    from marked
)

select
    la_code,
    person_id,
    cast(segment_number as integer) as segment_number,
    min(starts_on) as starts_on,
    case when count(*) = count(ends_before) then max(ends_before) end as ends_before,
    min(activity_spell_id) as activity_spell_id,
    min(activity_code) as activity_code,
    min(status_bucket) as status_bucket,
    bool_or(is_lapsed) as is_lapsed
from numbered
group by la_code, person_id, segment_number
