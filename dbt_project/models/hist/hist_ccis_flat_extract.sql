{{ history_of('ccis_flat_extract') }}
