select
    change.la_code,
    change.decision_id,
    change.run_id,
    change.census_point,
    change.young_persons_id,
    change.change,
    change.before_code,
    change.after_code,
    change.detail
from {{ source('assurance', 'submission_change') }} as change
inner join {{ as_known(source('control', 'decision'), from_column='delivery_seq', to_column=none) }} as decision
    on decision.decision_id = change.decision_id
