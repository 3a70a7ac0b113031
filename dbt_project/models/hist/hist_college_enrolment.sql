{{ history_of('college_enrolment') }}
