{#  The account between any two positions. Ask for a pair, as of int_movement. #}
{{ config(materialized='view') }}

{{ movement_account(ref('int_movement_effect'), ref('int_position_count')) }}
