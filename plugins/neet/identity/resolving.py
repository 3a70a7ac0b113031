"""From records, weights and decisions to links: no input but these, so the same inputs give the same links.

1. Decisions of people.
2. Exact keys, then names with date of birth and postcode. A key alone links nobody: two facts must agree, and no other
   person may fit better, or a twin's or a mistyped number would.
3. What is left forms groups by its own numbers, and each group is weighed against everybody on Core+. A sure and clear
   best is linked, an unsure or rivalled one waits for a person.
4. Groups that belong to nobody on Core+ are joined among themselves.

The records may be all of an authority or a neighbourhood that is whole (:mod:`neet.identity.reaching`): what comes out for
each of them is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rapidfuzz.distance import JaroWinkler

from neet.identity.deciding import Rulings
from neet.identity.model import Model
from neet.identity.records import Record, RecordKey, indexable, key_of, person_key
from neet.identity.scoring import ASKS, CORE, Pair

NUMBERS = (("young_persons_id", "core_plus_id"), ("upn", "upn"), ("uln", "uln"))
"""Column and the method named after it, the surest first."""

NEAR = 0.88
"""Jaro-Winkler similarity from which two names support a number that already agrees."""

CROWD = 50
"""Where more share one number or say the very same, it tells nobody from anybody: only so many are looked at."""

NOT_ONE_NAME = {"a slip away", "alike", "different", "not there"}

NUMBER_WORDS = {"core_plus_id": "Core+ number", "upn": "UPN", "uln": "ULN"}


@dataclass(frozen=True)
class Policy:
    """Dated thresholds (seed ``identity_policy``) and how feeds keep their keys (``identity_source``)."""

    upper: float
    lower: float
    margin: float
    duplicate: float
    block_cap: int
    one_key_within: Mapping[str, str]
    short_names: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Link:
    """A row of ``identity.link``."""

    la_code: str
    source_feed: str
    source_key: str
    person_id: str
    young_persons_id: str | None
    method: str
    score: float | None
    status: str
    evidence: str
    model_version: str
    decision_id: str | None
    content_hash: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of ``identity.candidate``: a match that a person must decide."""

    la_code: str
    source_feed: str
    source_key: str
    candidate_rank: int
    candidate_feed: str
    candidate_key: str
    method: str
    score: float | None
    reason: str
    evidence: str
    model_version: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row of ``identity.core_plus_duplicate``."""

    la_code: str
    young_persons_id: str
    other_young_persons_id: str
    method: str
    score: float | None
    evidence: str
    model_version: str


@dataclass(frozen=True, slots=True)
class _Found:
    """Why a record is a person's."""

    person: str
    method: str
    evidence: str
    score: float | None = None
    decision_id: str | None = None


@dataclass
class Settled:
    """What keys and decisions alone can tell.

    Attributes:
        records: of one authority, in the order of their keys.
        hashes: content hash of each record.
        found: what is settled.
        groups: the rest, records of one number or one content together.
        contents: hash -> what is compared.
        flags: see :mod:`neet.identity.scoring`.
    """

    la_code: str
    records: list[Record]
    hashes: dict[RecordKey, str]
    core: dict[str, Record]
    found: dict[RecordKey, _Found]
    groups: list[list[Record]]
    numbers: dict[tuple[str, str], set[str]]
    contents: dict[str, tuple]
    flags: dict[str, int]
    holders: dict[str, set[str]] = field(default_factory=dict)

    def joined(self, other: Settled) -> Settled:
        """This and another of which no record depends on one of these."""
        return Settled(
            self.la_code or other.la_code,
            sorted([*self.records, *other.records], key=lambda one: one.key),
            self.hashes | other.hashes,
            self.core | other.core,
            self.found | other.found,
            sorted([*self.groups, *other.groups], key=lambda group: group[0].key),
            self.numbers | other.numbers,
            self.contents | other.contents,
            self.flags | other.flags,
            self.holders | other.holders,
        )


SAYS, NAMESAKE = "says", "namesake"
"""Kinds of hub: what a record says, by the hash of its content; and family name with date of birth."""


