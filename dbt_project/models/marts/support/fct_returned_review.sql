{#  Sheets that services returned, and whether Core+ has taken over what they confirm: the same status on the as-at day,
    by an activity ascertained or verified since the review; for who moved, a cohort status that says so. #}
with review as (
    select
        known.la_code,
        known.row_key,
        {{ to_text('known.young_persons_id') }} as young_persons_id,
        {{ to_date('known.reviewed_on') }} as reviewed_on,
        {{ code_form('known.service_code') }} as service_code,
        {{ code_form('known.confirmed_status') }} as confirmed_status,
        {{ to_text('known.activity_code') }} as activity_code,
        {{ to_date('known.started_on') }} as started_on,
        {{ code_form('known.comment_code') }} as comment_code,
        coalesce({{ code_form('known.is_reviewed') }} = 'Y', false) as is_reviewed,
        known.known_from
    from {{ as_known(ref('hist_shared_folder_reviews')) }} as known
),

judged as (
    select
        review.*,
        as_at.as_at,
        person.person_id as core_plus_person_id,
        person.district_code,
        person.owner_service_code,
        segment.status_bucket as core_plus_status,
        segment.activity_code as core_plus_activity_code,
        case review.confirmed_status
            when 'MOVED' then coalesce(status.is_leaver, false)
            else coalesce(
                segment.status_bucket = review.confirmed_status
                and (review.activity_code is null or review.activity_code = segment.activity_code)
                and (review.confirmed_status = 'NOT_KNOWN'
                    or greatest(activity.ascertained_on, activity.verified_on) >= review.reviewed_on), false)
        end as is_in_core_plus,
        row_number() over (
            partition by review.la_code, review.young_persons_id
            -- a row that nobody has looked at yet has no date, and says less than any that somebody has
            order by case when review.reviewed_on is null then 1 else 0 end, review.reviewed_on desc, {{ bytewise('review.row_key') }} desc
        ) as newest_first
    from review
    inner join {{ ref('int_as_at') }} as as_at
        on as_at.la_code = review.la_code
    {{ join_core_plus('review') }}
    left join {{ ref('int_status_segment') }} as segment
        on segment.la_code = person.la_code
        and segment.person_id = person.person_id
        and {{ in_force('segment.starts_on', 'segment.ends_before', 'as_at.as_at') }}
    left join {{ ref('int_activity_spell') }} as activity
        on activity.la_code = segment.la_code and activity.activity_spell_id = segment.activity_spell_id
    left join {{ ref('cohort_status_codes') }} as status
        on status.cohort_status_code = person.cohort_status_code
        and {{ valid_on('status', 'as_at.as_at') }}
)

select
    la_code,
    {{ key_of(['la_code', "'review sheet'", 'row_key']) }} as returned_review_key,
    coalesce(core_plus_person_id, {{ person_key('la_code', 'young_persons_id') }}) as person_id,
    young_persons_id,
    core_plus_person_id is not null as is_on_core_plus,
    district_code,
    owner_service_code,
    service_code,
    reviewed_on,
    is_reviewed,
    confirmed_status,
    activity_code,
    started_on,
    comment_code,
    core_plus_status,
    core_plus_activity_code,
    is_in_core_plus,
    newest_first = 1 as is_latest_of_person,
    is_reviewed and newest_first = 1 and confirmed_status is not null and not is_in_core_plus as is_to_be_entered,
    case when is_reviewed and newest_first = 1 and confirmed_status is not null and not is_in_core_plus
        then {{ days_between('reviewed_on', 'as_at') }} end as days_waiting,
    known_from
from judged
