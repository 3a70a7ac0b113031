"""Match weights of pairs of contents, by Splink on DuckDB.

A weight depends on the two contents and the model alone, so it is kept and never worked out twice. Which pairs are
wanted depends on what is there: contents that nothing has settled meet everybody, Core+ contents meet each other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from neet.identity.model import BLOCKS, FEATURES, Model
from neet.identity.records import CONTENT, LONGEST_KEY

ASKS, CORE = 1, 2
"""Flags of a content: some record with it is not settled; some Core+ record has it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contents, ``left_hash <= right_hash``.

    Attributes:
        score: match weight, three decimals.
        levels: ``column=level`` joined by ``;``, in the model's order.
    """

    left_hash: str
    right_hash: str
    score: float
    levels: str


class Scale:
    """Weighs pairs of contents; those that are to meet are put on it first.

    Args:
        short_names: name and short name.
    """

    def __init__(self, model: Model, short_names: Iterable[tuple[str, str]]) -> None:
        self.model = model
        self.db = duckdb.connect()
        self.on_it: set[str] = set()
        self.db.execute("set threads = 2")
        short = sorted(short_names)
        terms = [
            (kind, name, value)
            for kind, names in model.terms.items()
            for name, value in names.items()
        ]
        table(self.db, "short_name", {"name": [a for a, _ in short], "short_name": [b for _, b in short]})  # fmt: skip
        table(self.db, "term", {"kind": [t[0] for t in terms], "name": [t[1] for t in terms], "frequency": [t[2] for t in terms]})  # fmt: skip

    def __enter__(self) -> Scale:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def put(self, contents: Mapping[str, tuple]) -> None:
        """Put contents on it, those that are not there yet.

        A block is the number of its rule and its key, ``|`` between.

        Args:
            contents: hash -> what is compared, as ``Record.content``.
        """
        hashes = sorted(contents.keys() - self.on_it)
        if self.on_it and not hashes:
            return
        said = {"content_hash": pa.array(hashes, pa.string())}
        for place, name in enumerate(CONTENT):
            kind = pa.date32() if name == "dob" else pa.string()
            said[name] = pa.array([contents[one][place] for one in hashes], kind)
        table(self.db, "said", said)
        key = f"case when length(block_key) <= {LONGEST_KEY} then block_key else sha256(block_key) end"
        union = " union ".join(
            f"select unique_id, '{number}|' || {key} as block from ({sql}) where block_key is not null"
            for number, sql in enumerate(BLOCKS.values())
        )
        made = "insert into {} " if self.on_it else "create or replace table {} as "
        self.db.execute(made.format("feature") + FEATURES.format(table="said"))
        self.db.execute(
            made.format("block")
            + f"select * from ({union}) as block where unique_id in (select content_hash from said)"
        )
        self.on_it |= set(hashes)

    def blocks(self, contents: Iterable[str]) -> list[tuple[str, list[str]]]:
        """The blocks that each of some contents belongs to, in order."""
        table(self.db, "asked", {"unique_id": pa.array(sorted(contents), pa.string())})
        return self.db.execute(
            """select asked.unique_id, coalesce(list_sort(list(block) filter (where block is not null)), [])
               from asked left join block using (unique_id) group by all order by 1"""
        ).fetchall()

    def weigh(
        self,
        again: Iterable[str],
        flags: Mapping[str, int],
        crowded: Iterable[str],
        lower: float,
    ) -> tuple[list[Pair], int]:
        """The pairs of some contents with all that is on the scale, and how many were weighed for it.

        Args:
            flags: of every content on the scale: :data:`ASKS` and :data:`CORE`, added.
            crowded: blocks that are too large to compare.
            lower: pairs below are left out.
        """
        compared = self._wanted(set(again), flags, sorted(crowded))
        return (_weigh(self.db, self.model, lower) if compared else []), compared

    def _wanted(self, again, flags, crowded) -> int:
        """Pairs that share a block and of which one asks, or both are of Core+, and one is to be weighed again. What
        asks meets itself too: another system may say the very same."""
        hashes = sorted(self.on_it)
        table(
            self.db, "flagged",
            {"unique_id": pa.array(hashes, pa.string()), "flag": pa.array([flags[one] for one in hashes], pa.int8()),
             "is_again": pa.array([one in again for one in hashes], pa.bool_())},
        )  # fmt: skip
        table(self.db, "crowded", {"block": pa.array(crowded, pa.string())})
        self.db.execute(
            f"""
            create or replace table member as
            select block.block, block.unique_id, flagged.flag, flagged.is_again
            from block
            join flagged on flagged.unique_id = block.unique_id
            where block.block not in (select block from crowded);
            create or replace table wanted as
            select distinct 0 as match_key, least(l.unique_id, r.unique_id) as join_key_l, greatest(l.unique_id, r.unique_id) as join_key_r
            from member as l
            join member as r on r.block = l.block and r.unique_id <> l.unique_id
            where l.is_again and (l.flag & {ASKS} > 0 or r.flag & {ASKS} > 0 or (l.flag & {CORE} > 0 and r.flag & {CORE} > 0))
            union all
            select 0, unique_id, unique_id from flagged where is_again and flag & {ASKS} > 0
            """
        )
        return self.db.execute("select count(*) from wanted").fetchall()[0][0]


def rule_of(block: str) -> tuple[str, str]:
    """The name of a block's rule, and its key."""
    number, _, key = block.partition("|")
    return list(BLOCKS)[int(number)], key


def block_of(rule: str, key: str) -> str:
    return f"{list(BLOCKS).index(rule)}|{key}"


def table(db, name: str, columns: dict[str, Any]) -> None:
    """Make a table of a DuckDB anew."""
    db.register("given_table", pa.table(columns))
    db.execute(f"create or replace table {name} as select * from given_table")
    db.unregister("given_table")


def _weigh(db, model: Model, lower: float) -> list[Pair]:
    found = predict(db, model.settings, lower)
    levels = " || ';' || ".join(f"'{name}=' || gamma_{name}" for name in model.labels)
    rows = db.execute(
        f"""select least(unique_id_l, unique_id_r), greatest(unique_id_l, unique_id_r), round(match_weight, 3), {levels}
            from {found} order by 1, 2"""
    ).fetchall()
    return [Pair(*row) for row in rows]


def predict(db, settings: dict[str, Any], lower: float) -> str:
    """Let Splink weigh the pairs of the table ``wanted``; returns the table of predictions."""
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    logging.getLogger("splink").setLevel(logging.WARNING)
    api = DuckDBAPI(db)
    # The levels come with the columns that are compared; the weights of each are not asked for.
    settings = settings | {
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": False,
    }
    linker = Linker(api.register("feature"), settings, log_level=None)
    linker.table_management.register_blocked_pairs_for_predict(api.register("wanted"))
    return linker.inference.predict(
        threshold_match_weight=lower, warning_mode="never"
    ).physical_name
