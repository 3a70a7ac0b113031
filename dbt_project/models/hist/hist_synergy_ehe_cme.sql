{{ history_of('synergy_ehe_cme') }}
