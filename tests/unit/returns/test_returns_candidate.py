"""The candidate: what it holds, and that it depends on its known time alone."""

import csv
import dataclasses
import json
import subprocess
from decimal import Decimal

import pytest
from returns_county import person, tree

from neet.database import connect
from neet.nccis.layout import record_columns
from neet.nccis.xml import NccisValueError, read
from neet.returns import package
from neet.returns.candidate import Candidate, CandidateFailed, display

pytestmark = pytest.mark.slow  # a database a test


def rows_of(file) -> list[dict]:
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_the_xml_reads_back_as_the_rows_of_the_schema(county):
    county.people = [
        person(1, town="Fish & Chips\r\n", dob="2005-01-31", year11_lea_code="886"),
        person(2, young_persons_id=None, cohort_status=None, given_name="", characteristic_codes=["120", "110"]),
        person(3, neet_start_date="31/12/2021", family_name=" "),
    ]  # fmt: skip
    run, candidate = county.ready()
    with connect(county.gate) as connection:
        stored = connection.execute(
            f"select {', '.join(record_columns())} from {run.schema_name}.ret_nccis_record order by record_number"
        ).fetchall()
    found = read(candidate.directory / "payload" / "NCCIS_886_2021-12.xml")
    records = list(found)
    assert [tuple(r[c] for c in record_columns()) for r in records] == [
        tuple(value or None for value in row) for row in stored
    ]
    assert [r["characteristic_codes"] for r in records] == [["120", "110"], ["110"], ["110"]]
    assert found.header.source_leas == ("886", "887")
    assert (found.header.period_end, found.header.doctype) == ("2021-12-31", "NCCIS2021")
    assert found.problems == []


def test_counts_slices_and_measures(county):
    county.people = [
        person(1),
        person(2, activity_code="619", status_bucket="NEET"),
        person(3, activity_code="710", status_bucket="OTHER"),
        person(4, cohort_status="G", activity_code="810", status_bucket="NOT_KNOWN"),
    ]
    county.errors = [{"check_id": "32", "priority": 1, "field": "Postcode"}] * 2
    county.changes = [{"young_persons_id": "8860000000001", "change": "joined"}]
    _, candidate = county.ready()
    counts = json.loads((candidate.directory / "payload" / "counts.json").read_text())
    assert counts == candidate.counts
    assert counts["records"] == 4
    assert counts["records_by_cohort_status"] == {"G": 1, "P": 3}
    assert counts["cohort"] == {
        "measured": 4,
        "in_denominator": 3,
        "by_status_bucket": {"EET": 1, "NEET": 1, "NOT_KNOWN": 1, "OTHER": 0},
    }
    assert counts["error_rows_by_priority"] == {"1": 2}
    assert counts["changes"] == {"joined": 1}
    assert [m["kpi_id"] for m in counts["measures"]] == ["AP-NEET", "AP-NEET", "FLOW-J"]
    assert candidate.measures == [
        {"kpi_id": "AP-NEET", "period_code": "2021-12", "numerator": "1", "denominator": "4", "display": "25.0%"},
        {"kpi_id": "FLOW-J", "period_code": "2021-12", "numerator": "1", "denominator": "", "display": "1"},
    ]  # fmt: skip
    cohort = rows_of(candidate.directory / "slice" / "cohort_month.csv")
    assert [row["period_end"] for row in cohort] == ["2021-12-31"] * 4
    assert cohort[0]["is_measured"] == "true" and cohort[0]["school_of_origin"] == ""
    assert len(rows_of(candidate.directory / "slice" / "kpi_value.csv")) == 3
    noted = rows_of(candidate.directory / "slice" / "return_record.csv")
    assert [row["record_number"] for row in noted] == ["1", "2", "3", "4"]
    assert len({row["record_sha256"] for row in noted}) == 4


