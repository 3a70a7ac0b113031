"""The law of incremental linkage: whatever arrives, changes, goes or is decided, the rows are those of a link from nothing."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linkage_in_memory import Linkage
from population import EMPTY, Someone, county, in_order, people

from neet.database import connect
from neet.identity import linking, records, resolving
from neet.identity.deciding import KINDS, LINK, SPLIT, UNDO, Ruling
from neet.identity.records import CORE, Record

ACCOUNTS, CENSUS, COLLEGE, MAILBOX = (
    "kent_choices_accounts",
    "school_census",
    "college_enrolment",
    "referral_mailbox",
)

# -- a small world in which everything is somebody else's too ----------------------------------------------------------

GIVEN = (
    "oliver",
    "olly",
    "olive",
    "freya",
    "freda",
    "rachel",
    "rachael",
    "whitcombe",
    "unknown",
    None,
)
FAMILY = ("whitcombe", "whitcomb", "okonjo", "whitcombe okonjo", "oliver", None)
DOBS = (dt.date(2004, 11, 23), dt.date(2004, 11, 24), dt.date(2005, 6, 7), dt.date(2005, 7, 6), dt.date(1900, 1, 1), None)  # fmt: skip
POSTCODES = ("ZZ991AB", "ZZ991AC", "ZZ992CD", None)
FEEDS = (CORE, CORE, ACCOUNTS, CENSUS, COLLEGE, MAILBOX)

# given, family, date of birth, postcode: a namesake at each other address, twins, names in each other's fields
PEOPLE = (
    (0, 0, 0, 0), (0, 0, 0, 2), (1, 0, 0, 0), (3, 2, 2, 1), (4, 2, 2, 1), (5, 3, 1, 0), (6, 3, 1, 0), (7, 4, 0, 0), (2, 1, 3, 2),
)  # fmt: skip


def number(prefix: str):
    return st.one_of(st.none(), st.integers(0, 5).map(lambda one: f"{prefix}{one}"))


@st.composite
def somebody(draw) -> Record:
    """What some system says of one of few people, often mistaken."""
    feed = draw(st.sampled_from(FEEDS))
    person = draw(st.integers(0, len(PEOPLE) - 1))
    given_name, family, dob, postcode = PEOPLE[person]
    key = draw(st.integers(0, 5))
    one = replace(
        EMPTY, source_feed=feed, source_key=f"{key}", given_form=GIVEN[given_name], family_form=FAMILY[family], dob=DOBS[dob],
        postcode=POSTCODES[postcode], first_known_seq=draw(st.integers(1, 3)),
    )  # fmt: skip
    if feed == CORE:
        one = replace(one, young_persons_id=one.source_key)
    if feed in (CORE, CENSUS, COLLEGE) and draw(st.booleans()):
        one = replace(one, upn=f"Z{person}", uln=f"9{person}")
    for column, values in draw(
        st.lists(
            st.sampled_from(
                [
                    ("given_form", st.sampled_from(GIVEN)), ("family_form", st.sampled_from(FAMILY)),
                    ("dob", st.sampled_from(DOBS)), ("postcode", st.sampled_from(POSTCODES)),
                    ("upn", number("Z")), ("uln", number("9")), ("former_family_form", st.sampled_from(FAMILY)),
                    ("alias_form", st.sampled_from(GIVEN)), ("gender_form", st.sampled_from(("F", "M", None))),
                    ("is_current", st.booleans()), ("provider", st.sampled_from(("886", "887"))),
                    ("young_persons_id", number("")), ("previous_postcode", st.sampled_from(POSTCODES)),
                ]
            ),
            max_size=3,
        )
    ):  # fmt: skip
        if feed != CORE or column != "young_persons_id":
            one = replace(one, **{column: draw(values)})
    return one


KEYS = st.tuples(st.sampled_from(FEEDS), st.integers(0, 5).map(str))


@st.composite
def step(draw) -> tuple:
    """Records that arrive or change, keys that go, and decisions."""
    return (
        draw(st.lists(somebody(), max_size=4)),
        draw(st.lists(KEYS, max_size=2)),
        draw(st.lists(st.tuples(st.sampled_from(KINDS), KEYS, KEYS), max_size=2)),
    )


def stepwise_is_fresh(databases, policy, trained, cap, first, steps) -> None:
    kept, fresh = databases
    for database in databases:
        database.empty(block_cap=cap)
    policy = replace(policy, block_cap=cap)
    present = {one.key: one for one in first}
    rulings: list[Ruling] = []
    for arriving, going, decided in [([], [], []), *steps]:
        for key in going:
            present.pop(key, None)
        present |= {one.key: one for one in arriving}
        for kind, one, other in decided:
            if one != other:
                seq = len(rulings) + 2
                rulings.append(
                    Ruling(f"D{seq}", seq, kind, *sorted((one, other)), "Ada", "2022-01-05")
                )
                for database in databases:
                    database.decide(rulings[-1])
        kept.hold(present.values())
        done = kept.link()
        assert done.touched <= len(present)
        everything_at_once(kept, policy, trained, rulings)
    fresh.hold(present.values())
    fresh.link()
    assert kept.tables() == fresh.tables()


def everything_at_once(database, policy, trained, rulings) -> None:
    """What the database holds is what follows from all records together, without a table, a block or a neighbourhood kept."""
    with connect(database.dsn["builder"]) as connection:
        _, cleaning = linking.read_policy(connection, database.known_seq)
        found = records.read(connection, cleaning)
    whole = Linkage(policy, trained)
    links, candidates, duplicates = whole(found, rulings)
    for table, kind, rows in (
        ("link", resolving.Link, links.values()),
        ("candidate", resolving.Candidate, candidates),
        ("core_plus_duplicate", resolving.Duplicate, duplicates),
    ):
        columns = ", ".join(kind.__slots__).replace("score", "score::float")
        kept = [kind(*row) for row in database.rows(f"select {columns} from identity.{table}")]
        assert sorted(map(repr, kept)) == sorted(map(repr, rows))
    crowded = database.rows("select rule, block_key, content_count from identity.crowded_block")
    assert {(rule, key): count for rule, key, count in crowded} == whole.crowded
    pairs = database.rows("select left_hash, right_hash, score::float, levels from identity.pair")
    assert set(pairs) == {(one.left_hash, one.right_hash, one.score, one.levels) for one in whole.pairs}  # fmt: skip


ANYTHING = given(
    cap=st.sampled_from([2, 3, 400]),
    first=st.lists(somebody(), min_size=5, max_size=25),
    steps=st.lists(step(), min_size=2, max_size=4),
)
LAW = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.slow
@settings(max_examples=4, **LAW)
@ANYTHING
def test_steps_in_any_order_and_a_fresh_start_agree(
    two_databases, policy, trained, cap, first, steps
):
    stepwise_is_fresh(two_databases, policy, trained, cap, first, steps)


@pytest.mark.slow
@pytest.mark.system
@settings(max_examples=40, **LAW)
@ANYTHING
def test_the_same_many_times(two_databases, policy, trained, cap, first, steps):
    stepwise_is_fresh(two_databases, policy, trained, cap, first, steps)


# -- what ties records, one by one -------------------------------------------------------------------------------------

OLIVER = Someone(1, "oliver", "whitcombe", dt.date(2004, 11, 23), "M", "ZZ991AB", "Z886000000001", "9000000001")  # fmt: skip
FREYA = Someone(2, "freya", "okonjo", dt.date(2005, 6, 17), "F", "ZZ993EF", "Z886000000002", "9000000002")  # fmt: skip
PHILIPPA = replace(FREYA, number=3, given="philippa", postcode="ZZ995TT", upn="Z886000000003", uln="9000000003")  # fmt: skip
STRANGER = OLIVER.record(
    ACCOUNTS, "KC1", given_form="kasimir", family_form="ostrowski", dob=dt.date(2004, 2, 3), postcode="ZZ998QQ", gender_form=None,
)  # fmt: skip
BY_NAME = OLIVER.record(ACCOUNTS, "KC1", given_form=None, gender_form=None, postcode=None)

TIES = {
    # The number is Philippa's and the names of twins are unlike: with Freya on Core+ it is hers who writes Freya.
    "a namesake": (
        [PHILIPPA.core(), PHILIPPA.record(CENSUS, "S1", upn=PHILIPPA.upn, given_form="freya", postcode=None)],
        [FREYA.core()],
        (CENSUS, "S1"),
    ),
    "a number learnt from another record": (
        [OLIVER.core(uln=None), OLIVER.record(COLLEGE, "C1", uln=OLIVER.uln, given_form="olly", family_form=None, postcode=None)],
        [OLIVER.record(CENSUS, "S1", upn=OLIVER.upn, uln=OLIVER.uln)],
        (COLLEGE, "C1"),
    ),
    "agreement in everything": (
        [OLIVER.record(ACCOUNTS, "KC1", gender_form=None)],
        [OLIVER.record(MAILBOX, "R1")],
        (ACCOUNTS, "KC1"),
    ),
    # Each of the two accounts is a pair with Oliver, and no pair with the other.
    "a pair with one person": (
        [OLIVER.core(gender_form=None), OLIVER.record(ACCOUNTS, "KC1", family_form=None, gender_form="F")],
        [OLIVER.record(ACCOUNTS, "KC2", given_form=None, gender_form="M")],
        (ACCOUNTS, "KC1"),
    ),
    "a pair that keys settled": (
        [OLIVER.record(ACCOUNTS, "KC1", given_form="olivre")],
        [OLIVER.core()],
        (ACCOUNTS, "KC1"),
    ),
    # Two may meet in a block: with the third nobody does.
    "a block that becomes too large": (
        [OLIVER.core(), BY_NAME],
        [OLIVER.record(MAILBOX, "R1", given_form="zebedee", postcode="ZZ998QQ")],
        (ACCOUNTS, "KC1"),
    ),
    "a decision about one who is gone": ([STRANGER], [OLIVER.core()], (ACCOUNTS, "KC1")),
    "a decision about two who are not on Core+": (
        [STRANGER],
        [FREYA.record(MAILBOX, "R1")],
        (ACCOUNTS, "KC1"),
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("tie", TIES)
def test_each_tie_counts_when_it_comes_and_when_it_goes(two_databases, policy, trained, tie):
    """Somebody comes and goes whom one thing alone ties to a record that stays: its link follows both times."""
    before, news, (feed, key) = TIES[tie]
    database, _ = two_databases
    cap = 2 if "block" in tie else 400
    database.empty(block_cap=cap)
    rulings = []
    if "decision" in tie:
        rulings = [Ruling("D2", 2, LINK, *sorted(((feed, key), news[0].key)), "Ada", "2022-01-05")]
        database.decide(rulings[0])
    bystander = [
        replace(one, number=900 + one.number).core(upn=None, uln=None) for one in people(2, 77)
    ]
    links = []
    for number, records_now in enumerate((before, [*before, *news], before)):
        database.hold(in_order([*bystander, *records_now]))
        done = database.link()
        everything_at_once(database, replace(policy, block_cap=cap), trained, rulings)
        links += database.rows(
            f"select person_id, method, status from identity.link where source_feed = '{feed}' and source_key = '{key}'"
        )
        assert number == 0 or done.touched <= len(records_now), "no bystander is read"
    assert links[0] != links[1] and links[0] == links[2]


@pytest.mark.slow
def test_a_pair_that_stays_and_matters_no_more(two_databases, policy, trained):
    """Two accounts seem to be Olivia's until the split of the first from Oliver is undone: it asks no more, the pair of what it
    says with Olivia stays for it is Oliver's too, and the second account has her to itself."""
    database, _ = two_databases
    database.empty(block_cap=400)
    olivia = replace(OLIVER, number=4, given="olivia", upn="Z886000000004", uln="9000000004")
    first = OLIVER.record(ACCOUNTS, "KC1")
    second = olivia.record(ACCOUNTS, "KC2", family_form=None, gender_form="F")
    two = sorted((first.key, (CORE, OLIVER.young_persons_id)))
    split = Ruling("D2", 2, SPLIT, *two, "Ada", "2022-01-05")
    database.decide(split)
    database.hold(in_order([OLIVER.core(), olivia.core(gender_form=None), first, second]))
    query = "select source_key, method, status from identity.link where source_feed <> 'core_plus_people' order by 1"
    database.link()
    everything_at_once(database, policy, trained, [split])
    assert database.rows(query) == [("KC1", "none", "queued"), ("KC2", "none", "queued")]
    undo = Ruling("D3", 3, UNDO, *two, "Ada", "2022-01-06")
    database.decide(undo)
    database.link()
    everything_at_once(database, policy, trained, [split, undo])
    assert database.rows(query) == [("KC1", "deterministic", "linked"), ("KC2", "splink", "linked")]


