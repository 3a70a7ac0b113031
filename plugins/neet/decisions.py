"""Decisions are deliveries (design rule 6): written to landing, numbered and replayed like any feed.

A decision's folder appears in landing in one rename with its ``accepted.json`` already in it, just
before COMMIT; what is wrong with a decision is found before that, so landing holds none that failed.

Roles: ``release`` and ``discard`` are recorded with the loader's connection, for they load or refuse a
delivery; every other kind with the gate's.

The same decision (kind, authority, subject, body, files, who and why) given again is found, not
repeated, as long as it is the *latest* of its kind on its subject: as with files, A, B, A is three.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from neet.feeds import landing, loading
from neet.feeds.landing import Landed
from neet.feeds.loading import Counts, Verdict
from neet.feeds.reading import FileRefused
from neet.settings import Settings

DOCUMENT = "decision.json"
MODE = "decision"
LIMITS = {"subject": 500, "decided_by": 200, "reason": 4_000}
MAX_BODY_BYTES = 1 << 20
LA_CODE = re.compile(r"[A-Za-z0-9]{1,10}")

GATE_COLUMNS = (
    "run_id", "census_point", "known_seq", "outcome", "payload_sha256", "answered_by", "rules_run",
    "rules_failed", "rules_waived", "rules_not_applicable", "rules_could_not_run", "inputs",
)  # fmt: skip
LEDGER_COLUMNS = (
    "submission_id", "census_point", "outcome", "chain_number", "previous_submission_id",
    "package_path", "payload_sha256", "manifest_sha256", "known_seq", "signed_by", "sealed_at",
)  # fmt: skip


class DecisionError(ValueError):
    """The decision cannot be recorded; nothing was. The message says why and what to do."""


@dataclass(frozen=True)
class Decision:
    """A recorded decision.

    Attributes:
        decision_id: its ``delivery_id`` too.
        landing_path: its folder in landing.
    """

    decision_id: str
    delivery_seq: int
    landing_path: str


@dataclass(frozen=True)
class _Context:
    """What the effect of a decision may use, the first time and at replay alike."""

    settings: Settings
    connection: psycopg.Connection
    decision_id: str
    delivery_seq: int
    accepted_at: dt.datetime
    kind: str
    la_code: str
    subject: str
    decided_by: str
    decided_at: dt.datetime
    reason: str
    body: Mapping[str, Any]
    files: Mapping[str, bytes]


# What the effect leaves to be done once the decision's folder is in its place: a sidecar elsewhere.
_Afterwards = Callable[[], None]


@dataclass(frozen=True)
class _Kind:
    """One kind of decision.

    Attributes:
        tables: attached CSV file -> table it is loaded into.
        optional: those that may be absent.
        effect: what it does beside being recorded.
    """

    effect: Callable[[_Context], _Afterwards | None]
    tables: Mapping[str, str]
    optional: frozenset[str] = frozenset()


def record(
    settings: Settings,
    dsn: str,
    kind: str,
    la_code: str,
    subject: str,
    body: Mapping[str, Any],
    decided_by: str,
    reason: str,
    files: Mapping[str, Path | bytes] | None = None,
    decided_at: dt.datetime | None = None,
) -> Decision:
    """Record a decision and apply it, in one transaction.

    Args:
        dsn: the loader's for ``release`` and ``discard``, else the gate's.
        kind: one of :data:`KINDS`.
        subject: what it is about: a ``delivery_id``, a census point, a check.
        body: JSON; dates and times may be given as such. Its keys are columns of the tables that the
            kind writes; ``detail`` may hold anything.
        files: attached CSVs by name, UTF-8, with column names of their table as header.
        decided_at: when it was decided; default: now. It does not make a decision another one.
    Returns:
        the decision; the existing one when it is the same as the latest on its subject.
    Raises:
        DecisionError: unknown kind, a text missing or too long, a body or file that does not fit its
            table, a release of what is not held, a submission that does not continue the chain.
        neet.feeds.loading.LoadFailed: the database cannot take it now.
    """
    content = _content(kind, la_code, subject, body, decided_by, reason)
    attached = {name: _bytes_of(name, file) for name, file in (files or {}).items()}
    _check_files(kind, attached)
    content["files"] = {name: _sha256(data) for name, data in sorted(attached.items())}
    content_sha256 = _sha256(_canonical(content))
    with loading.turn(settings, dsn) as connection:
        same = _same_as_latest(connection, settings, content, content_sha256)
        if same:
            return same
        seq, accepted_at = loading.next_acceptance(connection)
        decided_at = landing.as_utc(decided_at or accepted_at)
        document = _pretty({**content, "decided_at": decided_at.isoformat()})
        landed = _landed(settings, content, content_sha256, len(document), accepted_at)
        context = _context(
            settings,
            connection,
            landed.delivery_id,
            seq,
            accepted_at,
            decided_at,
            content,
            attached,
        )
        with landing.incoming_folder(settings) as folder, connection.transaction():
            verdict, afterwards = _apply(context, landed)
            _fill(folder, landed, document, attached)
            landing.write_json(folder / "accepted.json", verdict.sidecar(landed, "", ""))
            landing.note_deciding(settings, landed.landing_path)
            if not landing.appear(folder, landed.folder):
                raise loading.LoadFailed(f"{landed.folder} is there already. Try again.")
            if afterwards:
                afterwards()
    if kind in ("release", "discard"):
        from neet.feeds import reject_report

        reject_report.write_quietly(settings, dsn, subject)
    return Decision(landed.delivery_id, seq, str(landed.folder))


def replay(
    settings: Settings, connection: psycopg.Connection, landed: Landed, recorded: Mapping[str, Any]
) -> None:
    """Apply a decision of landing again, under its number and time.

    Args:
        connection: of the role that records this kind, holding the delivery lock or working for one
            who does, in autocommit mode.
        recorded: its ``accepted.json``.
    Raises:
        neet.feeds.landing.LandingDamaged: the folder does not hold a decision.
        neet.feeds.loading.ReplayDiffers: it does not come out as it did.
    """
    content, decided_at = document_of(landed)
    try:
        attached = {name: (landed.folder / name).read_bytes() for name in content["files"]}
    except OSError as error:
        raise landing.LandingDamaged(
            [f"{landed.landing_path} holds no decision ({error!r})"]
        ) from error
    context = _context(
        settings,
        connection,
        landed.delivery_id,
        recorded["delivery_seq"],
        dt.datetime.fromisoformat(recorded["accepted_at"]),
        decided_at,
        content,
        attached,
    )
    with connection.transaction():
        verdict, afterwards = _apply(context, landed)
        if verdict.sidecar(landed, "", "") != dict(recorded):
            raise loading.ReplayDiffers(
                f"Decision {landed.landing_path} does not come out of landing as it went in: "
                f"{dict(recorded)} then, {verdict.sidecar(landed, '', '')} now."
            )
        if afterwards:
            afterwards()


def document_of(landed: Landed) -> tuple[dict[str, Any], dt.datetime]:
    """What a decision's folder says was decided, and when.

    Raises:
        neet.feeds.landing.LandingDamaged: it holds no decision, or another than its receipt says.
    """
    try:
        content = json.loads((landed.folder / DOCUMENT).read_text(encoding="utf-8"))
        decided_at = dt.datetime.fromisoformat(content.pop("decided_at"))
        kind, _ = content["kind"], list(content["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise landing.LandingDamaged(
            [f"{landed.landing_path} holds no decision ({error!r})"]
        ) from error
    if kind not in KINDS or _sha256(_canonical(content)) != landed.sha256:
        raise landing.LandingDamaged([f"{landed.landing_path}/{DOCUMENT} was changed"])
    return content, decided_at


def recover(settings: Settings, dsn: str) -> None:
    """Finish what a killed process left half decided, so that what is read next is the whole truth.

    Args:
        dsn: any role's that can read ``control``.
    """
    with loading.turn(settings, dsn):
        pass


def attached(
    connection: psycopg.Connection, landed: Landed, content: Mapping[str, Any]
) -> list[tuple[str, int, str, int]]:
    """The CSV files of a decision, each with its rows, its table and the rows that are there of it.

    Args:
        connection: of a role that may read those tables.
        content: of its :data:`DOCUMENT`.
    """
    found = []
    for name, table in KINDS[content["kind"]].tables.items():
        if name not in content["files"]:
            continue
        text = (landed.folder / name).read_text(encoding="utf-8")
        lines = sum(1 for row in csv.reader(io.StringIO(text, newline="")) if row) - 1
        column, value = "decision_id", landed.delivery_id
        if table.startswith("submitted."):
            column, value = "submission_id", content["body"]["submission_id"]
        query = sql.SQL("select count(*) from {} where {} = %s").format(
            sql.Identifier(*table.split(".")), sql.Identifier(column)
        )
        found.append((name, lines, table, connection.execute(query, [value]).fetchone()[0]))
    return found


def _content(
    kind: str, la_code: str, subject: str, body: Mapping[str, Any], decided_by: str, reason: str
) -> dict[str, Any]:
    if kind not in KINDS:
        raise DecisionError(
            f"There is no decision of kind {kind!r}. Known: {', '.join(sorted(KINDS))}."
        )
    if not isinstance(la_code, str) or not LA_CODE.fullmatch(la_code):
        raise DecisionError(f"{la_code!r} is no code of an authority.")
    texts = {"subject": subject, "decided_by": decided_by, "reason": reason}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise DecisionError(f"A decision needs a {name}: it stands in the audit for good.")
        if len(text) > LIMITS[name]:
            raise DecisionError(
                f"{name} has {len(text)} characters; at most {LIMITS[name]}. Shorten it."
            )
        if loading.has_odd_characters(text):
            raise DecisionError(f"{name} holds control characters. Write it as plain text.")
    if not isinstance(body, Mapping):
        raise DecisionError(f"The body of a decision is a JSON object, not {body!r}.")
    try:
        encoded = json.dumps(body, default=_moment, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise DecisionError(f"The body of a decision must be JSON: {error}.") from error
    if len(encoded) > MAX_BODY_BYTES:
        raise DecisionError(
            f"The body has {len(encoded)} bytes; at most {MAX_BODY_BYTES}. Attach long lists as files."
        )
    if "\\u0000" in encoded:
        raise DecisionError("The body holds a NUL character, which the database cannot keep.")
    return {
        "kind": kind,
        "la_code": la_code,
        **texts,
        "body": json.loads(encoded),
    }


def _moment(value: Any) -> str:
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} {value!r} is not JSON")


def _bytes_of(name: str, file: Path | bytes) -> bytes:
    if isinstance(file, bytes):
        return file
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise DecisionError(f"The attached file {name} cannot be read: {error}.") from error


def _check_files(kind: str, attached: Mapping[str, bytes]) -> None:
    wanted = KINDS[kind]
    unknown = sorted(set(attached) - set(wanted.tables))
    missing = sorted(set(wanted.tables) - set(attached) - wanted.optional)
    if unknown:
        known = ", ".join(sorted(wanted.tables)) or "none"
        raise DecisionError(
            f"A {kind} takes no file {', '.join(unknown)}; files it takes: {known}."
        )
    if missing:
        raise DecisionError(f"A {kind} needs the file {', '.join(missing)}.")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _pretty(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _same_as_latest(
    connection: psycopg.Connection,
    settings: Settings,
    content: Mapping[str, Any],
    content_sha256: str,
) -> Decision | None:
    latest = connection.execute(
        """select decision.decision_id, decision.delivery_seq, delivery.landing_path,
                  delivery.file_sha256
           from control.decision
           join control.delivery on delivery.delivery_id = decision.decision_id
           where decision.la_code = %s and decision.kind = %s and decision.subject = %s
           order by decision.delivery_seq desc limit 1""",
        [content["la_code"], content["kind"], content["subject"]],
    ).fetchone()
    if latest and latest[3] == content_sha256:
        return Decision(latest[0], latest[1], str(settings.landing / latest[2]))
    return None


def _landed(
    settings: Settings,
    content: Mapping[str, Any],
    content_sha256: str,
    size: int,
    accepted_at: dt.datetime,
) -> Landed:
    feed = f"decision.{content['kind']}"
    period = f"{accepted_at:%Y-%m-%d}"
    path = (
        f"{feed}/{content['la_code']}/{period}/{accepted_at:%Y%m%dT%H%M%S%f}_{content_sha256[:8]}"
    )
    return Landed(
        folder=settings.landing / path,
        landing_path=path,
        delivery_id=landing.delivery_id_of(feed, accepted_at, path),
        feed=feed,
        provider=content["la_code"],
        period=period,
        la_code=content["la_code"],
        as_at=accepted_at.date(),
        mode=MODE,
        file_name=DOCUMENT,
        stored_name=DOCUMENT,
        # of what was decided, without the moment: the same decision has the same hash
        sha256=content_sha256,
        bytes=size,
        received_at=accepted_at,
    )


def _fill(folder: Path, landed: Landed, document: bytes, attached: Mapping[str, bytes]) -> None:
    for name, data in {DOCUMENT: document, **attached}.items():
        landing.write_bytes(folder / name, data)
        (folder / name).chmod(0o440)
    files = {name: _sha256(data) for name, data in {DOCUMENT: document, **attached}.items()}
    landing.write_json(folder / landing.RECEIVED, landing.receipt(landed, files))


def _context(
    settings: Settings,
    connection: psycopg.Connection,
    decision_id: str,
    seq: int,
    accepted_at: dt.datetime,
    decided_at: dt.datetime,
    content: Mapping[str, Any],
    attached: Mapping[str, bytes],
) -> _Context:
    return _Context(
        settings=settings,
        connection=connection,
        decision_id=decision_id,
        delivery_seq=seq,
        accepted_at=accepted_at,
        kind=content["kind"],
        la_code=content["la_code"],
        subject=content["subject"],
        decided_by=content["decided_by"],
        decided_at=decided_at,
        reason=content["reason"],
        body=content["body"],
        files=attached,
    )


def _apply(context: _Context, landed: Landed) -> tuple[Verdict, _Afterwards | None]:
    """Write the decision's rows: the same code the first time and at replay."""
    kind = KINDS[context.kind]
    connection = context.connection
    verdict = Verdict("accepted", None, context.delivery_seq, context.accepted_at)
    try:
        loading.insert_delivery(connection, landed, verdict, None)
        connection.execute(
            """insert into control.decision (decision_id, la_code, delivery_seq, kind, subject,
                                             decided_by, decided_at, reason, body)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                context.decision_id, context.la_code, context.delivery_seq, context.kind,
                context.subject, context.decided_by, context.decided_at, context.reason,
                json.dumps(context.body),
            ],
        )  # fmt: skip
        afterwards = kind.effect(context)
        for name, table in kind.tables.items():
            if name in context.files:
                _load_file(context, name, table)
    except psycopg.errors.InsufficientPrivilege as error:
        role = "loader" if context.kind in ("release", "discard") else "gate"
        raise DecisionError(
            f"This connection may not record a {context.kind}; use the {role}'s ({error})."
        ) from error
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise DecisionError(
            f"The {context.kind} of {context.subject} does not fit its tables: {_first_lines(error)}"
        ) from error
    return verdict, afterwards


def _first_lines(error: psycopg.Error) -> str:
    parts = [error.diag.message_primary, error.diag.message_detail, error.diag.context]
    return " ".join(part.splitlines()[0] for part in parts if part) or str(error)


def _insert(
    context: _Context, table: str, allowed: tuple[str, ...], own: Mapping[str, Any]
) -> None:
    """Insert one row from the body; ``own`` are the columns that do not come from it."""
    values = {**{name: context.body.get(name) for name in allowed}, **own}
    values = {
        name: json.dumps(value) if isinstance(value, (dict, list)) else value
        for name, value in values.items()
    }
    context.connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        ),
        values,
    )


def _check_body(context: _Context, allowed: tuple[str, ...], needed: tuple[str, ...]) -> None:
    unknown = sorted(set(context.body) - set(allowed) - {"detail"})
    if unknown:
        raise DecisionError(
            f"The body of a {context.kind} has no {', '.join(unknown)}; it has "
            f"{', '.join(allowed)}, and detail for anything else."
        )
    missing = [name for name in needed if context.body.get(name) is None]
    if missing:
        raise DecisionError(f"The body of a {context.kind} needs {', '.join(missing)}.")


def _gate_decision(context: _Context, outcomes: tuple[str, ...]) -> None:
    if context.body.get("outcome") not in outcomes:
        raise DecisionError(
            f"The outcome of a {context.kind} is {' or '.join(outcomes)}, not "
            f"{context.body.get('outcome')!r}."
        )
    _insert(
        context,
        "assurance.gate_decision",
        GATE_COLUMNS,
        {
            "decision_id": context.decision_id,
            "la_code": context.la_code,
            "decided_by": context.decided_by,
            "decided_at": context.decided_at,
            "reason": context.reason,
            "inputs": context.body.get("inputs") or {},
            "delivery_seq": context.delivery_seq,
        },
    )


def _gate(*outcomes: str) -> Callable[[_Context], None]:
    """A decision on a census run, recorded in ``assurance.gate_decision``."""

    def effect(context: _Context) -> None:
        _check_body(
            context, GATE_COLUMNS, ("run_id", "census_point", "known_seq", "outcome", "inputs")
        )
        _gate_decision(context, outcomes)

    return effect


def _submission(context: _Context) -> None:
    _check_body(
        context,
        LEDGER_COLUMNS,
        (
            "submission_id", "census_point", "package_path", "payload_sha256", "manifest_sha256",
            "known_seq",
        ),
    )  # fmt: skip
    _ledger(context, "sealed")


def _not_sent(context: _Context) -> None:
    """A point for which no return went out: a link of the chain, and, when there was a run, the end of
    its gate."""
    _check_body(
        context,
        tuple(dict.fromkeys(LEDGER_COLUMNS + GATE_COLUMNS)),
        ("submission_id", "census_point"),
    )
    _ledger(context, "not_sent")
    if context.body.get("run_id") is not None:
        _gate_decision(context, ("not_sent",))


def _ledger(context: _Context, outcome: str) -> None:
    body = context.body
    if body.get("outcome", outcome) != outcome:
        raise DecisionError(
            f"The outcome of a {context.kind} is {outcome}, not {body['outcome']!r}."
        )
    last = context.connection.execute(
        """select chain_number, submission_id from ledger.submission
           where la_code = %s order by chain_number desc limit 1""",
        [context.la_code],
    ).fetchone() or (0, None)
    number, previous = last[0] + 1, last[1]
    if body.get("chain_number", number) != number:
        raise DecisionError(
            f"The next submission of {context.la_code} is number {number} of its chain, not "
            f"{body['chain_number']}: another was recorded meanwhile. Seal again."
        )
    if body.get("previous_submission_id", previous) != previous:
        raise DecisionError(
            f"The submission before is {previous}, not {body['previous_submission_id']}: another was "
            "recorded meanwhile. Seal again."
        )
    _insert(
        context,
        "ledger.submission",
        LEDGER_COLUMNS,
        {
            "la_code": context.la_code,
            "outcome": outcome,
            "chain_number": number,
            "previous_submission_id": previous,
            "signed_by": body.get("signed_by") or context.decided_by,
            "sealed_at": body.get("sealed_at") or context.decided_at,
            "delivery_seq": context.delivery_seq,
            "decision_id": context.decision_id,
        },
    )


def _nothing(context: _Context) -> None:
    """Being recorded is all: whoever it concerns reads ``control.decision``."""


def _chase(context: _Context) -> None:
    """A provider was asked for a file that is due; ``fct_collection`` counts them."""
    columns = ("provider", "feed", "due_on", "channel", "chased_on")
    _check_body(context, columns, columns)
    for name in ("due_on", "chased_on"):
        try:
            dt.date.fromisoformat(context.body[name])
        except (TypeError, ValueError) as error:
            raise DecisionError(
                f"{name} of a chase is a date, YYYY-MM-DD, not {context.body[name]!r}."
            ) from error


IDENTITY_COLUMNS = ("one_feed", "one_key", "other_feed", "other_key")


def _identity(context: _Context) -> None:
    """Whether two records are of one person; linkage reads it from ``control.decision``."""
    _check_body(context, IDENTITY_COLUMNS, IDENTITY_COLUMNS)
    named = [context.body[name] for name in IDENTITY_COLUMNS]
    if not all(isinstance(text, str) and text.strip() for text in named):
        raise DecisionError(f"A {context.kind} names two records, each by feed and source key.")
    if named[:2] == named[2:]:
        raise DecisionError(
            f"{named[1]} of {named[0]} is one record; a {context.kind} is about two."
        )


def _load_file(context: _Context, name: str, table: str) -> None:
    """Load an attached CSV into its table, with the identity of the decision added."""
    identity = {"decision_id": context.decision_id}
    if table.startswith("submitted."):
        identity = {"submission_id": context.body["submission_id"]}
    common = {"la_code": context.la_code} | {
        key: context.body.get(key) for key in ("run_id", "census_point", "known_seq")
    }
    columns = _columns_of(context.connection, table)
    header = _header_of(name, context.files[name])
    allowed = [column for column in columns if column not in identity]
    unknown = [column for column in header if column not in allowed]
    if unknown or len(set(header)) < len(header):
        raise DecisionError(
            f"{name}: line 1: {', '.join(unknown) or 'a column'} "
            f"{'is no column' if unknown else 'stands twice'} of {table}; columns: {', '.join(allowed)}."
        )
    filled = {
        column: value
        for column, value in common.items()
        if column in columns and column not in header and value is not None
    }
    missing = [
        column
        for column, is_needed in columns.items()
        if is_needed and column not in {*header, *identity, *filled}
    ]
    if missing:
        raise DecisionError(f"{name}: line 1: {', '.join(missing)} of {table} is missing.")
    connection = context.connection
    identifiers = sql.SQL(", ").join(map(sql.Identifier, header))
    target = sql.Identifier(*table.split("."))
    attached = sql.Identifier("pg_temp", "attached")
    connection.execute("drop table if exists pg_temp.attached")
    connection.execute(
        sql.SQL("create temporary table attached on commit drop as select {} from {} with no data")
        .format(identifiers, target)
    )  # fmt: skip
    try:
        with connection.cursor().copy(
            sql.SQL("copy {} ({}) from stdin (format csv, header true, encoding 'UTF8')").format(
                attached, identifiers
            )
        ) as copy:
            copy.write(context.files[name])
    except psycopg.DataError as error:
        where = (error.diag.context or "").replace("COPY attached, ", "").splitlines()
        raise DecisionError(
            f"{name}: {where[0] if where else ''}: {error.diag.message_primary}. It is to be loaded "
            f"into {table}."
        ) from error
    if "la_code" in header:
        stranger = connection.execute(
            sql.SQL("select la_code from {} where la_code is distinct from %s limit 1").format(
                attached
            ),
            [context.la_code],
        ).fetchone()
        if stranger:
            raise DecisionError(
                f"{name}: a row is about authority {stranger[0]!r}, the decision about {context.la_code}."
            )
    given = {**identity, **filled}
    try:
        connection.execute(
            sql.SQL("insert into {} ({}) select {}, {} from {}").format(
                target,
                sql.SQL(", ").join(map(sql.Identifier, [*given, *header])),
                sql.SQL(", ").join(map(sql.Placeholder, given)),
                identifiers,
                attached,
            ),
            given,
        )
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise DecisionError(f"{name}: does not fit {table}: {_first_lines(error)}") from error


def _columns_of(connection: psycopg.Connection, table: str) -> dict[str, bool]:
    """Columns of a table and whether each must be given."""
    return dict(
        connection.execute(
            """select attname, attnotnull and not atthasdef from pg_attribute
               where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum""",
            [table],
        ).fetchall()
    )


def _header_of(name: str, data: bytes) -> list[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecisionError(f"{name}: is not UTF-8: {error}.") from error
    if "\0" in text:
        raise DecisionError(f"{name}: holds a NUL character.")
    header = next(csv.reader(io.StringIO(text, newline="")), [])
    if not any(header):
        raise DecisionError(f"{name}: is empty; it needs at least a header.")
    return header


def newest_of_feed(connection: psycopg.Connection, la_code: str, feed: str) -> int:
    """Number of the newest accepted delivery of a feed; 0 when there is none."""
    return connection.execute(
        """select coalesce(max(delivery_seq), 0) from control.delivery
           where la_code = %s and feed = %s and status = 'accepted'""",
        [la_code, feed],
    ).fetchone()[0]


def _held(context: _Context) -> tuple[Landed, dict[str, Any]]:
    """The held delivery a release or discard is about; restored first when the database is being
    rebuilt."""
    from neet.feeds import recovery

    row = context.connection.execute(
        "select status, landing_path, la_code from control.delivery where delivery_id = %s",
        [context.subject],
    ).fetchone()
    if row is None:
        folder = recovery.folder_of(context.settings, context.subject)
        recorded = landing.read_sidecar(folder, "held") if folder else None
        if recorded is None:
            raise DecisionError(
                f"There is no delivery {context.subject!r}. Held ones are in control.delivery, and "
                "`./neet status` lists them."
            )
        landed = landing.read_landed(context.settings, folder)
        loading.restore_held(context.settings, context.connection, landed, recorded)
        return landed, recorded
    status, path, la_code = row
    if status != "held":
        raise DecisionError(
            f"Delivery {context.subject} is {status}, not held, so there is nothing to "
            f"{context.kind}."
        )
    folder = context.settings.landing / path
    landed = landing.read_landed(context.settings, folder)
    recorded = landing.read_sidecar(folder, "held")
    if recorded is None:
        raise landing.LandingDamaged([f"{path} has no held.json"])
    contract = landing.kept_contract(context.settings, landed.feed, recorded["contract_sha256"])
    # a national feed is every authority's to settle
    if la_code not in (context.la_code, contract.la_code):
        raise DecisionError(
            f"Delivery {context.subject} is of authority {la_code}; the decision names "
            f"{context.la_code}."
        )
    return landed, recorded


def _release(context: _Context) -> _Afterwards:
    """Load a held delivery as the newest of its feed, under the number after the decision's.

    It is read by the contract it was held under: what the person saw is what is loaded. A body with
    ``newest_seq``, the feed's newest accepted delivery that the person knew of, holds only as long as it is.
    """
    landed, recorded = _held(context)
    seen = context.body.get("newest_seq")
    newest = newest_of_feed(context.connection, landed.la_code, landed.feed)
    if seen is not None and seen != newest:
        raise DecisionError(
            f"Delivery {newest} of {landed.feed} was accepted while you decided, so {landed.delivery_id} would now do "
            "something else than you saw. Nothing was changed; look again (`./neet held`)."
        )
    contract = landing.kept_contract(context.settings, landed.feed, recorded["contract_sha256"])
    try:
        verdict = loading.load_rows(
            context.connection,
            contract,
            landed,
            context.delivery_seq + 1,
            context.accepted_at,
            judge=False,
            settled_by=context.decision_id,
        )
    except FileRefused as refused:
        raise DecisionError(
            f"{landed.delivery_id} cannot be loaded: {refused} Discard it instead."
        ) from refused
    loading.update_held(context.connection, landed, verdict, contract.version)
    if not recorded["rows_rejected"]:  # else they were kept when it was held
        loading.insert_rejects(context.connection, landed, verdict.rejects)
    before = landing.read_sidecar(landed.folder, "accepted")
    if before is not None:
        loading.check_same(landed, verdict, before, contract)
    sidecar = verdict.sidecar(landed, contract.version, contract.sha256)
    return lambda: landing.write_json(landed.folder / "accepted.json", sidecar)


def _discard(context: _Context) -> _Afterwards:
    """Refuse a held delivery for good; the file stays in landing."""
    landed, recorded = _held(context)
    verdict = Verdict(
        status="refused",
        reason=f"discarded: {context.decided_by}: {context.reason} (decision {context.decision_id}; "
        f"it had been held: {recorded['status_reason']})",
        counts=Counts(**{name: recorded[name] for name in vars(Counts())}),
        warnings=tuple(recorded["warnings"]),
        settled_by=context.decision_id,
    )
    loading.update_held(context.connection, landed, verdict, recorded["contract_version"])
    sidecar = verdict.sidecar(landed, recorded["contract_version"], recorded["contract_sha256"])
    return lambda: landing.write_json(landed.folder / "refused.json", sidecar)


KINDS: dict[str, _Kind] = {
    "release": _Kind(_release, {}),
    "discard": _Kind(_discard, {}),
    "gate_check": _Kind(
        _gate("passed", "blocked"),
        {
            "check_results.csv": "assurance.check_result",
            "check_failures.csv": "assurance.check_failure",
            "submission_changes.csv": "assurance.submission_change",
        },
        frozenset({"check_failures.csv", "submission_changes.csv"}),
    ),
    "sign_off": _Kind(_gate("signed"), {}),
    "refusal": _Kind(_gate("refused"), {}),
    "submission": _Kind(
        _submission,
        {
            "cohort_month.csv": "submitted.cohort_month",
            "kpi_value.csv": "submitted.kpi_value",
            "return_record.csv": "submitted.return_record",
        },
    ),
    "not_sent": _Kind(_not_sent, {}),
    "waiver": _Kind(_nothing, {}),
    "chase": _Kind(_chase, {}),
    "identity_link": _Kind(_identity, {}),
    "identity_split": _Kind(_identity, {}),
    "identity_unsure": _Kind(_identity, {}),
    "identity_undo": _Kind(_identity, {}),
}
"""Every kind of decision there is."""
