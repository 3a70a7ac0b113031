"""Builds of the dbt project: the live lineage, and the lineage of a census run.

dbt runs in this process (``dbtRunner``). Every build is a row of ``control.build``; a row left ``running`` by a killed
process is closed by the next build, which starts afresh. Nothing a reader sees changes until
:func:`neet.publishing.publish`, which is one transaction (design rule 7).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from psycopg import sql

from neet import increments
from neet import lineage as events
from neet.census import CensusRun
from neet.database import connect
from neet.feeds import collecting, dbt_properties
from neet.settings import Settings
from neet.version import code_version

log = logging.getLogger(__name__)

LAYERS = ("seeds", "hist", "identity", "intermediate", "marts")
"""One selector of ``selectors.yml`` each, in the order they are built."""

AROUND_LINKAGE = {
    None: ("before_linkage", "after_linkage"),
    "identity": ("identity_records", "identity_links"),
}
"""Selectors before and after linkage, which reads what dbt made and writes what dbt reads next."""

LIVE_LOCK = 8_860_101
"""Advisory lock of the live lineage: one build or publication at a time."""

CENSUS_LOCK_CLASS = 886_102
"""First key of the two-key advisory locks of census schemas; the second is the hash of the schema's name."""

SEED_LOCK = 8_860_103
"""Advisory lock of the schema ``reference``, which both lineages read."""


class BuildFailed(RuntimeError):
    """A model or a data test failed; the message names it and says what dbt said.

    Attributes:
        failures: one dictionary a failing node: ``name``, ``kind``, ``file``, ``message``.
    """

    def __init__(self, message: str, failures: list[dict]):
        super().__init__(message)
        self.failures = failures


class BuildRefused(RuntimeError):
    """The build or publication asked for would break a promise; the message says which, and what to do."""


@dataclass(frozen=True)
class Build:
    """A build as ``control.build`` knows it.

    Attributes:
        build_id: rises with every build, live or census.
        lineage: ``live`` or ``census``.
        schema_name: the schema of a census build; None for live, which has one a layer.
        known_seq: deliveries and decisions up to this one are seen.
        status: ``running``, ``built``, ``published`` or ``failed``.
        seconds: duration of the layers built by this call.
        nodes: dbt nodes run by this call: ``{"success": 40, "pass": 50}``.
    """

    build_id: int
    lineage: str
    known_seq: int
    status: str
    schema_name: str | None = None
    seconds: float = 0.0
    nodes: dict[str, int] = field(default_factory=dict)


def seed_fingerprint(settings: Settings) -> str:
    """SHA-256 (64 hex digits) over names and contents of the seeds, with the column types they are loaded with."""
    digest = hashlib.sha256()
    folder = settings.dbt_project / "seeds"
    for file in sorted([*folder.rglob("*.csv"), *folder.rglob("*.yml")]):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def build_live(
    settings: Settings,
    dsn_builder: str,
    layer: str | None = None,
    known_seq: int | None = None,
    build_id: int | None = None,
    full_refresh: bool = False,
) -> Build:
    """Build the live lineage, whole or one layer of it.

    Tables are brought up to date by what changed since they were made (:mod:`neet.increments`); what was done to each
    stands in ``increments.model_state`` and, in brief, in the build's row.

    A whole build, or the first layer, begins a new build and resolves its known time; the other layers go on with the
    ``build_id`` that the first returned.

    Args:
        layer: one of :data:`LAYERS`; None builds all of them.
        known_seq: see deliveries up to this one; default: everything accepted so far. Only at the beginning.
        build_id: the build to go on with; required for every layer but the first.
        full_refresh: make every table anew, whatever changed; given with the first layer, it holds for all that follow.
    Raises:
        BuildFailed: a model or test failed; the build is marked as failed.
        BuildRefused: ``known_seq`` lies before what is published or after what is accepted, the build to go on with
            has been superseded, or another process is building.
    """
    if layer is not None and layer not in LAYERS:
        raise ValueError(f"unknown layer {layer!r}; expected one of {', '.join(LAYERS)}")
    begins = layer is None or layer == LAYERS[0]
    if not begins and build_id is None:
        raise ValueError(
            f"layer {layer!r} goes on with a build: give the build_id that {LAYERS[0]!r} returned"
        )
    with lock(dsn_builder, LIVE_LOCK, "the live lineage"):
        if begins and build_id is None:
            collecting.write_due(settings)  # a seed: before the fingerprint is taken
            build = _begin_live(settings, dsn_builder, known_seq)
        else:
            build = _resume_live(dsn_builder, build_id)
        variables = {
            "lineage": "live",
            "known_seq": build.known_seq,
            "la_code": settings.la_code,
            "macros": increments.macros_fingerprint(settings),
        }
        with _recorded(dsn_builder, build) as outcome:
            if begins:
                dbt_properties.write(settings)
                increments.tidy(dsn_builder)
            if full_refresh:
                increments.forget(dsn_builder)
            with _seeds(settings, dsn_builder, outcome, variables):
                if layer in AROUND_LINKAGE:
                    before, after = AROUND_LINKAGE[layer]
                    _dbt(settings, dsn_builder, ["--selector", before], variables, outcome)
                    _link(dsn_builder, build.known_seq, outcome)
                    events.people_linked(settings, build.build_id)
                    _dbt(settings, dsn_builder, ["--selector", after], variables, outcome)
                elif layer != "seeds":
                    _dbt(settings, dsn_builder, ["--selector", layer], variables, outcome)
            if layer in (None, LAYERS[-1]):
                outcome.status = "built"
    return outcome.build()


