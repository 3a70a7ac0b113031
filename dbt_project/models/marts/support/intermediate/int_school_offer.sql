{#  The newest September Guarantee status that a school reported of a person, by the academic year it belongs to. #}
with reported as (
    select
        known.la_code,
        {{ linked_person_id('school_september_guarantee', 'known', "known.school_number || '|' || known.upn") }} as person_id,
        {{ to_text('known.school_number') }} as school_number,
        {{ to_text('known.offer_status') }} as offer_status,
        {{ to_text('known.offer_kind') }} as offer_kind,
        {{ to_text('known.intended_destination') }} as intended_destination_code,
        {{ to_date('known.status_on') }} as status_on,
        known.row_key,
        known.known_from_seq,
        known.known_to is null as is_listed
    -- The list of a year takes the place of the last one, whose offers were made all the same.
    from {{ as_known(ref('hist_school_september_guarantee'), versions='all') }} as known
    {{ join_link('school_september_guarantee', 'known', "known.school_number || '|' || known.upn") }}
    where not known.is_deleted
),

dated as (
    select
        reported.*,
        {{ add_months('reported.status_on', '-' ~ support_policy('guarantee_recorded_lag_months', 'reported.status_on')) }}
            as belongs_to
    from reported
    where status_on is not null
),

in_order as (
    select
        dated.*,
        {{ academic_year_code('belongs_to') }} as academic_year,
        row_number() over (
            partition by la_code, person_id, {{ academic_year_code('belongs_to') }}
            order by status_on desc, known_from_seq desc, {{ bytewise('row_key') }} desc
        ) as newest_first
    from dated
)

select
    in_order.la_code,
    in_order.person_id,
    in_order.academic_year,
    in_order.school_number,
    in_order.offer_status,
    code.published_category as offer_category,
    in_order.offer_kind,
    in_order.intended_destination_code,
    in_order.status_on
from in_order
left join {{ ref('september_guarantee_codes') }} as code
    on code.guarantee_status_code = in_order.offer_status
    and {{ valid_on('code', 'in_order.status_on') }}
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = in_order.la_code
where in_order.newest_first = 1
    -- Of the year that goes on, a row that has gone was taken back.
    and (in_order.is_listed or in_order.academic_year < {{ academic_year_code('as_at.as_at') }})
