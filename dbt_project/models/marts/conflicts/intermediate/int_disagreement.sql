{#  Where the believed statement and Core+ differ, between which deliveries: one row a person, kind, source and unbroken
    stretch of disagreement. Nothing here is remembered from an earlier build: it all follows from the histories. #}
{{ config(meta={'increment': {'by': 'person'}}, indexes=[{'columns': ['la_code', 'person_id']}]) }}
with compared as (
    select
        source.la_code,
        source.person_id,
        source.conflict_kind,
        source.source_feed,
        greatest(core.from_seq, source.from_seq) as from_seq,
        least(core.to_seq, source.to_seq) as to_seq,
        core.says as core_says,
        core.activity_code as core_activity_code,
        core.school_number as core_school_number,
        core.ukprn as core_ukprn,
        core.told_on as core_told_on,
        core.to_seq as core_to_seq,
        source.source_key,
        source.says as source_says,
        source.activity_code as source_activity_code,
        source.school_number as source_school_number,
        source.ukprn as source_ukprn,
        source.said_on as source_said_on,
        source.told_on as source_told_on,
        source.to_seq as source_to_seq
    from {{ ref('int_source_statement') }} as source
    inner join {{ ref('int_core_plus_statement') }} as core
        on core.la_code = source.la_code
        and core.person_id = source.person_id
        and core.conflict_kind = source.conflict_kind
        and core.from_seq < source.to_seq
        and source.from_seq < core.to_seq
),

-- At the same place: the same number of the same register. 1 yes, 0 no, empty when they share no register.
placed as (
    select
        compared.*,
        case
            when source_school_number is not null and core_school_number is not null
                then case when source_school_number = core_school_number then 1 else 0 end
            when source_ukprn is not null and core_ukprn is not null
                then case when source_ukprn = core_ukprn then 1 else 0 end
        end as is_same_place
    from compared
),

differing as (
    select
        placed.*,
        case
            when conflict_kind <> 'ACTIVITY' and core_says <> source_says then conflict_kind
            when conflict_kind <> 'ACTIVITY' then null
            when source_says = 'LEFT' and core_says = 'EET' and coalesce(is_same_place, 1) = 1 then 'ACTIVITY'
            when source_says = 'LEFT' then null
            when core_says <> source_says then 'ACTIVITY'
            when core_says <> 'EET' then null
            when is_same_place = 0 then 'PROVIDER'
            when is_same_place is null and core_activity_code <> source_activity_code
                and source_activity_code is not null then 'PROVIDER'
        end as differs_in
    from placed
),

heard as (
    select
        differing.*,
        rule.owner_service_code,
        rule.grace_days,
        rule.mend_within_days,
        rule.severity,
        rule.is_counted_in_data_quality,
        rule.how_to_mend
    from differing
    inner join {{ ref('conflict_rule') }} as rule
        on rule.conflict_kind = differing.differs_in
        and rule.source_feed = differing.source_feed
        and {{ valid_on('rule', 'differing.source_told_on') }}
    where not rule.is_heard_when_newer_only
        or core_told_on is null
        or source_told_on > core_told_on
),

marked as (
    select
        heard.*,
        case
            when lag(to_seq) over same_conflict = from_seq then 0
            else 1
        end as is_new
    from heard
    window same_conflict as (
        partition by la_code, person_id, differs_in, source_feed order by from_seq
    )
),

numbered as (
    select
        marked.*,
        sum(is_new) over (partition by la_code, person_id, differs_in, source_feed order by from_seq) as stretch_number,
        lead(is_new) over (partition by la_code, person_id, differs_in, source_feed order by from_seq) as is_next_new
    from marked
),

whole as (
    select
        numbered.*,
        min(from_seq) over (partition by la_code, person_id, differs_in, source_feed, stretch_number) as opened_seq,
        first_value(source_said_on) over (
            partition by la_code, person_id, differs_in, source_feed, stretch_number order by from_seq
        ) as since_on
    from numbered
)

-- When it began is when it was said first; what is said is what was said last.
select
    la_code,
    person_id,
    differs_in as conflict_kind,
    source_feed,
    opened_seq,
    case when to_seq < {{ open_seq() }} then to_seq end as closed_seq,
    since_on,
    source_key,
    core_says,
    core_activity_code,
    core_school_number,
    core_ukprn,
    source_says,
    source_activity_code,
    source_school_number,
    source_ukprn,
    source_told_on,
    core_to_seq = to_seq as is_ended_by_core_plus,
    source_to_seq = to_seq as is_ended_by_source,
    owner_service_code,
    grace_days,
    mend_within_days,
    severity,
    is_counted_in_data_quality,
    how_to_mend
from whole
where coalesce(is_next_new, 1) = 1
