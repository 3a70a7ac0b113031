{#  What linkage found (plugins/neet/identity), for whoever joins another system's rows to people. #}
{{ config(
    meta={'increment': {'by': 'person', 'told_by': {'source:identity.link': 'identity.link_change'}, 'narrow': {'link': 'person_id'}}},
    indexes=[
        {'columns': ['la_code', 'person_id']},
        {'columns': ['la_code', 'source_feed', 'source_key'], 'unique': true}
    ]
) }}

select
    la_code,
    source_feed,
    source_key,
    person_id,
    young_persons_id,
    method,
    score,
    status,
    evidence,
    model_version,
    decision_id
from {{ source('identity', 'link') }}