def hubs(record: Record) -> set[str]:
    """What ties a record to those with which it is settled, ``kind|value``.

    Records that share a hub depend on each other, but for :data:`NAMESAKE`: there a record with a number depends on
    the Core+ records, which do not depend on it. A record without a number asks for no namesakes and names none.
    """
    found = {f"{SAYS}|{record.content_hash}"}
    numbers = [(column, value) for column, _ in NUMBERS if (value := getattr(record, column))]
    found |= {f"{column}|{value}" for column, value in numbers}
    if profile := _profile(record):
        found.add("|".join(["profile", *map(str, profile)]))
    if record.is_core or numbers:
        found |= {f"{NAMESAKE}|{record.dob}|{family}" for family in _families(record)}
    return {
        f"{kind}|{indexable(value)}" for kind, _, value in (hub.partition("|") for hub in found)
    }


def settle(
    records: list[Record], rulings: Rulings, policy: Policy, beside: Iterable[Record] = ()
) -> Settled:
    """Decisions, exact keys and full agreement.

    Args:
        records: of one authority, in the order of their keys: all, or such that whoever shares a hub or a decision
            with one of them is there too.
        beside: Core+ records that are namesakes of them and not among them.
    """
    core = {one.young_persons_id: one for one in records if one.is_core and one.young_persons_id}
    found: dict[RecordKey, _Found] = {}
    numbers: dict[tuple[str, str], set[str]] = defaultdict(set)
    profiles: dict[tuple, set[str]] = defaultdict(set)
    namesakes: dict[tuple, set[str]] = defaultdict(set)
    compare = _Comparer(policy.short_names)

    def learn(record: Record, person: str) -> None:
        for column, _ in NUMBERS:
            if value := getattr(record, column):
                numbers[column, value].add(person)
        if profile := _profile(record):
            profiles[profile].add(person)

    for person, record in core.items():
        found[record.key] = _Found(person, "core_plus", "a Core+ record")
        learn(record, person)
    on_core = core | {one.young_persons_id: one for one in beside}
    for person, record in on_core.items():
        for family in _families(record):
            namesakes[record.dob, family].add(person)
    for key, (person, decision_id, words) in rulings.persons.items():
        if person in core:
            found[key] = _Found(person, "decision", words, decision_id=decision_id)
    left = []
    for record in records:
        if record.key in found:
            if not record.is_core:
                learn(record, found[record.key].person)
        else:
            left.append(record)

    def rivals(record: Record, person: str) -> bool:
        """Does the given name fit a namesake born on the same day better than this person? Twins' numbers are exchanged."""
        fit = compare.fit(record, core[person])
        others = {
            one for family in _families(record) for one in namesakes.get((record.dob, family), ())
        }
        return fit < 2 and any(compare.fit(record, on_core[one]) > fit for one in others - {person})

    def by_number(record: Record) -> _Found | None:
        barred = rulings.barred.get(record.key, frozenset())
        for column, method in NUMBERS:
            value = getattr(record, column)
            holders = numbers.get((column, value), set()) if value else set()
            holders = holders - barred if len(holders) <= CROWD else set()
            fits = {one: words for one in holders if (words := compare.support(record, core[one]))}
            if len(fits) == 1:
                ((person, words),) = fits.items()
                if not rivals(record, person):
                    return _Found(person, method, f"same {NUMBER_WORDS[method]}; {words}")
        return None

    def by_profile(record: Record) -> _Found | None:
        profile = _profile(record)
        people = (
            profiles.get(profile, set()) - rulings.barred.get(record.key, frozenset())
            if profile
            else ()
        )
        if len(people) != 1:
            return None
        (person,) = people
        others = {
            one
            for column, _ in NUMBERS
            if (value := getattr(record, column))
            for one in numbers.get((column, value), ())
        } - {person}
        if any(compare.given(record, core[one]) for one in others):
            return None
        words = "given name, family name, date of birth and postcode the same"
        return _Found(person, "deterministic", words)

    while left:
        news = [(record, by_number(record) or by_profile(record)) for record in left]
        if not any(one for _, one in news):
            break
        for record, one in news:
            if one:
                found[record.key] = one
                learn(record, one.person)
        left = [record for record, one in news if not one]

    hashes, contents, flags = {}, {}, defaultdict(int)
    holders: dict[str, set[str]] = defaultdict(set)
    for record in records:
        hashed = hashes[record.key] = record.content_hash
        contents[hashed] = record.content
        flags[hashed] |= CORE if record.is_core else 0
        if one := found.get(record.key):
            holders[hashed].add(one.person)
        else:
            flags[hashed] |= ASKS
    groups = _groups(left, rulings, compare)
    la_code = records[0].la_code if records else ""
    return Settled(
        la_code, records, hashes, core, found, groups, dict(numbers), contents, dict(flags), dict(holders)
    )  # fmt: skip


