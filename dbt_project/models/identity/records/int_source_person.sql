{#  Who each system writes about, in one form. A person of a feed may have several rows (enrolments, orders); the newest
    that still stands says who it is. #}
{% set texts = ['young_persons_id', 'given_name', 'middle_names', 'family_name', 'former_family_name',
                'preferred_family_name', 'alias', 'gender', 'postcode', 'previous_postcode', 'upn', 'uln', 'school'] %}
{% set pupil = {'given_name': 'forename', 'family_name': 'surname', 'dob': 'date_of_birth', 'postcode': 'postcode'} %}
{% set feeds = {
    'core_plus_people': (['young_persons_id'], {
        'young_persons_id': 'young_persons_id', 'given_name': 'given_name', 'middle_names': 'middle_name',
        'family_name': 'family_name', 'dob': 'dob', 'gender': 'gender', 'postcode': 'postcode',
        'upn': 'unique_pupil_number', 'uln': 'unique_learner_no', 'school': 'school_of_origin'}),
    'school_post16_enrolment': (['school_number', 'upn'], dict(
        pupil, gender='gender', upn='upn', uln='uln', school='school_number')),
    'school_joiners_leavers': (['school_number', 'upn'], dict(
        pupil, gender='gender', upn='upn', uln='uln', school='school_number')),
    'school_september_guarantee': (['school_number', 'upn'], dict(
        pupil, gender='gender', upn='upn', school='school_number')),
    'school_census': (['estab', 'upn'], dict(
        pupil, gender='gender', upn='upn', uln='uln', school='estab', middle_names='middle_names',
        former_family_name='former_surname', preferred_family_name='preferred_surname')),
    'school_attendance': (['estab', 'upn'], {
        'given_name': 'forename', 'family_name': 'surname', 'dob': 'date_of_birth', 'gender': 'gender', 'upn': 'upn',
        'school': 'estab', 'middle_names': 'middle_names', 'former_family_name': 'former_surname',
        'preferred_family_name': 'preferred_surname'}),
    'college_enrolment': (['ukprn', 'learner_reference'], dict(pupil, gender='gender', uln='uln', school='previous_school')),
    'college_joiners_leavers': (['ukprn', 'learner_reference'], dict(pupil, gender='gender', uln='uln')),
    'training_provider_learners': (['ukprn', 'learner_reference'], dict(pupil, uln='uln')),
    'kent_choices_accounts': (['account_id'], dict(pupil, school='school_number')),
    'apprenticeship_starts': (['apprenticeship_id'], dict(pupil, uln='uln')),
    'other_la_moves': (['other_la_code', 'notice_id'], dict(pupil, upn='upn', uln='uln', previous_postcode='previous_postcode')),
    'synergy_send': (['synergy_id'], dict(pupil, gender='gender', upn='upn', school='school_number')),
    'synergy_ehe_cme': (['synergy_id'], dict(pupil, gender='gender', upn='upn')),
    'liberi_care': (['liberi_id'], dict(pupil, gender='gender', upn='upn', previous_postcode='placement_postcode')),
    'youth_justice_orders': (['yj_id'], dict(pupil, gender='gender', alias='alias', school='school_number')),
    'early_help_parents': (['ehm_id'], pupil),
    'referral_mailbox': (['referral_id'], dict(pupil, young_persons_id='young_persons_id', school='school_name')),
} %}

with row_of_person as (
    {% for feed, (key, says) in feeds.items() %}
    {{ source_person(feed, key, says, texts) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

in_order as (
    select
        row_of_person.*,
        min(known_from_seq) over (partition by la_code, source_feed, source_key) as first_known_seq,
        row_number() over (
            partition by la_code, source_feed, source_key
            order by is_current desc, known_from_seq desc, {{ bytewise('row_key') }} desc
        ) as newest_first
    from row_of_person
    where source_key is not null
)

select
    la_code,
    source_feed,
    source_key,
    provider,
    is_current,
    first_known_seq,
    {%- for column in texts %}
    {{ {'upn': upn_form('upn'), 'uln': uln_form('uln'), 'postcode': postcode_form('postcode'),
        'previous_postcode': postcode_form('previous_postcode')}.get(column, column) }} as {{ column }},
    {%- endfor %}
    dob,
    {{ gender_form('gender') }} as gender_form,
    {{ name_form('given_name') }} as given_form,
    {{ name_form('middle_names') }} as middle_form,
    {{ name_form('family_name') }} as family_form,
    {{ name_form('former_family_name') }} as former_family_form,
    {{ name_form('preferred_family_name') }} as preferred_family_form,
    {{ name_form('alias') }} as alias_form,
    {{ name_form('school') }} as school_form
from in_order
where newest_first = 1
