-- The warehouse's figures, worked out a second time by hand for DuckDB, sharing nothing with the dbt models but the raw
-- rows and the code, policy and KPI rows of the seeds. It is what a plain script costs that keeps no history, publishes
-- nothing and tests nothing, and it is a check: its tables must equal the warehouse's, person by person.
--
-- Given: raw_people, raw_activities, raw_characteristics, delivery, submission and returned (as in PostgreSQL, text as
-- delivered) and the seeds la, activity_code, cohort_status, characteristic_code, currency_rule, policy,
-- reporting_group, duration_band, kpi_definition, kpi_window (all text). Makes: person, activity, segment, spell,
-- cohort_month, flow, kpi. Persons and activities keep their Core+ identifiers. Of the two bases only restated is made.

create macro day_of(text) as
    case when regexp_full_match(text, '\d{4}-\d{2}-\d{2}') then try_cast(text as date) end;
create macro filled(text) as nullif(trim(text), '');
create macro holds(valid_from, valid_to, day) as
    coalesce(try_cast(valid_from as date) <= day, true) and coalesce(try_cast(valid_to as date) > day, true);
create macro september_on_or_before(day) as
    make_date(year(day) - (month(day) < 9)::int, 9, 1);
create macro rule_of(name) as (select value from policy where policy_id = name);

-- The newest month that an extract of people covers, and the month ends since the first.
create table reported as
select
    case when last_day(max(as_at)) = max(as_at) then max(as_at)
        else date_trunc('month', max(as_at))::date - 1 end as period_end,
    last_day(min(as_at)) as first_month_end
from delivery
where feed = 'core_plus_people' and as_at is not null;

create table month_end as
select last_day(month::date) as month_end
from reported, unnest(generate_series(date_trunc('month', first_month_end), period_end::timestamp, interval 1 month)) as m (month);

-- Last word of each key.
create table person as
select
    young_persons_id as person,
    filled(cohort_status) as status,
    day_of(cohort_status_on) as status_on,
    day_of(cohort_entry_on) as entered_on,
    day_of(dob) as dob,
    filled(district_code) as district,
    case when send_flag = 'Y' then 'EHCP' when sen_support_flag = 'Y' then 'SEN_SUPPORT' else 'NONE' end as sen_group
from (
    select * from raw_people qualify row_number() over (partition by row_key order by delivery_seq desc) = 1
) as newest
where operation <> 'D'
    and not exists (
        select 1 from la
        where la.la_code = filled(lead_lea) and la.kind in ('ENGLISH_LA', 'SERVICE_CHILDREN')
            and la.la_code <> newest.la_code
    );

create table activity as
with typed as (
    select
        activity_id as activity,
        young_persons_id as person,
        filled(activity_code) as code,
        day_of(start_on) as began,
        day_of(end_on) + 1 as over_on,
        day_of(ascertained_on) as ascertained_on,
        day_of(verified_on) as verified_on,
        day_of(review_on) as review_on,
        day_of(predicted_end_on) as predicted_end_on,
        day_of(due_to_lapse_on) as recorded_due_on,
        day_of(neet_start_on) as recorded_neet_on,
        coalesce(day_of(verified_on), day_of(start_on)) as confirmed_on
    from (
        select * from raw_activities qualify row_number() over (partition by row_key order by delivery_seq desc) = 1
    )
    where operation <> 'D'
),
ruled as (
    select
        typed.*,
        code.status_bucket,
        code.participation_route,
        coalesce(code.is_in_rate_denominator = 'true', true) as counts,
        rule.rule_kind,
        rule.is_capped_at_predicted_end = 'true' as is_capped,
        case rule.rule_kind
            when 'academic_year_end' then (september_on_or_before(confirmed_on) + interval 1 year)::date - 1
            when 'review_plus_days' then review_on + rule.amount::int
            when 'months_after_verified' then (verified_on + to_months(rule.amount::int))::date
        end as rule_due_on
    from typed
    left join activity_code as code
        on code.activity_code = typed.code and holds(code.valid_from, code.valid_to, typed.began)
    left join currency_rule as rule
        on rule.activity_code = typed.code and holds(rule.valid_from, rule.valid_to, typed.confirmed_on)
),
due as (
    select
        *,
        case
            when coalesce(rule_kind, 'none') = 'none' then null
            when recorded_due_on is not null then recorded_due_on
            when is_capped and predicted_end_on < rule_due_on then predicted_end_on
            else rule_due_on
        end as due_on
    from ruled
)
select * exclude (status_bucket, rule_kind, is_capped, rule_due_on),
    coalesce(status_bucket, 'OTHER') as bucket,
    -- The last day of currency still counts.
    due_on + case rule_of('lapse_basis') when 'due_before_date' then 1 else 0 end as lapsed_from
