"""Sealing, refusing, the chain, verification: and what a kill leaves behind."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from returns_county import person, tree

from neet.calendar import CalendarEnd
from neet.returns import files, package, signing
from neet.returns.package import ChainBroken, NotSealed, Refused
from neet.settings import Settings

pytestmark = pytest.mark.slow

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"


def seal(county, run, candidate):
    return package.seal(
        county.settings, county.gate, run, candidate, "A. Signer", "airflow_admin", "checked"
    )


def refuse(county, run, candidate):
    package.refuse(
        county.settings,
        county.gate,
        run,
        candidate,
        "R. Refuser",
        "airflow_admin",
        "NEET looks low",
    )


def packages(county) -> list[Path]:
    """Everything that looks like a package, drafts too."""
    return sorted(county.settings.packages.glob("886/*/*"))


def ledger(county) -> list[tuple]:
    return county.rows(
        """select census_point, outcome, chain_number, payload_sha256 from ledger.submission
           order by chain_number"""
    )


def next_point(point: str) -> str:
    year, month = map(int, point.split("-"))
    return f"{year + month // 12}-{month % 12 + 1:02}"


def test_a_signed_candidate_becomes_a_package(county):
    county.errors = [{"check_id": "32", "field": "Postcode", "value": "=1", "record_number": 1}]
    run, candidate = county.ready()
    payload = tree(candidate.directory / "payload")
    done = seal(county, run, candidate)
    assert not done.already_sealed and done.chain_number == 1
    assert done.package_path == county.settings.packages / "886" / "2021-12" / done.submission_id
    found = tree(done.package_path)
    assert sorted(found) == [
        "README.txt", "manifest.json", "manifest.json.sig", "manifest.pub",
        "payload/NCCIS_886_2021-12.xml", "payload/changes.csv", "payload/counts.json", "payload/errors.csv",
        "slice/cohort_month.csv", "slice/kpi_value.csv", "slice/return_record.csv",
    ]  # fmt: skip
    assert {
        f"payload/{name}": content for name, content in payload.items()
    }.items() <= found.items()
    assert package.verify(done.package_path) == []
    assert not candidate.directory.exists()
    assert all(
        not path.stat().st_mode & 0o222 for path in done.package_path.rglob("*") if path.is_file()
    )
    private = (county.settings.home / "keys" / "signing.key").read_bytes()
    assert not any(private.splitlines()[1] in content for content in found.values())


def test_the_manifest_says_who_what_when_and_from_which_deliveries(county):
    run, candidate = county.ready(known_seq=12)
    done = seal(county, run, candidate)
    manifest = json.loads((done.package_path / "manifest.json").read_bytes())
    assert manifest["sign_off"]["signed_by"] == "A. Signer"
    assert manifest["sign_off"]["answered_by"] == "airflow_admin"
    assert manifest["sign_off"]["reason"] == "checked"
    assert manifest["gate"]["decision_id"] == candidate.gate_decision_id
    assert (manifest["gate"]["rules_run"], manifest["gate"]["rules_not_applicable"]) == (55, 3)
    assert manifest["run"]["known_seq"] == 12
    assert manifest["run"]["known_at"] == run.known_at.isoformat()
    assert (manifest["run"]["code_version"], manifest["run"]["pack_version"]) == ("test", "2021-22")
    assert [(d["delivery_seq"], d["file_sha256"]) for d in manifest["deliveries"]] == county.rows(
        "select delivery_seq, file_sha256 from control.delivery where delivery_seq <= 12 order by 1"
    )
    assert len(manifest["deliveries"]) == 12
    assert manifest["chain"] == {
        "number": 1, "previous_submission_id": None, "previous_census_point": None,
        "previous_outcome": None, "last_sealed_submission_id": None, "last_sealed_manifest_sha256": None,
    }  # fmt: skip


def test_ledger_and_submitted_hold_what_was_sealed(county):
    run, candidate = county.ready()
    done = seal(county, run, candidate)
    assert county.rows(
        """select submission_id, la_code, census_point, outcome, chain_number, previous_submission_id,
                  package_path, payload_sha256, manifest_sha256, known_seq, signed_by
           from ledger.submission"""
    ) == [
        (
            done.submission_id, "886", "2021-12", "sealed", 1, None,
            f"packages/886/2021-12/{done.submission_id}", candidate.payload_sha256,
            files.sha256_of(done.package_path / "manifest.json"), run.known_seq, "A. Signer",
        )
    ]  # fmt: skip
    for table, count in (("cohort_month", 3), ("kpi_value", 3), ("return_record", 3)):
        assert county.rows(f"select count(*), min(submission_id) from submitted.{table}") == [
            (count, done.submission_id)
        ]
    assert county.rows(
        "select person_id, is_measured, academic_age, school_of_origin from submitted.cohort_month order by 1 limit 1"
    ) == [("person00001", True, 16, None)]
    assert county.rows(
        "select outcome, decided_by, answered_by, payload_sha256 from assurance.gate_decision where outcome <> 'passed'"
    ) == [("signed", "A. Signer", "airflow_admin", candidate.payload_sha256)]


def test_sealing_twice_is_one_submission(county):
    run, candidate = county.ready()
    first = seal(county, run, candidate)
    second = seal(county, run, candidate)
    assert second.already_sealed
    assert (second.submission_id, second.package_path) == (first.submission_id, first.package_path)
    run, candidate = county.ready(known_seq=22)
    third = seal(county, run, candidate)
    assert third.already_sealed and third.submission_id == first.submission_id
    assert not candidate.directory.exists()
    assert len(packages(county)) == 1 and len(ledger(county)) == 1
    assert county.rows("select count(*) from assurance.gate_decision where outcome = 'signed'") == [
        (1,)
    ]


def test_a_sealed_package_that_is_gone_is_not_made_anew(county):
    run, candidate = county.ready()
    first = seal(county, run, candidate)
    shutil.rmtree(first.package_path)
    with pytest.raises(NotSealed, match=f"Restore it from a backup.*{first.manifest_sha256}"):
        seal(county, *county.ready())
    assert packages(county) == []


def test_a_point_may_be_submitted_again_with_other_figures_and_back(county):
    people = county.people
    for known_seq, now in ((10, people), (11, people[:2]), (12, people)):
        county.people = now
        done = seal(county, *county.ready(known_seq=known_seq))
        assert not done.already_sealed
        assert package.verify(done.package_path) == []
    assert [row[:3] for row in ledger(county)] == [("2021-12", "sealed", n) for n in (1, 2, 3)]
    assert len({row[3] for row in ledger(county)}) == 2
    assert len(packages(county)) == 3


def test_a_blocked_gate_seals_nothing(county):
    run, candidate = county.ready(outcome="blocked")
    with pytest.raises(NotSealed, match="is 'blocked', not passed"):
        seal(county, run, candidate)
    assert packages(county) == [] and ledger(county) == []
    assert county.rows("select count(*) from assurance.gate_decision where outcome = 'signed'") == [
        (0,)
    ]


def test_a_gate_that_blocked_since_seals_nothing(county):
    run, candidate = county.ready()
    county.judge(run, "blocked")
    with pytest.raises(NotSealed, match="is 'blocked', not passed"):
        seal(county, run, candidate)
    assert packages(county) == []


def test_a_refusal_leaves_no_package_and_is_final(county):
    run, candidate = county.ready()
    refuse(county, run, candidate)
    assert not candidate.directory.exists() and packages(county) == [] and ledger(county) == []
    assert county.rows(
        "select decided_by, reason, payload_sha256 from assurance.gate_decision where outcome = 'refused'"
    ) == [("R. Refuser", "NEET looks low", candidate.payload_sha256)]
    again, same = county.ready(known_seq=20)
    with pytest.raises(Refused, match="refused by R. Refuser .*NEET looks low.*final"):
        seal(county, again, same)
    refuse(county, again, same)
    assert county.rows(
        "select count(*) from assurance.gate_decision where outcome = 'refused'"
    ) == [(1,)]
    assert packages(county) == [] and not same.directory.exists()
    county.people.append(person(4))
    assert seal(county, *county.ready(known_seq=21)).chain_number == 1


def test_what_is_sealed_can_no_longer_be_refused(county):
    run, candidate = county.ready()
    seal(county, run, candidate)
    with pytest.raises(NotSealed, match="can no longer be refused"):
        refuse(county, run, candidate)
    assert len(packages(county)) == 1


def test_points_are_sealed_in_order(county):
    later = county.ready("2022-01")
    with pytest.raises(ChainBroken, match="2021-12, is neither sealed nor recorded as not sent"):
        seal(county, *later)
    assert packages(county) == []
    first = seal(county, *county.ready("2021-12"))
    second = seal(county, *later)
    manifest = json.loads((second.package_path / "manifest.json").read_bytes())
    assert manifest["chain"] == {
        "number": 2, "previous_submission_id": first.submission_id,
        "previous_census_point": "2021-12", "previous_outcome": "sealed",
        "last_sealed_submission_id": first.submission_id,
        "last_sealed_manifest_sha256": first.manifest_sha256,
    }  # fmt: skip
    assert package.verify(second.package_path) == []


def test_the_ledger_begins_where_the_seed_says(county, monkeypatch):
    with pytest.raises(ChainBroken, match="begins with 2021-12"):
        seal(county, *county.ready("2021-11"))
    monkeypatch.setenv("NEET_LEDGER_START", "soon")
    with pytest.raises(ChainBroken, match="Nothing says at which census point"):
        seal(county, *county.ready("2021-12"))


def mark(county, point: str) -> str:
    return package.mark_not_sent(
        county.settings, county.gate, "886", point, "A. Signer", "system was down"
    )


def test_a_point_recorded_as_not_sent_lets_the_next_be_sealed(county):
    entry = mark(county, "2021-12")
    assert mark(county, "2021-12") == entry
    done = seal(county, *county.ready("2022-01"))
    assert [row[:3] for row in ledger(county)] == [
        ("2021-12", "not_sent", 1),
        ("2022-01", "sealed", 2),
    ]
    chain = json.loads((done.package_path / "manifest.json").read_bytes())["chain"]
    assert (chain["previous_submission_id"], chain["previous_outcome"]) == (entry, "not_sent")
    assert chain["last_sealed_manifest_sha256"] is None
    assert package.verify(done.package_path) == []
    mark(county, "2022-02")
    last = seal(county, *county.ready("2022-03"))
    chain = json.loads((last.package_path / "manifest.json").read_bytes())["chain"]
    assert chain["last_sealed_manifest_sha256"] == done.manifest_sha256
    assert package.verify(last.package_path) == []


def test_not_sent_keeps_to_the_order_and_to_the_truth(county):
    with pytest.raises(ChainBroken, match="neither sealed nor recorded"):
        mark(county, "2022-02")
    with pytest.raises(ValueError, match="2022-13"):
        mark(county, "2022-13")
    with pytest.raises(CalendarEnd):
        mark(county, "2199-01")
    seal(county, *county.ready("2021-12"))
    with pytest.raises(ChainBroken, match="was sealed"):
        mark(county, "2021-12")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "payload" / "errors.csv").write_text("nothing wrong"),
        lambda folder: (folder / "payload" / "counts.json").unlink(),
        lambda folder: (folder / "payload" / "more.txt").write_text("more"),
        lambda folder: (folder / "slice" / "kpi_value.csv").write_text("better figures"),
        lambda folder: (folder / "candidate.json").write_text("{}"),
        lambda folder: (folder / "candidate.json").unlink(),
        lambda folder: (folder / "payload" / "link").symlink_to("/etc/passwd"),
        lambda folder: shutil.rmtree(folder),
    ],
)
def test_what_was_not_shown_to_the_signer_is_not_sealed(county, change):
    run, candidate = county.ready()
    change(candidate.directory)
    with pytest.raises(NotSealed, match="Prepare it again"):
        seal(county, run, candidate)
    assert packages(county) == [] and ledger(county) == []
    assert county.rows("select count(*) from assurance.gate_decision where outcome = 'signed'") == [
        (0,)
    ]


def test_a_candidate_made_over_since_it_was_shown_is_not_sealed(county):
    run, shown = county.ready()
    county.people.append(person(4))
    county.build(run)
    package.prepare(county.settings, county.gate, run, shown.gate_decision_id)
    with pytest.raises(NotSealed, match="not what was prepared and shown.*another payload"):
        seal(county, run, shown)


def add_to_manifest(path: Path, **values) -> None:
    manifest = path / "manifest.json"
    content = json.loads(manifest.read_bytes()) | values
    manifest.chmod(0o640)
    manifest.write_bytes(files.json_bytes(content))


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o640)
    path.write_bytes(content)


TAMPERINGS = {
    "a changed return": (lambda p: overwrite(p / "payload/NCCIS_886_2021-12.xml", b"<NCCIS/>"), "NCCIS_886_2021-12.xml was changed"),
    "one byte": (lambda p: overwrite(p / "slice/kpi_value.csv", (p / "slice/kpi_value.csv").read_bytes()[:-1] + b" "), "kpi_value.csv was changed"),
    "a missing file": (lambda p: (p / "payload/errors.csv").unlink(), "errors.csv is missing"),
    "an added file": (lambda p: (p / "payload/NCCIS_886_2021-12 (corrected).xml").write_text("x"), "corrected.* is not in the manifest"),
    "a hidden file": (lambda p: (p / ".note").write_text("x"), ".note is not in the manifest"),
    "an empty folder": (lambda p: (p / "extra").mkdir(), "empty folder"),
    "a link": (lambda p: (p / "payload/more").symlink_to("/etc/passwd"), "neither a plain file"),
    "a linked manifest": (lambda p: ((p / "manifest.json").rename(p / "other"), (p / "manifest.json").symlink_to(p / "other")), "is a link"),
    "an edited manifest": (lambda p: add_to_manifest(p, la_code="887"), "not a signature over manifest.json"),
    "a reformatted manifest": (lambda p: overwrite(p / "manifest.json", (p / "manifest.json").read_bytes() + b"\n"), "not a signature"),
    "a broken manifest": (lambda p: overwrite(p / "manifest.json", b"{"), "not of the form"),
    "a manifest that is a list": (lambda p: overwrite(p / "manifest.json", b"[]"), "not of the form"),
    "a deep manifest": (lambda p: overwrite(p / "manifest.json", b"[" * 200_000), "not of the form"),
    "no manifest": (lambda p: (p / "manifest.json").unlink(), "manifest.json is missing"),
    "no signature": (lambda p: (p / "manifest.json.sig").unlink(), "manifest.json.sig is missing"),
    "no key": (lambda p: (p / "manifest.pub").unlink(), "manifest.pub is missing"),
    "another signature": (lambda p: overwrite(p / "manifest.json.sig", bytes(64)), "not a signature"),
    "a key that is none": (lambda p: overwrite(p / "manifest.pub", b"none"), "not a signature"),
}  # fmt: skip


@pytest.mark.parametrize("way", TAMPERINGS)
def test_tampering_is_found(county, way):
    done = seal(county, *county.ready())
    assert package.verify(done.package_path) == []
    tamper, message = TAMPERINGS[way]
    tamper(done.package_path)
    problems = package.verify(done.package_path)
    assert any(re.search(message, problem) for problem in problems), problems


def resign(path: Path, key) -> None:
    """What somebody can do who holds a signing key and edits a package."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    listed = [e for e in files.listing(path) if not e["path"].startswith("manifest")]
    payload = [
        e | {"path": e["path"].removeprefix("payload/")}
        for e in listed
        if e["path"].startswith("payload/")
    ]
    manifest |= {"files": listed}
    if manifest.pop("rehash", True):
        manifest["payload_sha256"] = files.payload_hash(payload)
        manifest["sign_off"]["payload_sha256"] = manifest["payload_sha256"]
        manifest["submission_id"] = package.ledger.submission_id(
            manifest["la_code"],
            manifest["census_point"],
            manifest["payload_sha256"],
            manifest["chain"]["number"],
        )
    content = files.json_bytes(manifest)
    overwrite(path / "manifest.json", content)
    overwrite(path / "manifest.json.sig", key.sign(content))
    overwrite(path / "manifest.pub", signing.public_pem(key))


