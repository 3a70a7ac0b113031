{{ history_of('core_plus_needs') }}
