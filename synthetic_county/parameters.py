"""Reads ``parameters.yml`` and turns its weights into things that can be drawn from."""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

DEFAULT = Path(__file__).with_name("parameters.yml")
SETS = Path(__file__).with_name("like")
SECTIONS = (
    "authorities",
    "population",
    "lives",
    "recording",
    "guarantee",
    "extracts",
    "measures",
    "defect_presets",
)


class ParameterError(ValueError):
    """The parameter file cannot be used."""


def named_sets() -> list[str]:
    """Names of the parameter sets of ``like/``."""
    return sorted(path.stem for path in SETS.glob("*.yml"))


def load(chosen: Path | str | None = None) -> dict[str, Any]:
    """The parameters of a whole file, of a set named in ``like/`` laid over the usual ones, or the usual ones.

    Args:
        chosen: path of a file that has every section, or name of a set.
    Raises:
        ParameterError: there is no such set, or the file is missing, is no YAML or lacks a section.
    """
    if chosen is None:
        return _read(DEFAULT)
    if isinstance(chosen, str):
        if chosen not in named_sets():
            raise ParameterError(
                f"There is no parameter set {chosen!r}. There are {', '.join(named_sets())}; give a whole file "
                "of your own as a path."
            )
        return _overlaid(_read(DEFAULT), _read(SETS / f"{chosen}.yml"))
    parameters = _read(chosen)
    missing = [name for name in SECTIONS if name not in parameters]
    if missing:
        raise ParameterError(
            f"The parameter file {chosen} lacks the section {missing[0]}. Start from {DEFAULT.name} "
            "of the package and change what you need."
        )
    return parameters


def _read(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or {}
    except OSError as error:
        raise ParameterError(f"The parameter file {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ParameterError(f"The parameter file {path} is not valid YAML: {error}") from error


def _overlaid(under: Any, over: Any) -> Any:
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return under | {name: _overlaid(under.get(name), value) for name, value in over.items()}


class Weighted:
    """Names with weights, to draw one from."""

    __slots__ = ("names", "_cumulative", "_total")

    def __init__(self, weights: dict[str, float]):
        self.names = list(weights)
        self._cumulative = list(accumulate(weights.values()))
        self._total = self._cumulative[-1]

    def draw(self, dice: Dice) -> str:
        return self.names[bisect_right(self._cumulative, dice.random() * self._total)]


class Dice(random.Random):
    """A stream of chance of its own for each purpose, so that one draw more here moves nothing there."""

    @classmethod
    def of(cls, *purpose: object) -> Dice:
        return cls("/".join(map(str, purpose)))

    def chance(self, share: float) -> bool:
        return self.random() < share

    def within(self, bounds: list[int] | tuple[int, int]) -> int:
        """A whole number from bounds[0] to bounds[1], both included."""
        low, high = bounds
        return low + int(self.random() * (high - low + 1))

    def days(self, bounds: list[int] | tuple[int, int]) -> timedelta:
        return timedelta(days=self.within(bounds))

    def day_between(self, first: date, last: date) -> date:
        return first + timedelta(days=self.within((0, (last - first).days)))

    def one_of(self, things: list) -> Any:
        return things[int(self.random() * len(things))]


class Tables:
    """The parameters with every set of weights ready to draw from: ``tables.weighted('lives', 'neet_codes')``."""

    def __init__(self, parameters: dict[str, Any]):
        self.parameters = parameters
        self._weighted: dict[tuple[str, ...], Weighted] = {}
        lives, recording = parameters["lives"], parameters["recording"]
        self.kind_of = {code: kind for kind, codes in lives["kinds"].items() for code in codes}
        self.neet = frozenset(lives["kinds"]["neet"])
        self.not_known = frozenset(parameters["measures"]["not_known"])
        self.compulsory = frozenset(lives["compulsory"])
        currency = recording["currency"]
        self.lapses_at_year_end = frozenset(currency["end_of_year"])
        self.lapse_months: dict[str, int] = currency["months"]
        self.lapse_after_review: dict[str, int] = currency["review"]
        self.reviewed = frozenset(currency["review_after_days"])
        self.needs_course_end = frozenset(recording["course_end_needed"])
        self.vulnerable = frozenset(parameters["population"]["vulnerable"])

    def weighted(self, *path: str) -> Weighted:
        found = self._weighted.get(path)
        if found is None:
            node: Any = self.parameters
            for step in path:
                node = node[step]
            found = self._weighted[path] = Weighted(node)
        return found
