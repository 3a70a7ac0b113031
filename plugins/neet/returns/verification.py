"""Is a package whole, genuine and consistent with itself? Needs no database and no network."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from neet.nccis.xml import NccisFileError, read
from neet.returns import files, signing
from neet.returns.candidate import PAYLOAD, SLICE, record_hash, return_name
from neet.returns.ledger import submission_id
from neet.settings import Settings

MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "manifest.json.sig", "manifest.pub"
UNLISTED = {MANIFEST, SIGNATURE, PUBLIC_KEY}
FORMAT = 1


def verify(directory: Path | str, trusted_keys: Path | None = None) -> list[str]:
    """What is wrong with a package, in plain words; an empty list means nothing.

    Args:
        directory: the package; a relative path that is not found is looked for below ``NEET_HOME``,
            which is how the ledger writes paths down.
        trusted_keys: folder of public keys (``*.pub``) one of which must have signed; default: this
            installation's. Where there are none, only the package's own key is checked: whoever can
            replace everything in it can then replace the key as well.
    """
    directory = Path(directory)
    home = Settings.load().home
    if not directory.exists() and not directory.is_absolute():
        directory = home / directory
    if not directory.is_dir():
        return [f"{directory} is not a folder"]
    absent = [name for name in sorted(UNLISTED) if not (directory / name).is_file()]
    if absent:
        return [f"{name} is missing: without it nothing else can be trusted" for name in absent]
    if any((directory / name).is_symlink() for name in UNLISTED):
        return ["the manifest, its signature or its key is a link to somewhere else"]

    problems = []
    manifest_bytes = (directory / MANIFEST).read_bytes()
    public = (directory / PUBLIC_KEY).read_bytes()
    if not signing.is_genuine(manifest_bytes, (directory / SIGNATURE).read_bytes(), public):
        problems.append(
            f"{SIGNATURE} is not a signature over {MANIFEST} by the key in {PUBLIC_KEY}"
        )
    trusted = signing.trusted(trusted_keys or home / "keys")
    if trusted and public not in trusted:
        problems.append(f"{PUBLIC_KEY} is not a key that this installation trusts")
    try:
        manifest = json.loads(manifest_bytes)
        problems += _check_files(directory, manifest)
        problems += _check_identity(manifest)
        problems += _check_previous(directory, manifest)
        if not problems:  # content is only worth reading when it is what was signed
            problems += _check_content(directory, manifest)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        problems.append(f"{MANIFEST} is not of the form this version writes: {error!r}")
    return problems


def _check_files(directory: Path, manifest: dict[str, Any]) -> list[str]:
    try:
        found = {entry["path"]: entry for entry in files.listing(directory)}
    except ValueError as error:
        return [f"{error}: a package holds plain files only"]
    listed = {entry["path"]: entry for entry in manifest["files"]}
    problems = [f"{path} is missing" for path in sorted(set(listed) - set(found))]
    problems += [
        f"{path} is not in the manifest" for path in sorted(set(found) - set(listed) - UNLISTED)
    ]
    for path in sorted(set(listed) & set(found)):
        if found[path] != listed[path]:
            problems.append(
                f"{path} was changed: it has {found[path]['bytes']} bytes and SHA-256 "
                f"{found[path]['sha256']}, the manifest says {listed[path]['bytes']} and "
                f"{listed[path]['sha256']}"
            )
    empty = {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_dir() and not any(path.iterdir())
    }
    return problems + [f"{path} is an empty folder, not in the manifest" for path in sorted(empty)]


def _check_identity(manifest: dict[str, Any]) -> list[str]:
    problems = []
    if manifest["format"] != FORMAT:
        problems.append(
            f"the manifest has format {manifest['format']}, this version reads {FORMAT}"
        )
    payload = [
        {"path": entry["path"].removeprefix(f"{PAYLOAD}/"), "sha256": entry["sha256"]}
        for entry in manifest["files"]
        if entry["path"].startswith(f"{PAYLOAD}/")
    ]
    if files.payload_hash(payload) != manifest["payload_sha256"]:
        problems.append("payload_sha256 is not the hash of the payload's files")
    chain = manifest["chain"]
    expected = submission_id(
        manifest["la_code"], manifest["census_point"], manifest["payload_sha256"], chain["number"]
    )
    if expected != manifest["submission_id"]:
        problems.append(
            "submission_id does not follow from authority, point, payload and place in the chain"
        )
    if chain["number"] < 1 or (chain["number"] == 1) != (chain["previous_submission_id"] is None):
        problems.append("only the first submission of a chain has none before it")
    if (chain["last_sealed_submission_id"] is None) != (
        chain["last_sealed_manifest_sha256"] is None
    ):
        problems.append(
            "the chain names a sealed submission without its manifest's hash, or the reverse"
        )
    if chain["previous_outcome"] == "sealed" and (
        chain["last_sealed_submission_id"] != chain["previous_submission_id"]
    ):
        problems.append(
            "the submission before is sealed, yet the chain names another as last sealed"
        )
    if manifest["gate"]["outcome"] != "passed":
        problems.append(f"the gate decision in the manifest is '{manifest['gate']['outcome']}'")
    if manifest["sign_off"]["payload_sha256"] != manifest["payload_sha256"]:
        problems.append("the sign-off is of another payload")
    known = manifest["run"]["known_seq"]
    late = [d["delivery_seq"] for d in manifest["deliveries"] if d["delivery_seq"] > known]
    if late:
        problems.append(f"deliveries {late} came after the known time {known} of the run")
    return problems


def _check_previous(directory: Path, manifest: dict[str, Any]) -> list[str]:
    """Against the package before, where it stands in the same archive."""
    last = manifest["chain"]["last_sealed_submission_id"]
    if last is None:
        return []
    archive = directory.resolve().parent.parent
    for found in sorted(archive.glob(f"*/{last}/{MANIFEST}")):
        if (
            hashlib.sha256(found.read_bytes()).hexdigest()
            != (manifest["chain"]["last_sealed_manifest_sha256"])
        ):
            return [f"the chain is broken: {found} is not the manifest this one was sealed after"]
    return []


def _check_content(directory: Path, manifest: dict[str, Any]) -> list[str]:
    la_code, point = manifest["la_code"], manifest["census_point"]
    counts = json.loads((directory / PAYLOAD / "counts.json").read_bytes())
    problems = []
    for name in ("la_code", "census_point", "period_end"):
        if counts[name] != manifest[name]:
            problems.append(
                f"counts.json is about {name} {counts[name]}, the manifest about {manifest[name]}"
            )
    file = directory / PAYLOAD / return_name(la_code, point)
    by_status: Counter = Counter()
    characteristics = 0
    try:
        found = read(file)
        with (
            found,
            (directory / SLICE / "return_record.csv").open(newline="", encoding="utf-8") as handle,
        ):
            noted = csv.DictReader(handle)
            for record in found:
                by_status[record["cohort_status"] or ""] += 1
                characteristics += len(record["characteristic_codes"])
                row = next(noted, None)
                if row is None or row["record_sha256"] != record_hash(record):
                    problems.append(
                        f"record {record['record_number']} of {file.name} is not the one noted in "
                        f"{SLICE}/return_record.csv"
                    )
                    break
            else:
                if next(noted, None) is not None:
                    problems.append(
                        f"{SLICE}/return_record.csv notes more records than {file.name} has"
                    )
    except NccisFileError as error:
        return [*problems, f"{file.name} cannot be read back: {error}"]
    if found.header.period_end != manifest["period_end"]:
        problems.append(f"{file.name} says PeriodEnd {found.header.period_end}")
    if problems:
        return problems
    for name, value in (
        ("records", found.record_count),
        ("records_by_cohort_status", dict(by_status)),
        ("characteristics", characteristics),
    ):
        if counts[name] != value:
            problems.append(f"counts.json says {name} {counts[name]}, {file.name} has {value}")
    problems += [
        f"{file.name} line {problem.line}: {problem.text}"
        for problem in found.problems
        if problem.kind != "no_records"  # a return of nobody is strange, and the gate's matter
    ]
    return problems
