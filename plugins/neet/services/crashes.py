"""Supervisor's event listener that writes down each service that ended without being told to.

Run by Supervisor, not by hand: ``python -m neet.services.crashes FILE``.
"""

import datetime as dt
import json
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
            with open(file, "a") as out:
                out.write(json.dumps(line) + "\n")
        childutils.listener.ok()


if __name__ == "__main__":
    main(sys.argv[1])
