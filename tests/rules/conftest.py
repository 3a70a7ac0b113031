"""Rules judge in tables of their own and leave nothing behind (``test_workspace.py``): a module shares a warehouse."""

from __future__ import annotations

import pytest


@pytest.fixture
def warehouse(shared_warehouse):
    return shared_warehouse
