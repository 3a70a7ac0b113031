"""``make bench`` or ``python -m benchmarks [NAME ...]``: measure, print, keep."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks import harness


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--people", "sizes", multiple=True, type=int, default=(13_000, 52_000), show_default=True,
              help="Sizes of the county; a second one shows how costs grow.")  # fmt: skip
@click.option("--folder", type=click.Path(path_type=Path), default=harness.ROOT / "var" / "bench", show_default=True,
              help="Where counties are kept.")  # fmt: skip
@click.option(
    "--keep/--no-keep",
    default=None,
    help="Write latest.csv and history.csv; rows of benchmarks that did not run stay [default: only when all run].",
)
def main(names: tuple[str, ...], sizes: tuple[int, ...], folder: Path, keep: bool | None) -> None:
    console = Console(stderr=True, highlight=False, width=160)
    known = list(harness.benchmarks())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"No benchmark {', '.join(unknown)}. There are: {', '.join(known)}")
    described = harness.machine()
    console.print(", ".join(f"{name} {value}" for name, value in described.items()))
    folder.mkdir(parents=True, exist_ok=True)
    figures: list[harness.Figure] = []
    for name in names or filter(harness.runs_by_itself, known):
        for people in sizes:
            # a process of its own: what one benchmark leaves in memory is not another's peak
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                measured = alone.submit(harness.measure, name, people, folder).result()
            for figure in measured:
                ratio = "" if figure.ratio is None else f"  ratio {figure.ratio:.2f}"
                console.print(
                    f"{figure.name:<40}{figure.size:>8} {figure.unit:<10}{figure.ours_s:9.3f} s{ratio}"
                )
            figures += measured
    table = Table(*harness.HEADER)
    for figure in figures:
        table.add_row(*[str(cell) for cell in figure.row()])
    Console(width=160).print(table)
    if keep if keep is not None else not names:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        harness.write(figures, described, today, Path(__file__).parent)
        console.print("written: benchmarks/latest.csv, machine.json, history.csv")


if __name__ == "__main__":
    main()
