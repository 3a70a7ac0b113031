"""``./neet``: the command that people and the make targets use.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 held, blocked or refused (something a person has to settle).
Heavy imports stand inside the commands: ``neet status`` answers in a second.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from neet.feeds import commands
from neet.identity.commands import identity
from neet.movement_command import movement
from neet.settings import NotSetUp, Settings

DONE, FAILED, HELD = 0, 1, 3


@dataclasses.dataclass
class Output:
    """Words and tables for people, JSON for machines; progress goes to stderr, results to stdout."""

    as_json: bool

    def __post_init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self.progress = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """A line of progress."""
        self.progress.print(line, markup=False)

    def result(self, data: Any, *lines: str) -> None:
        """The outcome: ``data`` as JSON, or the lines."""
        if self.as_json:
            click.echo(json.dumps(data, default=str, indent=1))
        else:
            for line in lines:
                self.console.print(line, markup=False)

    def table(self, title: str, columns: list[str], rows: list[tuple]) -> None:
        """A table for a terminal, aligned plain text elsewhere; nothing in JSON mode."""
        if self.as_json:
            return
        texts = [["" if value is None else str(value) for value in row] for row in rows]
        if sys.stdout.isatty():
            table = Table(title=title, title_justify="left", title_style="bold")
            for column in columns:
                table.add_column(column)
            for text in texts:
                table.add_row(*text)
            self.console.print(table)
            return
        widths = [max(len(x) for x in column) for column in zip(columns, *texts, strict=True)]
        click.echo(f"\n{title}")
        for text in [columns, ["-" * width for width in widths], *texts]:
            click.echo("  ".join(x.ljust(w) for x, w in zip(text, widths, strict=True)).rstrip())

    def fail(self, message: str, status: int = FAILED) -> NoReturn:
        if self.as_json:
            click.echo(json.dumps({"error": message}))
        else:
            click.echo(message, err=True)
        sys.exit(status)


class Teaching(click.Group):
    """Turns the errors people can mend into one message and an exit status, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from neet.services.postgres import PostgresFailed
        from neet.services.stack import StackError

        try:
            return super().invoke(ctx)
        except (NotSetUp, StackError, PostgresFailed) as error:
            output = ctx.obj if isinstance(ctx.obj, Output) else Output(False)
            output.fail(str(error))


pass_output = click.make_pass_decorator(Output)


