select
    la_code,
    source_feed,
    source_key,
    candidate_rank,
    candidate_feed,
    candidate_key,
    'MI' as owner_service,
    method,
    score,
    reason,
    evidence,
    model_version
from {{ source('identity', 'candidate') }}
