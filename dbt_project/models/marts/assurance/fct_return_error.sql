{#  The worklist: one row a record and rule that failed, with who has to mend it. The person's own service mends it;
    without one, the service that owns the rule. #}
select
    failure.la_code,
    failure.decision_id,
    failure.run_id,
    failure.census_point,
    failure.suite,
    failure.check_id,
    failure.failure_number,
    result.priority,
    result.blocks as is_blocking,
    result.status,
    failure.young_persons_id,
    failure.record_number,
    failure.field,
    failure.value,
    failure.detail,
    coalesce(person.owner_service_code, result.owner_service) as owner_service_code,
    result.how_to_mend
from {{ source('assurance', 'check_failure') }} as failure
inner join {{ source('assurance', 'check_result') }} as result
    on result.decision_id = failure.decision_id
    and result.suite = failure.suite
    and result.check_id = failure.check_id
inner join {{ as_known(source('control', 'decision'), from_column='delivery_seq', to_column=none) }} as decision
    on decision.decision_id = failure.decision_id
left join {{ ref('int_young_person') }} as person
    on person.la_code = failure.la_code and person.young_persons_id = failure.young_persons_id
