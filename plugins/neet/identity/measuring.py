"""How good links are, where the truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from neet.identity.records import CORE, RecordKey
from neet.identity.resolving import Candidate, Duplicate, Link
from neet.identity.trial import Truth


@dataclass
class Tally:
    """Pairs of a record and a Core+ person: linked rightly, linked wrongly, and true ones not linked."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    def add(self, outcome: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass
class Quality:
    """What was linked without asking, against the truth.

    Attributes:
        everything: all records.
        by: ``district``, ``source``, ``corruption`` and ``method`` -> value -> tally.
        questions: records a person is asked about.
        people: people on Core+.
        duplicates: pairs of Core+ records reported as one person.
    """

    everything: Tally = field(default_factory=Tally)
    by: dict[str, dict[str, Tally]] = field(default_factory=dict)
    questions: int = 0
    people: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    duplicates: Tally = field(default_factory=Tally)

    @property
    def queue_share(self) -> float:
        return self.questions / self.people if self.people else 0.0

    def lines(self) -> list[str]:
        """As printed: one line a value, the largest groups first."""
        out = [
            f"all: precision {self.everything.precision:.5f}, recall {self.everything.recall:.4f}, "
            f"{self.everything.right:,} right, {self.everything.wrong} wrong, {self.everything.missed:,} not linked; "
            f"queue {self.questions} of {self.people:,} people ({self.queue_share:.2%})",
            *(
                f"  asked because: {reason}: {count}"
                for reason, count in sorted(self.reasons.items())
            ),
        ]
        out.append(
            f"Core+ duplicates: {self.duplicates.right} right, {self.duplicates.wrong} wrong, {self.duplicates.missed} not found"
        )
        for kind, tallies in self.by.items():
            out.append(f"by {kind}:")
            for value, tally in sorted(
                tallies.items(), key=lambda one: (-one[1].right - one[1].missed, one[0])
            ):
                out.append(
                    f"  {value or 'none':<32}{tally.right:>9,} right {tally.wrong:>4} wrong {tally.missed:>5} not linked  "
                    f"precision {tally.precision:.5f}  recall {tally.recall:.4f}"
                )
        return out


def measure(
    links: Iterable[Link],
    candidates: Iterable[Candidate],
    duplicates: Iterable[Duplicate],
    truth: Mapping[RecordKey, Truth],
) -> Quality:
    """Judge every link of a record to somebody on Core+. Core+ records themselves are no links."""
    links = list(links)
    core = {link.young_persons_id for link in links if link.source_feed == CORE}
    quality = Quality(
        by={"source": {}, "method": {}, "district": {}, "corruption": {}}, people=len(core)
    )
    for link in links:
        if link.source_feed == CORE:
            continue
        true = truth[link.source_feed, link.source_key]
        if link.young_persons_id:
            outcome = "right" if link.young_persons_id == true.person else "wrong"
        elif true.person in core:
            outcome = "missed"
        else:
            continue
        quality.everything.add(outcome)
        values = {
            "source": [link.source_feed],
            "method": [link.method],
            "district": [true.district],
        }
        values["corruption"] = true.corruption.split("|")
        for kind, found in values.items():
            for value in found:
                quality.by[kind].setdefault(value, Tally()).add(outcome)
    first = [one for one in candidates if one.candidate_rank == 1]
    quality.questions = len(first)
    quality.reasons = dict(Counter(one.reason for one in first))
    person = {one: truth[CORE, one].person for one in core}
    reported = {(one.young_persons_id, one.other_young_persons_id) for one in duplicates}
    for one, other in reported:
        quality.duplicates.add("right" if person[one] == person[other] else "wrong")
    second = [one for one in core if person[one] != one and person[one] in core]
    for one in second:
        if tuple(sorted((one, person[one]))) not in reported:
            quality.duplicates.add("missed")
    return quality