def test_the_payload_follows_from_known_time_alone(county):
    """December twice, at two known times that know the same: not a byte differs."""
    county.errors = [
        {
            "check_id": "32",
            "field": "Postcode",
            "record_number": n,
            "young_persons_id": f"886{n:010}",
        }
        for n in (3, 1, 2)
    ]
    county.changes = [
        {"young_persons_id": f"886{n:010}", "change": change}
        for n, change in ((2, "recoded"), (1, "joined"), (2, "lapsed"))
    ]
    run, first = county.ready(known_seq=10)
    payload, slices = tree(first.directory / "payload"), tree(first.directory / "slice")
    again = package.prepare(county.settings, county.gate, run, first.gate_decision_id)
    assert (again.payload_sha256, tree(again.directory / "payload")) == (
        first.payload_sha256,
        payload,
    )

    county.errors.reverse()
    county.changes.reverse()
    other = county.run(known_seq=12)
    county.build(other, shuffled=True)
    second = package.prepare(county.settings, county.gate, other, county.judge(other))
    assert other.run_id != run.run_id and second.directory != first.directory
    assert tree(second.directory / "payload") == payload
    assert tree(second.directory / "slice") == slices
    assert second.payload_sha256 == first.payload_sha256


def test_a_late_delivery_changes_the_payload_and_an_earlier_known_time_brings_the_old_one_back(
    county,
):
    _, before = county.ready(known_seq=10)
    on_time = county.people
    county.people = [*on_time, person(4)]
    _, after = county.ready(known_seq=11)
    county.people = on_time
    _, earlier = county.ready(known_seq=10)
    assert after.payload_sha256 != before.payload_sha256
    assert earlier.payload_sha256 == before.payload_sha256


def test_the_payload_hash_is_what_sha256sum_says(county):
    _, candidate = county.ready()
    said = subprocess.run(
        "LC_ALL=C sha256sum * | sha256sum",
        shell=True, cwd=candidate.directory / "payload", capture_output=True, text=True, check=True,
    ).stdout.split()[0]  # fmt: skip
    assert said == candidate.payload_sha256


def test_nothing_of_the_run_stands_in_the_payload(county):
    county.errors = [{"check_id": "32", "field": "Postcode", "value": "X"}]
    run, candidate = county.ready()
    content = b"".join(tree(candidate.directory / "payload").values()).decode()
    for trace in (run.run_id, candidate.gate_decision_id, run.schema_name, run.code_version + '"'):
        assert trace not in content


def test_errors_name_owner_and_remedy_and_cannot_run_in_a_spreadsheet(county):
    county.errors = [
        {"check_id": "44", "field": "GivenName", "value": '=HYPERLINK("http://x")', "detail": "+1", "record_number": 2},
        {"check_id": "44", "field": "GivenName", "value": "@SUM(1)", "detail": "-1", "record_number": 10},
        {"check_id": "flow", "suite": "gate"},
    ]  # fmt: skip
    county.changes = [{"young_persons_id": "=1+1", "change": "joined", "detail": " =1"}]
    _, candidate = county.ready()
    errors = rows_of(candidate.directory / "payload" / "errors.csv")
    assert [(row["suite"], row["check_id"], row["record_number"]) for row in errors] == [
        ("gate", "flow", ""), ("nccis", "44", "2"), ("nccis", "44", "10"),
    ]  # fmt: skip
    assert [row["value"] for row in errors] == ["", '\'=HYPERLINK("http://x")', "'@SUM(1)"]
    assert [row["detail"] for row in errors] == ["", "'+1", "'-1"]
    assert {(row["owner_service"], row["how_to_mend"]) for row in errors} == {
        ("MI", "mend it in Core+")
    }
    (change,) = rows_of(candidate.directory / "payload" / "changes.csv")
    assert (change["young_persons_id"], change["detail"]) == ("'=1+1", "' =1")


def test_a_return_of_nobody(county):
    county.people = []
    _, candidate = county.ready()
    found = read(candidate.directory / "payload" / "NCCIS_886_2021-12.xml")
    assert list(found) == [] and candidate.counts["records"] == 0
    assert candidate.measures[0]["display"] == ""