@click.group(cls=Teaching, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Results as JSON, for machines.")
@click.pass_context
def main(ctx: click.Context, as_json: bool) -> None:
    """The NEET warehouse: files in, a checked, signed and sealed NCCIS return out.

    \b
    A month, by hand:
      ./neet up                                     start PostgreSQL and Airflow
      ./neet deliver core_plus_people FILE          land and load one file
      ./neet census 2021-12                         build, check, and wait for a signature
      ./neet census 2021-12 --sign --by "A. Name"   answer the sign-off
      ./neet package verify DIR                     is the sealed package whole and genuine?

    Exit status: 0 done, 1 failed, 2 usage, 3 held, blocked or refused.
    """
    ctx.obj = Output(as_json)


def _stack(output: Output):
    from neet.services.stack import Stack

    return Stack(Settings.load(), output.say)


@main.command()
@pass_output
def up(output: Output) -> None:
    """Start PostgreSQL and Airflow, or whatever of them is not running; say how to log in."""
    stack = _stack(output)
    stack.up()
    users = stack.installation()["airflow_users"]
    output.result(
        {"url": stack.api_url, "users": users, "states": stack.states()},
        f"Airflow runs at {stack.api_url}",
        f"Log in as mi_officer / {users['mi_officer']} (signs returns) or admin / {users['admin']}",
        "Stop everything with `./neet down`.",
    )


@main.command()
@pass_output
def down(output: Output) -> None:
    """Stop every service. Nothing is lost: state stays below var/."""
    _stack(output).down()
    output.result({"stopped": True}, "Everything is stopped.")


@main.command()
@pass_output
def status(output: Output) -> None:
    """Services, what runs now, the last deliveries, late feeds, how each gate stands, and what to do next.

    Exit status: 0 every service runs and the warehouse answers, 1 something is down or does not answer (the last
    lines say what, and what to type). Held deliveries and blocked gates are no failure of the installation.
    """
    from neet import report

    settings = Settings.load()
    stack = _stack(output)
    states = stack.states()
    found = report.status(settings, states, stack.crashes(), airflow_dsn=stack.airflow_dsn)
    output.result(found)
    report.print_status(output, found, stack.api_url if states else None)
    sys.exit(DONE if report.is_well(found) else FAILED)


@main.command()
@click.argument("feed")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_output
def deliver(output: Output, feed: str, file: Path) -> None:
    """Land and load FILE as a delivery of FEED (a contract in expectations/feeds/)."""
    from neet.feeds import landing

    settings = Settings.load()
    try:
        result = landing.receive(settings, settings.dsn("loader"), feed, file, say=output.say)
    except landing.UnknownFeed as error:
        output.fail(str(error), 2)
    output.result(dataclasses.asdict(result), *_delivery_lines(result))
    sys.exit(HELD if result.status in ("held", "refused") else DONE)


def _delivery_lines(result) -> list[str]:
    lines = [f"{result.feed} {result.period}: {result.status}"]
    if result.reason:
        lines.append(result.reason)
    if result.status == "accepted":
        lines.append(
            f"delivery {result.delivery_seq}: {result.rows_in} rows = {result.rows_loaded} loaded + "
            f"{result.rows_unchanged} unchanged + {result.rows_rejected} rejected; {result.rows_closed} closed"
        )
    if result.status == "held":
        lines.append(
            f"`./neet held {result.delivery_id}` says what each choice does; settle it with `./neet release "
            f'{result.delivery_id} --by NAME --reason "..."` (first with --dry-run) or `./neet discard ...`.'
        )
    return lines


@main.command()
@click.argument("delivery_id")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to [default: reports/FEED/PROVIDER below the state].",
)  # fmt: skip
@pass_output
def rejects(output: Output, delivery_id: str, out: Path | None) -> None:
    """Write what was not loaded of DELIVERY_ID as a page and as CSV, for whoever sent the file.

    Both hold values from the file, so they are as confidential as it is. They are written by themselves whenever a
    delivery is held, refused or has rejects; this writes them again.
    """
    from neet.feeds import reject_report

    settings = Settings.load()
    try:
        written = reject_report.write(settings, settings.dsn("auditor"), delivery_id, out)
    except reject_report.NoSuchDelivery as error:
        output.fail(str(error), 2)
    except OSError as error:
        output.fail(
            f"The report cannot be written to {error.filename or out} ({error.strerror}). Name another folder with "
            "--out."
        )
    output.result(dataclasses.asdict(written), f"{delivery_id}: {written.status}")
    output.table(
        "Rejected rows",
        ["rule", "rows", "what it is"],
        [(rule, n, reject_report.words_of(rule)[0]) for rule, n in written.by_rule.items()],
    )
    if not output.as_json:
        output.result(None, str(written.html), str(written.csv))


@contextlib.contextmanager
def _feeds_teach(output: Output):
    """What can go wrong with landing and decisions, as one message and an exit status."""
    from neet.decisions import DecisionError
    from neet.feeds.holds import CannotSettle
    from neet.feeds.landing import LandingDamaged
    from neet.feeds.loading import LoadFailed

    try:
        yield
    except (CannotSettle, DecisionError, LandingDamaged, LoadFailed) as error:
        output.fail(str(error))


def _settle(
    output: Output, kind: str, delivery_id: str, by: str | None, reason: str | None, **more: bool
) -> None:
    from neet.feeds import holds

    if not by or not reason:
        output.fail(f"A {kind} needs --by NAME and --reason: both stand in the audit for good.", 2)
    settings = Settings.load()
    with _feeds_teach(output):
        done = holds.settle(settings, settings.dsn("loader"), kind, delivery_id, by, reason, **more)
    output.result(
        dataclasses.asdict(done),
        done.sentence if done.is_new else f"Nothing was to be done. {done.sentence}",
    )


def _person_and_reason(command):
    command = click.option("--by", required=True, help="Who decides.")(command)
    return click.option("--reason", required=True, help="Why, for the auditor.")(command)


