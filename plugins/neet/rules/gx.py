"""Every check as a Great Expectations expectation of its own, and the Data Docs of a run.

Importing this module imports Great Expectations, which takes seconds: import it where it is used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

os.environ["GX_ANALYTICS_ENABLED"] = "False"

import great_expectations as gx  # noqa: E402
from great_expectations.data_context.types.base import (  # noqa: E402
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations import UnexpectedRowsExpectation  # noqa: E402

from neet.rules.workspace import SCHEMA, SESSION  # noqa: E402

SITE = "gate"


class ReturnCheck(UnexpectedRowsExpectation):
    """No row fails the check.

    Only the number of failing rows is asked for. The rows hold names and ids of young people: they go
    to ``assurance.check_failure``, never into results that Data Docs print.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(
        self, metrics: dict, runtime_configuration: dict | None = None, execution_engine: Any = None
    ) -> dict:
        count = metrics["unexpected_rows_query.row_count"]
        return {"success": count == 0, "result": {"observed_value": count}}


@dataclass(frozen=True)
class Check:
    """One expectation to be run.

    Attributes:
        query: SQL for the failing rows.
        severity: critical, warning or info.
        meta: what Data Docs show beside the result; texts.
    """

    suite: str
    check_id: str
    title: str
    query: str
    severity: str
    meta: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What Great Expectations said of one check.

    Attributes:
        failed_count: rows, or ``None`` where the check could not run.
        error: why it could not run, in one line, or ``None``.
    """

    failed_count: int | None
    error: str | None


def _for_gx(query: str) -> str:
    """SQL as Great Expectations wants it: it reads braces as fields and ``:name`` as a parameter, and
    prints a warning when nothing names the batch."""
    escaped = query.replace("{", "{{").replace("}", "}}")
    escaped = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", escaped)
    return f"{escaped}\n/* {{batch}} */"


def _error_of(result: Any) -> str | None:
    """The message of whatever a result's exception_info holds, whether flat or one a metric."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [
        entry for entry in entries if isinstance(entry, dict) and entry.get("raised_exception")
    ]
    if not raised:
        return None
    message = str(raised[0].get("exception_message") or "an exception without a message")
    return first_lines(message)


def first_lines(message: str) -> str:
    """An error of the database without the SQL and the link that SQLAlchemy adds to it."""
    kept = message.split("[SQL:")[0].split("(Background on this error")[0]
    return " ".join(kept.split())[:500]


def _url(dsn: str) -> str:
    """The same connection for SQLAlchemy, with the settings of a session that judges."""
    parts = urlsplit(dsn)
    options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    query = [*parse_qsl(parts.query), ("options", f"{options} -c TimeZone=UTC")]
    return parts._replace(scheme="postgresql+psycopg", query=urlencode(query)).geturl()


class Session:
    """One ephemeral data context with one connection, for the suites of one gate run."""

    def __init__(self, dsn: str, table: str):
        self.context = gx.get_context(
            mode="ephemeral",
            project_config=DataContextConfig(
                store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                progress_bars=ProgressBarsConfig(globally=False),
            ),
        )
        source = self.context.data_sources.add_postgres("warehouse", connection_string=_url(dsn))
        asset = source.add_table_asset("return", table_name=table, schema_name=SCHEMA)
        self.batch = asset.add_batch_definition_whole_table("all")
        self.source = source

    def close(self) -> None:
        """Give the connection back; a pooled one would keep the work tables locked."""
        self.source.get_engine().dispose()

    def run(self, suite: str, checks: Sequence[Check]) -> dict[str, list[Outcome]]:
        """Run a suite; every result found, by check id.

        A check without a result is missing from the answer, one with two has two: the caller counts.
        """
        expectations = [
            ReturnCheck(
                unexpected_rows_query=_for_gx(check.query),
                severity=check.severity,
                description=f"{check.check_id}: {check.title}",
                meta={"check_id": check.check_id, "title": check.title, **check.meta},
            )
            for check in checks
        ]
        built = self.context.suites.add(gx.ExpectationSuite(name=suite, expectations=expectations))
        definition = self.context.validation_definitions.add(
            gx.ValidationDefinition(name=suite, data=self.batch, suite=built)
        )
        found: dict[str, list[Outcome]] = {}
        for result in definition.run(result_format="BASIC").results:
            check_id = result.expectation_config.meta["check_id"]
            found.setdefault(check_id, []).append(outcome_of(result))
        return found

    def build_docs(self, folder: Path, report: Mapping[str, Any]) -> Path:
        """Write the Data Docs site of everything run so far and give its index page.

        The pages are the project's own views, because those of Great Expectations load their styles,
        and the index its very content, from servers on the internet.

        Args:
            folder: replaced if it is there.
            report: see :mod:`neet.rules.docs`.
        Raises:
            RuntimeError: Great Expectations wrote no index; it logs what went wrong and goes on.
        """
        if folder.exists():
            shutil.rmtree(folder)
        module = "neet.rules.docs"

        def section(store: str, renderer: str, view: str) -> dict:
            return {
                "class_name": "DefaultSiteSectionBuilder",
                "source_store_name": store,
                "renderer": {"module_name": module, "class_name": renderer},
                "view": {"module_name": module, "class_name": view},
            }

        self.context.add_data_docs_site(
            SITE,
            {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(folder),
                },
                "site_index_builder": {
                    "class_name": "DefaultSiteIndexBuilder",
                    "renderer": {
                        "module_name": module, "class_name": "IndexRenderer", "report": json.dumps(report),
                    },
                    "view": {"module_name": module, "class_name": "IndexView"},
                },
                "site_section_builders": {
                    "expectations": section(
                        self.context.expectations_store_name, "SuiteRenderer", "SuiteView"
                    ),
                    "validations": section(
                        self.context.validation_results_store_name, "ResultRenderer", "ResultView"
                    ),
                    "profiling": "None",
                },
            },
        )  # fmt: skip
        self.context.build_data_docs(site_names=[SITE])
        index = folder / "index.html"
        if not index.is_file() or not index.stat().st_size:
            raise RuntimeError(
                f"Great Expectations wrote no index page below {folder}; the reason stands in its log."
            )
        # fonts, pictures and styles of the views that are not used: 4 MB a run
        shutil.rmtree(folder / "static", ignore_errors=True)
        return index


def outcome_of(result: Any) -> Outcome:
    """What one validation result of Great Expectations says; an unreadable one could not run."""
    error = _error_of(result)
    if error:
        return Outcome(None, error)
    count = (result.result or {}).get("observed_value")
    if not isinstance(count, int) or result.success != (count == 0):
        return Outcome(None, "Great Expectations gave a result without a count that fits it")
    return Outcome(count, None)
