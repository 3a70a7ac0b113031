"""Every file of the synthetic county's other sources is what its contract says; every fault is found as foretold."""

from __future__ import annotations

from collections import defaultdict

import pytest
from county_sources import county, read

from neet.feeds import landing
from synthetic_county.sources.faults import FAULTS

pytestmark = pytest.mark.slow

NOT_SENT_TO_US = {"dfe_la_scorecard", "nccis_return"}
"""Published by the department, and the return itself: nobody's files to make up."""

WINDOWS_1252 = "Read as Windows-1252"


def test_every_file_is_loaded_under_its_contract_and_every_fault_meets_its_fate(desk, tmp_path):
    """Workbooks, XML, archives and other encodings among them."""
    out = county(
        tmp_path,
        first_month="2022-02",
        last_month="2022-03",
        formats="all",
        defects=",".join(FAULTS),
    )
    planted = {
        (row["file"], row["detail"][-10:]): row for row in read(out / "truth" / "defects.csv")
    }
    assert {row["kind"] for row in planted.values()} == set(FAULTS)
    unusual, fates, statuses, kinds = [], {}, defaultdict(set), set()
    for row in read(out / "schedule.csv"):
        path = out / "exports" / row["deliver_on"] / row["file"]
        kinds.add(path.suffix)
        result = landing.receive(desk.settings, desk.dsn["loader"], row["feed"], path)
        statuses[row["feed"]].add(result.status)
        fault = planted.get((row["file"], row["deliver_on"]))
        warnings = [one for one in result.warnings if not one.startswith(WINDOWS_1252)]
        if fault is None:
            if result.status != "accepted" or result.rows_rejected or warnings:
                unusual.append((row["file"], result.status, result.reason, result.rows_rejected, warnings))  # fmt: skip
            continue
        if fault["kind"] == "source_windows_1252":
            assert result.warnings[0].startswith(WINDOWS_1252)
        rejects = (
            desk.rejects(result.delivery_id, "rule, line_number") if result.rows_rejected else []
        )
        fates[fault["kind"]] = (result.status, rejects, fault)
    assert unusual == []
    assert all("accepted" in one for one in statuses.values())
    assert set(statuses) == set(landing.contracts_of(desk.settings)) - NOT_SENT_TO_US
    assert kinds == {".csv", ".xlsx", ".xml", ".zip", ".gz"}
    for kind, (status, rejects, fault) in fates.items():
        expected = fault["expected_check"]
        if expected in ("accepted", "duplicate", "held", "refused"):
            assert (status, rejects) == (expected, []), kind
        elif expected == "late":
            assert status == "accepted"
        else:
            assert (status, rejects) == ("accepted", [(expected, int(fault["line_number"]))]), kind
    assert set(fates) == set(FAULTS)
