"""Ports: two installations that start at the same moment never choose the same one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from neet.services import postgres

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"


def in_another_process(expression: str) -> str:
    """What the expression is, asked of a process that ends at once."""
    code = f"from neet.services import postgres; print({expression})"
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(PLUGINS)}, check=True,
        capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def test_a_claimed_port_is_not_given_to_another_process():
    port = postgres.free_port()
    assert postgres.is_free(port)
    assert postgres.claim_port(port), "the claimant may ask again"
    assert in_another_process(f"postgres.claim_port({port})") == "False"
    assert in_another_process(f"postgres.free_port(preferred={port})") != str(port)


def test_a_port_that_something_listens_on_is_not_claimed():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not postgres.claim_port(port)
        assert postgres.free_port(preferred=port) != port
    assert postgres.claim_port(port)


def test_a_claim_ends_with_its_process():
    port = int(in_another_process("postgres.free_port()"))
    assert postgres.claim_port(port)
