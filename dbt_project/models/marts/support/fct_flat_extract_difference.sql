{#  The flat CCIS extract against the Core+ rows of the same period end, person by person. Both come from the same system:
    what differs was keyed, or read, differently. One row a person and field that differs. Of a person whose newest row could
    not be read nothing is said: the values at hand are of an older extract. #}
with every_flat as (
    select
        known.la_code,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        coalesce({{ to_date('known.period_end') }}, known.version_as_at) as period_end,
        {{ to_text('known.cohort_status') }} as cohort_status,
        {{ to_text('known.activity_code') }} as activity_code,
        coalesce({{ code_form('known.currency_lapsed') }}, 'N') as currency_lapsed,
        case when {{ code_form('known.send_flag') }} = 'Y' then 'EHCP'
            when {{ code_form('known.sen_support_flag') }} = 'Y' then 'SEN_SUPPORT' else 'NONE' end as sen_group,
        known.is_stale
    from {{ as_known(ref('hist_ccis_flat_extract')) }} as known
),

flat as (
    select * from every_flat where not is_stale
),

unread as (
    select distinct la_code, young_persons_id from every_flat where is_stale
),

period as (
    select distinct la_code, period_end from flat where period_end is not null
),

core_plus as (
    select
        month.la_code,
        month.young_persons_id,
        month.month_end as period_end,
        month.cohort_status_code as cohort_status,
        month.activity_code,
        case when month.is_lapsed then 'Y' else 'N' end as currency_lapsed,
        month.sen_group,
        coalesce(activity.lapses_on = month.month_end, false) as lapses_that_day
    from {{ ref('int_person_month') }} as month
    inner join period
        on period.la_code = month.la_code and period.period_end = month.month_end
    left join {{ ref('int_activity_spell') }} as activity
        on activity.la_code = month.la_code and activity.activity_spell_id = month.activity_spell_id
    left join unread
        on unread.la_code = month.la_code and unread.young_persons_id = month.young_persons_id
    where unread.young_persons_id is null
),

beside as (
    select
        coalesce(flat.la_code, core_plus.la_code) as la_code,
        coalesce(flat.period_end, core_plus.period_end) as period_end,
        coalesce(flat.young_persons_id, core_plus.young_persons_id) as young_persons_id,
        case when flat.young_persons_id is null then 'ONLY_CORE_PLUS' when core_plus.young_persons_id is null then 'ONLY_FLAT' end
            as stands_in,
        flat.cohort_status as flat_cohort_status,
        core_plus.cohort_status as core_plus_cohort_status,
        flat.activity_code as flat_activity_code,
        core_plus.activity_code as core_plus_activity_code,
        flat.currency_lapsed as flat_currency_lapsed,
        -- Due on the very day, either flag is right (rules 231 and 232).
        case when core_plus.lapses_that_day then flat.currency_lapsed else core_plus.currency_lapsed end
            as core_plus_currency_lapsed,
        flat.sen_group as flat_sen_group,
        core_plus.sen_group as core_plus_sen_group
    from flat
    full outer join core_plus
        on core_plus.la_code = flat.la_code
        and core_plus.young_persons_id = flat.young_persons_id
        and core_plus.period_end = flat.period_end
),

difference as (
    select la_code, period_end, young_persons_id, 'PRESENCE' as field,
        case stands_in when 'ONLY_FLAT' then 'PRESENT' else 'ABSENT' end as flat_value,
        case stands_in when 'ONLY_CORE_PLUS' then 'PRESENT' else 'ABSENT' end as core_plus_value
    from beside
    where stands_in is not null
    {% for field in ['cohort_status', 'activity_code', 'currency_lapsed', 'sen_group'] %}
    union all
    select la_code, period_end, young_persons_id, '{{ field | upper }}', flat_{{ field }}, core_plus_{{ field }}
    from beside
    where stands_in is null and coalesce(flat_{{ field }}, '') <> coalesce(core_plus_{{ field }}, '')
    {% endfor %}
)

select
    difference.la_code,
    difference.period_end,
    difference.young_persons_id,
    difference.field,
    person.person_id,
    person.owner_service_code,
    difference.flat_value,
    difference.core_plus_value
from difference
left join {{ ref('int_young_person') }} as person
    on person.la_code = difference.la_code and person.young_persons_id = difference.young_persons_id
