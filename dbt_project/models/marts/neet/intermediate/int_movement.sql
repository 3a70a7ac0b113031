{#  Who changed between any two positions. Ask for a pair: `where la_code = .. and opening_id = .. and closing_id = ..`. #}
{{ config(materialized='view') }}

{{ movement_legs(ref('int_position_pair')) }}
