{{ history_of('school_joiners_leavers') }}
