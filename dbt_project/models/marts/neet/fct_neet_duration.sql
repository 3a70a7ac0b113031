{#  How long NEET spells last, at each month end: the middle length of those that are open and of those that ended in the
    month, and who is NEET again, counted over both windows. Not known days are counted once in and once out. #}
select
    spell.la_code,
    spell.month_end,
    area.area_type,
    case area.area_type when 'county' then spell.la_code else spell.district_code end as area_code,
    reporting_group.group_code,
    spell.spell_state,
    {{ to_long('count(*)') }} as spell_count,
    cast({{ median('spell.neet_days') }} as numeric(10, 1)) as median_neet_days,
    cast({{ median('spell.neet_days_without_not_known') }} as numeric(10, 1)) as median_neet_days_without_not_known,
    {{ to_long('sum(case when spell.is_repeat then 1 else 0 end)') }} as repeat_count,
    {{ to_long('sum(case when spell.is_repeat_in_window then 1 else 0 end)') }} as repeat_in_window_count
from {{ ref('int_neet_length') }} as spell
cross join (select 'county' as area_type union all select 'district') as area
inner join {{ ref('reporting_group') }} as reporting_group
    on (reporting_group.sen_group is null or reporting_group.sen_group = spell.sen_group)
    and (not reporting_group.is_vulnerable_only or spell.is_vulnerable)
group by 1, 2, 3, 4, 5, 6
