select
    la_code,
    submission_id,
    census_point,
    outcome,
    chain_number,
    previous_submission_id,
    package_path,
    payload_sha256,
    manifest_sha256,
    known_seq,
    signed_by,
    sealed_at,
    delivery_seq,
    decision_id
from {{ as_known(source('ledger', 'submission'), from_column='delivery_seq', to_column=none) }} as submission
