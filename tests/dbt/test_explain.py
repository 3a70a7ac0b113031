"""Why that number: fifty values of a generated county, taken apart to the lines of the files."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from county_rows import seal
from test_census import run_of

from neet import database, explain
from neet.feeds import landing
from neet.publishing import publish
from neet.settings import PROJECT_ROOT
from neet.transform import build_census, build_live
from synthetic_county.generate import Config, generate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(new_warehouse, tmp_path_factory):
    """A county of 220 from December to February, December sealed, the live marts published."""
    warehouse, folder = new_warehouse(), tmp_path_factory.mktemp("county")
    generate(
        Config(people=220, seed=61_803, first_month="2021-12", last_month="2022-02", out=folder, truth_months="none")
    )  # fmt: skip
    for row in csv.DictReader((folder / "schedule.csv").open()):
        file = folder / "exports" / row["deliver_on"] / row["file"]
        result = landing.receive(warehouse.settings, warehouse.dsn["loader"], row["feed"], file)
        assert result.status == "accepted"
        if row["census_point"] == "2021-12":
            december = result.delivery_seq
    run = run_of("2021-12", december)
    build_census(warehouse.settings, warehouse.dsn["builder"], run)
    seal(warehouse.dsn["gate"], run, 1)
    build_live(warehouse.settings, warehouse.dsn["builder"])
    publish(warehouse.settings, warehouse.dsn["builder"])
    return warehouse


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
    """December as submitted names no delivery that came after the return was made."""
    found = explained(built, "AP-NK", "2021-12", basis="as_submitted")
    (known,) = built.rows("select known_seq from ledger.submission")[0]
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
    from click.testing import CliRunner

    from neet.cli import main

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
