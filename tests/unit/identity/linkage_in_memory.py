"""A whole linkage in memory: everything is settled, weighed and ranked at once, and nothing is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from neet.identity import deciding, model, resolving
from neet.identity.scoring import Scale, rule_of


@dataclass
class Linkage:
    """Links records from nothing."""

    policy: resolving.Policy
    trained: model.Model

    def __post_init__(self) -> None:
        self.crowded: dict[tuple[str, str], int] = {}
        self.pairs: list = []
        self.compared = 0

    def __call__(self, records, rulings=()):
        decided = deciding.in_force(list(rulings))
        settled = resolving.settle(records, decided, self.policy)
        self.weigh(settled)
        links, candidates, duplicates = resolving.conclude(
            settled, self.pairs, decided, self.policy, self.trained
        )
        return (
            {one.source_feed + " " + one.source_key: one for one in links},
            candidates,
            duplicates,
        )

    def weigh(self, settled: resolving.Settled) -> None:
        """All pairs that are wanted, and the blocks that are too large."""
        with Scale(self.trained, self.policy.short_names) as scale:
            scale.put(settled.contents)
            sizes = Counter(
                block for _, blocks in scale.blocks(settled.contents) for block in blocks
            )
            crowded = {one for one, size in sizes.items() if size > self.policy.block_cap}
            self.crowded = {rule_of(one): sizes[one] for one in crowded}
            self.pairs, self.compared = scale.weigh(
                settled.contents, settled.flags, crowded, self.policy.lower
            )
