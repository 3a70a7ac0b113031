{#  What ended each NEET spell: the first thing known of the person after it. A spell that goes on has no row, nor has one
    that is suspended by not knowing, for it has not ended (kpis.md section 4). #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with ended as (
    select * from {{ ref('fct_neet_spell') }} where not is_open and not is_suspended
),

following as (
    select
        ended.*,
        segment.activity_spell_id,
        segment.activity_code,
        segment.status_bucket,
        row_number() over (
            partition by ended.la_code, ended.neet_spell_id order by segment.starts_on
        ) as place
    from ended
    inner join {{ ref('int_status_segment') }} as segment
        on segment.la_code = ended.la_code
        and segment.person_id = ended.person_id
        and segment.starts_on >= ended.ends_before
        and segment.status_bucket <> 'NOT_KNOWN'
)

-- By person: the planner expects one row of `following`, and finds the activity by the index on authority and person.
select
    following.la_code,
    following.neet_spell_id,
    following.person_id,
    following.neet_spell_number,
    following.neet_start_on,
    following.ends_before,
    {{ days_between('following.neet_start_on', 'following.ends_before') }} as neet_days,
    following.status_bucket as ended_by,
    following.activity_code as next_activity_code,
    activity.activity_group as next_activity_group,
    activity.participation_route as next_participation_route,
    {{ provider_code('activity') }} as next_provider_code
from following
inner join {{ ref('int_activity_spell') }} as activity
    on activity.la_code = following.la_code
    and activity.person_id = following.person_id
    and activity.activity_spell_id = following.activity_spell_id
where following.place = 1
