"""Why that number, and why is it another than it was: figures and their changes, taken apart to the lines of the files."""

from __future__ import annotations

import csv
import io
import random
import re
from collections import defaultdict
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest
from accounts_by_hand import COUNTS, GROUPS, STATE, by_hand
from click.testing import CliRunner
from sealed_county import SealedCounty

from neet import database, explain, movement, movement_page
from neet.cli import main
from neet.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def late(new_warehouse, tmp_path_factory):
    return SealedCounty(new_warehouse(), tmp_path_factory.mktemp("county"))


@pytest.fixture(scope="module")
def built(late):
    return late.built


def explained(built, *what, **how) -> explain.Explanation:
    return explain.explain(built.settings, *what, dsn=built.dsn["auditor"], **how)


def test_fifty_random_values(built):
    """The people counted equal the figures (explain raises if not), and the lines in landing give what was loaded."""
    values = built.rows(
        """select kpi_id, period_code, area_code, group_code, basis from marts_kpi.fct_kpi_value
           where denominator > 0 or unit = 'count' order by 1, 2, 3, 4, 5"""
    )
    assert {basis for *_, basis in values} == {"restated", "as_submitted"}
    assert {"FLOW-J", "SC-NEET", "DUR-BAND-00-06"} <= {kpi for kpi, *_ in values}
    for kpi_id, period, area, group, basis in random.Random(50).sample(values, 50):
        found = explained(built, kpi_id, period, area, group, basis=basis)
        for person in found.people:
            kinds = [row.kind for row in person.rows]
            assert kinds.count("person") == 1, (kpi_id, period, person)
            assert kinds.count("activity") == (1 if person.activity_code else 0), (kpi_id, person)
        again = explain.reread(built.settings, [row for one in found.people for row in one.rows])
        assert again.differing == ()
        assert again.same or not found.people


def test_the_row_named_is_the_row_counted(built):
    """The line in the file has the code of the mart: read with csv, without a line of the warehouse's own reading."""
    found = explained(built, "AP-NEET", "2022-01")
    assert found.numerator > 0 and found.numerator == sum(one.in_numerator for one in found.people)
    checked = 0
    for person in found.people:
        for row in person.rows:
            if row.kind != "activity" or row.is_stale:
                continue
            file = built.settings.landing / row.landing_path / row.file_name
            lines = file.read_text(encoding="utf-8").splitlines()
            cells = dict(zip(next(csv.reader(lines[:1])), next(csv.reader([lines[row.line_number - 1]])), strict=False))  # fmt: skip
            assert cells["YoungPersonsID"] == person.young_persons_id
            assert cells["ActivityCode"] == person.activity_code
            checked += 1
    assert checked > 100


def test_a_changed_line_is_found(built, tmp_path):
    found = explained(built, "AP-NEET", "2022-01")
    rows = [row for one in found.people for row in one.rows if row.kind == "activity"]
    file = built.settings.landing / rows[0].landing_path / rows[0].file_name
    whole = file.read_bytes()
    mode = file.stat().st_mode
    try:
        file.chmod(0o640)
        lines = whole.split(b"\n")
        lines[rows[0].line_number - 1] = lines[rows[0].line_number - 1].replace(b"886", b"887", 1)
        file.write_bytes(b"\n".join(lines))
        again = explain.reread(built.settings, rows)
        assert len(again.differing) == 1 and f"line {rows[0].line_number}" in again.differing[0]
    finally:
        file.write_bytes(whole)
        file.chmod(mode)


def test_as_submitted_rests_on_what_was_known_then(built):
    """January as submitted names no delivery that came after the return was made."""
    found = explained(built, "AP-NK", "2022-01", basis="as_submitted")
    (known,) = built.rows("select known_seq from ledger.submission where census_point = '2022-01'")[
        0
    ]
    assert found.people and max(r.delivery_seq for one in found.people for r in one.rows) <= known


def test_a_value_that_is_not_there_says_which_are(built):
    with pytest.raises(explain.NoSuchValue, match="period 2021-11.*2022-02"):
        explained(built, "AP-NEET", "2031-01")
    with pytest.raises(explain.NoSuchValue, match="AP-NEET, AP-NK"):
        explained(built, "NO-SUCH", "2022-01")


def test_a_figure_that_the_people_do_not_add_up_to_is_not_explained(built):
    with database.connect(built.dsn["builder"]) as connection:
        connection.execute(
            "update marts_kpi.fct_kpi_value set numerator = numerator + 1 where kpi_id = 'AP-PART' and period_code = '2022-01'"
        )
    with pytest.raises(explain.DoesNotAdd, match="the people counted are"):
        explained(built, "AP-PART", "2022-01")


