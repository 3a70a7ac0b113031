"""The DfE's rules: ``neet check-return`` against reading the same file, and all rules at once against one at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator

from benchmarks.bench_xml import PERIOD, read, record_count, return_file
from benchmarks.harness import Bench, Figure, PeakMemory, alternate
from neet.nccis import xml
from neet.rules import check_return, codes, judge, workspace
from neet.rules.pack import load_pack


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    count = record_count(people)
    file = return_file(bench, count)
    bench.stack.database_up()
    dsn = bench.stack.settings.dsn("gate")
    report = bench.folder / "report.html"

    def check() -> None:
        with check_return.Check(dsn, file) as checking:
            result = checking.run()
            if result.record_count != count or not result.finding_count:
                raise AssertionError(f"{file} was not judged: {result.refused}")
            check_return.write_report(result, report)
            checking.write_csv(io.BytesIO())

    read(file), check()  # once unmeasured: the file in memory, templates compiled
    with PeakMemory() as peak:
        ours_s, reading_s = alternate(check, lambda: read(file), rounds=5)
    report.unlink()
    yield Figure(
        "check_return", count, "records", ours_s, reading_s, peak.mb,
        "whole check with CSV and report, without starting Python; reference: our streamed read of the file alone",
    )  # fmt: skip

    pack, lists = load_pack("2021-22"), codes.load_code_lists(PERIOD)
    with workspace.Workspace(dsn, temporary=True) as work:
        nccis = xml.read(file)
        source = work.stage([("file", lambda: vars(nccis.header), nccis)])
        prepared = work.prepare(source, codes.load_policy(PERIOD))

        def one_by_one() -> int:
            return sum(
                len(judge.failing_rows(work.connection, judge.failing_query(rule, lists, prepared)))
                for rule in pack.judged_in_sql
            )

        def together() -> int:
            return len(judge.judge_all(work.connection, pack, lists, prepared))

        if together() != one_by_one():
            raise AssertionError("all rules at once and one at a time find different rows")
        ours_s, one_by_one_s = alternate(together, one_by_one)
        yield Figure(
            "rules_together", count, "records", ours_s, one_by_one_s, None,
            f"{len(pack.judged_in_sql)} rules in one statement; reference: a statement a rule over the same table",
        )  # fmt: skip
