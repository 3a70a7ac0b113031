select la_code, service_code, service_name, duty, assumed as is_assumed
from {{ ref('services') }}
