{{ history_of('course_offer') }}
