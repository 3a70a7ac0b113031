{#  The academic year that a day lies in begins on the 1 September on or before it. #}
{% macro academic_year_starts_on(day) -%}
    make_date(
        cast(extract(year from {{ day }}) as integer)
        - case when extract(month from {{ day }}) < 9 then 1 else 0 end, 9, 1)
{%- endmacro %}

{#  Academic age: age in whole years on the day before the academic year begins (31 August). It holds all that year.
    Whoever was born on 1 September is a year younger than whoever was born the day before. #}
{% macro academic_age(dob, year_starts_on) -%}
    cast(extract(year from {{ year_starts_on }}) - extract(year from {{ dob }})
        - case when extract(month from {{ dob }}) >= extract(month from {{ year_starts_on }}) then 1 else 0 end
        as integer)
{%- endmacro %}

{#  A calendar month, 1 to 12, as its place in the academic year: September 0, August 11. #}
{% macro place_in_academic_year(month) -%}
    mod(cast({{ month }} as integer) + 3, 12)
{%- endmacro %}
