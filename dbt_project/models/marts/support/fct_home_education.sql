{#  Home education (EHE) and missing education (CME) as Synergy holds them, beside what the plan asks of each family: the
    three letters, the calls, a plan, an offer, a referral. Contact details and words of the family stay in Synergy. #}
with spell as (
    select
        known.la_code,
        known.synergy_id,
        {{ code_form('known.record_kind') }} as record_kind,
        {{ linked_person_id('synergy_ehe_cme', 'known', 'known.synergy_id') }} as person_id,
        link.young_persons_id,
        {{ to_date('known.started_on') }} as started_on,
        {{ to_date('known.ended_on') }} as ended_on,
        {{ to_date('known.letter_y11a_on') }} as letter_y11a_on,
        {{ to_date('known.letter_y11b_on') }} as letter_y11b_on,
        {{ to_date('known.letter_y11c_on') }} as letter_y11c_on,
        {{ to_date('known.reply_on') }} as reply_on,
        {{ to_text('known.year_group') }} as year_group,
        {{ to_text('known.post16_plan') }} is not null as has_post16_plan,
        ({{ to_text('known.parent_telephone') }} is not null or {{ to_text('known.parent_email') }} is not null)
            as has_contact_details,
        known.row_key
    from {{ as_known(ref('hist_synergy_ehe_cme')) }} as known
    {{ join_link('synergy_ehe_cme', 'known', 'known.synergy_id') }}
),

call_in_spell as (
    select
        spell.la_code,
        spell.row_key,
        contact.attempted_on,
        contact.outcome,
        contact.is_reached,
        row_number() over (
            partition by spell.la_code, spell.row_key
            order by contact.attempted_on desc, {{ bytewise('contact.attempt_id') }} desc
        ) as newest_first
    from spell
    inner join {{ ref('fct_contact') }} as contact
        on contact.la_code = spell.la_code
        and contact.person_id = spell.person_id
        and contact.purpose = 'EHE_CALL'
        and {{ in_force('spell.started_on', ends_before('spell.ended_on'), 'contact.attempted_on') }}
),

called as (
    select
        la_code,
        row_key,
        cast(count(*) as integer) as call_count,
        max(attempted_on) as last_called_on,
        max(case when newest_first = 1 then outcome end) as last_call_outcome,
        max(case when is_reached then 1 else 0 end) as times_reached
    from call_in_spell
    group by la_code, row_key
),

referred as (
    select
        spell.la_code,
        spell.row_key,
        min(referral.referred_on) as referred_on
    from spell
    inner join {{ ref('int_referral') }} as referral
        on referral.la_code = spell.la_code
        and referral.person_id = spell.person_id
        and referral.referred_on >= spell.started_on
    group by spell.la_code, spell.row_key
),

-- The newest guarantee that Core+ holds of the person.
guarantee as (
    select
        known.la_code,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        {{ to_text('known.guarantee_status') }} as guarantee_status,
        code.published_category,
        row_number() over (
            partition by known.la_code, known.young_persons_id
            order by known.guarantee_year desc, known.year_group desc
        ) as newest_first
    from {{ as_known(ref('hist_core_plus_september_guarantee')) }} as known
    left join {{ ref('september_guarantee_codes') }} as code
        on code.guarantee_status_code = {{ to_text('known.guarantee_status') }}
        and {{ valid_on('code', to_date('known.status_on')) }}
)

select
    spell.la_code,
    {{ key_of(['spell.la_code', "'synergy_ehe_cme'", 'spell.row_key']) }} as home_education_key,
    spell.record_kind,
    spell.person_id,
    spell.young_persons_id,
    spell.young_persons_id is not null as is_linked,
    person.district_code,
    spell.year_group,
    spell.started_on,
    {{ ends_before('spell.ended_on') }} as ends_before,
    {{ in_force('spell.started_on', ends_before('spell.ended_on'), 'as_at.as_at') }} as is_open,
    spell.letter_y11a_on,
    spell.letter_y11b_on,
    spell.letter_y11c_on,
    spell.reply_on,
    spell.has_post16_plan,
    spell.has_contact_details,
    coalesce(called.call_count, 0) as call_count,
    called.last_called_on,
    called.last_call_outcome,
    coalesce(called.times_reached > 0, false) as was_reached,
    coalesce(spell.letter_y11a_on, spell.letter_y11b_on, spell.letter_y11c_on) is not null
        and spell.reply_on is null
        and coalesce(called.times_reached, 0) = 0 as is_out_of_reach,
    guarantee.guarantee_status,
    coalesce(guarantee.published_category = 'OFFER_MADE', false) as has_offer,
    referred.referred_on is not null as is_referred,
    referred.referred_on
from spell
inner join {{ ref('int_as_at') }} as as_at
    on as_at.la_code = spell.la_code
left join called
    on called.la_code = spell.la_code and called.row_key = spell.row_key
left join referred
    on referred.la_code = spell.la_code and referred.row_key = spell.row_key
left join guarantee
    on guarantee.la_code = spell.la_code
    and guarantee.young_persons_id = spell.young_persons_id
    and guarantee.newest_first = 1
left join {{ ref('int_young_person') }} as person
    on person.la_code = spell.la_code and person.person_id = spell.person_id
