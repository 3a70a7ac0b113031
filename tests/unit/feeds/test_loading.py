"""What becomes of a file: loaded, rejected in part, held, refused, or found a duplicate."""

from __future__ import annotations

import concurrent.futures
import datetime as dt

import pytest
from feed_desk import TOY, TOY_HEADER, as_csv, with_contracts

from neet.database import connect
from neet.feeds import ingest, landing, loading, raw, rejects

pytestmark = pytest.mark.slow  # a database a test

VALUES = "label, made_on, size, price"


def things(count: int, **changes) -> list[list]:
    """``count`` good rows of the toy feed; ``changes`` maps ``n<number>`` to a whole row."""
    rows = [[f"T{n:04d}", f"thing {n}", "2021-09-01", n, "1.5"] for n in range(count)]
    for place, row in changes.items():
        rows[int(place[1:])] = row
    return rows


def test_three_unreadable_rows_in_a_thousand(toy_desk):
    rows = things(
        1000,
        n10=["T0010", "thing 10", "31/02/2021", 10, "1.5"],
        n500=["T0500", "thing 500", "2021-09-01", "many", "1.5"],
        n999=["T0999", "thing 999", "2021-09-01", 999, "1,5"],
    )
    result = toy_desk.toy(rows)
    assert (result.status, result.rows_in) == ("accepted", 1000)
    assert result.rows_loaded + result.rows_unchanged == 997
    assert result.rows_rejected == 3
    assert toy_desk.rejects(
        result.delivery_id, "line_number, row_key, column_name, value, rule"
    ) == [
        (12, "T0010", "MadeOn", "31/02/2021", "not_a_date"),
        (502, "T0500", "Size", "many", "not_an_integer"),
        (1001, "T0999", "Price", "1,5", "not_a_number"),
    ]
    found = toy_desk.rejects(result.delivery_id, "reason, row_text")
    assert "there is no day '31/02/2021'" in found[0][0]
    assert "Owner: Toys" in found[0][0] and "the toy box" in found[0][0]
    assert found[0][1] == "T0010,thing 10,31/02/2021,10,1.5"
    assert found[2][1] == 'T0999,thing 999,2021-09-01,999,"1,5"'
    assert toy_desk.query("select count(*) from raw.toy") == [(997,)]


def test_rejects_can_be_listed_with_their_file(toy_desk):
    result = toy_desk.toy(things(20, n3=["T0003", "x", "never", 3, ""]))
    with connect(toy_desk.dsn["loader"]) as connection:
        (row,) = rejects.of_delivery(connection, result.delivery_id)
    assert (row["file_name"], row["line_number"], row["value"]) == (
        "886_toy_snapshot_20211231.csv",
        5,
        "never",
    )


def test_the_same_file_again_changes_nothing(toy_desk):
    first = toy_desk.toy(things(5))
    raw_before = toy_desk.query("select * from raw.toy order by row_key")
    again = toy_desk.toy(things(5))
    assert (again.status, again.delivery_seq) == ("duplicate", None)
    assert first.delivery_id in again.reason
    assert toy_desk.query("select * from raw.toy order by row_key") == raw_before
    assert toy_desk.query(
        "select duplicate_of from control.delivery where delivery_id = %s", again.delivery_id
    ) == [(first.delivery_id,)]


def test_a_b_a_is_three_deliveries(toy_desk):
    a, b = things(5), things(5, n2=["T0002", "changed", "2021-09-01", 2, "1.5"])
    results = [toy_desk.toy(rows) for rows in (a, b, a)]
    assert [result.status for result in results] == ["accepted"] * 3
    assert [result.delivery_seq for result in results] == [1, 2, 3]
    assert [result.rows_loaded for result in results] == [5, 1, 1]
    assert toy_desk.query(
        "select delivery_seq, label from raw.toy where row_key = 'T0002' order by delivery_seq"
    ) == [(1, "thing 2"), (2, "changed"), (3, "thing 2")]


def test_the_same_content_of_another_period_is_no_duplicate(toy_desk):
    toy_desk.toy(things(5), day="20211130")
    december = toy_desk.toy(things(5), day="20211231")
    assert (december.status, december.rows_unchanged, december.rows_loaded) == ("accepted", 5, 0)


def test_a_snapshot_closes_what_it_leaves_out(toy_desk):
    toy_desk.toy(things(10), day="20211130")
    result = toy_desk.toy(things(10)[:9])
    assert (result.rows_closed, result.rows_unchanged) == (1, 9)
    assert toy_desk.query(
        f"select operation, line_number, {VALUES} from raw.toy where row_key = 'T0009' and delivery_seq = 2"
    ) == [("D", None, "thing 9", "2021-09-01", "9", "1.5")]
    assert "T0009" not in toy_desk.current("toy", VALUES)
    back = toy_desk.toy(things(10), day="20220131")
    assert (back.rows_loaded, back.rows_unchanged) == (1, 9)
    assert toy_desk.current("toy", "label")["T0009"] == ("U", "thing 9")


