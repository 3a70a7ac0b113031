with today as (
    select la_code, max(day) as day
    from {{ ref('int_known_clock') }}
    group by la_code
),

-- What stood when it ended tells how it ended.
ended as (
    select
        conflict.*,
        core.says as core_says_next,
        present.person_id is not null as is_person_still_there,
        source.source_feed as next_source_feed
    from {{ ref('int_disagreement') }} as conflict
    left join {{ ref('int_core_plus_statement') }} as core
        on core.la_code = conflict.la_code
        and core.person_id = conflict.person_id
        and core.conflict_kind = case conflict.conflict_kind when 'PROVIDER' then 'ACTIVITY' else conflict.conflict_kind end
        and core.from_seq = conflict.closed_seq
    left join {{ ref('int_core_plus_statement') }} as present
        on present.la_code = conflict.la_code
        and present.person_id = conflict.person_id
        and present.conflict_kind = 'SEN'
        and present.from_seq <= conflict.closed_seq
        and present.to_seq > conflict.closed_seq
    left join {{ ref('int_source_statement') }} as source
        on source.la_code = conflict.la_code
        and source.person_id = conflict.person_id
        and source.conflict_kind = case conflict.conflict_kind when 'PROVIDER' then 'ACTIVITY' else conflict.conflict_kind end
        and source.from_seq = conflict.closed_seq
),

aged as (
    select
        ended.*,
        opening.day as opened_on,
        opening.accepted_at as opened_at,
        opening.feed as opened_by_feed,
        closing.day as closed_on,
        closing.accepted_at as closed_at,
        closing.feed as closed_by_feed,
        today.day as as_at,
        {{ days_between('opening.day', 'coalesce(closing.day, today.day)') }} as days_open
    from ended
    inner join today
        on today.la_code = ended.la_code
    inner join {{ ref('int_known_clock') }} as opening
        on opening.la_code = ended.la_code and opening.seq = ended.opened_seq
    left join {{ ref('int_known_clock') }} as closing
        on closing.la_code = ended.la_code and closing.seq = ended.closed_seq
)

select
    aged.la_code,
    aged.person_id,
    aged.conflict_kind,
    aged.source_feed,
    aged.opened_seq,
    {{ key_of(['aged.la_code', 'aged.person_id', 'aged.conflict_kind', 'aged.source_feed',
               'cast(aged.opened_seq as text)']) }} as conflict_id,
    person.young_persons_id,
    person.district_code,
    aged.source_key,
    aged.core_says as core_plus_says,
    aged.core_activity_code as core_plus_activity_code,
    coalesce(aged.core_school_number, aged.core_ukprn) as core_plus_provider,
    aged.source_says,
    aged.source_activity_code,
    coalesce(aged.source_school_number, aged.source_ukprn) as source_provider,
    aged.owner_service_code,
    aged.severity,
    aged.is_counted_in_data_quality,
    aged.since_on,
    aged.opened_on,
    aged.opened_at,
    aged.opened_by_feed,
    case when aged.closed_seq is null then 'open' else 'closed' end as state,
    aged.closed_on,
    aged.closed_at,
    aged.closed_seq,
    aged.closed_by_feed,
    case
        when aged.closed_seq is null then null
        when aged.conflict_kind <> 'RESIDENCE' and not aged.is_person_still_there then 'PERSON_LEFT'
        when aged.is_ended_by_core_plus and aged.core_says_next = aged.source_says then 'CORE_PLUS_CORRECTED'
        when aged.is_ended_by_core_plus and aged.conflict_kind = 'PROVIDER' then 'CORE_PLUS_CORRECTED'
        when aged.is_ended_by_core_plus then 'CORE_PLUS_CHANGED'
        when aged.next_source_feed <> aged.source_feed then 'OTHER_SOURCE_BELIEVED'
        else 'SOURCE_CHANGED'
    end as closed_how,
    aged.days_open as age_days,
    case when aged.closed_seq is not null then aged.days_open end as days_taken,
    {{ add_days('aged.opened_on', 'aged.mend_within_days') }} as due_on,
    aged.days_open <= aged.grace_days as is_excused,
    aged.closed_seq is null and aged.days_open > aged.mend_within_days as is_overdue,
    aged.how_to_mend,
    aged.as_at
from aged
left join {{ ref('int_young_person') }} as person
    on person.la_code = aged.la_code and person.person_id = aged.person_id
-- The files of one day come one after the other: what lasts from one to the next is no conflict.
where aged.closed_seq is null or aged.closed_on > aged.opened_on
