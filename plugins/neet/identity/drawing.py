"""The weights of a model as a drawing and as a table, for docs/identity.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from neet.identity.model import WORDS, Model

ROW, LEFT, MIDDLE, UNIT = 20, 430, 700, 20


def weights(model: Model) -> Iterator[tuple[str, str, float, float, float]]:
    """Comparison, degree, m, u and match weight (log2 of m by u)."""
    for comparison in model.settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                m, u = level["m_probability"], level["u_probability"]
                yield (
                    WORDS[comparison["output_column_name"]],
                    level["label_for_charts"],
                    m,
                    u,
                    math.log2(m / u),
                )


def prior(model: Model) -> float:
    """Match weight before anything is compared."""
    chance = model.settings["probability_two_random_records_match"]
    return math.log2(chance / (1 - chance))


def svg(model: Model) -> str:
    """Bars to the right speak for one person, to the left against it."""
    rows = [("", "before anything is compared", prior(model))]
    rows += [(name, label, weight) for name, label, _, _, weight in weights(model)]
    height = ROW * (len(rows) + 2)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{MIDDLE + 300}" height="{height}" font-family="sans-serif" font-size="12">',
        f"<title>Match weights of model {escape(model.version)}</title>",
        f'<line x1="{MIDDLE}" y1="0" x2="{MIDDLE}" y2="{height}" stroke="#333"/>',
    ]
    before = ""
    for number, (name, label, weight) in enumerate(rows, start=1):
        y = ROW * number
        width = abs(weight) * UNIT * 0.75
        x = MIDDLE if weight >= 0 else MIDDLE - width
        colour = "#2b6cb0" if weight >= 0 else "#b7472a"
        if name and name != before:
            out.append(f'<text x="4" y="{y}" font-weight="bold">{escape(name)}</text>')
        before = name
        out.append(f'<text x="{LEFT}" y="{y}" text-anchor="end">{escape(label)}</text>')
        out.append(
            f'<rect x="{x:.1f}" y="{y - 11}" width="{width:.1f}" height="13" fill="{colour}"/>'
        )
        at, anchor = (x + width + 4, "start") if weight >= 0 else (x - 4, "end")
        out.append(f'<text x="{at:.1f}" y="{y}" text-anchor="{anchor}">{weight:+.1f}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def table(model: Model) -> str:
    """The same as a table in Markdown."""
    lines = [
        "| what is compared | degree | of one person (m) | of two people (u) | weight |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {label} | {m:.4g} | {u:.4g} | {weight:+.1f} |"
        for name, label, m, u, weight in weights(model)
    ]
    return "\n".join(lines) + "\n"
