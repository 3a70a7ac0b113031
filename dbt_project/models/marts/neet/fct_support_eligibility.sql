{#  Who may be offered support, and why (committee paper 5.1.5): each reason is a column of its own, so that a service
    can count them, and a reason that the authority has switched off is null, not false. Young people whom the Virtual
    School looks after are named with that reason and are not eligible here: it supports them itself. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with person as (
    select * from {{ ref('fct_cohort_month') }} where is_measured or year_group = 11
),

rule as (
    select
        month_end.la_code,
        month_end.month_end,
        {{ policy('neet_over_06_weeks_days', 'month_end.month_end') }} as over_06_weeks_days,
        {{ policy('support_year_13_groups_only', 'month_end.month_end', 'boolean') }} as is_year_13_limited,
        {{ policy('support_year_13_last_month', 'month_end.month_end') }} as year_13_last_month,
        term.ends_on as term_3_ends_on
    from {{ ref('int_month_end') }} as month_end
    left join {{ ref('academic_years') }} as academic_year
        on academic_year.starts_on = month_end.academic_year_starts_on
    left join (
        select la_code, academic_year, max(ends_on) as ends_on
        from {{ ref('term_dates') }}
        where term_no = 3
        group by la_code, academic_year
    ) as term
        on term.la_code = month_end.la_code and term.academic_year = academic_year.academic_year
),

marked as (
    select
        characteristic.la_code,
        month_end.month_end,
        characteristic.person_id,
        max(case when service.role = 'youth_justice' then 1 else 0 end) as is_youth_justice,
        max(case when service.role = 'virtual_school' then 1 else 0 end) as is_virtual_school
    from {{ ref('int_month_end') }} as month_end
    inner join {{ ref('int_characteristic') }} as characteristic
        on characteristic.la_code = month_end.la_code
        and {{ in_force('characteristic.start_on', 'characteristic.ends_before', 'month_end.month_end') }}
    inner join {{ ref('support_characteristic') }} as service
        on service.characteristic_code = characteristic.characteristic_code
        and {{ valid_on('service', 'month_end.month_end') }}
    group by 1, 2, 3
),

judged as (
    select
        person.la_code,
        person.month_end,
        person.person_id,
        person.district_code,
        person.owner_service_code,
        person.year_group,
        person.status_bucket,
        person.neet_days,
        person.status_bucket = 'NEET' as is_neet,
        coalesce(person.neet_days > rule.over_06_weeks_days, false) as is_over_six_weeks,
        coalesce(repeated.is_repeat, false) as has_repeat_spells,
        person.status_bucket = 'NEET' and person.sen_group = 'EHCP' and person.year_group in (12, 13) as has_ehc_plan,
        person.status_bucket = 'NEET' and person.sen_group = 'SEN_SUPPORT' as has_sen_support,
        person.status_bucket = 'NEET' and coalesce(marked.is_youth_justice, 0) = 1 as is_youth_justice,
        person.year_group = 11
            and coalesce(missing.is_missing_education, false)
            and coalesce(person.month_end > rule.term_3_ends_on, false) as is_missing_education_after_term_3,
        coalesce(marked.is_virtual_school, 0) = 1 as is_virtual_school,
        -- Suffolk's rule, off unless the policy row says otherwise: Year 13 only for these groups, to a month.
        case when rule.is_year_13_limited then
            person.year_group = 13 and not (
                (person.sen_group = 'EHCP' or coalesce(marked.is_youth_justice, 0) = 1
                    or coalesce(marked.is_virtual_school, 0) = 1)
                and {{ place_in_academic_year('extract(month from person.month_end)') }}
                    <= {{ place_in_academic_year('rule.year_13_last_month') }}
            )
        end as is_year_13_outside_rule
    from person
    inner join rule
        on rule.la_code = person.la_code and rule.month_end = person.month_end
    left join {{ ref('int_neet_repeat') }} as repeated
        on repeated.la_code = person.la_code
        and repeated.month_end = person.month_end
        and repeated.person_id = person.person_id
    left join marked
        on marked.la_code = person.la_code
        and marked.month_end = person.month_end
        and marked.person_id = person.person_id
    left join {{ ref('support_activity') }} as missing
        on missing.activity_code = person.activity_code
        and {{ valid_on('missing', 'person.month_end') }}
)

select
    la_code,
    month_end,
    person_id,
    district_code,
    owner_service_code,
    year_group,
    status_bucket,
    neet_days,
    is_over_six_weeks,
    has_repeat_spells,
    has_ehc_plan,
    has_sen_support,
    is_youth_justice,
    is_missing_education_after_term_3,
    is_virtual_school,
    is_year_13_outside_rule,
    (
        is_over_six_weeks or has_repeat_spells or has_ehc_plan or has_sen_support or is_youth_justice
        or is_missing_education_after_term_3
    ) and not is_virtual_school and not coalesce(is_year_13_outside_rule, false) as is_eligible
from judged
where is_over_six_weeks or has_repeat_spells or has_ehc_plan or has_sen_support or is_youth_justice
    or is_missing_education_after_term_3
