"""What is read before the delivery lock is held: nobody waits for it, and it changes nothing."""

from __future__ import annotations

import contextlib
import random
import shutil

import pytest
from feed_desk import TOY_HEADER, as_csv, with_contracts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_reading import CONTRACT, Read

from neet import progress
from neet.database import DELIVERY_LOCK, connect
from neet.feeds import ingest, landing, loading, reading
from neet.feeds.profile import profile


def rows(count: int, **labels: str) -> list[list]:
    return [
        [f"T{n:05d}", labels.get(f"T{n:05d}", f"thing {n}"), "2021-09-01", n, "1.5"]
        for n in range(count)
    ]


@contextlib.contextmanager
def once_before(owner, name: str, act):
    """Do something the first time ``owner.name`` is called, before it."""
    original = getattr(owner, name)

    def first(*arguments, **named):
        setattr(owner, name, original)
        act()
        return original(*arguments, **named)

    setattr(owner, name, first)
    try:
        yield
    finally:
        setattr(owner, name, original)


def test_nobody_waits_while_a_file_is_read(toy_desk):
    toy_desk.toy(rows(50), day="20211130")
    free = []

    def look():
        with connect(toy_desk.dsn["loader"], autocommit=True) as other:
            free.append(
                other.execute("select pg_try_advisory_lock(%s)", [DELIVERY_LOCK]).fetchone()[0]
            )

    with once_before(loading._Load, "_compare", look):
        assert toy_desk.toy(rows(50, T00001="other")).rows_loaded == 1
    assert free == [True]


def test_what_was_accepted_meanwhile_is_compared_with(toy_desk):
    toy_desk.toy(rows(50), day="20211130")

    def meanwhile():
        done = toy_desk.toy([[*rows(2, T00001="new")[1], "U"]], mode="delta", day="20211201")
        assert done.rows_loaded == 1

    with once_before(loading, "_lock", meanwhile):
        result = toy_desk.toy(rows(50, T00001="new", T00002="new"))
    assert (result.rows_loaded, result.rows_unchanged) == (1, 49)
    assert toy_desk.query("select count(*) from raw.toy") == [(52,)]


def test_a_file_that_is_being_read_is_left_to_its_reader(toy_desk):
    found = []
    with once_before(
        loading._Load,
        "_compare",
        lambda: found.append(ingest.ingest_inbox(toy_desk.settings, toy_desk.dsn["loader"])),
    ):
        result = toy_desk.toy(rows(50))
    assert found == [[]]
    assert (result.status, result.delivery_seq) == ("accepted", 1)


def test_a_file_that_another_process_took_is_decided_once(toy_desk):
    """Between landing and claiming it, another process' recovery may be quicker."""
    contract = toy_desk.contract("toy")
    file = toy_desk.file("886_toy_snapshot_20211231.csv", as_csv(TOY_HEADER, rows(5)))
    landed = landing.land(toy_desk.settings, contract, file)
    (first,) = landing.recover(toy_desk.settings, toy_desk.dsn["loader"])
    second = loading.load(toy_desk.settings, toy_desk.dsn["loader"], contract, landed)
    assert first == second and first.rows_loaded == 5


