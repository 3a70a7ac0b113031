"""What dbt is told of the feeds: the sources of schema ``raw`` and the history models, from the contracts.

A feed is one contract and one model. What dbt wants beside them (a declared source with its freshness, a description
and a test of the history) says nothing that the contract does not, so it is made of it: by every build
(:mod:`neet.transform`), and by hand with ``python -m neet.feeds.dbt_properties``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import yaml

from neet.feeds import landing
from neet.feeds.contract import Contract
from neet.settings import Settings

COMMAND = "python -m neet.feeds.dbt_properties"
HEADER = (
    "# Made of expectations/feeds by `" + COMMAND + "`, and by every build. Change the contract.\n"
)
SOURCES = "models/hist/_raw.yml"
HISTORIES = "models/hist/_hist.yml"
KEY_TEST = {
    "key": {
        "description": "History is one line a key: two versions of a key never begin with one delivery.",
        "arguments": {"columns": ["la_code", "row_key", "known_from_seq"]},
    }
}
CLOCK = {
    "known_from_seq": "Delivery that first said so.",
    "known_to_seq": "Delivery that first said otherwise; empty while it stands.",
    "known_from": "When the first was accepted.",
    "known_to": "When the other was accepted.",
    "version_as_at": "Date of the extract that the values come from; for a stale version that of the last readable row.",
    "is_deleted": "From here on the key is closed.",
    "is_stale": "Shown from an older version, because the newest row for this key could not be read.",
}


class PropertiesStale(RuntimeError):
    """A file is not what the contracts say and cannot be written; the message says what to run."""


def render(settings: Settings) -> dict[Path, str]:
    """The files, by path, as they must read.

    Raises:
        neet.feeds.contract.ContractError: a contract is broken.
    """
    contracts = landing.contracts_of(settings).values()
    hist = settings.dbt_project / "models" / "hist"
    with_model = [c for c in contracts if (hist / f"hist_{c.feed}.sql").exists()]
    return {
        settings.dbt_project / SOURCES: _yaml(
            {
                "version": 2,
                "sources": [
                    {
                        "name": "raw",
                        "description": "Rows as delivered, one table a feed contract, append-only and only what changed. "
                        "Text, with dates in ISO form.",
                        "tables": [_source(contract) for contract in contracts],
                    }
                ],
            }
        ),
        settings.dbt_project / HISTORIES: _yaml(
            {"version": 2, "models": [_history(contract) for contract in with_model]}
        ),
    }


def write(settings: Settings) -> list[Path]:
    """Bring the files up to date; a file that is right is not touched, so dbt parses nothing anew.

    Returns:
        what was written.
    Raises:
        PropertiesStale: a file is out of date in a folder that cannot be written to.
        neet.feeds.contract.ContractError: a contract is broken.
    """
    written = []
    for path, text in render(settings).items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise PropertiesStale(
                f"{path} does not say what the contracts in expectations/feeds say, and cannot be written "
                f"({error.strerror}). Run `{COMMAND}` where the project can be changed, and install the result."
            ) from error
        written.append(path)
    return written


def _source(contract: Contract) -> dict[str, Any]:
    table: dict[str, Any] = {
        "name": contract.feed,
        "description": f"{contract.title} ({', '.join(catalogue_numbers(contract))}). {contract.description}",
    }
    if contract.latency_days is not None:
        table["config"] = {
            "loaded_at_query": "select max(accepted_at) from control.delivery "
            f"where feed = '{contract.feed}' and status = 'accepted'",
            "freshness": {"warn_after": {"count": contract.latency_days, "period": "day"}},
        }
    return table


def _history(contract: Contract) -> dict[str, Any]:
    return {
        "name": f"hist_{contract.feed}",
        "description": f"Every version: {contract.title}, {contract.grain}. {contract.usage}".strip(),
        "data_tests": [KEY_TEST],
        "columns": [
            {"name": column.name, "description": column.description} for column in contract.columns
        ]
        + [{"name": name, "description": text} for name, text in CLOCK.items()],
    }


def catalogue_numbers(contract: Contract) -> list[str]:
    """``F-02`` and the like: the feed's place in the catalogue of feeds."""
    return [tag for tag in contract.tags if tag[:2] in ("F-", "OU")]


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(content: dict[str, Any]) -> str:
    return HEADER + yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )


if __name__ == "__main__":
    for file in write(Settings.load()):
        sys.stdout.write(f"Written: {file}\n")
