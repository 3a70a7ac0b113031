{#  The counts that every rate is made of. A person counts once in the county and once in their district, in ALL and in
    each reporting group they belong to. #}
with person as (
    select * from {{ ref('int_measured_month') }}
),

band as (
    select * from {{ ref('neet_duration_band') }}
),

weeks as (
    select
        la_code,
        month_end,
        {{ policy('neet_over_06_weeks_days', 'month_end') }} as over_06,
        {{ policy('neet_over_12_weeks_days', 'month_end') }} as over_12,
        {{ policy('neet_over_52_weeks_days', 'month_end') }} as over_52
    from (select distinct la_code, month_end from person) as month_end
),

-- Counted first by what tells people apart, so that the county and the groups are sums of few rows.
cell as (
    select
        person.basis,
        person.la_code,
        person.month_end,
        coalesce(person.district_code, 'NOT_RECORDED') as district_code,
        person.sen_group,
        coalesce(person.is_vulnerable, false) as is_vulnerable,
        count(*) as cohort,
        sum(case when person.status_bucket = 'NEET' then 1 else 0 end) as neet,
        sum(case when person.status_bucket = 'NOT_KNOWN' then 1 else 0 end) as not_known,
        sum(case when person.status_bucket in ('NEET', 'NOT_KNOWN') then 1 else 0 end) as neet_or_not_known,
        sum(case when person.status_bucket = 'EET' then 1 else 0 end) as eet,
        sum(case when person.participation_route is not null then 1 else 0 end) as participating,
        {% for route in ('full_time_education', 'apprenticeship', 'other_education_and_training') %}
        sum(case when person.participation_route = '{{ route | upper }}' then 1 else 0 end) as {{ route }},
        {% endfor %}
        {% for weeks in ('06', '12', '52') %}
        sum(case when person.status_bucket = 'NEET' and person.neet_days > weeks.over_{{ weeks }} then 1 else 0 end)
            as neet_over_{{ weeks }}_weeks,
        {% endfor %}
        {% for measure in duration_band_measures() %}
        sum(case when person.status_bucket = 'NEET' and band.measure = '{{ measure }}' then 1 else 0 end) as {{ measure }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from person
    inner join weeks
        on weeks.la_code = person.la_code and weeks.month_end = person.month_end
    left join band
        on person.status_bucket = 'NEET'
        and (band.more_than_days is null or person.neet_days > band.more_than_days)
        and (band.up_to_days is null or person.neet_days <= band.up_to_days)
    group by 1, 2, 3, 4, 5, 6
)

select
    cell.basis,
    cell.la_code,
    cell.month_end,
    area.area_type,
    case area.area_type when 'county' then cell.la_code else cell.district_code end as area_code,
    reporting_group.group_code,
    {% for measure in cohort_measures() %}
    {{ to_long('sum(cell.' ~ measure ~ ')') }} as {{ measure }}
    {{- ',' if not loop.last }}
    {% endfor %}
from cell
cross join (select 'county' as area_type union all select 'district') as area
inner join {{ ref('reporting_group') }} as reporting_group
    on (reporting_group.sen_group is null or reporting_group.sen_group = cell.sen_group)
    and (not reporting_group.is_vulnerable_only or cell.is_vulnerable)
group by 1, 2, 3, 4, 5, 6
