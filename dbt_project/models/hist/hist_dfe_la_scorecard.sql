{{ history_of('dfe_la_scorecard') }}
