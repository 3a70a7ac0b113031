"""The full live build against the same figures by hand in DuckDB, and against its own SQL without dbt.

Ours is :func:`neet.transform.build_live`: dbt builds every model, with statistics, contracts and data tests, on a
durable server. DuckDB (``duckdb_reference.sql``) starts from the same raw rows in Parquet and makes persons,
activities, segments, NEET spells, the cohort month, flows and KPIs: no history, no return, no dimensions, no tests, in
memory and with two threads. Its rows are first compared with ours, every one. The SQL alone is every statement that dbt
sent, models, statistics and data tests, replayed in the same order on one connection.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from benchmarks import duckdb_reference
from benchmarks.harness import Bench, Figure, PeakMemory, alternate, seconds_of
from neet import publishing, transform
from neet.database import connect
from neet.feeds import landing

ROUNDS = 3
CONTROL = ("begin", "commit", "rollback")


class Recorder(transform._Progress):
    """Keeps each statement that dbt sends, in order."""

    statements: list[str] = []

    def __call__(self, event) -> None:
        if event.info.name == "SQLQuery" and event.data.sql.strip().lower() not in CONTROL:
            self.statements.append(event.data.sql)
        super().__call__(event)


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    """Three figures: against DuckDB, against the SQL alone, and what publishing costs.

    Raises:
        AssertionError: the warehouse and the reference disagree about a person or a count.
    """
    bench.stack.database_up()
    settings = bench.stack.settings
    builder = settings.dsn("builder")
    for row in bench.schedule(people):
        landing.receive(settings, settings.dsn("loader"), row["feed"], bench.file_of(people, row))
    transform.build_live(settings, builder)  # parses the project and loads the seeds, once
    Recorder.statements = []
    with PeakMemory() as peak, mock.patch.object(transform, "_Progress", Recorder):
        build = transform.build_live(settings, builder, full_refresh=True)
    statements = list(Recorder.statements)
    with tempfile.TemporaryDirectory(prefix="neet-bench-") as folder:
        exported = Path(folder)
        duckdb_reference.export(builder, exported)

        def by_hand():
            return duckdb_reference.build(exported, settings.dbt_project / "seeds")

        def by_dbt():
            transform.build_live(settings, builder, full_refresh=True)

        def by_sql():
            with connect(builder, autocommit=True) as connection:
                connection.execute("set synchronous_commit = off")  # as the builds have it
                connection.execute("set default_statistics_target = 30")
                for statement in statements:
                    connection.execute(statement)

        with by_hand() as engine, connect(builder) as connection:
            compared = 0
            for subject, (rows, theirs, ours) in duckdb_reference.differences(
                engine, connection
            ).items():
                compared += rows
                if theirs or ours:
                    raise AssertionError(
                        f"{subject}: {len(theirs)} rows of DuckDB's and {len(ours)} of ours have no equal, "
                        f"such as {next(iter(theirs | ours))}"
                    )
        ours, reference = alternate(by_dbt, lambda: by_hand().close(), ROUNDS)
    yield Figure(
        "build_live_against_duckdb", people, "people", ours, reference, peak.mb,
        f"{sum(build.nodes.values())} models and data tests; DuckDB makes the figures alone, in memory; "
        f"{compared} rows compared, all equal",
    )  # fmt: skip
    ours, reference = alternate(by_dbt, by_sql, ROUNDS)
    yield Figure(
        "build_live_against_its_sql", people, "people", ours, reference, peak.mb,
        f"{len(statements)} statements, data tests among them, one after the other on one connection",
    )  # fmt: skip
    yield Figure(
        "publish", people, "people", seconds_of(lambda: publishing.publish(settings, builder)),
        note="the first publication: every mart is copied",
    )  # fmt: skip