@main.command()
@click.argument("delivery_id", required=False)
@pass_output
def held(output: Output, delivery_id: str | None) -> None:
    """What waits for a person: why, whose it is, since when, and what each choice would do.

    With DELIVERY_ID that one alone. Settle each with `release` or `discard`; `release --dry-run` counts first.
    """
    from neet.database import connect
    from neet.feeds import holds

    settings = Settings.load()
    with connect(settings.dsn("auditor")) as connection, _feeds_teach(output):
        found = holds.held(settings, connection)
        if delivery_id:
            found = [hold for hold in found if hold.delivery_id == delivery_id]
            if not found:
                raise holds.CannotSettle(holds.why_not_held(settings, connection, delivery_id))
    output.result([dataclasses.asdict(hold) for hold in found])
    if output.as_json:
        return
    if not found:
        output.result(None, "Nothing waits.")
    for hold in found:
        waits = "since today" if hold.days < 1 else f"for {hold.days} day{'s' * (hold.days > 1)}"
        lines = [
            "",
            f"{hold.delivery_id}",
            f"  what      {hold.feed} {hold.period} of {hold.provider}, file {hold.file_name}",
            f"  waits     {waits} (received {hold.since:%Y-%m-%d %H:%M} UTC); owner: {hold.owner_service}",
            f"  why       {hold.code}: {hold.reason}",
            f"  release   {hold.if_released}",
            f"  discard   {hold.if_discarded}",
        ]
        if hold.newer:
            lines.append(
                f"  careful   {len(hold.newer)} newer accepted since, the last {hold.newer[-1]}: most likely discard it"
            )
        if hold.rows_rejected:
            lines.append(
                f"  rejects   {hold.rows_rejected:,} of {hold.rows_in:,} rows: ./neet rejects {hold.delivery_id}"
            )
        lines += [
            f"  look      ./neet release {hold.delivery_id} --dry-run",
            f'  settle    ./neet release {hold.delivery_id} --by NAME --reason "..."   (or discard)',
        ]
        output.result(None, *lines)


@main.command()
@click.argument("delivery_id")
@click.option("--by", help="Who decides.")
@click.option("--reason", help="Why, for the auditor.")
@click.option("--dry-run", is_flag=True, help="Only say what it would do; nothing is changed.")
@click.option(
    "--sample", default=10, show_default=True, type=click.IntRange(0, 1000),
    help="With --dry-run: how many of the rows closed and rejected are named.",
)  # fmt: skip
@click.option(
    "--despite-newer", is_flag=True, help="Though a newer one of the provider was accepted since."
)
@pass_output
def release(
    output: Output,
    delivery_id: str,
    by: str | None,
    reason: str | None,
    dry_run: bool,
    sample: int,
    despite_newer: bool,
) -> None:
    """Accept a held delivery: it is loaded now, as the newest of its feed. Needs --by and --reason.

    --dry-run does it and takes it back: how many rows would be loaded, closed and rejected, and which.
    """
    if dry_run:
        _dry_run(output, delivery_id, sample)
        return
    _settle(output, "release", delivery_id, by, reason, despite_newer=despite_newer)


def _dry_run(output: Output, delivery_id: str, sample: int) -> None:
    from neet.feeds import holds

    settings = Settings.load()
    with _feeds_teach(output):
        found = holds.preview(settings, settings.dsn("loader"), delivery_id, sample)
    output.result(dataclasses.asdict(found))
    if output.as_json:
        return
    if found.counts is None:
        output.fail(f"{delivery_id} cannot be loaded: {found.refused} Discard it.", HELD)
    counts = found.counts
    output.result(
        None,
        f"Releasing {delivery_id} ({found.feed} {found.period}) would do this; nothing was changed:",
        f"  {counts.rows_loaded:>9,} rows loaded (new or changed)",
        f"  {counts.rows_unchanged:>9,} rows as they are",
        f"  {counts.rows_rejected:>9,} rows rejected, {found.rows_stale:,} of them kept at their last good version",
        f"  {counts.rows_closed:>9,} rows closed"
        + (" (held back: a key cannot be read)" if counts.closures_held else ""),
        f"Compared with {found.newest or 'nothing: it would be the first of its feed'}.",
        *(f"Warning: {warning}" for warning in found.warnings),
    )
    if found.closed:
        columns = list(found.closed[0])
        output.table(
            f"Closed, the first {len(found.closed)} of {counts.rows_closed:,} (columns that name nobody)",
            columns,
            [tuple(row.values()) for row in found.closed],
        )
    if found.rejects:
        output.table(
            f"Rejected, the first {len(found.rejects)} of {counts.rows_rejected:,}",
            ["line", "key", "column", "rule", "reason"],
            [(r.line_number, r.row_key, r.column, r.rule, r.reason) for r in found.rejects],
        )


