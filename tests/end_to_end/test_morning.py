"""One unattended morning under the real scheduler: waits without a worker, fetches from real servers, loads, reports."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from installations import Installation, new_stack

from neet.services.airflow_api import AirflowApi, AirflowError
from neet.settings import PROJECT_ROOT
from tests.transports.servers import s3_server, sftp_server, web_server

pytestmark = [pytest.mark.services, pytest.mark.slow]

SAMPLES = PROJECT_ROOT / "tests" / "data" / "feeds"


@pytest.fixture(scope="module")
def morning(parsed_project):
    """An installation of its own whose sources are an SFTP server, a bucket, a web server and a folder."""
    home = Path(tempfile.mkdtemp(prefix="neet-morning-"))
    with sftp_server(_folder(home / "sftp")) as sftp, s3_server() as bucket, web_server() as web:
        made = home / "sources.yml"
        added = {
            "NEET_SOURCES": str(made),
            "AIRFLOW_CONN_SENDER": sftp.connection(),
            "AIRFLOW_CONN_BUCKET": bucket.connection(),
        }
        before = {name: os.environ.get(name) for name in added}
        os.environ |= added
        stack = new_stack(home / "var", parsed_project)
        made.write_text("sources: {}")
        try:
            stack.up()
            morning = Morning(Installation(stack), sftp, bucket, web, made, _folder(home / "share"))
            # What is accepted sets off builds, which would take slots of their own.
            wait_until(lambda: morning.api.dag_ready("build_warehouse"), 120)
            morning.api.pause("build_warehouse", True)
            yield morning
        finally:
            stack.down()
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
            shutil.rmtree(home, ignore_errors=True)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


class Morning:
    """The servers, the list of sources, and Airflow."""

    def __init__(self, installation, sftp, bucket, web, made: Path, share: Path) -> None:
        self.installation, self.sftp, self.bucket, self.web = installation, sftp, bucket, web
        self.made, self.share = made, share
        stack = installation.stack
        self.api = AirflowApi(
            stack.api_url, "neet_cli", stack.installation()["airflow_users"]["neet_cli"]
        )

    def sources(self, listed: dict[str, dict]) -> None:
        content = {
            "sources": {
                feed: [{"expected_from": "2021-12-01", "quiet_seconds": 0} | source]
                for feed, source in listed.items()
            }
        }
        text = json.dumps(content)  # a date in quotes is text to YAML
        self.made.write_text(re.sub(r'"(\d{4}-\d{2}-\d{2})"', r"\1", text))

    def begin(self, key: str, conf: dict | None = None) -> str:
        wait_until(lambda: self.api.dag_ready("ingest"), 90)
        return self.api.trigger("ingest", conf or {}, key)

    def states(self, run: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for task in self.api.tasks("ingest", run):
            found.setdefault(task["task_id"], []).append(task["state"])
        return found

    def ended(self, run: str, seconds: float = 420) -> str:
        wait_until(lambda: self.api.run("ingest", run)["state"] in ("success", "failed"), seconds)
        return self.api.run("ingest", run)["state"]

    def rows(self, query: str) -> list[tuple]:
        with psycopg.connect(self.installation.settings.dsn("auditor")) as connection:
            return connection.execute(query).fetchall()


def wait_until(condition, seconds: float) -> None:
    """Also through a server that is too busy to answer."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(AirflowError):
            if condition():
                return
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.5)


def sample(feed: str) -> tuple[str, bytes]:
    """A file of a feed with no rows, a nil return, under the name its contract wants."""
    from neet.feeds.contract import load_contracts

    contract = load_contracts(PROJECT_ROOT / "expectations" / "feeds")[feed]
    header = ",".join(column.header for column in contract.columns if not column.is_generated)
    return contract.example, (header + "\r\n").encode()