def test_a_snapshot_closes_only_its_providers_rows(toy_desk, tmp_path):
    toy_desk.toy(things(4), provider="887")
    toy_desk.toy(things(4), provider="886")
    assert len(toy_desk.current("toy", VALUES, "887")) == 4


def test_a_delta_writes_and_deletes(toy_desk):
    toy_desk.toy(things(5), day="20211130")
    result = toy_desk.toy(
        [
            ["T0001", "renamed", "2021-09-01", 1, "1.5", "U"],
            ["T0002", "thing 2", "2021-09-01", 2, "1.5", "u"],
            ["T0003", "", "not looked at", "", "", "D"],
            ["T0099", "", "", "", "", "D"],
            ["T0050", "new", "", "", "", "U"],
        ],
        mode="delta",
        day="20211208",
    )
    assert result.status == "accepted"
    assert (result.rows_in, result.rows_loaded, result.rows_unchanged, result.rows_closed) == (
        5,
        3,
        2,
        1,
    )
    current = toy_desk.current("toy", "label")
    assert current["T0001"] == ("U", "renamed")
    assert current["T0050"] == ("U", "new")
    assert "T0003" not in current and len(current) == 5


def test_a_delta_may_not_say_something_else(toy_desk):
    toy_desk.toy(things(5), day="20211130")
    result = toy_desk.toy([["T0001", "x", "", "", "", "X"]], mode="delta")
    assert toy_desk.rejects(result.delivery_id, "column_name, value, rule") == [
        ("Operation", "X", "unknown_operation")
    ]
    assert toy_desk.current("toy", "label")["T0001"] == ("S", "thing 1")


def test_a_rejected_row_keeps_its_keys_last_good_version_marked_stale(toy_desk):
    toy_desk.toy(things(5), day="20211130")
    bad = things(5, n2=["T0002", "changed", "soon", 2, "1.5"])
    result = toy_desk.toy(bad)
    assert (result.rows_rejected, result.rows_closed, result.closures_held) == (1, 0, False)
    assert toy_desk.query(
        f"select operation, line_number, {VALUES} from raw.toy where row_key = 'T0002' and delivery_seq = 2"
    ) == [("S", 4, "thing 2", "2021-09-01", "2", "1.5")]

    still_bad = toy_desk.toy(bad, day="20220131")
    assert toy_desk.query("select count(*) from raw.toy where delivery_seq = 3") == [(0,)]
    assert still_bad.rows_rejected == 1

    mended = toy_desk.toy(things(5), day="20220228")
    assert (mended.rows_loaded, mended.rows_unchanged) == (1, 4), "same values, but stale before"
    assert toy_desk.current("toy", "label")["T0002"] == ("U", "thing 2")


def test_a_rejected_row_never_seen_before_marks_nothing(toy_desk):
    toy_desk.toy(things(5), day="20211130")
    result = toy_desk.toy([*things(5), ["T0005", "x", "soon", 5, "1.5"]])
    assert result.rows_rejected == 1
    assert "T0005" not in toy_desk.current("toy", VALUES)


def test_an_unreadable_key_holds_back_every_closure(toy_desk):
    toy_desk.toy(things(10), day="20211130")
    rows = things(10)[:9]
    rows.append(["", "thing 9", "2021-09-01", 9, "1.5"])
    result = toy_desk.toy(rows)
    assert (result.status, result.closures_held, result.rows_closed) == ("accepted", True, 0)
    assert toy_desk.query("select closures_held from control.delivery order by delivery_seq") == [
        (False,),
        (True,),
    ]
    assert toy_desk.current("toy", "label")["T0009"] == ("U", "thing 9")
    assert toy_desk.rejects(result.delivery_id, "row_key, column_name, rule") == [
        (None, "ItemID", "required_value_missing")
    ]


def test_duplicate_rows_and_keys_are_rejected_and_the_first_is_kept(toy_desk):
    rows = things(30)
    rows += [rows[4], ["T0005", "another", "2021-09-01", 5, "1.5"]]
    result = toy_desk.toy(rows)
    assert (result.rows_in, result.rows_loaded, result.rows_rejected) == (32, 30, 2)
    assert toy_desk.rejects(result.delivery_id, "line_number, row_key, value, rule") == [
        (32, "T0004", "T0004", "duplicate_row"),
        (33, "T0005", "T0005", "duplicate_key"),
    ]
    reason = toy_desk.rejects(result.delivery_id, "reason")[1][0]
    assert "Line 7 has the same key" in reason and "the earlier line stands" in reason
    assert toy_desk.current("toy", "label")["T0005"] == ("U", "thing 5")


