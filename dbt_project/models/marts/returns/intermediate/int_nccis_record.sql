{#  One record a person: everything as Core+ recorded it, faults included, so that the
    rules can speak about it. Only four things are worked out: who is in, which activity is in force at the period's end,
    which guarantee record belongs in which node, and the lapse flag of an extract taken after the period's end. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with member as (
    select * from {{ ref('int_person_month') }} where is_reporting_point
),

recorded_person as (
    select * from {{ as_known(ref('hist_core_plus_people')) }} as known
),

recorded_activity as (
    select * from {{ as_known(ref('hist_core_plus_activities')) }} as known
),

guarantee as (
    select * from {{ ref('int_september_guarantee') }}
)

select
    member.la_code,
    member.census_point,
    member.person_id,
    member.owner_service_code,
    member.young_persons_id,
    member.cohort_status_code as cohort_status,
    {% for column in ['given_name', 'middle_name', 'family_name', 'address_line1', 'address_line2', 'address_line3',
                      'address_line4', 'town', 'county', 'postcode', 'gender', 'dob', 'ethnicity', 'lead_lea',
                      'educated_lea'] %}
    nullif(person.{{ column }}, '') as {{ column }},
    {% endfor %}
    -- Whoever left after the period's end is reported as present, and so as transferred nowhere.
    case when not member.left_later then nullif(person.transferred_to_la_code, '') end as transferred_to_la_code,
    {% for column in ['lea_code_at_year11', 'unique_learner_no', 'unique_pupil_number', 'guarantee_status_indicator',
                      'previous_ypid_identifier'] %}
    nullif(person.{{ column }}, '') as {{ column }},
    {% endfor %}
    year_11.guarantee_status as year11_guarantee_status,
    year_11.lea_code as year11_lea_code,
    year_12.guarantee_status as year12_guarantee_status,
    year_12.lea_code as year12_lea_code,
    {% for column in ['level_of_need_code', 'send_flag', 'sen_support_flag'] %}
    nullif(person.{{ column }}, '') as {{ column }},
    {% endfor %}
    nullif(activity.activity_code, '') as activity_code,
    nullif(activity.start_on, '') as start_date,
    nullif(activity.ascertained_on, '') as date_ascertained,
    nullif(activity.verified_on, '') as date_verified,
    nullif(activity.review_on, '') as review_date,
    nullif(activity.due_to_lapse_on, '') as due_to_lapse_date,
    case
        when activity.activity_id is null then null
        when activity.currency_lapsed in ('Y', 'N') and activity.version_as_at > member.month_end
            then case when member.is_lapsed then 'Y' else 'N' end
        else nullif(activity.currency_lapsed, '')
    end as currency_lapsed,
    nullif(activity.establishment_number, '') as establishment_number,
    nullif(activity.establishment_name, '') as establishment_name,
    nullif(activity.uk_provider_reference_number, '') as uk_provider_reference_number,
    nullif(activity.neet_start_on, '') as neet_start_date,
    nullif(activity.predicted_end_on, '') as predicted_end_date,
    nullif(person.intended_destination_yr11, '') as intended_destination_yr11
from member
inner join recorded_person as person
    on person.la_code = member.la_code and person.young_persons_id = member.young_persons_id
left join {{ ref('int_activity_spell') }} as spell
    on spell.la_code = member.la_code and spell.activity_spell_id = member.activity_spell_id
left join recorded_activity as activity
    on activity.la_code = spell.la_code and activity.activity_id = spell.activity_id
left join guarantee as year_11
    on year_11.la_code = member.la_code and year_11.person_id = member.person_id and year_11.year_group = 11
left join guarantee as year_12
    on year_12.la_code = member.la_code and year_12.person_id = member.person_id and year_12.year_group = 12
