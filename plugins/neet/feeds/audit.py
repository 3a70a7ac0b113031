"""Replaying single deliveries: is what the warehouse holds what the landed file says?

A delivery is read again from landing, by the contract of its time and against what was known before it, into a
temporary table, and compared with what ``raw`` and ``control`` hold: every row with its hash, operation and line, every
reject, every count. Once the temporary table is made the transaction is read-only, and it is rolled back: nothing of the
warehouse can change. :func:`neet.feeds.replay.rebuild` is the other audit: it makes everything anew.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from neet import decisions, outgoing
from neet.database import connect
from neet.feeds import landing, loading, recovery, replay
from neet.feeds.contract import Contract
from neet.feeds.landing import Landed, LandingDamaged
from neet.feeds.reading import FileRefused
from neet.progress import Progress
from neet.settings import Settings

SHOWN = 20
"""Differing rows named of one delivery; all are counted."""

AGAIN = sql.Identifier("pg_temp", "read_again")
REJECT = ("line_number", "row_key", "column_name", "value", "rule", "reason", "row_text")
OF_RECEIPT = ("delivery_id", "la_code", "feed", "provider", "period", "as_at", "mode", "file_name", "sha256", "bytes",
              "landing_path", "received_at")  # fmt: skip
NAMED_OTHERWISE = {"sha256": "file_sha256", "bytes": "file_bytes"}
OF_SIDECAR = ("status", "status_reason", "delivery_seq", "accepted_at", "rows_in", "rows_loaded", "rows_unchanged",
              "rows_rejected", "rows_closed", "closures_held", "duplicate_of", "warnings")  # fmt: skip


class NoSuchDelivery(LookupError):
    """Neither the database nor landing knows it."""


@dataclass(frozen=True)
class Audited:
    """What replaying one delivery found.

    Attributes:
        status: as the database has it, or else landing.
        rows: rows that it brought into ``raw`` and that were compared.
        rejects: rejects that were compared.
        differences: one sentence each; none when everything is identical.
    """

    delivery_id: str
    feed: str
    period: str
    status: str
    delivery_seq: int | None
    rows: int
    rejects: int
    differences: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        return not self.differences


@dataclass(frozen=True)
class AuditedAll:
    """What replaying everything found.

    Attributes:
        deliveries: how many deliveries and decisions were compared.
        differing: those that differ.
        elsewhere: what belongs to no delivery: strange folders, gaps, rows without a delivery.
    """

    deliveries: int
    rows: int
    differing: tuple[Audited, ...]
    elsewhere: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        return not self.differing and not self.elsewhere


def audit(settings: Settings, delivery_id: str, into: Path | None = None) -> Audited:
    """Replay one delivery or decision beside the warehouse and compare.

    Args:
        into: a new folder for what was read again (``rows.csv``, ``rejects.csv``) and ``differences.txt``.
    Raises:
        NoSuchDelivery: unknown.
        FileExistsError: ``into`` is there already.
        neet.feeds.loading.LoadFailed: the raw table is missing.
    """
    with _Auditor(settings) as auditor:
        folder = auditor.folder_of(delivery_id)
        if into is not None:
            into.mkdir(parents=True, mode=0o700)
        return auditor.audit(delivery_id, folder, into)


def audit_all(settings: Settings, say: Callable[[str], None] | None = None) -> AuditedAll:
    """Replay every delivery and decision that the database or landing knows of, oldest first.

    Args:
        say: told every few seconds how far it is; default: the log.
    """
    with _Auditor(settings) as auditor, Progress(settings, "replay of everything", say) as progress:
        known = auditor.known()
        landed = {}
        elsewhere: list[str] = []
        for folder in landing.folders(settings):
            try:
                landed[landing.read_landed(settings, folder).delivery_id] = folder
            except LandingDamaged as error:
                elsewhere += error.problems
        elsewhere += replay.strangers(settings)
        order = [*known, *sorted(set(landed) - set(known))]
        rows, differing = 0, []
        for number, delivery_id in enumerate(order):
            progress.at(f"delivery {number + 1} of {len(order)}", rows, number / len(order))
            folder = landed.get(delivery_id) or settings.landing / known[delivery_id]
            found = auditor.audit(delivery_id, folder)
            rows += found.rows
            if not found.is_identical:
                differing.append(found)
        elsewhere += auditor.without_delivery()
    return AuditedAll(len(order), rows, tuple(differing), tuple(elsewhere))


class _Auditor:
    """Two connections: the auditor's reads everything, the loader's may make a temporary table."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def __enter__(self) -> _Auditor:
        with contextlib.ExitStack() as stack:
            self.reader = stack.enter_context(
                connect(self.settings.dsn("auditor"), autocommit=True)
            )
            self.reader.execute("set default_transaction_read_only = on")
            self.loader = stack.enter_context(connect(self.settings.dsn("loader"), autocommit=True))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def known(self) -> dict[str, str]:
        """Landing path of every delivery of the database, in order of acceptance, then of receipt."""
        return dict(
            self.reader.execute(
                "select delivery_id, landing_path from control.delivery order by delivery_seq nulls last, received_at"
            ).fetchall()
        )

    def folder_of(self, delivery_id: str) -> Path:
        row = self._recorded(delivery_id)
        if row is not None:
            return self.settings.landing / row["landing_path"]
        folder = recovery.folder_of(self.settings, delivery_id)
        if folder is None:
            raise NoSuchDelivery(
                f"There is no delivery {delivery_id!r}, neither in control.delivery nor in landing. "
                "`./neet status` shows the last ones."
            )
        return folder

    def audit(self, delivery_id: str, folder: Path, into: Path | None = None) -> Audited:
        """One delivery; whatever is wrong with it is a difference and no error."""
        row = self._recorded(delivery_id)
        found = _Found()
        landed = None
        try:
            landed = landing.read_landed(self.settings, folder)
            found.differences += replay.check_folder(self.settings, folder)
            recorded = landing.decision_on(folder)
        except LandingDamaged as error:
            found.differences += error.problems
            recorded = None
        if row is None:
            found.differences.append(
                f"{folder.relative_to(self.settings.landing)} is in landing and not in control.delivery"
                + ("; the next ingest decides on it" if recorded is None else "; the next ingest brings it back")
            )  # fmt: skip
        if landed is not None and row is not None:
            found.differences += _unlike(_receipt(landed), row, "control.delivery", "the receipt")
            if recorded is None:
                found.differences.append(
                    f"{landed.landing_path} has no sidecar, but is {row['status']}"
                )
            elif not found.differences:  # else the file is not the one that was loaded
                try:
                    self._read_again(landed, recorded, row, found, into)
                except LandingDamaged as error:
                    found.differences += error.problems
                except psycopg.errors.UndefinedTable as error:
                    found.differences.append(
                        f"The warehouse lacks a table: {error.diag.message_primary}"
                    )
        if into is not None:
            text = "".join(f"{line}\n" for line in found.differences) or "identical\n"
            (into / "differences.txt").write_text(text, encoding="utf-8")
        seen = row or (vars(landed) if landed else {})
        return Audited(
            delivery_id=delivery_id,
            feed=seen.get("feed", ""),
            period=seen.get("period", ""),
            status=row["status"] if row else (recorded or {}).get("status", "undecided"),
            delivery_seq=row["delivery_seq"] if row else None,
            rows=found.rows,
            rejects=found.rejects,
            differences=tuple(found.differences),
        )

    def _recorded(self, delivery_id: str) -> dict[str, Any] | None:
        return (
            self.reader.cursor(row_factory=dict_row)
            .execute("select * from control.delivery where delivery_id = %s", [delivery_id])
            .fetchone()
        )

    def _read_again(
        self,
        landed: Landed,
        recorded: dict[str, Any],
        row: dict[str, Any],
        found: _Found,
        into: Path | None,
    ) -> None:
        found.differences += _unlike(
            {name: recorded[name] for name in OF_SIDECAR}, row, "control.delivery", f"{recorded['status']}.json"
        )  # fmt: skip
        if landed.mode == decisions.MODE:
            self._decision(landed, row, found)
            return
        contract = landing.kept_contract(self.settings, landed.feed, recorded["contract_sha256"])
        if contract.version != row["contract_version"]:
            found.differences.append(
                f"control.delivery says contract {row['contract_version']}, its contract says {contract.version}"
            )
        if recorded["status"] == "accepted":
            self._accepted(landed, contract, recorded, found, into)
        else:
            self._other(landed, contract, recorded, found)

    def _accepted(
        self,
        landed: Landed,
        contract: Contract,
        recorded: dict[str, Any],
        found: _Found,
        into: Path | None,
    ) -> None:
        """Compare what the file comes to with the rows of ``raw``."""
        raw = sql.Identifier("raw", landed.feed)
        connection = self.loader
        with connection.transaction(force_rollback=True):
            connection.execute(
                sql.SQL("create temporary table read_again (like {}) on commit drop").format(raw)
            )
            connection.execute("set transaction read only")
            try:
                verdict = loading.load_again(
                    connection,
                    contract,
                    landed,
                    recorded["delivery_seq"],
                    dt.datetime.fromisoformat(recorded["accepted_at"]),
                    AGAIN,
                    recorded["settled_by"],
                )
            except (FileRefused, psycopg.DataError) as error:
                found.differences.append(
                    f"{landed.landing_path} was accepted and is now refused: {error}"
                )
                return
            now = verdict.sidecar(landed, contract.version, contract.sha256)
            found.differences += _unlike(recorded, now, "read again", "accepted.json")
            found.rows = connection.execute(
                sql.SQL("select count(*) from {}").format(AGAIN)
            ).fetchone()[0]
            found.differences += _rows_unlike(connection, raw, recorded["delivery_seq"])
            if into is not None:
                _write_rows(connection, into)
        self._rejects(landed, verdict, found, into)

    def _other(
        self, landed: Landed, contract: Contract, recorded: dict[str, Any], found: _Found
    ) -> None:
        """Held, refused and duplicate files left nothing but their rejects and their reason."""
        try:
            verdict = loading.restored(contract, landed, recorded)
        except FileRefused as error:
            found.differences.append(f"{landed.landing_path} can no longer be read: {error}")
            return
        now = verdict.sidecar(landed, contract.version, contract.sha256)
        found.differences += _unlike(recorded, now, "read again", f"{recorded['status']}.json")
        if recorded["status"] == "duplicate":
            same = self.reader.execute(
                "select file_sha256 from control.delivery where delivery_id = %s", [recorded["duplicate_of"]]
            ).fetchone()  # fmt: skip
            if same != (landed.sha256,):
                found.differences.append(
                    f"{landed.landing_path} counts as a duplicate of {recorded['duplicate_of']}, whose file is another"
                )
        self._rejects(landed, verdict, found, None)

    def _rejects(
        self, landed: Landed, verdict: loading.Verdict, found: _Found, into: Path | None
    ) -> None:
        there = self.reader.execute(
            f"select {', '.join(REJECT)} from control.reject where delivery_id = %s order by reject_number",
            [landed.delivery_id],
        ).fetchall()
        again = [
            (r.line_number, r.row_key, r.column, r.value, r.rule, r.reason, r.row_text)
            for r in verdict.rejects
        ]
        found.rejects = len(again)
        if len(there) != len(again):
            found.differences.append(
                f"control.reject holds {len(there)} rejects; its file has {len(again)}"
            )
        for number, (kept, now) in enumerate(zip(there, again, strict=False), 1):
            if kept != now:
                columns = [name for name, a, b in zip(REJECT, kept, now, strict=True) if a != b]
                found.differences.append(
                    f"control.reject: reject {number} (line {now[0]}) differs in {', '.join(columns)}"
                )
        if into is not None:
            outgoing.write_csv(into / "rejects.csv", list(REJECT), again)

    def _decision(self, landed: Landed, row: dict[str, Any], found: _Found) -> None:
        """Compare a decision's document with its row, and its attachments with the rows they were loaded to."""
        content, decided_at = decisions.document_of(landed)
        kept = (
            self.reader.cursor(row_factory=dict_row)
            .execute("select * from control.decision where decision_id = %s", [landed.delivery_id])
            .fetchone()
        )
        found.rows = 1
        if kept is None:
            found.differences.append(f"{landed.landing_path} is not in control.decision")
            return
        document = {
            name: content[name]
            for name in ("kind", "la_code", "subject", "decided_by", "reason", "body")
        }
        document |= {
            "decision_id": landed.delivery_id,
            "delivery_seq": row["delivery_seq"],
            "decided_at": decided_at,
        }
        found.differences += _unlike(document, kept, "control.decision", decisions.DOCUMENT)
        for name, lines, table, rows in decisions.attached(self.reader, landed, content):
            found.rows += rows
            if lines != rows:
                found.differences.append(f"{table} holds {rows} rows of {name}, which has {lines}")

    def without_delivery(self) -> Iterator[str]:
        """Rows of ``raw`` and ``control`` that no accepted delivery explains."""
        tables = self.reader.execute(
            "select table_name from information_schema.tables where table_schema = 'raw' order by 1"
        ).fetchall()
        for (feed,) in tables:
            for seq, count in self.reader.execute(
                sql.SQL(
                    """select version.delivery_seq, count(*) from {} as version
                       left join control.delivery as delivery
                         on delivery.delivery_seq = version.delivery_seq and delivery.feed = {}
                        and delivery.la_code = version.la_code
                       where delivery.delivery_id is null group by 1 order by 1"""
                ).format(sql.Identifier("raw", feed), sql.Literal(feed))
            ):
                yield f"raw.{feed} holds {count} rows under number {seq}, which is no accepted delivery of it"