@main.command()
@click.argument("delivery_id")
@_person_and_reason
@pass_output
def discard(output: Output, delivery_id: str, by: str, reason: str) -> None:
    """Refuse a held delivery for good. The file is kept in landing, the reason in the audit."""
    _settle(output, "discard", delivery_id, by, reason)


@main.command()
@click.argument("check_id")
@click.option("--until", required=True, help="Last census point it holds for, YYYY-MM.")
@click.option(
    "--person", "people", multiple=True, help="YoungPersonsID; repeat. Default: every record."
)
@_person_and_reason
@pass_output
def waive(
    output: Output, check_id: str, until: str, people: tuple[str, ...], by: str, reason: str
) -> None:
    """Let a failing check pass, for named people or all, until a census point. It shows as waived."""
    from neet import calendar, decisions

    settings = Settings.load()
    try:
        expires_on = calendar.census_point(settings.la_code, until).period_end
    except (calendar.CalendarEnd, ValueError) as error:
        output.fail(str(error), 2)
    body = {"check_id": check_id, "expires_on": expires_on.isoformat(), "approved_by": by}
    if people:
        body["young_persons_ids"] = sorted(people)
    decision = decisions.record(
        settings, settings.dsn("gate"), "waiver", settings.la_code, check_id, body, by, reason
    )
    output.result(
        {"decision_id": decision.decision_id, "delivery_seq": decision.delivery_seq},
        f"Waiver of {check_id} until {expires_on} recorded as decision {decision.delivery_seq}.",
    )


@main.command("not-sent")
@click.argument("point")
@_person_and_reason
@pass_output
def not_sent(output: Output, point: str, by: str, reason: str) -> None:
    """Record that no return was sent for POINT, so that the next one can be sealed."""
    from neet.returns import package

    settings = Settings.load()
    package.mark_not_sent(settings, settings.dsn("gate"), settings.la_code, point, by, reason)
    output.result({"census_point": point}, f"{point} is recorded as not sent.")


@main.command()
@click.argument("point")
@click.option(
    "--sign", "answer", flag_value="sign", help="Approve and seal the return, unattended."
)
@click.option("--refuse", "answer", flag_value="refuse", help="Refuse it. Final for this payload.")
@click.option("--by", help="On whose behalf --sign or --refuse is given.")
@click.option("--reason", default="", help="Why; needed with --refuse.")
@click.option("--known-seq", type=int, help="See only what was accepted up to this delivery.")
@click.option("--known-at", type=click.DateTime(), help="See only what was accepted by then (UTC).")
@pass_output
def census(
    output: Output,
    point: str,
    answer: str | None,
    by: str | None,
    reason: str,
    known_seq: int | None,
    known_at: dt.datetime | None,
) -> None:
    """Take the census POINT (YYYY-MM) through Airflow: build, check, sign, seal.

    Without --sign or --refuse the run stops at the sign-off, which is then answered in Airflow's pages or by
    calling this command again with an answer.
    """
    from neet.services import census_run

    if answer and not by:
        output.fail("--sign and --refuse need --by NAME: a decision has a person behind it.", 2)
    if answer == "refuse" and not reason:
        output.fail("--refuse needs --reason: the next person has to know what to mend.", 2)
    if known_seq is not None and known_at is not None:
        output.fail("Give --known-seq or --known-at, not both.", 2)
    known = {
        "known_seq": known_seq,
        "known_at": known_at.replace(tzinfo=dt.UTC).isoformat() if known_at else None,
    }
    try:
        ended = census_run.take(_stack(output), point, answer, by, reason, known, output.say)
    except census_run.NoSuchPoint as error:
        output.fail(str(error), 2)
    except census_run.CensusError as error:
        output.fail(str(error))
    output.result(ended.data, *ended.lines)
    sys.exit({"sealed": DONE, "waiting": DONE, "blocked": HELD, "refused": HELD}[ended.outcome])


