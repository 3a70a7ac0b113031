"""How far a long piece of work is: a line every few seconds, and a note that ``neet status`` reads.

Work that ends sooner than :data:`EVERY_SECONDS` says nothing and writes nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neet.settings import Settings

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
STALE_SECONDS = 600
FOLDER = "progress"


class Progress:
    """One piece of work, as a context; its note is gone when the work has ended.

    Args:
        settings: the installation, in whose ``run`` folder the note lies; None: lines only.
        what: what is being done, as a person would say it: ``load of core_plus_people 2021-12-31``.
        say: who is told; default: this module's log.
    """

    def __init__(
        self, settings: Settings | None, what: str, say: Callable[[str], None] | None = None
    ):
        self.what = what
        self._say = say or log.info
        self._started = self._said = time.monotonic()
        self._started_at = dt.datetime.now(dt.UTC)
        self._note: Path | None = None
        if settings is not None:
            self._note = settings.run / FOLDER / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.json"

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._note is not None:
            with contextlib.suppress(OSError):
                self._note.unlink(missing_ok=True)

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self._started

    def at(
        self, step: str, done: int | None = None, share: float | None = None, unit: str = "rows"
    ) -> None:
        """Say how far the work is, unless that was said a moment ago. Cheap enough for every block.

        Args:
            step: what is being done now.
            done: how many of ``unit`` are behind it.
            share: of the whole, 0 to 1.
        """
        now = time.monotonic()
        if now - self._said < EVERY_SECONDS:
            return
        self._said = now
        rate = done / self.seconds if done else None
        words = [f"{self.what}: {step}"]
        if done is not None:
            words.append(f"{done:,} {unit}")
        if share is not None:
            words.append(f"{min(share, 1):.0%}")
        if rate:
            words.append(f"{rate:,.0f} {unit} a second")
        words.append(f"after {self.seconds:.0f} s")
        self._say(", ".join(words))
        self._leave({"step": step, "done": done, "unit": unit, "share": share, "rate": rate})

    def _leave(self, content: dict[str, Any]) -> None:
        if self._note is None:
            return
        content |= {
            "what": self.what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": self._started_at.isoformat(),
            "at": dt.datetime.now(dt.UTC).isoformat(),
        }
        temporary = self._note.with_suffix(".part")
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(content))
            temporary.rename(self._note)
        except OSError as error:  # a full disk stops the work itself soon enough
            log.debug("no note of progress: %s", error)


def running(settings: Settings) -> list[dict[str, Any]]:
    """The notes of work that goes on now, longest first; what a killed process left is not among them."""
    found = []
    for file in (settings.run / FOLDER).glob("*.json"):
        try:
            note = json.loads(file.read_text())
            age = time.time() - file.stat().st_mtime
            note["started_at"]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        if age > STALE_SECONDS or not _is_alive(note):
            with contextlib.suppress(OSError):
                file.unlink()
            continue
        found.append(note)
    return sorted(found, key=lambda note: note["started_at"])


def _is_alive(note: dict[str, Any]) -> bool:
    if note.get("host") != socket.gethostname():  # another container's processes cannot be seen
        return True
    try:
        os.kill(note["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
