"""``docs/feeds.md``: what every feed holds, made of the contracts by ``python -m neet.feeds.reference``."""

from __future__ import annotations

import sys

from neet.feeds import landing
from neet.feeds.contract import Column, Contract, Layout
from neet.feeds.dbt_properties import catalogue_numbers
from neet.feeds.overview import words
from neet.feeds.schedule import Rule, rules
from neet.settings import Settings

COMMAND = "python -m neet.feeds.reference"
HEAD = f"""\
<!-- Made of expectations/feeds by `{COMMAND}`. Change the contracts. -->
# Feeds

What every source sends: whose it is, when it is due, what one row is, and every column with its privacy class. How a file
is read and what becomes of it: [`expectations/feeds/README.md`](../expectations/feeds/README.md). How the feeds stand today:
`./neet feeds`, or `./neet feeds --page feeds.html`.

Privacy: **identifier** tells who somebody is, **special** is what the law protects most (health, care, offences, ethnicity and the
like), *personal* is anything else about a person. In the column *read*, K is the key, and a date or number must be readable as one.
"""
PRIVACY = {
    "none": "",
    "personal": "*personal*",
    "identifier": "**identifier**",
    "special_category": "**special**",
}
TYPES = {"text": "", "date": "date", "integer": "whole number", "number": "number"}


def render(settings: Settings) -> str:
    """The page.

    Raises:
        neet.feeds.contract.ContractError, neet.calendar.CalendarBroken: a contract or the schedule is wrong.
    """
    contracts = sorted(
        landing.contracts_of(settings).values(),
        key=lambda c: (not catalogue_numbers(c)[0].startswith("F-"), catalogue_numbers(c), c.feed),
    )
    due: dict[str, list[Rule]] = {}
    for rule in rules(settings.la_code):
        due.setdefault(rule.feed, []).append(rule)
    lines = [
        HEAD,
        "| no. | feed | owner | source | due | key |",
        "|---|---|---|---|---|---|",
        *(
            f"| {', '.join(catalogue_numbers(c))} | [{c.title}](#{c.feed}) | {c.owner_service} | {c.source_system} | "
            f"{_due(due.get(c.feed, []))} | {', '.join(column.header for column in c.key)} |"
            for c in contracts
        ),
        "",
    ]
    for contract in contracts:
        lines += _section(contract, due.get(contract.feed, []))
    return "\n".join(lines).rstrip("\n") + "\n"


def _due(found: list[Rule]) -> str:
    return "; ".join(words(rule) for rule in found) or "as it comes"


def _section(contract: Contract, found: list[Rule]) -> list[str]:
    tolerance = contract.tolerance
    gates = sorted({gate for rule in found for gate in rule.gates})
    facts = [
        f"**Owner** {contract.owner_service}, from {contract.source_system}. **Due** {_due(found)}"
        + (f"; while late it endangers {', '.join(gates)}" if gates else "")
        + ".",
        f"**File** `{contract.example}` ({', '.join(contract.formats)}; {' or '.join(contract.modes)}"
        + (
            f", which speaks for all rows of its {contract.scope}"
            if "snapshot" in contract.modes
            else ""
        )
        + ").",
        f"**Key** {', '.join(column.header for column in contract.key)}: {contract.grain or 'one row'}.",
        f"**Held** when more than {tolerance.reject_share:.0%} of the rows (and {tolerance.reject_rows}) cannot be read"
        + (
            f", a snapshot shrinks by more than {tolerance.shrink_share:.0%} (and {tolerance.shrink_rows} rows) or would "
            f"close more than {tolerance.closure_share:.0%}"
            if "snapshot" in contract.modes
            else ""
        )
        + f". At most {contract.max_bytes // 2**20} MiB.",
        f"**Limits of what we know** {contract.limitations}" if contract.limitations else "",
    ]
    lines = [f'<a id="{contract.feed}"></a>', f"## {contract.title}", ""]
    lines += [contract.description, "", *[f"- {fact}" for fact in facts if fact], ""]
    lines += _layouts(contract)
    lines += ["| column | header | what | read | privacy | kept |", "|---|---|---|---|---|---|"]
    lines += [_column(column) for column in contract.columns]
    return [*lines, ""]


def _layouts(contract: Contract) -> list[str]:
    """What each dated layout changed on the one before."""
    lines = []
    for before, after in zip(contract.layouts, contract.layouts[1:], strict=False):
        lines.append(
            f"- From {after.valid_from}, layout *{after.name}*: {_difference(before, after)}."
        )
    return ["Layouts, each the difference from the one before:", "", *lines, ""] if lines else []


def _difference(before: Layout, after: Layout) -> str:
    was = {column.name: column.header for column in before.columns}
    now = {column.name: column.header for column in after.columns}
    told = {
        "new": [_code(now[name]) for name in now if name not in was],
        "gone": [_code(was[name]) for name in was if name not in now],
        "renamed": [
            f"{_code(was[name])} to {_code(now[name])}"
            for name in now
            if name in was and now[name] != was[name]
        ],
    }
    return "; ".join(f"{what} {', '.join(names)}" for what, names in told.items() if names)


def _column(column: Column) -> str:
    read = [f"K{column.key_position}"] if column.key_position else []
    read += [TYPES[column.type]] if TYPES[column.type] else []
    if column.stand_in:
        read.append(f"blank: made of {', '.join(column.stand_in)}")
    if column.is_generated:
        read.append("numbered by the loader")
    headers = ", ".join(_code(header) for header in (column.header, *column.aliases))
    return (
        f"| {column.name} | {headers} | {_cell(column.description)} | {'; '.join(read)} | "
        f"{PRIVACY[column.privacy]} | {column.retention} |"
    )


def _code(text: str) -> str:
    return f"`{text}`" if "|" not in text else f"`{text}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    settings = Settings.load()
    target = settings.root / "docs" / "feeds.md"
    target.write_text(render(settings), encoding="utf-8")
    sys.stdout.write(f"Written: {target}\n")
