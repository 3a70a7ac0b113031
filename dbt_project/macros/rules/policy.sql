{#  The value of a dated policy row on a day, as `type`. #}
{% macro policy(policy_id, day, type='integer') -%}
    (
        select cast(policy.value as {{ type }})
        from {{ ref('policy') }} as policy
        where policy.policy_id = '{{ policy_id }}' and {{ valid_on('policy', day) }}
    )
{%- endmacro %}
