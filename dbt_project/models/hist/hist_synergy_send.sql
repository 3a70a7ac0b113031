{{ history_of('synergy_send') }}
