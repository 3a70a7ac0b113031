{{ history_of('school_attendance') }}
