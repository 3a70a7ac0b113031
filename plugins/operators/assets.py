"""Assets that tie DAGs together."""

from __future__ import annotations

from airflow.sdk import Asset

ACCEPTED_DELIVERIES = Asset(
    name="accepted_deliveries", uri="neet://warehouse/accepted-deliveries", group="neet"
)
"""Something was accepted, or decided, that the published marts have not seen."""