def conclude(
    settled: Settled, pairs: Iterable[Pair], rulings: Rulings, policy: Policy, model: Model
) -> tuple[list[Link], list[Candidate], list[Duplicate]]:
    """Weigh what keys could not settle.

    Args:
        pairs: every kept pair of the contents at hand.
    """
    near: dict[str, list[tuple[str, Pair]]] = defaultdict(list)
    for pair in pairs:
        near[pair.left_hash].append((pair.right_hash, pair))
        if pair.left_hash != pair.right_hash:
            near[pair.right_hash].append((pair.left_hash, pair))
    words = _Words(model)
    duplicates = _duplicates(settled, near, rulings, policy, words, model)
    found = dict(settled.found)
    waiting: list[tuple[list[Record], list[tuple[str, float | None, str]], str]] = []
    nobodys: list[list[Record]] = []
    hopeful: list[tuple[list[Record], list[tuple[str, float, str]], str]] = []
    for group in settled.groups:
        ranked = _ranked(group, settled, near, rulings, policy, words)
        held = _held(group, settled, rulings)
        unsure = next((text for one in group if (text := rulings.unsure.get(one.key))), None)
        best = ranked[0] if ranked else None
        if best is None and not held:
            nobodys.append(group)
        elif best is None:
            waiting.append(
                (group, [(one, None, text) for one, text in sorted(held.items())],
                 "a number of somebody whose name and date of birth are others")
            )  # fmt: skip
        elif held and best[0] not in held:
            others = [
                (one, None, text)
                for one, text in sorted(held.items())
                if one not in {p for p, _, _ in ranked}
            ]
            waiting.append(
                (
                    group,
                    [*ranked[:2], *others],
                    "looks like one person and bears the number of another",
                )
            )
        elif unsure:
            waiting.append((group, ranked, unsure))
        elif best[1] < policy.upper:
            waiting.append((group, ranked, "not sure enough"))
        elif len(ranked) > 1 and best[1] - ranked[1][1] < policy.margin:
            waiting.append((group, ranked, "two people fit nearly as well"))
        elif len(ranked) > 1 and words.differs(best[2]):
            waiting.append(
                (group, ranked, "the given name is another, and a second person is near")
            )
        else:
            hopeful.append((group, ranked, ""))
    for group, ranked, reason in _one_key(hopeful, found, settled, policy):
        if reason:
            waiting.append((group, ranked, reason))
            continue
        person, score, text = ranked[0]
        for record in group:
            found[record.key] = _Found(person, "splink", text, score)
    links = _links(settled, found, waiting, nobodys, near, rulings, policy, model)
    return links, _candidates(settled, waiting, model), duplicates


# -- names and numbers -----------------------------------------------------------------------------------------------


def _profile(record: Record) -> tuple | None:
    if record.given_form and record.family_form and record.dob and record.postcode:
        return record.given_form.split()[0], record.family_form, record.dob, record.postcode
    return None


def _families(record: Record) -> set[str]:
    found = {record.family_form, record.former_family_form, record.preferred_family_form} - {None}
    return found | {part for name in found for part in name.split()}


