{#  The first delivery of each feed: what a system says of a kind begins with it, silence until then is no empty field. #}
select la_code, feed, min(seq) as first_seq
from {{ ref('int_known_clock') }}
group by la_code, feed
