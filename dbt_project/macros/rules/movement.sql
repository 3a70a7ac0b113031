{#  The movement account: why a rate is another than it was (docs/movement-account.md). One statement of the rule for the
    marts, which hold the pairs that everybody asks about, and for the views, which answer for any two positions.

    A position is who was counted at a month end: as known now, or in one sealed return. Between two of them lies a
    waypoint, so that what was learnt late about the past and what happened are two legs. #}

{% macro movement_measures() %}{{ return(['neet', 'not_known', 'neet_or_not_known', 'participating']) }}{% endmacro %}

{#  What a person is counted by. Two states that agree in these are one state. #}
{% macro counted_columns() -%}
    {{ return(['district_code', 'sen_group', 'is_vulnerable'] + movement_measures()) }}
{%- endmacro %}

{#  A person is counted at an end exactly when a district stands there: it is never empty in int_position. #}
{% macro is_other_state(one, other) -%}
    (
        ({{ one }}district_code is null and {{ other }}district_code is not null)
        or ({{ one }}district_code is not null and {{ other }}district_code is null)
        {% for column in counted_columns() %}
        or {{ one }}{{ column }} <> {{ other }}{{ column }}
        {% endfor %}
    )
{%- endmacro %}

{#  Who changed, one row a pair, leg and person.

    pairs   a relation like int_position_pair #}
{% macro movement_legs(pairs) %}
{%- set columns = counted_columns() + ['activity_code', 'is_lapsed'] -%}
{%- set of_pair = ['la_code', 'opening_id', 'closing_id', 'comparison', 'opening_on', 'closing_on', 'through_id',
                   'waypoint', 'is_correction_first'] -%}
with both_ends as (
    {% for first, second in (('opening', 'closing'), ('closing', 'opening')) %}
    select
        {% for column in of_pair %}
        pair.{{ column }},
        {% endfor %}
        {{ first }}.person_id,
        {{ first }}.young_persons_id,
        {% for end in ('opening', 'closing') %}
        {% for column in columns %}
        {{ end }}.{{ column }} as {{ end }}_{{ column }}
        {{- ',' if not loop.last }}
        {% endfor %}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ pairs }} as pair
    inner join {{ ref('int_position') }} as {{ first }}
        on {{ first }}.la_code = pair.la_code and {{ first }}.position_id = pair.{{ first }}_id
    left join {{ ref('int_position') }} as {{ second }}
        on {{ second }}.la_code = pair.la_code
        and {{ second }}.position_id = pair.{{ second }}_id
        and {{ second }}.person_id = {{ first }}.person_id
    {{ "where opening.person_id is null" if first == 'closing' }}
    union all
    {% endfor %}
    -- Counted at neither end, but in between, as known now.
    select
        {% for column in of_pair %}
        pair.{{ column }},
        {% endfor %}
        through.person_id,
        through.young_persons_id,
        {% for end in ('opening', 'closing') %}
        {% for column in columns %}
        {{ end }}.{{ column }} as {{ end }}_{{ column }}
        {{- ',' if not loop.last }}
        {% endfor %}
        {{- ',' if not loop.last }}
        {% endfor %}
    from {{ pairs }} as pair
    inner join {{ ref('int_position') }} as through
        on through.la_code = pair.la_code and through.position_id = pair.through_id
    {% for end in ('opening', 'closing') %}
    left join {{ ref('int_position') }} as {{ end }}
        on {{ end }}.la_code = pair.la_code
        and {{ end }}.position_id = pair.{{ end }}_id
        and {{ end }}.person_id = through.person_id
    {% endfor %}
    where pair.waypoint = 'THROUGH' and opening.person_id is null and closing.person_id is null
),

three_states as (
    select
        both_ends.*,
        {% for column in columns %}
        through.{{ column }} as through_{{ column }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from both_ends
    left join {{ ref('int_position') }} as through
        on through.la_code = both_ends.la_code
        and through.position_id = both_ends.through_id
        and through.person_id = both_ends.person_id
),

chosen as (
    select
        three_states.*,
        case
            when waypoint <> 'PERSON' then waypoint
            when {{ is_other_state('through_', 'closing_') }} then 'OPENING'
            else 'CLOSING'
        end as waypoint_of_person
    from three_states
),

in_legs as (
    select
        chosen.*,
        {% for column in columns %}
        case waypoint_of_person
            when 'OPENING' then opening_{{ column }}
            when 'THROUGH' then through_{{ column }}
            when 'CLOSING' then closing_{{ column }}
        end as waypoint_{{ column }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from chosen
),

leg as (
    select
        in_legs.la_code, opening_id, closing_id, comparison, opening_on, closing_on, person_id, young_persons_id,
        leg.leg_number,
        (leg.leg_number = 1) = is_correction_first as is_correction,
        {% for column in columns %}
        case leg.leg_number when 1 then opening_{{ column }} else waypoint_{{ column }} end as before_{{ column }},
        case leg.leg_number when 1 then waypoint_{{ column }} else closing_{{ column }} end as after_{{ column }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from in_legs
    cross join (select 1 as leg_number union all select 2) as leg
)

select
    leg.*,
    case
        when before_district_code is null then 'JOINED'
        when after_district_code is null then 'LEFT'
        when before_not_known = 0 and after_not_known = 1 and after_is_lapsed then 'LAPSED'
        when before_not_known = 1 and after_not_known = 0 then 'CONFIRMED'
        when
            {% for measure in movement_measures() %}
            before_{{ measure }} <> after_{{ measure }}
            {{ 'or' if not loop.last }}
            {% endfor %}
            then 'RECODED'
        else 'MOVED'
    end as change
from leg
where {{ is_other_state('before_', 'after_') }}
{% endmacro %}

{#  What each of them adds to a count or takes from it: one row a leg, person, area, group, measure and side of the
    fraction.

    legs    a relation with the columns of movement_legs #}
{% macro movement_effects(legs) %}
with in_cell as (
    select
        leg.*,
        case place.place when 'county' then 'county' else 'district' end as area_type,
        case place.place
            when 'county' then leg.la_code
            when 'before' then leg.before_district_code
            when 'after' then leg.after_district_code
        end as area_code,
        reporting_group.group_code,
        case
            when leg.before_district_code is null
                or (place.place = 'after' and leg.before_district_code <> leg.after_district_code)
                or reporting_group.sen_group <> leg.before_sen_group
                or (reporting_group.is_vulnerable_only and not leg.before_is_vulnerable) then 0
            else 1
        end as before_cohort,
        case
            when leg.after_district_code is null
                or (place.place = 'before' and leg.before_district_code <> leg.after_district_code)
                or reporting_group.sen_group <> leg.after_sen_group
                or (reporting_group.is_vulnerable_only and not leg.after_is_vulnerable) then 0
            else 1
        end as after_cohort
    from {{ legs }} as leg
    cross join (select 'county' as place union all select 'before' union all select 'after') as place
    cross join {{ ref('reporting_group') }} as reporting_group
    where place.place = 'county'
        or (place.place = 'before' and leg.before_district_code is not null)
        or (place.place = 'after' and leg.after_district_code is not null
            and (leg.before_district_code is null or leg.before_district_code <> leg.after_district_code))
),

measured as (
    select
        in_cell.*,
        measure.measure,
        side.side,
        case side.side
            when 'denominator' then before_cohort
            else before_cohort * case measure.measure
                {% for measure in movement_measures() %} when '{{ measure }}' then before_{{ measure }} {% endfor %} end
        end as counted_before,
        case side.side
            when 'denominator' then after_cohort
            else after_cohort * case measure.measure
                {% for measure in movement_measures() %} when '{{ measure }}' then after_{{ measure }} {% endfor %} end
        end as counted_after
    from in_cell
    cross join (
        {% for measure in movement_measures() %}
        select '{{ measure }}' as measure {{ 'union all' if not loop.last }}
        {% endfor %}
    ) as measure
    cross join (select 'numerator' as side union all select 'denominator') as side
),

told as (
    select
        la_code, opening_id, closing_id, comparison, opening_on, closing_on, leg_number, is_correction,
        area_type, area_code, group_code, measure, side, person_id, young_persons_id,
        before_activity_code, after_activity_code, before_is_lapsed, after_is_lapsed,
        before_district_code, after_district_code, before_sen_group, after_sen_group,
        before_is_vulnerable, after_is_vulnerable,
        case
            when before_cohort = after_cohort then change
            when after_cohort = 1 then case when before_district_code is null then 'JOINED' else 'MOVED_IN' end
            else case when after_district_code is null then 'LEFT' else 'MOVED_OUT' end
        end as change,
        coalesce(counted_after, 0) - coalesce(counted_before, 0) as effect
    from measured
)

select
    told.*,
    case
        when is_correction then 'CORRECTED_LATE'
        when side = 'denominator' then 'COHORT_SIZE'
        else change
    end as part
from told
where effect <> 0
{% endmacro %}

{#  The account: one row a pair, area, group, measure and part, with the counts at both ends. With n/d before and after a
    leg, the change of the rate is

        n'/d' - n/d  =  (n' - n) / d'  +  n * (1/d' - 1/d)

    the people of each part in the first term, the size of the cohort in the second. Over the common denominator
    opening * waypoint * closing cohort everything is an integer and nothing is left over.

    effects     a relation with the columns of movement_effects
    counts      one like int_position_count #}
{% macro movement_account(effects, counts) %}
{%- set of_pair = ['la_code', 'opening_id', 'closing_id', 'comparison', 'opening_on', 'closing_on'] -%}
{%- set of_cell = ['area_type', 'area_code', 'group_code', 'measure'] -%}
with summed as (
    select
        {{ of_pair | join(', ') }},
        {{ of_cell | join(', ') }},
        leg_number,
        part,
        case side when 'denominator' then 'COHORT_SIZE' else change end as change,
        side,
        sum(case when effect > 0 then 1 else 0 end) as people_added,
        sum(case when effect < 0 then 1 else 0 end) as people_removed,
        sum(effect) as effect
    from {{ effects }} as effect
    group by {{ of_pair | join(', ') }}, {{ of_cell | join(', ') }}, leg_number, part,
        case side when 'denominator' then 'COHORT_SIZE' else change end, side
),

counted as (
    select
        summed.*,
        {% for end in ('opening', 'closing') %}
        coalesce(case summed.measure
            {% for measure in movement_measures() %} when '{{ measure }}' then {{ end }}.{{ measure }} {% endfor %} end, 0)
            as {{ end }}_numerator,
        coalesce({{ end }}.cohort, 0) as {{ end }}_denominator,
        {% endfor %}
        {% for side in ('numerator', 'denominator') %}
        sum(case when leg_number = 1 and side = '{{ side }}' then effect else 0 end) over cell as first_leg_{{ side }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from summed
    {% for end in ('opening', 'closing') %}
    left join {{ counts }} as {{ end }}
        on {{ end }}.la_code = summed.la_code
        and {{ end }}.position_id = summed.{{ end }}_id
        and {{ end }}.area_type = summed.area_type
        and {{ end }}.area_code = summed.area_code
        and {{ end }}.group_code = summed.group_code
    {% endfor %}
    window cell as (partition by
        {% for column in of_pair + of_cell %} summed.{{ column }}{{ ',' if not loop.last }} {% endfor %})
),

over_waypoint as (
    select
        counted.*,
        opening_numerator + first_leg_numerator as waypoint_numerator,
        opening_denominator + first_leg_denominator as waypoint_denominator
    from counted
),

exact as (
    select
        over_waypoint.*,
        opening_denominator * waypoint_denominator * closing_denominator as rate_effect_denominator,
        case
            when leg_number = 1 and side = 'numerator' then effect * opening_denominator * closing_denominator
            when leg_number = 1
                then opening_numerator * (opening_denominator - waypoint_denominator) * closing_denominator
            when side = 'numerator' then effect * opening_denominator * waypoint_denominator
            else waypoint_numerator * (waypoint_denominator - closing_denominator) * opening_denominator
        end as rate_effect_numerator
    from over_waypoint
)

select
    la_code,
    comparison,
    opening_id,
    closing_id,
    opening_on,
    closing_on,
    area_type,
    area_code,
    group_code,
    measure,
    part,
    change,
    cast(leg_number as integer) as leg_number,
    {{ to_long('people_added') }} as people_added,
    {{ to_long('people_removed') }} as people_removed,
    {{ to_long('case when side = \'numerator\' then effect else 0 end') }} as numerator_effect,
    {{ to_long('case when side = \'denominator\' then effect else 0 end') }} as denominator_effect,
    {{ to_long('opening_numerator') }} as opening_numerator,
    {{ to_long('opening_denominator') }} as opening_denominator,
    {{ to_long('waypoint_numerator') }} as waypoint_numerator,
    {{ to_long('waypoint_denominator') }} as waypoint_denominator,
    {{ to_long('closing_numerator') }} as closing_numerator,
    {{ to_long('closing_denominator') }} as closing_denominator,
    {{ to_long('rate_effect_numerator') }} as rate_effect_numerator,
    {{ to_long('rate_effect_denominator') }} as rate_effect_denominator,
    cast(cast(rate_effect_numerator as numeric) / nullif(rate_effect_denominator, 0) as numeric(20, 10)) as rate_effect
from exact
{% endmacro %}
