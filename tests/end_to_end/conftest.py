"""One real installation for the whole session: PostgreSQL, scheduler, API server, DAG processor, triggerer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from neet.services.stack import Stack
from neet.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Installation:
    """A running installation and its command."""

    stack: Stack

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    def neet(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess:
        """Run ``./neet`` as a person would, against this installation."""
        done = subprocess.run(
            [sys.executable, "-m", "neet.cli", *arguments],
            env=os.environ
            | {
                "NEET_HOME": str(self.settings.home),
                "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if expect is not None and done.returncode != expect:
            pytest.fail(
                f"neet {' '.join(arguments)}: exit {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def json(self, *arguments: str, expect: int | None = 0):
        return json.loads(self.neet("--json", *arguments, expect=expect).stdout)


@pytest.fixture(scope="session")
def installation():
    """Started once, in a folder of its own, and stopped with everything it began."""
    home = Path(tempfile.mkdtemp(prefix="neet-e2e-"))
    stack = Stack(Settings.load(home))
    try:
        stack.up()
        yield Installation(stack)
    finally:
        stack.down()
        if os.environ.get("NEET_KEEP_E2E"):
            print(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
