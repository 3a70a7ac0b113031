{{ history_of('core_plus_september_guarantee') }}
