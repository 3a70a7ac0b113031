{#  What is to be put right, without names: disagreements that their rule no longer excuses, and what else stops a young
    person's record from being right. A row opens and closes by the deliveries alone. #}
with statement_pair as (
    -- A provider says that somebody left, and Core+ knows of nothing since.
    select
        source.la_code, source.person_id, 'LEAVER_NO_DESTINATION' as reason_code, source.source_feed,
        greatest(core.from_seq, source.from_seq) as from_seq, least(core.to_seq, source.to_seq) as to_seq,
        core.says as core_says, source.says as source_says, source.said_on as since_on
    from {{ ref('int_source_statement') }} as source
    inner join {{ ref('int_core_plus_statement') }} as core
        on core.la_code = source.la_code
        and core.person_id = source.person_id
        and core.conflict_kind = source.conflict_kind
        and core.from_seq < source.to_seq
        and source.from_seq < core.to_seq
    where source.conflict_kind = 'ACTIVITY' and source.says = 'LEFT' and core.says = 'NOT_KNOWN'

    union all

    select
        risk.la_code, risk.person_id,
        case contact.says when 'MISSING' then 'AT_RISK_CONTACT_MISSING' else 'AT_RISK_CONTACT_INVALID' end,
        'core_plus_contact_details',
        greatest(risk.from_seq, contact.from_seq), least(risk.to_seq, contact.to_seq),
        contact.says, null, greatest(risk.told_on, contact.told_on)
    from {{ ref('int_core_plus_statement') }} as risk
    inner join {{ ref('int_core_plus_statement') }} as contact
        on contact.la_code = risk.la_code
        and contact.person_id = risk.person_id
        and contact.conflict_kind = 'CONTACT'
        and risk.from_seq < contact.to_seq
        and contact.from_seq < risk.to_seq
    where risk.conflict_kind = 'AT_RISK' and risk.says = 'AT_RISK' and contact.says <> 'VALID'

    union all

    select
        source.la_code, source.person_id, 'KENT_CHOICES_NOT_ACTIVATED', source.source_feed,
        greatest(present.from_seq, source.from_seq), least(present.to_seq, source.to_seq),
        null, source.says, source.said_on
    from {{ ref('int_source_statement') }} as source
    inner join {{ ref('int_core_plus_statement') }} as present
        on present.la_code = source.la_code
        and present.person_id = source.person_id
        and present.conflict_kind = 'SEN'
        and source.from_seq < present.to_seq
        and present.from_seq < source.to_seq
    where source.conflict_kind = 'KENT_CHOICES' and source.says = 'NOT_ACTIVATED'
),

marked as (
    select
        statement_pair.*,
        case
            when lag(to_seq) over (partition by la_code, person_id, reason_code, source_feed order by from_seq) = from_seq
                then 0
            else 1
        end as is_new
    from statement_pair
),

reason_row as (
    select
        la_code,
        person_id,
        reason_code,
        source_feed,
        min(from_seq) as opened_seq,
        case when max(to_seq) < {{ open_seq() }} then max(to_seq) end as closed_seq,
        max(core_says) as core_plus_says,
        max(source_says) as source_says,
        min(since_on) as since_on
    from (
        select
            marked.*,
            sum(is_new) over (partition by la_code, person_id, reason_code, source_feed order by from_seq) as stretch_number
        from marked
    ) as numbered
    group by la_code, person_id, reason_code, source_feed, stretch_number
)

select
    reason_row.la_code,
    reason_row.person_id,
    reason_row.reason_code,
    reason.label as what,
    reason_row.source_feed,
    reason_row.opened_seq,
    reason_row.since_on,
    opening.day as opened_on,
    {{ add_days('opening.day', 'reason.mend_within_days') }} as due_on,
    reason.owner_service_code,
    reason.severity,
    reason.how_to_mend,
    reason_row.core_plus_says,
    reason_row.source_says,
    closing.day as closed_on,
    reason_row.closed_seq,
    cast(null as text) as closed_how
from reason_row
inner join {{ ref('int_known_clock') }} as opening
    on opening.la_code = reason_row.la_code and opening.seq = reason_row.opened_seq
left join {{ ref('int_known_clock') }} as closing
    on closing.la_code = reason_row.la_code and closing.seq = reason_row.closed_seq
inner join {{ ref('worklist_reason') }} as reason
    on reason.reason_code = reason_row.reason_code and {{ valid_on('reason', 'opening.day') }}
where reason_row.closed_seq is null or closing.day > opening.day

union all

-- A disagreement becomes work once its days of grace are over.
select
    conflict.la_code,
    conflict.person_id,
    'CONFLICT_' || conflict.conflict_kind,
    reason.label,
    conflict.source_feed,
    conflict.opened_seq,
    conflict.since_on,
    conflict.opened_on,
    conflict.due_on,
    conflict.owner_service_code,
    conflict.severity,
    conflict.how_to_mend,
    conflict.core_plus_says
        || coalesce(' ' || conflict.core_plus_activity_code, '') || coalesce(' at ' || conflict.core_plus_provider, ''),
    conflict.source_says
        || coalesce(' ' || conflict.source_activity_code, '') || coalesce(' at ' || conflict.source_provider, ''),
    conflict.closed_on,
    conflict.closed_seq,
    conflict.closed_how
from {{ ref('fct_source_conflict') }} as conflict
inner join {{ ref('worklist_reason') }} as reason
    on reason.reason_code = 'CONFLICT_' || conflict.conflict_kind and {{ valid_on('reason', 'conflict.opened_on') }}
where not conflict.is_excused
