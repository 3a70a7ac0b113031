"""The page of ``neet compare --html``: one drawing a measure, every year, in a file that needs nothing from a network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from neet import comparison
from neet.settings import Settings

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 118, 14, 28
LINES = {
    "STATISTICAL_NEIGHBOUR": "neighbour",
    "STATISTICAL_MEAN": "mean",
    "REGION": "region",
    "ENGLAND": "england",
    "OWN": "own",
}
"""Comparators that are drawn, the last on top, and the class of their line."""

LABEL_GAP = 12


def render(settings: Settings, la_code: str, year: int) -> str:
    """The page as HTML.

    Args:
        year: of the table; the drawings show every year.
    Raises:
        neet.comparison.NothingToCompare: nothing is published for the authority and year.
    """
    rows = comparison.comparison(settings, la_code, year)
    for row in rows:
        row["dfe_words"] = comparison.words(row)
    series = comparison.series(settings, la_code)
    own = next(row for row in series if row["comparator_type"] == "OWN")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("comparison_page.html.j2").render(
        la_name=own["comparator_name"],
        la_code=la_code,
        year=year,
        region=comparison.region_name(settings, la_code, year),
        rows=rows,
        charts=[chart for measure in _by(series, "measure_id") if (chart := draw(measure))],
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
    )


def draw(measure: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Lines, axes and labels of one measure, in pixels; None when no year has a value of the authority.

    Args:
        measure: rows of :func:`neet.comparison.series` of one measure.
    """
    drawn = [r for r in measure if r["value"] is not None and r["comparator_type"] in LINES]
    if not any(row["comparator_type"] == "OWN" for row in drawn):
        return None
    years = sorted({row["time_period"] for row in drawn})
    low = min(float(row["value"]) for row in drawn)
    high = max(float(row["value"]) for row in drawn)
    step = _step(high - low)
    low, high = step * int(low / step), step * (int(high / step) + 1)

    def x(year: int) -> float:
        span = max(years[-1] - years[0], 1)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (year - years[0]) / span, 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low), 1)

    lines = []
    for kind, style in LINES.items():
        of_kind = [row for row in drawn if row["comparator_type"] == kind]
        for rows in _by(sorted(of_kind, key=lambda r: r["comparator_name"]), "comparator_name"):
            points = [
                {"x": x(r["time_period"]), "y": y(float(r["value"])), "year": r["time_period"],
                 "value": f"{float(r['value']):.1f}"}
                for r in rows
            ]  # fmt: skip
            lines.append(
                {
                    "style": style,
                    "name": rows[0]["comparator_name"],
                    "points": points,
                    "runs": _runs(points),
                    "label_y": points[-1]["y"],
                    "is_labelled": kind != "STATISTICAL_NEIGHBOUR" and points[-1]["year"] == years[-1],
                }
            )  # fmt: skip
    _spread([line for line in lines if line["is_labelled"]])
    return {
        "title": measure[0]["measure_name"],
        "better": "low is good" if measure[0]["polarity"] == "L" else "high is good",
        "lines": lines,
        "years": [{"x": x(year), "year": year} for year in years],
        "ticks": [
            {"y": y(low + number * step), "value": f"{low + number * step:g}"}
            for number in range(int(round((high - low) / step)) + 1)
        ],
    }


def _by(rows: Iterable[dict], column: str) -> list[list[dict]]:
    groups: dict[Any, list[dict]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return list(groups.values())


def _step(span: float) -> float:
    for step in (0.5, 1, 2, 5, 10, 20):
        if span / step <= 6:
            return step
    return 50


def _runs(points: list[dict]) -> list[list[dict]]:
    """Points of consecutive years: a line across a year without a figure would invent one."""
    runs: list[list[dict]] = []
    for point in points:
        if runs and runs[-1][-1]["year"] == point["year"] - 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _spread(labelled: list[dict]) -> None:
    """Move labels apart, from the top downwards and, where that leaves the drawing, back up."""
    labelled.sort(key=lambda line: line["label_y"])
    for above, below in zip(labelled, labelled[1:], strict=False):
        below["label_y"] = max(below["label_y"], above["label_y"] + LABEL_GAP)
    limit = HEIGHT - BOTTOM
    for line in reversed(labelled):
        line["label_y"] = min(line["label_y"], limit)
        limit = line["label_y"] - LABEL_GAP
