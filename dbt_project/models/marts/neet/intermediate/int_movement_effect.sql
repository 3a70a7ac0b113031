{#  What each person adds to a count or takes from it, between any two positions. Ask for a pair, as of int_movement. #}
{{ config(materialized='view') }}

{{ movement_effects(ref('int_movement')) }}