# -- no more than that -------------------------------------------------------------------------------------------------


@pytest.fixture
def linked(two_databases):
    """A database in which sixty people are linked, and their records."""
    database, _ = two_databases
    database.empty(block_cap=400)
    everybody, _ = county(60, 5)
    database.hold(everybody)
    assert database.link().touched == len(everybody)
    return database, everybody


def versions(database, la_code="886") -> dict:
    """Which transaction wrote each link."""
    return {
        (feed, key): writer
        for feed, key, writer in database.rows(
            f"select source_feed, source_key, xmin::text from identity.link where la_code = '{la_code}'"
        )
    }


def test_nothing_new_touches_nobody(linked):
    database, _ = linked
    before = versions(database)
    again = database.link()
    assert (again.news, again.touched, again.beside, again.compared, again.changed) == (0,) * 5
    assert versions(database) == before
    assert "0 new, gone or changed, 0 touched" in again.words


def test_a_newcomer_touches_the_neighbourhood_only(linked):
    database, everybody = linked
    before, whole = versions(database), database.rows("select count(*) from identity.pair")[0][0]
    core = next(one for one in everybody if one.is_core)
    newcomer = replace(
        core, source_feed=ACCOUNTS, source_key="KCNEW", young_persons_id=None, upn=None, uln=None, given_form="novel",
    )  # fmt: skip
    database.hold(in_order([*everybody, newcomer]))
    done = database.link()
    assert (done.news, done.changed) == (1, 1)
    assert 1 < done.touched <= 12 and done.beside <= 12
    assert 0 < done.compared < whole / 5
    assert versions(database).items() >= before.items()
    database.hold(everybody)
    assert database.link().news == 1
    assert versions(database) == before