class _Found:
    def __init__(self) -> None:
        self.rows = self.rejects = 0
        self.differences: list[str] = []


def _receipt(landed: Landed) -> dict[str, Any]:
    values = {name: getattr(landed, name) for name in OF_RECEIPT}
    return {NAMED_OTHERWISE.get(name, name): value for name, value in values.items()}


def _unlike(expected: dict[str, Any], there: dict[str, Any], where: str, source: str) -> list[str]:
    """One sentence a value that is not as landing says."""
    return [
        f"{where}: {name} is {_plain(there.get(name))!r}; {source} says {_plain(value)!r}"
        for name, value in expected.items()
        if _plain(there.get(name)) != _plain(value)
    ]


def _plain(value: Any) -> Any:
    """A moment in one form, whether it came from JSON or from the database."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value) if "T" in value else value
        except ValueError:
            return value
    if isinstance(value, dt.datetime):
        return landing.as_utc(value).isoformat()
    return list(value) if isinstance(value, tuple) else value


def _rows_unlike(connection: psycopg.Connection, raw: sql.Identifier, seq: int) -> list[str]:
    """The rows of a delivery that differ from the file's, the first of them named by key, line and columns."""
    found = connection.execute(
        sql.SQL(
            """select coalesce(kept.row_key, again.row_key) as key, to_jsonb(kept), to_jsonb(again), count(*) over ()
               from (select * from {raw} where delivery_seq = %s) as kept
               full join {again} as again on again.la_code = kept.la_code and again.row_key = kept.row_key
               where to_jsonb(kept) is distinct from to_jsonb(again)
               order by coalesce(kept.row_key, again.row_key) collate "C" limit %s"""
        ).format(raw=raw, again=AGAIN),
        [seq, SHOWN],
    ).fetchall()
    table = raw.as_string(None).replace('"', "")
    sentences = []
    for key, kept, again, _ in found:
        line = (again or kept)["line_number"]
        where = f"{table}: row {key!r}" + (f" (line {line})" if line else "")
        if kept is None:
            sentences.append(f"{where} is missing")
        elif again is None:
            sentences.append(f"{where} is not what the file brought")
        else:
            columns = [name for name in again if kept[name] != again[name]]
            sentences.append(f"{where} differs in {', '.join(columns)}")
    if found and found[0][3] > len(found):
        sentences.append(f"{table}: and {found[0][3] - len(found)} more rows differ")
    return sentences


def _write_rows(connection: psycopg.Connection, into: Path) -> None:
    cursor = connection.execute(
        sql.SQL('select * from {} order by la_code, row_key collate "C"').format(AGAIN)
    )
    outgoing.write_csv(into / "rows.csv", [column.name for column in cursor.description], cursor)
