{{ history_of('school_september_guarantee') }}
