"""Replay of single deliveries: identical when nothing was touched, and every touch is named."""

from __future__ import annotations

import hashlib
import json

import pytest
from click.testing import CliRunner
from test_replay import a_year, rows

from neet.cli import main
from neet.database import connect
from neet.feeds import audit, landing, loading

pytestmark = pytest.mark.slow


@pytest.fixture
def year(toy_desk, monkeypatch):
    """One of everything that can happen to a delivery, and the settings as the command finds them."""
    a_year(toy_desk)
    return toy_desk


def change(desk, statement: str, *parameters) -> int:
    with connect(desk.dsn["owner"]) as owner:
        return owner.execute(statement, parameters).rowcount


def of(desk, condition: str) -> str:
    ((found,),) = desk.query(f"select delivery_id from control.delivery where {condition}")
    return found


def folder(desk, delivery_id: str):
    ((path,),) = desk.query(
        "select landing_path from control.delivery where delivery_id = %s", delivery_id
    )
    return desk.settings.landing / path


def test_everything_is_identical_and_nothing_is_changed(year):
    before = year.everything()
    files = {path: path.stat().st_mtime_ns for path in year.settings.landing.rglob("*")}
    found = audit.audit_all(year.settings)
    assert found.is_identical, found
    assert found.deliveries == 19
    assert found.rows >= sum(
        len(rows) for table, rows in before.items() if table.startswith("raw.")
    )
    assert year.everything() == before
    assert {path: path.stat().st_mtime_ns for path in year.settings.landing.rglob("*")} == files


def test_each_is_compared_row_by_row(year):
    for delivery_id, loaded, closed, rejected, status in year.query(
        "select delivery_id, rows_loaded, rows_closed, rows_rejected, status from control.delivery where mode <> 'decision'"
    ):
        found = audit.audit(year.settings, delivery_id)
        assert (found.is_identical, found.rejects, found.status) == (True, rejected, status)
        assert found.rows >= (loaded if status == "accepted" else 0)
        assert status != "accepted" or loaded + closed == 0 or found.rows > 0


TOUCHED = {
    "a value": ("update raw.toy set label = 'forged' where delivery_seq = 1 and row_key = 'T007'",
                "row 'T007' (line 9) differs in label"),
    "a hash": ("update raw.toy set row_hash = 'x' where delivery_seq = 1 and row_key = 'T007'", "differs in row_hash"),
    "an operation": ("update raw.toy set operation = 'D' where delivery_seq = 1 and row_key = 'T007'", "differs in operation"),
    "a row gone": ("delete from raw.toy where delivery_seq = 1 and row_key = 'T007'", "row 'T007' (line 9) is missing"),
    "a row more": ("insert into raw.toy (la_code, provider, period, row_key, row_hash, operation, delivery_seq, line_number) "
                   "values ('886', '886', 'p', 'ZZZ', 'h', 'U', 1, 5)", "row 'ZZZ' (line 5) is not what the file brought"),
    "a count": ("update control.delivery set rows_unchanged = 1, rows_in = rows_in + 1 where delivery_seq = 1",
                "rows_unchanged is 1; accepted.json says 0"),
    "a moment": ("update control.delivery set accepted_at = accepted_at + interval '1 second' where delivery_seq = 1",
                 "accepted_at is"),
    "a name": ("update control.delivery set file_name = 'other.csv' where delivery_seq = 1", "the receipt says"),
}  # fmt: skip


@pytest.mark.parametrize("touched", TOUCHED)
def test_whatever_is_touched_in_the_warehouse_is_named(toy_desk, touched):
    toy_desk.toy(rows(60), day="20210930")
    delivery_id = of(toy_desk, "delivery_seq = 1")
    assert audit.audit(toy_desk.settings, delivery_id).is_identical
    statement, words = TOUCHED[touched]
    assert change(toy_desk, statement) == 1
    found = audit.audit(toy_desk.settings, delivery_id)
    assert any(words in line for line in found.differences), found.differences
    assert [one.delivery_id for one in audit.audit_all(toy_desk.settings).differing] == [
        delivery_id
    ]


