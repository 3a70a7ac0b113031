{#  The day that the live lineage speaks of: the newest Core+ extract. Whether a case is open, an account in use or a
    leaver still without a place is asked for that day, never for today. #}
select
    la_code,
    max(as_at) as as_at
from {{ as_known(source('control', 'delivery'), from_column='delivery_seq', to_column=none) }} as delivery
where feed = 'core_plus_people' and as_at is not null
group by la_code
