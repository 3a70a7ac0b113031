{{ history_of('training_provider_learners') }}