def test_a_touched_reject_is_named(year):
    delivery_id = of(year, "rows_rejected = 9 and status = 'accepted'")
    assert change(
        year,
        "update control.reject set value = 'x' where delivery_id = %s and reject_number = 3",
        delivery_id,
    )
    assert any(
        "reject 3" in line and "differs in value" in line
        for line in audit.audit(year.settings, delivery_id).differences
    )
    change(
        year, "delete from control.reject where delivery_id = %s and reject_number = 9", delivery_id
    )
    assert (
        "control.reject holds 8 rejects; its file has 9"
        in audit.audit(year.settings, delivery_id).differences
    )


def test_a_touched_decision_is_named(year):
    waiver = of(year, "feed = 'decision.waiver'")
    change(year, "update control.decision set reason = 'other' where decision_id = %s", waiver)
    (line,) = audit.audit(year.settings, waiver).differences
    assert "reason is 'other'; decision.json says 'because'" in line
    check = of(year, "feed = 'decision.gate_check'")
    change(year, "delete from assurance.check_result")
    (line,) = audit.audit(year.settings, check).differences
    assert line == "assurance.check_result holds 0 rows of check_results.csv, which has 1"


def test_many_differing_rows_are_counted_and_the_first_named(toy_desk):
    toy_desk.toy(rows(60), day="20210930")
    change(toy_desk, "update raw.toy set label = 'forged'")
    found = audit.audit(toy_desk.settings, of(toy_desk, "delivery_seq = 1")).differences
    assert len(found) == audit.SHOWN + 1 and found[-1] == "raw.toy: and 40 more rows differ"


def test_a_tampered_file_is_found_and_named(year):
    delivery_id = of(year, "delivery_seq = 1")
    place = folder(year, delivery_id)
    (file,) = place.glob("*.csv")
    file.chmod(0o640)
    file.write_bytes(file.read_bytes().replace(b"thing", b"thinG", 1))
    (line,) = audit.audit(year.settings, delivery_id).differences
    assert file.name in line and "was changed" in line
    found = audit.audit_all(year.settings)
    assert [one.delivery_id for one in found.differing] == [delivery_id]


def test_what_landing_or_the_warehouse_alone_knows_is_named(year):
    delivery_id = of(year, "delivery_seq = 1")
    stray = year.settings.landing / "toy" / "886" / "2021-09-30" / "stray"
    stray.mkdir()
    place = folder(year, of(year, "status = 'held'" + " and period = '2021-07-31'"))
    (place / "received.json").unlink()
    change(
        year,
        "insert into raw.toy (la_code, provider, period, row_key, row_hash, operation, delivery_seq) values ('886', 'x', 'p', 'k', 'h', 'U', 999)",
    )
    found = audit.audit_all(year.settings)
    assert any("stray has no received.json" in line for line in found.elsewhere)
    assert any("under number 999" in line for line in found.elsewhere)
    (held,) = found.differing
    assert "received.json cannot be read" in held.differences[0]
    assert audit.audit(year.settings, delivery_id).is_identical
    with pytest.raises(audit.NoSuchDelivery, match="neither in control.delivery nor in landing"):
        audit.audit(year.settings, "no-such")


def test_a_landed_file_that_nobody_decided_on_is_told(toy_desk):
    landed = landing.land(
        toy_desk.settings,
        toy_desk.contract("toy"),
        toy_desk.file("886_toy_snapshot_20211031.csv", "ItemID\n"),
    )
    found = audit.audit(toy_desk.settings, landed.delivery_id)
    assert found.status == "undecided" and "the next ingest decides on it" in found.differences[0]


def test_a_loader_that_reads_otherwise_is_noticed(toy_desk, monkeypatch):
    """Today's code against yesterday's decision: what the audit is for."""
    toy_desk.toy(rows(60), day="20210930")
    compare = loading._Load._compare

    def careless(self, read):
        read.texts[0] = read.texts[0].replace("thing", "THING")
        compare(self, read)

    monkeypatch.setattr(loading._Load, "_compare", careless)
    (line,) = audit.audit(toy_desk.settings, of(toy_desk, "delivery_seq = 1")).differences
    assert "differs in label" in line


def test_the_contract_of_that_time_is_used(toy_desk):
    toy_desk.toy(rows(60), day="20210930")
    path = toy_desk.settings.expectations / "feeds" / "toy.yml"
    path.write_text(path.read_text().replace("physicalName: Label", "physicalName: Caption"))
    assert audit.audit(toy_desk.settings, of(toy_desk, "delivery_seq = 1")).is_identical


