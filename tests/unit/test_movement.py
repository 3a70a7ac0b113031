"""The worked example of docs/movement-account.md, its figures, its drawing, and accounts that do not add up."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neet import movement, movement_page
from neet.explain import DoesNotAdd
from neet.settings import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
OPENING = movement.Position("886-2022-01-1", "as_submitted", "2022-01", dt.date(2022, 1, 31), 40)
CLOSING = movement.Position("2022-02", "restated", "2022-02", dt.date(2022, 2, 28))
PARTS = (
    movement.Part("CORRECTED_LATE", "LEFT", 1, 0, 1, -1, 0, Fraction(-1, 10)),
    movement.Part("CORRECTED_LATE", "COHORT_SIZE", 1, 0, 1, 0, -1, Fraction(3, 110)),
    movement.Part("JOINED", "JOINED", 2, 1, 0, 1, 0, Fraction(1, 9)),
    movement.Part("LEFT", "LEFT", 2, 0, 1, -1, 0, Fraction(-1, 9)),
    movement.Part("RECODED", "RECODED", 2, 1, 1, 0, 0, Fraction(0)),
    movement.Part("CONFIRMED", "CONFIRMED", 2, 1, 0, 1, 0, Fraction(1, 9)),
    movement.Part("COHORT_SIZE", "COHORT_SIZE", 2, 1, 2, 0, -1, Fraction(1, 45)),
)
EXAMPLE = movement.Account("886", OPENING, CLOSING, "neet", "886", "ALL", 3, 11, 3, 9, PARTS)


def test_the_worked_example_adds_up_and_is_what_the_page_prints():
    EXAMPLE.check()
    text = (DOCS / "movement-account.md").read_text()
    table = re.findall(
        r"^\| ([a-z :]+) \|.*\| ([-+\d.]+(?: %)?) \|$", text.split("## Worked example")[1], re.M
    )
    assert table == [
        ("opening", "27.273 %"),
        *[(movement.label(part).lower().replace(" the cohort", ""), movement.points(part.rate_effect)) for part in PARTS],
        ("closing", "33.333 %"),
    ]  # fmt: skip
    assert (movement.percent(EXAMPLE.opening_rate), movement.percent(EXAMPLE.closing_rate)) == (
        "27.273",
        "33.333",
    )


def test_the_drawing_is_the_one_of_the_example():
    """Made anew by: python -c "from tests.unit.test_movement import *; print(movement_page.svg(EXAMPLE), end='')"."""
    assert (DOCS / "movement-account.svg").read_text() == movement_page.svg(EXAMPLE)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"closing_numerator": 4}, r"numerator changed by \+1, the parts say \+0"),
        ({"closing_denominator": 8}, "denominator changed by -3, the parts say -2"),
        ({"parts": PARTS[1:]}, "the rate changed by"),
        ({"parts": (dataclasses.replace(PARTS[0], rate_effect=Fraction(-1, 11)), *PARTS[1:])}, "rate changed by 2/33"),
        ({"parts": (dataclasses.replace(PARTS[0], people_removed=2), *PARTS[1:])}, "0 people more and 2 less"),
    ],
)  # fmt: skip
def test_an_account_that_does_not_add_up_is_refused(wrong, said):
    with pytest.raises(DoesNotAdd, match=said):
        dataclasses.replace(EXAMPLE, **wrong).check()


def test_without_a_cohort_there_is_no_rate_and_no_drawing():
    empty = movement.Account("886", OPENING, CLOSING, "neet", "886", "ALL", 0, 0, 1, 1, (
        movement.Part("JOINED", "JOINED", 2, 1, 0, 1, 0, None),
        movement.Part("COHORT_SIZE", "COHORT_SIZE", 2, 1, 0, 0, 1, None),
    ))  # fmt: skip
    empty.check()
    assert empty.change is None and movement_page.draw(empty) is None
    assert "There is no rate to draw" in movement_page.render(empty, [])
    assert "undefined" in movement.words(empty)[0]


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Fraction(1, 200_000), "+0.001"),  # 0.0005 points: half goes up
        (Fraction(-1, 200_000), "-0.001"),
        (Fraction(1, 300_000), "+0.000"),
        (Fraction(-1, 300_000), "+0.000"),
        (Fraction(123, 1000), "+12.300"),
    ],
)
def test_points_are_rounded_half_up_once(rate, text):
    assert movement.points(rate) == text


@given(
    st.integers(0, 400), st.integers(400, 40_000), st.lists(st.integers(-60, 60), min_size=1, max_size=6),
    st.integers(-300, 300), st.sampled_from(sorted(movement.MEASURES)),
)  # fmt: skip
def test_the_bars_hang_together_and_stay_on_the_page(opening, cohort, effects, size, measure):
    """Whatever the figures, each bar begins where the one before ends, and the last total is the closing rate."""
    names = [name for name in movement.PARTS if name not in ("CORRECTED_LATE", "COHORT_SIZE")]
    closing, after = opening, cohort + size
    parts = []
    for name, effect in zip(names, effects, strict=False):
        effect = max(effect, -closing)
        closing += effect
        more, less = max(effect, 0), max(-effect, 0)
        parts.append(movement.Part(name, name, 1, more, less, effect, 0, Fraction(effect, after)))
    parts.append(
        movement.Part("COHORT_SIZE", "COHORT_SIZE", 1, max(size, 0), max(-size, 0), 0, size,
                      opening * (Fraction(1, after) - Fraction(1, cohort)))
    )  # fmt: skip
    found = movement.Account(
        "886",
        OPENING,
        CLOSING,
        measure,
        "886",
        "ALL",
        opening,
        cohort,
        closing,
        after,
        tuple(parts),
    )
    found.check()
    chart = movement_page.draw(found)
    bars = chart["bars"]
    for before, bar in zip(bars, bars[1:-1], strict=False):
        assert min(abs(before["end_y"] - y) for y in (bar["y"], bar["y"] + bar["height"])) <= 1.6
    assert abs(bars[-1]["y"] - bars[-2]["end_y"]) <= 0.11
    assert all(0 < bar["y"] and bar["y"] + bar["height"] <= chart["floor"] + 1.6 for bar in bars)
    assert 2 <= len(chart["ticks"]) <= 12
