select
    link.la_code,
    link.source_feed,
    link.source_key,
    link.person_id,
    link.young_persons_id,
    link.status,
    link.method,
    link.score,
    link.evidence,
    link.model_version,
    link.decision_id,
    record.is_current,
    record.provider,
    feed_rule.one_key_within
from {{ ref('int_person_link') }} as link
inner join {{ ref('int_source_person') }} as record
    on record.la_code = link.la_code
    and record.source_feed = link.source_feed
    and record.source_key = link.source_key
left join {{ ref('identity_source') }} as feed_rule
    on feed_rule.source_feed = link.source_feed
    and feed_rule.valid_to is null
