{#  Every position there is, and its place in the order of those that count: months as known now, and the newest sealed
    return of each point. #}
with restated as (
    select la_code, census_point, month_end from {{ ref('int_month_end') }}
),

submission as (
    select
        sealed.la_code,
        sealed.submission_id,
        sealed.census_point,
        {{ month_end(to_date("(sealed.census_point || '-01')")) }} as month_end,
        sealed.known_seq,
        sealed.chain_number,
        counted.submission_id is not null as is_counted
    from {{ as_known(source('ledger', 'submission'), from_column='delivery_seq', to_column=none) }} as sealed
    left join {{ ref('int_submission') }} as counted
        on counted.la_code = sealed.la_code and counted.submission_id = sealed.submission_id
    where sealed.outcome = 'sealed'
)

select
    la_code,
    census_point as position_id,
    'restated' as basis,
    census_point,
    month_end,
    cast(null as bigint) as known_seq,
    0 as chain_number,
    census_point as restated_id,
    row_number() over (partition by la_code order by month_end) as place_in_order
from restated

union all

select
    submission.la_code,
    submission.submission_id,
    'as_submitted' as basis,
    submission.census_point,
    submission.month_end,
    submission.known_seq,
    submission.chain_number,
    restated.census_point as restated_id,
    case when submission.is_counted then row_number() over (
        partition by submission.la_code, submission.is_counted order by submission.month_end
    ) end as place_in_order
from submission
left join restated
    on restated.la_code = submission.la_code and restated.census_point = submission.census_point
