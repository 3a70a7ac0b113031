"""The queue goes out as a workbook and comes back as decisions; on a real database, without a build."""

from __future__ import annotations

import json
import zipfile

import openpyxl
import pytest
from click.testing import CliRunner

from neet import cli
from neet.database import connect
from neet.identity import clerical, deciding

ACCOUNTS, CORE = "kent_choices_accounts", "core_plus_people"
TEXTS = [name for name, _ in clerical.SAYS if name != "dob"]


@pytest.fixture
def asked(warehouse):
    """Two records wait: one between twins, one of a hostile name."""
    records = [
        (CORE, "8860000000003", "Freya", "Okonjo"), (CORE, "8860000000004", "Freda", "Okonjo"),
        (ACCOUNTS, "KC1", "Fre", "Okonjo"), (ACCOUNTS, "KC2", '=HYPERLINK("http://x")', "<script>alert(1)</script>"),
    ]  # fmt: skip
    with connect(warehouse.dsn["builder"]) as connection:
        connection.execute("create schema intermediate")
        columns = ", ".join(f"{name} text" for name in TEXTS)
        connection.execute(
            f"create table intermediate.int_source_person (la_code text, source_feed text, source_key text, dob date, {columns})"
        )
        for feed, key, given, family in records:
            connection.execute(
                """insert into intermediate.int_source_person (la_code, source_feed, source_key, dob, given_name, family_name)
                   values ('886', %s, %s, '2005-06-17', %s, %s)""",
                [feed, key, given, family],
            )
        for key, rank, other, score in (
            ("KC1", 1, 3, 16.1),
            ("KC1", 2, 4, 15.0),
            ("KC2", 1, 3, 2.5),
        ):
            connection.execute(
                """insert into identity.candidate values
                   ('886', %s, %s, %s, %s, %s, 'splink', %s, 'not sure enough', 'date of birth the same', 'test')""",
                [ACCOUNTS, key, rank, CORE, f"886000000000{other}", score],
            )
    return warehouse


def fill(file, answers: dict[tuple[str, str], str], change=None):
    book = openpyxl.load_workbook(file)
    sheet = book["Queue"]
    place = {cell.value: cell.column for cell in sheet[1]}
    for row in range(2, sheet.max_row + 1):
        key = (
            sheet.cell(row, place["Record key"]).value,
            sheet.cell(row, place["Candidate key"]).value,
        )
        sheet.cell(row, place["Decision"]).value = answers.get(key)
        if change and key == change[0]:
            sheet.cell(row, place[change[1]]).value = change[2]
    book.save(file)


def run(*arguments: str):
    return CliRunner().invoke(cli.main, ["--json", "identity", *arguments])


def decided(warehouse) -> list[tuple]:
    with connect(warehouse.dsn["gate"]) as connection:
        return connection.execute(
            "select kind, body->>'one_key', body->>'other_key', decided_by from control.decision order by delivery_seq"
        ).fetchall()


def test_the_round_trip(asked, tmp_path):
    file, page = tmp_path / "queue.xlsx", tmp_path / "queue.html"
    done = run("queue", "--out", str(file), "--page", str(page))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout[done.stdout.index("{") :]) == {"records": 2, "rows": 3}
    sheet = openpyxl.load_workbook(file)["Queue"]
    assert sheet.data_validations.dataValidation[0].formula1 == '"SAME,DIFFERENT,UNSURE"'
    assert all(cell.data_type != "f" for row in sheet for cell in row)
    assert "&lt;script&gt;" in page.read_text() and "<script>" not in page.read_text()
    one, two, odd = ("KC1", "8860000000003"), ("KC1", "8860000000004"), ("KC2", "8860000000003")
    fill(file, {one: "different", two: "SAME", odd: "UNSURE"})
    done = run("answer", str(file), "--by", "Ada Clerk")
    assert done.exit_code == 0, done.output
    assert sorted(decided(asked)) == [
        ("identity_link", "8860000000004", "KC1", "Ada Clerk"),
        ("identity_split", "8860000000003", "KC1", "Ada Clerk"),
        ("identity_unsure", "8860000000003", "KC2", "Ada Clerk"),
    ]
    with connect(asked.dsn["gate"]) as connection:
        rulings = deciding.read(connection, "886", 10)
    assert rulings.persons[ACCOUNTS, "KC1"][0] == "8860000000004"
    assert rulings.barred[ACCOUNTS, "KC1"] == {"8860000000003"}
    assert "Ada Clerk" in rulings.unsure[ACCOUNTS, "KC2"]