def test_a_package_signed_with_another_key_is_found_where_ours_is_known(county, tmp_path):
    done = seal(county, *county.ready())
    resign(done.package_path, signing.signing_key(Settings.load(tmp_path / "elsewhere")))
    assert package.verify(done.package_path) == [
        "manifest.pub is not a key that this installation trusts"
    ]
    nowhere = tmp_path / "nowhere"
    assert package.verify(done.package_path, trusted_keys=nowhere) == []
    kept = county.settings.home / "keys" / "colleague.pub"
    kept.write_bytes((done.package_path / "manifest.pub").read_bytes())
    assert package.verify(done.package_path) == []


def change_json(path: Path, edit) -> None:
    content = json.loads(path.read_bytes())
    edit(content)
    overwrite(path, files.json_bytes(content))


INSIDER = {
    "fewer records than counted": (lambda p: change_json(p / "payload/counts.json", lambda c: c.update(records=4)), "counts.json says records 4"),
    "another status": (lambda p: change_json(p / "payload/counts.json", lambda c: c.update(records_by_cohort_status={"G": 3})), "records_by_cohort_status"),
    "another month": (lambda p: change_json(p / "payload/counts.json", lambda c: c.update(census_point="2021-11")), "counts.json is about census_point"),
    "another value": (lambda p: overwrite(p / "payload/NCCIS_886_2021-12.xml", (p / "payload/NCCIS_886_2021-12.xml").read_bytes().replace(b">210<", b">310<", 1)), "record 1 .* is not the one noted"),
    "a record less": (lambda p: overwrite(p / "slice/return_record.csv", b"".join((p / "slice/return_record.csv").read_bytes().splitlines(True)[:-1])), "record 3 .* is not the one noted"),
    "a record more": (lambda p: overwrite(p / "slice/return_record.csv", (p / "slice/return_record.csv").read_bytes() + b"886,2021-12,4,,,,,,,,,x\n"), "notes more records"),
    "an unreadable return": (lambda p: overwrite(p / "payload/NCCIS_886_2021-12.xml", b"<NCCIS>"), "cannot be read back"),
    "an element of no return": (lambda p: overwrite(p / "payload/NCCIS_886_2021-12.xml", (p / "payload/NCCIS_886_2021-12.xml").read_bytes().replace(b"<Town/>", b"<Town/><Shoe/>", 1)), "Shoe has no place"),
    "another period": (lambda p: overwrite(p / "payload/NCCIS_886_2021-12.xml", (p / "payload/NCCIS_886_2021-12.xml").read_bytes().replace(b"2021-12-31", b"2021-12-30", 1)), "says PeriodEnd 2021-12-30"),
    "a blocked gate": (lambda p: change_json(p / "manifest.json", lambda m: m["gate"].update(outcome="blocked")), "gate decision in the manifest is 'blocked'"),
    "a late delivery": (lambda p: change_json(p / "manifest.json", lambda m: m["run"].update(known_seq=0)), "came after the known time"),
    "no place in the chain": (lambda p: change_json(p / "manifest.json", lambda m: m["chain"].update(number=2)), "only the first submission of a chain"),
    "another format": (lambda p: change_json(p / "manifest.json", lambda m: m.update(format=2)), "format 2"),
    "another payload's sign-off": (lambda p: change_json(p / "manifest.json", lambda m: (m.update(rehash=False), m["sign_off"].update(payload_sha256="x"))), "sign-off is of another payload"),
    "another payload hash": (lambda p: change_json(p / "manifest.json", lambda m: m.update(rehash=False, payload_sha256="x")), "not the hash of the payload's files"),
    "another identity": (lambda p: change_json(p / "manifest.json", lambda m: m.update(rehash=False, submission_id="x")), "does not follow from"),
}  # fmt: skip


