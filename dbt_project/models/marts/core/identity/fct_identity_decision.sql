select
    decision.la_code,
    decision.decision_id,
    decision.delivery_seq,
    decision.kind,
    decision.subject,
    decision.decided_by,
    decision.decided_at,
    decision.reason,
    ruling.state,
    ruling.reason as state_reason
from {{ as_known(source('control', 'decision'), from_column='delivery_seq', to_column=none) }} as decision
inner join {{ source('identity', 'ruling') }} as ruling
    on ruling.la_code = decision.la_code
    and ruling.decision_id = decision.decision_id
