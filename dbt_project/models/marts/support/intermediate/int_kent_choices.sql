{#  What a person did in Kent Choices in an academic year. Accounts are found by linkage; somebody with two accounts is
    counted once. A row that has gone from the export counts for the years before the one that goes on. #}
with account as (
    select
        known.la_code,
        known.account_id,
        {{ linked_person_id('kent_choices_accounts', 'known', 'known.account_id') }} as person_id,
        {{ to_date('known.code_issued_on') }} as code_issued_on,
        {{ to_date('known.activated_on') }} as activated_on,
        {{ to_date('known.event_attended_on') }} as event_attended_on,
        {{ to_date('known.plan_agreed_on') }} as plan_agreed_on,
        known.is_listed
    from {{ ever_listed('kent_choices_accounts') }} as known
    {{ join_link('kent_choices_accounts', 'known', 'known.account_id') }}
),

application as (
    select
        known.la_code,
        {{ to_text('known.account_id') }} as account_id,
        {{ to_date('known.applied_on') }} as applied_on,
        {{ code_form('known.application_status') }} as application_status,
        {{ to_date('known.offered_on') }} as offered_on,
        {{ to_integer('known.offer_rank') }} as offer_rank,
        known.is_listed
    from {{ ever_listed('kent_choices_applications') }} as known
),

happening as (
    select
        la_code, person_id, account_id, is_listed,
        coalesce(code_issued_on, activated_on, plan_agreed_on, event_attended_on) as happened_on,
        code_issued_on, activated_on, event_attended_on, plan_agreed_on,
        cast(null as date) as offered_on, 0 as is_application, 0 as is_offer, 0 as is_ranked
    from account
    union all
    select
        application.la_code,
        coalesce(account.person_id, {{ key_of(['application.la_code', "'kent_choices_accounts'", 'application.account_id']) }}),
        application.account_id,
        application.is_listed,
        coalesce(application.applied_on, application.offered_on),
        null, null, null, null,
        application.offered_on,
        case when application.application_status <> 'DRAFT' then 1 else 0 end,
        case when application.application_status = 'OFFER' or application.offered_on is not null then 1 else 0 end,
        case when application.offer_rank is not null then 1 else 0 end
    from application
    left join account
        on account.la_code = application.la_code and account.account_id = application.account_id
)

select
    happening.la_code,
    happening.person_id,
    {{ academic_year_code('happened_on') }} as academic_year,
    cast(count(distinct account_id) as integer) as account_count,
    min(code_issued_on) as code_issued_on,
    min(activated_on) as activated_on,
    max(event_attended_on) as event_attended_on,
    max(plan_agreed_on) as plan_agreed_on,
    cast(sum(is_application) as integer) as application_count,
    cast(sum(is_offer) as integer) as offer_count,
    cast(sum(is_ranked) as integer) as ranked_offer_count,
    min(offered_on) as first_offered_on
from happening
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = happening.la_code
where happened_on is not null
    and (is_listed or {{ academic_year_code('happened_on') }} < {{ academic_year_code('as_at.as_at') }})
group by happening.la_code, happening.person_id, {{ academic_year_code('happened_on') }}
