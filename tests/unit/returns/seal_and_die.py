"""Run by test_returns_package.py in a process of its own: seals, and is killed at the nth call of any
function, or at the first call of a named one."""

import os
import signal
import sys

from neet.census import CensusRun
from neet.returns import package
from neet.returns.candidate import Candidate
from neet.settings import Settings


def main(run_json: str, candidate_json: str, last_call: str) -> None:
    run, candidate = CensusRun.from_json(run_json), Candidate.from_json(candidate_json)
    settings = Settings.load()
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += 1
        if str(calls) == last_call or (event == "call" and frame.f_code.co_name == last_call):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    package.seal(
        settings, settings.dsn("gate"), run, candidate, "A. Signer", "airflow_admin", "checked"
    )
    sys.setprofile(None)
    print(calls)


main(sys.argv[1], sys.argv[2], sys.argv[3])