@main.command()
@click.argument("query")
@click.option(
    "--role", type=click.Choice(["auditor", "bi"]), default="auditor",
    help="Whose eyes: the auditor sees everything, BI what is published.",
)  # fmt: skip
@pass_output
def sql(output: Output, query: str, role: str) -> None:
    """Run one read-only QUERY and write CSV to stdout."""
    import psycopg

    from neet.database import connect

    try:
        with connect(Settings.load().dsn(role)) as connection:
            connection.read_only = True
            with connection.cursor().copy(
                f"copy ({query.strip().rstrip(';')}\n) to stdout with (format csv, header)".encode()
            ) as copy:
                for block in copy:
                    sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
    except psycopg.Error as error:
        output.fail(f"PostgreSQL would not run the query: {error}")


@main.command("check-return")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mode", type=click.Choice(["dfe", "checker"]), default="dfe", show_default=True,
    help="The rules as DfE means them, or as the public checker of 2019-20 tests them.",
)  # fmt: skip
@click.option(
    "--pack", "version", metavar="YEAR", help="Requirement year of the rules, as 2021-22."
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the HTML report [default: beside FILE].",
)  # fmt: skip
@pass_output
def check_return(
    output: Output, file: Path, mode: str, version: str | None, report: Path | None
) -> None:
    """Judge any NCCIS XML FILE by the rules of the gate. Nothing is delivered, recorded or changed.

    Prints young_persons_id,rule as CSV and writes an HTML report beside the file. The rules are those of the
    requirement year in which the file's PeriodEnd lies, unless --pack names another.

    Exit status: 0 no findings, 1 findings, 3 refused whole, 2 the check itself could not be done.
    """
    from neet.rules import check_return as checking

    report = report or file.with_name(f"{file.stem}.check.html")
    if report.resolve() == file.resolve():
        output.fail("--report names the file that is to be checked; give it another name.", 2)
    with _no_verdict_on_errors(output):
        with checking.Check(_database_for_gate(output), file, mode, version) as check:
            with _reading_progress(output, file) as progress:
                result = check.run(progress)
            try:
                checking.write_report(result, report)
            except OSError as error:
                output.fail(
                    f"The report cannot be written to {report} ({error.strerror}). Name another place with "
                    "--report.",
                    2,
                )
            if output.as_json:
                data = checking.as_data(result)
                output.result(data | {"report": report, "findings": check.findings()})
            else:
                check.write_csv(sys.stdout.buffer)
    for line in checking.summary(result):
        output.say(line)
    output.say(f"Report: {report}")
    sys.exit(3 if result.refused else 0 if result.is_clean else 1)


@contextlib.contextmanager
def _no_verdict_on_errors(output: Output):
    """What goes wrong with a check says nothing of the file: exit status 2, which is never taken for findings."""
    import psycopg

    from neet.rules.check_return import CheckError
    from neet.services.postgres import PostgresFailed
    from neet.services.stack import StackError

    try:
        yield
    except (CheckError, StackError, PostgresFailed) as error:
        output.fail(str(error), 2)
    except psycopg.Error as error:
        output.fail(f"The database failed, so nothing is known of the file: {error}", 2)
    except KeyboardInterrupt:
        output.fail("Stopped. Nothing is known of the file.", 2)
    except (click.ClickException, BrokenPipeError):
        raise
    except Exception:
        import traceback

        output.fail(f"{traceback.format_exc()}The check broke; nothing is known of the file.", 2)


def _database_for_gate(output: Output) -> str:
    """Connection string of the role ``gate``; PostgreSQL is started if it does not answer.

    Raises:
        neet.services.stack.StackError: it does not answer and is not this installation's to start, or would not
            come up.
    """
    import psycopg

    from neet.services.stack import StackError

    settings = Settings.load()
    try:
        dsn = settings.dsn("gate")
        psycopg.connect(dsn, connect_timeout=5).close()
        return dsn
    except (NotSetUp, psycopg.OperationalError) as error:
        if "NEET_DSN_GATE" in os.environ:
            raise StackError(
                f"The database that NEET_DSN_GATE names does not answer: {error}Start it, or unset the variable "
                "to use this installation's own."
            ) from error
    stack = _stack(output)
    stack.database_up()
    output.say("PostgreSQL was started for this; `./neet down` stops it.")
    return settings.dsn("gate")


