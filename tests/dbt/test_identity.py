"""Records of every system find their person, through real builds, and people's decisions stand."""

from __future__ import annotations

import random

import pytest
from county_rows import activity, person, ypid

from neet import decisions, transform
from neet.database import connect
from neet.identity import clerical, linking
from neet.identity.deciding import body_of, subject_of

pytestmark = pytest.mark.slow

CORE = "core_plus_people"
ACCOUNTS = "kent_choices_accounts"
LINKS = "select source_feed, source_key, person_id, young_persons_id, method, score, status, evidence, decision_id, content_hash from identity.link order by 1, 2"  # fmt: skip


def account(key: str, forename: str, surname: str, dob: str, postcode: str | None) -> dict:
    return {"account_id": key, "forename": forename, "surname": surname, "date_of_birth": dob, "postcode": postcode}  # fmt: skip


def decide(built, kind: str, one, other, by="Ada Clerk", reason="looked at both") -> None:
    decisions.record(
        built.settings, built.dsn["gate"], kind, "886", subject_of(one, other), body_of(one, other), by, reason,
    )  # fmt: skip


def links(built) -> dict:
    return {(row[0], row[1]): row[2:] for row in built.rows(LINKS)}


@pytest.fixture(scope="module")
def built(new_warehouse):
    built = new_warehouse()
    county = built.county
    county.deliver(
        CORE,
        "2022-01-01",
        [
            person(1, given_name="Oliver", family_name="Whitcombe", dob="2004-11-23", postcode="ZZ99 1AB",
                   unique_pupil_number="Z886000000001", unique_learner_no="9000000001"),
            person(2, given_name="Amelia", family_name="Thistlewood", dob="2005-03-09", postcode="ZZ99 2CD",
                   unique_learner_no="9000000002"),
            # twins
            person(3, given_name="Freya", family_name="Okonjo", dob="2005-06-17", postcode="ZZ99 3EF"),
            person(4, given_name="Freda", family_name="Okonjo", dob="2005-06-17", postcode="ZZ99 3EF"),
            # one young person under two ids
            person(5, given_name="Benjamin", family_name="Harkaway", dob="2004-12-30", postcode="ZZ99 4GH"),
            person(6, given_name="Ben", family_name="Harkaway", dob="2004-12-30", postcode="ZZ99 4GH"),
        ],
    )  # fmt: skip
    county.deliver("core_plus_activities", "2022-01-01", [activity("A1", 1, "210", "2021-09-01")])
    county.deliver(
        "school_census",
        "2022-01-01",
        [
            {"estab": "4601", "upn": "Z886000000001", "surname": "WHITCOMBE", "forename": "Olly", "date_of_birth": "2004-11-23", "gender": "M"},
            {"estab": "4601", "upn": "Z886000000002", "surname": "Newcomer", "forename": "Ines", "date_of_birth": "2005-01-15", "gender": "F"},
        ],
    )  # fmt: skip
    county.deliver(
        ACCOUNTS,
        "2022-01-01",
        [
            account("KC1", "Amelia", "Thistlewood", "2005-03-09", "zz992cd"),
            account("KC2", "Ameila", "Thistlewood", "2005-03-09", "ZZ99 2CD"),
            account("KC3", "Fre", "Okonjo", "2005-06-17", "ZZ99 3EF"),
            account("KC4", "Zachary", "Nobody", "2003-10-10", "ZZ99 8ZZ"),
        ],
    )
    transform.build_live(built.settings, built.dsn["builder"])
    return built


def test_a_pupil_is_found_by_upn_under_a_short_name(built):
    found = links(built)["school_census", "4601|Z886000000001"]
    assert found[1:3] == (ypid(1), "upn")
    assert found[4] == "linked" and "date of birth agree" in found[5]


def test_agreement_in_everything_needs_no_model(built):
    assert links(built)[ACCOUNTS, "KC1"][1:3] == (ypid(2), "deterministic")


def test_the_person_is_the_one_of_every_mart(built):
    assert built.value(
        """select count(*) from intermediate.int_person_link as link
           join intermediate.int_young_person as person
             on person.la_code = link.la_code and person.person_id = link.person_id
             and person.young_persons_id = link.young_persons_id"""
    ) == 6 + 2  # fmt: skip


def test_a_second_account_of_one_person_waits(built):
    found = links(built)[ACCOUNTS, "KC2"]
    assert found[1] is None and found[4] == "queued"
    assert "another record of the same system" in found[5]


def test_a_name_between_twins_waits(built):
    found = links(built)[ACCOUNTS, "KC3"]
    assert found[1] is None and found[4] == "queued"
    asked = built.rows(f"select candidate_key from identity.candidate where source_key = 'KC3' and source_feed = '{ACCOUNTS}' order by candidate_rank")  # fmt: skip
    assert {row[0] for row in asked} == {ypid(3), ypid(4)}