from due;

-- Days on which something about a person changes; on each, the activity that began last decides.
create table change as
with day as (
    select person, unnest([began, over_on,
        case when lapsed_from > began and coalesce(lapsed_from < over_on, true) then lapsed_from end]) as on_day
    from activity
    where began is not null and coalesce(over_on > began, true)
)
select distinct person, on_day from day where on_day is not null;

create table state as
select
    person,
    on_day,
    best.activity as activity,
    best.code as code,
    coalesce(best.lapsed_from <= on_day, false) as is_lapsed,
    case when best.activity is null or coalesce(best.lapsed_from <= on_day, false) then 'NOT_KNOWN' else best.bucket end as bucket
from (
    select
        change.person,
        change.on_day,
        arg_max(
            {activity: activity.activity, code: activity.code, lapsed_from: activity.lapsed_from, bucket: activity.bucket},
            (activity.began, coalesce(activity.ascertained_on, date '0001-01-01'),
             coalesce(activity.verified_on, date '0001-01-01'), activity.activity)
        ) as best
    from change
    left join activity
        on activity.person = change.person
        and activity.began <= change.on_day
        and coalesce(change.on_day < activity.over_on, true)
    group by all
);

create table segment as
select
    person, activity, code, is_lapsed, bucket, on_day as began,
    lead(on_day) over (partition by person order by on_day) as over_on
from (
    select
        *,
        row_number() over by_day = 1 or (activity, is_lapsed) is distinct from lag((activity, is_lapsed)) over by_day as is_change
    from state
    window by_day as (partition by person order by on_day)
)
where is_change;

-- NEET spells. A life up to the month reported, as runs of one bucket; a run of anything but NEET or not known ends the
-- spell before it, unless it is a stay in education, employment or training within the tolerance.
create table spell_segment as
with lived as (
    select segment.*, period_end
    from segment, reported
    where began <= period_end
        and person in (select person from segment where bucket = 'NEET')
),
numbered as (
    select *, sum(is_new::int) over (partition by person order by began) as run
    from (select *, bucket is distinct from lag(bucket) over (partition by person order by began) as is_new from lived)
),
run as (
    select
        person, run, any_value(bucket) as bucket,
        any_value(bucket) not in ('NEET', 'NOT_KNOWN') and (
            any_value(bucket) <> 'EET' or bool_or(over_on is null)
            or max(over_on) > max(period_end) + 1
            or max(over_on) - min(began) > rule_of('neet_gap_tolerance_days')::int
        ) as is_end
    from numbered
    group by person, run
),
stretch as (
    select person, run, sum(is_end::int) over (partition by person order by run) as stretch from run
),
within as (
    select
        numbered.*, stretch.stretch,
        stretch.stretch < max(stretch.stretch) over (partition by person) as is_cut,
        min(began) filter (bucket = 'NEET') over (partition by person, stretch.stretch) as first_neet_on,
        max(began) filter (bucket = 'NEET') over (partition by person, stretch.stretch) as last_neet_on
    from numbered join stretch using (person, run)
)
select
    *,
    dense_rank() over (partition by person order by stretch) as number,
    least(coalesce(over_on, period_end + 1), period_end + 1) as counted_until
