{#  Counts of the service's logs. The words of an entry stay in raw: nothing here can be read back to a person. #}
with entry as (
    select
        known.la_code,
        {{ to_date('known.entered_on') }} as entered_on,
        coalesce({{ code_form('known.log_kind') }}, 'NOT_RECORDED') as log_kind,
        coalesce({{ code_form('known.theme') }}, 'NOT_RECORDED') as theme,
        coalesce({{ to_text('known.district_code') }}, 'NOT_RECORDED') as district_code,
        coalesce({{ code_form('known.voice') }}, 'NOT_RECORDED') as voice,
        coalesce({{ code_form('known.severity') }}, 'NOT_RECORDED') as severity,
        case when {{ code_form('known.status') }} = 'CLOSED' or {{ to_date('known.closed_on') }} is not null then 1 else 0 end
            as is_closed,
        {{ days_between(to_date('known.entered_on'), to_date('known.closed_on')) }} as days_to_close
    from {{ as_known(ref('hist_service_log')) }} as known
)

select
    la_code,
    {{ month_end('entered_on') }} as month_end,
    log_kind,
    theme,
    district_code,
    voice,
    severity,
    cast(count(*) as integer) as entry_count,
    cast(sum(is_closed) as integer) as closed_count,
    cast(count(*) - sum(is_closed) as integer) as open_count,
    cast(sum(days_to_close) as integer) as total_days_to_close
from entry
where entered_on is not null
group by 1, 2, 3, 4, 5, 6, 7
