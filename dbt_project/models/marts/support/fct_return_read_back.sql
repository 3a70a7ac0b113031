{#  A return read back from its XML, beside what the ledger says was submitted for that month: one row a person, so that a
    return made elsewhere can be held against ours. A person returned twice is told by the counts. #}
with read_back as (
    select
        known.la_code,
        {{ to_date('known.header_period_end') }} as period_end,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        cast(count(*) as integer) as times_read,
        max({{ to_text('known.cohort_status') }}) as cohort_status,
        max({{ to_text('known.activity_code') }}) as activity_code,
        max({{ to_text('known.currency_lapsed') }}) as currency_lapsed
    from {{ as_known(ref('hist_nccis_return')) }} as known
    where {{ to_date('known.header_period_end') }} is not null and {{ to_text('known.young_persons_id') }} is not null
    group by 1, 2, 3
),

sent as (
    select
        record.la_code,
        record.census_point,
        record.young_persons_id,
        cast(count(*) as integer) as times_sent,
        max(record.cohort_status) as cohort_status,
        max(record.activity_code) as activity_code,
        max(record.currency_lapsed) as currency_lapsed
    from {{ source('submitted', 'return_record') }} as record
    inner join {{ ref('int_submission') }} as submission
        on submission.la_code = record.la_code and submission.submission_id = record.submission_id
    group by 1, 2, 3
)

select
    read_back.la_code,
    read_back.period_end,
    read_back.young_persons_id,
    {{ month_code('read_back.period_end') }} as census_point,
    person.person_id,
    read_back.times_read,
    sent.times_sent,
    read_back.cohort_status as read_cohort_status,
    sent.cohort_status as sent_cohort_status,
    read_back.activity_code as read_activity_code,
    sent.activity_code as sent_activity_code,
    read_back.currency_lapsed as read_currency_lapsed,
    sent.currency_lapsed as sent_currency_lapsed,
    case
        when sent.young_persons_id is null then 'NOT_SENT'
        when coalesce(read_back.cohort_status, '') <> coalesce(sent.cohort_status, '')
            or coalesce(read_back.activity_code, '') <> coalesce(sent.activity_code, '')
            or coalesce(read_back.currency_lapsed, '') <> coalesce(sent.currency_lapsed, '') then 'DIFFERENT'
        else 'SAME'
    end as comparison
from read_back
{{ join_core_plus('read_back') }}
left join sent
    on sent.la_code = read_back.la_code
    and sent.census_point = {{ month_code('read_back.period_end') }}
    and sent.young_persons_id = read_back.young_persons_id
