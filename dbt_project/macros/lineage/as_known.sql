{#  The rows of a relation as they were known at this run's `known_seq`: the only place that filters by known time.

    relation        a hist model (default columns), or anything that carries the delivery_seq of its acceptance
    from_column     first delivery that says so
    to_column       first delivery that says otherwise; none for what is only ever added
    versions        'current' = the version in force at known_seq
                    'all'     = every version up to known_seq; one that ended later is still open

    A census run sees its own authority only, and what is said about England; its hist models hold no version but those
    in force. #}
{% macro as_known(relation, from_column='known_from_seq', to_column='known_to_seq', versions='current') %}
{% if execute and is_census() and versions == 'all' %}
    {{ exceptions.raise_compiler_error(
        model.name ~ " asks for all versions, but a census build keeps only those in force at its known time. "
        ~ "Leave the model out of the census selector (selectors.yml).") }}
{% endif %}
(
    select *
    from {{ relation }}
    where {{ from_column }} <= {{ newest_seq() }}
    {% if to_column and versions == 'current' %}
        and ({{ to_column }} is null or {{ to_column }} > {{ newest_seq() }})
        and not is_deleted
    {% endif %}
    {% if is_census() %}
        and {{ la_filter() }}
    {% endif %}
)
{% endmacro %}

{% macro la_filter(column='la_code') -%}
    {{ column }} in ('{{ var("la_code") }}', 'ENG')
{%- endmacro %}
