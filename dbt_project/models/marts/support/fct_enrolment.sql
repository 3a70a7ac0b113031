{#  Spells at a provider. A learner's events at one provider form one line; everything up to and including an end is one
    spell, whichever list said so, and what starts after it is the next. Who has gone from the provider's list without an end
    was there, and is not any more: the stay is neither open nor dated. #}
with in_order as (
    select
        event.*,
        coalesce(sum(case when movement = 'E' then 1 else 0 end) over (
            partition by la_code, provider_kind, source_key
            order by happened_on, movement desc
            rows between unbounded preceding and 1 preceding
        ), 0) as ends_before_it
    from {{ ref('int_enrolment_event') }} as event
    where happened_on is not null
),

spell as (
    select
        la_code,
        provider_kind,
        source_key,
        ends_before_it,
        coalesce(min(case when young_persons_id is not null then person_id end), min(person_id)) as person_id,
        min(young_persons_id) as young_persons_id,
        min(provider_code) as provider_code,
        {{ comma_list('source_feed') }} as source_feeds,
        min(case when movement = 'S' then happened_on end) as started_on,
        max(planned_end_on) as planned_end_on,
        max(case when movement = 'E' then happened_on end) as ended_on,
        min(study_mode) as study_mode,
        max(qualification_level) as qualification_level,
        max(leaving_reason) as leaving_reason,
        max(case when is_destination_known then 1 else 0 end) = 1 as is_destination_known,
        max(case when movement = 'S' and is_listed then 1 else 0 end) = 1 as is_listed
    from in_order
    group by la_code, provider_kind, source_key, ends_before_it
),

-- Words that hardly anybody else has may be somebody's own story: they stay in raw.
counted as (
    select
        spell.*,
        count(*) over (partition by la_code, leaving_reason) as said_so_often
    from spell
)

select
    spell.la_code,
    {{ key_of(['spell.la_code', 'spell.provider_kind', 'spell.source_key', "cast(spell.ends_before_it as text)"]) }} as enrolment_key,
    spell.provider_kind,
    spell.provider_code,
    spell.source_feeds,
    spell.person_id,
    spell.young_persons_id,
    spell.young_persons_id is not null as is_linked,
    spell.started_on,
    spell.planned_end_on,
    spell.ended_on,
    (spell.ended_on is null or spell.ended_on >= as_at.as_at)
        and (spell.started_on is null or spell.started_on <= as_at.as_at)
        and spell.is_listed as is_open,
    spell.is_listed,
    spell.study_mode,
    spell.qualification_level,
    case when spell.said_so_often >= {{ support_policy('shared_words_least_rows', 'as_at.as_at') }}
        then spell.leaving_reason end as leaving_reason,
    spell.leaving_reason is not null as has_leaving_reason,
    case when spell.ended_on is not null then spell.is_destination_known end as is_destination_known
from counted as spell
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = spell.la_code
