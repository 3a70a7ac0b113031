"""Sealing: a passed gate, a person's sign-off and a candidate become one immutable package.

What survives a kill
--------------------
:func:`seal` does four things in this order, each of which is all or nothing:

1. the sign-off is recorded as a decision (landing first, then one transaction);
2. the package is built under ``.draft-<submission id>``, written to the disk, and renamed;
3. the submission is recorded as a decision with the slices: ledger and ``submitted.*`` in one transaction;
4. the candidate is removed.

The sign-off comes first because the manifest quotes it, so nothing signed by nobody can ever be in the
archive. The package comes before the ledger because the ledger is what others believe: it never names a
package that is not there. Everything in the package follows from the candidate, the decisions on record and
the chain, Ed25519 signatures included, so a second :func:`seal` finds the sign-off, makes the very same
bytes, and goes on from wherever the first one stopped. A folder that the ledger does not name is not a
submission.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from neet import decisions
from neet.census import CensusRun
from neet.database import connect
from neet.returns import files, ledger, signing
from neet.returns.candidate import (
    PAYLOAD,
    SLICE,
    Candidate,
    CandidateFailed,
    candidate_folder,
    prepare,
    return_name,
)
from neet.returns.ledger import ChainBroken, Entry
from neet.returns.verification import FORMAT, MANIFEST, PUBLIC_KEY, SIGNATURE, verify
from neet.settings import Settings

__all__ = [
    "Candidate",
    "CandidateFailed",
    "ChainBroken",
    "NotSealed",
    "Refused",
    "Submission",
    "mark_not_sent",
    "prepare",
    "refuse",
    "seal",
    "verify",
]

README = """\
NCCIS return of authority {la_code} for {census_point}
Submission {submission_id}, number {number} of its chain, signed by {signed_by}.

payload/{name}
    The return itself, as uploaded to the NCCIS site.
payload/errors.csv
    What the gate found, a line a record and rule, with the service that owns it and how to mend it.
payload/counts.json
    Records by status, the cohort by bucket, every measure with numerator and denominator.
payload/changes.csv
    What differs from the submission before.
