{{ history_of('liberi_care') }}
