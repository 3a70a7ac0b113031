"""A desk at which files are made up and delivered to a real, empty warehouse."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from neet import database
from neet.feeds import landing, raw
from neet.feeds.contract import Contract
from neet.feeds.landing import DeliveryResult
from neet.settings import Settings

DATA = Path(__file__).resolve().parents[2] / "data" / "feeds"
TOY = DATA / "toy.yml"
TOY_HEADER = ("ItemID", "Label", "MadeOn", "Size", "Price")


@dataclass(frozen=True)
class Desk:
    """A warehouse, its settings and a folder to make files in."""

    settings: Settings
    dsn: dict[str, str]
    folder: Path

    def contract(self, feed: str) -> Contract:
        return landing.contract_of(self.settings, feed)

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def deliver(self, feed: str, name: str, content: bytes | str, **given) -> DeliveryResult:
        return landing.receive(
            self.settings, self.dsn["loader"], feed, self.file(name, content), **given
        )

    def toy(
        self,
        rows: Iterable[Iterable],
        mode: str = "snapshot",
        day: str = "20211231",
        provider: str = "886",
        header: Iterable[str] = TOY_HEADER,
    ) -> DeliveryResult:
        """Deliver rows of the toy feed."""
        header = [*header, "Operation"] if mode == "delta" else list(header)
        return self.deliver("toy", f"{provider}_toy_{mode}_{day}.csv", as_csv(header, rows))

    def query(self, statement: str, *parameters) -> list[tuple]:
        with database.connect(self.dsn["auditor"]) as connection:
            return connection.execute(statement, parameters).fetchall()

    def current(self, feed: str, columns: str, la_code: str = "886") -> dict[str, tuple]:
        """``row_key -> (operation, columns...)`` of the latest version of each key not closed."""
        return {
            key: tuple(rest)
            for key, *rest in self.query(
                f"""select row_key, operation, {columns} from (
                      select *, row_number() over (partition by row_key order by delivery_seq desc) as n
                      from raw.{feed} where la_code = %s) as versions
                    where n = 1 and operation <> 'D' order by row_key""",
                la_code,
            )
        }

    def rejects(self, delivery_id: str, columns: str) -> list[tuple]:
        return self.query(
            f"select {columns} from control.reject where delivery_id = %s order by reject_number",
            delivery_id,
        )

    def everything(self) -> dict[str, list[tuple]]:
        """Every row of every table that landing must be able to give back, in a fixed order."""
        tables = self.query(
            """select table_schema || '.' || table_name from information_schema.tables
               where table_schema in ('control', 'raw', 'assurance', 'ledger', 'submitted')
                 and table_name not in ('build', 'census_run') order by 1"""
        )
        return {
            table: sorted(
                row for (row,) in self.query(f"select to_jsonb(t)::text from {table} as t")
            )
            for (table,) in tables
        }


def as_csv(header: Iterable[str], rows: Iterable[Iterable], newline: str = "\n") -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def with_contracts(desk: Desk, root: Path, contracts: dict[str, str]) -> Desk:
    """The same warehouse with other contracts, and raw tables for them."""
    folder = root / "expectations" / "feeds"
    folder.mkdir(parents=True, exist_ok=True)
    for feed, text in contracts.items():
        (folder / f"{feed}.yml").write_text(text)
    settings = Settings(root=root, home=desk.settings.home, la_code=desk.settings.la_code)
    with database.connect(desk.dsn["owner"]) as owner:
        raw.ensure_raw_tables(owner, landing.contracts_of(settings).values())
    return Desk(settings, desk.dsn, desk.folder)
