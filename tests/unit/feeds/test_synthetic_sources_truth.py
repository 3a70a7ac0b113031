"""What the truth says of the other sources is so in their files, read as a stranger reads them."""

from __future__ import annotations

import hashlib
import importlib
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from county_sources import county, read

from synthetic_county.facts import load_corruption

pytestmark = pytest.mark.slow

KEYS = {
    "school_post16_enrolment": ("SchoolNumber", "UPN"),
    "school_joiners_leavers": ("SchoolNumber", "UPN"),
    "school_september_guarantee": ("SchoolNumber", "UPN"),
    "school_census": ("Estab", "UPN"),
    "school_attendance": ("Estab", "UPN"),
    "college_enrolment": ("UKPRN", "LearnRefNumber"),
    "college_joiners_leavers": ("UKPRN", "LearnRefNumber"),
    "kent_choices_accounts": ("AccountID",),
    "apprenticeship_starts": ("ApprenticeshipID",),
    "other_la_moves": ("LACode", "NoticeID"),
    "synergy_send": ("SynergyID",),
    "synergy_ehe_cme": ("SynergyID",),
    "liberi_care": ("LiberiID",),
    "youth_justice_orders": ("YJID",),
    "early_help_parents": ("EHMID",),
    "referral_mailbox": ("ReferralID",),
    "core_plus_people": ("YoungPersonsID",),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return county(tmp_path_factory.mktemp("truth"), people=1500)


@pytest.fixture(scope="module")
def files(made) -> dict[str, list[dict[str, str]]]:
    """Every row of every feed, in order of arrival, with the day of arrival."""
    found = defaultdict(list)
    for row in read(made / "schedule.csv"):
        for line in read(made / "exports" / row["deliver_on"] / row["file"]):
            found[row["feed"]].append(line | {"arrived": row["deliver_on"]})
    return found


@pytest.fixture(scope="module")
def keys(made) -> dict[tuple[str, str], dict[str, str]]:
    rows = read(made / "truth" / "source_keys.csv")
    found = {(row["source_feed"], row["source_key"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_every_row_about_a_person_has_its_key_in_the_truth_and_no_key_is_idle(files, keys):
    sent = {
        (feed, "|".join(row[column] for column in columns))
        for feed, columns in KEYS.items()
        for row in files[feed]
    }
    assert {key for key in keys if key[0] in KEYS} == sent


def test_a_row_without_faults_says_what_core_plus_says_unless_core_plus_errs(files, keys):
    """Names, birth date and numbers; addresses move and are left out."""
    latest = {row["YoungPersonsID"]: row for row in files["core_plus_people"]}
    clean_in_core = {
        row["young_persons_id"] for row in keys.values()
        if row["source_feed"] == "core_plus_people" and not row["corruption"]
    }  # fmt: skip
    compared = changed = 0
    for feed in ("school_census", "college_enrolment", "synergy_send"):
        for row in files[feed]:
            truth = keys[feed, "|".join(row[column] for column in KEYS[feed])]
            person = truth["young_persons_id"]
            if truth["corruption"] or person not in clean_in_core or person not in latest:
                continue
            compared += 1
            core = latest[person]
            family = row.get("Surname") or row["FamilyName"]
            given = row.get("Forename") or row["GivenNames"]
            # A name that was changed may be new on one side alone.
            changed += (given, family.upper()) != (core["GivenName"], core["FamilyName"].upper())
            born = row.get("DoB") or row["DateOfBirth"]
            day_first = f"{core['DOB'][8:]}/{core['DOB'][5:7]}/{core['DOB'][:4]}"
            assert born in (core["DOB"], day_first)
            if "UPN" in row and core["UniquePupilNumber"]:
                assert row["UPN"] == core["UniquePupilNumber"]
    assert compared > 1500
    assert 0 < changed < compared * 0.03


def test_faults_are_about_as_frequent_as_was_laid_down(files, keys):
    """Corruption that nobody draws, or that is drawn too often, would make linkage look better or worse than it is."""
    rates = load_corruption()["sources"]
    drawn = defaultdict(Counter)
    of = {
        "school_census": "school",
        "college_enrolment": "college",
        "kent_choices_accounts": "kent_choices",
    }
    for (feed, _), row in keys.items():
        drawn[feed]["all"] += 1
        drawn[feed].update(row["corruption"].split("|"))
    for feed, source in of.items():
        total = drawn[feed]["all"]
        assert total > 250
        for kind in ("uln_missing", "family_typo", "birth_digits_transposed", "postcode_typo"):
            rate = rates[source]["rates"].get(kind, 0)
            allowed = 4 * (rate * total) ** 0.5 + 3
            assert abs(drawn[feed][kind] - rate * total) <= allowed, (feed, kind)
    everything = sum(drawn.values(), Counter())
    assert {
        "nickname",
        "preferred_name",
        "postcode_old",
        "diacritics_lost",
        "double_barrelled_cut",
    } <= everything.keys()


def test_the_county_has_twins_siblings_and_schools_that_merged(files, made):
    people = {row["YoungPersonsID"]: row for row in files["core_plus_people"]}
    homes = defaultdict(list)
    for row in people.values():
        homes[row["FamilyName"], row["AddressLine1"], row["Postcode"]].append(row)
    together = [rows for rows in homes.values() if len(rows) > 1]
    twins = [rows for rows in together if len({row["DOB"] for row in rows}) < len(rows)]
    siblings = [rows for rows in together if len({row["DOB"][:4] for row in rows}) > 1]
    assert 5 < len(twins) < 60
    assert len(siblings) > 15
    numbers = {row["Estab"] for row in files["school_census"] if row["arrived"] > "2022-01-10"}
    before = {row["Estab"] for row in files["school_census"] if row["arrived"] < "2022-01-10"}
    assert numbers - before == {"9901", "9902"} & numbers != set()
    upns = Counter(row["UniquePupilNumber"] for row in people.values() if row["UniquePupilNumber"])
    assert max(upns.values()) == 1


def test_strangers_are_named_by_sources_and_unknown_to_core_plus(keys):
    strangers = {
        row["young_persons_id"] for row in keys.values() if row["young_persons_id"].startswith("X")
    }
    assert len(strangers) > 10
    assert not any(
        row["young_persons_id"] in strangers and feed == "core_plus_people"
        for (feed, _), row in keys.items()
    )


def test_a_conflict_of_sen_stands_in_both_files_on_the_days_it_names(made, files):
    conflicts = [row for row in read(made / "truth" / "conflicts.csv") if row["kind"] == "SEN" and row["source_feed"] == "synergy_send"]  # fmt: skip
    assert conflicts
    synergy = {
        (row["SynergyID"], row["arrived"]): row["SENProvision"] for row in files["synergy_send"]
    }
    core = defaultdict(list)
    for row in files["core_plus_people"]:
        said = "E" if row["SENDFlag"] == "Y" else "K" if row["SENSupportFlag"] == "Y" else "N"
        core[row["YoungPersonsID"]].append((row["arrived"], said))
    looked_at = 0
    for row in conflicts:
        for (key, day), said in synergy.items():
            if key == row["source_key"] and row["known_from"] <= day <= (row["known_to"] or "9999"):
                held = [value for arrived, value in core[row["young_persons_id"]] if arrived <= day]
                assert (said, held[-1]) == (row["source_value"], row["core_value"])
                looked_at += 1
    assert looked_at >= len(conflicts)


def test_what_core_plus_holds_of_two_systems_that_agree_is_no_conflict(made, files):
    """Everybody whose SEN differs on the last day is in the list: none is left out."""
    last = max(row["arrived"] for row in files["synergy_send"])
    core = {}
    for row in files["core_plus_people"]:
        if row["arrived"] <= last:
            core[row["YoungPersonsID"]] = (
                "E" if row["SENDFlag"] == "Y" else "K" if row["SENSupportFlag"] == "Y" else "N"
            )
    person = {
        row["source_key"]: row["young_persons_id"]
        for row in read(made / "truth" / "source_keys.csv") if row["source_feed"] == "synergy_send"
    }  # fmt: skip
    differ = {
        person[row["SynergyID"]] for row in files["synergy_send"]
        if row["arrived"] == last and core[person[row["SynergyID"]]] != row["SENProvision"]
    }  # fmt: skip
    listed = {
        row["young_persons_id"] for row in read(made / "truth" / "conflicts.csv")
        if (row["kind"], row["source_feed"]) == ("SEN", "synergy_send")
        and row["known_from"] <= last <= (row["known_to"] or "9999")
    }  # fmt: skip
    assert differ == listed != set()


def test_the_calendar_of_deliveries_ends_with_core_plus_and_begins_with_it(made):
    rows = read(made / "schedule.csv")
    core = [row["deliver_on"] for row in rows if row["feed"] == "core_plus_people"]
    assert {min(core), max(core)} == {rows[0]["deliver_on"], rows[-1]["deliver_on"]}
    points = [row["census_point"] for row in rows]
    assert points == sorted(points)
    assert [row["delivery_order"] for row in rows] == [
        str(place) for place in range(1, len(rows) + 1)
    ]


def test_numbers_taken_for_each_other_are_those_of_both_twins(tmp_path, monkeypatch):
    """A key means one person: what one twin got of the other, the other got of the one."""
    rates = load_corruption()
    rates["population"]["twins"] = 0.3
    rates["sources"]["school"]["rates"] |= {"upn_of_twin": 1.0, "upn_missing": 0.0}
    monkeypatch.setattr("synthetic_county.facts.load_corruption", lambda: rates)
    out = county(tmp_path, people=300, first_month="2022-01", last_month="2022-01")
    keys = {
        row["source_key"]: row for row in read(out / "truth" / "source_keys.csv")
        if row["source_feed"] == "school_census" and "upn_of_twin" in row["corruption"]
    }  # fmt: skip
    facts = [row for row in read(out / "truth" / "facts.csv") if row["kind"] == "TWIN"]
    twin = {row["young_persons_id"]: row["other"] for row in facts}
    twin |= {other: one for one, other in twin.items()}
    people = {}
    for row in read(out / "schedule.csv"):
        if row["feed"] == "core_plus_people":
            rows = read(out / "exports" / row["deliver_on"] / row["file"])
            people |= {one["YoungPersonsID"]: one["UniquePupilNumber"] for one in rows}
    swapped = 0
    for key, row in keys.items():
        number = people.get(twin[row["young_persons_id"]])
        if number:
            assert key.split("|")[1] == number
            swapped += 1
    assert swapped > 20


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def test_the_same_bytes_however_many_processes_make_them(tmp_path, monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("synthetic_county.generate"), "_PEOPLE_IN_A_BLOCK", 100
    )
    options = {
        "people": 200,
        "first_month": "2022-02",
        "last_month": "2022-03",
        "formats": "all",
        "defects": "source_late_file",
    }
    once = county(tmp_path / "1", processes=1, **options)
    again = county(tmp_path / "2", processes=2, **options)
    made = digest(once)
    assert made == digest(again)
    assert any(name.endswith(".xlsx") for name in made)


def test_without_sources_a_county_is_as_it_was(tmp_path):
    """Twins and changed names come with the sources alone; lives are the same with and without."""
    plain = county(tmp_path / "plain", people=200, sources=False)
    full = county(tmp_path / "full", people=200)
    assert {row["feed"] for row in read(plain / "schedule.csv")} == {
        "core_plus_people", "core_plus_activities", "core_plus_characteristics", "core_plus_september_guarantee",
    }  # fmt: skip
    lives = [
        {tuple(row.values()) for row in read(out / "truth" / "lives.csv")} for out in (plain, full)
    ]
    assert len(lives[0] ^ lives[1]) < len(lives[0]) * 0.02
    assert not (plain / "truth" / "source_keys.csv").exists()
