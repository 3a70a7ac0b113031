{#  The gate judges the return, and the return takes nothing from the restricted systems: what the builder makes is
    readable by the gate by default, and these tables are not. Auditors may read them, as they may read raw. #}
{% macro withhold_from_gate() %}revoke all on {{ this }} from neet_gate{% endmacro %}
