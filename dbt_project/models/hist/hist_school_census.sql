{{ history_of('school_census') }}
