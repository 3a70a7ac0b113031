"""The checks of a gate beyond the DfE's own rules: ``expectations/gates/<gate>.yml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from psycopg import sql

from neet.rules.codes import TEXT_LOADER, Threshold
from neet.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from neet.census import CensusRun
    from neet.rules.workspace import Workspace

GATES = PROJECT_ROOT / "expectations" / "gates"

CONDITIONS = ("previous_submission",)
"""What a check may depend on: ``only_with`` names one of them."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SAFE = re.compile(r"[\w.|+\-]*")
_REQUIRED = (
    "id", "title", "protects", "priority", "owner_service", "reason", "how_to_mend", "failing_rows",
)  # fmt: skip
_OPTIONAL = ("only_with", "thresholds", "observed", "checked")


class GateSpecError(ValueError):
    """A gate's file cannot be loaded; the message names the file, the check and what to do."""


@dataclass(frozen=True)
class GateCheck:
    """One check of a gate.

    Attributes:
        failing_rows: SQL for ``young_persons_id, record_number, field, value, detail``; no rows, no failure.
        observed: SQL for one line of text, or ``None``.
        checked: SQL for the number of things looked at, or ``None``.
        only_with: one of :data:`CONDITIONS`, or ``None`` where the check always applies.
        thresholds: ids of the rows of ``gate_threshold.csv`` it compares with.
    """

    check_id: str
    title: str
    protects: str
    priority: int
    owner_service: str
    reason: str
    how_to_mend: str
    failing_rows: str
    observed: str | None
    checked: str | None
    only_with: str | None
    thresholds: tuple[str, ...]


@dataclass(frozen=True)
class Gate:
    """The checks of one gate.

    Attributes:
        suite: name under which its results are recorded.
        required_feeds: feeds that must have a snapshot for the period.
        checks: by id, in the order of the file.
    """

    suite: str
    required_feeds: tuple[str, ...]
    checks: Mapping[str, GateCheck]


def load_gate(name: str, folder: Path = GATES) -> Gate:
    """Read a gate's file.

    Raises:
        GateSpecError: it is missing or unreadable, or a check is incomplete or given twice.
    """
    file = folder / f"{name}.yml"
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=TEXT_LOADER)
        entries, suite, feeds = content["checks"], content["suite"], content["required_feeds"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise GateSpecError(f"{file} cannot be read as a gate: {error!r}.") from error
    checks: dict[str, GateCheck] = {}
    for entry in entries:
        where = f"{file.name}, check {entry.get('id', '(without id)')}"
        if missing := [key for key in _REQUIRED if not entry.get(key)]:
            raise GateSpecError(f"{where}: {', '.join(missing)} missing. Every check says it.")
        if unknown := entry.keys() - {*_REQUIRED, *_OPTIONAL}:
            raise GateSpecError(f"{where}: unknown key {', '.join(sorted(unknown))}.")
        if entry["priority"] not in ("1", "2", "3"):
            raise GateSpecError(f"{where}: priority {entry['priority']!r} is not 1, 2 or 3.")
        if entry.get("only_with", CONDITIONS[0]) not in CONDITIONS:
            raise GateSpecError(f"{where}: only_with is none of {', '.join(CONDITIONS)}.")
        if entry["id"] in checks:
            raise GateSpecError(f"{where}: the id is taken already.")
        checks[entry["id"]] = GateCheck(
            check_id=entry["id"],
            title=entry["title"],
            protects=entry["protects"],
            priority=int(entry["priority"]),
            owner_service=entry["owner_service"],
            reason=entry["reason"],
            how_to_mend=entry["how_to_mend"],
            failing_rows=entry["failing_rows"],
            observed=entry.get("observed"),
            checked=entry.get("checked"),
            only_with=entry.get("only_with"),
            thresholds=tuple(entry.get("thresholds", [])),
        )
    if not checks:
        raise GateSpecError(
            f"{file} holds no check; a gate without checks would let everything pass."
        )
    return Gate(suite, tuple(feeds), checks)


def build_feed_states(settings: Settings, work: Workspace, run: CensusRun) -> str:
    """A table of the feeds that the gate of a run depends on, as they stand on its due day; gives its name.

    Raises:
        neet.calendar.CalendarBroken, neet.calendar.CalendarEnd, neet.feeds.sources.SourcesError: nobody can say what
            is late.
    """
    from neet.feeds import lateness

    states = lateness.at_gate(
        settings, work.connection, run.la_code, run.census_point, run.known_seq
    )
    rows = [
        (state.feed, state.owner_service, is_missed, state.blocks, state.sentence)
        for state, is_missed in states
    ]
    listed = sql.SQL(" union all ").join(
        [
            sql.SQL("select null::text as feed, null::text as owner_service, false as is_late, "
                    "false as blocks, null::text as sentence where false"),
            *(sql.SQL("select {}, {}, {}, {}, {}").format(*map(sql.Literal, row)) for row in rows),
        ]
    )  # fmt: skip
    return work.create("feed_state", listed.as_string(work.connection))


@dataclass(frozen=True)
class Names:
    """What ``{{ names }}`` in a gate's SQL stand for.

    Attributes:
        texts: identifiers and values, put in as they are; letters, digits and ``_ . | + -`` only.
        lists: code lists, put in as ``('a', 'b')``; ``<name>_array`` gives ``array['a', 'b']``.
        thresholds: put in as numbers.
    """

    texts: Mapping[str, object]
    lists: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, Threshold]

    def fill(self, template: str, where: str) -> str:
        """The SQL with every name written out.

        Raises:
            GateSpecError: a name is unknown, or a value could be more than a value.
        """

        def written_out(match: re.Match) -> str:
            name = match[1]
            if name in self.texts:
                text = str(self.texts[name])
                if not _SAFE.fullmatch(text):
                    raise GateSpecError(f"{where}: {name} has a value unfit for SQL: {text!r}.")
                return text
            if name in self.thresholds:
                return format(self.thresholds[name].value, "f")
            codes = self.lists.get(name) or self.lists.get(name.removesuffix("_array"))
            if codes:
                listed = ", ".join(sql.Literal(code).as_string(None) for code in codes)
                return f"array[{listed}]" if name not in self.lists else f"({listed})"
            raise GateSpecError(
                f"{where}: nothing is known by the name {name!r}. It is no value of the run, no threshold "
                "of gate_threshold.csv and no list of code_lists.yml."
            )

        return _PLACEHOLDER.sub(written_out, template)