@pytest.mark.slow
def test_who_only_looks_at_a_namesake_is_not_reached_by_it(two_databases, policy, trained):
    """A school's record that changes looks at the Core+ namesake, who is not linked again; one that changes draws it in."""
    database, _ = two_databases
    database.empty(block_cap=400)
    school = PHILIPPA.record(CENSUS, "S1", upn=PHILIPPA.upn, postcode=None)
    freyas = replace(school, given_form="freya")
    for namesake, record, method, expected in (
        (FREYA.core(), school, "upn", (3, 0)),
        (FREYA.core(), replace(school, school_form="4601"), "upn", (2, 1)),
        # Now it is a pair with Freya, looked at first and reached then.
        (FREYA.core(), freyas, "none", (3, 1)),
        (FREYA.core(given_form="fred"), freyas, "upn", (3, 0)),
    ):
        database.hold([PHILIPPA.core(), namesake, record])
        done = database.link()
        everything_at_once(database, policy, trained, [])
        assert database.rows("select method from identity.link where source_key = 'S1'") == [
            (method,)
        ]
        assert (done.touched, done.beside) == expected


@pytest.mark.slow
def test_authorities_do_not_touch_each_other(two_databases):
    """The same records of two authorities: each is linked as if alone."""
    database, _ = two_databases
    database.empty(block_cap=400)
    everybody, _ = county(20, 5)
    others = [replace(one, la_code="887") for one in everybody]
    database.hold([*everybody, *others])
    database.link()
    query = "select source_feed, source_key, young_persons_id, method, score, status from identity.link where la_code = '{}' order by 1, 2"
    assert database.rows(query.format("886")) == database.rows(query.format("887"))
    before = versions(database, "886")
    database.hold(
        [
            *everybody,
            *(replace(one, upn=None, family_form="other") for one in others[:9]),
            *others[9:],
        ]
    )
    assert database.link().news == 9
    assert versions(database, "886") == before
    assert database.rows(query.format("886")) != database.rows(query.format("887"))
    stepwise = database.tables()
    database.forget()
    database.link()
    assert database.tables() == stepwise