def test_a_good_row_after_a_bad_one_of_the_same_key_counts(toy_desk):
    toy_desk.toy(things(5), day="20211130")
    rows = [["T0001", "x", "soon", 1, "1.5"], *things(5)]
    toy_desk.toy(rows)
    assert toy_desk.current("toy", "label")["T0001"] == ("U", "thing 1"), "not stale: it was read"


def test_a_truncated_snapshot_is_held(toy_desk):
    toy_desk.toy(things(100), day="20211130")
    result = toy_desk.toy(things(100)[:60])
    assert (result.status, result.delivery_seq) == ("held", None)
    assert result.reason.startswith("snapshot_shrank: 60 rows where 100 are open, a loss of 40.0%")
    assert "Release it" in result.reason and "Owner: Toys" in result.reason
    assert toy_desk.query("select count(*), max(delivery_seq) from raw.toy") == [(100, 1)]
    assert (toy_desk.settings.landing / result.landing_path / "held.json").exists()


def test_a_file_cut_in_mid_row_is_held_too(toy_desk):
    toy_desk.toy(things(100), day="20211130")
    whole = as_csv(TOY_HEADER, things(100))
    result = toy_desk.deliver("toy", "886_toy_snapshot_20211231.csv", whole[: len(whole) // 2 - 9])
    assert result.status == "held"
    assert result.reason.startswith("snapshot_shrank")
    assert result.rows_rejected == 1


def test_a_snapshot_of_other_things_is_held_though_it_is_as_long(toy_desk):
    toy_desk.toy(things(20), day="20211130")
    others = [[f"X{n}", "", "", "", ""] for n in range(20)]
    result = toy_desk.toy(others)
    assert (result.status, result.reason.split(":")[0]) == ("held", "snapshot_replaces")


def test_too_many_rejects_hold_the_delivery_and_are_kept(toy_desk):
    rows = things(20)
    for number in range(5):
        rows[number][2] = "soon"
    result = toy_desk.toy(rows)
    assert (result.status, result.rows_in, result.rows_rejected) == ("held", 20, 5)
    assert result.reason.startswith("too_many_rejects: 5 of 20 rows")
    assert len(toy_desk.rejects(result.delivery_id, "rule")) == 5
    assert toy_desk.query("select count(*) from raw.toy") == [(0,)]


def test_a_few_rejects_of_a_small_delta_do_not_stop_the_month(toy_desk):
    result = toy_desk.toy([["T0001", "x", "soon", "", "", "U"]], mode="delta")
    assert (result.status, result.rows_rejected) == ("accepted", 1)


def test_an_older_file_is_held(toy_desk):
    toy_desk.toy(things(5), day="20211231")
    result = toy_desk.toy(things(6), day="20211130")
    assert (result.status, result.reason.split(":")[0]) == ("held", "older_than_latest")
    assert "2021-12-31" in result.reason
    late_delta = toy_desk.toy([["T0001", "x", "", "", "", "U"]], mode="delta", day="20211208")
    assert late_delta.status == "held"
    assert toy_desk.toy(things(5), day="20211130", provider="887").status == "accepted"


def test_a_nil_return_counts_as_received(toy_desk):
    result = toy_desk.toy([])
    assert (result.status, result.rows_in, result.delivery_seq) == ("accepted", 0, 1)
    assert toy_desk.toy([], mode="delta", day="20220131").status == "accepted"


def test_a_nil_snapshot_of_a_feed_with_rows_is_held(toy_desk):
    toy_desk.toy(things(10), day="20211130")
    result = toy_desk.toy([])
    assert (result.status, result.reason.split(":")[0]) == ("held", "snapshot_shrank")


def test_a_late_value_lands_on_the_right_row_however_odd_the_text(toy_desk):
    odd = [
        ["T1", 'a "quoted", word', "", "", ""],
        ["T2", "two\nlines\r\nand three", "", "", ""],
        ["T3", "tab\tand \\ backslash", "", "", ""],
        ["T4", "\\.", "", "", ""],
        ["T5", "a\n\\.\nb", "", "", ""],
        ["T6", "  spaces  ", "", "", ""],
        ["T7", "\\N", "", "", ""],
        ["T|8\\", "żółć 🎓 é", "", "", ""],
        ["T9", "NULL", "", "", ""],
    ]
    result = toy_desk.toy(odd)
    assert (result.status, result.rows_loaded) == ("accepted", 9)
    current = toy_desk.current("toy", "label")
    assert {key: row[1] for key, row in current.items()} == {row[0]: row[1] for row in odd}
    assert toy_desk.query("select line_number from raw.toy where row_key = 'T3'") == [(6,)]


def test_blank_is_null_and_the_same_blank_is_unchanged(toy_desk):
    toy_desk.toy([["T1", "", "", "", ""]], day="20211130")
    assert toy_desk.query("select label, made_on, size, price from raw.toy") == [(None,) * 4]
    assert toy_desk.toy([["T1", "", " ", "", ""]]).rows_unchanged == 1, "a space is no date"


def test_the_same_values_written_otherwise_are_unchanged(toy_desk):
    toy_desk.toy([["T1", "x", "2021-09-01", 16, "c"]], day="20211130")
    result = toy_desk.toy([[" T1 ", "x", "44440", "016.0", " c"]])
    assert (result.rows_unchanged, result.rows_loaded) == (1, 0)


def test_a_new_layout_column_changes_no_row_until_it_holds_something(toy_desk):
    toy_desk.toy(things(5), day="20211130")
    column = """      - name: colour
        physicalName: Colour
        description: Its colour
        logicalType: string
        physicalType: text
        classification: none
slaProperties:
"""
    layouts = """  - property: layouts
    value:
      - {name: first, validFrom: '2000-01-01'}
      - {name: coloured, validFrom: '2021-12-01', add: [colour], rename: {label: Name}}
"""
    text = TOY.read_text().replace("slaProperties:\n", column) + layouts
    desk = with_contracts(toy_desk, toy_desk.folder.parent / "coloured", {"toy": text})
    header = ["ItemID", "Name", "MadeOn", "Size", "Price", "Colour"]
    rows = [[*row, ""] for row in things(5)]
    rows[2][5] = "red"
    result = desk.toy(rows, header=header)
    assert (result.status, result.rows_unchanged, result.rows_loaded) == ("accepted", 4, 1)
    old_layout = desk.toy(things(5), day="20220131")
    assert (old_layout.status, old_layout.reason.split(":")[0]) == ("refused", "missing_columns")


def test_a_column_without_its_raw_column_waits_for_a_migration(toy_desk):
    file = toy_desk.settings.expectations / "feeds" / "toy.yml"
    file.write_text(TOY.read_text().replace("- name: label", "- name: new_label"))
    inbox = toy_desk.settings.inbox / "toy"
    inbox.mkdir(parents=True)
    (inbox / "886_toy_snapshot_20211231.csv").write_text(as_csv(TOY_HEADER, things(3)))
    with pytest.raises(ExceptionGroup) as failed:
        ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])
    assert failed.group_contains(loading.LoadFailed, match="make up")
    with connect(toy_desk.dsn["owner"]) as owner:
        raw.ensure_raw_tables(owner, landing.contracts_of(toy_desk.settings).values())
    results = ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])
    assert [result.status for result in results] == ["accepted"]
    assert not list(inbox.iterdir())


