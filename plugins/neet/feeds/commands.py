"""``./neet collections`` and ``./neet chase``: the collection schedule at a terminal."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from pathlib import Path

import click

from neet.settings import Settings

DONE = 0


@click.command()
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="As at that day; default: today.")
@click.option(
    "--year", help="Only due dates of that academic year, as 2021-22; default: the one of the day."
)
@click.option("--provider", help="One provider, by its DfE number or UKPRN.")
@click.option("--feed", help="One feed.")
@click.option("--all", "everything", is_flag=True, help="Every line, not only what is owed.")
@click.option(
    "--page", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with every provider and due date drawn, to this file.",
)  # fmt: skip
@click.pass_obj
def collections(
    output,
    on: dt.datetime | None,
    year: str | None,
    provider: str | None,
    feed: str | None,
    everything: bool,
    page: Path | None,
) -> None:
    """Which school, college or training provider owes which file: due, received, late, chased.

    Prints how each collection stands and what is owed, the longest owed first. `./neet chase` records that one was chased.
    """
    from neet import calendar
    from neet.database import connect
    from neet.feeds import collecting, collections_page

    settings = Settings.load()
    day = on.date() if on else collecting.england_today()
    try:
        facts = calendar.load()
        span = facts.academic_year(year) if year else facts.academic_year_of(day)
        with connect(settings.dsn("auditor")) as connection:
            board = collecting.board(connection, settings.la_code, day, facts)
    except (calendar.CalendarEnd, calendar.CalendarBroken) as error:
        output.fail(str(error), 2)
    board = board.narrowed(provider=provider, feed=feed).within(span.starts_on, span.ends_on)
    if page:
        page.write_text(collections_page.render(board, span.academic_year), encoding="utf-8")
        output.say(f"Written: {page}")
    summary = collecting.summary(board.lines)
    output.result(
        {
            "on": day,
            "academic_year": span.academic_year,
            "collections": summary,
            "lines": [
                dataclasses.asdict(line) for line in (board.lines if everything else board.owing)
            ],
            "unlisted": [{"provider": who, "feed": what} for who, what in board.strangers],
        }
    )
    if output.as_json:
        return
    if not board.lines:
        output.result(
            None,
            f"Nothing is collected in {span.academic_year} yet"
            + (
                " of those asked for."
                if provider or feed
                else ": a feed is, from its first delivery on."
            ),
        )
    else:
        output.table(
            f"Collections of {span.academic_year}, as at {day}",
            [
                "collection",
                "feed",
                "due",
                "providers",
                "received",
                "nil",
                "of them late",
                "late",
                "chased",
                "owner",
            ],
            [tuple(row.values()) for row in summary],
        )
        lines = board.lines if everything else board.owing
        output.table(
            "Every line" if everything else f"Owed: {len(lines)}, the longest first",
            ["provider", "name", "feed", "due", "state", "received", "days late", "chased", "last chased", "note"],
            [
                (line.provider, line.provider_name, line.feed, line.due_on, collecting.STATES[line.state],
                 line.received_on, line.late_days or "", line.chased_count or "", line.last_chased_on,
                 collecting.note(line))
                for line in lines
            ],
        )  # fmt: skip
    for who, what in board.strangers:
        output.result(
            None, f"{who} delivers {what} and has no row in {collecting.PROVIDERS}; owner: MI."
        )


@click.command()
@click.argument("provider")
@click.argument("feed", metavar="COLLECTION")
@click.option("--by", required=True, help="Who chased.")
@click.option("--channel", required=True, help="How: EMAIL, PHONE, LETTER, VISIT, TEXT, ...")
@click.option("--note", required=True, help="What was said or agreed, for whoever chases next.")
@click.option(
    "--due", type=click.DateTime(["%Y-%m-%d"]), help="Which due date; default: the oldest owed."
)
@click.option(
    "--on", type=click.DateTime(["%Y-%m-%d"]), help="The day it was chased; default: today."
)
@click.pass_obj
def chase(
    output,
    provider: str,
    feed: str,
    by: str,
    channel: str,
    note: str,
    due: dt.datetime | None,
    on: dt.datetime | None,
) -> None:
    """Record that PROVIDER was chased for COLLECTION, a feed it owes. It is kept for good, as every decision.

    \b
      ./neet chase 9001 school_joiners_leavers --by "A. Officer" --channel PHONE --note "promised for Friday"
    """
    from neet import calendar, decisions
    from neet.feeds import collecting
    from neet.feeds.loading import LoadFailed

    settings = Settings.load()
    try:
        decision, line = collecting.chase(
            settings, provider, feed, by, channel, note,
            due.date() if due else None, on.date() if on else None,
        )  # fmt: skip
    except (
        collecting.CannotChase, calendar.CalendarEnd, calendar.CalendarBroken, decisions.DecisionError, LoadFailed,
    ) as error:  # fmt: skip
        output.fail(str(error))
    output.result(
        {"decision_id": decision.decision_id, "delivery_seq": decision.delivery_seq, "due_on": line.due_on},
        f"Recorded as decision {decision.delivery_seq}: {line.provider_name} was chased for {line.collection_name.lower()} "
        f"due on {line.due_on} ({collecting.STATES[line.state]}).",
    )  # fmt: skip
    sys.exit(DONE)
