{#  Day on which a record comes due to lapse, by the rule of its code (nccis.md section 3.2): the date Core+ recorded,
    or one worked out from the dated rule. None for a code that never lapses. #}
{% macro lapses_on(rule, recorded, verified_on, review_on, predicted_end_on, start_on) -%}
    case
        when {{ rule }}.rule_kind is null or {{ rule }}.rule_kind = 'none' then null
        when {{ recorded }} is not null then {{ recorded }}
        when {{ rule }}.is_capped_at_predicted_end
            and {{ predicted_end_on }} < {{ rule_due_on(rule, verified_on, review_on, start_on) }}
            then {{ predicted_end_on }}
        else {{ rule_due_on(rule, verified_on, review_on, start_on) }}
    end
{%- endmacro %}

{% macro rule_due_on(rule, verified_on, review_on, start_on) -%}
    case {{ rule }}.rule_kind
        when 'academic_year_end' then
            {{ add_days(add_months(academic_year_starts_on('coalesce(' ~ verified_on ~ ', ' ~ start_on ~ ')'), 12), -1) }}
        when 'review_plus_days' then {{ add_days(review_on, rule ~ '.amount') }}
        when 'months_after_verified' then {{ add_months(verified_on, rule ~ '.amount') }}
    end
{%- endmacro %}

{#  Activities with what their dated code and currency rule say of them: bucket, group and route, the last day of their
    currency, and the first day on which the record no longer counts (lapsed_from).

    activity   a relation with activity_code, start_on, verified_on, review_on, predicted_end_on, recorded_due_to_lapse_on #}
{% macro judged_activities(activity) %}
select
    judged.*,
    case judged.lapse_basis
        when 'due_before_date' then {{ add_days('judged.lapses_on', 1) }}
        when 'due_on_or_before_date' then judged.lapses_on
    end as lapsed_from
from (
    select
        activity.*,
        code.activity_group,
        coalesce(code.status_bucket, 'OTHER') as status_bucket,
        code.participation_route,
        coalesce(code.is_in_rate_denominator, true) as is_in_rate_denominator,
        {{ lapses_on('rule', 'activity.recorded_due_to_lapse_on', 'activity.verified_on', 'activity.review_on',
                     'activity.predicted_end_on', 'activity.start_on') }} as lapses_on,
        lapse_basis.value as lapse_basis
    from {{ activity }} as activity
    left join {{ ref('activity_codes') }} as code
        on code.activity_code = activity.activity_code
        and {{ valid_on('code', 'activity.start_on') }}
    left join {{ ref('currency_rules') }} as rule
        on rule.activity_code = activity.activity_code
        and {{ valid_on('rule', 'coalesce(activity.verified_on, activity.start_on)') }}
    -- Joined, as a subquery would be asked anew for each of some hundred thousand activities.
    left join {{ ref('policy') }} as lapse_basis
        on lapse_basis.policy_id = 'lapse_basis'
        and {{ valid_on('lapse_basis', 'coalesce(activity.verified_on, activity.start_on)') }}
) as judged
{% endmacro %}
