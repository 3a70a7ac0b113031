{{ history_of('referral_mailbox') }}
