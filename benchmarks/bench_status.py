"""``neet status`` as a person waits for it: a new process, against an empty Python that asks the server one question.

The warehouse holds the control rows of a county's two years: the figure does not depend on its people.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.harness import Bench, Figure, alternate
from neet.database import connect

DELIVERIES = 2_000
FILL = """
insert into control.delivery (
    delivery_id, la_code, feed, provider, period, as_at, mode, file_name, file_sha256, file_bytes, landing_path,
    received_at, status, accepted_at, delivery_seq, rows_in, rows_loaded, rows_unchanged, rows_rejected)
select 'd' || n, '886', 'feed_' || n %% 8, 'provider_' || n %% 3, '2021-12-31', '2021-12-31', 'delta', 'file', 'x', 1,
       'path/' || n, now(), 'accepted', now(), n, 50000, 50, 49950, 0
from generate_series(1, %s) as n
"""
ONE_QUERY = "import psycopg, sys; psycopg.connect(sys.argv[1]).execute('select 1')"


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    """One figure; the exit status is 1, for Airflow does not run here."""
    bench.stack.database_up()
    settings = bench.stack.settings
    with connect(settings.dsn("owner")) as connection:
        connection.execute("truncate control.delivery cascade")
        connection.execute(FILL, [DELIVERIES])
    environment = os.environ | {
        "NEET_HOME": str(settings.home),
        "PYTHONPATH": os.pathsep.join([str(settings.root / "plugins"), str(settings.root)]),
    }

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True
        ).stdout

    def status() -> None:
        shown = run("-m", "neet.cli", "status")
        if "feed_7" not in shown or "What to do next" not in shown:
            raise RuntimeError(f"not a status: {shown}")

    status()
    ours, reference = alternate(
        status, lambda: run("-c", ONE_QUERY, settings.dsn("auditor")), rounds=5
    )
    yield Figure(
        "status", DELIVERIES, "deliveries", ours, reference, note="reference: Python that asks one query"
    )  # fmt: skip
    with connect(settings.dsn("owner")) as connection:
        connection.execute("truncate control.delivery cascade")
