{#  Everything the other systems have ever said about somebody on Core+, in the words of conflict_value, a row a version of a
    record. A row that its system took away says what conflict_value lets it say afterwards, or nothing. #}
{{ config(
    meta={'increment': {'by': 'person', 'grows': ['int_known_clock']}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
{%- set deleted_or = 'case when known.is_deleted then meaning.means_afterwards else meaning.means end' %}
with link as (
    select la_code, source_feed, source_key, person_id
    from {{ ref('int_person_link') }}
    where young_persons_id is not null and status = 'linked'
),

row_said as (
    {# feed: key, kind, what the row says, first day, day it ends before, day said, school, provider #}
    {%- set rows = [
        ('synergy_send', 'synergy_id', 'SEN',
            "coalesce(known.sen_provision, '') || '|' || coalesce(known.plan_status, '')",
            to_date('known.plan_started_on'), ends_before(to_date('known.plan_ended_on')), none, none, none),
        ('school_census', "estab || '|' || upn", 'SEN', 'known.sen_provision', none, none, none, none, none),
        ('liberi_care', 'liberi_id', 'CARE', 'known.care_status',
            none, none,
            'coalesce(' ~ to_date('known.care_ended_on') ~ ', ' ~ to_date('known.care_started_on') ~ ')', none, none),
        ('youth_justice_orders', 'yj_id', 'YOUTH_JUSTICE', "'ORDER'",
            to_date('known.started_on'), ends_before(to_date('known.ended_on')), none, none, none),
        ('early_help_parents', 'ehm_id', 'PARENTHOOD',
            "known.parent_status || '|' || coalesce(known.cares_for_child, '')",
            to_date('known.status_from'), ends_before(to_date('known.closed_on')), none, none, none),
        ('school_post16_enrolment', "school_number || '|' || upn", 'ACTIVITY', "coalesce(known.study_mode, '')",
            to_date('known.started_on'), ends_before(to_date('known.expected_end_on')), none, 'known.school_number', none),
        ('college_enrolment', "ukprn || '|' || learner_reference", 'ACTIVITY', "coalesce(known.study_mode, '')",
            to_date('known.started_on'), ends_before(to_date('known.planned_end_on')), none, none, 'known.ukprn'),
        ('training_provider_learners', "ukprn || '|' || learner_reference", 'ACTIVITY',
            "case when known.programme in (select source_value from " ~ ref('conflict_value')
                ~ " where source_feed = 'training_provider_learners') then known.programme else '' end",
            to_date('known.started_on'), ends_before(to_date('known.left_on')), none, none, 'known.ukprn'),
        ('apprenticeship_starts', 'apprenticeship_id', 'ACTIVITY', "'APPRENTICE'",
            to_date('known.started_on'), ends_before(to_date('known.ended_on')), none, none, 'known.ukprn'),
        ('school_joiners_leavers', "school_number || '|' || upn", 'ACTIVITY', 'known.movement',
            to_date('known.happened_on'), none, none, 'known.school_number', none),
        ('college_joiners_leavers', "ukprn || '|' || learner_reference", 'ACTIVITY', 'known.movement',
            to_date('known.happened_on'), none, none, none, 'known.ukprn'),
        ('other_la_moves', "other_la_code || '|' || notice_id", 'RESIDENCE', 'known.direction',
            to_date('known.moved_on'), none, none, none, none),
        ('kent_choices_accounts', 'account_id', 'KENT_CHOICES',
            "case when " ~ to_date('known.activated_on') ~ " is null then 'NOT_ACTIVATED' end",
            to_date('known.code_issued_on'),
            add_months(academic_year_starts_on(to_date('known.code_issued_on')), 12), none, none, none),
    ] -%}
    {% for feed, key, kind, value, starts, ends, said, school, provider in rows %}
    select
        link.la_code, link.person_id, '{{ kind }}' as conflict_kind, '{{ feed }}' as source_feed, link.source_key,
        {{ to_long('known.known_from_seq') }} as from_seq, {{ known_until('known.known_to_seq') }} as to_seq,
        case when not known.is_deleted then {{ starts or 'cast(null as date)' }} end as starts_on,
        case when not known.is_deleted then {{ ends or 'cast(null as date)' }} end as ends_before,
        {{ deleted_or }} as means,
        case when not known.is_deleted then meaning.means_afterwards end as means_afterwards,
        coalesce({{ said or starts or 'known.told_day' }}, known.told_day) as order_on,
        known.told_day as told_on,
        meaning.activity_code,
        {{ to_text(school) if school else 'cast(null as text)' }} as school_number,
        {{ to_text(provider) if provider else 'cast(null as text)' }} as ukprn
    from {{ told_rows(feed, key) }} as known
    inner join link
        on link.la_code = known.la_code and link.source_feed = '{{ feed }}' and link.source_key = known.key_of_person
    inner join {{ ref('conflict_value') }} as meaning
        on meaning.conflict_kind = '{{ kind }}'
        and meaning.source_feed = '{{ feed }}'
        and meaning.source_value = {{ value }}
        and {{ valid_on('meaning', 'known.told_day') }}

    union all
    {% endfor %}

    -- Sheets that services send back name the Core+ record themselves.
    {% for kind in ('ACTIVITY', 'RESIDENCE') %}
    select
        known.la_code, {{ person_key('known.la_code', 'known.young_persons_id') }}, '{{ kind }}', 'shared_folder_reviews',
        known.young_persons_id, {{ to_long('known.known_from_seq') }}, {{ known_until('known.known_to_seq') }},
        {{ to_date('known.reviewed_on') }}, null, meaning.means, null,
        {{ to_date('known.reviewed_on') }}, {{ to_date('known.reviewed_on') }},
        coalesce({{ to_text('known.activity_code') }}, meaning.activity_code), null, null
    from {{ told_rows('shared_folder_reviews', 'young_persons_id') }} as known
    inner join {{ ref('conflict_value') }} as meaning
        on meaning.conflict_kind = '{{ kind }}'
        and meaning.source_feed = 'shared_folder_reviews'
        and meaning.source_value = known.confirmed_status
        and {{ valid_on('meaning', 'known.told_day') }}
    where not known.is_deleted

    union all
    {% endfor %}

    {% for feed, key in [
        ('synergy_send', 'synergy_id'), ('synergy_ehe_cme', 'synergy_id'), ('liberi_care', 'liberi_id'),
        ('youth_justice_orders', 'yj_id'), ('early_help_parents', 'ehm_id'), ('school_census', "estab || '|' || upn"),
        ('school_post16_enrolment', "school_number || '|' || upn"),
        ('college_enrolment', "ukprn || '|' || learner_reference"),
        ('training_provider_learners', "ukprn || '|' || learner_reference"),
        ('other_la_moves', "other_la_code || '|' || notice_id")] %}
    select
        link.la_code, link.person_id, 'ADDRESS', '{{ feed }}', link.source_key,
        {{ to_long('known.known_from_seq') }}, {{ known_until('known.known_to_seq') }},
        null, null, {{ postcode_compared('known.postcode') }}, null,
        known.told_day, known.told_day, null, null, null
    from {{ told_rows(feed, key) }} as known
    inner join link
        on link.la_code = known.la_code and link.source_feed = '{{ feed }}' and link.source_key = known.key_of_person
    where not known.is_deleted

    union all
    {% endfor %}

    select
        link.la_code, link.person_id, 'GUARANTEE', 'school_september_guarantee', link.source_key,
        {{ to_long('known.known_from_seq') }}, {{ known_until('known.known_to_seq') }},
        null, null, substr(known.status_on, 1, 4) || ' ' || meaning.means, null,
        {{ to_date('known.status_on') }}, {{ to_date('known.status_on') }}, null, known.school_number, null
    from {{ told_rows('school_september_guarantee', "school_number || '|' || upn") }} as known
    inner join link
        on link.la_code = known.la_code
        and link.source_feed = 'school_september_guarantee'
        and link.source_key = known.key_of_person
    inner join {{ ref('september_guarantee_codes') }} as code
        on code.guarantee_status_code = {{ to_text('known.offer_status') }}
        and {{ valid_on('code', 'known.told_day') }}
    inner join {{ ref('conflict_value') }} as meaning
        on meaning.conflict_kind = 'GUARANTEE'
        and meaning.source_feed = 'school_september_guarantee'
        and meaning.source_value = code.published_category
        and {{ valid_on('meaning', 'known.told_day') }}
    where not known.is_deleted and {{ to_date('known.status_on') }} is not null

    union all

    select
        link.la_code, link.person_id, 'GUARANTEE', 'kent_choices_applications', link.source_key,
        {{ to_long('known.known_from_seq') }}, {{ known_until('known.known_to_seq') }},
        null, null, substr(known.offered_on, 1, 4) || ' ' || meaning.means, null,
        {{ to_date('known.offered_on') }}, {{ to_date('known.offered_on') }}, null, null, {{ to_text('known.ukprn') }}
    from {{ told_rows('kent_choices_applications', 'account_id') }} as known
    inner join link
        on link.la_code = known.la_code
        and link.source_feed = 'kent_choices_accounts'
        and link.source_key = known.key_of_person
    inner join {{ ref('conflict_value') }} as meaning
        on meaning.conflict_kind = 'GUARANTEE'
        and meaning.source_feed = 'kent_choices_applications'
        and meaning.source_value = known.application_status
        and {{ valid_on('meaning', 'known.told_day') }}
    where not known.is_deleted and {{ to_date('known.offered_on') }} is not null
)

select * from row_said
