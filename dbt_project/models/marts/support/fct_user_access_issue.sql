{#  Accounts that should not be open as they are (action plan appendix 2: only trained, current users). #}
with issue as (
    select la_code, user_key, 'NOT_TRAINED' as issue, account_opened_on as since
    from {{ ref('dim_core_plus_user') }}
    where is_account_open and not is_trained
    union all
    select la_code, user_key, 'TRAINING_EXPIRED', {{ add_days('training_expires_on', 1) }}
    from {{ ref('dim_core_plus_user') }}
    where is_account_open and is_trained and is_training_expired
    union all
    select la_code, user_key, 'LEFT_ACCOUNT_OPEN', {{ add_days('left_on', 1) }}
    from {{ ref('dim_core_plus_user') }}
    where is_account_open and has_left
    union all
    select la_code, user_key, 'USED_AFTER_LEAVING', last_used_on
    from {{ ref('dim_core_plus_user') }}
    where last_used_on > left_on
)

select
    issue.la_code,
    issue.user_key,
    issue.issue,
    account.user_id,
    account.service_code,
    issue.since,
    {{ days_between('issue.since', 'account.as_at') }} as days_open
from issue
inner join {{ ref('dim_core_plus_user') }} as account
    on account.la_code = issue.la_code and account.user_key = issue.user_key
