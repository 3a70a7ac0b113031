"""Match weights of pairs of contents, by Splink on DuckDB.

A weight depends on the two contents and the model alone, so it is kept and never worked out twice. Which pairs are
wanted depends on what is there: contents that nothing has settled meet everybody, Core+ contents meet each other.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from neet.identity.model import BLOCKS, FEATURES, Model
from neet.identity.records import CONTENT

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


@dataclass(frozen=True)
class Scored:
    """What a scoring came to.

    Attributes:
        pairs: those of the contents asked about, from the threshold on.
        again: contents whose pairs these are; kept pairs of theirs are to be dropped first.
        crowded: rule and key of each block that is too large, with its size.
        compared: pairs that were weighed.
    """

    pairs: list[Pair]
    again: set[str]
    crowded: dict[tuple[str, str], int]
    compared: int


def score(
    model: Model,
    contents: Mapping[str, tuple],
    flags: Mapping[str, int],
    short_names: Iterable[tuple[str, str]],
    lower: float,
    block_cap: int,
    before: Mapping[str, int] | None = None,
    crowded_before: Mapping[tuple[str, str], int] | None = None,
) -> Scored:
    """Weigh the pairs that are wanted and were not weighed before.

    Args:
        contents: hash -> what is compared, as ``Record.content``.
        flags: hash -> :data:`ASKS` and :data:`CORE`, added.
        lower: pairs below are not kept.
        block_cap: blocks with more contents are passed over.
        before: flags of the contents whose pairs are kept already.
        crowded_before: blocks that were passed over then.
    """
    before, crowded_before = before or {}, crowded_before or {}
    changed = {one for one, flag in flags.items() if before.get(one) != flag}
    gone = before.keys() - flags.keys()
    if not changed and not gone:
        return Scored([], set(), dict(crowded_before), 0)
    with contextlib.closing(duckdb.connect()) as db:
        _load(db, model, contents, flags, short_names)
        crowded = _blocks(db, block_cap)
        shifted = [key for key in crowded.keys() ^ crowded_before.keys()]
        again = changed | _members(db, shifted)
        compared = _wanted(db, again)
        pairs = _weigh(db, model, lower) if compared else []
    return Scored(pairs, again | gone, crowded, compared)


def _load(db, model: Model, contents, flags, short_names) -> None:
    hashes = sorted(contents)
    table = {"content_hash": pa.array(hashes, pa.string())}
    for place, name in enumerate(CONTENT):
        kind = pa.date32() if name == "dob" else pa.string()
        table[name] = pa.array([contents[one][place] for one in hashes], kind)
    table["flag"] = pa.array([flags[one] for one in hashes], pa.int8())
    short = sorted(short_names)
    terms = [
        (kind, name, value) for kind, names in model.terms.items() for name, value in names.items()
    ]
    db.execute("set threads = 2")
    _table(db, "said", table)
    _table(db, "short_name", {"name": [a for a, _ in short], "short_name": [b for _, b in short]})
    _table(db, "term", {"kind": [t[0] for t in terms], "name": [t[1] for t in terms], "frequency": [t[2] for t in terms]})  # fmt: skip
    db.execute("create table feature as " + FEATURES.format(table="said"))


def _table(db, name: str, columns: dict[str, Any]) -> None:
    db.register("given_table", pa.table(columns))
    db.execute(f"create table {name} as select * from given_table")
    db.unregister("given_table")


def _blocks(db, cap: int) -> dict[tuple[str, str], int]:
    union = " union all ".join(
        f"select distinct {number} as rule, unique_id, block_key from ({sql}) where block_key is not null"
        for number, sql in enumerate(BLOCKS.values())
    )
    db.execute(f"create table block as {union}")
    crowded = db.execute(
        "select rule, block_key, count(*) from block group by all having count(*) > ?", [cap]
    ).fetchall()
    _table(db, "crowded", {"rule": pa.array([one[0] for one in crowded], pa.int32()), "block_key": pa.array([one[1] for one in crowded], pa.string())})  # fmt: skip
    names = list(BLOCKS)
    return {(names[rule], key): count for rule, key, count in crowded}


def _members(db, blocks: list[tuple[str, str]]) -> set[str]:
    if not blocks:
        return set()
    names = list(BLOCKS)
    _table(db, "shifted", {"rule": [names.index(rule) for rule, _ in blocks], "block_key": [key for _, key in blocks]})  # fmt: skip
    return {
        one
        for (one,) in db.execute(
            "select distinct unique_id from block join shifted using (rule, block_key)"
        ).fetchall()
    }


def _wanted(db, again: set[str]) -> int:
    """Pairs that share a block and of which one asks, or both are of Core+, and one is new or changed. What asks meets
    itself too: another system may say the very same."""
    _table(db, "again", {"unique_id": pa.array(sorted(again), pa.string())})
    db.execute(
        f"""
        create table member as
        select block.rule, block.block_key, block.unique_id, said.flag, again.unique_id is not null as is_again
        from block
        join said on said.content_hash = block.unique_id
        left join again on again.unique_id = block.unique_id
        left join crowded on crowded.rule = block.rule and crowded.block_key = block.block_key
        where crowded.rule is null;
        create table wanted as
        select distinct 0 as match_key, least(l.unique_id, r.unique_id) as join_key_l, greatest(l.unique_id, r.unique_id) as join_key_r
        from member as l
        join member as r on r.rule = l.rule and r.block_key = l.block_key and r.unique_id <> l.unique_id
        where l.is_again and (l.flag & {ASKS} > 0 or r.flag & {ASKS} > 0 or (l.flag & {CORE} > 0 and r.flag & {CORE} > 0))
        union all
        select 0, content_hash, content_hash from said join again on again.unique_id = said.content_hash
        where flag & {ASKS} > 0
        """
    )
    return db.execute("select count(*) from wanted").fetchall()[0][0]


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
