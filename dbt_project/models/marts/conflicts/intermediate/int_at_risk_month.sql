{#  Who was flagged as at risk when a month had come to its end, whatever their age (most are in Year 11), and whether Core+
    then knew how to reach them. #}
{{ config(meta={'increment': {'by': 'person'}}, indexes=[{'columns': ['la_code', 'person_id']}]) }}
select
    risk.la_code,
    known.month_end,
    risk.person_id,
    coalesce(young_person.district_code, 'NOT_RECORDED') as district_code,
    young_person.sen_group,
    coalesce(cohort.is_vulnerable, false) as is_vulnerable,
    contact.says = 'VALID' as is_contact_valid
from {{ ref('int_month_known') }} as known
inner join {{ ref('int_core_plus_statement') }} as risk
    on risk.la_code = known.la_code
    and risk.conflict_kind = 'AT_RISK'
    and risk.says = 'AT_RISK'
    and risk.from_seq <= known.seq
    and known.seq < risk.to_seq
inner join {{ ref('int_core_plus_statement') }} as contact
    on contact.la_code = risk.la_code
    and contact.person_id = risk.person_id
    and contact.conflict_kind = 'CONTACT'
    and contact.from_seq <= known.seq
    and known.seq < contact.to_seq
left join {{ ref('int_young_person') }} as young_person
    on young_person.la_code = risk.la_code and young_person.person_id = risk.person_id
left join {{ ref('fct_cohort_month') }} as cohort
    on cohort.la_code = risk.la_code
    and cohort.person_id = risk.person_id
    and cohort.month_end = known.month_end
