{#  Mailbox and direct referrals in one list. A case that names its referral is the mailbox's; one that names none, or
    one that never came by the mailbox, is a referral of its own. #}
with mail as (
    select * from {{ as_known(ref('hist_referral_mailbox')) }} as known
),

case_of_referral as (
    select
        la_code,
        referral_id,
        min(case_key) as case_key,
        count(*) as case_count,
        min(accepted_on) as accepted_on
    from {{ ref('int_case') }}
    where referral_id is not null
    group by la_code, referral_id
)

select
    mail.la_code,
    {{ key_of(['mail.la_code', "'referral'", 'mail.referral_id']) }} as referral_key,
    'MAILBOX' as channel,
    mail.referral_id,
    {{ linked_person_id('referral_mailbox', 'mail', 'mail.referral_id') }} as person_id,
    link.young_persons_id,
    {{ code_form('mail.referral_source') }} as referral_source,
    {{ code_form('mail.referral_reason') }} as referral_reason,
    {{ to_date('mail.received_on') }} as received_on,
    coalesce({{ to_date('mail.referred_on') }}, {{ to_date('mail.received_on') }}) as referred_on,
    found.case_key,
    coalesce(found.case_count, 0) as case_count,
    found.accepted_on
from mail
{{ join_link('referral_mailbox', 'mail', 'mail.referral_id') }}
left join case_of_referral as found
    on found.la_code = mail.la_code and found.referral_id = mail.referral_id

union all

select
    direct.la_code,
    {{ key_of(['direct.la_code', "'case referral'", 'direct.case_id']) }} as referral_key,
    'DIRECT' as channel,
    cast(null as text) as referral_id,
    direct.person_id,
    case when direct.is_on_core_plus then direct.young_persons_id end as young_persons_id,
    direct.referral_source,
    cast(null as text) as referral_reason,
    cast(null as date) as received_on,
    direct.referred_on,
    direct.case_key,
    1 as case_count,
    direct.accepted_on
from {{ ref('int_case') }} as direct
left join mail
    on mail.la_code = direct.la_code and mail.referral_id = direct.referral_id
where mail.referral_id is null
