"""Every feed in one unattended run of the daily collection, from real servers, and rebuilt from landing the same."""

from __future__ import annotations

import pytest

from benchmarks import harness
from tests.transports.servers import install_sshd

pytestmark = pytest.mark.system


def test_every_feed_arrives_in_one_run_and_the_rebuild_is_identical(tmp_path, capsys):
    """The benchmark itself raises when a table rebuilt from landing is not as it was."""
    install_sshd()
    (figure,) = harness.measure("morning_run", 300, tmp_path)
    told = capsys.readouterr().out
    feeds = [line.split()[0] for line in told.splitlines() if "files accepted" in line]
    assert len(feeds) >= 38
    assert "OpenSSH" in figure.note and "identical in" in figure.note
    assert figure.size > 1000
