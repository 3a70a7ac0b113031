"""Linkage as a build does it, in a database that holds nothing but what linkage reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from neet.database import connect
from neet.identity import linking
from neet.identity.deciding import Ruling, body_of, subject_of
from neet.identity.records import COLUMNS, Record
from neet.identity.tables import copy

KINDS = {"is_current": "boolean", "first_known_seq": "bigint", "dob": "date"}

TABLES = {
    table: f"select * from identity.{table}"
    for table in (
        "link", "candidate", "core_plus_duplicate", "ruling", "pair", "content", "crowded_block", "block", "seen", "mention"
    )
}  # fmt: skip
"""What follows from records and decisions, however it came about."""


@dataclass
class LinkedDatabase:
    """A migrated database.

    Attributes:
        known_seq: the last decision's.
    """

    dsn: dict[str, str]
    known_seq: int = 1

    def prepare(self, seeds: dict[str, list[dict]]) -> None:
        """Make the tables that dbt would make.

        Args:
            seeds: table -> rows of its file.
        """
        columns = ", ".join(f"{name} {KINDS.get(name, 'text')}" for name in COLUMNS)
        with connect(self.dsn["builder"]) as connection:
            connection.execute("create schema intermediate; create schema reference")
            connection.execute(f"create table intermediate.int_source_person ({columns})")
            for table, rows in seeds.items():
                names = list(rows[0])
                kinds = ("date" if name.startswith("valid_") else "text" for name in names)
                columns = ", ".join(map(" ".join, zip(names, kinds, strict=True)))
                connection.execute(f"create table reference.{table} ({columns})")
                copy(connection, f"reference.{table}", names, ([row[name] or None for name in names] for row in rows))  # fmt: skip

    def empty(self, **policy: object) -> None:
        """Nobody, no decision, no link; some thresholds of the policy changed."""
        with connect(self.dsn["owner"]) as connection:
            connection.execute("truncate control.decision, control.delivery cascade")
        self.forget()
        with connect(self.dsn["builder"]) as connection:
            connection.execute("truncate intermediate.int_source_person")
        for name, value in policy.items():
            self.set(name, value)
        self.known_seq = 1
        self._deliver("D0", 1)

    def set(self, policy_id: str, value: object) -> None:
        """Another threshold."""
        with connect(self.dsn["builder"]) as connection:
            connection.execute(
                "update reference.identity_policy set value = %s where policy_id = %s",
                [str(value), policy_id],
            )

    def forget(self) -> None:
        """No link, and nothing kept of any."""
        with connect(self.dsn["builder"]) as connection:
            tables = ", ".join(f"identity.{name}" for name in (*TABLES, "state", "link_change"))
            connection.execute(f"truncate {tables}")

    def hold(self, records: Iterable[Record]) -> None:
        """These records and no others."""
        with connect(self.dsn["builder"]) as connection:
            connection.execute("truncate intermediate.int_source_person")
            copy(
                connection, "intermediate.int_source_person", COLUMNS,
                ([getattr(one, name) for name in COLUMNS] for one in records),
            )  # fmt: skip

    def decide(self, ruling: Ruling) -> None:
        self.known_seq = ruling.delivery_seq
        self._deliver(ruling.decision_id, ruling.delivery_seq)
        with connect(self.dsn["owner"]) as connection:
            connection.execute(
                """insert into control.decision (decision_id, la_code, delivery_seq, kind, subject, decided_by, decided_at, reason, body)
                   values (%s, '886', %s, %s, %s, %s, %s, 'looked at both', %s)""",
                [ruling.decision_id, ruling.delivery_seq, ruling.kind, subject_of(ruling.one, ruling.other), ruling.decided_by,
                 ruling.decided_on, json.dumps(body_of(ruling.one, ruling.other))],
            )  # fmt: skip

    def _deliver(self, delivery_id: str, seq: int) -> None:
        with connect(self.dsn["owner"]) as connection:
            connection.execute(
                """insert into control.delivery (delivery_id, la_code, feed, provider, period, mode, file_name, file_sha256,
                     file_bytes, landing_path, received_at, status, accepted_at, delivery_seq)
                   values (%s, '886', 'decision', 'MI', '2022-01', 'decision', 'decision.json', '', 0, %s, '2022-01-05',
                     'accepted', '2022-01-05', %s)""",
                [delivery_id, delivery_id, seq],
            )

    def link(self, known_seq: int | None = None) -> linking.Linked:
        return linking.link(self.dsn["builder"], known_seq or self.known_seq)

    def rows(self, query: str) -> list[tuple]:
        with connect(self.dsn["builder"]) as connection:
            return connection.execute(query).fetchall()

    def tables(self) -> dict[str, list[tuple]]:
        """All that linkage made, in order."""
        return {name: sorted(map(repr, self.rows(query))) for name, query in TABLES.items()}