class _Comparer:
    """Whether what a record says supports a number that agrees, or speaks against it. Plain and strict: the weighing is
    Splink's."""

    def __init__(self, short_names: frozenset[tuple[str, str]]) -> None:
        self.short_names = short_names

    def given(self, one: Record, other: Record) -> bool:
        """Do the given names go together: equal, short form, another name in use, or nearly spelt alike?"""
        if not one.given_form or not other.given_form:
            return False
        a, b = one.given_form.split()[0], other.given_form.split()[0]
        if a == b or (a, b) in self.short_names or (b, a) in self.short_names:
            return True
        names, others = (
            {
                part
                for text in (r.given_form, r.middle_form, r.alias_form)
                if text
                for part in text.split()
            }
            for r in (one, other)
        )
        return a in others or b in names or JaroWinkler.similarity(a, b) >= NEAR

    def fit(self, one: Record, other: Record) -> int:
        """2 when the first given names are equal, 1 when they go together, else 0."""
        if (
            one.given_form
            and other.given_form
            and one.given_form.split()[0] == other.given_form.split()[0]
        ):
            return 2
        return int(self.given(one, other))

    def family(self, one: Record, other: Record) -> bool:
        if not one.family_form or not other.family_form:
            return False
        return bool(_families(one) & _families(other)) or (
            JaroWinkler.similarity(one.family_form, other.family_form) >= NEAR
        )

    def dob(self, one: Record, other: Record) -> bool:
        a, b = one.dob, other.dob
        if not a or not b:
            return False
        return a == b or (a.year, a.month, a.day) == (b.year, b.day, b.month) or (
            sum((a.year != b.year, a.month != b.month, a.day != b.day)) == 1
        )  # fmt: skip

    def support(self, one: Record, other: Record) -> str:
        """What agrees, in words, if it is enough: two of given name, family name and date of birth, or one and nothing
        against it. Empty when it is not."""
        agree, against = [], []
        swapped = (
            bool(one.given_form)
            and one.given_form == other.family_form
            and one.family_form == other.given_form
        )
        if swapped:
            agree += ["given name", "family name"]
        else:
            for name, column, same in (
                ("given name", "given_form", self.given), ("family name", "family_form", self.family)
            ):  # fmt: skip
                if getattr(one, column) and getattr(other, column):
                    (agree if same(one, other) else against).append(name)
        if one.dob and other.dob:
            (agree if self.dob(one, other) else against).append("date of birth")
        if len(agree) >= 2 or (agree and not against):
            return f"{' and '.join(agree)} agree" + (
                f", {' and '.join(against)} not" if against else ""
            )
        return ""


def _groups(left: list[Record], rulings: Rulings, compare: _Comparer) -> list[list[Record]]:
    """Records of one person, by their own numbers, by full agreement, or because somebody said so."""
    join = _Join(rulings)
    first: dict[tuple, Record] = {}
    for record in left:
        join.add(record.key)
        for column in ("upn", "uln"):
            if value := getattr(record, column):
                before = first.setdefault((column, value), record)
                if before is not record and compare.support(record, before):
                    join.unite(before.key, record.key)
        if profile := _profile(record):
            before = first.setdefault(profile, record)
            if before is not record:
                join.unite(before.key, record.key)
    present = {record.key: record for record in left}
    for one, other in sorted(rulings.same):
        if one in present and other in present:
            join.unite(one, other)
    return [[present[key] for key in keys] for keys in join.sets()]


class _Join:
    """Sets of records, joined one by one; two that somebody said to be different never end in one set."""

    def __init__(self, rulings: Rulings) -> None:
        self.parent: dict[RecordKey, RecordKey] = {}
        self.members: dict[RecordKey, list[RecordKey]] = {}
        self.different = sorted(map(sorted, rulings.different))

    def add(self, key: RecordKey) -> None:
        if key not in self.parent:
            self.parent[key] = key
            self.members[key] = [key]

    def root(self, key: RecordKey) -> RecordKey:
        while self.parent[key] != key:
            self.parent[key] = self.parent[self.parent[key]]
            key = self.parent[key]
        return key

    def unite(self, one: RecordKey, other: RecordKey) -> None:
        a, b = sorted((self.root(one), self.root(other)))
        if a == b or any(
            {self.root(key) for key in pair if key in self.parent} == {a, b}
            for pair in self.different
        ):
            return
        self.parent[b] = a
        self.members[a] += self.members.pop(b)

    def sets(self) -> list[list[RecordKey]]:
        return [sorted(self.members[key]) for key in sorted(self.members)]


# -- weighing --------------------------------------------------------------------------------------------------------


