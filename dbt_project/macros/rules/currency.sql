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
