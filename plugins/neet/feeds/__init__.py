"""Feeds: contracts, landing, loading."""
