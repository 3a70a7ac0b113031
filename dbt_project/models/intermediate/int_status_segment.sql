{#  Each person's time, cut wherever the activity in force changes or lapses, and glued together again where nothing
    changed. From the first activity on there is no hole: a stretch without an activity is a segment of its own. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
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

ranked as (
    select
        boundary.la_code,
        boundary.person_id,
        boundary.starts_on,
        activity.activity_spell_id,
        activity.activity_code,
        activity.status_bucket,
        coalesce(activity.lapsed_from <= boundary.starts_on, false) as is_lapsed,
        row_number() over (
            partition by boundary.la_code, boundary.person_id, boundary.starts_on
            order by
                activity.start_on desc nulls last,
                activity.ascertained_on desc nulls last,
                activity.verified_on desc nulls last,
                {{ bytewise('activity.activity_id') }} desc nulls last
        ) as rank_at_boundary
    from boundary
    left join activity
        on activity.la_code = boundary.la_code
        and activity.person_id = boundary.person_id
        and {{ in_force('activity.start_on', 'activity.ends_before', 'boundary.starts_on') }}
),

state as (
    select
        la_code,
        person_id,
        starts_on,
        activity_spell_id,
        activity_code,
        is_lapsed,
        case when activity_spell_id is null or is_lapsed then 'NOT_KNOWN' else status_bucket end as status_bucket,
        coalesce(activity_spell_id, '') as activity_key
    from ranked
    where rank_at_boundary = 1
),

marked as (
    select
        state.*,
        case
            when activity_key = lag(activity_key) over person_in_order and is_lapsed = lag(is_lapsed) over person_in_order
                then 0
            else 1
        end as is_new
    from state
    window person_in_order as (partition by la_code, person_id order by starts_on)
)

-- There is no hole, so a segment ends where the next one starts, and the last is open.
select
    la_code,
    person_id,
    cast(row_number() over person_in_order as integer) as segment_number,
    starts_on,
    lead(starts_on) over person_in_order as ends_before,
    activity_spell_id,
    activity_code,
    status_bucket,
    is_lapsed
from marked
where is_new = 1
window person_in_order as (partition by la_code, person_id order by starts_on)
