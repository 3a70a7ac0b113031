{{ history_of('other_la_moves') }}
