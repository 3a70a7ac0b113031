{{ history_of('core_plus_at_risk') }}