def test_two_loaders_at_once_give_each_delivery_its_own_number(toy_desk):
    files = [
        toy_desk.file(f"p{n}_toy_snapshot_20211231.csv", as_csv(TOY_HEADER, things(200)))
        for n in range(8)
    ]
    files += [toy_desk.file("886_toy_snapshot_20211231.csv", as_csv(TOY_HEADER, things(200)))] * 4

    def load(file):
        return landing.receive(toy_desk.settings, toy_desk.dsn["loader"], "toy", file)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = list(pool.map(load, files))
    accepted = [result for result in results if result.status == "accepted"]
    assert sorted(result.delivery_seq for result in accepted) == list(range(1, 10))
    assert [result.status for result in results].count("duplicate") == 3
    assert toy_desk.query(
        """select count(*) from (
             select accepted_at, lag(accepted_at) over (order by delivery_seq) as before
             from control.delivery where delivery_seq is not null) as pairs
           where accepted_at <= before"""
    ) == [(0,)]


def test_received_at_is_the_callers_and_accepted_at_is_not(toy_desk):
    when = dt.datetime(2021, 12, 3, 7, tzinfo=dt.UTC)
    result = toy_desk.deliver(
        "toy", "886_toy_snapshot_20211231.csv", as_csv(TOY_HEADER, things(2)), received_at=when
    )
    ((received, accepted),) = toy_desk.query(
        "select received_at, accepted_at from control.delivery"
    )
    assert received == when
    assert accepted > dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert "/20211203T070000000000_" in result.landing_path


def test_two_files_received_at_the_same_moment_have_a_place_each(toy_desk):
    when = dt.datetime(2021, 12, 3, 7, tzinfo=dt.UTC)
    content = as_csv(TOY_HEADER, things(2))
    results = [
        toy_desk.deliver("toy", "886_toy_snapshot_20211231.csv", content, received_at=when)
        for _ in range(2)
    ]
    assert len({result.landing_path for result in results}) == 2
    assert [result.status for result in results] == ["accepted", "duplicate"]
