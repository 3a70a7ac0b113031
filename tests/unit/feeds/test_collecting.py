"""The collection schedule: what each provider owes, what counts as received, and chasing."""

from __future__ import annotations

import datetime as dt
import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from click.testing import CliRunner
from feed_desk import Desk, as_csv

from neet import calendar, decisions
from neet.cli import main
from neet.database import connect
from neet.feeds import collecting, collections_page, landing, replay
from neet.feeds.collecting import Board, CannotChase, Line
from neet.settings import PROJECT_ROOT, Settings
from synthetic_county.places import Places

SETTINGS = Settings(PROJECT_ROOT, PROJECT_ROOT / "var", "886")
MOVES = "school_joiners_leavers"
DUE = dt.date(2021, 12, 7)  # working day 5 after November; late from the 11th


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def send(
    desk: Desk, provider: str, month: str, received: str, rows: int = 1, content: str | None = None
):
    """Deliver joiners and leavers of a school, as received on a day."""
    contract = desk.contract(MOVES)
    header = [column.header for column in contract.columns]
    keys = {column.header: column for column in contract.columns if column.key_position}

    def cell(column, number: int) -> str:
        if column.header not in keys:
            return ""
        return {"date": f"{month}-02"}.get(column.type, f"{provider}{number:06d}")

    made = [[cell(column, number) for column in contract.columns] for number in range(rows)]
    return desk.deliver(
        MOVES,
        f"886{provider}SchoolJoinersLeavers{month}.csv",
        as_csv(header, made) if content is None else content,
        received_at=dt.datetime.fromisoformat(received).replace(hour=12, tzinfo=dt.UTC),
    )


def board(desk: Desk, on: str) -> Board:
    with connect(desk.dsn["auditor"]) as connection:
        return collecting.board(connection, "886", day(on))


def line(desk: Desk, provider: str, on: str, due_on: dt.date = DUE) -> Line:
    (found,) = [
        each
        for each in board(desk, on).narrowed(provider=provider, feed=MOVES).lines
        if each.due_on == due_on
    ]
    return found


def chase(
    desk: Desk, provider: str, on: str, note: str = "promised for Friday", feed: str = MOVES, **more
):
    return collecting.chase(
        desk.settings,
        provider,
        feed,
        "A. Officer",
        more.pop("channel", "PHONE"),
        note,
        on=day(on),
        **more,
    )


# -- seeds


def test_the_due_dates_that_dbt_reads_are_those_of_the_rules():
    """Change feed_schedule.csv, then run python -m neet.feeds.collecting."""
    path = PROJECT_ROOT / "dbt_project" / "seeds" / "calendar" / collecting.DUE
    assert path.read_text() == collecting.due_rows()


def test_a_moved_rule_moves_the_due_dates_by_itself(tmp_path):
    root = tmp_path / "project"
    folder = root / "dbt_project" / "seeds" / "calendar"
    folder.mkdir(parents=True)
    for file in calendar.FOLDER.glob("*.csv"):
        (folder / file.name).write_bytes(file.read_bytes())
    settings = Settings(root, tmp_path / "home", "886")
    assert not collecting.write_due(settings)
    rules = folder / "feed_schedule.csv"
    rules.write_text(
        rules.read_text().replace(
            f"886,{MOVES},month_working_day,5,", f"886,{MOVES},month_working_day,6,"
        )
    )
    assert collecting.write_due(settings)
    assert (
        f"886,{MOVES},2021-11-15,2021-12-16,2021-12-08,2021-12-12,"
        in (folder / collecting.DUE).read_text()
    )
    assert not collecting.write_due(settings)


def test_every_provider_can_deliver_what_its_kind_owes():
    contracts = landing.contracts_of(SETTINGS)
    kinds = collecting.kinds("886")
    assert len(kinds) > 5
    for kind in kinds:
        contract = contracts[kind.feed]
        assert contract.owner_service == kind.owner_service
        provider_of = contract.file_name.fullmatch(contract.example)["provider"]
        of_kind = [one for one in collecting.providers("886") if one.kind == kind.kind]
        assert of_kind
        for one in of_kind:
            match = contract.file_name.fullmatch(
                contract.example.replace(provider_of, one.provider, 1)
            )
            assert match and match["provider"] == one.provider, one
            assert one.name.startswith("Imaginary")


