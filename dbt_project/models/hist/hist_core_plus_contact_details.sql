{{ history_of('core_plus_contact_details') }}
