{{ history_of('contact_attempts') }}
