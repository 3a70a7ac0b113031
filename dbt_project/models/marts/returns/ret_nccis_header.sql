with source as (
    select
        la_code,
        {{ comma_list('database_id') }} as database_ids,
        {{ comma_list('source_lea') }} as source_leas
    from (
        select distinct nccis_source.la_code, nccis_source.database_id, nccis_source.source_lea
        from {{ ref('nccis_source') }} as nccis_source
        inner join {{ ref('int_reporting_point') }} as point
            on point.la_code = nccis_source.la_code and {{ valid_on('nccis_source', 'point.period_end') }}
    ) as in_force
    group by la_code
)

select
    point.la_code,
    point.census_point,
    source.database_ids,
    source.source_leas,
    {{ iso_date('census.date_of_send') }} as date_of_send,
    {{ iso_date('point.period_end') }} as period_end,
    header.supplier_name,
    header.supplier_xml_version,
    header.xml_schema_version,
    header.doctype
from {{ ref('int_reporting_point') }} as point
inner join source
    on source.la_code = point.la_code
inner join {{ ref('census_points') }} as census
    on census.la_code = point.la_code and census.census_point = point.census_point
left join {{ ref('nccis_header') }} as header
    on {{ valid_on('header', 'point.period_end') }}
