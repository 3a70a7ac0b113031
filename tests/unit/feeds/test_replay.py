"""Rebuilding from landing alone gives what was there, and landing proves that it is whole."""

from __future__ import annotations

import json
import shutil

import pytest
from feed_desk import TOY, TOY_HEADER, as_csv, with_contracts

from neet import decisions
from neet.database import connect
from neet.feeds import landing, loading, replay
from neet.feeds.landing import LandingDamaged

pytestmark = pytest.mark.slow

RUN = {"run_id": "r1", "census_point": "2021-12", "known_seq": 7, "inputs": {"deliveries": [1, 2]}}


def rows(count: int, label: str = "thing", bad: int = 0) -> list[list]:
    return [[f"T{n:03d}", label, "2021-09-01", n, "1"] for n in range(count)] + [
        [f"B{n:03d}", label, "soon", n, "1"] for n in range(bad)
    ]


def decide(desk, kind: str, subject: str, body=None, files=None):
    role = "loader" if kind in ("release", "discard") else "gate"
    return decisions.record(
        desk.settings,
        desk.dsn[role],
        kind,
        "886",
        subject,
        body or {},
        "A. Manager",
        "because",
        files,
    )


def a_year(desk) -> None:
    """One of everything that can happen to a delivery."""
    desk.toy(rows(60), day="20210930")
    desk.toy(rows(60), day="20210930")  # duplicate
    desk.toy([["T001", 'a, "b"\nc', "", "", "", "U"], ["T002", "", "", "", "", "D"], ["T003", "", "x", "", "", "U"]], "delta", "20211008")  # fmt: skip
    desk.deliver("toy", "886_toy_snapshot_20211031.csv", b"PK\x03\x04")  # refused
    shrunk = desk.toy(rows(30), day="20211031")
    decide(desk, "release", shrunk.delivery_id)
    decide(desk, "waiver", "40", {"check_id": "40"})
    late = desk.toy(rows(60, "late"), day="20210831")
    decide(desk, "discard", late.delivery_id)
    many = desk.toy(rows(30, bad=9), day="20211130")
    decide(desk, "release", many.delivery_id)
    desk.toy(rows(30, "held for good"), day="20210731")
    desk.toy([*rows(29), ["", "no key", "", "", ""]], day="20211231")
    header = (
        "run_id,la_code,census_point,known_seq,suite,check_id,blocks,status,protects,owner_service,"
        "reason,how_to_mend\n"
    )
    results = header + "r1,886,2021-12,7,nccis,1,t,passed,x,MI,r,m\n"
    decide(desk, "gate_check", "2021-12", RUN | {"outcome": "passed"}, {"check_results.csv": results.encode()})  # fmt: skip
    decide(desk, "sign_off", "2021-12", RUN | {"outcome": "signed", "payload_sha256": "aa"})
    slices = {
        "cohort_month.csv": b"la_code,census_point,period_end,person_id,young_persons_id\n886,2021-12,2021-12-31,p,1\n",
        "kpi_value.csv": b"la_code,census_point,kpi_id,period_code,area_type,area_code,group_code,value\n886,2021-12,k,p,c,886,ALL,0.10\n",
        "return_record.csv": b"la_code,census_point,record_number,record_sha256\n886,2021-12,1,ab\n",
    }
    body = {"submission_id": "s1", "census_point": "2021-12", "package_path": "p", "payload_sha256": "aa",
            "manifest_sha256": "b", "known_seq": 7}  # fmt: skip
    decide(desk, "submission", "2021-12", body, slices)
    decide(desk, "not_sent", "2022-01", {"submission_id": "s2", "census_point": "2022-01"})
    desk.toy([], day="20220131")  # nil return, held
    desk.toy(rows(28, "new"), day="20220228")


def rebuild(twin, **more) -> int:
    return replay.rebuild(
        twin.settings, twin.dsn["owner"], twin.dsn["loader"], twin.dsn["gate"], **more
    )