def test_an_illegal_character_stops_the_candidate_and_leaves_none(county):
    county.people = [person(1), person(2, town="To\x1fwn")]
    run = county.run()
    county.build(run)
    decision = county.judge(run)
    with pytest.raises(
        NccisValueError, match=r"record 2 \(young_persons_id 8860000000002\): town.*service MI"
    ):
        package.prepare(county.settings, county.gate, run, decision)
    assert list((county.settings.packages / ".candidates").iterdir()) == []


def test_the_schema_must_be_of_the_run(county):
    run, candidate = county.ready(known_seq=10)
    county.build(county.run(known_seq=11))
    with pytest.raises(CandidateFailed, match="last built for delivery 11"):
        package.prepare(county.settings, county.gate, run, candidate.gate_decision_id)
    with connect(county.warehouse.dsn["builder"]) as connection:
        connection.execute("update control.build set known_seq = 10, status = 'running'")
    with pytest.raises(CandidateFailed, match="is 'running'"):
        package.prepare(county.settings, county.gate, run, candidate.gate_decision_id)


def test_the_gate_decision_must_be_of_the_run(county):
    _, candidate = county.ready(known_seq=10)
    run = county.run(known_seq=11)
    county.build(run)
    with pytest.raises(CandidateFailed, match="not one of run"):
        package.prepare(county.settings, county.gate, run, candidate.gate_decision_id)
    with pytest.raises(CandidateFailed, match="not one of run"):
        package.prepare(county.settings, county.gate, run, "no such decision")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("update {schema}.ret_nccis_record set record_number = 5 where record_number = 3", "record 5 .* where record 3"),
        ("insert into {schema}.ret_nccis_record select * from {schema}.ret_nccis_record where record_number = 2", "record 2 .* where record 3"),
        ("delete from {schema}.ret_nccis_header", "has 0 rows"),
        ("update {schema}.ret_nccis_header set period_end = '2021-11-30'", "is about"),
        ("update {schema}.fct_cohort_month set status_bucket = 'EETNEET'", "status buckets"),
        ("insert into {schema}.fct_kpi_value select * from {schema}.fct_kpi_value", "more than once"),
    ],
)  # fmt: skip
def test_a_schema_that_does_not_hang_together_is_refused(county, change, message):
    run = county.run()
    county.build(run)
    decision = county.judge(run)
    with connect(county.warehouse.dsn["builder"]) as connection:
        connection.execute(change.format(schema=run.schema_name))
    with pytest.raises(CandidateFailed, match=message):
        package.prepare(county.settings, county.gate, run, decision)


def test_a_candidate_travels_as_json(county):
    _, candidate = county.ready()
    assert Candidate.from_json(candidate.to_json()) == candidate


@pytest.mark.parametrize(
    ("numerator", "denominator", "unit", "shown"),
    [
        (1, 800, "rate", "0.1%"),  # 0.125
        (25, 1000, "rate", "2.5%"),
        (5, 10000, "rate", "0.1%"),  # 0.05 goes up
        (15, 10000, "rate", "0.2%"),  # 0.15 goes up, where binary halves go down
        (0, 7, "rate", "0.0%"),
        (7, 7, "rate", "100.0%"),
        (0, 0, "rate", ""),
        (None, 3, "rate", ""),
        (1200, None, "count", "1200"),
        (Decimal("12.50"), None, "count", "12.5"),
    ],
)
def test_a_rate_is_rounded_once_half_up(numerator, denominator, unit, shown):
    as_decimal = lambda n: None if n is None else Decimal(n)  # noqa: E731
    assert display(as_decimal(numerator), as_decimal(denominator), unit) == shown


def test_another_run_s_candidate_is_not_touched(county):
    _, first = county.ready("2021-12")
    before = tree(first.directory)
    county.ready("2022-01")
    assert tree(first.directory) == before
    assert dataclasses.asdict(first)["directory"].exists()


def test_what_a_killed_attempt_left_is_swept(county):
    left = county.settings.packages / ".candidates" / ".draft-of-another-run" / "payload"
    left.mkdir(parents=True)
    (left / "NCCIS_886_2021-11.xml").write_text("half a return")
    _, candidate = county.ready()
    assert [path.name for path in candidate.directory.parent.iterdir()] == [
        candidate.directory.name
    ]