def test_into_a_folder(year, tmp_path):
    delivery_id = of(year, "rows_rejected = 9 and status = 'accepted'")
    change(
        year,
        "update raw.toy set row_hash = 'x' where row_key = 'B001' and delivery_seq = (select delivery_seq from control.delivery where delivery_id = %s)",
        delivery_id,
    )
    place = tmp_path / "scratch"
    found = audit.audit(year.settings, delivery_id, place)
    assert (place / "differences.txt").read_text().splitlines() == list(
        found.differences
    ) or found.is_identical
    lines = (place / "rows.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == found.rows + 1 and lines[0].startswith("la_code,provider,period,row_key")
    assert len((place / "rejects.csv").read_text().splitlines()) == 10
    with pytest.raises(FileExistsError):
        audit.audit(year.settings, delivery_id, place)


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_the_command(toy_desk, monkeypatch):
    toy_desk.toy(rows(60), day="20210930")
    delivery_id = of(toy_desk, "delivery_seq = 1")
    done = run("replay", delivery_id)
    assert done.exit_code == 0 and "identical (60 rows and 0 rejects compared)" in done.output
    done = run("replay", "--all")
    assert done.exit_code == 0 and "1 deliveries and decisions, 60 rows: identical." in done.output
    change(toy_desk, "update raw.toy set label = 'forged' where row_key = 'T007'")
    done = run("replay", delivery_id)
    assert done.exit_code == 1 and "DIFFERS" in done.output and "differs in label" in done.output
    done = run("--json", "replay", "--all")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["differing"][0]["delivery_id"] == delivery_id
    assert run("replay").exit_code == 2
    assert run("replay", delivery_id, "--all").exit_code == 2
    assert run("replay", "nix").exit_code == 2


def test_a_forger_who_also_mends_the_receipt_is_found(year):
    """The warehouse knows the hash of the file it loaded, and of the decision it recorded."""
    delivery_id, waiver = of(year, "delivery_seq = 1"), of(year, "feed = 'decision.waiver'")
    for name, old, new in ((delivery_id, b"thing", b"thinG"), (waiver, b"because", b"forgery")):
        place = folder(year, name)
        receipt = json.loads((place / "received.json").read_text())
        file = place / receipt["stored_name"]
        file.chmod(0o640)
        file.write_bytes(file.read_bytes().replace(old, new, 1))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        receipt["files"][file.name] = digest
        if name == delivery_id:
            receipt["sha256"] = digest
        (place / "received.json").write_text(json.dumps(receipt))
    assert any(
        "file_sha256 is" in line for line in audit.audit(year.settings, delivery_id).differences
    )
    assert any(
        "decision.json was changed" in line
        for line in audit.audit(year.settings, waiver).differences
    )
    assert {one.delivery_id for one in audit.audit_all(year.settings).differing} == {
        delivery_id,
        waiver,
    }


def test_one_that_cannot_be_read_again_does_not_stop_the_others(toy_desk):
    toy_desk.toy(rows(60), day="20210930")
    first = of(toy_desk, "delivery_seq = 1")
    path = toy_desk.settings.expectations / "feeds" / "toy.yml"
    path.write_text(path.read_text().replace("What it costs", "What it cost"))
    toy_desk.toy(rows(60, "other"), day="20211031")
    kept = toy_desk.settings.landing / ".contracts" / "toy"
    ((sha256,),) = [
        [json.loads((folder(toy_desk, first) / "accepted.json").read_text())["contract_sha256"]]
    ]
    (kept / f"{sha256}.yml").chmod(0o640)
    (kept / f"{sha256}.yml").write_text("forged")
    found = audit.audit_all(toy_desk.settings)
    assert (found.deliveries, [one.delivery_id for one in found.differing]) == (2, [first])
    assert f"{sha256}.yml is not what its name says" in found.differing[0].differences[0]
    change(toy_desk, "drop table raw.toy")
    assert any(
        "lacks a table" in line
        for line in audit.audit(toy_desk.settings, of(toy_desk, "delivery_seq = 2")).differences
    )