def build_census(settings: Settings, dsn_builder: str, run: CensusRun) -> Build:
    """Build the return of a census run and its measures in the run's own schema, at the run's known time.

    Everything comes from ``run``: building it again gives the same tables. Seeds are loaded first if they have changed.

    Raises:
        BuildFailed: a model or test failed.
        BuildRefused: the schema is not named ``census_*``, or another process is building it.
    """
    if not run.schema_name.startswith("census_"):
        raise BuildRefused(
            f"A census build may only write to a schema named census_*, not to {run.schema_name!r}: it shows what was "
            f"known at delivery {run.known_seq}, which must never be read as today's figures."
        )
    building = census_schema_while_building(run.la_code)
    schema_key = int.from_bytes(hashlib.sha256(building.encode()).digest()[:4], "big", signed=True)
    with lock(dsn_builder, (CENSUS_LOCK_CLASS, schema_key), f"a return of {run.la_code}"):
        build = _begin(
            dsn_builder,
            lineage="census",
            la_code=run.la_code,
            census_point=run.census_point,
            schema_name=run.schema_name,
            known_seq=run.known_seq,
            fingerprint=seed_fingerprint(settings),
        )
        variables = census_variables(run, building)
        with _recorded(dsn_builder, build) as outcome:
            dbt_properties.write(settings)
            _empty_schema(dsn_builder, building)
            with _seeds(settings, dsn_builder, outcome, variables):
                _dbt(settings, dsn_builder, ["--selector", "census"], variables, outcome)
            _rename_schema(dsn_builder, building, run.schema_name)
            outcome.status = "built"
    return outcome.build()


def census_schema_while_building(la_code: str) -> str:
    """The schema in which every return of an authority is built, whatever its point: see :func:`_rename_schema`."""
    return f"census_{la_code}_building"


def census_variables(run: CensusRun, schema: str) -> dict[str, object]:
    """What dbt is told to build the return of a run in a schema."""
    return {
        "lineage": "census",
        "known_seq": run.known_seq,
        "la_code": run.la_code,
        "census_point": run.census_point,
        "period_end": run.period_end.isoformat(),
        "census_schema": schema,
    }


# -- beginning and recording a build ---------------------------------------------------------------------------------


@dataclass
class _Outcome:
    build_row: Build
    status: str = "running"
    seconds: float = 0.0
    nodes: dict[str, int] = field(default_factory=dict)
    detail: dict = field(default_factory=dict)

    def add(self, results, label: str) -> None:
        layer = self.detail.setdefault("layers", {}).setdefault(label, {})
        for result in results:
            if result.node.resource_type == "operation":
                continue
            outcome = str(result.status)
            self.nodes[outcome] = self.nodes.get(outcome, 0) + 1
            layer[result.node.name] = [outcome, round(result.execution_time, 2)]

    def build(self) -> Build:
        return dataclasses.replace(
            self.build_row, status=self.status, seconds=round(self.seconds, 1), nodes=self.nodes
        )