class _Words:
    """Levels of a pair as a person reads them."""

    def __init__(self, model: Model) -> None:
        from neet.identity.model import WORDS

        self.names, self.labels = WORDS, model.labels

    def differs(self, said: str) -> bool:
        """Do the given names have nothing in common?"""
        return said.startswith(f"{self.names['given']} {self.labels['given'][0]}")

    def same_given(self, pair: Pair) -> bool:
        """Is it one given name, whole, short or another in use? A slip is not enough: twins' names begin alike."""
        said = dict(part.split("=") for part in pair.levels.split(";"))
        return self.labels["given"][int(said["given"])] not in NOT_ONE_NAME

    def of(self, pair: Pair) -> str:
        said = []
        for part in pair.levels.split(";"):
            column, level = part.split("=")
            if int(level) >= 0:
                said.append(f"{self.names[column]} {self.labels[column][int(level)]}")
        return ", ".join(said)


def _ranked(group, settled, near, rulings, policy, words) -> list[tuple[str, float, str]]:
    """People on Core+ that a group may be, the best first."""
    barred = {one for record in group for one in rulings.barred.get(record.key, ())}
    best: dict[str, Pair] = {}
    for hashed in dict.fromkeys(settled.hashes[record.key] for record in group):
        for other, pair in near.get(hashed, ()):
            for person in settled.holders.get(other, ()):
                if person not in barred and pair.score >= policy.lower and (
                    person not in best or (-pair.score, pair.left_hash, pair.right_hash)
                    < (-best[person].score, best[person].left_hash, best[person].right_hash)
                ):  # fmt: skip
                    best[person] = pair
    ranked = sorted(best.items(), key=lambda item: (-item[1].score, item[0]))
    return [(person, pair.score, words.of(pair)) for person, pair in ranked]


def _held(group, settled, rulings) -> dict[str, str]:
    """People whose number a group bears."""
    held = {}
    for record in group:
        for column, method in NUMBERS:
            value = getattr(record, column)
            people = settled.numbers.get((column, value), ()) if value else ()
            for person in people if len(people) <= CROWD else ():
                if person not in rulings.barred.get(record.key, ()):
                    held.setdefault(person, f"same {NUMBER_WORDS[method]}")
    return held


def _one_key(hopeful, found, settled, policy):
    """A second key of one person within a system that gives each person one: a person decides."""

    def place(record: Record, person: str) -> tuple | None:
        within = policy.one_key_within.get(record.source_feed, "none")
        if within == "none" or not record.is_current:
            return None
        return record.source_feed, record.provider if within == "provider" else None, person

    keys: dict[tuple, set[str]] = defaultdict(set)
    for record in settled.records:
        if record.key in found and (where := place(record, found[record.key].person)):
            keys[where].add(record.source_key)
    for group, ranked, _ in hopeful:
        for record in group:
            if where := place(record, ranked[0][0]):
                keys[where].add(record.source_key)
    for group, ranked, _ in hopeful:
        crowded = any(
            len(keys[where]) > 1 for record in group if (where := place(record, ranked[0][0]))
        )
        yield (
            group,
            ranked,
            "another record of the same system is this person already" if crowded else "",
        )


def _duplicates(settled, near, rulings, policy, words, model) -> list[Duplicate]:
    """Core+ records that look like one person: by a shared number that names support, or by weight. Twins share all but
    the given name, so that must go together, and where Ann and Anne are twins, they have numbers of their own."""
    compare = _Comparer(policy.short_names)
    found: dict[tuple[str, str], tuple[str, float | None, str]] = {}
    by_hash: dict[str, list[str]] = defaultdict(list)
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for person, record in settled.core.items():
        by_hash[settled.hashes[record.key]].append(person)
        for column in ("upn", "uln"):
            if value := getattr(record, column):
                shared[column, value].append(person)
    for hashed, people in by_hash.items():
        for one in people[:CROWD]:
            for other in people[:CROWD]:
                if one < other and _profile(settled.core[one]):
                    found[one, other] = ("deterministic", None, "the same in everything")
            for partner, pair in near.get(hashed, ()):
                for other in by_hash.get(partner, ())[:CROWD]:
                    if (
                        one < other
                        and pair.score >= policy.duplicate
                        and words.same_given(pair)
                        and not _numbers_differ(settled.core[one], settled.core[other])
                    ):
                        found[one, other] = ("splink", pair.score, words.of(pair))
    for (column, _), people in shared.items():
        for one in people[:CROWD]:
            for other in people[:CROWD]:
                if one < other and compare.given(settled.core[one], settled.core[other]) and (
                    text := compare.support(settled.core[one], settled.core[other])
                ):  # fmt: skip
                    found[one, other] = (column, None, f"same {NUMBER_WORDS[column]}; {text}")
    return [
        Duplicate(settled.la_code, one, other, method, score, text, model.version)
        for (one, other), (method, score, text) in sorted(found.items())
        if frozenset((settled.core[one].key, settled.core[other].key)) not in rulings.different
    ]


