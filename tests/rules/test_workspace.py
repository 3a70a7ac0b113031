"""The prepared tables: what values mean, and that nothing is left behind."""

import datetime as dt
import subprocess
import sys

import psycopg
import pytest

from neet.database import connect
from neet.rules import codes, judge, workspace
from neet.rules.pack import load_pack
from neet.settings import PROJECT_ROOT

PACK = load_pack("2021-22")
ON = PACK.example_period_end
POLICY = codes.load_policy(ON)


def prepared_rows(warehouse, records, columns, header=None):
    base_header, (base,) = PACK.example_return()
    with workspace.Workspace(warehouse.dsn["gate"]) as work:
        source = work.stage(
            [("r", base_header | (header or {}), [base | each for each in records])]
        )
        prepared = work.prepare(source, POLICY)
        return work.connection.execute(
            f"select {columns} from {prepared.check_relation} order by record_number"
        ).fetchall()


def tables(warehouse):
    with connect(warehouse.dsn["owner"]) as connection:
        return [
            name
            for (name,) in connection.execute(
                "select tablename from pg_tables where schemaname = 'gate_work'"
            )
        ]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("2004-02-29", dt.date(2004, 2, 29)),
        ("2003-02-29", None),
        ("2003-2-9", None),
        (" 2003-02-09", None),
        ("2003-02-09T00:00", None),
        ("09/02/2003", None),
        ("0000-01-01", None),
        ("infinity", None),
        ("today", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_day_of_the_calendar_is_a_date(warehouse, text, meaning):
    assert prepared_rows(warehouse, [{"dob": text}], "dob_on") == [(meaning,)]


@pytest.mark.parametrize(
    ("period_end", "dob", "ages"),
    [
        # period end, date of birth, (academic age, year group, guarantee year group, age)
        ("2021-08-31", "2004-09-01", (15, 11, 11, 16)),
        ("2021-09-30", "2004-09-01", (16, 12, 11, 17)),
        ("2021-09-30", "2004-08-31", (17, 13, 12, 17)),
        ("2022-03-31", "2005-08-31", (16, 12, 11, 16)),
        ("2022-04-30", "2005-08-31", (16, 12, 12, 16)),
        ("2022-02-28", "2004-02-29", (17, 13, 12, 17)),
        ("2021-12", "2004-09-01", (None, None, None, None)),
    ],
)
def test_ages(warehouse, period_end, dob, ages):
    columns = "academic_age, year_group, guarantee_year_group, age"
    found = prepared_rows(warehouse, [{"dob": dob}], columns, {"period_end": period_end})
    assert found == [ages]


HOSTILE = [
    "'; drop table gate_work.x; --",
    '"; select 1; --',
    "%s %(name)s {batch} {{ la_codes }} $1 :name \\",
    "\\N",
    "\t\n\r",
    "\u202e\U0001f600\u0000".replace("\u0000", ""),
    "x" * 1_000_000,
    "</td><script>alert(1)</script>",
]


def test_hostile_values_are_only_values(warehouse):
    records = [{name: value for name in ("given_name", "dob", "gender", "activity_code", "postcode",
                "young_persons_id", "unique_learner_no", "due_to_lapse_date")} for value in HOSTILE]  # fmt: skip
    found = prepared_rows(warehouse, records, "given_name, dob_on, records_with_same_id")
    assert [row[0] for row in found] == [None if not each.strip() else each for each in HOSTILE]
    assert {row[1] for row in found} == {None}
    assert [row[2] for row in found] == [0 if not each.strip() else 1 for each in HOSTILE]


def test_hostile_values_are_judged_like_any_other(warehouse):
    header, (base,) = PACK.example_return()
    records = [
        base | {"gender": value, "young_persons_id": f"886{n:010}"}
        for n, value in enumerate(HOSTILE)
    ]
    with workspace.Workspace(warehouse.dsn["gate"]) as work:
        prepared = work.prepare(work.stage([("r", header, records)]), POLICY)
        findings = judge.judge_all(work.connection, PACK, codes.load_code_lists(ON), prepared)
        bad = [each.record_number for each in findings if each.rule_id == "5"]
        blank = [each.record_number for each in findings if each.rule_id == "4"]
        assert blank == [HOSTILE.index("\t\n\r") + 1]
        assert sorted(bad + blank) == list(range(1, len(HOSTILE) + 1))
        query = judge.failing_query(PACK.rules["5"], codes.load_code_lists(ON), prepared)
        rows = judge.failing_rows(work.connection, query)
        assert max(len(row.value) for row in rows) == judge.VALUE_CHARACTERS


def test_two_returns_are_judged_apart(warehouse):
    header, (record,) = PACK.example_return()
    with workspace.Workspace(warehouse.dsn["gate"]) as work:
        returns = [
            ("a", header, [record]),
            ("b", header | {"source_leas": ["887"]}, [record, record]),
        ]
        prepared = work.prepare(work.stage(returns), POLICY)
        findings = judge.judge_all(work.connection, PACK, codes.load_code_lists(ON), prepared)
    assert {(each.return_id, each.rule_id) for each in findings} == {
        ("b", "26"), ("b", "902"), ("b", "908"),
    }  # fmt: skip


def test_nothing_is_left_behind_even_after_a_failure(warehouse):
    with pytest.raises(psycopg.errors.UndefinedTable):
        with workspace.Workspace(warehouse.dsn["gate"]) as work:
            work.stage([])
            assert tables(warehouse)
            work.prepare(workspace.Source(*["select * from nowhere"] * 3), POLICY)
    assert tables(warehouse) == []


def test_tables_of_a_killed_check_are_removed_and_those_of_a_living_one_kept(warehouse):
    killed = f"""
import os, sys
sys.path[:0] = [{str(PROJECT_ROOT / "plugins")!r}]
from neet.rules import workspace
workspace.Workspace({warehouse.dsn["gate"]!r}).stage([])
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    assert len(tables(warehouse)) == 2
    with workspace.Workspace(warehouse.dsn["gate"]) as living:
        assert len(living.removed_leftovers) == 1
        living.stage([])
        with workspace.Workspace(warehouse.dsn["gate"]) as another:
            assert another.removed_leftovers == ()
        assert len(tables(warehouse)) == 2
    assert tables(warehouse) == []


def test_every_session_that_judges_joins_by_hash(warehouse):
    """Tables without statistics, joined row by row, took seven minutes for 36,000 records."""
    from neet.rules import gx

    with workspace.Workspace(warehouse.dsn["gate"]) as work:
        source = work.stage([("r", *PACK.example_return())])
        session = gx.Session(warehouse.dsn["gate"], work.prepare(source, POLICY).check_table)
        with session.source.get_engine().connect() as connection:
            for name, value in workspace.SESSION.items():
                assert work.connection.execute(f"show {name}").fetchone() == (value,)
                assert connection.exec_driver_sql(f"show {name}").scalar() == value
        session.close()
