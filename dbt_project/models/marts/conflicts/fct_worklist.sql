with item as (
    select * from {{ ref('int_worklist_item') }}
),

today as (
    select la_code, max(day) as day
    from {{ ref('int_known_clock') }}
    group by la_code
),

named as (
    select
        person.*,
        row_number() over (partition by la_code, person_id order by known_from_seq desc) as newest_first
    from {{ ref('dim_young_person') }} as person
    where exists (
        select 1 from item where item.la_code = person.la_code and item.person_id = person.person_id
    )
)

select
    item.la_code,
    item.person_id,
    item.reason_code,
    item.source_feed,
    item.opened_seq,
    {{ key_of(['item.la_code', 'item.person_id', 'item.reason_code', 'item.source_feed',
               'cast(item.opened_seq as text)']) }} as worklist_id,
    named.young_persons_id,
    named.given_name,
    named.family_name,
    named.dob,
    named.district_code,
    named.school_of_origin,
    item.what,
    item.core_plus_says,
    item.source_says,
    item.since_on,
    item.opened_on,
    item.due_on,
    item.owner_service_code,
    item.severity,
    item.how_to_mend,
    case when item.closed_seq is null then 'open' else 'closed' end as state,
    item.closed_on,
    item.closed_seq,
    item.closed_how,
    {{ days_between('item.opened_on', 'coalesce(item.closed_on, today.day)') }} as age_days,
    case when item.closed_seq is not null then {{ days_between('item.opened_on', 'item.closed_on') }} end as days_taken,
    item.closed_seq is null and today.day > item.due_on as is_overdue,
    today.day as as_at
from item
inner join today
    on today.la_code = item.la_code
left join named
    on named.la_code = item.la_code and named.person_id = item.person_id and named.newest_first = 1