def test_whoever_sends_in_the_synthetic_county_is_in_the_list():
    parameters = yaml.safe_load((PROJECT_ROOT / "synthetic_county" / "parameters.yml").read_text())
    places = Places("886", parameters)
    listed = {(one.kind, one.provider, one.name) for one in collecting.providers("886")}
    sending = {("school", one.number[3:], one.name) for one in places.schools}
    sending |= {("training_provider", one.ukprn, one.name) for one in places.providers}
    sending |= {("college", one.ukprn, one.name.rpartition(", ")[0]) for one in places.campuses}
    assert len(sending) > 140
    assert sending <= listed


# -- states


@pytest.mark.slow
def test_what_nobody_has_begun_to_deliver_is_not_owed(desk):
    assert board(desk, "2021-12-20").lines == ()


@pytest.mark.slow
def test_a_collection_is_not_yet_due_then_due_then_late_then_chased(desk):
    send(desk, "9003", "2021-11", "2021-12-01")
    assert [
        (line(desk, "9004", on).state, line(desk, "9004", on).late_days)
        for on in ("2021-12-06", "2021-12-07", "2021-12-10", "2021-12-11", "2021-12-20")
    ] == [("not_yet_due", 0), ("due", 0), ("due", 3), ("late", 4), ("late", 13)]
    chase(desk, "9004", "2021-12-15")
    found = line(desk, "9004", "2021-12-20")
    assert (found.state, found.chased_count, found.last_chased_on) == (
        "chased",
        1,
        day("2021-12-15"),
    )
    assert line(desk, "9004", "2021-12-14").state == "late", (
        "as at the day before nobody had been asked"
    )


@pytest.mark.slow
def test_what_came_is_received_on_its_day_nil_or_not(desk):
    send(desk, "9003", "2021-11", "2021-12-01")
    nil = send(desk, "9004", "2021-11", "2021-12-13", rows=0)
    assert (nil.status, nil.rows_in) == ("accepted", 0)
    on_time, late = line(desk, "9003", "2021-12-20"), line(desk, "9004", "2021-12-20")
    assert (on_time.state, on_time.received_on, on_time.is_nil, on_time.late_days) == (
        "received",
        day("2021-12-01"),
        False,
        0,
    )
    assert (late.state, late.received_on, late.is_nil, late.late_days) == (
        "received",
        day("2021-12-13"),
        True,
        6,
    )
    assert line(desk, "9004", "2021-12-12").state == "late", "as at the day before it had not come"


@pytest.mark.slow
def test_a_b_a_is_one_collection_received_once_and_sent_three_times(desk):
    for received, rows in (("2021-12-02", 1), ("2021-12-03", 2), ("2021-12-09", 1)):
        assert send(desk, "9003", "2021-11", received, rows).status == "accepted"
    assert send(desk, "9003", "2021-11", "2021-12-10", 1).status == "duplicate"
    found = line(desk, "9003", "2021-12-20")
    assert (found.received_on, found.deliveries, found.late_days) == (day("2021-12-02"), 3, 0)
    ((newest,),) = desk.query("select delivery_id from control.delivery where delivery_seq = 3")
    assert found.delivery_id == newest


@pytest.mark.slow
def test_a_refused_or_held_file_is_not_received_and_is_told(desk):
    send(desk, "9003", "2021-11", "2021-12-01")
    refused = send(desk, "9004", "2021-11", "2021-12-02", content="something else\n")
    assert refused.status == "refused"
    found = line(desk, "9004", "2021-12-20")
    assert (found.state, found.waiting_status, found.waiting_delivery_id) == (
        "late",
        "refused",
        refused.delivery_id,
    )
    assert refused.delivery_id in collecting.note(found)


