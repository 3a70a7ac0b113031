"""The page of ``neet movement --out FILE.html``: the account as a waterfall, in a file that needs nothing from a network."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from neet import movement

BAR, GAP, LEFT, TOP, HEIGHT, BOTTOM = 74, 26, 62, 30, 300, 52
GOOD_WHEN_LOW = ("neet", "not_known", "neet_or_not_known")


def render(found: movement.Account, people: list[movement.Mover]) -> str:
    """The page as HTML.

    Args:
        people: of :func:`neet.movement.movers`, all of them.
    """
    return _template("movement_page.html.j2").render(
        found=found,
        measure=movement.MEASURES[found.measure],
        words=movement.words(found),
        chart=draw(found),
        parts=[
            {
                "label": movement.label(part),
                "part": part,
                "points": movement.points(part.rate_effect),
                "people": [one for one in people if (one.part, one.change) == (part.part, part.change)],
            }
            for part in found.parts
        ],
        change=movement.points(found.change),
        places=movement.places,
    )  # fmt: skip


def svg(found: movement.Account) -> str:
    """The drawing alone."""
    return _template("movement_chart.svg.j2").render(chart=draw(found)) + "\n"


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name)


def steps(found: movement.Account) -> list[tuple[str, Fraction]]:
    """Name and effect of each part, in the order of the account; what was corrected late is one step."""
    by_part: dict[str, Fraction] = {}
    for part in found.parts:
        by_part[part.part] = by_part.get(part.part, Fraction(0)) + part.rate_effect
    return [(movement.PARTS[name], by_part[name]) for name in movement.PARTS if name in by_part]


def draw(found: movement.Account) -> dict[str, Any] | None:
    """Bars, axis and labels in pixels; None where a cohort is empty and there is no rate to draw.

    A bar of a part begins where the one before it ends, so the last ends at the closing rate: because the parts sum
    exactly, not because it is drawn there.
    """
    if found.change is None or any(part.rate_effect is None for part in found.parts):
        return None
    level = found.opening_rate
    bars = [("total", found.opening.words, Fraction(0), level, movement.percent(level, 2) + " %")]
    for name, effect in steps(found):
        better = (effect < 0) == (found.measure in GOOD_WHEN_LOW)
        kind = "same" if not effect else "better" if better else "worse"
        bars.append((kind, name, level, level + effect, movement.points(effect, 2)))
        level += effect
    bars.append(
        ("total", found.closing.words, Fraction(0), level, movement.percent(level, 2) + " %")
    )
    levels = [float(end) for _, _, *ends, _ in bars[1:-1] for end in ends]
    levels += [float(found.opening_rate), float(found.closing_rate)]
    low, high, step = _axis(min(levels), max(levels))

    def y(rate: float) -> float:
        return round(TOP + HEIGHT * (high - max(rate, low)) / (high - low), 1)

    drawn = []
    for number, (kind, name, begins, ends, text) in enumerate(bars):
        upper, lower = y(float(max(begins, ends))), y(float(min(begins, ends)))
        drawn.append(
            {
                "kind": kind, "x": LEFT + GAP + number * (BAR + GAP), "y": upper, "height": max(lower - upper, 1.5),
                "text": text, "end_y": y(float(ends)), "lines": _in_lines(name),
            }
        )  # fmt: skip
    return {
        "bars": drawn,
        "bar": BAR,
        "gap": GAP,
        "left": LEFT,
        "width": LEFT + GAP + len(bars) * (BAR + GAP),
        "height": TOP + HEIGHT + BOTTOM,
        "floor": TOP + HEIGHT,
        "cut": low > 0,
        "ticks": [
            {"y": y(low + number * step), "text": f"{(low + number * step) * 100:.10g} %"}
            for number in range(int(round((high - low) / step)) + 1)
        ],
    }


def _axis(lowest: float, highest: float) -> tuple[float, float, float]:
    """Where the axis begins and ends and its step. It begins at nought unless the changes would be too small to see."""
    span = highest - lowest or highest or 0.01
    if lowest < 2 * span:
        lowest, span = 0.0, highest or 0.01
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * by for by in (0.1, 0.2, 0.5, 1, 2) if span / (step * by) <= 6)
    low = max(0.0, step * (math.floor(round(lowest / step, 6)) - (1 if lowest else 0)))
    high = step * (math.floor(round(highest / step, 6)) + 1)
    return round(low, 12), round(high, 12), step


def _in_lines(name: str) -> list[str]:
    lines = [""]
    for word in name.split():
        if lines[-1] and len(lines[-1]) + len(word) >= 13:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