@contextlib.contextmanager
def _reading_progress(output: Output, file: Path):
    """A bar on stderr while a file is read, if somebody watches; gives what to call, or None."""
    if not output.progress.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[records]:,} records"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=output.progress, transient=True) as bar:
        task = bar.add_task("Reading", total=file.stat().st_size, records=0)

        def read(read_bytes: int, _total: int, records: int) -> None:
            bar.update(task, completed=read_bytes, records=records)

        yield read


@main.group()
def package() -> None:
    """Sealed return packages."""


@package.command()
@click.argument("directory", type=click.Path(path_type=Path))
@pass_output
def verify(output: Output, directory: Path) -> None:
    """Check every hash, the signature, the chain and that the XML reads back."""
    from neet.returns import package as packages

    problems = packages.verify(directory)
    if problems:
        output.result({"problems": problems}, f"{directory} is NOT whole:", *problems)
        sys.exit(FAILED)
    output.result(
        {"problems": []}, f"{directory} is whole: every hash, the signature and the XML agree."
    )


@main.command()
@click.option(
    "--people",
    default=52_000,
    show_default=True,
    help="Size of the synthetic county: young people in the return.",
)
@click.option("--seed", default=2022, show_default=True)
@click.option(
    "--like",
    default="kent-2022",
    show_default=True,
    help="Which authority's figures the county is set to: a name in synthetic_county/like/.",
)
@click.option("--from", "first", default="2021-12", show_default=True, help="First census point.")
@click.option("--to", "last", default="2022-03", show_default=True, help="Last census point.")
@click.option(
    "--sources/--core-plus-only", default=True, show_default=True,
    help="Schools, colleges, Synergy and the other systems deliver too, some 1,300 files.",
)  # fmt: skip
@pass_output
def demo(
    output: Output, people: int, seed: int, like: str, first: str, last: str, sources: bool
) -> None:
    """A synthetic county of Kent's size through Airflow: four months of files, gates, sign-offs and sealed returns."""
    from neet.services import demo as the_demo
    from neet.services.airflow_api import AirflowError
    from neet.services.census_run import CensusError

    try:
        ended = the_demo.run(_stack(output), output, people, seed, like, first, last, sources)
    except (the_demo.DemoError, CensusError, AirflowError) as error:
        output.fail(str(error))
    output.result(ended)


@main.command()
@click.argument("year", type=int, required=False)
@click.option("--la", "la_code", help="Three digits of an authority; default: this installation's.")
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with every year drawn, to this file.",
)  # fmt: skip
@pass_output
def compare(output: Output, year: int | None, la_code: str | None, page: Path | None) -> None:
    """Our figures of scorecard YEAR beside the DfE's, England's, the region's and the neighbours'.

    YEAR 2022 is December 2021 to February 2022 and March 2022; default: the newest there is. Ours are as submitted.
    """
    from neet import comparison, comparison_page

    settings = Settings.load()
    la_code = la_code or settings.la_code
    try:
        year = year or comparison.latest_year(settings, la_code)
        rows = comparison.comparison(settings, la_code, year)
        region = comparison.region_name(settings, la_code, year)
    except comparison.NothingToCompare as error:
        output.fail(str(error))
    if page:
        page.write_text(comparison_page.render(settings, la_code, year), encoding="utf-8")
        output.say(f"Written: {page}")
    output.result(rows)
    output.table(
        f"Authority {la_code}, scorecard {year}: per cent; quintile 1 is best",
        ["measure", "name", "numerator", "denominator", "ours", "DfE", "difference", "England", region or "region",
         "neighbours", "quintiles", "of ours", "target", "floor", "RAG"],
        [
            (r["kpi_id"], r["name"], r["numerator"], r["denominator"], r["our_percent"], comparison.words(r),
             r["difference_points"], r["england_percent"], r["region_percent"], r["neighbours_percent"],
             r["quintile_range"], r["our_quintile_range"], r["target_percent"], r["floor_percent"], r["rag"])
            for r in rows
        ],
    )  # fmt: skip