@contextlib.contextmanager
def _recorded(dsn: str, build: Build) -> Iterator[_Outcome]:
    """Write the outcome of a build, or of a layer of it, into its row, whatever happens."""
    outcome = _Outcome(build)
    started = dt.datetime.now(dt.UTC)
    try:
        yield outcome
    except BaseException as error:
        outcome.status = "failed"
        outcome.detail["error"] = str(error)[:4000]
        raise
    finally:
        outcome.seconds = (dt.datetime.now(dt.UTC) - started).total_seconds()
        with connect(dsn) as connection:
            (before,) = connection.execute(
                "select coalesce(detail, '{}'::jsonb) from control.build where build_id = %s for update",
                [build.build_id],
            ).fetchone()
            by_layer = {
                kind: before.get(kind, {}) | outcome.detail.get(kind, {})
                for kind in ("layers", "increments")
            }
            detail = before | outcome.detail | {k: v for k, v in by_layer.items() if v}
            connection.execute(
                """update control.build set status = %s, detail = %s,
                     finished_at = case when %s <> 'running' then now() end where build_id = %s""",
                [outcome.status, json.dumps(detail), outcome.status, build.build_id],
            )


def _begin_live(settings: Settings, dsn: str, known_seq: int | None) -> Build:
    with connect(dsn) as connection:
        accepted = connection.execute("select max(delivery_seq) from control.delivery").fetchone()[
            0
        ]
        published = connection.execute(
            "select max(known_seq) from control.build where lineage = 'live' and status = 'published'"
        ).fetchone()[0]
    accepted, published = accepted or 0, published or 0
    known_seq = accepted if known_seq is None else known_seq
    if known_seq > accepted:
        raise BuildRefused(
            f"known_seq {known_seq} has not been reached: the newest accepted delivery is {accepted}."
        )
    if known_seq < published:
        raise BuildRefused(
            f"The live lineage shows what is known now: it may not go back to delivery {known_seq}, because delivery "
            f"{published} is already published. To see an earlier moment, run a census build (`./neet census POINT`)."
        )
    return _begin(dsn, lineage="live", known_seq=known_seq, fingerprint=seed_fingerprint(settings))


def _begin(dsn: str, *, lineage: str, known_seq: int, fingerprint: str, **where) -> Build:
    """A new row of control.build. Rows still running in the same place are from processes that were killed: the lock
    that the caller holds says that nobody else is at work there."""
    place = {"la_code": None, "census_point": None, "schema_name": None} | where
    with connect(dsn) as connection:
        connection.execute(
            """update control.build set status = 'failed', finished_at = now(),
                 detail = coalesce(detail, '{}'::jsonb) || '{"error": "left running by a process that ended; superseded"}'
               where status = 'running' and lineage = %s and schema_name is not distinct from %s""",
            [lineage, place["schema_name"]],
        )
        (build_id,) = connection.execute(
            """insert into control.build (lineage, la_code, census_point, schema_name, known_seq, code_version,
                 seed_fingerprint) values (%s, %s, %s, %s, %s, %s, %s) returning build_id""",
            [lineage, *place.values(), known_seq, code_version(), fingerprint],
        ).fetchone()
    return Build(build_id, lineage, known_seq, "running", place["schema_name"])


def _resume_live(dsn: str, build_id: int) -> Build:
    with connect(dsn) as connection:
        newest = connection.execute(
            "select max(build_id) from control.build where lineage = 'live'"
        ).fetchone()[0]
        row = connection.execute(
            "select known_seq, status from control.build where build_id = %s and lineage = 'live'",
            [build_id],
        ).fetchone()
        if row is None:
            raise BuildRefused(f"There is no live build {build_id}.")
        if newest != build_id or row[1] == "published":
            raise BuildRefused(
                f"Live build {build_id} cannot go on: "
                + (f"build {newest} began after it." if newest != build_id else "it is published.")
                + " Begin a new build."
            )
        # A task may run again after a failure: going on is what makes it whole.
        connection.execute(
            "update control.build set status = 'running' where build_id = %s", [build_id]
        )
    return Build(build_id, "live", row[0], "running")


