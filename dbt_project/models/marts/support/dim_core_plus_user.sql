{#  Accounts of Core+ and whether each may be used on the as-at day: open, trained, training in force, still in service. #}
with account as (
    select
        known.la_code,
        known.user_id,
        {{ to_text('known.service_code') }} as service_code,
        {{ code_form('known.access_role') }} as access_role,
        {{ to_date('known.account_opened_on') }} as account_opened_on,
        {{ to_date('known.trained_on') }} as trained_on,
        {{ to_date('known.training_expires_on') }} as training_expires_on,
        {{ to_date('known.left_on') }} as left_on,
        {{ to_date('known.account_closed_on') }} as account_closed_on,
        {{ to_date('known.last_used_on') }} as last_used_on
    from {{ as_known(ref('hist_core_plus_users')) }} as known
),

judged as (
    select
        account.*,
        as_at.as_at,
        coalesce(account.account_closed_on > as_at.as_at, true) as is_account_open,
        coalesce(account.trained_on <= as_at.as_at, false) as is_trained,
        coalesce(account.training_expires_on < as_at.as_at, false) as is_training_expired,
        coalesce(account.left_on < as_at.as_at, false) as has_left
    from account
    inner join {{ ref('int_as_at') }} as as_at
        on as_at.la_code = account.la_code
)

select
    la_code,
    {{ key_of(['la_code', "'core_plus user'", 'user_id']) }} as user_key,
    user_id,
    service_code,
    access_role,
    as_at,
    account_opened_on,
    trained_on,
    training_expires_on,
    left_on,
    account_closed_on,
    last_used_on,
    is_account_open,
    is_trained,
    is_training_expired,
    has_left,
    is_account_open and is_trained and not is_training_expired and not has_left as may_use
from judged
