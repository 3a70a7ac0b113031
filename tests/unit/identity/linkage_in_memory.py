"""A whole linkage in memory."""

from __future__ import annotations

from dataclasses import dataclass

from neet.identity import deciding, model, resolving, scoring


@dataclass
class Linkage:
    """Links records as a build does, from nothing or keeping weights from one call to the next."""

    policy: resolving.Policy
    trained: model.Model

    def __post_init__(self) -> None:
        self.flags: dict = {}
        self.crowded: dict = {}
        self.pairs: dict = {}
        self.compared = 0

    def __call__(self, records, rulings=(), keep: bool = False):
        decided = deciding.in_force(list(rulings))
        settled = resolving.settle(records, decided, self.policy)
        if not keep:
            self.flags, self.crowded, self.pairs = {}, {}, {}
        scored = scoring.score(
            self.trained, settled.contents, settled.flags, self.policy.short_names, self.policy.lower,
            self.policy.block_cap, self.flags, self.crowded,
        )  # fmt: skip
        self.pairs = {
            key: pair for key, pair in self.pairs.items() if not scored.again & set(key)
        } | {(pair.left_hash, pair.right_hash): pair for pair in scored.pairs}
        self.flags, self.crowded, self.compared = (
            dict(settled.flags),
            scored.crowded,
            scored.compared,
        )
        links, candidates, duplicates = resolving.conclude(
            settled, self.pairs.values(), decided, self.policy, self.trained
        )
        return (
            {one.source_feed + " " + one.source_key: one for one in links},
            candidates,
            duplicates,
        )