def test_the_command(built, monkeypatch, tmp_path):
    monkeypatch.setenv("NEET_HOME", str(built.settings.home))
    monkeypatch.setenv("NEET_DSN_AUDITOR", built.dsn["auditor"])
    out: Path = tmp_path / "people.csv"
    done = CliRunner().invoke(
        main, ["explain", "ap-neet", "2022-01", "--verify", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "the figure adds up to them" in done.output and "all as loaded" in done.output
    found = explained(built, "AP-NEET", "2022-01")
    with out.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found.people)
    wrong = CliRunner().invoke(main, ["explain", "AP-NEET", "2031-01"])
    assert wrong.exit_code == 1 and "There are: KPI AP-NEET" in wrong.output


def test_the_documented_query_gives_the_same_people(built):
    text = (PROJECT_ROOT / "docs" / "explain-a-number.md").read_text()
    query = text.split("```sql\n")[1].split("```")[0]
    (district,) = built.rows(
        """select area_code from marts_kpi.fct_kpi_value where kpi_id = 'AP-NEET' and period_code = '2022-01'
             and area_type = 'district' and group_code = 'ALL' and basis = 'restated'
           order by numerator desc, area_code limit 1"""
    )[0]
    assert query.count("E07000114") == 1
    rows = built.rows(query.replace("E07000114", district), role="auditor")
    found = explained(built, "AP-NEET", "2022-01", district)
    named = {
        (one.young_persons_id, row.file_name, row.line_number)
        for one in found.people
        if one.in_numerator
        for row in one.rows
        if row.kind == "activity"
    }
    assert {(row[1], row[5], row[4]) for row in rows} == named and named


# -- why it is another than it was -----------------------------------------------------------------------------------

SUBMITTED = {"2022-01": "886-2022-01-1", "2022-02": "886-2022-02-2"}


def account(late, *what: str, **how: str) -> movement.Account:
    with database.connect(late.built.dsn["auditor"]) as connection:
        return movement.account(connection, "886", *what, **how)


def movers(late, found: movement.Account) -> list[movement.Mover]:
    with database.connect(late.built.dsn["auditor"]) as connection:
        return movement.movers(connection, found)


@pytest.fixture(scope="module")
def positions(late) -> dict[str, dict[str, dict]]:
    """Who is counted, by position and person, in the order of the positions: month, and as submitted first."""
    found: dict[str, dict[str, dict]] = defaultdict(dict)
    rows = late.built.rows(
        f"""select month_end, census_point, 'restated', person_id, {", ".join(STATE)} from marts_neet.fct_cohort_month
            where is_in_denominator
            union all
            select period_end, submission_id, 'as_submitted', person_id, {", ".join(STATE)} from submitted.cohort_month
            where is_in_denominator
            order by 1, 3, 4"""
    )
    for _, position, _, person, *state in rows:
        found[position][person] = dict(zip(STATE, state, strict=True))
    return dict(found)


def test_every_account_is_the_one_worked_out_by_hand(late, positions):
    """Any two positions, every area, group and measure: the parts, the people in them and the exact rates."""
    months = [position for position in positions if position not in SUBMITTED.values()]
    assert months == ["2021-11", "2021-12", "2022-01", "2022-02"]
    pairs = [
        (opening, closing)
        for opening, closing in combinations(positions, 2)
        if (SUBMITTED.get(closing), closing) != (opening, opening)
    ]
    assert len(pairs) == 15
    compared, kinds = 0, set()
    for opening, closing in pairs:
        rows = late.built.rows(
            f"""select area_code, group_code, measure, part, change, people_added, people_removed, rate_effect_numerator,
                  rate_effect_denominator
                from intermediate.int_movement_account
                where la_code = '886' and opening_id = '{opening}' and closing_id = '{closing}'"""
        )
        found = defaultdict(dict)
        for area, group, measure, part, change, more, less, over, under in rows:
            found[None if area == "886" else area, group, measure][part, change] = (
                more, less, Fraction(over, under) if under else None,
            )  # fmt: skip
        areas = {
            state["district_code"] or "NOT_RECORDED"
            for at in positions.values()
            for state in at.values()
        }
        for area in (None, *sorted(areas)):
            for group in GROUPS:
                for measure in COUNTS:
                    expected = by_hand(positions, SUBMITTED, opening, closing, area, group, measure)
                    actual = found.pop((area, group, measure), {})
                    where = (opening, closing, area, group, measure)
                    assert {k: v[:2] for k, v in actual.items()} == {
                        k: v[:2] for k, v in expected.items()
                    }, where
                    for key, (_, _, effect) in actual.items():
                        if effect is not None:
                            assert effect == expected[key][2], (*where, key)
                    compared += len(actual)
                    kinds |= actual.keys()
        assert not found, f"parts of areas or groups that nobody is in: {list(found)[:3]}"
    assert compared > 400
    assert {part for part, _ in kinds} >= {
        "CORRECTED_LATE", "LEFT", "RECODED", "LAPSED", "CONFIRMED", "COHORT_SIZE",
    }  # fmt: skip
    assert {change for _, change in kinds} >= {"MOVED_IN", "MOVED_OUT"}


def test_a_leaver_recorded_in_march_changes_january_as_known_now_and_not_as_submitted(
    late, positions
):
    january, submitted = positions["2022-01"], positions[SUBMITTED["2022-01"]]
    (person,) = late.built.rows(
        f"select distinct person_id from submitted.cohort_month where young_persons_id = '{late.leaver}'"
    )[0]
    assert person in submitted and person not in january and person in positions["2021-12"]
    beside = late.built.rows(
        """select submitted_numerator, submitted_denominator, restated_numerator, restated_denominator,
             numerator_difference, denominator_difference, value_difference < 0
           from marts_neet.fct_submitted_restated
           where kpi_id = 'AP-NEET' and period_code = '2022-01' and area_type = 'county' and group_code = 'ALL'"""
    )
    neet = [sum(map(COUNTS["neet"], at.values())) for at in (submitted, january)]
    assert beside[0][:6] == (
        neet[0], len(submitted), neet[1], len(january), neet[1] - neet[0], len(january) - len(submitted),
    )  # fmt: skip
    found = account(late, "2022-01@submitted", "2022-01")
    assert found.change == Fraction(neet[1], len(january)) - Fraction(neet[0], len(submitted))
    assert {part.part for part in found.parts} == {"CORRECTED_LATE"}
    named = {(one.change, one.young_persons_id): one for one in movers(late, found)}
    leaver = named["LEFT", late.leaver]
    assert (leaver.effect, leaver.why.split("; ")[1]) == (-1, "cohort status T since 2022-01-20")
    assert [(row.kind, row.file_name, row.line_number) for row in leaver.rows] == [
        ("person", late.file.name, 2)
    ]
    assert named["COHORT_SIZE", late.leaver].effect == -1
    recoded = named["RECODED", late.found]
    assert recoded.effect == 1 and recoded.why.endswith("-> 619")
    assert [(row.row_key, row.line_number) for row in recoded.rows] == [("LATE000001", 2)]
    again = explain.reread(late.built.settings, {row for one in named.values() for row in one.rows})
    assert again.differing == () and again.same >= 2


def test_between_returns_that_both_had_them_the_late_leaver_is_no_movement(late):
    """February's return did not know either: nothing happened between the two, whatever was learnt since."""
    for measure in movement.MEASURES:
        found = account(late, "2022-01@submitted", "2022-02@submitted", measure)
        assert late.leaver not in {one.young_persons_id for one in movers(late, found)}
    assert late.leaver in {
        one.young_persons_id for one in movers(late, account(late, "2022-01@submitted", "2022-02"))
    }


def test_what_was_late_and_what_happened_add_up(late):
    """From January's return to February as known now is the correction of January and then the movement."""
    late_part = account(late, "2022-01@submitted", "2022-01", "not_known")
    movement_part = account(late, "2022-01", "2022-02", "not_known")
    whole = account(late, "2022-01@submitted", "2022-02", "not_known")
    assert whole.change == late_part.change + movement_part.change
    corrected = sum(part.rate_effect for part in whole.parts if part.part == "CORRECTED_LATE")
    assert corrected == late_part.change


def test_the_marts_hold_what_the_views_answer(late):
    """The same text makes both; that the pairs of the marts are the consecutive ones is what can go wrong."""
    pairs = late.built.rows(
        "select distinct comparison, opening_id, closing_id from marts_neet.fct_movement_account order by 1, 2, 3"
    )
    assert pairs == [
        ("as_submitted", SUBMITTED["2022-01"], SUBMITTED["2022-02"]),
        ("restated", "2021-11", "2021-12"),
        ("restated", "2021-12", "2022-01"),
        ("restated", "2022-01", "2022-02"),
        ("submitted_to_restated", SUBMITTED["2022-01"], "2022-01"),
        ("submitted_to_restated", SUBMITTED["2022-02"], "2022-02"),
    ]
    columns = "area_code, group_code, measure, part, change, people_added, people_removed, rate_effect_numerator"
    for _, opening, closing in pairs:
        mart, view = (
            late.built.rows(
                f"""select {columns} from {relation} where la_code = '886' and opening_id = '{opening}'
                      and closing_id = '{closing}' order by {columns}"""
            )
            for relation in ("marts_neet.fct_movement_account", "intermediate.int_movement_account")
        )
        assert mart == view and mart


def test_every_person_of_every_part_has_rows_that_read_the_same_in_landing(late):
    rows = set()
    for pair in (
        ("2021-11", "2022-02"),
        (SUBMITTED["2022-01"], "2022-02"),
        ("2022-01", "2022-02@submitted"),
    ):
        for measure in ("neet_or_not_known", "participating"):
            for one in movers(late, account(late, *pair, measure)):
                assert one.rows, one
                rows |= {*one.rows, *one.rows_before}
    again = explain.reread(late.built.settings, rows)
    assert again.differing == () and again.same > 20


def test_who_moves_between_groups_is_named_by_what_moved_them(late):
    """Into care is into the vulnerable group by a characteristic; and neither is anything in the county."""
    moved = {
        one.young_persons_id: one
        for one in movers(late, account(late, "2022-01", "2022-02", "neet", group="VULNERABLE"))
        if one.part == "MOVED_IN"
    }
    assert (moved[late.found].effect, moved[late.found].why) == (1, "in the vulnerable group")
    assert [(row.kind, row.file_name, row.line_number) for row in moved[late.found].rows] == [
        ("characteristic", "886_core_plus_characteristics_delta_20220321.csv", 2)
    ]
    county = {
        one.young_persons_id for one in movers(late, account(late, "2022-01", "2022-02", "neet"))
    }
    assert late.found not in county


def test_what_cannot_be_compared_says_what_can(late):
    with pytest.raises(movement.NoSuchPosition, match="2021-11 to 2022-02.*2022-01@submitted"):
        account(late, "2022-01", "2031-01")
    with pytest.raises(movement.NoSuchPosition, match="other way round"):
        account(late, "2022-02", "2022-01")
    with pytest.raises(movement.NoSuchPosition, match="other way round"):
        account(late, "2022-01", "2022-01@submitted")
    with pytest.raises(movement.NoSuchPosition, match="not_known"):
        account(late, "2022-01", "2022-02", "sickness")
    with pytest.raises(movement.NoSuchPosition, match="VULNERABLE"):
        account(late, "2022-01", "2022-02", group="NOBODY")
    with pytest.raises(movement.NoSuchPosition, match="Nobody was counted"):
        account(late, "2022-01", "2022-02", area="Atlantis")


def test_the_command_of_the_account(late, monkeypatch, tmp_path):
    monkeypatch.setenv("NEET_HOME", str(late.built.settings.home))
    monkeypatch.setenv("NEET_DSN_AUDITOR", late.built.dsn["auditor"])
    found = account(late, "2022-01@submitted", "2022-02", "neet_or_not_known")
    people = movers(late, found)
    for name in ("why.html", "why.csv"):
        done = CliRunner().invoke(
            main,
            ["movement", "2022-01@submitted", "2022-02", "--measure", "neet_or_not_known", "--people", "--verify",
             "--out", str(tmp_path / name)],
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        assert late.leaver in done.output and f"{late.file.name}:2" in done.output
    table = list(csv.DictReader(io.StringIO((tmp_path / "why.csv").read_text("utf-8-sig"))))
    assert [row["young_persons_id"] for row in table] == [one.young_persons_id for one in people]
    page = (tmp_path / "why.html").read_text("utf-8")
    assert page == movement_page.render(found, people) and page.count("<rect") == 3 + len(
        movement_page.steps(found)
    )
    assert late.file.name in page and not re.search("<script|href=|src=|url\\(", page)
    refused = CliRunner().invoke(main, ["movement", "2022-01", "2022-02", "--out", "why.txt"])
    assert refused.exit_code == 2 and "neither a page" in refused.output
    wrong = CliRunner().invoke(main, ["movement", "2022-01", "2031-01"])
    assert wrong.exit_code == 1 and "There are the months" in wrong.output
