with attempt as (
    select
        known.la_code,
        known.attempt_id,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        {{ to_date('known.attempted_on') }} as attempted_on,
        {{ code_form('known.channel') }} as channel,
        {{ code_form('known.purpose') }} as purpose,
        {{ code_form('known.outcome') }} as outcome,
        {{ to_text('known.new_activity_code') }} as new_activity_code,
        {{ to_date('known.activity_started_on') }} as activity_started_on,
        {{ to_text('known.service_code') }} as service_code
    from {{ as_known(ref('hist_contact_attempts')) }} as known
),

-- Core+ holds what was learnt when it has that activity from the day it was said to begin, or from the attempt.
entered as (
    select
        attempt.la_code,
        attempt.attempt_id,
        min(activity.ascertained_on) as entered_on
    from attempt
    inner join {{ ref('int_young_person') }} as person
        on person.la_code = attempt.la_code and person.young_persons_id = attempt.young_persons_id
    inner join {{ ref('int_activity_spell') }} as activity
        on activity.la_code = person.la_code
        and activity.person_id = person.person_id
        and activity.activity_code = attempt.new_activity_code
        and (activity.ends_before is null
            or activity.ends_before > coalesce(attempt.activity_started_on, attempt.attempted_on))
    group by attempt.la_code, attempt.attempt_id
)

select
    attempt.la_code,
    {{ key_of(['attempt.la_code', "'attempt'", 'attempt.attempt_id']) }} as contact_key,
    attempt.attempt_id,
    coalesce(person.person_id, {{ person_key('attempt.la_code', "coalesce(attempt.young_persons_id, '')") }}) as person_id,
    attempt.young_persons_id,
    person.person_id is not null as is_on_core_plus,
    person.district_code,
    attempt.attempted_on,
    {{ month_end('attempt.attempted_on') }} as attempted_month_end,
    attempt.channel,
    attempt.purpose,
    attempt.outcome,
    outcome.counts_as as outcome_group,
    coalesce(outcome.counts_as = 'REACHED', false) as is_reached,
    cast(row_number() over (
        partition by attempt.la_code, attempt.young_persons_id, attempt.purpose
        order by attempt.attempted_on, {{ bytewise('attempt.attempt_id') }}
    ) as integer) as attempt_number,
    attempt.new_activity_code,
    activity_code.status_bucket as new_status_bucket,
    attempt.activity_started_on,
    case when attempt.new_activity_code is not null then entered.attempt_id is not null end as is_entered_in_core_plus,
    attempt.service_code
from attempt
{{ join_core_plus('attempt') }}
left join entered
    on entered.la_code = attempt.la_code and entered.attempt_id = attempt.attempt_id
left join {{ ref('activity_codes') }} as activity_code
    on activity_code.activity_code = attempt.new_activity_code
    and {{ valid_on('activity_code', 'attempt.attempted_on') }}
{{ join_code('contact_outcome', 'attempt', 'outcome', 'outcome', 'attempt.attempted_on') }}
