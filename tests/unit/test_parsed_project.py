"""What the session parsed once is taken by dbt for other databases, and says theirs."""

import pytest

from neet import transform
from tests.parsed_project import SHAPES


@pytest.mark.slow
@pytest.mark.parametrize("lineage", SHAPES)
def test_dbt_takes_what_it_is_lent(warehouse, parsed_project, lineage, monkeypatch):
    from dbt.cli import main

    parsed_project.lend(warehouse.settings, warehouse.dsn["builder"], lineage)
    heard = []
    invoke = main.dbtRunner.invoke

    def listening(runner, arguments):
        runner.callbacks.append(lambda event: heard.append(event.info.name))
        return invoke(runner, arguments)

    monkeypatch.setattr(main.dbtRunner, "invoke", listening)
    done = transform.parsed(warehouse.settings, warehouse.dsn["builder"], SHAPES[lineage])
    assert done.success
    assert "StateCheckVarsHash" in heard
    assert "UnableToPartialParse" not in heard and "PartialParsingError" not in heard
    name = transform.profile_environment(warehouse.dsn["builder"])["NEET_DBT_DBNAME"]
    relations = {node.relation_name for node in done.result.nodes.values() if node.relation_name}
    assert len(relations) > 200
    assert {relation for relation in relations if not relation.startswith(f'"{name}".')} == set()
    assert {node.database for node in done.result.nodes.values()} == {name}
