"""Weights that are kept from build to build: contents, the blocks they meet in, and the pairs.

A weight depends on the two contents and the model alone, so it is never worked out twice. Which pairs are wanted depends
on what is there: on the flags of both, and on blocks that are not crowded. Only contents that are new or have
another flag, and the members of blocks that became crowded or stopped being so, are weighed; they are loaded with those
that share a block with them and nobody else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from neet.identity.model import Model
from neet.identity.resolving import Policy
from neet.identity.scoring import ASKS, Pair, Scale, block_of, rule_of
from neet.identity.tables import CONTENT, copy, temporary

MANY = 10_000
"""From so many new rows on, statistics of the table are taken before it is joined."""

Contents = Mapping[str, tuple]


@dataclass(frozen=True)
class Weighed:
    """What became of the weights.

    Attributes:
        compared: pairs that were weighed.
        stirred: contents that gained or lost a pair.
    """

    compared: int = 0
    stirred: frozenset[str] = frozenset()


def forget(connection: psycopg.Connection, la_code: str) -> None:
    """Forget all weights of an authority."""
    for table in ("content", "block", "pair", "crowded_block"):
        connection.execute(f"delete from identity.{table} where la_code = %s", [la_code])


def weigh(
    connection: psycopg.Connection,
    la_code: str,
    contents: Contents,
    flags: Mapping[str, int],
    gone: set[str],
    fetch: Callable[[set[str]], Contents],
    policy: Policy,
    model: Model,
) -> Weighed:
    """Bring the kept weights up to date.

    Args:
        contents: those at hand that may be new or have another flag than before.
        flags: of these.
        gone: contents that nobody has any more.
        fetch: what other contents say, by their hashes.
    """
    before = _flags(connection, la_code, flags.keys() | gone)
    changed = {one for one, flag in flags.items() if before.get(one) != flag}
    gone = gone & before.keys()
    if not changed and not gone:
        return Weighed()
    new = changed - before.keys()
    with Scale(model, policy.short_names) as scale:
        scale.put({one: contents[one] for one in new})
        temporary(connection, "gone", CONTENT, ([one] for one in gone))
        blocks = scale.blocks(new)
        touched = _touched(connection, la_code, blocks)
        _keep_contents(connection, la_code, blocks, flags, changed - new)
        crowded, shifted = _crowd(connection, la_code, touched, policy.block_cap)
        again = changed | shifted
        temporary(connection, "again", CONTENT, ([one] for one in again))
        mates = _mates(connection, la_code, crowded) if touched else dict(flags)
        near = {one: contents[one] for one in mates.keys() & contents.keys()}
        scale.put(near | fetch(mates.keys() - near.keys()))
        pairs, compared = scale.weigh(again, mates, crowded, policy.lower)
    return Weighed(compared, _replace(connection, la_code, pairs))


def partners(
    connection: psycopg.Connection, la_code: str, contents: set[str], policy: Policy
) -> set[str]:
    """Contents whose links or duplicates may hang on these, by the pairs and flags kept now."""
    temporary(connection, "asked", CONTENT, ([one] for one in contents))
    found = connection.execute(
        f"select distinct partner from ({partner_of('asked')}) as found",
        {"la": la_code, "duplicate": policy.duplicate},
    )
    return {one for (one,) in found}


def partner_of(table: str) -> str:
    """SQL of the partners of a table's contents: of two that are paired, one asks who it is, or both may be duplicates."""
    sides = ("left_hash", "right_hash"), ("right_hash", "left_hash")
    return " union all ".join(
        f"""select pair.{theirs} as partner from {table}
            join identity.pair on pair.la_code = %(la)s and pair.{ours} = {table}.content_hash
            join identity.content as one on one.la_code = %(la)s and one.content_hash = pair.left_hash
            join identity.content as other on other.la_code = %(la)s and other.content_hash = pair.right_hash
            where (one.flag | other.flag) & {ASKS} > 0 or pair.score >= %(duplicate)s"""
        for ours, theirs in sides
    )


def pairs_among(connection: psycopg.Connection, la_code: str, contents: set[str]) -> list[Pair]:
    """Kept pairs of which both are among some contents."""
    temporary(connection, "asked", CONTENT, ([one] for one in contents), "content_hash")
    return list(
        itertools.starmap(
            Pair,
            connection.execute(
                """select left_hash, right_hash, score::float, levels from identity.pair
                   join asked as one on one.content_hash = left_hash
                   join asked as other on other.content_hash = right_hash where la_code = %s""",
                [la_code],
            ),
        )
    )


def _flags(connection, la_code, contents) -> dict[str, int]:
    temporary(connection, "asked", CONTENT, ([one] for one in contents))
    return dict(
        connection.execute(
            "select content_hash, flag from identity.content join asked using (content_hash) where la_code = %s",
            [la_code],
        ).fetchall()
    )


def _touched(connection, la_code, blocks) -> bool:
    """Put blocks that gain or lose a content into the table ``touched``; False when all are new, as none is kept."""
    if not connection.execute(
        "select exists (select from identity.content where la_code = %s)", [la_code]
    ).fetchone()[0]:
        return False
    temporary(
        connection, "touched", {"block": "text"},
        ([one] for one in {one for _, found in blocks for one in found}), "block",
    )  # fmt: skip
    connection.execute(
        """insert into touched select unnest(blocks) from identity.content join gone using (content_hash)
           where la_code = %s on conflict do nothing""",
        [la_code],
    )
    return True


