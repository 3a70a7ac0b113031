{{ history_of('kent_choices_accounts') }}