@contextlib.contextmanager
def lock(dsn: str, key: int | tuple[int, int], what: str) -> Iterator[None]:
    """Hold an advisory lock on a session of its own; a killed process lets go of it.

    Raises:
        BuildRefused: another process holds it.
    """
    keys = key if isinstance(key, tuple) else (key,)
    with connect(dsn, autocommit=True) as holder:
        placeholders = sql.SQL(", ").join(sql.Placeholder() * len(keys))
        got = holder.execute(
            sql.SQL("select pg_try_advisory_lock({})").format(placeholders), keys
        ).fetchone()[0]
        if not got:
            raise BuildRefused(
                f"Another process is building or publishing {what}. Wait for it, then try again."
            )
        try:
            yield
        finally:  # now, not when the server notices that the session ended: whoever comes next need not wait
            holder.execute(sql.SQL("select pg_advisory_unlock({})").format(placeholders), keys)


def _empty_schema(dsn: str, schema: str) -> None:
    """A census schema holds what this build made and nothing that earlier code left there."""
    with connect(dsn) as connection:
        connection.execute(
            sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema))
        )


def _rename_schema(dsn: str, building: str, final: str) -> None:
    """Put what was built in the place of what stood there before, in one transaction.

    All points are built under one name: dbt would parse the whole project again for another one.
    """
    with connect(dsn) as connection:
        connection.execute(
            sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(final))
        )
        connection.execute(
            sql.SQL("alter schema {} rename to {}").format(
                sql.Identifier(building), sql.Identifier(final)
            )
        )


# What differs from run to run: given in the environment (macro run_value), for dbt parses anew when a variable changes.
RUN_VALUES = ("known_seq", "census_point", "period_end", "macros")


