{#  Without the text of the whole row, which holds names: that stays in control.reject. #}
select
    reject.la_code,
    reject.delivery_id,
    reject.reject_number,
    delivery.feed,
    delivery.provider,
    delivery.period,
    delivery.file_name,
    reject.line_number,
    reject.row_key,
    reject.column_name,
    reject.value,
    reject.rule,
    reject.reason
from {{ source('control', 'reject') }} as reject
inner join {{ source('control', 'delivery') }} as delivery
    on delivery.delivery_id = reject.delivery_id