# -- rows ------------------------------------------------------------------------------------------------------------


def _links(settled, found, waiting, nobodys, near, rulings, policy, model) -> list[Link]:
    la_code = settled.la_code
    rows: dict[RecordKey, Link] = {}

    def row(
        record: Record,
        person_id: str,
        status: str,
        one: _Found | None,
        evidence: str = "",
        method: str = "none",
    ) -> None:
        rows[record.key] = Link(
            la_code, record.source_feed, record.source_key, person_id, one.person if one else None,
            one.method if one else method, one.score if one else None, status, one.evidence if one else evidence,
            model.version, one.decision_id if one else None, settled.hashes[record.key],
        )  # fmt: skip

    for record in settled.records:
        if one := found.get(record.key):
            row(record, person_key(la_code, one.person), "linked", one)
    for group, _, reason in waiting:
        for record in group:
            row(record, _first_key(la_code, group), "queued", None, f"waits for a person: {reason}")
    for group, method in _joined(nobodys, settled, near, rulings, policy):
        for record in group:
            many = len(group) > 1
            evidence = (
                f"not on Core+; {len(group)} records of one person" if many else "not on Core+"
            )
            row(
                record,
                _first_key(la_code, group),
                "linked" if many else "alone",
                None,
                evidence,
                method if many else "none",
            )
    return [rows[record.key] for record in settled.records]


def _first_key(la_code: str, group: list[Record]) -> str:
    first = min(group, key=lambda one: (one.first_known_seq, one.source_feed, one.source_key))
    return key_of(la_code, first.source_feed, first.source_key)


def _joined(nobodys, settled, near, rulings, policy) -> list[tuple[list[Record], str]]:
    """People who are not on Core+, from all their systems."""
    join = _Join(rulings)
    group_of: dict[RecordKey, list[Record]] = {}
    by_hash: dict[str, list[RecordKey]] = defaultdict(list)
    by_weight: set[RecordKey] = set()
    for group in nobodys:
        head = group[0].key
        for record in group:
            join.add(record.key)
            join.unite(head, record.key)
            group_of[record.key] = group
            by_hash[settled.hashes[record.key]].append(record.key)
    edges = {
        (-pair.score, *sorted((hashed, other)))
        for hashed in by_hash
        for other, pair in near.get(hashed, ())
        if other in by_hash
        and pair.score >= policy.upper
        and "given=0" not in pair.levels.split(";")
    }
    records = {record.key: record for group in nobodys for record in group}
    for _, one, other in sorted(edges):
        for a in by_hash[one][:CROWD]:
            for b in by_hash[other][:CROWD]:
                if a != b and not _numbers_differ(records[a], records[b]):
                    join.unite(a, b)
                    by_weight |= {a, b}
    result = []
    for keys in join.sets():
        group = [records[key] for key in keys]
        result.append((group, "splink" if by_weight & set(keys) else "number"))
    return result


def _numbers_differ(one: Record, other: Record) -> bool:
    return any(
        getattr(one, column)
        and getattr(other, column)
        and getattr(one, column) != getattr(other, column)
        for column in ("upn", "uln")
    )


def _candidates(settled, waiting, model) -> list[Candidate]:
    """One row a group and candidate: the first record of the group asks for all of them."""
    rows = []
    for group, ranked, reason in waiting:
        record = min(group, key=lambda one: (one.first_known_seq, one.source_feed, one.source_key))
        for rank, (person, score, text) in enumerate(ranked[:3], start=1):
            core = settled.core[person]
            rows.append(
                Candidate(
                    settled.la_code, record.source_feed, record.source_key, rank, core.source_feed, core.source_key,
                    "number" if score is None else "splink", score, reason, text, model.version,
                )
            )  # fmt: skip
    return sorted(rows, key=lambda one: (one.source_feed, one.source_key, one.candidate_rank))
