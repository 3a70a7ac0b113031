{#  Periods of known time, half open like every other: [from_seq, to_seq), in delivery numbers. What still stands ends at
    open_seq(), so that two periods overlap without a question about emptiness. #}

{% macro open_seq() %}cast(9223372036854775807 as bigint){% endmacro %}

{#  First delivery that no longer says so, as this run knows it. #}
{% macro known_until(column='known_to_seq') -%}
    case when {{ column }} <= {{ newest_seq() }} then {{ to_long(column) }} else {{ open_seq() }} end
{%- endmacro %}

{#  The first delivery of the day on which something dated begins: 0 when that lies before the first delivery,
    open_seq() when it has not come yet, `if_empty` for no date. #}
{% macro seq_of_day(day, found, last_day, if_empty) -%}
    case
        when {{ day }} is null then {{ if_empty }}
        when {{ found }} is not null then {{ found }}
        when {{ day }} > {{ last_day }} then {{ open_seq() }}
        else 0
    end
{%- endmacro %}

{#  Cuts dated versions into what they say: `means` from starts_on until ends_before, `means_afterwards` from then on (or
    nothing, if that is empty). A version is a row that a system held from delivery from_seq until to_seq; its dates are
    read by int_known_day, the warehouse's calendar of deliveries.

    version   the name of a relation with la_code, from_seq, to_seq, starts_on, ends_before, means, means_afterwards
    order_on  column that says when the event was; after the end it is the last day #}
{% macro cut_by_date(version, order_on='order_on') %}
    select
        cut.*,
        greatest(cut.from_seq, cut.start_seq) as piece_from_seq,
        least(cut.to_seq, cut.end_seq) as piece_to_seq,
        cut.means as says,
        cut.{{ order_on }} as said_on
    from ({{ dated_in_seq(version) }}) as cut
    where cut.means is not null
        and greatest(cut.from_seq, cut.start_seq) < least(cut.to_seq, cut.end_seq)

    union all

    select
        cut.*,
        greatest(cut.from_seq, cut.end_seq) as piece_from_seq,
        cut.to_seq as piece_to_seq,
        cut.means_afterwards as says,
        {{ add_days('cut.ends_before', -1) }} as said_on
    from ({{ dated_in_seq(version) }}) as cut
    where cut.means_afterwards is not null
        and cut.ends_before is not null
        and greatest(cut.from_seq, cut.end_seq) < cut.to_seq
{% endmacro %}

{% macro dated_in_seq(version) %}
        select
            {{ version }}.*,
            {{ seq_of_day(version ~ '.starts_on', 'first_day.first_seq', 'bound.last_day', '0') }} as start_seq,
            {{ seq_of_day(version ~ '.ends_before', 'end_day.first_seq', 'bound.last_day', open_seq()) }} as end_seq
        from {{ version }}
        inner join (
            select la_code, max(day) as last_day from {{ ref('int_known_day') }} group by la_code
        ) as bound on bound.la_code = {{ version }}.la_code
        left join {{ ref('int_known_day') }} as first_day
            on first_day.la_code = {{ version }}.la_code and first_day.day = {{ version }}.starts_on
        left join {{ ref('int_known_day') }} as end_day
            on end_day.la_code = {{ version }}.la_code and end_day.day = {{ version }}.ends_before
{% endmacro %}

{#  Of everything that is said about a subject at a time, what counts: cuts the time of `keys` wherever a piece begins or
    ends, takes the first piece by `order_by` in each cut, and glues together again what says the same.

    piece     relation with the keys, piece_from_seq, piece_to_seq
    keys      columns that say who and what
    order_by  expressions over `piece.`; the first one counts
    carry     columns to keep
    same      columns that must be equal for two cuts to be one
    needs     a column of the pieces, 1 or 0: nothing is said in a cut in which no piece has it #}
{% macro first_said(piece, keys, order_by, carry, same, needs=none) %}
    select
        {{ keys | join(', ') }},
        min(from_seq) as from_seq,
        max(to_seq) as to_seq,
        {%- for column in carry %}
        {{ 'min' if column not in same else 'max' }}(case when {{ 'true' if column in same else 'is_new = 1' }} then {{ column }} end) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            marked.*,
            sum(is_new) over (partition by {{ keys | join(', ') }} order by from_seq) as island
        from (
            select
                cut.*,
                case
                    when lag(to_seq) over (partition by {{ keys | join(', ') }} order by from_seq) = from_seq
                        {%- for column in same %}
                        and lag({{ column }}) over (partition by {{ keys | join(', ') }} order by from_seq)
                            is not distinct from {{ column }}
                        {%- endfor %}
                        then 0
                    else 1
                end as is_new
            from (
                select
                    ranked.*
                from (
                    select
                        {% for key in keys %}edge.{{ key }}, {% endfor %}
                        edge.from_seq,
                        edge.to_seq,
                        {% for column in carry %}piece.{{ column }}, {% endfor %}
                        row_number() over (
                            partition by {% for key in keys %}edge.{{ key }}, {% endfor %}edge.from_seq
                            order by {{ order_by | join(', ') }}
                        ) as place,
                        {% if needs %}
                        max(piece.{{ needs }}) over (partition by {% for key in keys %}edge.{{ key }}, {% endfor %}edge.from_seq)
                        {% else %}
                        1
                        {% endif %} as is_heard
                    from (
                        select
                            {{ keys | join(', ') }},
                            seq as from_seq,
                            lead(seq) over (partition by {{ keys | join(', ') }} order by seq) as to_seq
                        from (
                            select {{ keys | join(', ') }}, piece_from_seq as seq from {{ piece }}
                            union
                            select {{ keys | join(', ') }}, piece_to_seq from {{ piece }}
                        ) as every_edge
                    ) as edge
                    inner join {{ piece }} as piece
                        on {% for key in keys %}piece.{{ key }} = edge.{{ key }} and {% endfor %}
                        piece.piece_from_seq <= edge.from_seq
                        and piece.piece_to_seq > edge.from_seq
                    where edge.to_seq is not null
                ) as ranked
                where place = 1 and is_heard = 1
            ) as cut
        ) as marked
    ) as in_island
    group by {{ keys | join(', ') }}, island
{% endmacro %}

{#  Every version of the rows of a feed, with who they are about in its own system and the day they were told: that of
    the extract, or, where a file name states none, the day the warehouse had come to. #}
{% macro told_rows(feed, key) %}
(
        select
            hist.*,
            {{ key }} as key_of_person,
            coalesce(hist.version_as_at, clock.day) as told_day
        from {{ as_known(ref('hist_' ~ feed), versions='all') }} as hist
        inner join {{ ref('int_known_clock') }} as clock
            on clock.la_code = hist.la_code and clock.seq = hist.known_from_seq
    )
{% endmacro %}

{#  Versions of people in which `same` did not change, as one: a row that changed for another reason tells nothing new.
    since_on is the day of the extract that first said so. #}
{% macro people_while(relation, same) %}
    select
        la_code,
        person_id,
        {{ same | join(', ') }},
        min(from_seq) as from_seq,
        max(to_seq) as to_seq,
        min(version_as_at) as since_on
    from (
        select
            marked.*,
            sum(is_new) over (partition by la_code, person_id order by from_seq) as island
        from (
            select
                {{ relation }}.*,
                case
                    when lag(to_seq) over (partition by la_code, person_id order by from_seq) = from_seq
                        {%- for column in same %}
                        and lag({{ column }}) over (partition by la_code, person_id order by from_seq)
                            is not distinct from {{ column }}
                        {%- endfor %}
                        then 0
                    else 1
                end as is_new
            from {{ relation }}
        ) as marked
    ) as in_island
    group by la_code, person_id, island, {{ same | join(', ') }}
{% endmacro %}
