{#  The factors of an at-risk flag, one row each. Those that mirror a restricted system are counted, never named: who may
    know them reads that system. A code that no list knows is counted as unknown. #}
select
    flagged.la_code,
    flagged.person_id,
    flagged.academic_year,
    length(flagged.risk_factors) - length(replace(flagged.risk_factors, '|', '')) + 1 as stated_count,
    factor.code,
    factor.code is not null and coalesce(factor.counts_as, '') <> 'RESTRICTED' as is_nameable
from {{ ref('int_transition_person') }} as flagged
left join {{ ref('support_codes') }} as factor
    on factor.code_list = 'risk_factor'
    and {{ valid_on('factor', 'flagged.flagged_on') }}
    and '|' || flagged.risk_factors || '|' like '%|' || factor.code || '|%'
where flagged.risk_factors is not null
