{#  The day of a moment in England. #}
{% macro england_date(moment) %}cast({{ moment }} at time zone 'Europe/London' as date){% endmacro %}

{#  A value of a JSON object as text. #}
{% macro json_text(object, key) %}({{ object }} ->> '{{ key }}'){% endmacro %}

{#  The date that a delivery's content is of: as at, or the last day of its month, or the first of its day or year.
    `year_starts_on` is the first day of the academic year that its period names, where it names one: AY2021-22. The same
    as neet.feeds.schedule.Delivery.content_on. #}
{% macro content_on(as_at, period, year_starts_on) -%}
    coalesce(
        {{ as_at }},
        {{ year_starts_on }},
        case length({{ period }})
            when 7 then {{ month_end('(' ~ to_date("(" ~ period ~ " || '-01')") ~ ')') }}
            when 4 then {{ to_date("(" ~ period ~ " || '-01-01')") }}
            else {{ to_date(period) }}
        end
    )
{%- endmacro %}

{#  What follows the last dot of a file's name, in small letters; null where there is none. #}
{% macro file_ending(name) %}lower(substring({{ name }} from '[.]([A-Za-z0-9]+)$')){% endmacro %}