def test_somebody_nobody_knows_is_alone(built):
    found = links(built)
    assert found[ACCOUNTS, "KC4"][4] == "alone"
    assert found["school_census", "4601|Z886000000002"][4] == "alone"


def test_two_records_of_core_plus_are_an_error_and_never_merged(built):
    assert built.rows(
        "select young_persons_id, other_young_persons_id, owner_service from marts_core.fct_core_plus_duplicate"
    ) == [(ypid(5), ypid(6), "MI")]
    found = links(built)
    assert found[CORE, ypid(5)][0] != found[CORE, ypid(6)][0]


def test_marts_hold_no_names_and_bi_reads_none_of_them(built):
    columns = {
        row[0]
        for row in built.rows(
            """select column_name from information_schema.columns where table_schema = 'marts_core'
               and table_name in ('fct_identity_link', 'fct_core_plus_duplicate', 'fct_identity_question', 'fct_identity_decision')"""
        )
    }
    assert len(columns) > 20 and not {name for name in columns if "name" in name or name == "dob"}
    for table in ("identity.link", "identity.pair", "intermediate.int_source_person"):
        assert built.value(f"select has_table_privilege('neet_bi', '{table}', 'select')") is False
    assert (
        built.value("select has_table_privilege('neet_auditor', 'identity.pair', 'select')")
        is False
    )
    assert (
        built.value("select has_table_privilege('neet_auditor', 'identity.link', 'select')") is True
    )


def test_a_second_build_changes_nothing_and_weighs_nothing(built):
    before = built.rows(LINKS)
    build = transform.build_live(built.settings, built.dsn["builder"])
    (detail,) = built.rows(f"select detail->'identity' from control.build where build_id = {build.build_id}")[0]  # fmt: skip
    assert (detail["compared"], detail["changed"]) == (0, 0)
    assert built.rows(LINKS) == before
    assert built.rows("select distinct person_id from identity.link order by 1") == built.rows(
        "select person_id from identity.link_change order by 1"
    ), "everybody once, for the first build; nobody for the second"


def test_records_that_are_the_same_table_are_not_compared_one_by_one(built):
    """Planted: linkage believes that it saw a record otherwise. It only finds out when it looks at the records."""
    before = built.rows(LINKS)

    def news() -> int:
        return linking.link(built.dsn["builder"], built.county.seq).news

    with connect(built.dsn["builder"]) as connection:
        planted = connection.execute(
            "update identity.seen set row_hash = 'planted' where source_feed = %s and source_key = 'KC1'",
            [ACCOUNTS],
        ).rowcount
    assert planted == 1
    assert news() == 0
    with connect(built.dsn["builder"]) as connection:
        connection.execute("update identity.state set detail = detail - 'records_at'")
    assert news() == 1
    assert built.rows(LINKS) == before


def test_decisions_merge_split_and_undo(built):
    kc2, kc3 = (ACCOUNTS, "KC2"), (ACCOUNTS, "KC3")
    decide(built, "identity_link", kc3, (CORE, ypid(4)))
    decide(built, "identity_split", (ACCOUNTS, "KC1"), (CORE, ypid(2)))
    decide(built, "identity_split", (CORE, ypid(5)), (CORE, ypid(6)))
    before, news = links(built), built.value("select max(change_seq) from identity.link_change")
    transform.build_live(built.settings, built.dsn["builder"])
    found = links(built)
    moved = [key for key in found if found[key] != before[key]]
    assert {one for (one,) in built.rows(f"select person_id from identity.link_change where change_seq > {news}")} == {
        links_of[key][0] for key in moved for links_of in (before, found)
    }  # fmt: skip
    assert found[kc3][1:3] == (ypid(4), "decision") and "Ada Clerk" in found[kc3][5]
    assert found[ACCOUNTS, "KC1"][1] is None
    assert built.rows("select * from marts_core.fct_core_plus_duplicate") == []
    # KC1 stands in nobody's way any more
    assert found[kc2][1] == ypid(2)
    decide(built, "identity_link", kc3, (CORE, ypid(3)), by="Bea Senior")
    decide(built, "identity_undo", (ACCOUNTS, "KC1"), (CORE, ypid(2)))
    decide(built, "identity_undo", (CORE, ypid(5)), (CORE, ypid(6)))
    transform.build_live(built.settings, built.dsn["builder"])
    found = links(built)
    assert found[kc3][1] == ypid(3) and "Bea Senior" in found[kc3][5]
    assert found[ACCOUNTS, "KC1"][1:3] == (ypid(2), "deterministic")
    states = dict(
        built.rows("select decided_by || ' ' || subject, state from marts_core.fct_identity_decision where kind = 'identity_link'")
    )  # fmt: skip
    assert states == {
        f"Ada Clerk {subject_of(kc3, (CORE, ypid(4)))}": "overruled",
        f"Bea Senior {subject_of(kc3, (CORE, ypid(3)))}": "in_force",
    }


