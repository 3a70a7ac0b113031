"""One real installation for the whole session: PostgreSQL, scheduler, API server, DAG processor, triggerer."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from installations import Installation, new_stack


@pytest.fixture(scope="session")
def installation(parsed_project):
    """Started once, in a folder of its own, and stopped with everything it began."""
    home = Path(tempfile.mkdtemp(prefix="neet-e2e-"))
    stack = new_stack(home, parsed_project)
    try:
        stack.up()
        yield Installation(stack)
    finally:
        stack.down()
        if os.environ.get("NEET_KEEP_E2E"):
            print(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