# -- running dbt -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _seeds(settings: Settings, dsn: str, outcome: _Outcome, variables: dict) -> Iterator[None]:
    """Hold the seeds of this code in ``reference`` while the block runs, loading them first if they differ.

    They are replaced whole, as columns may have changed, and never under the feet of another build: whoever reads them
    shares a lock, whoever loads them waits to have it alone.
    """
    with connect(dsn, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock_shared(%s)", [SEED_LOCK])
        while not _seeds_are_loaded(settings, dsn):
            holder.execute("select pg_advisory_unlock_shared(%s)", [SEED_LOCK])
            holder.execute("select pg_advisory_lock(%s)", [SEED_LOCK])
            if not _seeds_are_loaded(settings, dsn):
                _load_seeds(settings, dsn, outcome, variables)
            holder.execute("select pg_advisory_unlock(%s)", [SEED_LOCK])
            holder.execute("select pg_advisory_lock_shared(%s)", [SEED_LOCK])
        yield


def _load_seeds(settings: Settings, dsn: str, outcome: _Outcome, variables: dict) -> None:
    with connect(dsn) as connection:  # until the end, half-loaded seeds are nobody's
        if connection.execute("select to_regclass('reference.loaded')").fetchone()[0] is not None:
            connection.execute("delete from reference.loaded")
    _dbt(settings, dsn, ["--selector", "seeds", "--full-refresh"], variables, outcome)
    with connect(dsn) as connection:
        connection.execute(
            "create table if not exists reference.loaded (seed_fingerprint text not null)"
        )
        connection.execute("insert into reference.loaded values (%s)", [seed_fingerprint(settings)])


def _seeds_are_loaded(settings: Settings, dsn: str) -> bool:
    with connect(dsn) as connection:
        if connection.execute("select to_regclass('reference.loaded')").fetchone()[0] is None:
            return False
        row = connection.execute("select seed_fingerprint from reference.loaded").fetchone()
    return row is not None and row[0] == seed_fingerprint(settings)


def _link(dsn: str, known_seq: int, outcome: _Outcome) -> None:
    """Find out who the records of every system are about; what it did stands in the build's row."""
    from neet.identity import linking

    done = linking.link(dsn, known_seq)
    log.info("%s", done.words)
    outcome.detail["identity"] = dataclasses.asdict(done)


def _dbt(
    settings: Settings, dsn: str, selection: list[str], variables: dict, outcome: _Outcome
) -> None:
    """Run ``dbt build`` with a selection and add what it did to the outcome.

    Raises:
        BuildFailed: some node failed, or the project does not compile.
    """
    from dbt.cli.main import dbtRunner

    lineage = variables["lineage"]
    told = {f"NEET_RUN_{k.upper()}": str(v) for k, v in variables.items() if k in RUN_VALUES}
    progress = _Progress(selection[1])
    since = increments.last_stamp(dsn) if lineage == "live" else 0
    with _environment(profile_environment(dsn) | told):
        done = parsed(settings, dsn, variables)
        if done.success:
            done = dbtRunner(manifest=done.result, callbacks=[progress]).invoke(
                [
                    "build",
                    *selection,
                    "--exclude-resource-type",
                    "unit_test",
                    *dbt_arguments(settings, variables),
                ]
            )
    progress.conclude()
    if done.exception is not None:
        raise BuildFailed(f"dbt could not run the {lineage} lineage: {done.exception}", [])
    outcome.add(done.result.results, selection[1])
    if lineage == "live":
        models = [r.node.name for r in done.result.results if r.node.resource_type == "model"]
        made = increments.summary(dsn, models, since)
        outcome.detail.setdefault("increments", {})[selection[1]] = dataclasses.asdict(made)
        log.info("%s: %s", selection[1], made.words)
    lineage_of = (
        variables["lineage"] if variables["lineage"] == "live" else outcome.build_row.schema_name
    )
    events.models_built(settings, lineage_of, done.result.results, outcome.build_row.build_id)
    if not done.success:
        failures = [
            _failure(result)
            for result in done.result.results
            if str(result.status) in ("error", "fail")
        ]
        outcome.detail["failures"] = failures
        raise BuildFailed(
            _explain(lineage, outcome, failures, settings.logs / "dbt" / lineage), failures
        )


_LAST_PARSED: dict[str, tuple[tuple, Any]] = {}
"""Of each lineage: what was parsed last by this process, and dbt's result."""


def parsed(settings: Settings, dsn: str, variables: dict) -> Any:
    """dbt's result of parsing the project: the one at hand, as long as no file, database or variable differs.

    A build of all layers invokes dbt three times, and reading what dbt keeps of the last parsing takes a second.
    """
    from dbt.cli.main import dbtRunner

    files = sorted(
        (str(file), file.stat().st_mtime_ns, file.stat().st_size)
        for part in (
            "dbt_project.yml",
            "profiles.yml",
            "selectors.yml",
            "models",
            "macros",
            "seeds",
        )
        for file in [settings.dbt_project / part, *(settings.dbt_project / part).rglob("*")]
    )
    lineage, arguments = variables["lineage"], dbt_arguments(settings, variables)
    asked = (profile_environment(dsn), arguments, files)
    if _LAST_PARSED.get(lineage, (None,))[0] == asked:
        return _LAST_PARSED[lineage][1]
    _LAST_PARSED.pop(lineage, None)  # before another takes as much memory
    with _environment(profile_environment(dsn)):
        done = dbtRunner().invoke(["parse", *arguments])
    if done.success:
        _LAST_PARSED[lineage] = (asked, done)
    return done


def dbt_arguments(settings: Settings, variables: dict) -> list[str]:
    """What dbt is told whatever it does: where things are, and the variables that shape the project.

    What differs from run to run is not among them: dbt would parse the whole project again.
    """
    lineage = variables["lineage"]
    target = settings.home / "dbt" / lineage / "target"
    logs = settings.logs / "dbt" / lineage
    for folder in (target, logs):
        folder.mkdir(parents=True, exist_ok=True)
    shaping = json.dumps({k: v for k, v in variables.items() if k not in RUN_VALUES})
    # Nothing reads the manifest that dbt would write out twice a run; what it needs itself it keeps in partial_parse.
    return ["--project-dir", str(settings.dbt_project), "--profiles-dir", str(settings.dbt_project), "--target-path", str(target),
            "--log-path", str(logs), "--vars", shaping, "--quiet", "--log-level-file", "info", "--log-level", "none",
            "--no-use-colors", "--no-write-json", "--no-send-anonymous-usage-stats"]  # fmt: skip


class _Progress:
    """Tells a person who follows the log how far dbt is: a line a model with its seconds and rows, and at the end the
    slowest and what the data tests took. Called by dbt for each of its events, from any of its threads."""

    SLOWEST = 5

    def __init__(self, label: str) -> None:
        self.label = label
        self.total = self.done = 0
        self.seconds: dict[str, float] = {}
        self.tests: list[float] = []
        self._lock = threading.Lock()

    def __call__(self, event: Any) -> None:
        if event.info.name == "ConcurrencyLine":
            self.total = event.data.node_count
        elif event.info.name == "SkippingDetails":
            with self._lock:
                self.done += 1
        elif event.info.name == "NodeFinished":
            with self._lock:
                self.done += 1
                self._tell(event.data.node_info, event.data.run_result)

    def _tell(self, node: Any, result: Any) -> None:
        is_test = node.resource_type == "test"
        if is_test:
            self.tests.append(result.execution_time)
        else:
            self.seconds[node.node_name] = result.execution_time
        outcome = str(result.status)
        if is_test and outcome == "pass":
            return
        # What inserts or selects into a table says how many rows; a view has none.
        rows = dict(result.adapter_response).get("rows_affected")
        counted = f"{int(rows):>10,} rows" if outcome == "success" and rows is not None else outcome
        code = dict(result.adapter_response).get("code")
        if code in ("UNCHANGED", "INCREMENT"):
            counted = f"{counted}, {code.lower()}"
        place = f"{self.done:>{len(str(self.total))}} of {self.total}"
        log.info("%s  %-48s %7.1f s  %s", place, node.node_name, result.execution_time, counted)

    def conclude(self) -> None:
        slowest = sorted(self.seconds.items(), key=lambda item: (-item[1], item[0]))[: self.SLOWEST]
        if slowest:
            log.info(
                "%s: %d models and seeds; the slowest: %s",
                self.label,
                len(self.seconds),
                ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest),
            )
        if self.tests:
            log.info("%s: %d data tests in %.1f s", self.label, len(self.tests), sum(self.tests))


