{#  The seeds decide, because a date or target must be reviewed before it moves anything; the feeds say what their owners
    publish. Where the two differ, somebody changes a seed row or tells the owner. #}
select
    la_code,
    kind,
    subject,
    field,
    feed_value,
    seed_value,
    case
        when feed_value is null then 'ONLY_SEED'
        when seed_value is null then 'ONLY_FEED'
        when feed_value = seed_value then 'SAME'
        else 'DIFFERENT'
    end as comparison
from {{ ref('int_reference_statement') }}
