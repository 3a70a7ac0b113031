{#  What a reference feed says and what the seed that decides says, one row a key and field of either, as text. A kind, year
    or authority that nobody delivered is not compared. #}
with feed_date as (
    select
        la_code,
        {{ code_form('date_kind') }} as date_kind,
        {{ to_text('academic_year') }} as academic_year,
        {{ to_integer('number') }} as number,
        {{ to_date('starts_on') }} as starts_on,
        {{ to_date('ends_on') }} as ends_on,
        {{ to_text('name') }} as name
    from {{ as_known(ref('hist_calendar_dates')) }} as known
),

feed_neighbour as (
    select
        la_code,
        {{ to_text('authority_code') }} as authority_code,
        {{ to_integer('neighbour_rank') }} as neighbour_rank,
        {{ to_text('neighbour_code') }} as neighbour_code,
        -- A list of a year, without a day, is taken to be in force at its end.
        coalesce(version_as_at, {{ to_date("(period || '-12-31')") }}) as in_force_on
    from {{ as_known(ref('hist_statistical_neighbours')) }} as known
),

feed_target as (
    select
        la_code,
        {{ to_text('kpi_id') }} as kpi_id,
        {{ to_date('valid_from') }} as valid_from,
        {{ to_number(to_text('target')) }} as target,
        {{ to_number(to_text('floor')) }} as floor
    from {{ as_known(ref('hist_kpi_targets')) }} as known
),

term as (
    select *
    from (
        select
            term_dates.*,
            row_number() over (partition by la_code, academic_year, term_no order by known_from desc nulls last) as newest_first
        from {{ ref('term_dates') }} as term_dates
    ) as announced
    where newest_first = 1
),

holiday as (
    select
        year.academic_year,
        holiday.holiday_on,
        min(holiday.name) as name
    from {{ ref('bank_holidays') }} as holiday
    inner join {{ ref('academic_years') }} as year
        on holiday.holiday_on between year.starts_on and year.ends_on
    where holiday.known_to is null
    group by year.academic_year, holiday.holiday_on
),

statement as (
    {% for field in ['starts_on', 'ends_on'] %}
    select 'feed' as said_by, la_code, 'TERM_DATE' as kind, academic_year || ' term ' || cast(number as text) as subject,
        '{{ field }}' as field, cast({{ field }} as text) as value
    from feed_date
    where date_kind = 'TERM'
    union all
    select 'seed', term.la_code, 'TERM_DATE', term.academic_year || ' term ' || cast(term.term_no as text),
        '{{ field }}', cast(term.{{ field }} as text)
    from term
    where exists (
        select 1 from feed_date
        where feed_date.la_code = term.la_code and feed_date.academic_year = term.academic_year and feed_date.date_kind = 'TERM'
    )
    union all
    {% endfor %}
    select 'feed', la_code, 'BANK_HOLIDAY', academic_year || ' ' || cast(starts_on as text), 'is_holiday', 'true'
    from feed_date
    where date_kind = 'BANK_HOLIDAY' and starts_on is not null
    union all
    select 'seed', given.la_code, 'BANK_HOLIDAY', holiday.academic_year || ' ' || cast(holiday.holiday_on as text), 'is_holiday', 'true'
    from holiday
    inner join (select distinct la_code, academic_year from feed_date where date_kind = 'BANK_HOLIDAY') as given
        on given.academic_year = holiday.academic_year
    union all
    select 'feed', la_code, 'NEIGHBOUR', authority_code || ' rank ' || cast(neighbour_rank as text), 'neighbour', neighbour_code
    from feed_neighbour
    union all
    select 'seed', given.la_code, 'NEIGHBOUR', seed.la_code || ' rank ' || cast(seed.neighbour_rank as text), 'neighbour',
        seed.neighbour_la_code
    from {{ ref('la_neighbour') }} as seed
    inner join (
        select la_code, authority_code, max(in_force_on) as in_force_on from feed_neighbour group by la_code, authority_code
    ) as given
        on given.authority_code = seed.la_code
    where seed.kind = 'statistical' and {{ valid_on('seed', 'given.in_force_on') }}
    {% for field in ['target', 'floor'] %}
    union all
    select 'feed', la_code, 'KPI_TARGET', kpi_id || ' from ' || cast(valid_from as text), '{{ field }}',
        cast(cast({{ field }} as numeric(20, 6)) as text)
    from feed_target
    where {{ field }} is not null
    union all
    select 'seed', given.la_code, 'KPI_TARGET', given.kpi_id || ' from ' || cast(given.valid_from as text), '{{ field }}',
        cast(cast(seed.{{ field }} as numeric(20, 6)) as text)
    from feed_target as given
    inner join {{ ref('kpi_target') }} as seed
        on seed.kpi_id = given.kpi_id
        and seed.group_code = 'ALL'
        and seed.area_type is null
        and {{ valid_on('seed', 'given.valid_from') }}
    where seed.{{ field }} is not null
    {% endfor %}
)

select la_code, kind, subject, field,
    max(case when said_by = 'feed' then value end) as feed_value,
    max(case when said_by = 'seed' then value end) as seed_value
from statement
where subject is not null
group by la_code, kind, subject, field
