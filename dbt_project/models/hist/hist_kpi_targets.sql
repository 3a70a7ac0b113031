{{ history_of('kpi_targets') }}
