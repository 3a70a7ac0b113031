"""A running installation as a test sees it: its services and its command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from neet.services.stack import Stack
from neet.settings import Settings
from tests.parsed_project import ParsedProject

ROOT = Path(__file__).resolve().parents[2]


def new_stack(home: Path, parsed_project: ParsedProject) -> Stack:
    """The services of a new home, not started; only dbt finds the project parsed there."""
    stack = Stack(Settings.load(home))
    parsed_project.lend(
        stack.settings, stack.server.role_dsn("neet_builder", "", "neet"), "live", "census"
    )
    return stack


@dataclass
class Installation:
    """A running installation and its command."""

    stack: Stack

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "NEET_HOME": str(self.settings.home),
            "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, *arguments: str) -> subprocess.Popen:
        """Begin ``./neet`` and leave it running; what it says, errors too, is its ``stdout``."""
        return subprocess.Popen(
            [sys.executable, "-m", "neet.cli", *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def neet(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess:
        """Run ``./neet`` as a person would, against this installation."""
        done = subprocess.run(
            [sys.executable, "-m", "neet.cli", *arguments],
            env=self._environment,
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
