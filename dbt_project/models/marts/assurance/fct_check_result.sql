select
    result.la_code,
    result.decision_id,
    result.run_id,
    result.census_point,
    result.known_seq,
    decision.delivery_seq,
    decision.decided_at as checked_at,
    result.suite,
    result.check_id,
    result.priority,
    result.blocks as is_blocking,
    result.status,
    result.failed_count,
    result.checked_count,
    result.observed,
    result.threshold,
    result.protects,
    result.owner_service,
    result.reason,
    result.how_to_mend,
    result.error
from {{ source('assurance', 'check_result') }} as result
inner join {{ as_known(source('control', 'decision'), from_column='delivery_seq', to_column=none) }} as decision
    on decision.decision_id = result.decision_id
