"""A failed run is mailed where a connection says to whom, through a real SMTP conversation."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from types import SimpleNamespace

import pytest

from tests import airflow_environment  # noqa: F401  isort: skip

from neet import alerts
from neet.settings import Settings
from operators.alerts import AlertNotifier

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def mail_server():
    """Takes every mail; gives its port and the mails' text."""
    mails: list[str] = []

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 county\r\n")
            for line in self.rfile:
                verb = line.strip().upper()
                if verb.startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    text = []
                    for each in self.rfile:
                        if each.strip() == b".":
                            break
                        text.append(each.decode())
                    mails.append("".join(text))
                if verb.startswith(b"QUIT"):
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 good\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], mails
        server.shutdown()
        thread.join(10)


def connection(port: int, **extra) -> str:
    told = {
        "disable_ssl": True,
        "disable_tls": True,
        "from_email": "warehouse@county.invalid",
    } | extra
    return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": told})


RUN = {"dag_run": SimpleNamespace(dag_id="ingest", partition_key="2022-01-04", run_id="r")}


def test_an_alert_is_mailed_once_and_only_where_somebody_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(tmp_path))
    with mail_server() as (port, mails):
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection(port))
        AlertNotifier().notify(RUN)
        assert mails == [] and len(alerts.newest(Settings.load(), 9)) == 1
        monkeypatch.setenv("NEET_HOME", str(tmp_path / "other"))
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMTP_DEFAULT", connection(port, to_email="mi@county.invalid")
        )
        AlertNotifier().notify(RUN)
        AlertNotifier().notify(RUN)
        assert len(mails) == 1
        assert "To: mi@county.invalid" in mails[0] and "ingest 2022-01-04" in mails[0]


def test_a_mail_server_that_is_down_leaves_the_alert(tmp_path, monkeypatch):
    monkeypatch.setenv("NEET_HOME", str(tmp_path))
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT", connection(9, to_email="mi@county.invalid", timeout=2, retry_limit=1)
    )  # fmt: skip
    AlertNotifier().notify(RUN)
    (alert,) = alerts.newest(Settings.load(), 9)
    assert alert["kind"] == "failed_run"
