select
    la_code,
    source_feed,
    status,
    method,
    count(*) as record_count,
    count(distinct person_id) as person_count
from {{ ref('int_person_link') }}
group by la_code, source_feed, status, method