@pytest.mark.slow
def test_providers_come_and_go_with_their_dates(desk):
    """9001 and 9002 merge on 4 January 2022 into 9901."""
    send(desk, "9003", "2021-11", "2021-12-01")
    lines = board(desk, "2022-03-01").narrowed(feed=MOVES).lines
    owed = {number: {each.due_on.month for each in lines if each.provider == number and each.due_on < day("2022-02-28")}
            for number in ("9001", "9901", "9003")}  # fmt: skip
    assert owed == {"9001": {12}, "9901": {1, 2}, "9003": {12, 1, 2}}


@pytest.mark.slow
def test_a_provider_that_is_in_no_list_is_named(desk):
    send(desk, "4001", "2021-11", "2021-12-01")
    assert board(desk, "2021-12-20").strangers == (("4001", MOVES),)


@pytest.mark.slow
def test_another_feeds_file_is_not_this_ones(desk):
    send(desk, "9003", "2021-11", "2021-12-01")
    assert {each.feed for each in board(desk, "2021-12-20").lines} == {MOVES}


# -- chasing


@pytest.mark.slow
def test_a_chase_is_a_decision_and_comes_back_with_a_rebuild(desk, empty_twin):
    send(desk, "9003", "2021-11", "2021-12-01")
    first, _ = chase(desk, "9004", "2021-12-15")
    again, _ = chase(desk, "9004", "2021-12-15")
    assert again == first, "the same chase told twice is one"
    chase(desk, "9004", "2021-12-16")
    chase(desk, "9004", "2021-12-16", "no answer", channel="email")
    assert line(desk, "9004", "2021-12-20").chased_count == 3
    ((by, reason, body),) = desk.query(
        "select decided_by, reason, body from control.decision where decision_id = %s",
        first.decision_id,
    )
    assert (by, reason) == ("A. Officer", "promised for Friday")
    assert body == {
        "provider": "9004",
        "feed": MOVES,
        "due_on": "2021-12-07",
        "channel": "PHONE",
        "chased_on": "2021-12-15",
    }
    before = desk.everything()
    with empty_twin(desk) as twin:
        replay.rebuild(twin.settings, twin.dsn["owner"], twin.dsn["loader"], twin.dsn["gate"])
        assert twin.everything() == before
        assert line(twin, "9004", "2021-12-20").chased_count == 3


@pytest.mark.slow
def test_only_what_is_owed_is_chased(desk):
    send(desk, "9003", "2021-11", "2021-12-01")
    for call, words in (
        (
            lambda: chase(desk, "9003", "2021-12-15"),
            "owes no school_joiners_leavers: the one due on 2021-12-07 came on 2021-12-01",
        ),
        (lambda: chase(desk, "9004", "2021-12-06"), "is not due before 2021-12-07"),
        (
            lambda: chase(desk, "9004", "2021-12-15", feed="college_enrolment"),
            "it delivers school_joiners_leavers",
        ),
        (
            lambda: chase(desk, "9004", "2021-12-15", due_on=day("2021-12-06")),
            "is not due on 2021-12-06",
        ),
        (lambda: chase(desk, "4001", "2021-12-15"), "no row in collection_provider.csv"),
        (
            lambda: chase(desk, "'; drop table x; --", "2021-12-15"),
            "no row in collection_provider.csv",
        ),
        (lambda: chase(desk, "19960001", "2021-12-15"), "nobody has delivered its feeds yet"),
        (lambda: chase(desk, "9004", "2021-12-15", channel="pigeon"), "no channel. Known: EMAIL"),
        (lambda: chase(desk, "9004", "2099-01-01"), "is not yet"),
    ):
        with pytest.raises(CannotChase) as info:
            call()
        assert words in str(info.value)
    with pytest.raises(decisions.DecisionError, match="needs a reason"):
        chase(desk, "9004", "2021-12-15", note=" ")
    assert desk.query("select count(*) from control.decision") == [(0,)]


@pytest.mark.slow
def test_the_oldest_owed_is_meant_unless_another_is_named(desk):
    send(desk, "9003", "2021-11", "2021-12-01")
    _, oldest = chase(desk, "9004", "2022-02-20")
    assert oldest.due_on == DUE
    _, named = chase(desk, "9004", "2022-02-20", due_on=day("2022-01-10"))
    assert named.due_on == day("2022-01-10")