slice/*.csv
    What was appended to submitted.* in the warehouse. For programs: values are exact, so a spreadsheet
    could take one for a formula. In errors.csv and changes.csv such cells begin with an apostrophe.
manifest.json
    Hash of every file above, the deliveries the figures rest on, the run, the gate's decision, who
    signed, and the hash of the manifest before: the chain.
manifest.json.sig, manifest.pub
    Ed25519 signature over manifest.json, and the public key it was made with.

To verify:  ./neet package verify DIR
Without this software:
    openssl pkeyutl -verify -pubin -inkey manifest.pub -rawin -in manifest.json -sigfile manifest.json.sig
    (cd payload && LC_ALL=C sha256sum * | sha256sum)      gives payload_sha256 of the manifest
Compare manifest.pub with the key the authority publishes: a key inside the package proves nothing alone.

This folder holds personal data of young people. Nothing in it may be edited: correct the source system
and make a new return.
"""


class NotSealed(RuntimeError):
    """The candidate may not be sealed; the message says why and what to do."""


class Refused(NotSealed):
    """Somebody refused this very payload, which is final."""


@dataclass(frozen=True)
class Submission:
    """A sealed return.

    Attributes:
        package_path: the package's folder.
        manifest_sha256: what the next submission's manifest will quote.
        chain_number: place in the authority's chain, from 1.
        already_sealed: this payload was the point's latest submission before the call.
    """

    submission_id: str
    la_code: str
    census_point: str
    package_path: Path
    payload_sha256: str
    manifest_sha256: str
    chain_number: int
    already_sealed: bool

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)


def seal(
    settings: Settings,
    dsn_gate: str,
    run: CensusRun,
    candidate: Candidate,
    signed_by: str,
    answered_by: str,
    reason: str,
) -> Submission:
    """Turn a signed candidate into a package and record the submission; see the module's text for kills.

    Args:
        signed_by: on whose behalf the return is signed.
        answered_by: the account that answered.
        reason: why, in the signer's words.
    Returns:
        the submission; one that existed already when the point's latest has the identical payload.
    Raises:
        Refused: this payload was refused.
        ChainBroken: the point before is neither sealed nor recorded as not sent.
        NotSealed: the gate did not pass, the candidate was changed or is gone, or another signed
            candidate of the point was left unfinished.
    """
    with _settled(settings, dsn_gate):
        with connect(dsn_gate) as connection:
            chain = ledger.entries(connection, run.la_code)
            latest = ledger.latest_of_point(chain, run.census_point)
            if latest and (latest.outcome, latest.payload_sha256) == (
                "sealed",
                candidate.payload_sha256,
            ):
                _remove_candidate(settings, run)
                return _existing(settings, latest)
            _check_not_refused(connection, run, candidate.payload_sha256)
            gate = _passed_gate(connection, run, candidate)
            ledger.check_order(chain, run.la_code, run.census_point)
            _check_candidate(candidate, run)
            number = chain[-1].chain_number + 1 if chain else 1
            identity = ledger.submission_id(
                run.la_code, run.census_point, candidate.payload_sha256, number
            )
            folder = _point_folder(settings, run.la_code, run.census_point)
            _check_no_other_unfinished(folder, chain, identity)
            deliveries = _deliveries(connection, run)
            sign_off = _sign_off(connection, run, candidate.payload_sha256, chain)
        if sign_off is None:
            recorded = decisions.record(
                settings,
                dsn_gate,
                "sign_off",
                run.la_code,
                run.census_point,
                _gate_body(run, "signed", candidate.payload_sha256, answered_by, gate),
                signed_by,
                reason,
            )
            with connect(dsn_gate) as connection:
                sign_off = _sign_off_of(connection, recorded.decision_id)
        key = signing.signing_key(settings)
        manifest = _manifest(
            run, candidate.payload_sha256, identity, number, chain, gate, sign_off, deliveries
        )
        final = folder / identity
        manifest_sha256 = _build(candidate.directory, folder, final, manifest, key)
        relative = final.relative_to(settings.home).as_posix()
        decisions.record(
            settings,
            dsn_gate,
            "submission",
            run.la_code,
            run.census_point,
            {
                "submission_id": identity,
                "census_point": run.census_point,
                "outcome": "sealed",
                "chain_number": number,
                "previous_submission_id": chain[-1].submission_id if chain else None,
                "package_path": relative,
                "payload_sha256": candidate.payload_sha256,
                "manifest_sha256": manifest_sha256,
                "known_seq": run.known_seq,
                "signed_by": sign_off["signed_by"],
            },
            sign_off["signed_by"],
            sign_off["reason"],
            files={
                f"{name}.csv": final / SLICE / f"{name}.csv"
                for name in ("cohort_month", "kpi_value", "return_record")
            },
        )
        _remove_candidate(settings, run)
    return Submission(
        submission_id=identity,
        la_code=run.la_code,
        census_point=run.census_point,
        package_path=final,
        payload_sha256=candidate.payload_sha256,
        manifest_sha256=manifest_sha256,
        chain_number=number,
        already_sealed=False,
    )


def refuse(
    settings: Settings,
    dsn_gate: str,
    run: CensusRun,
    candidate: Candidate,
    refused_by: str,
    answered_by: str,
    reason: str,
) -> None:
    """Record that a candidate is refused, finally, and remove it. There is no package afterwards.

    A sign-off that never became a submission is undone by this: its folder, if any, goes too.

    Raises:
        NotSealed: the payload is the point's latest sealed submission, so it is too late.
    """
    with _settled(settings, dsn_gate):
        with connect(dsn_gate) as connection:
            chain = ledger.entries(connection, run.la_code)
            latest = ledger.latest_of_point(chain, run.census_point)
            if latest and (latest.outcome, latest.payload_sha256) == (
                "sealed",
                candidate.payload_sha256,
            ):
                raise NotSealed(
                    f"{run.census_point} is sealed with this payload already (submission "
                    f"{latest.submission_id}), so it can no longer be refused. Correct the source and "
                    "make a new return of the point."
                )
            refused = _refusal(connection, run, candidate.payload_sha256)
            gate = _gate_decision(connection, candidate.gate_decision_id)
        if refused is None:
            decisions.record(
                settings,
                dsn_gate,
                "refusal",
                run.la_code,
                run.census_point,
                _gate_body(run, "refused", candidate.payload_sha256, answered_by, gate),
                refused_by,
                reason,
            )
        for unfinished in _unfinished(
            _point_folder(settings, run.la_code, run.census_point), chain
        ):
            if _payload_of(unfinished) == candidate.payload_sha256:
                shutil.rmtree(unfinished)
        _remove_candidate(settings, run)


def mark_not_sent(
    settings: Settings, dsn_gate: str, la_code: str, census_point: str, by: str, reason: str
) -> str:
    """Record that no return was sent for a point, so that the next one can be sealed.

    Returns:
        the ledger entry's id; the existing one when it is recorded already.
    Raises:
        ChainBroken: the point before is open, or this point is sealed.
    """
    with _settled(settings, dsn_gate):
        with connect(dsn_gate) as connection:
            chain = ledger.entries(connection, la_code)
        latest = ledger.latest_of_point(chain, census_point)
        if latest and latest.outcome == "not_sent":
            return latest.submission_id
        if latest:
            raise ChainBroken(
                f"{census_point} was sealed (submission {latest.submission_id}), so it cannot be "
                "recorded as not sent."
            )
        ledger.check_order(chain, la_code, census_point)
        number = chain[-1].chain_number + 1 if chain else 1
        identity = ledger.submission_id(la_code, census_point, "not_sent", number)
        decisions.record(
            settings,
            dsn_gate,
            "not_sent",
            la_code,
            census_point,
            {
                "submission_id": identity,
                "census_point": census_point,
                "outcome": "not_sent",
                "chain_number": number,
                "previous_submission_id": chain[-1].submission_id if chain else None,
                "signed_by": by,
            },
            by,
            reason,
        )
    return identity


@contextlib.contextmanager
def _settled(settings: Settings, dsn_gate: str) -> Iterator[None]:
    """The return's turn, with what a killed process left between landing and COMMIT finished first:
    the chain read afterwards is the whole chain."""
    with ledger.lock(dsn_gate):
        decisions.recover(settings, dsn_gate)
        yield


def _point_folder(settings: Settings, la_code: str, census_point: str) -> Path:
    return settings.packages / la_code / census_point


def _remove_candidate(settings: Settings, run: CensusRun) -> None:
    shutil.rmtree(candidate_folder(settings, run), ignore_errors=True)


def _existing(settings: Settings, entry: Entry) -> Submission:
    folder = settings.home / entry.package_path
    if not folder.is_dir():
        raise NotSealed(
            f"{entry.census_point} is sealed (submission {entry.submission_id}), but its package "
            f"{folder} is not there. Restore it from a backup; its manifest has SHA-256 "
            f"{entry.manifest_sha256}. It must not be made anew: what was sent is what counts."
        )
    return Submission(
        submission_id=entry.submission_id,
        la_code=entry.la_code,
        census_point=entry.census_point,
        package_path=folder,
        payload_sha256=entry.payload_sha256,
        manifest_sha256=entry.manifest_sha256,
        chain_number=entry.chain_number,
        already_sealed=True,
    )


def _refusal(connection: psycopg.Connection, run: CensusRun, payload_sha256: str) -> tuple | None:
    return connection.execute(
        """select decided_by, decided_at, reason from assurance.gate_decision
           where la_code = %s and census_point = %s and payload_sha256 = %s and outcome = 'refused'
           order by delivery_seq limit 1""",
        [run.la_code, run.census_point, payload_sha256],
    ).fetchone()


def _check_not_refused(connection: psycopg.Connection, run: CensusRun, payload_sha256: str) -> None:
    refused = _refusal(connection, run, payload_sha256)
    if refused:
        raise Refused(
            f"This return of {run.census_point} was refused by {refused[0]} on "
            f"{refused[1]:%d %B %Y %H:%M} UTC: {refused[2]}. A refusal is final for the very same "
            "figures: correct what it names in the source system, deliver, and run the point again."
        )


def _gate_decision(connection: psycopg.Connection, decision_id: str) -> dict[str, Any] | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select * from assurance.gate_decision where decision_id = %s", [decision_id]
        ).fetchone()


def _passed_gate(
    connection: psycopg.Connection, run: CensusRun, candidate: Candidate
) -> dict[str, Any]:
    """The candidate's own gate decision, which must have passed, as must the run's newest."""
    own = _gate_decision(connection, candidate.gate_decision_id)
    if own is None or (own["run_id"], own["census_point"]) != (run.run_id, run.census_point):
        raise NotSealed(
            f"The candidate's gate decision {candidate.gate_decision_id} is not one of run "
            f"{run.run_id} ({run.census_point}). Prepare the candidate from this run."
        )
    newest = connection.execute(
        """select decision_id from assurance.gate_decision
           where run_id = %s and outcome in ('passed', 'blocked') order by delivery_seq desc limit 1""",
        [run.run_id],
    ).fetchone()
    for decision in (own, _gate_decision(connection, newest[0]) if newest else None):
        if decision is None or decision["outcome"] != "passed":
            outcome = decision["outcome"] if decision else "missing"
            raise NotSealed(
                f"The gate of {run.census_point} is '{outcome}', not passed "
                f"({decision['rules_failed'] if decision else 'no'} rules failed, "
                f"{decision['rules_could_not_run'] if decision else 'no'} could not run), so nothing is "
                "sealed. See the gate's report for what to mend and whose it is."
            )
    return own


def _check_candidate(candidate: Candidate, run: CensusRun) -> None:
    """Raise :class:`NotSealed` unless the candidate's files are those that were hashed and shown."""
    folder = candidate.directory
    again = f"Prepare it again: `./neet census {run.census_point}`."
    try:
        stated = json.loads((folder / "candidate.json").read_bytes())
        found = {part: files.listing(folder / part) for part in (PAYLOAD, SLICE)}
        then = {part: {e["path"]: e for e in stated[part]} for part in found}
        of_run, of_gate, of_payload = (
            stated[name] for name in ("run", "gate_decision_id", "payload_sha256")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotSealed(f"The candidate in {folder} is not whole: {error!r}. {again}") from error
    if of_run != json.loads(run.to_json()) or of_gate != candidate.gate_decision_id:
        raise NotSealed(f"The candidate in {folder} is of another run or gate. {again}")
    now = {part: {e["path"]: e for e in listed} for part, listed in found.items()}
    changed = sorted(
        f"{part}/{path}"
        for part in now
        for path in now[part].keys() | then[part].keys()
        if now[part].get(path) != then[part].get(path)
    )
    if (
        changed
        or of_payload != candidate.payload_sha256
        or of_payload != files.payload_hash(found[PAYLOAD])
    ):
        raise NotSealed(
            f"The candidate in {folder} is not what was prepared and shown to the signer "
            f"({', '.join(changed) or 'another payload'}). {again}"
        )


def _unfinished(folder: Path, chain: list[Entry]) -> list[Path]:
    """Packages that were renamed into place but never reached the ledger."""
    named = {entry.submission_id for entry in chain}
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".") and path.name not in named
    ]


def _payload_of(package: Path) -> str | None:
    try:
        return json.loads((package / MANIFEST).read_bytes())["payload_sha256"]
    except (OSError, ValueError, KeyError):
        return None


def _check_no_other_unfinished(folder: Path, chain: list[Entry], identity: str) -> None:
    for path in _unfinished(folder, chain):
        if path.name != identity:
            raise NotSealed(
                f"{path} was signed and never finished: it is not in the ledger. Finish it by sealing its "
                "own run again, or refuse it, before another return of the point is sealed: somebody may "
                "hold a copy."
            )


def _sign_off(
    connection: psycopg.Connection, run: CensusRun, payload_sha256: str, chain: list[Entry]
) -> dict[str, Any] | None:
    """The first sign-off of this run and payload that no ledger entry has used up."""
    used = chain[-1].delivery_seq if chain else 0
    found = connection.execute(
        """select decision_id from assurance.gate_decision
           where run_id = %s and payload_sha256 = %s and outcome = 'signed' and delivery_seq > %s
           order by delivery_seq limit 1""",
        [run.run_id, payload_sha256, used],
    ).fetchone()
    return _sign_off_of(connection, found[0]) if found else None


def _sign_off_of(connection: psycopg.Connection, decision_id: str) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """select decision_id, delivery_seq, decided_by as signed_by, answered_by, decided_at, reason,
                      payload_sha256
               from assurance.gate_decision where decision_id = %s""",
            [decision_id],
        ).fetchone()


def _gate_body(
    run: CensusRun,
    outcome: str,
    payload_sha256: str,
    answered_by: str,
    gate: dict[str, Any] | None,
) -> dict[str, Any]:
    """Columns of ``assurance.gate_decision`` for a person's answer; the counts are the gate's."""
    counted = ("run", "failed", "waived", "not_applicable", "could_not_run")
    return {
        "run_id": run.run_id,
        "census_point": run.census_point,
        "known_seq": run.known_seq,
        "outcome": outcome,
        "payload_sha256": payload_sha256,
        "answered_by": answered_by,
        **{f"rules_{name}": gate[f"rules_{name}"] if gate else None for name in counted},
        "inputs": {
            "gate_decision_id": gate["decision_id"] if gate else None,
            "code_version": run.code_version,
            "pack_version": run.pack_version,
        },
    }


def _deliveries(connection: psycopg.Connection, run: CensusRun) -> list[dict[str, Any]]:
    """Everything the figures rest on: deliveries and decisions up to the known time."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """select delivery_seq, feed, provider, period, file_name, file_sha256
               from control.delivery
               where delivery_seq <= %s and la_code in (%s, 'ENG') order by delivery_seq""",
            [run.known_seq, run.la_code],
        ).fetchall()


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat()


def _manifest(
    run: CensusRun,
    payload_sha256: str,
    identity: str,
    number: int,
    chain: list[Entry],
    gate: dict[str, Any],
    sign_off: dict[str, Any],
    deliveries: list[dict[str, Any]],
) -> dict[str, Any]:
    """Everything but the list of files, which :func:`_build` adds."""
    previous = chain[-1] if chain else None
    sealed = next((entry for entry in reversed(chain) if entry.outcome == "sealed"), None)
    return {
        "format": FORMAT,
        "submission_id": identity,
        "la_code": run.la_code,
        "census_point": run.census_point,
        "period_end": run.period_end.isoformat(),
        "payload_sha256": payload_sha256,
        "chain": {
            "number": number,
            "previous_submission_id": previous.submission_id if previous else None,
            "previous_census_point": previous.census_point if previous else None,
            "previous_outcome": previous.outcome if previous else None,
            "last_sealed_submission_id": sealed.submission_id if sealed else None,
            "last_sealed_manifest_sha256": sealed.manifest_sha256 if sealed else None,
        },
        "run": {
            "run_id": run.run_id,
            "known_seq": run.known_seq,
            "known_at": _utc(run.known_at),
            "code_version": run.code_version,
            "pack_version": run.pack_version,
        },
        "gate": {
            "decision_id": gate["decision_id"],
            "delivery_seq": gate["delivery_seq"],
            "outcome": gate["outcome"],
            "decided_at": _utc(gate["decided_at"]),
            **{name: gate[name] for name in gate if name.startswith("rules_")},
            "inputs": gate["inputs"],
        },
        "sign_off": {**sign_off, "decided_at": _utc(sign_off["decided_at"])},
        "deliveries": deliveries,
    }


def _build(source: Path, folder: Path, final: Path, manifest: dict[str, Any], key) -> str:
    """Write the package and rename it into place, unless it stands there already.

    Returns:
        SHA-256 of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    for left in folder.glob(".draft-*"):  # of an attempt that was killed
        shutil.rmtree(left)
    draft = folder / f".draft-{final.name}"
    draft.mkdir(mode=0o750)
    try:
        for part in (PAYLOAD, SLICE):
            shutil.copytree(source / part, draft / part)
        readme = README.format(
            la_code=manifest["la_code"],
            census_point=manifest["census_point"],
            submission_id=manifest["submission_id"],
            number=manifest["chain"]["number"],
            signed_by=manifest["sign_off"]["signed_by"],
            name=return_name(manifest["la_code"], manifest["census_point"]),
        )
        (draft / "README.txt").write_bytes(readme.encode())
        manifest["files"] = files.listing(draft)
        # the copies, not the originals, are what is vouched for
        copied = [
            entry | {"path": entry["path"].removeprefix(f"{PAYLOAD}/")}
            for entry in manifest["files"]
            if entry["path"].startswith(f"{PAYLOAD}/")
        ]
        if files.payload_hash(copied) != manifest["payload_sha256"]:
            raise NotSealed(f"{source} changed while it was copied. Prepare the candidate again.")
        content = files.json_bytes(manifest)
        if final.exists():
            if (final / MANIFEST).read_bytes() != content:
                raise NotSealed(
                    f"{final} stands there with another manifest. It is not in the ledger: move it away, "
                    "find out who made it, and seal again."
                )
        else:
            (draft / MANIFEST).write_bytes(content)
            (draft / SIGNATURE).write_bytes(key.sign(content))
            (draft / PUBLIC_KEY).write_bytes(signing.public_pem(key))
            for path in draft.rglob("*"):
                path.chmod(0o750 if path.is_dir() else 0o440)
            files.sync_tree(draft)
            draft.rename(final)
            for above in (folder, folder.parent, folder.parent.parent):
                files.sync_folder(above)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return hashlib.sha256(content).hexdigest()
