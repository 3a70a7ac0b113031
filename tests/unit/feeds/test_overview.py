"""``./neet feeds``: every feed, what came of its deliveries, what waits for somebody; and the reference page."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from click.testing import CliRunner
from feed_desk import DATA

from neet.cli import main
from neet.feeds import landing, overview, reference, schedule
from neet.settings import PROJECT_ROOT, Settings

SETTINGS = Settings(PROJECT_ROOT, PROJECT_ROOT / "var", "886")
ON = dt.date(2022, 5, 3)


def sample(desk, feed, name):
    return desk.deliver(feed, name, (DATA / feed / name).read_bytes())


@pytest.fixture
def delivered(desk):
    """Four feeds: accepted with rejects, held, refused, and one long ago."""
    sample(desk, "school_census", "886_school_census_20211007.csv")
    sample(desk, "school_census", "886_school_census_20220120.csv")
    sample(desk, "kpi_targets", "886_kpi_targets_20210401.csv")
    sample(desk, "kpi_targets", "886_kpi_targets_20220401.csv")
    desk.deliver("course_offer", "10099901_course_offer_20211101.csv", "UKPRN,Title\n1,2\n")
    sample(desk, "synergy_send", "886_synergy_send_20211206.csv")
    return desk


def test_every_feed_is_there_with_what_came_of_it(delivered):
    rows = {row.feed: row for row in overview.overview(delivered.settings, ON)}
    assert rows.keys() == landing.contracts_of(delivered.settings).keys()
    census = rows["school_census"]
    assert (census.status, census.rows_in, census.rows_rejected, census.deliveries) == (
        "accepted",
        7,
        3,
        2,
    )
    assert (census.all_rows, census.all_rejects, census.reject_share) == (10, 3, 0.3)
    assert (census.provider, census.period, census.numbers) == ("886", "2022-01-20", ("F-12",))
    assert census.state == schedule.RECEIVED and not census.needs_somebody
    targets = rows["kpi_targets"]
    assert (targets.status, targets.held, targets.owner_service) == ("held", 1, "COMMISSIONING")
    assert targets.needs_somebody and "too_many_rejects" in targets.reason
    offer = rows["course_offer"]
    assert (offer.status, offer.refused) == ("refused", 1) and "missing_columns" in offer.reason
    send = rows["synergy_send"]
    assert send.state == schedule.LATE and send.late_since < ON and "SG-COHORT" in send.gates
    nothing = rows["liberi_care"]
    assert nothing.deliveries == 0 and nothing.state is None and not nothing.needs_somebody


def test_the_command_prints_a_table_json_and_a_page(delivered, tmp_path, monkeypatch):
    file = tmp_path / "feeds.html"
    done = CliRunner().invoke(main, ["feeds", "--on", f"{ON}", "--page", str(file)])
    assert done.exit_code == 0
    line = next(line for line in done.output.splitlines() if "kpi_targets" in line)
    assert re.search(
        r"F-22\s+kpi_targets\s+COMMISSIONING\s+yearly, 1 April\s+\S+\s+held\s+3\s+1\s+1", line
    )
    as_json = CliRunner().invoke(main, ["--json", "feeds", "--on", f"{ON}"])
    assert {row["feed"]: row["status"] for row in json.loads(as_json.stdout)}[
        "course_offer"
    ] == "refused"

    page = file.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=", page), "needs nothing from a network"
    for feed, contract in landing.contracts_of(delivered.settings).items():
        assert feed in page and contract.owner_service in page
    waiting = page[page.index("Waiting for somebody") : page.index("Every feed")]
    assert "./neet release" in waiting and "missing_columns" in waiting
    assert "late since" in waiting and "SG-COHORT" in waiting
    assert "School census" not in waiting


def test_what_a_file_says_cannot_become_part_of_the_page(delivered):
    """Names in a header come from outside."""
    delivered.deliver(
        "course_offer", "10099901_course_offer_20211102.csv", "UKPRN,<script>alert(1)</script>\n"
    )
    page = overview.page(delivered.settings, overview.overview(delivered.settings, ON), ON)
    assert "&lt;script&gt;" in page and "<script" not in page


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ("core_plus_people", "each census point, the working day before the run"),
        ("contact_attempts", "every working day"),
        ("kent_choices_accounts", "every Monday, November to July"),
        ("school_census", "at the end of October, January, May"),
        ("college_joiners_leavers", "monthly, working day 5 after the month, November to July"),
        ("course_offer", "every term, working day 10"),
        ("school_post16_enrolment", "yearly, 13 September"),
        ("other_la_moves", "as it comes"),
    ],
)
def test_when_a_feed_is_due_in_words(feed, said):
    assert overview.cadences_of(SETTINGS, ON)[feed] == said


def test_the_reference_page_is_what_the_contracts_say():
    text = (PROJECT_ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
    assert text == reference.render(SETTINGS), f"run `{reference.COMMAND}` and commit docs/feeds.md"


def test_the_reference_page_has_every_feed_and_column():
    text = reference.render(SETTINGS)
    for feed, contract in landing.contracts_of(SETTINGS).items():
        section = text.split(f'<a id="{feed}"></a>')[1].split("<a id=")[0]
        for column in contract.columns:
            assert f"\n| {column.name} | " in section
        assert contract.owner_service in section and contract.example in section
    assert "From 2024-08-19, layout *2024-25*: new `C1`" in text
    assert "gone `J`, `H`, `Y`" in text
