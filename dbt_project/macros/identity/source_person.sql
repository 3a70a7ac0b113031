{#  The people of one feed: of each source key the newest version that was known, also when its row has gone since.

    feed    the feed
    key     columns that together say who a row is about
    says    what the feed says about the person: our column -> its column; what it does not say is empty
    texts   every column of ours that holds text #}
{% macro source_person(feed, key, says, texts) %}
select
    la_code,
    '{{ feed }}' as source_feed,
    {{ key | join(" || '|' || ") }} as source_key,
    provider,
    row_key,
    known_from_seq,
    is_newest as is_current,
    {%- for ours in texts %}
    {{ to_text(says[ours]) if ours in says else 'cast(null as text)' }} as {{ ours }},
    {%- endfor %}
    {{ to_date(says['dob']) if 'dob' in says else 'cast(null as date)' }} as dob
from (
    select
        known.*,
        row_number() over (partition by la_code, row_key order by known_from_seq desc) = 1 as is_newest
    from {{ as_known(ref('hist_' ~ feed), versions='all') }} as known
) as version
where not is_deleted
{% endmacro %}
