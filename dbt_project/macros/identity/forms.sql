{#  Normal forms: what linkage compares, so that two spellings of one value are one. #}

{#  Letters and digits in lower case without accents, words apart by one blank; apostrophes join, everything else parts.
    Letters of other scripts stay as they are. #}
{% macro name_form(column) -%}
    nullif(left(trim(regexp_replace(regexp_replace(
        {{ plain_letters('lower(' ~ column ~ ')') }},
        '[''’‘`´ʼ\u0300-\u036f]', '', 'g'), '[^[:alnum:]]+', ' ', 'g')), 100), '')
{%- endmacro %}

{%- macro plain_letters(column) -%}
    translate(replace(replace(replace(normalize({{ column }}, NFKD), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'łøđðþı', 'loddti')
{%- endmacro %}

{% macro postcode_form(column) -%}
    nullif(left(regexp_replace(upper({{ column }}), '[^A-Z0-9]', '', 'g'), 10), '')
{%- endmacro %}

{#  Upper case without blanks, if it has the shape; a number of another shape is no number. #}
{% macro upn_form(column) -%}
    case when regexp_replace(upper({{ column }}), '\s', '', 'g') ~ '^[A-Z]\d{11}[0-9A-Z]$'
        then regexp_replace(upper({{ column }}), '\s', '', 'g') end
{%- endmacro %}

{% macro uln_form(column) -%}
    case when regexp_replace({{ column }}, '\s', '', 'g') ~ '^[1-9]\d{9}$'
        then regexp_replace({{ column }}, '\s', '', 'g') end
{%- endmacro %}

{% macro gender_form(column) -%}
    case upper(left(trim({{ column }}), 1)) when 'F' then 'F' when 'M' then 'M' when 'B' then 'M' when 'G' then 'F' end
{%- endmacro %}