@pytest.mark.parametrize("prepared", [0, 300, 1 << 24])
@pytest.mark.parametrize("looked_up", [0, 1 << 24])
def test_however_much_is_prepared_the_rows_are_the_same(toy_desk, monkeypatch, prepared, looked_up):
    monkeypatch.setattr(loading, "PREPARED_CHARACTERS", prepared)
    monkeypatch.setattr(loading, "SMALL_DELTA_BYTES", looked_up)
    monkeypatch.setattr(loading, "KEYS_AT_ONCE", 7)
    monkeypatch.setattr(reading, "BLOCK_CHARACTERS", 100)
    toy_desk.toy(rows(40), day="20211101")
    changes = {"T00003": "two\nlines", "T00020": 'a "quoted" one', "T00030": "x, y"}
    second = toy_desk.toy(rows(38, **changes), day="20211102")
    assert (second.rows_loaded, second.rows_unchanged, second.rows_closed) == (3, 35, 2)
    delta = [
        [*rows(1, T00000="by delta")[0], "U"],
        [*rows(4, **changes)[3], "U"],  # as it is
        ["T00005", "", "", "", "", "D"],
        ["T00039", "", "", "", "", "D"],  # closed already
        ["T00090", "", "", "", "", "D"],  # never known
        ["T00091", "new", "", "", "", "U"],
        ["T00006", "", "31/02/2021", "", "", "U"],  # unreadable: T00006 becomes stale
    ]
    third = toy_desk.toy(delta, mode="delta", day="20211103")
    assert (third.rows_loaded, third.rows_unchanged, third.rows_rejected) == (3, 3, 1)
    assert third.rows_closed == 1
    now = toy_desk.current("toy", "label")
    expected = {row[0]: ("U", row[1]) for row in rows(38, **changes)}
    expected |= {"T00000": ("U", "by delta"), "T00091": ("U", "new"), "T00006": ("S", "thing 6")}
    del expected["T00005"]
    assert now == expected
    fourth = toy_desk.toy(rows(38), day="20211104")
    # the three changed labels, the one by delta, the deleted row and the stale one come again
    assert (fourth.rows_loaded, fourth.rows_unchanged, fourth.rows_closed) == (6, 32, 1)


def test_a_row_is_parsed_again_when_a_contract_has_become_stricter(toy_desk, tmp_path):
    toy_desk.toy([*rows(20), ["T1", "2021-09-01", "", "", ""]], day="20211130")
    text = toy_desk.contract("toy").text
    label = text.index("name: label")
    stricter = text[:label] + text[label:].replace("logicalType: string", "logicalType: integer", 1)
    desk = with_contracts(toy_desk, tmp_path / "stricter", {"toy": stricter})
    after = desk.toy([*rows(20), ["T1", "2021-09-01", "", "", ""]])
    assert after.status == "held" and after.rows_rejected == 21
    assert desk.contract("toy").reads_alike(desk.contract("toy"))
    assert not desk.contract("toy").reads_alike(toy_desk.contract("toy"))


def test_a_row_that_comes_again_is_not_parsed_again(toy_desk, monkeypatch):
    toy_desk.toy(rows(300), day="20211130")
    parsed = []
    readable = reading.CsvReading._are_readable
    monkeypatch.setattr(
        reading.CsvReading,
        "_are_readable",
        lambda self, texts: parsed.extend(texts) or readable(self, texts),
    )
    assert toy_desk.toy(rows(300, T00007="other")).rows_unchanged == 299
    assert [text.split(reading.SEPARATOR)[0] for text in parsed] == ["T00007"]


def test_a_county_with_three_unreadable_rows_and_a_repeated_key(toy_desk):
    """52,000 rows: what is wrong is found in its line, everything else is loaded."""
    many = rows(52_000)
    many[100][3] = "many"
    many[30_000][2] = "31/02/2021"
    many[51_000][4] = "1,5"
    many[40_000] = [*many[20_000]]
    many[41_000] = ["T20001", "somebody else", "", "", ""]
    chance = random.Random(3)
    first = toy_desk.toy(many, day="20211130")
    assert (first.rows_in, first.rows_loaded, first.rows_rejected) == (52_000, 51_995, 5)
    assert toy_desk.rejects(first.delivery_id, "line_number, column_name, rule") == [
        (102, "Size", "not_an_integer"),
        (30_002, "MadeOn", "not_a_date"),
        (40_002, "ItemID", "duplicate_row"),
        (41_002, "ItemID", "duplicate_key"),
        (51_002, "Price", "not_a_number"),
    ]
    changed = chance.sample(range(52_000), 2_600)
    second = rows(52_000, **{f"T{n:05d}": "changed" for n in changed})
    result = toy_desk.toy(second)
    new = {100, 30_000, 40_000, 41_000, 51_000} - set(changed)
    assert result.rows_loaded == 2_600 + len(new)
    assert result.rows_in == result.rows_loaded + result.rows_unchanged