from within
where began between first_neet_on and last_neet_on;

create table spell as
with one_by_one as (
select
    one.person,
    one.number,
    any_value(activity.recorded_neet_on) as recorded_on,
    any_value(first_neet_on) as first_neet_on,
    case when bool_or(one.began = last_neet_on and coalesce(one.over_on > period_end, true)) then null
        else max(counted_until) end as over_on,
    max(counted_until) as seen_until,
    bool_or(one.is_cut) as is_cut,
    coalesce(sum(counted_until - one.began) filter (bucket_of = 'NOT_KNOWN'), 0)::int as not_known_days,
    coalesce(sum(counted_until - one.began) filter (bucket_of not in ('NEET', 'NOT_KNOWN')), 0)::int as gap_days
from (select *, bucket as bucket_of from spell_segment) as one
left join activity
    on one.began = one.first_neet_on and activity.activity = one.activity
group by one.person, one.number
)
select
    person, number,
    if(recorded_on between coalesce(lag(seen_until) over (partition by person order by number), date '0001-01-01')
        and first_neet_on, recorded_on, first_neet_on) as neet_on,
    first_neet_on, over_on, over_on is not null and not is_cut as is_suspended, not_known_days, gap_days
from one_by_one;

create table cohort_month as
with present as (
    select
        person.*,
        month_end.month_end,
        month_end = period_end as is_reported,
        coalesce(was.is_leaver = 'true', false) as is_leaver,
        coalesce(was.is_leaver = 'true' and status_on > month_end, false) as left_later,
        coalesce(status_on > month_end, false) as was_other,
        year(september_on_or_before(month_end)) - year(dob) - (month(dob) >= 9)::int as academic_age
    from person
    cross join reported
    join month_end
        on coalesce(entered_on <= month_end, true)
    left join cohort_status as was
        on was.cohort_status_code = person.status and holds(was.valid_from, was.valid_to, month_end)
),
-- Who left is returned once: in the month of leaving, or later if they were returned as present the last time.
returned_as as (
    select
        returned.young_persons_id as person, counting.census_point, returned.cohort_status as status,
        coalesce(was.is_leaver = 'true', false) as has_left
    from (
        select * from submission where outcome = 'sealed'
        qualify row_number() over (partition by census_point order by delivery_seq desc) = 1
    ) as counting
    join returned using (submission_id)
    left join cohort_status as was
        on was.cohort_status_code = returned.cohort_status
),
told as (
    select person, arg_max(has_left, census_point) as has_left
    from returned_as
    where census_point < (select strftime(period_end, '%Y-%m') from reported)
    group by all
),
kept as (
    select present.* replace (case when was_other then coalesce(then_.status, 'P') else present.status end as status)
    from present
    left join returned_as as then_
        on then_.person = present.person and then_.census_point = strftime(month_end, '%Y-%m') and not then_.has_left
    left join told
        on told.person = present.person
    where not is_leaver
        or left_later
        or (
            is_reported and not coalesce(told.has_left, false)
            and (told.person is not null or present.status_on >= date_trunc('month', month_end))
        )
),
vulnerable as (
    select distinct young_persons_id as person, month_end
    from (
        select * from raw_characteristics qualify row_number() over (partition by row_key order by delivery_seq desc) = 1
    ) as known
    join characteristic_code as code
        on code.characteristic_code = filled(known.characteristic_code) and code.is_in_vulnerable_group = 'true'
    join month_end
        on day_of(start_on) <= month_end and coalesce(month_end <= day_of(end_on), true)
    where operation <> 'D'
),
placed as (
    select
        kept.*,
        segment.activity,
        segment.code,
        coalesce(segment.is_lapsed, false) as is_lapsed,
        coalesce(segment.bucket, 'NOT_KNOWN') as bucket,
        case when not segment.is_lapsed then activity.participation_route end as route,
        coalesce(academic_age between rule_of('measured_age_from')::int and rule_of('measured_age_to')::int, false)
            and coalesce(status.is_measured = 'true', false) as is_measured,
        coalesce(activity.counts, true) as counts,
        vulnerable.person is not null as is_vulnerable
    from kept
    asof left join segment
        on segment.person = kept.person and segment.began <= kept.month_end
    left join activity using (activity)
    left join cohort_status as status
        on status.cohort_status_code = kept.status and holds(status.valid_from, status.valid_to, kept.month_end)
    left join vulnerable
        on vulnerable.person = kept.person and vulnerable.month_end = kept.month_end
),
neet as (
    select
        placed.person,
        placed.month_end,
        now.number,
        coalesce(sum(earlier.over_on - earlier.began) filter (earlier.bucket = 'NOT_KNOWN'), 0) as not_known_days
    from placed
    join spell_segment as now
        on now.person = placed.person and now.began <= placed.month_end and coalesce(placed.month_end < now.over_on, true)
    join spell_segment as earlier
        on earlier.person = now.person and earlier.number = now.number and earlier.began <= now.began
    where placed.bucket = 'NEET'
    group by all
)
select
    placed.month_end, placed.person, status, academic_age,
    academic_age - rule_of('year_group_below_academic_age')::int as year_group,
    district, activity, code, bucket, is_lapsed, route is not null as is_participating, route, is_measured,
    is_measured and counts as is_counted, sen_group, is_vulnerable,
    spell.number as spell_number, spell.neet_on,
    placed.month_end - spell.neet_on as neet_days,
    (placed.month_end - spell.neet_on - neet.not_known_days)::int as known_neet_days