@pytest.mark.slow
@pytest.mark.parametrize("body", [{"due_on": "soon"}, {"channel": None}, {"more": 1}])
def test_a_chase_that_says_something_else_is_refused(desk, body):
    whole = {
        "provider": "9004",
        "feed": MOVES,
        "due_on": "2021-12-07",
        "channel": "PHONE",
        "chased_on": "2021-12-15",
    }
    with pytest.raises(decisions.DecisionError):
        decisions.record(
            desk.settings, desk.dsn["gate"], "chase", "886", "s", whole | body, "x", "y"
        )
    assert desk.query("select count(*) from control.decision") == [(0,)]


# -- what people see


class Cells(HTMLParser):
    """Class, story and words of every cell of the grids, and whatever tag is not closed."""

    def __init__(self, text: str):
        super().__init__()
        self.cells: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self._cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br"):
            self.open.append(tag)
        given = dict(attributes)
        if tag == "td" and "title" in given:
            self._cell = [given["class"], given["title"], ""]

    def handle_data(self, data):
        if self._cell:
            self._cell[2] += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "td" and self._cell:
            self.cells.append(tuple(self._cell))
            self._cell = None


@pytest.mark.slow
def test_the_commands_and_the_page(desk, tmp_path):
    send(desk, "9003", "2021-11", "2021-12-01")
    send(desk, "9005", "2021-11", "2021-12-13", rows=0)
    refused = send(desk, "9006", "2021-11", "2021-12-02", content="something else\n")

    def run(*arguments: str):
        return CliRunner().invoke(main, list(arguments), catch_exceptions=False)

    done = run(
        "chase",
        "9004",
        MOVES,
        "--by",
        "A. Officer",
        "--channel",
        "phone",
        "--note",
        "promised",
        "--on",
        "2021-12-15",
    )
    assert done.exit_code == 0 and "Imaginary Ashford School 4 was chased" in done.output
    done = run(
        "chase",
        "9003",
        MOVES,
        "--by",
        "A",
        "--channel",
        "phone",
        "--note",
        "x",
        "--on",
        "2021-12-15",
    )
    assert done.exit_code == 1 and "owes no" in done.output
    page = tmp_path / "collections.html"
    done = run("collections", "--on", "2021-12-20", "--page", str(page))
    assert done.exit_code == 0
    for words in (
        "Joiners and leavers",
        "late, chased",
        refused.delivery_id,
        "Owed: 128, the longest first",
    ):
        assert words in done.output
    found = json.loads(
        run("--json", "collections", "--on", "2021-12-20", "--provider", "9004").stdout
    )
    assert {(each["state"], each["chased_count"]) for each in found["lines"]} == {("chased", 1)}
    text = page.read_text()
    cells = Cells(text)
    assert cells.open == [] and "http" not in re.sub(r"http-equiv", "", text)
    words = {
        story.partition(":")[0]: (style.split()[1], text)
        for style, story, text in cells.cells
        if "due 2021-12-07" in story
    }
    assert words["Imaginary Ashford School 3"] == ("received", "in")
    assert words["Imaginary Ashford School 4"] == ("chased", "chased 1×")
    assert words["Imaginary Ashford School 5"] == ("received_late", "nil +6d")
    assert words["Imaginary Ashford School 6"] == ("waiting", "refused")
    assert words["Imaginary Ashford School 7"] == ("late", "late 13d")
    assert len(words) == 130
    assert any("not_yet_due" in style.split() for style, _, _ in cells.cells)


def test_a_name_cannot_become_markup():
    nasty = Line(
        "886",
        "1",
        "<script>alert(1)</script>",
        "school",
        MOVES,
        "J",
        "MI",
        DUE,
        DUE,
        DUE,
        "late",
        late_days=3,
    )
    text = collections_page.render(
        Board("886", day("2021-12-20"), (nasty,), (("<b>", MOVES),)), "2021-22"
    )
    assert "<script>" not in text and "<b>" not in text and "&lt;script&gt;" in text


def test_an_empty_page_says_so():
    text = collections_page.render(Board("886", day("2021-12-20"), (), ()), "2021-22")
    assert "Nothing is collected in this year yet" in text
