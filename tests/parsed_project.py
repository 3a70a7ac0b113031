"""The project parsed once for all databases of a session of tests.

dbt keeps what it parsed (``partial_parse.msgpack``) for one database: its name stands in every relation, and a hash of the
connection beside them. Parsing takes ten times as long as building an empty county, and every test has a database of its
own. So the project is parsed once, for a database that does not exist, and what dbt kept is lent to the others with their
name and their hash in it. If dbt does not take it, it parses anew: only time is lost (``test_parsed_project.py``).
"""

from __future__ import annotations

import fcntl
import pprint
from pathlib import Path

import msgpack
from dbt.adapters.postgres.connections import PostgresCredentials
from dbt.contracts.files import FileHash

from neet import transform, yaml_files
from neet.settings import PROJECT_ROOT, Settings

KEPT = "partial_parse.msgpack"
NOBODYS = "postgresql://nobody:none@127.0.0.1:1/neet_parsed_for_nobody"
SHAPES = {
    "live": {"lineage": "live", "la_code": "886"},
    "census": {
        "lineage": "census",
        "la_code": "886",
        "census_schema": transform.census_schema_while_building("886"),
    },
}


class ParsedProject:
    """What dbt made of the project, ready to be lent.

    Args:
        folder: shared by the processes of a session; the first that asks parses, the others wait for it.
    """

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(PROJECT_ROOT, folder, "886")

    def lend(self, settings: Settings, dsn: str, *lineages: str) -> None:
        """Put into the home of an installation what dbt would find there had it parsed the project before."""
        for lineage in lineages:
            kept = self._kept(lineage)
            names = {
                "neet_parsed_for_nobody": transform.profile_environment(dsn)["NEET_DBT_DBNAME"],
                _connection_hash(NOBODYS): _connection_hash(dsn),
            }
            target = settings.home / "dbt" / lineage / "target" / KEPT
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(msgpack.packb(_renamed(msgpack.unpackb(kept), names)))

    def _kept(self, lineage: str) -> bytes:
        file = self.settings.home / "dbt" / lineage / "target" / KEPT
        file.parent.mkdir(parents=True, exist_ok=True)
        with (file.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                transform.parsed(self.settings, NOBODYS, SHAPES[lineage])
            return file.read_bytes()


def _connection_hash(dsn: str) -> str:
    """As dbt makes it, to see whether what it kept belongs to the connection at hand."""
    profile = yaml_files.read(PROJECT_ROOT / "dbt_project" / "profiles.yml")
    given = profile["neet"]["outputs"]["warehouse"]
    told = transform.profile_environment(dsn)
    credentials = PostgresCredentials(
        host=told["NEET_DBT_HOST"],
        port=int(told["NEET_DBT_PORT"]),
        user=told["NEET_DBT_USER"],
        password=told["NEET_DBT_PASSWORD"],
        database=told["NEET_DBT_DBNAME"],
        **{name: given[name] for name in ("schema", "connect_timeout", "keepalives_idle")},
    )
    return FileHash.from_contents(pprint.pformat(sorted(credentials.connection_info()))).checksum


def _renamed(value, names: dict[str, str]):
    if isinstance(value, str):
        for old, new in names.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, dict):
        return {_renamed(key, names): _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return value
