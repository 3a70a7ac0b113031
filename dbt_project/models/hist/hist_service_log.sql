{{ history_of('service_log') }}
