"""Calibration by itself: which lives it exchanges."""

from __future__ import annotations

from synthetic_county.calibration import Calibration, Target
from synthetic_county.parameters import Dice

TARGET = Target("neet", "ALL", frozenset({"2021-12"}), 50.0)
OUT, IN = ((0, 1),), ((1, 1),)


class OneFigure(Calibration):
    """People are given as what they add to the one target."""

    def __init__(self):
        self.targets, self.known_on = [TARGET], {}

    def share(self, changes):
        return changes

    def _may_count(self, person):
        return True


def test_only_a_life_that_brings_the_county_nearer_is_kept():
    """Of twenty, none counted, ten must; every odd attempt changes nothing and must be thrown away."""
    lives = [OUT] * 20
    exchanged = OneFigure().meet(
        list(range(20)),
        lives,
        lambda position, attempt: IN if attempt and attempt % 2 == 0 else OUT,
        Dice.of(1, "886", "calibration"),
    )
    assert exchanged == lives.count(IN)
    assert abs(100 * exchanged / 20 - TARGET.percent) <= 5
