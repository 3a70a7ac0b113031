{#  The segments that make up NEET spells (kpis.md section 4). Read as a person's life: runs of NEET, of not known, of
    education, employment or training (EET), and of anything else. An EET run longer than the tolerance, or still going
    on at the month reported, breaks the life in two, and so does anything else; whatever NEET runs remain together are
    one spell, however long the person was not known in between. docs/neet-duration.md has the rules and their cases. #}
{{ config(
    meta={'increment': {'by': 'person'}},
    indexes=[{'columns': ['la_code', 'person_id']}]
) }}
with segment as (
    select
        segment.la_code,
        segment.person_id,
        segment.starts_on,
        segment.ends_before,
        segment.activity_spell_id,
        segment.status_bucket,
        {{ ends_before('point.period_end') }} as period_ends_before,
        cast(tolerance.value as integer) as gap_tolerance_days
    from {{ ref('int_status_segment') }} as segment
    inner join {{ ref('int_reporting_point') }} as point
        on point.la_code = segment.la_code and segment.starts_on <= point.period_end
    left join {{ ref('policy') }} as tolerance
        on tolerance.policy_id = 'neet_gap_tolerance_days' and {{ valid_on('tolerance', 'point.period_end') }}
    -- Six people in seven were never NEET.
    where exists (
        select 1
        from {{ ref('int_status_segment') }} as neet
        where neet.la_code = segment.la_code
            and neet.person_id = segment.person_id
            and neet.status_bucket = 'NEET'
    )
),

marked as (
    select
        segment.*,
        case when status_bucket = lag(status_bucket) over (partition by la_code, person_id order by starts_on) then 0 else 1 end as is_new_run
    from segment
),

in_run as (
    select
        marked.*,
        sum(is_new_run) over (partition by la_code, person_id order by starts_on) as run_number
    from marked
),

run as (
    select
        la_code,
        person_id,
        run_number,
        case
            when min(status_bucket) in ('NEET', 'NOT_KNOWN') then 0
            when min(status_bucket) <> 'EET' then 1
            when count(*) > count(ends_before) or max(ends_before) > max(period_ends_before) then 1
            when {{ days_between('min(starts_on)', 'max(ends_before)') }}
                > min(gap_tolerance_days) then 1
            else 0
        end as is_break
    from in_run
    group by la_code, person_id, run_number
),

in_stretch as (
    select
        in_run.*,
        stretch.stretch_number,
        max(stretch.stretch_number) over (partition by in_run.la_code, in_run.person_id) as last_stretch_number,
        min(case when in_run.status_bucket = 'NEET' then in_run.starts_on end)
            over (partition by in_run.la_code, in_run.person_id, stretch.stretch_number) as first_neet_on,
        max(case when in_run.status_bucket = 'NEET' then in_run.starts_on end)
            over (partition by in_run.la_code, in_run.person_id, stretch.stretch_number) as last_neet_on
    from in_run
    inner join (
        select
            run.*,
            sum(is_break) over (partition by la_code, person_id order by run_number) as stretch_number
        from run
    ) as stretch
        on stretch.la_code = in_run.la_code
        and stretch.person_id = in_run.person_id
        and stretch.run_number = in_run.run_number
)

select
    la_code,
    person_id,
    cast(dense_rank() over (partition by la_code, person_id order by stretch_number) as integer) as neet_spell_number,
    starts_on,
    ends_before,
    status_bucket,
    activity_spell_id,
    starts_on = first_neet_on as is_first_of_spell,
    starts_on = last_neet_on as is_last_of_spell,
    stretch_number < last_stretch_number as is_spell_broken_off
from in_stretch
where starts_on between first_neet_on and last_neet_on
