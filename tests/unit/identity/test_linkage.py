"""Who is who: exact keys that lie, twins, hostile records."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from population import EMPTY, Someone, county, in_order, people

from neet.identity import deciding, measuring, model
from neet.identity.deciding import LINK, SPLIT, UNDO, Ruling
from neet.identity.records import CORE, person_key
from neet.identity.trial import Truth

ACCOUNTS, CENSUS, COLLEGE = "kent_choices_accounts", "school_census", "college_enrolment"

OLIVER = Someone(1, "oliver", "whitcombe", dt.date(2004, 11, 23), "M", "ZZ991AB", "Z886000000001", "9000000001")  # fmt: skip
AMELIA = Someone(2, "amelia", "thistlewood", dt.date(2005, 3, 9), "F", "ZZ992CD", "Z886000000002", "9000000002")  # fmt: skip
FREYA = Someone(
    3, "freya", "okonjo", dt.date(2005, 6, 17), "F", "ZZ993EF", "Z886000000003", "9000000003"
)
IMOGEN = replace(FREYA, number=4, given="imogen", upn="Z886000000004", uln="9000000004")
EVERYBODY = [one.core() for one in (OLIVER, AMELIA, FREYA, IMOGEN)]


def found(linkage, *records, rulings=()):
    """Links of the records when these four are on Core+."""
    links, candidates, _ = linkage(in_order([*EVERYBODY, *records]), rulings)
    return [links[f"{one.source_feed} {one.source_key}"] for one in records], candidates


def said(kind, one, other, seq=1, by="Ada Clerk") -> Ruling:
    first, second = sorted((one, other))
    return Ruling(f"D{seq}", seq, kind, first, second, by, "2022-01-05")


# -- exact keys ------------------------------------------------------------------------------------------------------


def test_a_number_needs_two_facts_beside_it(linkage):
    record = OLIVER.record(CENSUS, upn=OLIVER.upn, given_form="olly", family_form="whitcomb")
    (link,), _ = found(linkage, record)
    assert (link.young_persons_id, link.method, link.status) == (
        OLIVER.young_persons_id,
        "upn",
        "linked",
    )
    assert link.person_id == person_key("886", OLIVER.young_persons_id)


def test_a_mistyped_number_links_nobody(linkage):
    record = OLIVER.record(CENSUS, upn=AMELIA.upn, postcode="ZZ999ZZ", given_form="theodore", family_form="ashworth",
                           dob=dt.date(2003, 1, 20))  # fmt: skip
    (link,), candidates = found(linkage, record)
    assert link.young_persons_id is None and link.status == "queued"
    assert (
        candidates[0].candidate_key == AMELIA.young_persons_id
        and "a number of somebody" in candidates[0].reason
    )


def test_the_number_of_the_twin_does_not_make_a_twin(linkage):
    record = FREYA.record(CENSUS, upn=IMOGEN.upn)
    (link,), _ = found(linkage, record)
    assert link.young_persons_id in (FREYA.young_persons_id, None)


def test_the_number_of_a_twin_with_nearly_the_same_name(linkage):
    one, other = replace(FREYA, given="rachael"), replace(IMOGEN, given="rachel")
    record = one.record(CENSUS, upn=other.upn, postcode=None)
    links, _, _ = linkage(in_order([one.core(), other.core(), record]))
    assert links[f"{CENSUS} {record.source_key}"].young_persons_id != other.young_persons_id


def test_a_name_in_use_under_the_right_number_is_enough(linkage):
    record = FREYA.record(CENSUS, upn=FREYA.upn, given_form="philippa", postcode=None)
    (link,), _ = found(linkage, record)
    assert (link.young_persons_id, link.method) == (FREYA.young_persons_id, "upn")


def test_a_number_that_two_people_share_goes_to_whom_it_fits(linkage):
    shared = AMELIA.core(uln=OLIVER.uln)
    record = AMELIA.record(COLLEGE, uln=OLIVER.uln, postcode=None, gender_form=None)
    links, _, duplicates = linkage(in_order([OLIVER.core(), shared, record]))
    assert links[f"{COLLEGE} {record.source_key}"].young_persons_id == AMELIA.young_persons_id
    assert duplicates == []


def test_a_number_that_core_plus_lacks_is_learnt_from_another_system(linkage):
    core = OLIVER.core(uln=None)
    school = OLIVER.record(CENSUS, upn=OLIVER.upn, uln=OLIVER.uln)
    college = OLIVER.record(COLLEGE, uln=OLIVER.uln, given_form="olly", postcode=None)
    links, _, _ = linkage(in_order([core, school, college]))
    link = links[f"{COLLEGE} {college.source_key}"]
    assert (link.young_persons_id, link.method) == (OLIVER.young_persons_id, "uln")


def test_a_stated_core_plus_number_must_fit_too(linkage):
    good = OLIVER.record(
        "referral_mailbox", "R1", young_persons_id=OLIVER.young_persons_id, postcode=None
    )
    slipped = OLIVER.record("referral_mailbox", "R2", young_persons_id=AMELIA.young_persons_id)
    (one, other), _ = found(linkage, good, slipped)
    assert (one.young_persons_id, one.method) == (OLIVER.young_persons_id, "core_plus_id")
    assert other.young_persons_id in (OLIVER.young_persons_id, None)


# -- weighing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"given_form": "olly"},
        {"given_form": "olivre", "gender_form": None},
        {"given_form": "whitcombe", "family_form": "oliver"},
        {"dob": dt.date(2004, 11, 24)},
        {"family_form": "whitcomb"},
    ],
    ids=[
        "short form",
        "slip",
        "swapped names",
        "digit of the birth date",
        "family name by ear",
    ],
)
def test_one_fault_is_no_hindrance(linkage, change):
    (link,), _ = found(linkage, OLIVER.record(ACCOUNTS, **change))
    assert (link.young_persons_id, link.method) == (OLIVER.young_persons_id, "splink")
    assert link.score >= linkage.policy.upper and "date of birth" in link.evidence


def test_names_and_birth_date_at_another_address_are_asked_about(linkage):
    (link,), candidates = found(linkage, OLIVER.record(ACCOUNTS, postcode="ZZ998QQ"))
    assert link.status == "queued" and link.young_persons_id is None
    assert [one.candidate_key for one in candidates] == [OLIVER.young_persons_id]
    assert (
        candidates[0].reason == "not sure enough" and "postcode different" in candidates[0].evidence
    )


def test_between_twins_a_person_decides(linkage):
    (link,), candidates = found(linkage, FREYA.record(ACCOUNTS, given_form=None))
    assert link.status == "queued" and link.young_persons_id is None
    assert {one.candidate_key for one in candidates} == {
        FREYA.young_persons_id,
        IMOGEN.young_persons_id,
    }
    assert candidates[0].reason == "two people fit nearly as well"


def test_a_second_account_of_one_person_waits(linkage):
    one, other = OLIVER.record(ACCOUNTS, "KC1"), OLIVER.record(ACCOUNTS, "KC2", given_form="olly")
    (first, second), _ = found(linkage, one, other)
    assert first.method == "deterministic"
    assert second.status == "queued" and "another record of the same system" in second.evidence


def test_people_outside_core_plus_have_one_identity(linkage):
    stranger = replace(OLIVER, number=9, given="kasimir", family="ostrowski", dob=dt.date(2004, 2, 3), postcode="ZZ995TT")  # fmt: skip
    records = [
        replace(
            stranger.record(CENSUS, "1|X", upn="Z886000000099", uln="9000000099"), first_known_seq=7
        ),
        replace(
            stranger.record(COLLEGE, "2|Y", uln="9000000099", given_form="kasimier"),
            first_known_seq=5,
        ),
        replace(stranger.record(ACCOUNTS, "KC7", postcode="ZZ995TX"), first_known_seq=9),
    ]
    links, _ = found(linkage, *records)
    assert len({one.person_id for one in links}) == 1
    from neet.identity.records import key_of

    assert links[0].person_id == key_of("886", COLLEGE, "2|Y"), (
        "the record that was known first names the person"
    )
    assert all(one.young_persons_id is None and one.status == "linked" for one in links)


# -- decisions -------------------------------------------------------------------------------------------------------


def test_a_decision_wins_over_a_number(linkage):
    record = OLIVER.record(CENSUS, upn=OLIVER.upn)
    core = (CORE, OLIVER.young_persons_id)
    (link,), _ = found(linkage, record, rulings=[said(SPLIT, record.key, core)])
    assert link.young_persons_id is None
    other = (CORE, AMELIA.young_persons_id)
    (link,), _ = found(linkage, record, rulings=[said(LINK, record.key, other)])
    assert (link.young_persons_id, link.method, link.decision_id) == (
        AMELIA.young_persons_id,
        "decision",
        "D1",
    )
    (link,), _ = found(
        linkage,
        record,
        rulings=[said(LINK, record.key, other, 1), said(UNDO, record.key, other, 2)],
    )
    assert (link.young_persons_id, link.method) == (OLIVER.young_persons_id, "upn")


def test_decisions_that_cannot_both_be_true_the_later_wins_and_says_so():
    record = (ACCOUNTS, "KC1")
    rulings = deciding.in_force(
        [said(LINK, record, (CORE, "A"), 1), said(LINK, record, (CORE, "B"), 2, by="Bea Senior"),
         said(SPLIT, record, (CORE, "C"), 3), said(LINK, record, (CORE, "C"), 4)]
    )  # fmt: skip
    assert rulings.persons[record][0] == "C"
    assert rulings.states["D1"][0] == rulings.states["D2"][0] == "overruled"
    assert "said to be C" in rulings.states["D1"][1]
    assert rulings.states["D3"][0] == "superseded" and rulings.states["D4"][0] == "in_force"
    assert record not in rulings.barred


def test_records_of_two_people_are_never_joined(linkage):
    one = replace(EMPTY, source_feed=CENSUS, source_key="1|X", given_form="kasimir", family_form="ostrowski",
                  dob=dt.date(2004, 2, 3), postcode="ZZ995TT")  # fmt: skip
    other = replace(one, source_feed=ACCOUNTS, source_key="KC7")
    (a, b), _ = found(linkage, one, other)
    assert a.person_id == b.person_id
    (a, b), _ = found(linkage, one, other, rulings=[said(SPLIT, one.key, other.key)])
    assert a.person_id != b.person_id


# -- hostile records -------------------------------------------------------------------------------------------------


def test_records_that_say_nothing_are_alone_each(linkage):
    nothing = [
        replace(EMPTY, source_feed="referral_mailbox", source_key=f"R{n}") for n in range(50)
    ]
    links, candidates = found(linkage, *nothing)
    assert {one.status for one in links} == {"alone"} and len(
        {one.person_id for one in links}
    ) == 50
    assert candidates == []


def test_scripts_signs_and_length_are_no_trouble(linkage):
    odd = [
        OLIVER.record(ACCOUNTS, "KC1", given_form="Оливер", family_form="Уиткомб"),
        OLIVER.record(ACCOUNTS, "KC2", given_form="李", family_form="王"),
        OLIVER.record(ACCOUNTS, "KC3", given_form="😀", family_form="x" * 100, postcode="'; drop"),
        OLIVER.record(ACCOUNTS, "KC4", given_form="a" * 100, family_form="b" * 100, dob=None),
    ]
    links, _ = found(linkage, *odd)
    assert all(one.young_persons_id is None for one in links)


def test_first_of_january_is_no_proof(linkage):
    newyear = replace(OLIVER, dob=dt.date(2005, 1, 1))
    other = newyear.record(
        ACCOUNTS, given_form="hamid", family_form="karimi", gender_form=None, postcode=None
    )
    links, _, _ = linkage(in_order([newyear.core(given_form="ahmad", family_form="karimi"), other]))
    assert links[f"{ACCOUNTS} {other.source_key}"].young_persons_id is None


@pytest.mark.slow
def test_ten_thousand_of_one_name_and_birth_date_stay_bounded(linkage):
    crowd = [
        replace(EMPTY, source_feed=ACCOUNTS, source_key=f"KC{n}", given_form=f"n{n}", family_form="smith",
                dob=dt.date(2005, 5, 5), postcode=f"ZZ99{n}")
        for n in range(10_000)
    ]  # fmt: skip
    linkage(in_order([*EVERYBODY, *crowd]))
    assert linkage.compared < 30_000
    assert list(linkage.crowded) == [("family name and date of birth", "smith|2005-05-05")]
    assert linkage.crowded["family name and date of birth", "smith|2005-05-05"] == 10_000


def test_a_crowd_with_one_number_costs_nothing_and_links_nobody(linkage):
    crowd = [one.core(upn="Z886000000000", uln=None) for one in people(3000, 8)]
    links, _, duplicates = linkage(in_order([*crowd, OLIVER.record(CENSUS, upn="Z886000000000")]))
    assert links[f"{CENSUS} sc1"].young_persons_id is None
    assert len(duplicates) < 50


def test_twins_whose_names_begin_alike_are_no_duplicate(linkage):
    twin = replace(FREYA, number=5, given="freda")
    _, _, duplicates = linkage(
        in_order([FREYA.core(upn=None, uln=None), twin.core(upn=None, uln=None)])
    )
    assert duplicates == []
    ann = replace(FREYA, given="ann"), replace(IMOGEN, given="anne")
    _, _, duplicates = linkage(in_order([one.core() for one in ann]))
    assert duplicates == []
    double = replace(OLIVER, number=6, given="olive")
    _, _, duplicates = linkage(in_order([OLIVER.core(), double.core(upn=None, uln=None)]))
    assert [(one.young_persons_id, one.method) for one in duplicates] == [
        (OLIVER.young_persons_id, "splink")
    ]


# -- laws ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_quality_on_people_the_model_has_not_seen(linkage):
    """No number, and a fault in every third account: harder than any source of the synthetic county."""
    records, truth = county(1500, 4711)
    links, candidates, duplicates = linkage(records)
    quality = measuring.measure(
        links.values(),
        candidates,
        duplicates,
        {key: Truth(person, "", "") for key, person in truth.items()},
    )
    assert quality.everything.precision >= 0.999, quality.lines()
    assert quality.everything.recall >= 0.953, quality.lines()
    accounts = quality.by["source"][ACCOUNTS]
    assert accounts.right >= 1_385 and accounts.wrong <= 1
    assert quality.queue_share < 0.076 and quality.duplicates.wrong == 0


def test_the_model_says_what_it_is_made_of(trained):
    assert trained.version == model.CURRENT
    assert {
        "county",
        "trained_on",
        "splink",
        "duckdb",
        "people",
        "method",
    } <= trained.training.keys()
    for comparison in trained.settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                assert 0 < level["m_probability"] <= 1 and 0 < level["u_probability"] <= 1
