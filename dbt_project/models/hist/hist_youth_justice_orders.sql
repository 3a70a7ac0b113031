{{ history_of('youth_justice_orders') }}
