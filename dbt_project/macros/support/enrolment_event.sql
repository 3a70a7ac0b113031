{#  Starts (S) or ends (E) that one source of learners tells of; see int_enrolment_event for the parts of `source`. #}
{% macro enrolment_event(source, movement) %}
{% set kind, feed, key, provider, start, end, planned, mode, level, reason, destination, movement_column = source %}
{% set source_key = 'known.' ~ key | join(" || '|' || known.") %}
select
    known.la_code,
    '{{ kind }}' as provider_kind,
    '{{ feed }}' as source_feed,
    {{ source_key }} as source_key,
    {{ to_text('known.' ~ provider) }} as provider_code,
    {{ linked_person_id(feed, 'known', source_key) }} as person_id,
    link.young_persons_id,
    '{{ movement }}' as movement,
    {{ to_date('known.' ~ (start if movement == 'S' else end)) }} as happened_on,
    {{ to_date('known.' ~ planned) if planned and movement == 'S' else 'cast(null as date)' }} as planned_end_on,
    {{ code_form('known.' ~ mode) if mode else 'cast(null as text)' }} as study_mode,
    {{ code_form('known.' ~ level) if level else 'cast(null as text)' }} as qualification_level,
    {{ to_text('known.' ~ reason) if reason and movement == 'E' else 'cast(null as text)' }} as leaving_reason,
    {% if destination and movement == 'E' -%}
    {{ code_form('known.' ~ destination) }} is not null and nowhere.code is null
    {%- else %}false{% endif %} as is_destination_known,
    known.is_listed
from {{ ever_listed(feed) }} as known
{{ join_link(feed, 'known', source_key) }}
{% if destination and movement == 'E' %}
left join {{ ref('support_codes') }} as nowhere
    on nowhere.code_list = 'no_destination'
    and nowhere.code = {{ code_form('known.' ~ destination) }}
    and {{ valid_on('nowhere', to_date('known.' ~ end)) }}
{% endif %}
{% if movement_column %}
where {{ code_form('known.' ~ movement_column) }} = '{{ 'J' if movement == 'S' else 'L' }}'
{% elif movement == 'E' %}
where {{ to_date('known.' ~ end) }} is not null
{% endif %}
{% endmacro %}
