{#  Who is NEET at the month reported and what they want, against the places that are left. Somebody who wants two sectors
    is counted in both, so rows do not add up to people; whose wish or level is not recorded stands in a row that says so. #}
with neet as (
    select
        spell.la_code,
        spell.month_end,
        spell.person_id,
        spell.district_code
    from {{ ref('int_neet_length') }} as spell
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = spell.la_code and point.period_end = spell.month_end
    where spell.spell_state = 'open'
),

held as (
    select neet.la_code, neet.person_id, max(need.level_looked_for) as level_code
    from neet
    inner join {{ ref('fct_need') }} as need
        on need.la_code = neet.la_code
        and need.person_id = neet.person_id
        and need.need_kind = 'LEVEL'
        and {{ in_force('need.started_on', 'need.ends_before', 'neet.month_end') }}
    group by neet.la_code, neet.person_id
),

wanted as (
    select
        neet.la_code,
        neet.district_code,
        coalesce(need.need_code, 'NOT_RECORDED') as sector_code,
        coalesce(held.level_code, 'NOT_RECORDED') as level_code,
        cast(count(distinct neet.person_id) as integer) as neet_people
    from neet
    left join {{ ref('fct_need') }} as need
        on need.la_code = neet.la_code
        and need.person_id = neet.person_id
        and need.need_kind = 'ASPIRATION'
        and {{ in_force('need.started_on', 'need.ends_before', 'neet.month_end') }}
    left join held
        on held.la_code = neet.la_code and held.person_id = neet.person_id
    group by 1, 2, 3, 4
),

offered as (
    select
        la_code,
        coalesce(district_code, 'NOT_RECORDED') as district_code,
        coalesce(sector_code, 'NOT_RECORDED') as sector_code,
        coalesce(qualification_level, 'NOT_RECORDED') as level_code,
        cast(count(*) as integer) as courses,
        cast(sum(places) as integer) as places,
        cast(sum(places_left) as integer) as places_left,
        cast(sum(case when is_yet_to_start then places_left end) as integer) as places_left_yet_to_start
    from {{ ref('fct_course_offer') }}
    group by 1, 2, 3, 4
),

cell as (
    select la_code, district_code, sector_code, level_code from wanted
    union
    select la_code, district_code, sector_code, level_code from offered
)

select
    cell.la_code,
    point.period_end as month_end,
    cell.district_code,
    cell.sector_code,
    cell.level_code,
    coalesce(wanted.neet_people, 0) as neet_people,
    coalesce(offered.courses, 0) as courses,
    coalesce(offered.places, 0) as places,
    coalesce(offered.places_left, 0) as places_left,
    coalesce(offered.places_left_yet_to_start, 0) as places_left_yet_to_start,
    greatest(coalesce(wanted.neet_people, 0) - coalesce(offered.places_left, 0), 0) as people_without_place
from cell
inner join {{ ref('int_reporting_point') }} as point
    on point.la_code = cell.la_code
left join wanted
    on wanted.la_code = cell.la_code
    and wanted.district_code = cell.district_code
    and wanted.sector_code = cell.sector_code
    and wanted.level_code = cell.level_code
left join offered
    on offered.la_code = cell.la_code
    and offered.district_code = cell.district_code
    and offered.sector_code = cell.sector_code
    and offered.level_code = cell.level_code