@pytest.mark.parametrize("way", INSIDER)
def test_whoever_holds_the_key_must_still_be_consistent(county, way):
    county.people = [person(n) for n in (1, 2, 3)]
    run, candidate = county.ready(known_seq=12)
    done = seal(county, run, candidate)
    edit, message = INSIDER[way]
    edit(done.package_path)
    resign(done.package_path, signing.signing_key(county.settings))
    problems = package.verify(done.package_path)
    assert any(re.search(message, problem) for problem in problems), problems


def test_the_chain_shows_when_an_earlier_package_was_made_over(county):
    first = seal(county, *county.ready("2021-12"))
    second = seal(county, *county.ready("2022-01"))
    key = signing.signing_key(county.settings)
    change_json(
        first.package_path / "manifest.json", lambda m: m["sign_off"].update(reason="other")
    )
    resign(first.package_path, key)
    assert package.verify(first.package_path) == []
    (problem,) = package.verify(second.package_path)
    assert "the chain is broken" in problem


def test_a_package_is_found_by_the_path_in_the_ledger_and_a_copy_stands_alone(county, tmp_path):
    seal(county, *county.ready("2021-12"))
    done = seal(county, *county.ready("2022-01"))
    ((path,),) = county.rows("select package_path from ledger.submission where chain_number = 2")
    assert not Path(path).is_absolute()
    assert package.verify(path) == []
    shutil.copytree(done.package_path, tmp_path / "copy")
    assert package.verify(tmp_path / "copy") == []
    assert package.verify(tmp_path / "absent") == [f"{tmp_path / 'absent'} is not a folder"]


