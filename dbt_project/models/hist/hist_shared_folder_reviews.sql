{{ history_of('shared_folder_reviews') }}
