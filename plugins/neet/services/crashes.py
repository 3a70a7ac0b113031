"""Supervisor's event listener that writes down each service that ended without being told to, and ends
what the service left behind: a killed scheduler's workers live on in its process group, and would hold ports and
tasks against the one Supervisor starts in its place.

Run by Supervisor, not by hand: ``python -m neet.services.crashes FILE``.
"""

import contextlib
import datetime as dt
import json
import os
import signal
import sys

from supervisor import childutils


def main(file: str) -> None:
    """Append one JSON line a crash to ``file``, for ever."""
    while True:
        headers, payload = childutils.listener.wait()
        body = dict(pair.split(":", 1) for pair in payload.split())
        expected = body.get("expected") == "1"
        if not expected:
            line = {
                "name": body["processname"],
                "state": headers["eventname"].removeprefix("PROCESS_STATE_").lower(),
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            }
            if body.get("pid"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(int(body["pid"]), signal.SIGKILL)
            with open(file, "a") as out:
                out.write(json.dumps(line) + "\n")
        childutils.listener.ok()


if __name__ == "__main__":
    main(sys.argv[1])
