"""``./neet movement``: why a rate changed between two months or submissions."""

from __future__ import annotations

from pathlib import Path

import click

from neet.settings import Settings


@click.command()
@click.argument("opening", metavar="FROM")
@click.argument("closing", metavar="TO")
@click.option(
    "--measure", default="neet", show_default=True,
    help="neet, not_known, neet_or_not_known or participating.",
)  # fmt: skip
@click.option("--area", default="", help="Name or code of a district; left out: the county.")
@click.option(
    "--group", default="ALL", show_default=True, help="ALL, EHCP, SEN_SUPPORT, NONE or VULNERABLE."
)
@click.option(
    "--basis", type=click.Choice(["restated", "as_submitted"]), default="restated", show_default=True,
    help="What a month without @ means.",
)  # fmt: skip
@click.option(
    "--people", is_flag=True, help="List who it was, with the rows, files and lines that say so."
)
@click.option(
    "--verify", is_flag=True, help="Read those source lines again in landing and compare."
)
@click.option("--limit", default=40, show_default=True, help="How many people to show.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with a drawing (.html) or everybody with rows, files and lines (.csv).",
)  # fmt: skip
@click.pass_obj
def movement(
    output, opening: str, closing: str, measure: str, area: str, group: str, basis: str,
    people: bool, verify: bool, limit: int, out: Path | None,
) -> None:  # fmt: skip
    """Why did the rate change FROM one month or return TO another? Parts that sum exactly, and who is in them.

    \b
      ./neet movement 2022-01 2022-02                                # two months, as known now
      ./neet movement 2021-12@submitted 2022-01@submitted            # two sealed returns
      ./neet movement 2022-01@submitted 2022-01 --people             # what was learnt late about January
      ./neet movement 2022-01 2022-03 --measure not_known --area Thanet --out why.html

    FROM and TO are months (2022-01), months with @submitted or @restated, or identifiers of submissions.
    docs/movement-account.md says what each part means.
    """
    from neet import explain, movement, movement_page
    from neet.database import connect

    if out and out.suffix.casefold() not in (".html", ".csv"):
        output.fail(
            f"{out} is neither a page (.html) nor a table (.csv): say which by the name.", 2
        )
    settings = Settings.load()
    listed = None
    try:
        with connect(settings.dsn("auditor")) as connection:
            connection.read_only = True
            found = movement.account(
                connection, settings.la_code, opening, closing, measure, area, group, basis
            )
            if people or verify or out:
                listed = movement.movers(connection, found)
    except (movement.NoSuchPosition, explain.DoesNotAdd) as error:
        output.fail(str(error))
    again = None
    if verify:
        output.say("Reading the source lines again in landing")
        again = explain.reread(settings, {row for one in listed for row in one.rows})
    if out and out.suffix.casefold() == ".html":
        out.write_text(movement_page.render(found, listed), encoding="utf-8")
    elif out:
        movement.write(out, found, listed)
    if out:
        output.say(f"Written: {out}. It names people by their Core+ identifier: keep it where only those who may see them can.")  # fmt: skip
    output.result(movement.as_data(found, listed), *movement.words(found))
    output.table(
        "Parts, in the order of the account",
        ["part", "people more", "people less", "of the count", "of the cohort", "points"],
        [
            (movement.label(one), one.people_added, one.people_removed, one.numerator_effect,
             one.denominator_effect, movement.points(one.rate_effect))
            for one in found.parts
        ] + [("Change", "", "", found.closing_numerator - found.opening_numerator,
              found.closing_denominator - found.opening_denominator, movement.points(found.change))],
    )  # fmt: skip
    if people:
        output.table(
            f"People: {min(limit, len(listed))} of {len(listed)}",
            ["part", "effect", "person", "why", "rows that say so"],
            [
                (movement.label(one), f"{one.effect:+}", one.young_persons_id, one.why, movement.places(one.rows))
                for one in listed[:limit]
            ],
        )  # fmt: skip
    if again:
        output.say(f"Read again in landing: {again.same:,} source lines as loaded.")
        if again.differing:
            output.fail(
                "\n".join(["Landing no longer says what was loaded:", *again.differing[:20]])
            )
