"""A nursery of loaders that can be killed: reads one JSON order a line, forks a process for it.

Forking from here, where everything is imported and no connection is open, makes a real process with
nothing shared in some milliseconds. An order names the settings, the environment, what to run and where
to die: a place in the loader at which SIGKILL strikes, or ``-`` for nowhere (the test kills). The reply
is the process id, then, when it has ended, how.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from neet import decisions
from neet.feeds import ingest, landing, loading
from neet.settings import Settings


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(function):
    def wrapped(*arguments, **named):
        function(*arguments, **named)
        die()

    return wrapped


def write_json_then_die(name: str):
    write = landing.write_json

    def wrapped(file, content):
        write(file, content)
        if file.name == name:
            die()

    return wrapped


PLACES = {
    "-": lambda: None,
    "landing: before the folder appears": lambda: setattr(landing, "appear", die),
    "landing: after the folder appeared": lambda: setattr(landing, "appear", dying_after(landing.appear)),
    "loading: after the lock": lambda: setattr(loading, "decide", die),
    "loading: while the file is read": lambda: setattr(loading._Load, "_compare", die),
    "loading: in the middle of COPY": lambda: setattr(loading._Load, "_lines", die),
    "loading: after the rows": lambda: setattr(loading, "insert_delivery", die),
    "loading: after the delivery": lambda: setattr(loading, "insert_rejects", die),
    "loading: after the note": lambda: setattr(landing, "note_deciding", dying_after(landing.note_deciding)),
    "loading: after accepted.json": lambda: setattr(landing, "write_json", write_json_then_die("accepted.json")),
    "loading: after held.json": lambda: setattr(landing, "write_json", write_json_then_die("held.json")),
    "loading: after refused.json": lambda: setattr(landing, "write_json", write_json_then_die("refused.json")),
    "loading: after duplicate.json": lambda: setattr(landing, "write_json", write_json_then_die("duplicate.json")),
    "loading: after COMMIT": lambda: setattr(loading, "_result", die),
    "decision: before the folder appears": lambda: setattr(landing, "appear", die),
    "decision: after the folder appeared": lambda: setattr(landing, "appear", dying_after(landing.appear)),
}  # fmt: skip


def obey(order: dict) -> None:
    os.environ.update(order["environment"])
    settings = Settings(root=Path(order["root"]), home=Path(order["home"]), la_code="886")
    PLACES[order["place"]]()
    if order["decision"]:
        kind, subject, role = order["decision"]
        decisions.record(
            settings, settings.dsn(role), kind, "886", subject, {}, "A. Manager", "because"
        )
    else:
        ingest.ingest_inbox(settings, settings.dsn("loader"))


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                obey(json.loads(line))
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
