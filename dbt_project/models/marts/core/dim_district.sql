select la_code, district_code, district_name, area_code, area_name, assumed as is_area_assumed
from {{ ref('districts') }}
