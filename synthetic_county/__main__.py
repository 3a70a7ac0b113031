"""``python -m synthetic_county``: the generator on the command line."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from synthetic_county.defects import KINDS
from synthetic_county.england import Authority, authorities, generate_england
from synthetic_county.generate import FORMATS, TRUTH_MONTHS, Config, Summary, generate
from synthetic_county.parameters import named_sets
from synthetic_county.sources.faults import FAULTS, SOURCE

_USUAL_PEOPLE = 500
_EPILOG = """
Example: 500 people, extracts from September, census points December to March, the usual faults of a winter:

  python -m synthetic_county --people 500 --seed 7 --from 2021-09 --to 2022-03 --first-point 2021-12
  --defects demo --out county

Deliver the files of county/exports in the order of county/schedule.csv; run a census point once every file with that
census_point has arrived. county/truth holds the right answers: keep it away from the warehouse.
"""


def _list_defects(context: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    for kind in KINDS.values():
        click.echo(f"{kind.name:28} {kind.stage:9} {kind.expected:22} {kind.what}")
    for fault in FAULTS.values():
        click.echo(f"{fault.name:28} {SOURCE:9} {fault.expected:22} {fault.feed}: {fault.what}")
    context.exit()


@click.command(epilog=_EPILOG)
@click.option("--people", type=int,
              help="Young people in the return at any one time, about.  [default: 500; with --england as published]")  # fmt: skip
@click.option(
    "--seed",
    default=1,
    show_default=True,
    help="Same seed and parameters: same files, byte for byte.",
)
@click.option(
    "--from", "first_month", required=True, metavar="YYYY-MM", help="First month with extracts."
)
@click.option(
    "--to", "last_month", required=True, metavar="YYYY-MM", help="Last month with extracts."
)
@click.option(
    "--first-point", metavar="YYYY-MM", help="First census point to be run.  [default: --from]"
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.",
)
@click.option("--la", "la_code", default="886", show_default=True, help="Authority, three digits.")
@click.option(
    "--defects", default="none", show_default=True,
    help="none, all, demo, or names joined by commas: NAME[@YYYY-MM][+corrections|+second_corrections].",
)  # fmt: skip
@click.option("--list-defects", is_flag=True, is_eager=True, expose_value=False, callback=_list_defects,
              help="Every defect that can be planted, the stage and check that must find it, and leave.")  # fmt: skip
@click.option("--parameters", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Another parameter file; start from a copy of synthetic_county/parameters.yml.")  # fmt: skip
@click.option("--like", type=click.Choice(named_sets()),
              help="A parameter set by name; kent-2022 shows Kent's published figures, the others none.")  # fmt: skip
@click.option("--england", is_flag=True,
              help="Every authority of England, each in a folder of --out named by its code, one after the other.")  # fmt: skip
@click.option("--authorities", "how_many", type=click.IntRange(min=1), metavar="N",
              help="With --england: the first N authorities alone.")  # fmt: skip
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Processes at a time.  [default: one a processor]",
)
@click.option("--truth", "truth_months", type=click.Choice(TRUTH_MONTHS), default="all", show_default=True,
              help="Month ends the truth covers at each point: all up to it, its own, or none.")  # fmt: skip
@click.option(
    "--sources",
    is_flag=True,
    help="Write what every other source sends too: schools, colleges, Synergy, Liberi ...",
)
@click.option("--formats", type=click.Choice(FORMATS), default="csv", show_default=True,
              help="all: other sources also send workbooks, XML, archives and other encodings.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run wrote to --out.")
def main(
    people: int | None,
    like: str | None,
    parameters: Path | None,
    england: bool,
    how_many: int | None,
    processes: int | None,
    **options,
) -> None:
    """Write the exports of a county whose young people never lived, and the truth about them.

    It simulates what people do, then what the authority learns of it and when, then what its system (Core+) would have
    exported on each date: a snapshot at each month's end, a corrections delta before the census run, a delta in
    mid-month.
    """
    if like and parameters:
        raise click.UsageError("--like and --parameters exclude each other: a file is a whole set.")
    shown = _Progress() if sys.stderr.isatty() else None
    try:
        config = Config(people=people or _USUAL_PEOPLE, parameters=like or parameters, **options)
        if england:
            _england(config, people, how_many, processes)
            return
        summary = generate(config, shown, processes)
    except (ValueError, FileExistsError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        if shown:
            shown.close()
    _show(summary)


def _england(
    config: Config, people: int | None, how_many: int | None, processes: int | None
) -> None:
    chosen = authorities()[:how_many]
    if people:
        chosen = [replace(one, people=people) for one in chosen]
    done = 0

    def say(one: Authority, summary: Summary) -> None:
        nonlocal done
        done += 1
        click.echo(
            f"{done:>3} of {len(chosen)}  {one.la_code} {one.name}: {summary.people} records, {summary.seconds:.1f} s"
        )

    peak = generate_england(config, chosen, say, processes)
    click.echo(f"Peak memory of all processes together: at most {peak / 2**20:.0f} MB")


class _Progress:
    """One bar a stage, on standard error."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar = None
        self._done = 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage, self._done = stage, 0
            self._bar = click.progressbar(length=total, label=f"{stage:22}", file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(done - self._done)
        self._done = done

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def _show(summary: Summary) -> None:
    click.echo(
        f"{summary.people} records, {summary.files} files in {summary.deliveries} deliveries, "
        f"{summary.defects} defects, {summary.seconds:.1f} s: {summary.out}"
    )
    for feed, rows in summary.rows.items():
        click.echo(f"  {feed:32} {rows:>9} rows")
    if not summary.measures:
        return
    if summary.about:
        click.echo(summary.about)
    click.echo("Truth, ages 16 and 17:")
    click.echo("  point    cohort   NEET   NEET %  not known %  participating %")
    for point, counts in summary.measures.items():
        cohort = counts.get("cohort", 0)
        rates = [
            100 * counts.get(name, 0) / cohort if cohort else 0.0
            for name in ("neet", "not_known", "participating")
        ]
        click.echo(
            f"  {point}  {cohort:>6} {counts.get('neet', 0):>6}   {rates[0]:6.1f}  {rates[1]:11.1f}  {rates[2]:15.1f}"
        )


if __name__ == "__main__":
    main(prog_name="python -m synthetic_county")