@main.command()
@click.argument("kpi")
@click.argument("period")
@click.argument("area", default="")
@click.argument("group", default="ALL")
@click.option(
    "--as-submitted", is_flag=True, help="As the sealed returns had it; default: as known now."
)
@click.option("--verify", is_flag=True, help="Read every source line again in landing and compare.")
@click.option("--limit", default=20, show_default=True, help="How many people-months to show.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="Write every people-month with its rows, files and lines to this CSV file.",
)  # fmt: skip
@pass_output
def explain(
    output: Output, kpi: str, period: str, area: str, group: str, as_submitted: bool,
    verify: bool, limit: int, out: Path | None,
) -> None:  # fmt: skip
    """Why that number? KPI in PERIOD for AREA and GROUP: the people counted, their rows, files and lines.

    \b
      ./neet explain AP-NEET 2022-01
      ./neet explain SC-NEET DJF-2022 Thanet EHCP --as-submitted --verify

    AREA is a district's name or code; left out: the county. docs/explain-a-number.md has the query behind it.
    """
    from neet import explain as explaining

    settings = Settings.load()
    basis = "as_submitted" if as_submitted else "restated"
    try:
        found = explaining.explain(settings, kpi.upper(), period, area, group.upper(), basis)
    except (explaining.NoSuchValue, explaining.DoesNotAdd) as error:
        output.fail(str(error))
    again = None
    if verify:
        output.say("Reading the source lines again in landing")
        again = explaining.reread(settings, [row for one in found.people for row in one.rows])
    if out:
        explaining.write(out, found)
        output.say(f"Written: {out}")
    data = explaining.as_data(found) | ({"reread": dataclasses.asdict(again)} if again else {})
    output.result(data, *explaining.words(found, again))
    output.table(
        "Files it rests on", ["rows", "file", "in landing"],
        [(rows, name, path) for name, path, rows in found.files[:limit]],
    )  # fmt: skip
    shown = sorted(found.people, key=lambda one: not one.in_numerator)[:limit]
    output.table(
        f"People-months: {len(shown)} of {len(found.people)}, those of the numerator first",
        ["month end", "person", "counts", "code", "status", "NEET days", "activity row", "person row"],
        [
            (one.month_end, one.young_persons_id, "yes" if one.in_numerator else "",
             one.activity_code, one.status_bucket, one.neet_days,
             explaining.place(one, "activity"), explaining.place(one, "person"))
            for one in shown
        ],
    )  # fmt: skip
    if again and again.differing:
        output.fail("\n".join(["Landing no longer says what was loaded:", *again.differing[:20]]))


@main.command()
@click.argument("delivery_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Every delivery and decision there is.")
@click.option(
    "--into", type=click.Path(path_type=Path),
    help="A new folder for what was read again: rows.csv, rejects.csv, differences.txt. Holds personal data.",
)  # fmt: skip
@pass_output
def replay(output: Output, delivery_id: str | None, everything: bool, into: Path | None) -> None:
    """Read a delivery again from landing and compare it with what the warehouse holds; nothing is changed.

    By the contract of its time, against what was known before it: every row with its hash, every reject, every count.
    Says "identical", or names what differs. Exit status: 0 identical, 1 something differs.
    """
    from neet.feeds import audit

    if (delivery_id is None) == (not everything) or (everything and into):
        output.fail("Give a DELIVERY_ID (with --into, if wanted), or --all.", 2)
    settings = Settings.load()
    with _feeds_teach(output):
        if everything:
            _replay_all(output, audit.audit_all(settings, output.say))
        try:
            found = audit.audit(settings, delivery_id, into)
        except audit.NoSuchDelivery as error:
            output.fail(str(error), 2)
        except FileExistsError:
            output.fail(f"{into} is there already; --into makes a new folder.", 2)
    output.result(dataclasses.asdict(found), *_audited_lines(found))
    if into:
        output.say(f"Written: {into}")
    sys.exit(DONE if found.is_identical else FAILED)


def _audited_lines(found) -> list[str]:
    number = f", delivery {found.delivery_seq}" if found.delivery_seq else ""
    name = f"{found.delivery_id} ({found.feed} {found.period}{number}, {found.status})"
    if found.is_identical:
        return [f"{name}: identical ({found.rows:,} rows and {found.rejects:,} rejects compared)"]
    return [f"{name} DIFFERS:", *(f"- {line}" for line in found.differences)]


