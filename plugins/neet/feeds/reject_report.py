"""What was not loaded of a delivery, as a page and a table for the person who sent it.

Written beside every delivery that was held, refused or had rows rejected, below ``<home>/reports/<feed>/
<provider>/``, and again by ``./neet rejects``. A report is no record: ``control.reject`` is, and the report can
be made from it at any time. So a report that cannot be written stops nothing.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from neet import outgoing
from neet.database import connect
from neet.feeds import landing, rejects
from neet.feeds.contract import ContractError
from neet.feeds.landing import DeliveryResult
from neet.settings import Settings

log = logging.getLogger(__name__)

SHOWN_ROWS = 500
SHOWN_CHARACTERS = 120

RULES = {
    "column_count": (
        "The row has more or fewer cells than the header",
        "Look for a comma inside a value without quotes, or a line end inside a value, and export again.",
    ),
    "control_character": (
        "A value holds a character that is no text",
        "Delete the value in the source system and type it anew; it was often pasted from elsewhere.",
    ),
    "duplicate_key": (
        "Two rows are about the same thing and differ",
        "Decide which of the two is right and delete the other in the source system.",
    ),
    "duplicate_row": (
        "The row is there twice",
        "Nothing is lost. Export each row once, so that real faults can be seen.",
    ),
    "formula_error": (
        "A formula shows an error instead of a value",
        "Correct the formula, or replace it by the value.",
    ),
    "formula_not_calculated": (
        "A formula was never calculated",
        "Open the workbook in Excel, let it calculate, and save it; or paste the values in place of formulas.",
    ),
    "key_too_long": (
        "The identifier is far too long",
        "Correct the identifier; often two cells ran together.",
    ),
    "malformed_row": (
        "The row is not CSV",
        "Look for a quotation mark inside a value: it must be doubled. Export by the system, not by hand.",
    ),
    "merged_cells": (
        "Cells are merged",
        "Unmerge all cells of the sheet and fill in every row.",
    ),
    "not_a_date": (
        "A date cannot be read",
        "Write dates as 31/12/2021 or 2021-12-31, with the year in four digits.",
    ),
    "not_a_number": (
        "A number cannot be read",
        "Write numbers with a point and nothing else: no pound signs, no thousands separators, no words.",
    ),
    "not_an_integer": (
        "A whole number cannot be read",
        "Write a whole number in digits, without words.",
    ),
    "repeated_element": (
        "An element stands twice in a record",
        "Leave one of them.",
    ),
    "required_value_missing": (
        "An identifier is blank",
        "Fill in the identifier: without it nobody can tell whom the row is about, and while one is missing no "
        "row is closed.",
    ),
    "row_too_long": (
        "The row is far too long",
        "Look for a missing quotation mark, which makes many lines one.",
    ),
    "unknown_operation": (
        "The row says neither that it is written nor that it is deleted",
        "Fill in the operation as the contract of the feed says.",
    ),
    "unreadable_bytes": (
        "A value is not in the encoding of the file",
        "Export the file as UTF-8 from one system; do not paste files together.",
    ),
}  # fmt: skip
"""What each rule is called, and what the sender does about it."""

COLUMNS = (
    "Feed", "Provider", "Period", "File", "Line", "Key", "Column", "Value", "Rule", "What is wrong",
    "What to do", "Owner", "Delivery", "Row",
)  # fmt: skip


class NoSuchDelivery(LookupError):
    """The warehouse knows no delivery of that name."""


@dataclass(frozen=True)
class Report:
    """Where a report was written.

    Attributes:
        rows: rejected rows in it.
        by_rule: how many of each rule.
    """

    html: Path
    csv: Path
    status: str
    rows: int
    by_rule: dict[str, int]


def write(settings: Settings, dsn: str, delivery_id: str, folder: Path | None = None) -> Report:
    """Write the report of a delivery, over an older one.

    Args:
        dsn: of a role that may read ``control``.
        folder: default: the feed's and provider's below ``<home>/reports``.
    Raises:
        NoSuchDelivery: there is none of that name.
        OSError: it cannot be written.
    """
    with connect(dsn) as connection:
        delivery = rejects.delivery(connection, delivery_id)
        if delivery is None:
            raise NoSuchDelivery(
                f"There is no delivery {delivery_id!r}. `./neet status` lists the last of each feed; all are in "
                "control.delivery."
            )
        found = rejects.of_delivery(connection, delivery_id)
    owner, title, layout_of = _contract_words(settings, delivery["feed"])
    if folder is None:
        folder = settings.home / "reports" / delivery["feed"] / delivery["provider"]
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    name = f"{delivery['period']}_{delivery_id}"
    table, page = folder / f"{name}.csv", folder / f"{name}.html"
    outgoing.write_csv(table, COLUMNS, list(_rows(delivery, found, owner)))
    html = _page(delivery, found, owner, title, layout_of, table.name)
    outgoing.write_whole(page, lambda target: target.write(html.encode()))
    counts = Counter(reject["rule"] for reject in found)
    return Report(page, table, delivery["status"], len(found), dict(counts.most_common()))


def write_if_needed(settings: Settings, dsn: str, result: DeliveryResult) -> Report | None:
    """Write the report of a delivery just decided on, if somebody has to do something about it. The
    delivery stands whether it can be written or not."""
    if not result.rows_rejected and result.status not in ("held", "refused"):
        return None
    return write_quietly(settings, dsn, result.delivery_id)


def write_quietly(settings: Settings, dsn: str, delivery_id: str) -> Report | None:
    """:func:`write`, but what goes wrong is only told to the log."""
    try:
        return write(settings, dsn, delivery_id)
    except Exception as error:  # whatever it is, it is not the delivery's fault
        log.warning(
            "The reject report of %s was not written (%s). The delivery stands as it was decided; once that is "
            "mended, `./neet rejects %s` writes it.",
            delivery_id,
            error,
            delivery_id,
        )
        return None


def _contract_words(settings: Settings, feed: str) -> tuple[str, str, str]:
    """Owner, title and contract file of a feed, as far as it still has a contract."""
    try:
        contract = landing.contract_of(settings, feed)
    except (landing.UnknownFeed, ContractError, OSError):
        return "", feed, ""
    return contract.owner_service, contract.title, contract.path


def words_of(rule: str) -> tuple[str, str]:
    """Name of a rule and what to do about it."""
    return RULES.get(rule, (rule.replace("_", " ").capitalize(), "See what is wrong in each row."))


def _rows(delivery: dict[str, Any], found: list[dict[str, Any]], owner: str):
    common = (delivery["feed"], delivery["provider"], delivery["period"], delivery["file_name"])
    if delivery["status"] in ("held", "refused"):
        code, _, reason = (delivery["status_reason"] or "").partition(": ")
        yield (
            *common, None, None, None, None, code, reason, _what_to_do(delivery), owner,
            delivery["delivery_id"], None,
        )  # fmt: skip
    for reject in found:
        yield (
            *common, reject["line_number"], reject["row_key"], reject["column_name"], reject["value"],
            reject["rule"], _what_is_wrong(reject["reason"]), words_of(reject["rule"])[1], owner,
            delivery["delivery_id"], reject["row_text"],
        )  # fmt: skip


def _what_is_wrong(reason: str) -> str:
    """A reject's reason without the sentences that all share."""
    return reason.partition(". Correct it in ")[0] + "."


