{#  The last delivery by which each month had come to its end. #}
select month_end.la_code, month_end.month_end, max(clock.seq) as seq
from {{ ref('int_month_end') }} as month_end
inner join {{ ref('int_known_clock') }} as clock
    on clock.la_code = month_end.la_code and clock.day <= month_end.month_end
group by month_end.la_code, month_end.month_end