def _replay_all(output: Output, found) -> NoReturn:
    lines = [line for one in found.differing for line in _audited_lines(one)]
    lines += [f"- {line}" for line in found.elsewhere]
    if found.is_identical:
        lines = [f"{found.deliveries:,} deliveries and decisions, {found.rows:,} rows: identical."]
    else:
        lines.append(
            f"{len(found.differing)} of {found.deliveries:,} deliveries and decisions differ. The data engineer restores "
            "what was changed from a backup: landing, if a file is not what its receipt says, else by `./neet rebuild`."
        )
    output.result(dataclasses.asdict(found), *lines)
    sys.exit(DONE if found.is_identical else FAILED)


@main.command()
@click.option(
    "--page", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the feeds as one HTML page to this file.",
)  # fmt: skip
@click.option(
    "--on", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD",
    help="Judge lateness on this day; default: today.",
)  # fmt: skip
@pass_output
def feeds(output: Output, page: Path | None, on: dt.datetime | None) -> None:
    """Every feed: whose it is, when it is due, what came last, rejects, held files, lateness."""
    from neet.calendar import CalendarBroken, CalendarEnd
    from neet.feeds import overview
    from neet.feeds.contract import ContractError
    from neet.feeds.sources import SourcesError

    settings = Settings.load()
    day = on.date() if on else dt.date.today()
    try:
        rows = overview.overview(settings, day)
    except (CalendarBroken, CalendarEnd, ContractError, SourcesError) as error:
        output.fail(str(error))
    if page:
        page.write_text(overview.page(settings, rows, day), encoding="utf-8")
        output.say(f"Written: {page}")
    output.result([dataclasses.asdict(row) for row in rows])
    output.table(
        f"Feeds of authority {settings.la_code}, {day}",
        ["no.", "feed", "owner", "due", "newest", "outcome", "rows", "rejects", "held", "state", "since"],
        [
            (" ".join(r.numbers), r.feed, r.owner_service, r.cadence,
             r.received_at and f"{r.received_at:%Y-%m-%d}", r.status, r.rows_in if r.deliveries else None,
             r.rows_rejected if r.deliveries else None, r.held or None, r.state, r.late_since)
            for r in rows
        ],
    )  # fmt: skip


@main.command()
@click.option("--service", metavar="CODE", help="Owner service, as TEP or SEND. Default: all.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page.")
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a CSV that is safe to open in a spreadsheet.",
)  # fmt: skip
@pass_output
def worklist(output: Output, service: str | None, page: Path | None, csv_file: Path | None) -> None:
    """What each service has to put right: who, what, since when, by when.

    Prints how it stands; names go into --page and --csv (and into --json), for the service alone. Rows close by
    themselves when a delivery shows that the record is right.
    """
    from neet import worklist as worklists

    settings = Settings.load()
    try:
        found = worklists.read(settings, service)
        for file, write in ((page, worklists.write_page), (csv_file, worklists.write_csv)):
            if file:
                write(found, file)
                output.say(f"Written: {file}")
    except (worklists.NoWorklist, OSError) as error:
        output.fail(str(error))
    output.result(
        {
            "as_at": found.as_at,
            "summary": [dataclasses.asdict(summary) for summary in found.summaries],
            "rows": found.rows,
        }
    )
    output.table(
        f"{found.service_name}, as known on {found.as_at}: {len(found.rows)} open",
        ["service", "reason", "what", "open", "overdue", "closed", "median days", "closed late"],
        [
            (s.service_code, s.reason_code, s.what, s.is_open, s.overdue, s.closed, s.median_days, s.closed_late)
            for s in found.summaries
        ],
    )  # fmt: skip


@main.command()
@click.option(
    "--yes", is_flag=True, help="Do it. Without this the command only says what it would do."
)
@pass_output
def rebuild(output: Output, yes: bool) -> None:
    """Drop every warehouse schema and replay landing: the audit of everything.

    Published tables are rebuilt by the next run of build_warehouse.
    """
    from neet import rebuilding

    settings = Settings.load()
    if not yes:
        output.result(
            {"would_replay": rebuilding.count(settings)},
            f"Would drop every warehouse schema and replay {rebuilding.count(settings)} deliveries and "
            f"decisions from {settings.landing}. Run again with --yes.",
        )
        return
    replayed = rebuilding.rebuild(settings, output.say)
    output.result({"replayed": replayed}, f"Replayed {replayed} deliveries and decisions.")


main.add_command(commands.collections)
main.add_command(commands.chase)
main.add_command(identity)
main.add_command(movement)

if __name__ == "__main__":
    main()
