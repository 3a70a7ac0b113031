{{ history_of('core_plus_case_reviews') }}
