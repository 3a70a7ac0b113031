"""How far a change reaches: which records may be linked otherwise than before, and no others.

Records depend on each other where they share a number or say the same, where somebody decided about the two, and where
a pair of what they say is kept (:func:`neet.identity.keeping.partner_of`). A neighbourhood is *whole* when nobody outside
depends on anybody inside by these. What linkage says of the records of a whole neighbourhood follows from them alone, but
for one thing: a record with a number looks at its namesakes on Core+, of whom only the record counts and not who else is
theirs. So a namesake is looked at without being linked again, and only a Core+ record that itself changed draws in
those who look at it. Common names would otherwise tie half the county together.

A neighbourhood without a change in it, and which lost nobody, was there before and came out the same. So the changed ones
are taken, with those who shared a hub with them before, and the neighbourhoods of these as they are now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import psycopg

from neet.identity import records
from neet.identity.deciding import Ruling
from neet.identity.keeping import MANY, partner_of
from neet.identity.records import CORE, Cleaning, Record, RecordKey
from neet.identity.resolving import NAMESAKE, SAYS, Policy, hubs
from neet.identity.tables import CONTENT, RECORD, copy, temporary


class Whole(NamedTuple):
    """Records of a whole neighbourhood, in the order of their keys.

    Attributes:
        namesakes: Core+ records to look at beside them.
    """

    records: list[Record]
    namesakes: list[Record]


class Reach:
    """What is reached so far, of one authority. Temporary tables hold it as long as the transaction lasts.

    Attributes:
        changed: how many records are new, gone or say something else.
        count: how many are reached.
        total: how many there are.
        beside: others that were read, to be looked at only.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        la_code: str,
        cleaning: Cleaning,
        policy: Policy,
        rulings: Iterable[Ruling],
        differing: str,
    ) -> None:
        """Find what changed since it was linked last, and keep what it now shares with others.

        Args:
            rulings: all decisions, whether in force or not.
            differing: whose records may differ from then: ``all``, ``some`` (they are compared) or ``none``.
        """
        self.connection = connection
        self.cleaning = cleaning
        self.values = {
            "la": la_code, "duplicate": policy.duplicate, "core": CORE, "says": f"{SAYS}|%", "namesake": f"{NAMESAKE}|%",
        }  # fmt: skip
        self.beside: set[RecordKey] = set()
        self.round = 0
        temporary(
            connection, "ruled", dict.fromkeys(("one_feed", "one_key", "other_feed", "other_key"), "text"),
            ((*a, *b) for ruling in rulings for a, b in ((ruling.one, ruling.other), (ruling.other, ruling.one))),
        )  # fmt: skip
        self._find_changed(differing)
        self.news = self._reached(since=0)
        self._keep_hubs()

    @property
    def everybody(self) -> bool:
        """Is it the whole authority?"""
        return self.count == self.total

    def _run(self, query: str) -> psycopg.Cursor:
        return self.connection.execute(query, self.values)

    # -- what changed ----------------------------------------------------------------------------------------------

    def _find_changed(self, differing: str) -> None:
        temporary(self.connection, "changed", RECORD | {"is_here": "boolean"})
        if differing != "none":
            self._run(
                f"""insert into changed
                    select coalesce(record.source_feed, seen.source_feed), coalesce(record.source_key, seen.source_key),
                      record.source_key is not null
                    from (select record.source_feed, record.source_key, {records.ROW_HASH} as row_hash
                          from intermediate.int_source_person as record where record.la_code = %(la)s) as record
                    full join (select source_feed, source_key, row_hash from identity.seen where la_code = %(la)s) as seen
                      on seen.source_feed = record.source_feed and seen.source_key = record.source_key
                    where {differing == "all"} or seen.row_hash is distinct from record.row_hash"""
            )
        temporary(
            self.connection,
            "reached",
            RECORD | {"round": "integer"},
            key="source_feed, source_key",
        )
        self.count = self._run(
            "insert into reached select source_feed, source_key, 0 from changed where is_here"
        ).rowcount
        self.changed, self.total = self._run(
            """select (select count(*) from changed),
                 (select count(*) from intermediate.int_source_person where la_code = %(la)s)"""
        ).fetchone()
        self.connection.execute("analyze changed")
        self.connection.execute("analyze reached")

    def _keep_hubs(self) -> None:
        """Take down what the changed ones shared, and keep what they share now."""
        self.connection.execute("drop table if exists pg_temp.old")
        self._run(
            """create temporary table old on commit drop as
               select source_feed, source_key, unnest(hubs) as hub from identity.seen
               join changed using (source_feed, source_key) where la_code = %(la)s"""
        )
        self.connection.execute("analyze old")
        temporary(self.connection, "lost", {"hub": "text", "is_core": "boolean"})
        self._run(
            "insert into lost select hub, bool_or(source_feed = %(core)s) from old group by hub"
        )
        self.connection.execute("analyze lost")
        self._run(
            """delete from identity.mention using old where la_code = %(la)s and mention.hub = old.hub
                 and mention.source_feed = old.source_feed and mention.source_key = old.source_key"""
        )
        self._run(
            """delete from identity.seen using changed where la_code = %(la)s
                 and seen.source_feed = changed.source_feed and seen.source_key = changed.source_key"""
        )
        la_code = self.values["la"]
        shared = [(record, sorted(hubs(record))) for record in self.news]
        copy(
            self.connection, "identity.seen", ["la_code", *RECORD, "row_hash", "hubs"],
            ((la_code, *record.key, record.row_hash, found) for record, found in shared),
        )  # fmt: skip
        mentions = sorted((hub, *record.key) for record, found in shared for hub in found)
        copy(
            self.connection, "identity.mention", ["la_code", "hub", *RECORD],
            ((la_code, *one) for one in mentions),
        )  # fmt: skip
        if len(shared) > MANY:
            self.connection.execute("analyze identity.seen, identity.mention")

    def gone_contents(self) -> set[str]:
        """What changed ones said and nobody says any more, by hash."""
        found = self._run(
            """select split_part(hub, '|', 2) from lost where hub like %(says)s and not exists (
                 select from identity.mention where la_code = %(la)s and mention.hub = lost.hub)"""
        )
        return {one for (one,) in found}

    # -- whom it reaches -------------------------------------------------------------------------------------------

    def settle(self, ruled: Iterable[RecordKey]) -> Whole:
        """Reach all who are to be settled again.

        Args:
            ruled: records with a decision that is new, or no longer what it was.
        """
        temporary(self.connection, "named", RECORD, ruled)
        return self._close(
            [
                "select source_feed, source_key from named",
                """select other_feed, other_key from ruled
                   join changed on source_feed = one_feed and source_key = one_key where not is_here""",
                """select source_feed, source_key from identity.mention join lost using (hub)
                   where la_code = %(la)s and hub not like %(namesake)s""",
                """select asks.source_feed, asks.source_key from identity.mention as asks join (
                     select hub from lost where is_core and hub like %(namesake)s
                     union
                     select hub from (select unnest(hubs) as hub from identity.seen join changed using (source_feed, source_key)
                       where la_code = %(la)s and source_feed = %(core)s) as core
                     where hub like %(namesake)s) as name using (hub)
                   where asks.la_code = %(la)s and asks.source_feed <> %(core)s""",
            ],
            with_pairs=False,
        )

    def conclude(self, stirred: Iterable[str]) -> Whole:
        """Reach all whose links may have changed, beyond those who were settled again; returns these others.

        Args:
            stirred: contents that gained or lost a pair or a partner.
        """
        temporary(self.connection, "stirred", CONTENT, ([one] for one in stirred))
        return self._close([self._who_says("select content_hash from stirred")], with_pairs=True)

    def _close(self, seeds: list[str], with_pairs: bool) -> Whole:
        """Add some records, then whoever depends on those reached, and so on until nobody is added.

        Args:
            with_pairs: pairs count too; those reached before lack nobody but by these.
        """
        first = self.round + 1
        sharing, paired = (first, 0) if with_pairs else (0, 0)
        self._add(seeds)
        while self._add(self._sharing(sharing) + (self._paired(paired) if with_pairs else [])):
            sharing = paired = self.round
        if with_pairs:
            return (
                Whole(self._reached(first), self._namesakes(first))
                if self.round >= first
                else Whole([], [])
            )
        found = sorted([*self.news, *self._reached(first)], key=lambda one: one.key)
        return Whole(found, [] if self.everybody else self._namesakes(0))

    @staticmethod
    def _hubs(since: int) -> str:
        """SQL of the hubs of those reached in the rounds from one on."""
        return f"""select distinct hub from (
            select unnest(hubs) as hub from reached join identity.seen using (source_feed, source_key)
            where la_code = %(la)s and round >= {since}) as mine"""

    def _sharing(self, since: int) -> list[str]:
        """SQL of those who share a hub or a decision with the ones reached in the rounds from one on."""
        return [
            f"""with hub as materialized ({self._hubs(since)} where hub not like %(namesake)s)
                select source_feed, source_key from hub join identity.mention using (hub) where la_code = %(la)s""",
            f"""select other_feed, other_key from ruled
                join reached on source_feed = one_feed and source_key = one_key where round >= {since}""",
        ]

    def _paired(self, since: int) -> list[str]:
        """SQL of those who are paired with the ones reached in the rounds from one on."""
        said = f"select split_part(hub, '|', 2) as content_hash from ({self._hubs(since)} where hub like %(says)s) as said"
        return [f"with said as materialized ({said}) {self._who_says(partner_of('said'))}"]

    @staticmethod
    def _who_says(contents: str) -> str:
        return f"""select source_feed, source_key from ({contents}) as content (content_hash)
                   join identity.mention on mention.la_code = %(la)s and mention.hub = '{SAYS}|' || content.content_hash"""

    def _add(self, queries: list[str]) -> int:
        """Add a round of records, such as are there; returns how many."""
        if self.everybody:
            return 0
        before, self.round = self.count, self.round + 1
        for query in queries:
            self.count += self._run(
                f"""insert into reached (source_feed, source_key, round)
                    select distinct source_feed, source_key, {self.round} from ({query}) as found (source_feed, source_key)
                    where exists (select from identity.seen as here where here.la_code = %(la)s
                      and here.source_feed = found.source_feed and here.source_key = found.source_key)
                    on conflict do nothing"""
            ).rowcount
        self.connection.execute("analyze reached")
        return self.count - before

    # -- reading ---------------------------------------------------------------------------------------------------

    def _reached(self, since: int) -> list[Record]:
        return self._records(f"select source_feed, source_key from reached where round >= {since}")

    def _namesakes(self, since: int) -> list[Record]:
        """Core+ records that those reached in the rounds from one on look at, and that are not among these."""
        found = self._records(
            f"""select distinct core.source_feed, core.source_key from (
                  select distinct hub from (
                    select unnest(hubs) as hub from reached join identity.seen using (source_feed, source_key)
                    where la_code = %(la)s and source_feed <> %(core)s and round >= {since}) as asks
                  where hub like %(namesake)s) as name
                join identity.mention as core using (hub)
                where core.la_code = %(la)s and core.source_feed = %(core)s and not exists (
                  select from reached as there where there.source_feed = core.source_feed
                    and there.source_key = core.source_key and there.round >= {since})"""
        )
        self.beside |= {record.key for record in found}
        return found

    def contents(self, hashes: set[str]) -> dict[str, tuple]:
        """What records that may not be reached say."""
        if not hashes:
            return {}
        temporary(self.connection, "asked", CONTENT, ([one] for one in hashes))
        found = self._records(
            f"""select distinct on (hub) source_feed, source_key
                from identity.mention join asked on hub = '{SAYS}|' || content_hash where la_code = %(la)s
                order by hub, source_feed, source_key"""
        )
        self.beside |= {record.key for record in found}
        return {record.content_hash: record.content for record in found}

    def _records(self, keys: str) -> list[Record]:
        which = f"""join ({keys}) as wanted
            on wanted.source_feed = record.source_feed and wanted.source_key = record.source_key
            where record.la_code = %(la)s"""
        return records.read(self.connection, self.cleaning, which, self.values)