def test_from_four_kinds_of_sources_into_the_warehouse_once(morning):
    feeds = ("contact_attempts", "referral_mailbox", "dfe_la_scorecard", "other_la_moves")
    files = {feed: sample(feed) for feed in feeds}
    (_folder(morning.sftp.folder / "out") / files[feeds[0]][0]).write_bytes(files[feeds[0]][1])
    morning.bucket.client.put_object(
        Bucket="county", Key=f"out/{files[feeds[1]][0]}", Body=files[feeds[1]][1]
    )
    scorecard = PROJECT_ROOT / "data" / "dfe_scorecard"
    published = next(scorecard.glob("*2024*.csv"))
    morning.web.files["/files/1"] = published.read_bytes()
    (morning.share / files[feeds[3]][0]).write_bytes(files[feeds[3]][1])
    morning.sources(
        {
            feeds[0]: {"url": "sftp:///out", "connection": "sender", "after": "archive", "archive": "/done"},
            feeds[1]: {"url": "s3://county/out", "connection": "bucket", "after": "delete"},
            feeds[2]: {"url": f"{morning.web.url}/files/1", "name": files[feeds[2]][0]},
            feeds[3]: {"url": f"file://{morning.share}"},
        }
    )  # fmt: skip
    run = morning.begin("2022-01-14")
    assert morning.ended(run) == "success", morning.states(run)
    assert morning.states(run)["fetch"] == ["success"] * 4
    received = dict(
        morning.rows("select feed, status from control.delivery where mode <> 'decision'")
    )
    assert received == dict.fromkeys(feeds, "accepted")
    assert not list((morning.sftp.folder / "out").iterdir())
    assert len(list((morning.sftp.folder / "done").iterdir())) == 1
    told = morning.installation.settings.home / "lineage" / "airflow.ndjson"
    jobs = {json.loads(line)["job"]["name"] for line in told.read_text().splitlines()}
    assert {"ingest.wait", "ingest.fetch", "ingest.load"} <= jobs, "Airflow tells what ran, too"
    again = morning.begin("2022-01-17")
    assert morning.ended(again) == "success"
    assert len(morning.rows("select 1 from control.delivery where mode <> 'decision'")) == 4


def test_a_wait_holds_no_slot_and_ends_when_the_file_comes(morning):
    """synergy_send is due every Monday. One wait ends with the file, one at its cut-off without it."""
    folder = _folder(morning.sftp.folder / "daily")
    source = {"url": "sftp:///daily", "connection": "sender", "expected_from": "2022-02-02"}
    morning.sources({"synergy_send": source})
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=150)
    run = morning.begin("2022-02-08", {"wait_until": until.isoformat()})
    wait_until(lambda: morning.states(run).get("wait") == ["deferred"], 90)
    pool = morning.api._request("GET", "/api/v2/pools/default_pool")
    assert (pool["running_slots"], pool["occupied_slots"], pool["deferred_slots"]) == (0, 0, 1)
    header = sample("synergy_send")[1]
    (folder / "886_synergy_send_20220207.csv").write_bytes(header)
    assert morning.ended(run) == "success", morning.states(run)
    assert dt.datetime.now(dt.UTC) < until + dt.timedelta(seconds=30), (
        "it did not wait for the cut-off"
    )
    assert morning.rows(
        "select status from control.delivery where file_name = '886_synergy_send_20220207.csv'"
    ) == [("accepted",)]
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=12)
    run = morning.begin("2022-02-14", {"wait_until": until.isoformat()})
    assert morning.ended(run) == "success"
    assert dt.datetime.now(dt.UTC) > until
    assert morning.api.xcom("ingest", run, "report")["late_feeds"] >= 1


def test_a_source_that_does_not_answer_makes_the_run_red_and_loses_nothing(morning):
    """A refused file is not tried again, so the run ends soon."""
    (_folder(morning.share / "odd") / "received.json").write_bytes(b"{}")
    (morning.share / "odd" / "886_contact_attempts_20220221.csv").write_bytes(
        sample("contact_attempts")[1]
    )
    morning.sources({"contact_attempts": {"url": f"file://{morning.share}/odd"}})
    run = morning.begin("2022-02-22")
    assert morning.ended(run) == "failed"
    states = morning.states(run)
    assert (states["fetch"], states["report"]) == (["failed"], ["failed"])
    assert "NOT FETCHED: 1 feed" in morning.api.log_tail("ingest", run, "report", 1)
    assert morning.rows(
        "select status from control.delivery where file_name = '886_contact_attempts_20220221.csv'"
    ) == [("accepted",)], "the good file beside it was taken"
    alerts = morning.installation.settings.home / "alerts"
    wait_until(lambda: any("2022-02-22" in f.read_text() for f in alerts.glob("*.ndjson")), 60)
