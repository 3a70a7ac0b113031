{#  What Core+ has ever held of each person and kind, a row a version of a record: between which deliveries it stood, and the
    days from and until which it says so. The base of a person (is_base = 1) is what their being in the cohort says by
    itself: nothing known, no flag. Only while it stands is there a person to disagree about. Only of what another system
    also speaks about; int_core_plus_claim places the days among the deliveries. #}
{{ config(meta={'increment': {'by': 'person'}}, indexes=[{'columns': ['la_code', 'person_id']}]) }}
with person as (
    select
        known.la_code,
        known.young_persons_id,
        {{ person_key('known.la_code', 'known.young_persons_id') }} as person_id,
        {{ to_long('known.known_from_seq') }} as from_seq,
        {{ known_until('known.known_to_seq') }} as to_seq,
        known.version_as_at,
        case
            when known.send_flag = 'Y' then 'EHCP'
            when known.sen_support_flag = 'Y' then 'SEN_SUPPORT'
            else 'NONE'
        end as sen_group,
        {{ postcode_compared('known.postcode') }} as postcode,
        coalesce(not status.is_returned, false) as is_internal_marker,
        coalesce(status.is_leaver, false) as is_leaver
    from {{ as_known(ref('hist_core_plus_people'), versions='all') }} as known
    left join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = {{ to_text('known.cohort_status') }}
        and {{ valid_on('status', 'known.version_as_at') }}
    where not known.is_deleted
),

in_cohort as (
    select * from person where not is_leaver and not is_internal_marker
),

present as ({{ people_while('in_cohort', ['is_leaver']) }}),

sen as ({{ people_while('in_cohort', ['sen_group']) }}),

address as ({{ people_while('in_cohort', ['postcode']) }}),

residence as ({{ people_while('person', ['is_leaver', 'is_internal_marker']) }}),

activity as (
    select
        known.la_code,
        known.activity_id,
        known.young_persons_id,
        {{ to_long('known.known_from_seq') }} as from_seq,
        {{ known_until('known.known_to_seq') }} as to_seq,
        {{ to_text('known.activity_code') }} as activity_code,
        {{ to_date('known.start_on') }} as start_on,
        {{ ends_before(to_date('known.end_on')) }} as ends_before,
        {{ to_date('known.ascertained_on') }} as ascertained_on,
        {{ to_date('known.verified_on') }} as verified_on,
        {{ to_date('known.review_on') }} as review_on,
        {{ to_date('known.predicted_end_on') }} as predicted_end_on,
        {{ to_date('known.due_to_lapse_on') }} as recorded_due_to_lapse_on,
        {{ to_text('known.establishment_number') }} as school_number,
        {{ to_text('known.uk_provider_reference_number') }} as ukprn
    from {{ as_known(ref('hist_core_plus_activities'), versions='all') }} as known
    where not known.is_deleted
),

possible as (
    select * from activity
    where start_on is not null and (ends_before is null or ends_before > start_on)
),

-- All versions, as int_activity_spell judges the present ones.
judged as ({{ judged_activities('possible') }}),

contact as (
    select
        known.*,
        {{ is_valid_telephone('known.telephone', 'telephone.pattern') }}
            or {{ is_valid_telephone('known.mobile', 'telephone.pattern') }} as has_valid_telephone,
        {{ is_valid_email('known.email', 'email.pattern') }} as has_valid_email
    from {{ as_known(ref('hist_core_plus_contact_details'), versions='all') }} as known
    left join {{ ref('contact_pattern') }} as telephone
        on telephone.contact_kind = 'telephone' and {{ valid_on('telephone', 'known.version_as_at') }}
    left join {{ ref('contact_pattern') }} as email
        on email.contact_kind = 'email' and {{ valid_on('email', 'known.version_as_at') }}
    where not known.is_deleted
),

version as (
    {% for kind, (feed, says) in {
        'ACTIVITY': ('core_plus_activities', "'NOT_KNOWN'"),
        'CARE': ('core_plus_characteristics', "'NONE'"),
        'YOUTH_JUSTICE': ('core_plus_characteristics', "'NONE'"),
        'PARENTHOOD': ('core_plus_characteristics', "'NONE'"),
        'GUARANTEE': ('core_plus_september_guarantee', "'NONE'"),
        'CONTACT': ('core_plus_contact_details', "'MISSING'"),
        'AT_RISK': ('core_plus_at_risk', "'NONE'"),
    }.items() %}
    select
        present.la_code, present.person_id, '{{ kind }}' as conflict_kind, 1 as is_base,
        greatest(present.from_seq, begun.first_seq) as from_seq, present.to_seq,
        cast(null as date) as starts_on, cast(null as date) as ends_before,
        {{ says }} as means, cast(null as text) as means_afterwards,
        cast(null as date) as order_on, cast(null as date) as then_on, cast(null as date) as last_on, '' as order_key,
        cast(null as text) as activity_code, cast(null as text) as school_number, cast(null as text) as ukprn
    from present
    inner join {{ ref('int_feed_begun') }} as begun
        on begun.la_code = present.la_code and begun.feed = '{{ feed }}'

    union all
    {% endfor %}

    select
        la_code, person_id, 'SEN', 1, from_seq, to_seq, null, null, sen_group, null,
        since_on, null, null, '', null, null, null
    from sen

    union all

    select
        la_code, person_id, 'ADDRESS', 1, from_seq, to_seq, null, null, postcode, null,
        since_on, null, null, '', null, null, null
    from address

    union all

    select
        la_code, person_id, 'RESIDENCE', 1, from_seq, to_seq, null, null,
        case when is_leaver or is_internal_marker then 'GONE' else 'RESIDENT' end, null,
        since_on, null, null, '', null, null, null
    from residence

    union all

    select
        la_code, {{ person_key('la_code', 'young_persons_id') }}, 'ACTIVITY', 0, from_seq, to_seq,
        start_on,
        case when lapsed_from < ends_before or ends_before is null then coalesce(lapsed_from, ends_before) else ends_before end,
        status_bucket, null,
        start_on, ascertained_on, verified_on, activity_id, activity_code, school_number, ukprn
    from judged

    union all

    select
        la_code, {{ person_key('la_code', 'young_persons_id') }}, 'ACTIVITY', 0, from_seq, to_seq,
        greatest(lapsed_from, start_on),
        ends_before,
        'NOT_KNOWN', null,
        start_on, ascertained_on, verified_on, activity_id, activity_code, school_number, ukprn
    from judged
    where lapsed_from is not null and (ends_before is null or lapsed_from < ends_before)

    union all

    select
        known.la_code,
        {{ person_key('known.la_code', 'known.young_persons_id') }},
        meaning.conflict_kind, 0, {{ to_long('known.known_from_seq') }}, {{ known_until('known.known_to_seq') }},
        {{ to_date('known.start_on') }}, {{ ends_before(to_date('known.end_on')) }},
        meaning.means, null,
        {{ to_date('known.start_on') }}, null, null, known.characteristic_code, null, null, null
    from {{ as_known(ref('hist_core_plus_characteristics'), versions='all') }} as known
    inner join {{ ref('conflict_value') }} as meaning
        on meaning.source_feed = 'core_plus_characteristics'
        and meaning.source_value = {{ to_text('known.characteristic_code') }}
        and {{ valid_on('meaning', 'known.version_as_at') }}
    where not known.is_deleted

    union all

    select
        known.la_code,
        {{ person_key('known.la_code', 'known.young_persons_id') }},
        'GUARANTEE', 0, {{ to_long('known.known_from_seq') }}, {{ known_until('known.known_to_seq') }},
        null, null,
        known.guarantee_year || ' ' || code.published_category, null,
        {{ to_date('known.status_on') }}, null, null, known.guarantee_year || known.year_group, null, null, null
    from {{ as_known(ref('hist_core_plus_september_guarantee'), versions='all') }} as known
    inner join {{ ref('september_guarantee_codes') }} as code
        on code.guarantee_status_code = {{ to_text('known.guarantee_status') }}
        and {{ valid_on('code', 'known.version_as_at') }}
    where not known.is_deleted

    union all

    select
        contact.la_code,
        {{ person_key('contact.la_code', 'contact.young_persons_id') }},
        'CONTACT', 0, {{ to_long('contact.known_from_seq') }}, {{ known_until('contact.known_to_seq') }},
        null, null,
        case
            when has_valid_telephone then 'VALID'
            when has_valid_email and {{ to_date('contact.email_bounced_on') }} is null then 'VALID'
            when has_valid_email then 'BOUNCED'
            when coalesce({{ to_text('contact.telephone') }}, {{ to_text('contact.mobile') }}, {{ to_text('contact.email') }}) is null
                then 'MISSING'
            else 'INVALID'
        end, null,
        contact.version_as_at, null, null, '', null, null, null
    from contact

    union all

    -- A flag is for one academic year, and ends with it if nobody takes it away before.
    select
        known.la_code,
        {{ person_key('known.la_code', 'known.young_persons_id') }},
        'AT_RISK', 0, {{ to_long('known.known_from_seq') }}, {{ known_until('known.known_to_seq') }},
        {{ to_date('known.flagged_on') }},
        coalesce(
            {{ ends_before(to_date('known.removed_on')) }},
            {{ add_months(academic_year_starts_on(to_date('known.flagged_on')), 12) }}
        ),
        'AT_RISK', null,
        {{ to_date('known.flagged_on') }}, null, null, known.academic_year, null, null, null
    from {{ as_known(ref('hist_core_plus_at_risk'), versions='all') }} as known
    where not known.is_deleted
),

-- What no other system speaks about needs no comparing.
spoken_of as (
    select distinct la_code, person_id, conflict_kind
    from {{ ref('int_source_claim') }}
)

select version.*
from version
left join spoken_of
    on spoken_of.la_code = version.la_code
    and spoken_of.person_id = version.person_id
    and spoken_of.conflict_kind = version.conflict_kind
where version.conflict_kind in ('SEN', 'CONTACT', 'AT_RISK') or spoken_of.person_id is not null
