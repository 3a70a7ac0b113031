{{ history_of('calendar_dates') }}
