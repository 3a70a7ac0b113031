"""The whole path through a real scheduler: files in, marts equal to the truth, a gate that catches, a sealed return.

The truth is written by the generator from what it simulated, never from the files it exported, and shares no
code with the warehouse.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from pathlib import Path

import pytest

from neet import database, rebuilding
from neet.services import census_run, demo
from synthetic_county import Config, generate

pytestmark = pytest.mark.services

PEOPLE = 300
SEEDS = (  # none of them was looked at while the generator or the models were written
    pytest.param(31, marks=pytest.mark.system),
    pytest.param(47, marks=pytest.mark.system),
    59,
)
FIRST, SECOND = "2021-12", "2022-01"


def empty(installation) -> None:
    """An installation with nothing in it: what a new authority starts from."""
    settings = installation.settings
    dsn = {role: settings.dsn(role) for role in ("owner", "builder", "gate")}
    rebuilding.drop_everything(dsn)
    for folder in (settings.landing, settings.inbox, settings.packages, settings.data_docs):
        shutil.rmtree(folder, ignore_errors=True)
    database.migrate(dsn["owner"])


def county(folder: Path, seed: int, defects: str = "none") -> tuple[Path, list[dict]]:
    out = folder / f"county-{seed}-{defects}"
    generate(
        Config(
            people=PEOPLE,
            seed=seed,
            first_month="2021-09",
            last_month=SECOND,
            first_point=FIRST,
            defects=defects,
            out=out,
        )
    )
    return out, rows(out / "schedule.csv")


def rows(file: Path) -> list[dict]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def query(installation, text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(installation.neet("sql", text).stdout)))


def deliver_point(installation, out: Path, schedule: list[dict], point: str) -> None:
    """Leave the files of a point in the inbox and let ``ingest`` take them."""
    mine = [row for row in schedule if row["census_point"] == point and row["after_block"] == "N"]
    demo.put_files(installation.stack, out, mine)
    api = census_run.client(installation.stack)
    census_run.wait_for_dag(api, demo.INGEST)
    day = max(row["deliver_on"] for row in mine)
    demo.ingest_day(installation.stack, api, out, day, lambda _: None)


TRUTH_OF = {
    "activity_code": "activity_code",
    "status_bucket": "status_bucket",
    "is_lapsed": "is_lapsed",
    "is_participating": "is_participating",
    "is_measured": "is_measured",
    "is_in_denominator": "is_in_denominator",
    "academic_age": "academic_age",
    "neet_start_on": "neet_start_on",
    "neet_days": "neet_days",
    "sen_group": "sen_group",
    "is_vulnerable": "is_vulnerable",
    "district_code": "district_code",
}
FLAGS = {"t": "Y", "f": "N"}


def as_set(table: list[dict], columns: dict[str, str], excluded: set[str]) -> Counter:
    """Rows as a multiset of (month, person, values), flags written alike."""
    return Counter(
        (row["month_end"], row["young_persons_id"], *(FLAGS.get(row[c], row[c]) for c in columns))
        for row in table
        if row["young_persons_id"] not in excluded
    )


def compare(
    installation, relation: str, out: Path, known_at: str, measured_only: bool = True
) -> int:
    """Assert that the warehouse's cohort months equal the truth as known at a point; returns how many."""
    truth = [
        row
        for row in rows(out / "truth" / "cohort_month.csv")
        if row["known_at_census_point"] == known_at and row["is_measured"] == "Y"
    ]
    months = {row["month_end"] for row in truth}
    found = query(
        installation,
        f"""select month_end, young_persons_id, {", ".join(TRUTH_OF.values())} from {relation}
            where is_measured""",
    )
    found = [row for row in found if row["month_end"] in months]
    altered = {
        row["young_persons_id"]
        for row in rows(out / "truth" / "defects.csv")
        if row["alters_truth"] == "Y"
    }
    expected = as_set(truth, dict.fromkeys(TRUTH_OF), altered)
    actual = as_set(found, dict.fromkeys(TRUTH_OF.values()), altered)
    assert len(expected) > PEOPLE / 2
    assert actual - expected == Counter(), "rows of the warehouse that are not true"
    assert expected - actual == Counter(), "truth that the warehouse does not hold"
    return len(expected)


def fingerprint(installation) -> dict[str, str]:
    """Hash of every published mart, row order aside."""
    with database.connect(installation.settings.dsn("auditor")) as connection:
        marts = connection.execute(
            """select table_name from information_schema.views
               where table_schema = 'published_internal' and table_name like '%\\_%' order by 1"""
        ).fetchall()
        return {
            mart: connection.execute(
                f"""select md5(coalesce(string_agg(line, chr(10) order by line collate "C"), '')) from (
                      select (to_jsonb(mart) - 'build_id' - 'published_at')::text as line
                      from published_internal.{mart} as mart) as lines"""
            ).fetchone()[0]
            for (mart,) in marts
        }


