{#  What targets refer to: the dated rows of kpi_benchmark and, in the live lineage, what the statistical neighbours of an
    authority reached in the same year's scorecard. That is published in July, after the returns it is held against, so a
    census build knows nothing of it and does not depend on when it came. #}
select
    cast(null as text) as la_code,
    benchmark_id,
    cast(value as numeric(20, 10)) as value,
    valid_from,
    valid_to
from {{ ref('kpi_benchmark') }}

{% if not is_census() %}
union all

select
    la_code,
    'STATN-' || measure_id as benchmark_id,
    cast(mean_value / 100 as numeric(20, 10)) as value,
    {{ academic_year_starts_on('make_date(time_period, 1, 1)') }} as valid_from,
    {{ academic_year_starts_on('make_date(time_period + 1, 1, 1)') }} as valid_to
from {{ ref('int_dfe_neighbour_mean') }}
where comparator_type = 'STATISTICAL_MEAN' and unit = 'percent' and mean_value is not null
{% endif %}