def test_a_return_of_nobody_can_be_sealed(county):
    county.people = []
    done = seal(county, *county.ready())
    assert package.verify(done.package_path) == []


def test_a_signed_candidate_left_unfinished_stops_another_until_it_is_refused(county, monkeypatch):
    run, candidate = county.ready(known_seq=10)
    fail_at(monkeypatch, "submission")
    with pytest.raises(Killed):
        seal(county, run, candidate)
    (unfinished,) = packages(county)
    assert package.verify(unfinished) == [] and ledger(county) == []
    monkeypatch.undo()
    monkeypatch.setenv("NEET_LEDGER_START", "2021-12")
    county.people.append(person(4))
    other_run, other = county.ready(known_seq=11)
    with pytest.raises(NotSealed, match="signed and never finished"):
        seal(county, other_run, other)
    refuse(county, run, candidate)
    assert packages(county) == []
    assert seal(county, other_run, other).chain_number == 1


class Killed(BaseException):
    """Stands for the process's end where a test needs to stay alive."""


def fail_at(monkeypatch, kind: str) -> None:
    record = package.decisions.record

    def failing(settings, dsn, called_kind, *args, **values):
        if called_kind == kind:
            raise Killed
        return record(settings, dsn, called_kind, *args, **values)

    monkeypatch.setattr(package.decisions, "record", failing)


