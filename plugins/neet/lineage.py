"""OpenLineage events from the delivered file to the published mart, in ``<home>/lineage/<year>-<month>.ndjson``.

Written with OpenLineage's own client, one event a line, so that any tool of that standard reads them. Airflow's tasks write
theirs to ``airflow.ndjson`` beside it (the provider's file transport). Nothing here ever fails or holds up the work it tells
of: what cannot be written is a line of the log, and no event is written while a lock is held.

Datasets: a fetched or landed file (namespace ``file``, below the installation's folder), a table (namespace
``neet://warehouse``, ``raw.<feed>``, ``live.<model>``, ``census_<la>_<point>.<model>``, ``published_internal.<mart>``). No
event holds a row or a value of a file.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import functools
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neet.settings import Settings

if TYPE_CHECKING:
    from neet.feeds.contract import Contract
    from neet.feeds.fetching import Fetched
    from neet.feeds.landing import DeliveryResult, Landed

log = logging.getLogger(__name__)

FOLDER = "lineage"
JOBS = "neet"
TABLES = "neet://warehouse"
PRODUCER = "https://github.com/OpenLineage/OpenLineage/tree/main/client/python"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetFacet"
DATA = ("model", "seed", "source", "snapshot")
SWITCH = "OPENLINEAGE_DISABLED"


def _never_fails(tell: Callable) -> Callable:
    @functools.wraps(tell)
    def told(*arguments: Any, **more: Any) -> None:
        if os.environ.get(SWITCH, "").lower() == "true":
            return
        try:
            tell(*arguments, **more)
        except Exception as error:
            log.warning("No lineage was written (%s: %s)", type(error).__name__, error)

    return told


@_never_fails
def file_fetched(settings: Settings, entry: Fetched) -> None:
    """A file at a source became a file of the inbox."""
    namespace, _, name = entry.url.partition("://")
    _write(
        settings,
        [
            _event(
                f"fetch.{entry.feed}",
                inputs=[_dataset(f"{namespace}://", name)],
                outputs=[
                    _dataset(
                        "file", f"inbox/{entry.feed}/{entry.name}",
                        {"delivery": {"sha256": entry.sha256, "bytes": entry.size, "feed": entry.feed}},
                    )
                ],
            )
        ],
    )  # fmt: skip


@_never_fails
def delivery_decided(
    settings: Settings, contract: Contract, landed: Landed, result: DeliveryResult
) -> None:
    """A landed file was loaded into its raw table, or was held, refused or found to be a duplicate."""
    about = {
        "delivery_id": result.delivery_id,
        "delivery_seq": result.delivery_seq,
        "status": result.status,
        "sha256": landed.sha256,
        "bytes": landed.bytes,
        "contract_version": contract.version,
        "contract_sha256": contract.sha256,
        "provider": landed.provider,
        "period": landed.period,
        "received_at": landed.received_at.isoformat(),
        "rows_in": result.rows_in,
        "rows_loaded": result.rows_loaded,
        "rows_unchanged": result.rows_unchanged,
        "rows_rejected": result.rows_rejected,
    }
    file = _dataset(
        "file", f"landing/{landed.landing_path}/{landed.stored_name}", {"delivery": about}
    )
    inbox = _dataset("file", f"inbox/{landed.feed}/{landed.file_name}")
    loaded = result.status == "accepted"
    columns = [(column.name, column.type, column.description) for column in contract.columns]
    raw = _dataset(TABLES, f"raw.{landed.feed}", version=str(result.delivery_seq), fields=columns, rows=result.rows_loaded)  # fmt: skip
    _write(
        settings,
        [
            _event(f"land.{landed.feed}", inputs=[inbox], outputs=[file]),
            _event(f"load.{landed.feed}", inputs=[file], outputs=[raw] if loaded else []),
        ],
    )


@_never_fails
def models_built(
    settings: Settings, where: str, results: Iterable[Any], build_id: int | None
) -> None:
    """What dbt built, one event a model or seed.

    Args:
        where: ``live`` or the schema of a census run.
        results: dbt's run results, each with its node.
    """
    events = []
    for result in results:
        node = result.node
        if str(node.resource_type) not in ("model", "seed"):
            continue
        status = str(result.status)
        if status not in ("success", "error"):
            continue
        upstream = [
            _dataset(TABLES, name)
            for name in sorted(_name_of(where, unique_id) for unique_id in _upstream(node))
        ]
        rows = dict(result.adapter_response or {}).get("rows_affected")
        physical = f"{node.database}.{node.schema}.{node.alias}"
        made = _dataset(
            TABLES,
            f"{where}.{node.name}",
            {"build": {"build_id": build_id, "relation": physical}},
            rows=int(rows) if rows is not None and int(rows) >= 0 else None,
        )
        events.append(
            _event(
                f"dbt.{where}.{node.name}",
                inputs=upstream,
                outputs=[made],
                failed=None if status == "success" else str(result.message)[:2000],
            )
        )
    _write(settings, events)


@_never_fails
def people_linked(settings: Settings, build_id: int | None) -> None:
    """The linkage, a step in Python between two layers of dbt, wrote who each record is about."""
    _write(
        settings,
        [
            _event(
                "identity.link",
                inputs=[_dataset(TABLES, "live.int_source_person")],
                outputs=[_dataset(TABLES, "identity.link", {"build": {"build_id": build_id}})],
            )
        ],
    )


@_never_fails
def marts_published(settings: Settings, build_id: int, rows: Mapping[str, int]) -> None:
    """Marts of the live lineage became what readers see."""
    _write(
        settings,
        [
            _event(
                f"publish.{mart}",
                inputs=[_dataset(TABLES, f"live.{mart}")],
                outputs=[
                    _dataset(
                        TABLES, f"published_internal.{mart}", {"build": {"build_id": build_id}}, rows=count
                    )
                ],
            )
            for mart, count in sorted(rows.items())
        ],
    )  # fmt: skip


def _upstream(node: Any) -> list[str]:
    needed = getattr(getattr(node, "depends_on", None), "nodes", None) or []
    return [unique_id for unique_id in needed if unique_id.split(".")[0] in DATA]


def _name_of(where: str, unique_id: str) -> str:
    parts = unique_id.split(".")
    return ".".join(parts[2:4]) if parts[0] == "source" else f"{where}.{parts[-1]}"


def _custom(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": SCHEMA, **values}


def _dataset(
    namespace: str,
    name: str,
    about: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    version: str | None = None,
    fields: Iterable[tuple[str, str, str]] = (),
    rows: int | None = None,
) -> dict[str, Any]:
    facets: dict[str, Any] = {
        f"neet_{key}": _custom(values) for key, values in (about or {}).items()
    }
    return {
        "namespace": namespace, "name": name, "facets": facets, "version": version,
        "fields": list(fields), "rows": rows,
    }  # fmt: skip


def _event(
    job: str,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
    failed: str | None = None,
) -> Any:
    from openlineage.client import event_v2 as ol
    from openlineage.client.facet_v2 import (
        dataset_version_dataset,
        error_message_run,
        output_statistics_output_dataset,
        schema_dataset,
    )
    from openlineage.client.uuid import generate_new_uuid

    def facets_of(each: dict[str, Any]) -> dict[str, Any]:
        facets = dict(each["facets"])
        if each["version"]:
            facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(each["version"])
        if each["fields"]:
            facets["schema"] = schema_dataset.SchemaDatasetFacet(
                [
                    schema_dataset.SchemaDatasetFacetFields(name, kind, description)
                    for name, kind, description in each["fields"]
                ]
            )
        return facets

    def output(each: dict[str, Any]) -> ol.OutputDataset:
        counted = {}
        if each["rows"] is not None:
            counted["outputStatistics"] = (
                output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=each["rows"])
            )  # fmt: skip
        return ol.OutputDataset(
            each["namespace"], each["name"], facets=facets_of(each), outputFacets=counted
        )

    run_facets = {}
    if failed:
        run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(failed, "SQL")
    return ol.RunEvent(
        eventType=ol.RunState.FAIL if failed else ol.RunState.COMPLETE,
        eventTime=dt.datetime.now(dt.UTC).isoformat(),
        run=ol.Run(str(generate_new_uuid()), run_facets),
        job=ol.Job(JOBS, job),
        producer=PRODUCER,
        inputs=[
            ol.InputDataset(each["namespace"], each["name"], facets=facets_of(each))
            for each in inputs
        ],
        outputs=[output(each) for each in outputs],
    )


def _write(settings: Settings, events: list[Any]) -> None:
    """All lines by one process at a time: several write to one file."""
    if not events:
        return
    from openlineage.client.serde import Serde

    lines = "".join(Serde.to_json(event) + "\n" for event in events)
    file = settings.home / FOLDER / f"{dt.datetime.now(dt.UTC):%Y-%m}.ndjson"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        out.write(lines)


def events(settings: Settings) -> Iterable[dict[str, Any]]:
    """Every event of this installation's own, oldest first; half a line, of a killed process, is left out."""
    import json

    for file in sorted((settings.home / FOLDER).glob("[0-9]*.ndjson")):
        yield from _lines(file, json.loads)


def _lines(file: Path, read: Callable[[str], Any]) -> Iterable[Any]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                yield read(line)
            except ValueError:
                continue