def _keep_contents(connection, la_code, blocks, flags, reflagged: set[str]) -> None:
    """Keep new contents and their blocks, and flags that are others; drop what is gone."""
    connection.execute(
        """delete from identity.block using (
             select unnest(blocks) as block, content_hash from identity.content join gone using (content_hash)
             where la_code = %(la)s) as old
           where la_code = %(la)s and block.block = old.block and block.content_hash = old.content_hash""",
        {"la": la_code},
    )
    connection.execute(
        "delete from identity.content using gone where la_code = %s and content.content_hash = gone.content_hash",
        [la_code],
    )
    temporary(
        connection, "reflagged", CONTENT | {"flag": "smallint"}, ((one, flags[one]) for one in reflagged)
    )  # fmt: skip
    connection.execute(
        """update identity.content set flag = reflagged.flag from reflagged
           where la_code = %s and content.content_hash = reflagged.content_hash""",
        [la_code],
    )
    copy(
        connection, "identity.content", ["la_code", "content_hash", "flag", "blocks"],
        ((la_code, one, flags[one], found) for one, found in blocks),
    )  # fmt: skip
    members = sorted((block, one) for one, found in blocks for block in found)
    copy(
        connection, "identity.block", ["la_code", "block", "content_hash"],
        ((la_code, *one) for one in members),
    )  # fmt: skip
    if len(blocks) > MANY:
        connection.execute("analyze identity.content, identity.block")


def _crowd(connection, la_code, touched: bool, cap: int) -> tuple[set[str], set[str]]:
    """Which blocks are too large now, and the members of those that became so or are so no more."""
    kept = connection.execute(
        "select rule, block_key, content_count from identity.crowded_block where la_code = %s",
        [la_code],
    ).fetchall()
    before = {block_of(rule, key): count for rule, key, count in kept}
    sizes = dict(
        connection.execute(
            f"""select block, count(*) from identity.block {"join touched using (block)" if touched else ""}
                where la_code = %s group by block having count(*) > %s""",
            [la_code, cap],
        ).fetchall()
    )
    if touched and before:
        temporary(connection, "asked", {"block": "text"}, ([one] for one in before))
        recounted = {one for (one,) in connection.execute("select block from touched join asked using (block)")}  # fmt: skip
        sizes |= {one: count for one, count in before.items() if one not in recounted}
    connection.execute("delete from identity.crowded_block where la_code = %s", [la_code])
    copy(
        connection, "identity.crowded_block", ["la_code", "rule", "block_key", "content_count"],
        ((la_code, *rule_of(block), count) for block, count in sorted(sizes.items())),
    )  # fmt: skip
    temporary(connection, "asked", {"block": "text"}, ([one] for one in sizes.keys() ^ before.keys()))  # fmt: skip
    members = connection.execute(
        "select distinct content_hash from identity.block join asked using (block) where la_code = %s",
        [la_code],
    )
    return set(sizes), {one for (one,) in members}


def _mates(connection, la_code, crowded: set[str]) -> dict[str, int]:
    """Contents that are weighed again and all who share a block with one, with their flags."""
    temporary(connection, "crowded", {"block": "text"}, ([one] for one in crowded))
    found = connection.execute(
        """with met as materialized (
             select distinct block from (
               select unnest(blocks) as block from identity.content join again using (content_hash)
               where la_code = %(la)s) as mine
             where block not in (select block from crowded))
           select content_hash, flag from identity.content join (
             select content_hash from identity.block join met using (block) where la_code = %(la)s
             union select content_hash from again) as mate using (content_hash) where la_code = %(la)s""",
        {"la": la_code},
    )
    return dict(found.fetchall())


def _replace(connection, la_code, pairs: list[Pair]) -> frozenset[str]:
    """Make the pairs of what was weighed again these, and drop those of what is gone; returns whom it struck."""
    temporary(
        connection, "weighed", {"left_hash": "text", "right_hash": "text", "score": "numeric(8, 3)", "levels": "text"},
        ((one.left_hash, one.right_hash, one.score, one.levels) for one in pairs), "left_hash, right_hash",
    )  # fmt: skip
    struck = {
        one
        for two in connection.execute(
            """with struck as (select content_hash from again union select content_hash from gone),
               old as (
                 select left_hash, right_hash from identity.pair join struck on content_hash = left_hash where la_code = %(la)s
                 union
                 select left_hash, right_hash from identity.pair join struck on content_hash = right_hash where la_code = %(la)s)
               delete from identity.pair using old
               where pair.la_code = %(la)s and (pair.left_hash, pair.right_hash) = (old.left_hash, old.right_hash)
                 and not exists (select from weighed where (weighed.left_hash, weighed.right_hash) = (old.left_hash, old.right_hash))
               returning pair.left_hash, pair.right_hash""",
            {"la": la_code},
        )
        for one in two
    }
    struck |= {
        one
        for two in connection.execute(
            """insert into identity.pair (la_code, left_hash, right_hash, score, levels)
               select %s, left_hash, right_hash, score, levels from weighed
               on conflict do nothing returning left_hash, right_hash""",
            [la_code],
        )
        for one in two
    }
    return frozenset(struck)
