{{ history_of('early_help_parents') }}