def _what_to_do(delivery: dict[str, Any]) -> str:
    if delivery["status"] == "held":
        return (
            "Nothing of the file counts yet. Say whether it is right: then it is released; or send a corrected "
            "one under the same name."
        )
    if delivery["status"] == "refused":
        return "Nothing of the file was loaded. Send a corrected one under the same name."
    return "Correct the rows below in the source system; they come right with the next export."


def _page(
    delivery: dict[str, Any],
    found: list[dict[str, Any]],
    owner: str,
    title: str,
    contract: str,
    table: str,
) -> str:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for reject in found:
        groups[reject["rule"]].append(reject)
    summary = [
        {
            "rule": rule,
            "name": words_of(rule)[0],
            "to_do": words_of(rule)[1],
            "count": len(rows),
            "columns": _some(list(dict.fromkeys(r["column_name"] for r in rows if r["column_name"]))),
            "lines": _some([str(row["line_number"]) for row in rows]),
        }
        for rule, rows in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]  # fmt: skip
    return _template().render(
        delivery=delivery,
        code=(delivery["status_reason"] or "").partition(": ")[0],
        reason=(delivery["status_reason"] or "").partition(": ")[2],
        to_do=_what_to_do(delivery),
        owner=owner,
        title=title,
        contract=contract,
        summary=summary,
        rows=[
            reject | {"wrong": _what_is_wrong(reject["reason"])} for reject in found[:SHOWN_ROWS]
        ],
        count=len(found),
        table=table,
    )


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["cut"] = _cut
    return environment.get_template("reject_report.html.j2")


def _some(texts: list[str], most: int = 8) -> str:
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _cut(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
