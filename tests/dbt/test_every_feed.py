"""Every feed from its files to a mart: a clean and a dirty delivery of each, and what comes of them.

The same few imaginary people run through all sources. Beside the files of a feed (``tests/data/feeds/<feed>/``) its
``expected.yml`` says what the loader must make of them; everything is loaded and built once.
"""

from __future__ import annotations

import shutil

import pytest
import yaml

from neet import transform
from neet.feeds import landing
from neet.feeds.contract import load_contracts
from neet.settings import PROJECT_ROOT
from neet.transform import build_live, publish

pytestmark = pytest.mark.slow

SAMPLES = PROJECT_ROOT / "tests" / "data" / "feeds"
CONTRACTS = load_contracts(PROJECT_ROOT / "expectations" / "feeds")
EXPECTED = {
    feed: yaml.safe_load((SAMPLES / feed / "expected.yml").read_text(encoding="utf-8"))
    if (SAMPLES / feed / "expected.yml").exists()
    else {"deliveries": [], "history": {}, "values": {}}
    for feed in CONTRACTS
}


def outcome(warehouse, result) -> dict:
    """A delivery as ``expected.yml`` writes one."""
    said = {
        "status": result.status,
        "rows": {
            name: getattr(result, f"rows_{name}")
            for name in ("in", "loaded", "unchanged", "rejected", "closed")
        },
        "rejects": [
            f"{line} {column or '-'}: {rule}"
            for line, column, rule in warehouse.rows(
                f"""select line_number, column_name, rule from control.reject
                    where delivery_id = '{result.delivery_id}' order by reject_number""",
                role="auditor",
            )
        ],
        "warnings": list(result.warnings),
    }
    if result.reason:
        said["reason"] = result.reason
    return {name: value for name, value in said.items() if value or name == "rows"}


@pytest.fixture(scope="module")
def county(new_warehouse, tmp_path_factory):
    """Every sample delivered, the clean ones first; built and published once.

    Returns:
        the warehouse, and the outcome of each file by feed and name.
    """
    warehouse = new_warehouse()
    made = tmp_path_factory.mktemp("deliveries")
    outcomes: dict[str, dict[str, dict]] = {feed: {} for feed in CONTRACTS}
    for number in (0, 1):
        for feed, expected in EXPECTED.items():
            for delivery in expected["deliveries"][number : number + 1]:
                file = made / delivery["file"]
                shutil.copy(SAMPLES / feed / delivery["file"], file)
                result = landing.receive(warehouse.settings, warehouse.dsn["loader"], feed, file)
                outcomes[feed][delivery["file"]] = outcome(warehouse, result)
    build_live(warehouse.settings, warehouse.dsn["builder"])
    publish(warehouse.settings, warehouse.dsn["builder"])
    return warehouse, outcomes


def history(warehouse, feed: str) -> dict[str, list[str]]:
    """What each delivery made of each key: ``886_..._20211231.csv U``."""
    found: dict[str, list[str]] = {}
    for key, file, operation in warehouse.rows(
        f"""select row_key, file_name, operation from hist.hist_{feed}
            inner join control.delivery on delivery.delivery_seq = known_from_seq
            order by row_key collate "C", known_from_seq"""
    ):
        found.setdefault(key, []).append(f"{file} {operation}")
    return found


@pytest.mark.parametrize("feed", CONTRACTS)
def test_the_loader_makes_of_the_samples_what_it_should(county, feed):
    warehouse, outcomes = county
    expected = EXPECTED[feed]
    names = {file.name for file in (SAMPLES / feed).iterdir()} - {"expected.yml"}
    assert names == {delivery["file"] for delivery in expected["deliveries"]}
    clean, dirty = expected["deliveries"]
    assert clean["rows"]["in"] and not clean.get("rejects") and not clean.get("dirt")
    assert dirty["dirt"], "a dirty delivery says what is wrong with it"
    for delivery in expected["deliveries"]:
        said = {name: value for name, value in delivery.items() if name not in ("file", "dirt")}
        assert outcomes[feed][delivery["file"]] == said
        rows = said["rows"]
        if said["status"] == "accepted":
            assert rows["in"] == rows["loaded"] + rows["unchanged"] + rows["rejected"]
    assert history(warehouse, feed) == expected["history"]
    for key, values in expected["values"].items():
        (row,) = warehouse.rows(
            f"""select {", ".join(values)} from hist.hist_{feed}
                where row_key = '{key.replace("'", "''")}' and known_to_seq is null"""
        )
        assert dict(zip(values, row, strict=True)) == values


def test_dbt_knows_how_fresh_every_source_is(county):
    """Everything was accepted a moment ago; what comes as it comes has no freshness."""
    from dbt.cli.main import dbtRunner

    warehouse, _ = county
    project = str(warehouse.settings.dbt_project)
    with transform._environment(transform.profile_environment(warehouse.dsn["builder"])):
        done = dbtRunner().invoke(
            ["source", "freshness", "--project-dir", project, "--profiles-dir", project, "--target-path",
             str(warehouse.settings.home / "freshness"), "--quiet", "--log-level", "none"]
        )  # fmt: skip
    assert done.exception is None
    found = {
        result.node.name: str(result.status)
        for result in done.result.results
        if result.node.resource_type == "source"
    }
    assert found == {
        feed: "pass" for feed, contract in CONTRACTS.items() if contract.latency_days is not None
    }
