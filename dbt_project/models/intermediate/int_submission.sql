{#  The submissions that count: the latest sealed one of each point, as the ledger was known, and in a census build only
    the points before this one, so that running a point twice, or out of turn, cannot change it. #}
with sealed as (
    select
        la_code,
        submission_id,
        census_point,
        row_number() over (partition by la_code, census_point order by delivery_seq desc) as newest_first
    from {{ as_known(source('ledger', 'submission'), from_column='delivery_seq', to_column=none) }} as submission
    where outcome = 'sealed'
)

select
    sealed.la_code,
    sealed.submission_id,
    sealed.census_point,
    sealed.census_point < point.census_point as is_before_reporting_point
from sealed
inner join {{ ref('int_reporting_point') }} as point
    on point.la_code = sealed.la_code
where sealed.newest_first = 1
    {% if is_census() %} and sealed.census_point < point.census_point {% endif %}
