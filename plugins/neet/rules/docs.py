"""Renderers and views of the Data Docs: pages that need nothing from the internet.

Great Expectations calls a renderer with a suite, a result or the links of a site, and a view with what the
renderer made of it. Here a renderer gives the values of a template and a view fills it in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from neet.rules.gx import outcome_of

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("data_docs")),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_ORDER = {"could_not_run": 0, "failed": 1, "passed": 2}


def _described(meta: Mapping[str, Any], query: str, severity: Any) -> dict[str, Any]:
    shown = {
        key: meta.get(key, "")
        for key in (
            "check_id",
            "title",
            "priority",
            "owner",
            "reason",
            "how_to_mend",
            "source",
            "assumed",
        )
    }
    return shown | {
        "severity": str(getattr(severity, "value", severity)),
        # braces and colons as they stand in the rule, not as Great Expectations wants them
        "query": query.removesuffix("\n/* {batch} */")
        .replace("{{", "{").replace("}}", "}").replace("\\:", ":"),
    }  # fmt: skip


class SuiteRenderer:
    """The rule book: every check of a suite, run or not."""

    def render(self, suite: Any) -> dict[str, Any]:
        return {
            "suite": suite.name,
            "checks": [
                _described(each.meta, each.unexpected_rows_query, each.severity)
                for each in suite.expectations
            ],
        }


class ResultRenderer:
    """What Great Expectations found in one suite, worst first."""

    def render(self, result: Any) -> dict[str, Any]:
        rows = []
        for each in result.results:
            config, outcome = each.expectation_config, outcome_of(each)
            rows.append(
                _described(config.meta, config.kwargs["unexpected_rows_query"], config.severity)
                | {
                    "status": "could_not_run"
                    if outcome.error
                    else "failed"
                    if outcome.failed_count
                    else "passed",
                    "failed_count": outcome.failed_count,
                    "error": outcome.error or "",
                }
            )
        counts = {status: sum(row["status"] == status for row in rows) for status in _ORDER}
        order = sorted(range(len(rows)), key=lambda i: (_ORDER[rows[i]["status"]], i))
        return {
            "suite": result.suite_name,
            "counts": counts,
            "checks": [rows[i] for i in order],
            "gx_version": result.meta.get("great_expectations_version", ""),
        }


class IndexRenderer:
    """The first page: the decision, what stops the return, whose it is, how to mend it.

    Args:
        report: JSON of title, outcome, facts (pairs), counts, groups (heading, hint, checks) and changes
            (pairs): Great Expectations writes the configuration of a site out as plain text.
    """

    def __init__(self, report: str):
        self.report = json.loads(report)

    def render(self, links: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **self.report,
            "results": [
                (link["expectation_suite_name"], link["filepath"])
                for link in links.get("validations_links", [])
            ],
            "suites": [
                (link["expectation_suite_name"], link["filepath"])
                for link in links.get("expectations_links", [])
            ],
        }


class _View:
    template = ""

    def __init__(
        self, custom_styles_directory: str | None = None, custom_views_directory: str | None = None
    ):
        self.page = _TEMPLATES.get_template(self.template)

    def render(self, document: Mapping[str, Any], **_: Any) -> str:
        return self.page.render(document)


class IndexView(_View):
    template = "index.html.j2"


class ResultView(_View):
    template = "result.html.j2"


class SuiteView(_View):
    template = "suite.html.j2"
