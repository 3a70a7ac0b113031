"""Which code made a number: recorded in every build, gate decision and manifest (design rule 10)."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from neet.settings import PROJECT_ROOT

VERSION = "0.1.0"

# What can change a figure. Tests, docs and the services that run the code cannot.
FOLDERS = ("plugins/neet", "dbt_project", "expectations", "migrations", "dags")
SUFFIXES = {".py", ".sql", ".yml", ".yaml", ".csv"}
GENERATED = {"target", "logs", "__pycache__"}


def fingerprint(root: Path, folders: tuple[str, ...] = FOLDERS) -> str:
    """SHA-256 (64 hex digits) over the names and contents of the code that makes figures.

    A checkout without git, or with local changes, is told apart all the same.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted((root / folder).rglob("*")):
            relative = file.relative_to(root)
            if file.suffix in SUFFIXES and not GENERATED.intersection(relative.parts):
                digest.update(f"{relative.as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@functools.cache
def code_version() -> str:
    """The released version and the first 12 hex digits of the :func:`fingerprint`."""
    return f"{VERSION}+{fingerprint(PROJECT_ROOT)[:12]}"
