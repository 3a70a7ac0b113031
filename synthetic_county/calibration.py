"""Lets a county meet published figures without touching a figure: whole lives are drawn again until the counts agree.

This is combinatorial optimisation, as used to make synthetic census microdata (Williamson, Birkin and Rees, "The
estimation of population microdata by using data from small area statistics and samples of anonymised records",
Environment and Planning A 30, 1998). Hazards bring a county near the figures; chance leaves it a few people off. Then
people of the groups concerned are chosen at random and live again, from a new stream of chance and under the same
hazards, with all the lateness of recording; the new life is kept if the county comes nearer. What results is one of the
counties that the hazards can give, namely one that shows these figures. Nothing that is written knows of them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

from synthetic_county.core_plus import Change
from synthetic_county.dates import month_end
from synthetic_county.parameters import Dice, Tables
from synthetic_county.people import Person
from synthetic_county.truth import EVERYWHERE, Standing, Truth, measures_of

_NEAR_ENOUGH = 0.02
_DRAWS_PER_PERSON = 2
_MEASURED_YEARS = (12, 13)


class Target(NamedTuple):
    """A published percentage: ``measure`` as a share of the cohort of ``group``, over ``months`` together."""

    measure: str
    group: str
    months: frozenset[str]
    percent: float

    def counts(self, point: str, one: Standing) -> tuple[int, int]:
        """What one person adds to numerator and denominator at one point."""
        if point not in self.months or not one.is_in_denominator:
            return 0, 0
        if self.group == "VULNERABLE":
            belongs = one.is_vulnerable
        else:
            belongs = self.group in (EVERYWHERE, one.sen_group)
        return (int(self.measure in measures_of(one)), 1) if belongs else (0, 0)


Share = tuple[tuple[int, int], ...]
"""What one person adds to numerator and denominator of each target."""


class Calibration:
    """The published figures that concern the points to be run.

    Args:
        known_on: last day known at each census point to be run.
    """

    def __init__(self, tables: Tables, la_code: str, known_on: dict[str, date]):
        self.tables = tables
        self.la_code = la_code
        entries: list[dict[str, Any]] = tables.parameters.get("calibration", {}).get("figures", [])
        targets = [
            Target(one["measure"], one["group"], frozenset(one["months"]) & known_on.keys(), one["percent"])
            for one in entries
        ]  # fmt: skip
        self.targets = [target for target in targets if target.months]
        self.known_on = {
            point: day
            for point, day in known_on.items()
            if any(point in target.months for target in self.targets)
        }

    def share(self, changes: list[Change]) -> Share:
        """What a person with these changes adds to each target, as known at each point."""
        truth = Truth(self.tables, self.la_code)
        sums = [[0, 0] for _ in self.targets]
        position = 0
        for point, known_on in self.known_on.items():
            while position < len(changes) and changes[position].keyed_on <= known_on:
                truth.learn(changes[position])
                position += 1
            for one in truth.standings(point, month_end(point)):
                for total, target in zip(sums, self.targets, strict=True):
                    numerator, denominator = target.counts(point, one)
                    total[0] += numerator
                    total[1] += denominator
        return tuple((numerator, denominator) for numerator, denominator in sums)

    def meet(
        self,
        people: list[Person],
        changes_of: list[list[Change]],
        live_again: Callable[[int, int], list[Change]],
        dice: Dice,
    ) -> int:
        """Let people live again until every target is met as nearly as whole people allow.

        Args:
            people, changes_of: everybody, and the changes of each.
            live_again: makes the ``attempt``-th life of the person at a position, and returns its changes.
        Returns:
            how many lives were exchanged.
        """
        if not self.targets:
            return 0
        nothing = ((0, 0),) * len(self.targets)
        shares = [
            self.share(changes) if self._may_count(person) else nothing
            for person, changes in zip(people, changes_of, strict=True)
        ]
        attempts: dict[int, int] = {}
        sums = [
            [sum(part) for part in zip(*column, strict=True)]
            for column in zip(*shares, strict=True)
        ]
        chosen: dict[int, int] = {}
        for _ in range(_DRAWS_PER_PERSON * len(shares)):
            off = [
                0 if abs(miss) <= max(_NEAR_ENOUGH, 50 / max(total[1], 1)) else miss
                for miss, total in zip(self._misses(sums), sums, strict=True)
            ]
            worst = max(range(len(off)), key=lambda one: abs(off[one]))
            if not off[worst]:
                break
            position = self._candidate(shares, worst, off[worst] > 0, dice)
            if position is None:
                break
            attempt = attempts[position] = attempts.get(position, 0) + 1
            share = self.share(live_again(position, attempt))
            moved = [
                [total[0] + new[0] - old[0], total[1] + new[1] - old[1]]
                for total, new, old in zip(sums, share, shares[position], strict=True)
            ]
            if self._distance(moved) < self._distance(sums):
                sums, shares[position], chosen[position] = moved, share, attempt
        for position in attempts:
            changes_of[position] = live_again(position, chosen.get(position, 0))
        return len(chosen)

    def _may_count(self, person: Person) -> bool:
        return any(
            person.year_group(month_end(point)) in _MEASURED_YEARS for point in self.known_on
        )

    @staticmethod
    def _candidate(shares: list[Share], target: int, too_many: bool, dice: Dice) -> int | None:
        """Somebody who counts towards the target's numerator, or who does not though they could."""
        for _ in range(20 * len(shares)):
            position = int(dice.random() * len(shares))
            numerator, denominator = shares[position][target]
            if numerator if too_many else numerator < denominator:
                return position
        return None

    def _misses(self, sums: list[list[int]]) -> list[float]:
        return [
            100 * numerator / denominator - target.percent if denominator else 0.0
            for (numerator, denominator), target in zip(sums, self.targets, strict=True)
        ]

    def _distance(self, sums: list[list[int]]) -> float:
        return sum(miss * miss for miss in self._misses(sums))
