{{ history_of('apprenticeship_starts') }}
