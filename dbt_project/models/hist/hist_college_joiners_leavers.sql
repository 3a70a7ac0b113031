{{ history_of('college_joiners_leavers') }}