def test_a_rebuild_gives_back_every_row(toy_desk, empty_twin):
    a_year(toy_desk)
    before = toy_desk.everything()
    assert {json.loads(row)["status"] for row in before["control.delivery"]} == {
        "accepted", "held", "refused", "duplicate",
    }  # fmt: skip
    files_before = sorted(path for path in toy_desk.settings.landing.rglob("*"))
    said: list[str] = []
    with empty_twin(toy_desk) as twin:
        count = rebuild(twin, say=said.append)
        after = twin.everything()
    assert count == len(before["control.delivery"]) == 19
    for table, expected in before.items():
        assert after[table] == expected, table
    assert set(after) == set(before)
    assert sum(map(len, before.values())) > 150
    assert sorted(path for path in toy_desk.settings.landing.rglob("*")) == files_before
    assert any("toy 2021-09-30 (delivery 1)" in line for line in said)


def test_a_rebuilt_warehouse_goes_on_where_the_old_one_stopped(toy_desk, empty_twin):
    a_year(toy_desk)
    with empty_twin(toy_desk) as twin:
        rebuild(twin)
        ((last,),) = twin.query("select max(delivery_seq) from control.delivery")
        result = twin.toy(rows(28, "newer"), day="20220331")
        assert (result.status, result.delivery_seq) == ("accepted", last + 1)
        (held,) = twin.query(
            "select delivery_id from control.delivery where status = 'held' and status_reason like 'snap%%'"
        )
        assert decide(twin, "release", held[0]).delivery_seq == last + 2


def test_a_rebuild_reads_by_the_contract_of_the_time(toy_desk, empty_twin, tmp_path):
    toy_desk.toy(rows(30, bad=2), day="20211130")
    before = toy_desk.everything()
    # since then: another form of date is accepted, a column is gone, another has come
    text = TOY.read_text().replace("id: toy\nname", "id: toy\ntenant: x\nname")
    text = text.replace("name: price", "name: worth").replace("version: 1.0.0", "version: 2.0.0")
    changed = with_contracts(toy_desk, tmp_path / "changed", {"toy": text})
    with empty_twin(changed) as twin:
        rebuild(twin)
        after = twin.everything()
    assert after["control.reject"] == before["control.reject"]
    assert after["control.delivery"] == before["control.delivery"]
    assert [json.loads(row)["price"] for row in after["raw.toy"]] == ["1"] * 30


def test_a_rebuild_wants_an_empty_database(toy_desk):
    toy_desk.toy(rows(5))
    with pytest.raises(replay.NotEmpty, match="holds 1 deliveries"):
        rebuild(toy_desk)


def test_nothing_in_landing_is_nothing_rebuilt(toy_desk, empty_twin):
    with empty_twin(toy_desk) as twin:
        assert rebuild(twin) == 0
    assert replay.verify_landing(toy_desk.settings) == []


def test_what_was_landed_and_never_decided_waits_for_the_next_ingest(toy_desk, empty_twin):
    toy_desk.toy(rows(5), day="20211130")
    file = toy_desk.file("886_toy_snapshot_20211231.csv", as_csv(TOY_HEADER, rows(6)))
    landing.land(toy_desk.settings, toy_desk.contract("toy"), file)
    with empty_twin(toy_desk) as twin:
        assert rebuild(twin) == 1
        (result,) = landing.recover(twin.settings, twin.dsn["loader"])
        assert (result.status, result.delivery_seq) == ("accepted", 2)


def folder_of(desk, pattern: str):
    (found,) = desk.settings.landing.glob(pattern)
    return found


def overwrite(path, data: bytes) -> None:
    path.chmod(0o640)
    path.write_bytes(data)