from placed
left join neet
    on neet.person = placed.person and neet.month_end = placed.month_end
left join spell
    on spell.person = neet.person and spell.number = neet.number;

-- A person counts in the county and the district, in ALL and in each of their groups.
create table counted as
select
    cohort_month.*, area.area_type, case area.area_type when 'county' then '886' else coalesce(district, 'NOT_RECORDED') end as area,
    reporting_group.group_code as grp
from cohort_month
cross join (values ('county'), ('district')) as area (area_type)
join reporting_group
    on coalesce(reporting_group.sen_group = cohort_month.sen_group, true)
    and (reporting_group.is_vulnerable_only <> 'true' or is_vulnerable)
where is_counted;

create table cell as
select
    month_end, area_type, area, grp,
    count(*) as cohort,
    count(*) filter (bucket = 'NEET') as neet,
    count(*) filter (bucket = 'NOT_KNOWN') as not_known,
    count(*) filter (bucket in ('NEET', 'NOT_KNOWN')) as neet_or_not_known,
    count(*) filter (bucket = 'EET') as eet,
    count(route) as participating,
    count(*) filter (route = 'FULL_TIME_EDUCATION') as full_time_education,
    count(*) filter (route = 'APPRENTICESHIP') as apprenticeship,
    count(*) filter (route = 'OTHER_EDUCATION_AND_TRAINING') as other_education_and_training,
    count(*) filter (bucket = 'NEET' and neet_days > rule_of('neet_over_06_weeks_days')::int) as neet_over_06_weeks,
    count(*) filter (bucket = 'NEET' and neet_days > rule_of('neet_over_12_weeks_days')::int) as neet_over_12_weeks,
    count(*) filter (bucket = 'NEET' and neet_days > rule_of('neet_over_52_weeks_days')::int) as neet_over_52_weeks
from counted
group by all;

create table band_cell as
select cell.month_end, cell.area_type, cell.area, cell.grp, band.measure, count(counted.person) as n
from cell
cross join duration_band as band
left join counted
    on counted.month_end = cell.month_end and counted.area_type = cell.area_type and counted.area = cell.area
    and counted.grp = cell.grp and counted.bucket = 'NEET'
    and coalesce(neet_days > band.more_than_days::int, true) and coalesce(neet_days <= band.up_to_days::int, true)
group by all;

