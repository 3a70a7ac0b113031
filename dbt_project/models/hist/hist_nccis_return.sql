{{ history_of('nccis_return') }}