@pytest.mark.parametrize("kind", ["sign_off", "submission"])
def test_the_next_seal_makes_the_same_package(county, monkeypatch, kind):
    run, candidate = county.ready()
    with monkeypatch.context() as patch:
        fail_at(patch, kind)
        with pytest.raises(Killed):
            seal(county, run, candidate)
    left = {path.name: tree(path) for path in packages(county)}
    assert len(left) == (1 if kind == "submission" else 0)
    done = seal(county, run, candidate)
    if left:
        assert left == {done.submission_id: tree(done.package_path)}
    assert package.verify(done.package_path) == []
    assert len(ledger(county)) == 1


def die(county, run, candidate, last_call: int | str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, Path(__file__).with_name("seal_and_die.py"), run.to_json(), candidate.to_json(), str(last_call)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_killed_anywhere_the_next_seal_completes(county):
    """SIGKILL at random calls of a real seal; each time the next month's return is sealed."""
    run, candidate = county.ready("2021-12")
    whole = die(county, run, candidate, 0)
    assert whole.returncode == 0, whole.stderr
    calls = int(whole.stdout)
    chance = random.Random(5)
    point, left_behind = "2021-12", set()
    for trial in range(12):
        point = next_point(point)
        run, candidate = county.ready(point)
        # the last trial dies after the ledger, while tidying up
        at = chance.randrange(calls * trial // 12, calls * (trial + 1) // 12) + 1
        if trial == 11:
            at = "_remove_candidate"
        killed = die(county, run, candidate, at)
        assert killed.returncode == -9, killed.stderr
        standing = [
            p for p in packages(county) if p.parent.name == point and not p.name.startswith(".")
        ]
        sealed = [row for row in ledger(county) if row[0] == point]
        left_behind.add((bool(standing), bool(sealed)))
        assert len(standing) >= len(sealed)
        before = {path.name: tree(path) for path in standing}
        assert all(package.verify(path) == [] for path in standing)

        done = seal(county, run, candidate)
        assert before in ({}, {done.submission_id: tree(done.package_path)})
        assert package.verify(done.package_path) == []
        assert [row[:2] for row in ledger(county) if row[0] == point] == [(point, "sealed")]
        assert [p.name for p in packages(county) if p.parent.name == point] == [done.submission_id]
        assert county.rows(
            f"select count(*) from submitted.return_record where submission_id = '{done.submission_id}'"
        ) == [(3,)]
        assert not candidate.directory.exists()
    assert [row[2] for row in ledger(county)] == list(range(1, 14))
    assert {(False, False), (True, True)} <= left_behind
