"""Alerts that a person should see: one line each in ``<home>/alerts/<year>.ndjson``, once a day and subject."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

from neet.settings import Settings

log = logging.getLogger(__name__)

FOLDER = "alerts"


def raise_alert(
    settings: Settings, kind: str, subject: str, words: str, owner: str, on: dt.date | None = None
) -> bool:
    """Write an alert down, unless the same kind and subject was alerted that day. Never raises: an alert that cannot be
    written is a line of the log.

    Args:
        kind: ``late_feed``, ``failed_run``.
        subject: the feed, or the run.
        owner: service or team that must act.
    Returns:
        whether it is new.
    """
    on = on or dt.datetime.now(dt.UTC).date()
    file = settings.home / FOLDER / f"{on.year}.ndjson"
    try:
        for known in newest(settings, 500):
            if (known["kind"], known["subject"], known["on"]) == (kind, subject, on.isoformat()):
                return False
        file.parent.mkdir(parents=True, exist_ok=True)
        line = {
            "on": on.isoformat(),
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "kind": kind,
            "subject": subject,
            "owner": owner,
            "words": words,
        }
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        return True
    except OSError as error:
        log.error("alert not written (%s): %s %s: %s", error, kind, subject, words)
        return False


def newest(settings: Settings, count: int) -> list[dict[str, Any]]:
    """The newest alerts, newest first."""
    found: list[dict[str, Any]] = []
    for file in sorted((settings.home / FOLDER).glob("*.ndjson"), reverse=True):
        for line in reversed(file.read_text(encoding="utf-8").splitlines()):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
            if len(found) == count:
                return found
    return found
