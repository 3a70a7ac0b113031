{#  Any two positions, the earlier first, and how one gets from one to the other. The waypoint parts what was learnt late
    from what happened:

    CLOSING   both as known now, so that nothing was learnt; or one month twice, so that nothing happened
    THROUGH   from a return to a month as known now, or back: by the month of the return as it is known now
    PERSON    from one return to a later one: whoever, as known now, was already then as the later return has them, was
              corrected late; with everybody else it happened between the two
    OPENING   the month of the return is not known any more (its first extract is later): nothing can be told apart #}
{{ config(materialized='view') }}

select
    opening.la_code,
    opening.position_id as opening_id,
    closing.position_id as closing_id,
    case
        when opening.basis = 'restated' and closing.basis = 'restated' then 'restated'
        when opening.basis = 'as_submitted' and closing.basis = 'as_submitted' then 'as_submitted'
        when opening.basis = 'as_submitted' then 'submitted_to_restated'
        else 'restated_to_submitted'
    end as comparison,
    opening.month_end as opening_on,
    closing.month_end as closing_on,
    opening.known_seq as opening_known_seq,
    closing.known_seq as closing_known_seq,
    case
        when opening.month_end = closing.month_end then null
        when opening.basis = 'as_submitted' then opening.restated_id
        when closing.basis = 'as_submitted' then closing.restated_id
    end as through_id,
    case
        when opening.month_end = closing.month_end or (opening.basis = 'restated' and closing.basis = 'restated')
            then 'CLOSING'
        when opening.basis = 'as_submitted' and opening.restated_id is null then 'OPENING'
        when opening.basis = 'restated' and closing.restated_id is null then 'CLOSING'
        when opening.basis = 'as_submitted' and closing.basis = 'as_submitted' then 'PERSON'
        else 'THROUGH'
    end as waypoint,
    opening.basis = 'as_submitted' as is_correction_first,
    coalesce(
        (opening.basis = closing.basis and closing.place_in_order = opening.place_in_order + 1)
        or (opening.place_in_order is not null and closing.position_id = opening.restated_id
            and opening.basis = 'as_submitted'), false
    ) as is_in_mart
from {{ ref('int_position_list') }} as opening
inner join {{ ref('int_position_list') }} as closing
    on closing.la_code = opening.la_code
    and closing.position_id <> opening.position_id
    and (
        opening.month_end < closing.month_end
        or (opening.month_end = closing.month_end and opening.basis = 'as_submitted'
            and (closing.basis = 'restated' or opening.chain_number < closing.chain_number))
    )
