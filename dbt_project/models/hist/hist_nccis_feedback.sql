{{ history_of('nccis_feedback') }}