def test_a_long_load_says_how_far_it_is(toy_desk, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    lines = []
    file = toy_desk.file("886_toy_snapshot_20211231.csv", as_csv(TOY_HEADER, rows(5_000)))
    landing.receive(toy_desk.settings, toy_desk.dsn["loader"], "toy", file, say=lines.append)
    assert any("reading and comparing, 5,000 rows, 100%" in line for line in lines), lines
    assert progress.running(toy_desk.settings) == []
    shutil.rmtree(toy_desk.settings.run)


LABELS = ["", "x", "a, b", 'say "no"', "two\nlines", " y ", "é"]


@st.composite
def files(draw):
    """A file with quotes here and there, in another order of columns, as a snapshot or a delta."""
    mode = draw(st.sampled_from(["snapshot", "delta"]))
    header = [*TOY_HEADER, "Remarks", "More"]
    if mode == "delta":
        header.append("Operation")
    order = draw(st.permutations(range(len(header))))
    lines = []
    for number in range(draw(st.integers(0, 12))):
        row = [f"T{number}", draw(st.sampled_from(LABELS)), "2021-09-01", "3", "1.5", "", ""]
        if draw(st.integers(0, 9)) == 0:
            row[draw(st.integers(0, 6))] = draw(st.sampled_from(["T1", "12/09/2021", " ", "z"]))
        if mode == "delta":
            row.append(draw(st.sampled_from(["U", "u", "U", "U", "D", "?"])))
        lines.append([row[place] for place in order])
    return mode, as_csv([header[place] for place in order], lines)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=files(), size=st.integers(1, 150))
def test_by_blocks_or_row_by_row_whatever_the_columns(tmp_path_factory, file, size):
    mode, content = file
    path = tmp_path_factory.getbasetemp() / "either.csv"
    results = []
    for by_row, characters in ((False, 1 << 15), (True, 1 << 15), (False, size)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "BLOCK_CHARACTERS", characters)
            if by_row:
                patch.setattr(reading.CsvReading, "_at_once", lambda *_: None)
            found = Read(path, content, mode)
        results.append(
            (found.rows, found.rejects, found.rows_in, found.warnings, found.unreadable_keys)
        )
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("mode", ["snapshot", "delta"])
def test_plain_quotes_and_other_columns_are_read_by_blocks(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(
        reading.CsvReading, "_one", lambda *_: pytest.fail("a plain row was looked at by itself")
    )
    header = ["Label", "ItemID", "MadeOn", "Size", "Price", "Remarks"]
    lines = [
        [f"thing, {n}" if n % 3 else "", f"T{n}", "2021-09-01", n, "1.5", ""] for n in range(900)
    ]
    if mode == "delta":
        header.append("Operation")
        lines = [[*line, "U"] for line in lines]
    found = Read(tmp_path / "file.csv", as_csv(header, lines), mode)
    assert len(found.rows) == 900
    assert found.values["T1"] == ["T1", "thing, 1", "2021-09-01", "1", "1.5"]
    assert CONTRACT.columns[0].name == "item_id"


def test_composite_keys_are_the_same_by_blocks_and_row_by_row(toy_desk, tmp_path, monkeypatch):
    text = toy_desk.contract("toy").text
    made = text.index("name: label")
    key = "primaryKey: true\n        primaryKeyPosition: 2\n        required: true\n        "
    place = text.index("classification", made)
    desk = with_contracts(toy_desk, tmp_path / "two", {"toy": text[:place] + key + text[place:]})
    contract = desk.contract("toy")
    assert [column.name for column in contract.key] == ["item_id", "label"]
    labels = ["plain", "with|bar", "back\\slash", "\\|", "|"]
    content = as_csv(
        TOY_HEADER,
        [
            [f"T{n}|" if n % 4 == 3 else f"T{n}", label, "", "", ""]
            for n, label in enumerate(labels * 9)
        ],
    )
    found = []
    for by_row in (False, True):
        if by_row:
            monkeypatch.setattr(reading.CsvReading, "_at_once", lambda *_: None)
        else:
            one = reading.CsvReading._one
            monkeypatch.setattr(reading.CsvReading, "_one", lambda *_: pytest.fail("row by row"))
        path = tmp_path / "keys.csv"
        path.write_text(content)
        opened = reading.open_file(path, contract, contract.layouts[0], "snapshot", profile(path))
        found.append([row for rows in opened.blocks() for row in rows])
        opened.close()
        monkeypatch.setattr(reading.CsvReading, "_one", one)
    assert found[0] == found[1] and len(found[0]) == 45
    assert found[0][1][1] == "T1|with\\|bar"