@pytest.mark.parametrize("seed", SEEDS)
def test_warehouse_equals_truth(installation, tmp_path, seed):
    """December as its return saw it and, live, every month as January knows it."""
    empty(installation)
    out, schedule = county(tmp_path, seed)
    deliver_point(installation, out, schedule, FIRST)
    sealed = installation.json("census", FIRST, "--sign", "--by", "A test")
    assert sealed["outcome"] == "sealed"
    assert compare(installation, "census_886_2021_12.fct_cohort_month", out, FIRST) > PEOPLE / 2
    deliver_point(installation, out, schedule, SECOND)
    demo.finish_live_build(
        installation.stack, census_run.client(installation.stack), lambda _: None
    )
    compare(installation, "published_internal.fct_cohort_month", out, SECOND)


def test_the_last_county_again_and_again(installation, tmp_path):
    """On the county that the truth test left behind: same bytes, earlier known time, refusal."""
    december = query(
        installation,
        f"select submission_id, payload_sha256, known_seq, package_path from ledger.submission where census_point = '{FIRST}'",
    )[0]
    package = installation.settings.home / december["package_path"]
    assert installation.neet("package", "verify", str(package)).returncode == 0

    # December again, at the known time from before January's late deliveries: the payload from before them.
    again = installation.json(
        "census", FIRST, "--known-seq", december["known_seq"], "--sign", "--by", "A test"
    )
    assert again["payload_sha256"] == december["payload_sha256"]
    assert again["submission_id"] == december["submission_id"]

    # A refusal leaves no package, is on record, and is final for these figures.
    refused = installation.json(
        "census",
        SECOND,
        "--refuse",
        "--by",
        "A test",
        "--reason",
        "the total looks wrong",
        expect=3,
    )
    assert refused["outcome"] == "refused"
    assert not list((installation.settings.packages / "886").glob(f"{SECOND}/*"))
    decided = query(
        installation,
        f"select outcome, decided_by, reason from assurance.gate_decision where census_point = '{SECOND}' and outcome = 'refused'",
    )
    assert decided == [
        {"outcome": "refused", "decided_by": "A test", "reason": "the total looks wrong"}
    ]
    known = query(
        installation,
        f"select max(known_seq) as known_seq from assurance.census_run where census_point = '{SECOND}'",
    )[0]["known_seq"]
    installation.neet(
        "census", SECOND, "--known-seq", known, "--sign", "--by", "Another", expect=None
    )
    assert not list((installation.settings.packages / "886").glob(f"{SECOND}/*"))

    # The package reads back through the NCCIS feed to the same records.
    xml = next((package / "payload").glob("*.xml"))
    read_back = installation.json("deliver", "nccis_return", str(xml))
    assert read_back["status"] == "accepted"
    records = query(
        installation,
        f"select count(*) as n from submitted.return_record where submission_id = '{december['submission_id']}'",
    )[0]["n"]
    assert str(read_back["rows_loaded"]) == records


@pytest.mark.system
def test_made_again_from_landing_the_marts_are_the_same(installation):
    """Every schema dropped; on the county that the truth test left behind."""
    api = census_run.client(installation.stack)
    build(installation, api)
    before = fingerprint(installation)
    assert len(before) > 8
    installation.neet("rebuild", "--yes")
    build(installation, api)
    assert fingerprint(installation) == before


def build(installation, api) -> None:
    run_id = api.trigger(demo.BUILD, {"rebuild": True})
    census_run.wait_for_run(api, demo.BUILD, run_id)
    assert api.run(demo.BUILD, run_id)["state"] == "success"


def test_every_defect_that_the_gate_must_catch_is_caught(installation, tmp_path):
    """Each planted defect fails the check that its kind names, for the person it was planted on."""
    empty(installation)
    out, schedule = county(tmp_path, 71, "all")
    deliver_point(installation, out, schedule, FIRST)
    installation.neet("census", FIRST, "--sign", "--by", "A test", expect=None)
    ended = query(
        installation,
        f"select outcome from assurance.gate_decision where census_point = '{FIRST}' order by delivery_seq desc limit 1",
    )
    assert ended == [{"outcome": "blocked"}]
    assert not list(installation.settings.packages.glob(f"886/{FIRST}/*"))
    failures = {
        (row["check_id"], row["young_persons_id"])
        for row in query(
            installation, "select check_id, young_persons_id from assurance.check_failure"
        )
    }
    failed_checks = {check for check, _ in failures}
    planted = [
        row
        for row in rows(out / "truth" / "defects.csv")
        if row["stage"] == "gate" and row["census_point"] == FIRST
    ]
    assert len(planted) >= 40
    missed = []
    for defect in planted:
        check = defect["expected_check"].split("|")[0]
        person = defect["young_persons_id"]
        if (check, person) not in failures and not (not person and check in failed_checks):
            missed.append((defect["kind"], check, person))
    assert missed == []
    rejects = {
        (row["file_name"], row["line_number"])
        for row in query(
            installation,
            "select file_name, line_number from control.reject join control.delivery using (delivery_id)",
        )
    }
    contract = [
        row
        for row in rows(out / "truth" / "defects.csv")
        if row["stage"] == "contract" and row["census_point"] == FIRST and row["line_number"]
    ]
    assert contract
    assert [row for row in contract if (row["file"], row["line_number"]) not in rejects] == []
