{{ history_of('school_post16_enrolment') }}
