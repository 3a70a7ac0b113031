"""The correction loop, from file to worklist: a conflict opens by a delivery, closes by a corrected Core+ row, keeps the
time it took, opens again when Core+ goes back, and is never told twice."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner
from county_rows import activity, person, ypid

from neet import worklist
from neet.cli import main
from neet.feeds import landing
from neet.feeds.landing import DeliveryResult
from neet.transform import build_live

pytestmark = pytest.mark.slow

COLLEGE, SCHOOL = "10003570", "8864001"
CONFLICT = """select right(young_persons_id, 2)::int as person, conflict_kind, source_feed, core_plus_says, source_says,
    opened_on::text, state, closed_how, days_taken
    from marts_conflicts.fct_source_conflict order by 1, 2, opened_seq"""


def upn(n: int) -> str:
    return f"Z8860000000{n:02d}"


def uln(n: int) -> str:
    return f"{9000000000 + n}"


def known(n: int, **changes) -> dict:
    """A Core+ person with the numbers that link exactly; their address has stood since September."""
    return person(n, unique_pupil_number=upn(n), unique_learner_no=uln(n)) | changes


def at_school(n: int, **changes) -> dict:
    return activity(f"A{n:03d}", n, "210", "2021-09-06", establishment_number=SCHOOL) | changes


def about(n: int, **changes) -> dict:
    return {"surname": f"Family{n}", "forename": f"Given{n}", "date_of_birth": "2005-01-15",
            "postcode": "ZZ99 9ZZ"} | changes  # fmt: skip


def synergy(n: int, provision: str, **changes) -> dict:
    return about(n, synergy_id=f"S{n}", upn=upn(n), sen_provision=provision) | changes


def college(n: int, **changes) -> dict:
    return about(n, ukprn=COLLEGE, learner_reference=f"L{n}", uln=uln(n), started_on="2021-09-06", study_mode="FT",
                 planned_end_on="2023-07-21") | changes  # fmt: skip


def left(n: int, on: str, **changes) -> dict:
    return (
        about(n, ukprn=COLLEGE, learner_reference=f"L{n}", uln=uln(n), movement="L", happened_on=on)
        | changes
    )


@dataclass
class Desk:
    """Real files, delivered to a real warehouse."""

    built: object
    accepted: dict[str, int] = field(default_factory=dict)

    def deliver(self, feed: str, name: str, rows: list[dict]) -> DeliveryResult:
        contract = landing.contract_of(self.built.settings, feed)
        headers = {column.name: column.header for column in contract.columns}
        written = io.StringIO()
        columns = list(headers)
        writer = csv.writer(written)
        is_delta = "_delta_" in name
        writer.writerow([headers[column] for column in columns] + ["Operation"] * is_delta)
        for row in rows:
            writer.writerow([row.get(column, "") for column in columns] + ["U"] * is_delta)
        file = self.built.settings.home / name
        file.write_text(written.getvalue(), encoding="utf-8")
        return landing.receive(self.built.settings, self.built.dsn["loader"], feed, file)

    def people(self, day: str, *rows: dict) -> DeliveryResult:
        return self.deliver("core_plus_people", f"886_core_plus_people_delta_{day}.csv", list(rows))

    def activities(self, day: str, *rows: dict) -> DeliveryResult:
        return self.deliver(
            "core_plus_activities", f"886_core_plus_activities_delta_{day}.csv", list(rows)
        )

    def build(self) -> None:
        build_live(self.built.settings, self.built.dsn["builder"])

    def conflicts(self) -> list[tuple]:
        return self.built.rows(CONFLICT)

    def worklist(self, columns: str, where: str = "true") -> list[tuple]:
        return self.built.rows(
            f"select {columns} from marts_conflicts.fct_worklist where {where} order by 1, 2"
        )


@pytest.fixture(scope="module")
def desk(new_warehouse):
    """Core+ as at the end of December, and what Synergy, a college and Core+ itself say in January."""
    desk = Desk(new_warehouse())
    everybody = range(1, 16)
    desk.deliver(
        "core_plus_people",
        "886_core_plus_people_snapshot_20211231.csv",
        [known(n) for n in everybody],
    )
    desk.deliver(
        "core_plus_activities", "886_core_plus_activities_snapshot_20211231.csv",
        [at_school(n) for n in everybody if n not in (9, 10)]
        + [activity("A009", 9, "619", "2021-09-06", neet_start_on="2021-09-06"),
           activity("A010", 10, "230", "2021-09-06", uk_provider_reference_number=COLLEGE)],
    )  # fmt: skip
    desk.deliver(
        "core_plus_at_risk", "886_core_plus_at_risk_snapshot_20211231.csv",
        [{"young_persons_id": ypid(n), "academic_year": "2021-22", "flagged_on": "2021-12-06"} for n in (11, 12, 13, 14)],
    )  # fmt: skip
    desk.deliver(
        "core_plus_contact_details", "886_core_plus_contact_details_snapshot_20211231.csv",
        [{"young_persons_id": ypid(11), "mobile": "07700 900111"},
         {"young_persons_id": ypid(12), "email": "given12@example.org", "email_bounced_on": "2021-12-20"},
         {"young_persons_id": ypid(13), "telephone": "ask mum"}],
    )  # fmt: skip
    desk.deliver(
        "synergy_send",
        "886_synergy_send_20220107.csv",
        [synergy(1, "E"), synergy(2, "N"), synergy(3, "K")],
    )
    desk.deliver(
        "college_enrolment", f"{COLLEGE}_college_enrolment_20220110.csv", [college(9), college(10)]
    )
    desk.deliver(
        "synergy_send",
        "886_synergy_send_20220121.csv",
        [synergy(1, "E"), synergy(2, "N"), synergy(3, "K")],
    )
    desk.people("20220131", known(15, ethnicity="WIRI"))
    desk.build()
    return desk


OPEN = [
    (1, "SEN", "synergy_send", "NONE", "EHCP", "2022-01-07", "open", None, None),
    (3, "SEN", "synergy_send", "NONE", "SEN_SUPPORT", "2022-01-07", "open", None, None),
    (9, "ACTIVITY", "college_enrolment", "NEET", "EET", "2022-01-10", "open", None, None),
]


def test_the_loop_closes_by_itself_and_keeps_its_time(desk):
    """Told as one story, for each build goes on from the last."""
    assert desk.conflicts() == OPEN
    assert desk.worklist("right(young_persons_id, 2)::int, reason_code, owner_service_code, state, age_days, is_overdue") == [
        (1, "CONFLICT_SEN", "SEND", "open", 24, False),
        (3, "CONFLICT_SEN", "SEND", "open", 24, False),
        (9, "CONFLICT_ACTIVITY", "TEP", "open", 21, False),
        (12, "AT_RISK_CONTACT_INVALID", "TEP", "open", 31, True),
        (13, "AT_RISK_CONTACT_INVALID", "TEP", "open", 31, True),
        (14, "AT_RISK_CONTACT_MISSING", "TEP", "open", 31, True),
    ]  # fmt: skip
    assert desk.built.rows(
        """select measure_id, period_code, numerator, denominator from marts_conflicts.fct_data_quality_value
           where area_type = 'county' and group_code = 'ALL' order by 1, 2"""
    ) == [
        ("DQ-CONFLICT", "2021-12", 0, 15), ("DQ-CONFLICT", "2022-01", 3, 15),
        ("DQ-CONTACT", "2021-12", 1, 4), ("DQ-CONTACT", "2022-01", 1, 4),
    ]  # fmt: skip
    corrected = """select measure_id, as_recorded, if_corrected from marts_conflicts.fct_if_corrected
                   where area_type = 'county' and month_end = '2022-01-31' order by 1"""
    assert desk.built.rows(corrected) == [
        ("cohort", 15, 15), ("eet", 14, 15), ("neet", 1, 0), ("not_known", 0, 0), ("participating", 14, 15),
        ("sen_ehcp", 0, 1), ("sen_support", 0, 1),
    ]  # fmt: skip

    # Core+ is corrected for 1 and 9, and Synergy for 3; 12 gives a number that works.
    assert desk.people("20220204", known(1, send_flag="Y")).status == "accepted"
    desk.activities(
        "20220204",
        activity("A009", 9, "619", "2021-09-06", end_on="2022-01-16", neet_start_on="2021-09-06"),
        activity("B009", 9, "230", "2022-01-17", uk_provider_reference_number=COLLEGE),
    )
    desk.deliver(
        "synergy_send",
        "886_synergy_send_20220211.csv",
        [synergy(1, "E"), synergy(2, "N"), synergy(3, "N")],
    )
    desk.deliver(
        "core_plus_contact_details", "886_core_plus_contact_details_delta_20220214.csv",
        [{"young_persons_id": ypid(12), "email": "given12@example.org", "email_bounced_on": "2021-12-20", "mobile": "+44 7700 900112"}],
    )  # fmt: skip
    desk.build()
    closed = [
        (1, "SEN", "synergy_send", "NONE", "EHCP", "2022-01-07", "closed", "CORE_PLUS_CORRECTED", 28),
        (3, "SEN", "synergy_send", "NONE", "SEN_SUPPORT", "2022-01-07", "closed", "SOURCE_CHANGED", 35),
        (9, "ACTIVITY", "college_enrolment", "NEET", "EET", "2022-01-10", "closed", "CORE_PLUS_CORRECTED", 25),
    ]  # fmt: skip
    assert desk.conflicts() == closed
    work = "right(young_persons_id, 2)::int, reason_code, state, days_taken, closed_on::text"
    assert desk.worklist(work, "state = 'closed'") == [
        (1, "CONFLICT_SEN", "closed", 28, "2022-02-04"),
        (3, "CONFLICT_SEN", "closed", 35, "2022-02-11"),
        (9, "CONFLICT_ACTIVITY", "closed", 25, "2022-02-04"),
        (12, "AT_RISK_CONTACT_INVALID", "closed", 45, "2022-02-14"),
    ]
    assert desk.built.rows(corrected) == [
        ("cohort", 15, 15), ("eet", 15, 15), ("neet", 0, 0), ("not_known", 0, 0), ("participating", 15, 15),
        ("sen_ehcp", 1, 1), ("sen_support", 0, 0),
    ]  # fmt: skip

    # The same file again, one from before, and Core+ going back on the first correction.
    assert desk.people("20220204", known(1, send_flag="Y")).status == "duplicate"
    desk.deliver(
        "synergy_send",
        "886_synergy_send_20220128.csv",
        [synergy(1, "E"), synergy(2, "N"), synergy(3, "N")],
    )
    desk.people("20220301", known(1))
    desk.build()
    again = (1, "SEN", "synergy_send", "NONE", "EHCP", "2022-03-01", "open", None, None)
    assert desk.conflicts() == [closed[0], again, *closed[1:]]
    assert len(desk.worklist(work, "state = 'closed'")) == 4


def test_what_a_service_lead_gets(desk, monkeypatch, tmp_path):
    """The list of one service on the command line, as a file that a spreadsheet may open, and as a page."""
    monkeypatch.setenv("NEET_HOME", str(desk.built.settings.home))
    for role, dsn in desk.built.dsn.items():
        monkeypatch.setenv(f"NEET_DSN_{role.upper()}", dsn)
    page, file = tmp_path / "send.html", tmp_path / "send.csv"
    asked = ["--json", "worklist", "--service", "SEND", "--page", str(page), "--csv", str(file)]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [
        (row["young_persons_id"], row["reason_code"], row["due_on"]) for row in told["rows"]
    ] == [
        (row[0], row[1], row[2])
        for row in desk.worklist(
            "young_persons_id, reason_code, due_on::text",
            "state = 'open' and owner_service_code = 'SEND'",
        )
    ]
    with file.open(newline="", encoding="utf-8-sig") as handle:
        written = list(csv.DictReader(handle))
    assert [row["YoungPersonsID"] for row in written] == [
        row["young_persons_id"] for row in told["rows"]
    ]
    assert all(row["Service"] == "SEND" and row["How to mend"] for row in written)
    assert oct(file.stat().st_mode & 0o777) == oct(page.stat().st_mode & 0o777) == "0o640"
    html = page.read_text(encoding="utf-8")
    for row in told["rows"]:
        assert row["young_persons_id"] in html
    assert "<script" not in html
    assert desk.worklist("1, 1", "owner_service_code = 'TEP' and state = 'open'")
    assert "TEP" not in html, "another service's people"

    unknown = CliRunner().invoke(main, ["worklist", "--service", "NOBODY"])
    assert unknown.exit_code == 1
    assert "no service 'NOBODY'" in unknown.output and "SEND" in unknown.output


def test_a_name_is_only_a_name(desk, tmp_path):
    """What is typed into a source system acts neither in a page nor in a spreadsheet."""
    hostile = '<img src=x onerror="alert(1)">'
    row = dict.fromkeys(worklist.COLUMNS) | {
        "given_name": hostile, "family_name": "=HYPERLINK(1)", "owner_service_code": "TEP", "severity": "low",
        "is_overdue": False, "reason_code": "X", "what": "x", "opened_on": dt.date(2022, 1, 1), "due_on": dt.date(2022, 1, 2),
    }  # fmt: skip
    found = worklist.Worklist("886", "TEP", "Tracking", dt.date(2022, 1, 1), [row], [])
    worklist.write_page(found, tmp_path / "page.html")
    worklist.write_csv(found, tmp_path / "list.csv")
    assert hostile not in (tmp_path / "page.html").read_text()
    assert "'=HYPERLINK(1)" in (tmp_path / "list.csv").read_text(encoding="utf-8-sig")


def test_nothing_built_says_what_to_do(warehouse):
    with pytest.raises(worklist.NoWorklist, match="nothing has been built"):
        worklist.read(warehouse.settings)


def test_nothing_of_it_reaches_the_record(desk):
    """Core+ stays the record (design rule 11): no ancestor of the return or of a KPI is a source's word."""
    from dbt.cli.main import dbtRunner

    from neet import transform

    project = str(desk.built.settings.dbt_project)
    with transform._environment(transform.profile_environment(desk.built.dsn["builder"])):
        listed = dbtRunner().invoke(
            ["ls", "--select", "+fct_kpi_value", "+ret_nccis_record", "+ret_nccis_characteristic", "+ret_nccis_header",
             "--resource-type", "model", "--output", "name", "--project-dir", project, "--profiles-dir", project,
             "--target-path", str(desk.built.settings.home / "ls"), "--quiet"]
        )  # fmt: skip
    assert listed.success
    ancestors = set(listed.result)
    assert "fct_cohort_month" in ancestors
    assert not {
        name
        for name in ancestors
        if "conflict" in name or "source_" in name or "worklist" in name or "link" in name
    }
