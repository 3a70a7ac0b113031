{#  Every joining and leaving that a provider reports, and the first Core+ extract that shows it: an activity in education,
    employment or training that began about the day the learner joined; after a leaving anything that began, or an
    activity that ended, about that day. Joined rather than compared in known time: what counts is the first time. #}
{{ config(meta={'increment': {'by': 'person', 'grows': ['int_known_clock']}}, indexes=[{'columns': ['la_code', 'person_id']}]) }}
with event as (
    select
        la_code,
        person_id,
        coalesce(school_number, ukprn) as provider,
        case says when 'LEFT' then 'LEFT' else 'JOINED' end as event_kind,
        said_on as happened_on,
        min(source_feed) as source_feed
    from {{ ref('int_source_claim') }}
    where conflict_kind = 'ACTIVITY' and says in ('EET', 'LEFT') and coalesce(school_number, ukprn) is not null
    group by 1, 2, 3, 4, 5
),

tolerance as (
    select event.*, {{ policy('event_match_days', 'event.happened_on') }} as match_days
    from event
),

core as (
    select
        la_code,
        person_id,
        says,
        order_on as start_on,
        {{ add_days('ended_before', -1) }} as ended_on,
        min(piece_from_seq) as first_seq
    from {{ ref('int_core_plus_claim') }}
    where conflict_kind = 'ACTIVITY' and is_base = 0
    group by la_code, person_id, says, order_on, ended_before
),

shown as (
    select
        tolerance.la_code,
        tolerance.person_id,
        tolerance.provider,
        tolerance.event_kind,
        tolerance.happened_on,
        min(core.first_seq) as recorded_seq
    from tolerance
    inner join core
        on core.la_code = tolerance.la_code and core.person_id = tolerance.person_id
    where (
            tolerance.event_kind = 'JOINED'
            and core.says = 'EET'
            and abs({{ days_between('tolerance.happened_on', 'core.start_on') }}) <= tolerance.match_days
        )
        or (
            tolerance.event_kind = 'LEFT'
            and (
                abs({{ days_between('tolerance.happened_on', 'core.ended_on') }}) <= tolerance.match_days
                or {{ days_between('tolerance.happened_on', 'core.start_on') }} between 0 and tolerance.match_days
            )
        )
    group by 1, 2, 3, 4, 5
)

select
    event.la_code,
    event.person_id,
    event.provider,
    event.event_kind,
    event.happened_on,
    event.source_feed,
    clock.day as recorded_on,
    -- Typed in before it happened is no delay; of what the first extract shows nobody knows how long it stood there.
    case when shown.recorded_seq > first_extract.seq then greatest({{ days_between('event.happened_on', 'clock.day') }}, 0) end as lag_days
from event
left join shown
    on shown.la_code = event.la_code
    and shown.person_id = event.person_id
    and shown.provider = event.provider
    and shown.event_kind = event.event_kind
    and shown.happened_on = event.happened_on
left join {{ ref('int_known_clock') }} as clock
    on clock.la_code = shown.la_code and clock.seq = shown.recorded_seq
left join (
    select la_code, min(seq) as seq
    from {{ ref('int_known_clock') }}
    where feed = 'core_plus_activities'
    group by la_code
) as first_extract
    on first_extract.la_code = event.la_code