def test_steps_and_a_fresh_start_end_in_the_same_rows(built):
    before = built.rows(LINKS), built.rows("select * from identity.pair order by 2, 3")
    with connect(built.dsn["builder"]) as connection:
        for table in ("link", "candidate", "core_plus_duplicate", "content", "pair", "state"):
            connection.execute(f"truncate identity.{table}")
    transform.build_live(built.settings, built.dsn["builder"])
    assert (built.rows(LINKS), built.rows("select * from identity.pair order by 2, 3")) == before
    assert before[1]


@pytest.mark.system
def test_a_workbook_goes_out_and_comes_back(built, tmp_path):
    import openpyxl

    built.county.seq = built.value("select max(delivery_seq) from control.delivery")
    built.county.deliver(
        ACCOUNTS, "2022-01-02", [account("KC9", "Frea", "Okonjo", "2005-06-17", "ZZ99 3EF")]
    )
    transform.build_live(built.settings, built.dsn["builder"])
    queue = clerical.questions(built.dsn["builder"], "886")
    mine = [one for one in queue if one.record == (ACCOUNTS, "KC9")]
    assert len(mine) == 2
    file = tmp_path / "queue.xlsx"
    clerical.write_workbook(file, queue)
    clerical.write_page(tmp_path / "queue.html", queue)
    page = (tmp_path / "queue.html").read_text()
    assert "Frea" in page and "KC9" in page
    book = openpyxl.load_workbook(file)
    sheet = book["Queue"]
    assert sheet.data_validations.dataValidation[0].formula1 == '"SAME,DIFFERENT,UNSURE"'
    head = [cell.value for cell in sheet[1]]
    column = {name: head.index(name) + 1 for name in head}
    answers = {ypid(3): "different", ypid(4): "SAME"}
    for row in range(2, sheet.max_row + 1):
        if sheet.cell(row, column["Record key"]).value == "KC9":
            said = answers[sheet.cell(row, column["Candidate key"]).value]
            sheet.cell(row, column["Decision"]).value = said
    copied = [cell.value for cell in sheet[2]]
    copied[column["Decision"] - 1] = "SAME"
    copied[column["Record: family name"] - 1] = "Changed"
    sheet.append(copied)
    book.save(file)
    done = clerical.answer(built.settings, built.dsn, file, "Cleo Clerk")
    assert done.recorded == {"DIFFERENT": 1, "SAME": 1}
    assert len(done.rejected) == 1 and "not as it was written" in done.rejected[0][1]
    transform.build_live(built.settings, built.dsn["builder"])
    assert links(built)[ACCOUNTS, "KC9"][1:3] == (ypid(4), "decision")
    again = clerical.answer(built.settings, built.dsn, file, "Cleo Clerk")
    assert again.recorded == {} and all(
        "no longer asked" in why or "not as" in why for _, why in again.rejected
    )


def test_no_census_model_comes_from_identity(built):
    from neet.settings import PROJECT_ROOT

    census = {"ret_nccis_header", "ret_nccis_record", "ret_nccis_characteristic", "fct_kpi_value"}
    models = {
        file.stem: file.read_text() for file in (PROJECT_ROOT / "dbt_project/models").rglob("*.sql")
    }
    seen, todo = set(), set(census)
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= {other for other in models if f"ref('{other}')" in models.get(name, "")} - seen
    assert len(seen) > 12
    assert not {
        name
        for name in seen
        if "identity" in name or name.startswith(("int_source_person", "int_person_link"))
    }
    assert not any("source('identity'" in models[name] for name in seen if name in models)


def test_the_order_of_records_does_not_matter(built):
    from neet.identity import linking, model, records, resolving
    from neet.identity.deciding import Rulings
    from neet.identity.scoring import Scale

    with connect(built.dsn["builder"]) as connection:
        policy, cleaning = linking.read_policy(connection, built.county.seq)
        found = records.read(connection, cleaning)
    trained = model.load()

    def result(rows):
        settled = resolving.settle(rows, Rulings(), policy)
        with Scale(trained, policy.short_names) as scale:
            scale.put(settled.contents)
            pairs, _ = scale.weigh(settled.contents, settled.flags, [], policy.lower)
        random.Random(3).shuffle(pairs)
        done = resolving.conclude(settled, pairs, Rulings(), policy, trained)
        return sorted(done[0], key=lambda one: (one.source_feed, one.source_key)), done[1], done[2]

    shuffled = list(found)
    random.Random(1).shuffle(shuffled)
    assert result(shuffled) == result(found)
