{{ history_of('ons_population') }}
