"""The page of ``neet collections --page``: every provider and due date of a year, in a file that needs no network."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from neet.feeds import collecting
from neet.feeds.collecting import Board, Line

KIND_WORDS = {
    "school": "Schools",
    "college": "Colleges",
    "training_provider": "Training providers",
}


def render(board: Board, academic_year: str) -> str:
    """The page as HTML.

    Args:
        board: only the lines of the year.
        academic_year: ``2021-22``.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    owing = board.owing
    whole = collecting.summary(board.lines)
    shown = _due_or_next(whole, board.on)
    return environment.get_template("collections_page.html.j2").render(
        board=board,
        academic_year=academic_year,
        day=day,
        grids=[_grid(kind, lines) for kind, lines in _by_kind(board)],
        summary=shown,
        later=len(whole) - len(shown),
        owing=owing,
        late=[line for line in owing if line.state != collecting.IN_GRACE],
        note=collecting.note,
        states=collecting.STATES,
    )


def _due_or_next(summary: list[dict[str, Any]], on: dt.date) -> list[dict[str, Any]]:
    """What is due by the day, or has come sooner, and of each feed the next date."""
    shown, coming = [], set()
    for row in summary:
        if row["due_on"] <= on or row["received"] or row["feed"] not in coming:
            shown.append(row)
        if row["due_on"] > on:
            coming.add(row["feed"])
    return shown


def _by_kind(board: Board) -> list[tuple[str, list[Line]]]:
    kinds: dict[str, list[Line]] = defaultdict(list)
    for line in board.lines:
        kinds[line.provider_kind].append(line)
    known = list(KIND_WORDS)
    return sorted(
        kinds.items(), key=lambda item: known.index(item[0]) if item[0] in known else len(known)
    )


def _grid(kind: str, lines: list[Line]) -> dict[str, Any]:
    """Providers down, the due dates of each feed across."""
    dates: dict[tuple[str, str], set[dt.date]] = defaultdict(set)
    cells: dict[tuple[str, str, dt.date], Line] = {}
    names: dict[str, str] = {}
    for line in lines:
        dates[line.feed, line.collection_name].add(line.due_on)
        cells[line.provider, line.feed, line.due_on] = line
        names[line.provider] = line.provider_name
    groups = sorted((min(days), feed, name, sorted(days)) for (feed, name), days in dates.items())
    columns = [(feed, day) for _, feed, _, days in groups for day in days]
    return {
        "id": f"kind-{kind}",
        "title": KIND_WORDS.get(kind, kind.replace("_", " ").capitalize()),
        "groups": [(name, feed, len(days)) for _, feed, name, days in groups],
        "starts": {sum(len(g[3]) for g in groups[:n]) for n in range(len(groups))},
        "columns": columns,
        "rows": [
            (provider, names[provider], [_cell(cells.get((provider, *column))) for column in columns])
            for provider in sorted(names)
        ],
    }  # fmt: skip


def _cell(line: Line | None) -> dict[str, str] | None:
    """Colour, one or two words that say the same without it, and the whole story on pointing at it."""
    if line is None:
        return None
    words = {
        collecting.NOT_YET_DUE: "–",
        collecting.IN_GRACE: "due",
        collecting.LATE: f"late {line.late_days}d",
        collecting.CHASED: f"chased {line.chased_count}×",
        collecting.RECEIVED: "nil" if line.is_nil else "in",
    }[line.state]
    style = line.state
    if line.state == collecting.RECEIVED and line.late_days:
        words, style = f"{words} +{line.late_days}d", "received_late"
    if line.waiting_status:
        words, style = line.waiting_status, "waiting"
    story = [
        f"{line.provider_name}: {line.collection_name}, due {line.due_on}: {collecting.STATES[line.state]}"
    ]
    if line.received_on:
        story.append(
            f"came {line.received_on}" + (f", {line.late_days} days late" if line.late_days else "")
        )
    elif line.late_days:
        story.append(f"{line.late_days} days late so far")
    if line.chased_count:
        story.append(f"chased {line.chased_count} times, last {line.last_chased_on}")
    if told := collecting.note(line):
        story.append(told)
    return {"style": style, "words": words, "story": "; ".join(story)}  # fmt: skip


def day(value: dt.date) -> str:
    """A date as people write it: ``7 Dec``."""
    return f"{value.day} {value:%b}"
