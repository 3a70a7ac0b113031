"""``./neet identity``: the queue, decisions about identities, and the training of the model."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from neet.settings import Settings

FAILED, REJECTED = 1, 3


@click.group()
def identity() -> None:
    """Who each record of each system is about: the queue, links, splits, and the model."""


@identity.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Workbook to write, .xlsx."
)
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="HTML page to write.")
@click.pass_obj
def queue(output, out: Path | None, page: Path | None) -> None:
    """Write the questions that linkage leaves to people: a workbook to answer in, a page to read."""
    from neet.identity import clerical

    settings = Settings.load()
    if not out and not page:
        output.fail("Say where to write: --out FILE.xlsx, --page FILE.html, or both.", 2)
    found = clerical.questions(settings.dsn("builder"), settings.la_code)
    if out:
        clerical.write_workbook(out, found)
    if page:
        clerical.write_page(page, found)
    asked = len({one.asked for one in found})
    output.result(
        {"records": asked, "rows": len(found)},
        f"{asked} records wait, with {len(found)} candidates: {', '.join(str(file) for file in (out, page) if file)}",
        "The file holds names and dates of birth: keep it where only those who decide can read it.",
    )


@identity.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", required=True, help="Who answered.")
@click.pass_obj
def answer(output, file: Path, by: str) -> None:
    """Take back an answered workbook: every answered row becomes a decision.

    Exit status 3 when rows were not taken; each is named with the reason.
    """
    from neet.decisions import DecisionError
    from neet.identity import clerical

    settings = Settings.load()
    dsn = {role: settings.dsn(role) for role in ("builder", "gate")}
    try:
        done = clerical.answer(settings, dsn, file, by)
    except (clerical.AnswerRefused, DecisionError) as error:
        output.fail(str(error))
    words = ", ".join(f"{count} {name}" for name, count in done.recorded.items()) or "none"
    output.result(
        {
            "recorded": done.recorded,
            "blank": done.blank,
            "rejected": [list(one) for one in done.rejected],
        },
        f"Recorded: {words}. Not answered: {done.blank}. Not taken: {len(done.rejected)}.",
        *(f"row {number}: {reason}." for number, reason in done.rejected),
        "The next build links by them.",
    )
    sys.exit(REJECTED if done.rejected else 0)


def _about_two(command):
    for option in (
        click.option("--reason", required=True, help="Why, for the auditor."),
        click.option("--by", required=True, help="Who decides."),
        click.option(
            "--record", nargs=2, metavar="FEED KEY", help="The other: a record of another system."
        ),
        click.option(
            "--person", metavar="ID", help="The other: somebody on Core+, by YoungPersonsID."
        ),
        click.argument("key"),
        click.argument("feed"),
    ):
        command = option(command)
    return click.pass_obj(command)


@identity.command()
@_about_two
def link(output, feed, key, person, record, by, reason) -> None:
    """Say that the record KEY of FEED and another are one person, whatever linkage thinks."""
    _decide(output, "identity_link", (feed, key), person, record, by, reason)


@identity.command()
@_about_two
def split(output, feed, key, person, record, by, reason) -> None:
    """Say that the record KEY of FEED and another are two people."""
    _decide(output, "identity_split", (feed, key), person, record, by, reason)


@identity.command()
@_about_two
def undo(output, feed, key, person, record, by, reason) -> None:
    """Withdraw the latest decision on the two: the one before it stands again, or linkage decides."""
    _decide(output, "identity_undo", (feed, key), person, record, by, reason)


def _decide(output, kind, one, person, record, by, reason) -> None:
    from neet import decisions
    from neet.identity import deciding

    settings = Settings.load()
    if bool(person) == bool(record):
        output.fail("Name the other by --person ID or by --record FEED KEY, one of them.", 2)
    other = (deciding.CORE, person) if person else tuple(record)
    problem = deciding.why_not(settings.dsn("builder"), settings.la_code, kind, one, other)
    if problem:
        output.fail(problem)
    try:
        decision = deciding.record(settings, settings.dsn("gate"), kind, one, other, by, reason)
    except decisions.DecisionError as error:
        output.fail(str(error))
    output.result(
        {"decision_id": decision.decision_id, "delivery_seq": decision.delivery_seq},
        f"Recorded as decision {decision.delivery_seq}: {kind} of {one[1]} ({one[0]}) and {other[1]} ({other[0]}) by {by}. "
        "The next build links by it.",
    )


@identity.command()
@click.argument("county", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--version", required=True, help="Name of the new model, as 2027-1.")
@click.option("--made-by", required=True, help="The command that wrote COUNTY, for the record.")
@click.option("--seed", default=1, show_default=True, help="Of the random pairs.")
@click.pass_obj
def train(output, county: Path, version: str, made_by: str, seed: int) -> None:
    """Train a model on COUNTY, a synthetic county written with --sources, and keep it under a new version.

    The county is loaded into a warehouse of its own, which is gone afterwards. The model is used once
    neet.identity.model.CURRENT names it.
    """
    from neet.identity import training

    try:
        file = training.from_county(county, version, made_by, seed, output.say)
    except FileExistsError as error:
        output.fail(
            f"{error.filename} is there already: a model is never changed. Give another --version."
        )
    output.result(
        {"file": str(file)}, f"Written: {file}. docs/identity.md says how to take it into use."
    )