def _failure(result) -> dict:
    return {
        "name": result.node.name,
        "kind": str(result.node.resource_type),
        "file": result.node.original_file_path,
        "message": str(result.message),
        "why": result.node.description,
    }


def _explain(lineage: str, outcome: _Outcome, failures: list[dict], logs: Path) -> str:
    lines = [f"Build {outcome.build_row.build_id} ({lineage}) failed: nothing has been published."]
    for failure in failures:
        lines.append(
            f"- {failure['kind']} {failure['name']} ({failure['file']}): {failure['message'].strip()}"
        )
        if failure["kind"] == "test" and failure["why"]:
            lines.append(f"  What it protects: {failure['why']}")
    skipped = outcome.nodes.get("skipped", 0)
    if skipped:
        lines.append(f"{skipped} models and tests that depend on them did not run.")
    lines.append(
        f"The data engineer mends this. dbt's own words: {logs}/dbt.log. Readers keep the former build."
    )
    return "\n".join(lines)


def profile_environment(dsn: str) -> dict[str, str]:
    """The environment variables that ``profiles.yml`` reads, from a connection string."""
    parts = urlsplit(dsn)
    return {
        "NEET_DBT_HOST": parts.hostname or "127.0.0.1",
        "NEET_DBT_PORT": str(parts.port or 5432),
        "NEET_DBT_USER": unquote(parts.username or ""),
        "NEET_DBT_PASSWORD": unquote(parts.password or ""),
        "NEET_DBT_DBNAME": parts.path.lstrip("/"),
        # The server ends the queries of a killed build within seconds; otherwise they would run on and hold their
        # locks, and the next build would wait for them. Models need not wait for the disk one by one: the row that
        # says the build is done is committed after them and waits, and what is on the disk then is on it in order.
        # A sample of 9,000 rows a table makes the same plans as the server's 30,000, for a third of the time.
        "PGOPTIONS": "-c client_connection_check_interval=2s -c synchronous_commit=off -c default_statistics_target=30",
    }


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