create table flow as
with member as (
    select month_end, person, area_type, area, grp, 'cohort' as measure from counted
    union all
    select month_end, person, area_type, area, grp, lower(bucket) from counted where bucket in ('NEET', 'NOT_KNOWN', 'EET')
),
pair as (
    select one.month_end as closing_on, date_trunc('month', one.month_end)::date - 1 as opening_on
    from (select distinct month_end from cell) as one
    where exists (select 1 from cell where cell.month_end = date_trunc('month', one.month_end)::date - 1)
),
place as (
    select distinct closing_on, opening_on, area_type, area, grp, unnest(['cohort', 'neet', 'not_known', 'eet']) as measure
    from pair join cell on cell.month_end in (closing_on, opening_on)
),
at_end as (
    select month_end, area_type, area, grp, measure, count(*) as n from member group by all
),
stayed as (
    select closed.month_end as closing_on, closed.area_type, closed.area, closed.grp, closed.measure, count(*) as n
    from member as closed
    join member as opened
        on opened.person = closed.person and opened.area_type = closed.area_type and opened.area = closed.area
        and opened.grp = closed.grp and opened.measure = closed.measure
        and opened.month_end = date_trunc('month', closed.month_end)::date - 1
    group by all
)
select
    place.closing_on as month_end, place.area_type, place.area, place.grp, place.measure,
    coalesce(opened.n, 0) as opening,
    coalesce(closed.n, 0) - coalesce(stayed.n, 0) as joiners,
    coalesce(opened.n, 0) - coalesce(stayed.n, 0) as leavers,
    coalesce(closed.n, 0) as closing
from place
left join at_end as opened
    on opened.month_end = place.opening_on and opened.area_type = place.area_type and opened.area = place.area
    and opened.grp = place.grp and opened.measure = place.measure
left join at_end as closed
    on closed.month_end = place.closing_on and closed.area_type = place.area_type and closed.area = place.area
    and closed.grp = place.grp and closed.measure = place.measure
left join stayed
    on stayed.closing_on = place.closing_on and stayed.area_type = place.area_type and stayed.area = place.area
    and stayed.grp = place.grp and stayed.measure = place.measure;

create table kpi as
with figure as (
    select * from (unpivot cell on columns(* exclude (month_end, area_type, area, grp)) into name measure value n)
    union all by name
    select month_end, area_type, area, grp, measure, n from band_cell
    union all by name
    select month_end, area_type, area, grp, 'neet_joiners' as measure, joiners as n from flow where measure = 'neet'
    union all by name
    select month_end, area_type, area, grp, 'neet_leavers' as measure, leavers as n from flow where measure = 'neet'
),
period as (
    select
        window_code,
        coalesce(period_prefix || (year(month_end) + year_offset::int), strftime(month_end, '%Y-%m')) as period,
        list(month_end) as months, max(month_end) as ends_on
    from (select distinct month_end from cell)
    join (select *, count(*) over (partition by window_code) as months_of_window from kpi_window) as kpi_window
        on kpi_window.month_of_year::int = month(month_end)
    group by window_code, period, months_of_window
    having window_code = 'MONTH' or count(*) = months_of_window
),
part as (
    select kpi_id, unit, period, ends_on, unnest(months) as month_end, numerator_measure, denominator_measure, definition.group_code
    from kpi_definition as definition
    join period using (window_code)
    where holds(valid_from, valid_to, ends_on) and needs_publication <> 'true'
),
summed as (
    select kpi_id, unit, period, ends_on, over_figure.area_type, over_figure.area, over_figure.grp, over_figure.n, below.n as whole
    from part
    join figure as over_figure
        on over_figure.month_end = part.month_end and over_figure.measure = numerator_measure
        and part.group_code in ('EACH', over_figure.grp)
    left join figure as below
        on below.month_end = part.month_end and below.measure = denominator_measure
        and below.area_type = over_figure.area_type and below.area = over_figure.area and below.grp = over_figure.grp
)
select
    kpi_id, period, ends_on, area_type, area, grp,
    sum(n)::bigint as numerator, sum(whole)::bigint as denominator
from summed
group by all;
