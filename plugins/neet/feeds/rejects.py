"""The rows of a delivery that were not loaded, for whoever has to mend them."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row


def of_delivery(connection: psycopg.Connection, delivery_id: str) -> list[dict[str, Any]]:
    """Rejects of one delivery in the order of the file, each with the file's name and landing folder."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """select reject.*, delivery.feed, delivery.provider, delivery.period, delivery.file_name,
                      delivery.landing_path
               from control.reject
               join control.delivery on delivery.delivery_id = reject.delivery_id
               where reject.delivery_id = %s order by reject.reject_number""",
            [delivery_id],
        ).fetchall()


def delivery(connection: psycopg.Connection, delivery_id: str) -> dict[str, Any] | None:
    """What ``control.delivery`` says of a delivery; ``None`` when it knows none of that name."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select * from control.delivery where delivery_id = %s and mode <> 'decision'",
            [delivery_id],
        ).fetchone()