def test_what_is_changed_foreign_stale_or_contradicts_itself_is_not_taken(asked, tmp_path):
    file = tmp_path / "queue.xlsx"
    queue = clerical.questions(asked.dsn["builder"], "886")
    one, two, odd = ("KC1", "8860000000003"), ("KC1", "8860000000004"), ("KC2", "8860000000003")

    def answered(answers, change=None):
        clerical.write_workbook(file, queue)
        fill(file, answers, change)
        done = clerical.answer(asked.settings, asked.dsn, file, "Ada Clerk")
        assert done.recorded == {}
        return " ".join(why for _, why in done.rejected)

    assert "said to be 2 different people" in answered({one: "SAME", two: "SAME"})
    assert "none of SAME, DIFFERENT, UNSURE" in answered({one: "PERHAPS"})
    assert "not as it was written" in answered({one: "SAME"}, (one, "Record: family name", "Other"))
    assert "authority '999'" in answered({one: "SAME"}, (one, "Authority", "999"))
    with connect(asked.dsn["builder"]) as connection:
        connection.execute("delete from identity.candidate where source_key = 'KC1'")
        connection.execute("update identity.candidate set score = 3.9")
    assert "no longer asked about" in answered({one: "SAME"})
    assert "has changed since the file was written" in answered({odd: "SAME"})
    assert decided(asked) == []


def test_a_file_that_is_no_queue_is_refused_with_a_reason(asked, tmp_path):
    def refusal(file) -> str:
        with pytest.raises(clerical.AnswerRefused) as error:
            clerical.answer(asked.settings, asked.dsn, file, "Ada Clerk")
        return str(error.value)

    assert "is not there" in refusal(tmp_path / "nothing.xlsx")
    junk = tmp_path / "junk.xlsx"
    junk.write_bytes(b"not a workbook")
    assert "cannot be read as a workbook" in refusal(junk)
    other = tmp_path / "other.xlsx"
    book = openpyxl.Workbook()
    book.active.title = "Queue"
    book.active.append(["Decision", "Something"])
    book.save(other)
    assert "are missing or stand twice" in refusal(other)
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (clerical.MAX_UNPACKED_BYTES + 1))
    assert "unpacks to" in refusal(bomb)


def test_link_split_and_undo_on_the_command_line(asked):
    about = [
        ACCOUNTS,
        "KC1",
        "--person",
        "8860000000003",
        "--by",
        "Bea Senior",
        "--reason",
        "telephoned",
    ]
    assert run("link", *about).exit_code == 0
    assert run("split", *about).exit_code == 0
    assert run("undo", *about).exit_code == 0
    assert [row[0] for row in decided(asked)] == [
        "identity_link",
        "identity_split",
        "identity_undo",
    ]
    with connect(asked.dsn["gate"]) as connection:
        assert deciding.read(connection, "886", 10).persons[ACCOUNTS, "KC1"][0] == "8860000000003"
    assert run("undo", *about).exit_code == 0
    done = run("undo", *about)
    assert done.exit_code == 1 and "nothing to undo" in done.output
    done = run("link", ACCOUNTS, "KC404", "--person", "8860000000003", "--by", "B", "--reason", "r")
    assert done.exit_code == 1 and "There is no record 'KC404'" in done.output
    done = run("link", ACCOUNTS, "KC1", "--by", "B", "--reason", "r")
    assert done.exit_code == 2 and "--record FEED KEY" in done.output


def test_same_different_same_again_are_three_and_a_repetition_is_none(asked):
    about = [
        ACCOUNTS,
        "KC1",
        "--person",
        "8860000000003",
        "--by",
        "Bea Senior",
        "--reason",
        "telephoned",
    ]
    for kind in ("link", "link", "split", "link"):
        assert run(kind, *about).exit_code == 0
    assert [row[0] for row in decided(asked)] == [
        "identity_link",
        "identity_split",
        "identity_link",
    ]
    with connect(asked.dsn["gate"]) as connection:
        assert deciding.read(connection, "886", 10).persons[ACCOUNTS, "KC1"][0] == "8860000000003"


def test_decisions_are_replayed_from_landing(asked):
    from neet.feeds import replay

    about = ["--by", "Bea Senior", "--reason", "telephoned"]
    assert run("link", ACCOUNTS, "KC1", "--person", "8860000000003", *about).exit_code == 0
    before = decided(asked)
    with connect(asked.dsn["owner"]) as connection:
        connection.execute("delete from control.decision")
        connection.execute("delete from control.delivery")
    replay.rebuild(asked.settings, asked.dsn["owner"], asked.dsn["loader"], asked.dsn["gate"])
    assert decided(asked) == before
