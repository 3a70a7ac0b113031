{#  Whom to believe: of everything the other systems say about a person and kind at a time, the statement of the system
    whose rule comes first, and among equals of the one that speaks of the latest day. #}
{{ config(meta={'increment': {'by': 'person'}}, indexes=[{'columns': ['la_code', 'person_id']}]) }}
with piece as (
    select
        claim.la_code,
        claim.person_id,
        claim.conflict_kind,
        claim.source_feed,
        claim.source_key,
        claim.piece_from_seq,
        claim.piece_to_seq,
        claim.says,
        claim.said_on,
        claim.told_on,
        claim.activity_code,
        claim.school_number,
        claim.ukprn,
        coalesce(rule.precedence, 1) as precedence
    from {{ ref('int_source_claim') }} as claim
    left join {{ ref('conflict_rule') }} as rule
        on rule.conflict_kind = claim.conflict_kind
        and rule.source_feed = claim.source_feed
        and {{ valid_on('rule', 'claim.told_on') }}
)

select *
from (
    {{ first_said(
        'piece', ['la_code', 'person_id', 'conflict_kind'],
        ['piece.precedence', 'piece.said_on desc nulls last', 'piece.told_on desc nulls last',
         bytewise('piece.source_feed'), bytewise('piece.source_key')],
        ['says', 'source_feed', 'source_key', 'activity_code', 'school_number', 'ukprn', 'said_on', 'told_on'],
        ['says', 'source_feed', 'source_key', 'activity_code', 'school_number', 'ukprn', 'said_on']) }}
) as said
