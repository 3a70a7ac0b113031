{#  Who is not where they were a month before: counted in one of two months only, or in another bucket, district or group.
    Most people are where they were, and need not be looked at again. #}
{{ config(meta={'increment': {'by': 'person'}}, indexes=[{'columns': ['la_code', 'person_id']}]) }}
with person as (
    select
        basis, la_code, month_end, person_id,
        coalesce(district_code, 'NOT_RECORDED') as district_code,
        coalesce(sen_group, '') as sen_group,
        coalesce(is_vulnerable, false) as is_vulnerable,
        coalesce(status_bucket, 'OTHER') as status_bucket
    from {{ ref('int_measured_month') }}
),

-- A month has a flow when the month before it is shown too; in the first everybody would come, after the last all go.
with_flow as (
    select after.la_code, after.month_end
    from {{ ref('int_month_end') }} as after
    inner join {{ ref('int_month_end') }} as before
        on before.la_code = after.la_code and before.month_end = after.previous_month_end
)

select
    coalesce(after.basis, before.basis) as basis,
    coalesce(after.la_code, before.la_code) as la_code,
    coalesce(after.month_end, before.closes_on) as month_end,
    coalesce(after.person_id, before.person_id) as person_id,
    before.district_code as district_before,
    before.sen_group as sen_group_before,
    before.is_vulnerable as vulnerable_before,
    before.status_bucket as bucket_before,
    after.district_code as district_after,
    after.sen_group as sen_group_after,
    after.is_vulnerable as vulnerable_after,
    after.status_bucket as bucket_after
from person as after
full outer join (select person.*, {{ next_month_end('month_end') }} as closes_on from person) as before
    on before.basis = after.basis
    and before.la_code = after.la_code
    and before.person_id = after.person_id
    and before.closes_on = after.month_end
left join with_flow
    on with_flow.la_code = coalesce(after.la_code, before.la_code)
    and with_flow.month_end = coalesce(after.month_end, before.closes_on)
where (with_flow.month_end is not null or coalesce(after.basis, before.basis) = 'as_submitted')
    and (
        before.person_id is null
        or after.person_id is null
        or before.status_bucket <> after.status_bucket
        or before.district_code <> after.district_code
        or before.sen_group <> after.sen_group
        or before.is_vulnerable <> after.is_vulnerable
    )
