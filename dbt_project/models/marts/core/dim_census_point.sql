select
    census.la_code,
    census.census_point,
    census.requirement_year,
    census.period_end,
    census.date_of_send,
    census.due_on,
    census.previous_census_point,
    census.scorecard_role,
    census.gate_id,
    gate.name as gate_name,
    gate.owner_service,
    census.assumed as is_assumed
from {{ ref('census_points') }} as census
left join {{ ref('gates') }} as gate
    on gate.gate_id = census.gate_id
