{#  An error for MI, who settles it in Core+; the warehouse merges nobody (design rule 11). A record that Core+ has
    marked as a duplicate already is settled. #}
select
    pair.la_code,
    pair.young_persons_id,
    pair.other_young_persons_id,
    one.person_id,
    other.person_id as other_person_id,
    one.cohort_status_code,
    other.cohort_status_code as other_cohort_status_code,
    one.cohort_status_code = 'M' or other.cohort_status_code = 'M' as is_marked,
    one.district_code,
    'MI' as owner_service,
    pair.method,
    pair.score,
    pair.evidence,
    pair.model_version
from {{ source('identity', 'core_plus_duplicate') }} as pair
-- By the person's key, which is indexed: the pairs are few and the people are many.
inner join {{ ref('int_young_person') }} as one
    on one.la_code = pair.la_code
    and one.person_id = {{ person_key('pair.la_code', 'pair.young_persons_id') }}
inner join {{ ref('int_young_person') }} as other
    on other.la_code = pair.la_code
    and other.person_id = {{ person_key('pair.la_code', 'pair.other_young_persons_id') }}
