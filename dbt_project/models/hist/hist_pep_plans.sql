{{ history_of('pep_plans') }}
