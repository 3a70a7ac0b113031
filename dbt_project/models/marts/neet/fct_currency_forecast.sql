{#  What lapses do to the not known rate if nothing is confirmed: today's cohort, by the state it will then be in. The
    cohort is held as it is, joiners, leavers and the move up of 1 September apart, so that what changes is currency and
    nothing else. #}
select
    la_code,
    month_end,
    forecast_month_end,
    split_by,
    split_code,
    cohort,
    not_known_now,
    lapsing,
    lapsing_in_month,
    cast(cast(not_known_now as numeric) / cohort as numeric(20, 10)) as not_known_rate_now,
    cast(cast(not_known_now + lapsing as numeric) / cohort as numeric(20, 10)) as not_known_rate_if_unconfirmed
from {{ ref('int_forecast_count') }}