@pytest.mark.slow
def test_another_policy_and_an_earlier_time_link_everybody(linked):
    database, everybody = linked
    before = database.tables()
    database.decide(
        Ruling("D2", 2, KINDS[1], everybody[0].key, everybody[1].key, "Ada", "2022-01-05")
    )
    assert database.link().touched < len(everybody) / 4
    assert database.link(known_seq=1).touched == len(everybody)
    assert database.tables() == before
    database.set("upper", 11)
    assert database.link().touched == len(everybody)
    database.set("upper", 10)


def test_a_change_in_what_is_taken_for_empty_is_a_change(linked):
    """A placeholder and a birth date of nobody are no names and dates, but their row is another one."""
    database, everybody = linked
    account = next(one for one in everybody if one.source_feed == ACCOUNTS)
    others = [one for one in everybody if one is not account]
    database.hold([*others, replace(account, given_form="unknown", dob=dt.date(1900, 1, 1))])
    assert database.link().news == 1
    database.hold([*others, replace(account, given_form="anon", dob=dt.date(1900, 1, 2))])
    again = database.link()
    assert (again.news, again.changed) == (1, 0)


@pytest.mark.slow
def test_an_interrupted_linkage_leaves_nothing_half_done(linked, monkeypatch):
    database, everybody = linked
    before = database.tables()
    fewer = everybody[7:]
    database.hold(fewer)
    with monkeypatch.context() as patched:
        patched.setattr(linking, "_write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            database.link()
    assert database.tables() == before
    assert database.link().news == 7
    stepwise = database.tables()
    database.forget()
    database.link()
    assert database.tables() == stepwise


def test_keys_too_long_for_an_index_do_not_stop_it(linked):
    database, everybody = linked
    dice = random.Random(1)
    endless = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=9_000)) for _ in range(2)]
    hostile = [
        replace(EMPTY, source_feed=ACCOUNTS, source_key=f"KC-{n}", given_form=endless[0], family_form=endless[1],
                dob=dt.date(2005, 5, 5), postcode="ZZ990AA", middle_form=f"m{n}")
        for n in range(3)
    ]  # fmt: skip
    database.hold(in_order([*everybody, *hostile]))
    assert database.link().news == 3
    people_of = database.rows("select distinct person_id from identity.link where source_key like 'KC-%'")  # fmt: skip
    assert len(people_of) == 1


@pytest.mark.slow
def test_a_crowd_with_one_number_is_one_neighbourhood_and_soon_linked(two_databases):
    database, _ = two_databases
    database.empty(block_cap=400)
    crowd = [one.core(upn="Z886000000000", uln=None) for one in people(3000, 8)]
    database.hold(crowd)
    database.link()
    newcomer = people(3001, 9)[-1].record(CENSUS, "S1", upn="Z886000000000")
    database.hold([*crowd, newcomer])
    done = database.link()
    assert done.touched == 3001 and done.seconds < 60
    assert done.methods.keys() == {"core_plus", "none"}
