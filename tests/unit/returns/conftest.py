import pytest
from returns_county import County


@pytest.fixture
def county(warehouse, monkeypatch):
    """A warehouse whose ledger begins with December 2021; see :class:`returns_county.County`."""
    monkeypatch.setenv("NEET_LEDGER_START", "2021-12")
    county = County(warehouse)
    county.deliver(25)
    return county