DAMAGES = {
    "a delivered file": lambda folder: overwrite(
        next(folder.glob("*.csv")), next(folder.glob("*.csv")).read_bytes().replace(b"thing", b"thong")
    ),
    "a file gone": lambda folder: next(folder.glob("*.csv")).unlink(),
    "a receipt gone": lambda folder: (folder / "received.json").unlink(),
    "a receipt of another": lambda folder: overwrite(
        folder / "received.json", (folder / "received.json").read_bytes().replace(b'"886"', b'"887"').replace(b"toy-2", b"toy-3")
    ),
    "a receipt that is no JSON": lambda folder: overwrite(folder / "received.json", b"{"),
    "a sidecar that is no JSON": lambda folder: overwrite(folder / "accepted.json", b""),
    "a sidecar of another status": lambda folder: overwrite(folder / "accepted.json", b'{"status": "held"}'),
    "a folder gone": lambda folder: shutil.rmtree(folder),
    "a stranger": lambda folder: (folder / "notes.txt").write_text("x"),
    "the contract": lambda folder: [
        overwrite(path, path.read_bytes() + b"#") for path in folder.parents[3].glob(".contracts/toy/*")
    ],
    "the contract gone": lambda folder: shutil.rmtree(folder.parents[3] / ".contracts"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_landing_stops_the_rebuild_and_is_named(toy_desk, empty_twin, damage):
    toy_desk.toy(rows(5), day="20211130")
    toy_desk.toy(rows(6), day="20211231")
    folder = folder_of(toy_desk, "toy/886/2021-11-30/*")
    DAMAGES[damage](folder)
    problems = replay.verify_landing(toy_desk.settings)
    assert problems
    with empty_twin(toy_desk) as twin:
        with pytest.raises(LandingDamaged) as error:
            rebuild(twin)
        assert error.value.problems == problems
        assert twin.query("select count(*) from control.delivery") == [(0,)]
    if damage not in ("a folder gone",) and "contract" not in damage:
        assert any("toy/886/2021-11-30/" in problem for problem in problems)
    assert "Restore these from a backup" in str(error.value)


def test_a_changed_decision_is_found_out(toy_desk):
    decide(toy_desk, "waiver", "40", {"check_id": "40"})
    file = folder_of(toy_desk, "decision.waiver/886/*/*/decision.json")
    overwrite(file, file.read_bytes().replace(b'"40"', b'"41"'))
    (problem,) = replay.verify_landing(toy_desk.settings)
    assert "decision.json was changed" in problem


def test_a_sidecar_with_other_counts_stops_the_rebuild(toy_desk, empty_twin):
    result = toy_desk.toy(rows(5))
    file = toy_desk.settings.landing / result.landing_path / "accepted.json"
    overwrite(file, file.read_bytes().replace(b'"rows_loaded": 5', b'"rows_loaded": 4'))
    with empty_twin(toy_desk) as twin:
        with pytest.raises(loading.ReplayDiffers, match="rows_loaded: 4 then, 5 now"):
            rebuild(twin)
        assert twin.query("select count(*) from raw.toy") == [(0,)]


def test_two_deliveries_under_one_number_are_found_out(toy_desk):
    for day in ("20211130", "20211231"):
        toy_desk.toy(rows(5), day=day)
    file = folder_of(toy_desk, "toy/886/2021-12-31/*/accepted.json")
    overwrite(file, file.read_bytes().replace(b'"delivery_seq": 2', b'"delivery_seq": 1'))
    assert any("both are delivery 1" in p for p in replay.verify_landing(toy_desk.settings))


def test_an_older_copy_of_the_database_catches_up_before_anything_new(toy_desk, empty_twin):
    """As after restoring last night's dump: landing knows more than the database."""
    toy_desk.toy(rows(5), day="20210930")
    with empty_twin(toy_desk) as twin:
        rebuild(twin)  # last night's
        a_day_later = [
            toy_desk.toy(rows(6), day="20211031"),
            toy_desk.toy(rows(6), day="20211031"),
            toy_desk.toy(rows(7), day="20210831"),
        ]
        assert [r.status for r in a_day_later] == ["accepted", "duplicate", "held"]
        release = decisions.record(
            toy_desk.settings, toy_desk.dsn["loader"], "release", "886", a_day_later[2].delivery_id, {}, "x", "y",
        )  # fmt: skip
        assert release.delivery_seq == 3
        before = toy_desk.everything()
        result = twin.toy(rows(8), day="20211130")
        assert result.delivery_seq == 5
        after = twin.everything()
    assert len(after["control.delivery"]) == len(before["control.delivery"]) + 1
    assert set(before["control.delivery"]) < set(after["control.delivery"])
    assert set(before["raw.toy"]) < set(after["raw.toy"])


def test_a_landing_that_lacks_what_came_before_is_not_guessed_at(toy_desk, empty_twin):
    for day in ("20210930", "20211031", "20211130"):
        toy_desk.toy(rows(5), day=day)
    shutil.rmtree(folder_of(toy_desk, "toy/886/2021-10-31/*"))
    with empty_twin(toy_desk) as twin:
        with pytest.raises(LandingDamaged, match="is number 3, but the database stands at 1"):
            twin.toy(rows(9), day="20211231")
        with connect(twin.dsn["loader"]) as connection:
            (count,) = connection.execute("select count(*) from raw.toy").fetchone()
        assert count == 5, "what is certain was brought back"
