"""``fct_collection``, built of real deliveries, says what ``./neet collections`` says: two computations, one answer."""

from __future__ import annotations

import datetime as dt

import pytest

from neet import transform
from neet.database import connect
from neet.feeds import collecting, holds, landing

pytestmark = pytest.mark.slow

MOVES = "school_joiners_leavers"
GUARANTEE = "school_september_guarantee"
ENROLMENT = "school_post16_enrolment"
COLUMNS = (
    "la_code, provider, provider_name, provider_kind, feed, collection_name, owner_service_code, opens_on, due_on, "
    "late_from, state, received_on, is_nil, delivery_count, delivery_id, late_days, chased_count, last_chased_on, "
    "waiting_status, waiting_delivery_id"
)


def send(
    built, feed: str, name: str, received: str, rows: int = 1, header: bool = True
) -> landing.DeliveryResult:
    contract = landing.contract_of(built.settings, feed)
    cells = [
        [
            "2021-11-02" if column.type == "date" else f"K{number}" if column.key_position else ""
            for column in contract.columns
        ]
        for number in range(rows)
    ]
    lines = [",".join(column.header for column in contract.columns)] if header else ["x,y"]
    file = built.settings.home / name
    file.write_text("\n".join([*lines, *map(",".join, cells)]) + "\n")
    return landing.receive(
        built.settings,
        built.dsn["loader"],
        feed,
        file,
        dt.datetime.fromisoformat(f"{received}T12:00+00:00"),
    )


@pytest.fixture(scope="module")
def built(new_warehouse):
    """Schools that sent on time, late, nothing, nil, rubbish and thrice; one that was chased twice."""
    warehouse = new_warehouse()
    with pytest.MonkeyPatch.context() as patch:
        for role, dsn in warehouse.dsn.items():
            patch.setenv(f"NEET_DSN_{role.upper()}", dsn)
        moves = "886{}SchoolJoinersLeavers{}.csv"
        send(warehouse, MOVES, moves.format("9003", "2021-11"), "2021-12-01")
        send(warehouse, MOVES, moves.format("9004", "2021-11"), "2021-12-20")
        send(warehouse, MOVES, moves.format("9005", "2021-11"), "2021-12-03", rows=0)
        refused = send(
            warehouse, MOVES, moves.format("9006", "2021-11"), "2021-12-04", header=False
        )
        assert refused.status == "refused"
        for rows in (1, 2, 1):
            assert (
                send(warehouse, MOVES, moves.format("9007", "2021-12"), "2022-01-05", rows).status
                == "accepted"
            )
        enrolled = send(
            warehouse, ENROLMENT, "8869003SchoolPost16Enrolment2021-22.csv", "2021-09-10"
        )
        assert enrolled.status == "accepted", enrolled
        old = "8869009SeptemberGuarantee{}.csv"
        assert (
            send(warehouse, GUARANTEE, old.format("20220331"), "2022-04-01", rows=40).status
            == "accepted"
        )
        held = send(warehouse, GUARANTEE, old.format("20220430"), "2022-05-03", rows=5)
        assert held.status == "held"
        holds.settle(
            warehouse.settings,
            warehouse.dsn["loader"],
            "discard",
            held.delivery_id,
            "B. Officer",
            "cut short",
        )
        for note in ("no answer", "promised"):
            collecting.chase(
                warehouse.settings, "9008", MOVES, "A. Officer", "PHONE", note,
                due_on=dt.date(2021, 12, 7), on=dt.date(2021, 12, 15),
            )  # fmt: skip
    with connect(warehouse.dsn["auditor"]) as connection:
        (known,) = connection.execute("select max(delivery_seq) from control.delivery").fetchone()
    variables = {"lineage": "live", "known_seq": known, "la_code": "886"}
    build = transform._begin(
        warehouse.dsn["builder"], lineage="live", known_seq=known, fingerprint="none"
    )
    with transform._recorded(warehouse.dsn["builder"], build) as outcome:
        transform._dbt(
            warehouse.settings, warehouse.dsn["builder"],
            ["--select", "+fct_collection", "fct_delivery", "+collection"], variables, outcome,
        )  # fmt: skip
    return warehouse


def test_the_mart_and_the_command_agree_line_by_line(built):
    mart = built.rows(f"select {COLUMNS} from marts_collection.fct_collection")
    as_at = built.value("select max(as_at_on) from marts_collection.fct_collection")
    with connect(built.dsn["auditor"]) as connection:
        board = collecting.board(connection, "886", as_at)
    lines = [
        (each.la_code, each.provider, each.provider_name, each.provider_kind, each.feed, each.collection_name,
         each.owner_service, each.opens_on, each.due_on, each.late_from, each.state, each.received_on, each.is_nil,
         each.deliveries, each.delivery_id, each.late_days, each.chased_count, each.last_chased_on,
         each.waiting_status, each.waiting_delivery_id)
        for each in board.lines
    ]  # fmt: skip
    assert len(lines) > 5_000
    assert sorted(mart, key=str) == sorted(lines, key=str)


def test_each_kind_of_outcome(built):
    """Worked by hand: November's is due on 7 December and late from the 11th."""
    found = {
        row[0]: row[1:]
        for row in built.rows(
            f"""select provider, state, received_on::text, is_nil, chased_count, waiting_status
                from marts_collection.fct_collection
                where feed = '{MOVES}' and due_on = '2021-12-07' and provider between '9003' and '9009'"""
        )
    }
    assert found == {
        "9003": ("received", "2021-12-01", False, 0, None),
        "9004": ("received", "2021-12-20", False, 0, None),
        "9005": ("received", "2021-12-03", True, 0, None),
        "9006": ("late", None, None, 0, "refused"),
        "9007": ("late", None, None, 0, None),
        "9008": ("chased", None, None, 2, None),
        "9009": ("late", None, None, 0, None),
    }
    assert built.rows(
        f"""select delivery_count, received_on::text, late_days from marts_collection.fct_collection
            where provider = '9007' and due_on = '2022-01-10' and feed = '{MOVES}'"""
    ) == [(3, "2022-01-05", 0)]
    assert built.rows(
        f"""select state, received_on::text from marts_collection.fct_collection
            where provider = '9003' and feed = '{ENROLMENT}' and due_on = '2021-09-13'"""
    ) == [("received", "2021-09-10")]


def test_a_delivery_has_the_providers_name_and_its_format(built):
    assert built.rows(
        """select provider_name, file_format, is_nil, settled_by from marts_assurance.fct_delivery
           where provider = '9005'"""
    ) == [("Imaginary Ashford School 5", "csv", True, None)]


def test_a_refused_delivery_names_the_report_for_its_sender(built):
    """It is the path at which the loader has left it."""
    ((path,),) = built.rows(
        "select report_path from marts_assurance.fct_delivery where status = 'refused' and settled_as is null"
    )
    report = (built.settings.home / path).read_text()
    assert "9006" in report
    assert (
        built.value(
            "select count(*) from marts_assurance.fct_delivery where report_path is not null"
        )
        == 2
    )


def test_who_settled_a_held_delivery_and_why_stands_beside_it(built):
    """One that was never held has nobody."""
    assert (
        built.value(
            "select count(*) from marts_assurance.fct_delivery where settled_as is not null"
        )
        == 1
    )
    assert built.rows(
        """select status, settled_as, settled_by, settled_reason from marts_assurance.fct_delivery
           where settled_as is not null"""
    ) == [("refused", "discard", "B. Officer", "cut short")]
