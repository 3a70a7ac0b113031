"""``neet check-return``: what is said of sound, faulty, strange and hostile files."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import html.parser
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from neet.cli import main
from neet.database import connect
from neet.nccis import layout, xml
from neet.rules import check_return, codes
from neet.rules.pack import available, load_pack
from neet.settings import PROJECT_ROOT
from tests.rules.small_census import valid_record

pytestmark = pytest.mark.slow  # each of many files is a whole check

PERIOD = dt.date(2021, 12, 31)
BLANK = dict.fromkeys(layout.record_columns()) | {"characteristic_codes": []}
SAMPLE = PROJECT_ROOT.parent / "shared" / "domain" / "nccis_samples" / "test2.xml"
HEADER = xml.Header(
    ("886",), ("886",), "2022-01-06", "2021-12-31", "Test", "1.0", "1.0", "NCCIS2021"
)


def return_of(*records) -> str:
    """A return of December 2021 as the warehouse itself writes it."""
    out = io.BytesIO()
    rows = ({name: value or None for name, value in (BLANK | each).items()} for each in records)
    xml.write(
        out,
        HEADER,
        (row | {"characteristic_codes": row["characteristic_codes"] or []} for row in rows),
        layout.layout_for(PERIOD),
    )
    return out.getvalue().decode()


SOUND = return_of(valid_record())
START, END = SOUND.index("<FileHeader>"), SOUND.index("</FileHeader>") + len("</FileHeader>")
FILE_HEADER = SOUND[START:END]
RECORD_START, RECORD_END = (
    SOUND.index("<YoungPersonsRecord>"),
    SOUND.index("</YoungPersonsRecord>") + len("</YoungPersonsRecord>"),
)
RECORD = SOUND[RECORD_START:RECORD_END]


class Ran:
    """One run of the command."""

    def __init__(self, file: Path, *options: str):
        done = CliRunner().invoke(
            main, ["check-return", str(file), *options], catch_exceptions=False
        )
        self.status, self.stderr, self.stdout = done.exit_code, done.stderr, done.stdout
        self.report = file.with_name(f"{file.stem}.check.html")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        header, *rows = csv.reader(io.StringIO(self.stdout, newline=""))
        assert header == ["young_persons_id", "rule"]
        return [tuple(row) for row in rows]

    @property
    def rules(self) -> set[str]:
        return {rule for _, rule in self.pairs}

    @property
    def page(self) -> str:
        return self.report.read_text(encoding="utf-8")


@pytest.fixture
def check(warehouse, tmp_path):
    def run(content: str | bytes, *options: str, name: str = "return.xml") -> Ran:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Ran(file, *options)

    return run


def left_behind(warehouse) -> list[str]:
    with connect(warehouse.dsn["owner"]) as connection:
        return [
            name
            for (name,) in connection.execute(
                "select relname from pg_class c join pg_namespace n on n.oid = relnamespace "
                "where relkind = 'r' and (nspname = 'gate_work' or nspname like 'pg\\_temp%%')"
            )
        ]


def test_a_sound_return_has_no_findings(check, warehouse):
    ran = check(SOUND)
    assert (ran.status, ran.pairs) == (0, [])
    assert "1 records by the rules of 2021-22: no findings" in ran.stderr
    assert "No findings" in ran.page and "requirement of 2021-22" in ran.page
    assert left_behind(warehouse) == []


def test_findings_are_pairs_in_a_fixed_order_with_the_file_s_own_first(check):
    records = [
        valid_record(3, send_flag="X", postcode=""),
        valid_record(1, activity_code="999"),
        valid_record(2),
        valid_record(1, given_name="Other", unique_learner_no="", activity_code="999"),
    ]
    text = return_of(*records).replace("2022-01-06", "6 January")
    ran = check(text)
    assert ran.status == 1
    assert ran.pairs == [
        ("", "F6"),
        ("8860000000001", "201"), ("8860000000001", "201"),
        ("8860000000001", "902"), ("8860000000001", "902"),
        ("8860000000003", "32"), ("8860000000003", "102"),
    ]  # fmt: skip
    assert check(text).stdout == ran.stdout
    assert "DateOfSend is a date" in ran.stderr


def test_the_report_groups_by_rule_and_says_whose_it_is_and_how_to_mend_it(check):
    ran = check(return_of(*(valid_record(n, send_flag="X") for n in range(1, 4))))
    page = ran.page
    rule = load_pack("2021-22").rules["102"]
    for words in (rule.title, rule.reason, rule.how_to_mend, "SENDFlag", "3 findings", "1 rule."):
        assert words in page, words
    assert all(f"88600000000{n:02}" in page for n in (1, 2, 3))
    assert "should fix" in page.lower()
    assert ran.report.stat().st_mode & 0o077 == 0, "it names young people"


def test_a_long_list_is_cut_in_the_report_and_whole_in_the_csv(check, monkeypatch):
    monkeypatch.setattr(check_return, "SHOWN_ROWS", 5)
    ran = check(return_of(*(valid_record(n, send_flag="X") for n in range(1, 9))))
    assert len(ran.pairs) == 8
    assert "The first 5 of 8." in ran.page and "8860000000006" not in ran.page


HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}%s\u202e=cmd|' /C calc'!A0"


class Page(html.parser.HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.attributes = Counter(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}


def test_hostile_values_are_only_text_in_the_report_and_whole_in_the_csv(check):
    names = ("young_persons_id", "given_name", "gender", "postcode", "activity_code", "lead_lea")
    faulty = valid_record(1, **dict.fromkeys(names, HOSTILE))
    tame = valid_record(1, **dict.fromkeys(names, "x" * 60))
    hostile, plain = (return_of(each) for each in (faulty, tame))
    ran = check(hostile, name="<img src=x onerror=alert(1)>.xml")
    assert {person for person, _ in ran.pairs} == {HOSTILE}
    assert check(plain).rules == ran.rules
    page = Page(ran.page)
    assert page.elements == Page(check(plain).page).elements
    assert not {each for each in page.attributes if each.startswith("on")}
    assert not page.elements.keys() & {"script", "img", "link", "iframe"}
    assert "49" not in ran.page.replace("&#34;", "") or "{{ 7 * 7 }}" in ran.page
    assert "http" not in ran.page.replace("https://github.com", ""), "it needs no other file"


def with_record(record: str) -> str:
    return SOUND[:RECORD_START] + record + SOUND[RECORD_END:]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (SOUND.replace("<NCCIS>", '<NCCIS xmlns="urn:x">'), {"F12"}),
        (SOUND.replace("<NCCIS>", "<NCCIS2021>").replace("</NCCIS>", "</NCCIS2021>"), {"F3"}),
        (with_record(""), {"F11"}),
        (SOUND[:START] + RECORD + FILE_HEADER + "</NCCIS>", {"F3"}),
        (SOUND.replace(FILE_HEADER, FILE_HEADER * 2), {"F3"}),
        (SOUND.replace("<FileHeader>", "<FileHeader>words"), {"F8"}),
        (SOUND.replace("<FileHeader>", "<FileHeader><Shoe>9</Shoe>"), {"F8"}),
        (SOUND.replace("<DateOfSend>", "<DateOfSend>2022-01-05</DateOfSend><DateOfSend>"), {"F15"}),
        (with_record(RECORD.replace("<PersonalDetails>", "<PersonalDetails>words")), {"F16"}),
        (with_record(RECORD.replace("<Gender>", "<Gender>M</Gender><Gender>")), {"F15"}),
        (with_record(RECORD.replace("<Gender>", "<Shoe>9</Shoe><Gender>")), {"F14"}),
        (with_record(RECORD.replace("<Gender>", "<Gender lang='en'>")), {"F14"}),
        (SOUND.replace("<!DOCTYPE NCCIS2021>", "<!DOCTYPE NCCIS SYSTEM 'x.dtd'>"), {"F13"}),
        (SOUND.replace("<!DOCTYPE NCCIS2021>", "<!DOCTYPE NCCIS>"), set()),
        (SOUND.replace("<!DOCTYPE NCCIS2021>", ""), set()),
        (SOUND.replace("NEETStartDate", "NeetStartDate"), set()),
    ],
)  # fmt: skip
def test_a_strange_shape_is_a_finding_of_its_own_and_nothing_else(check, text, rules):
    ran = check(text)
    assert ran.rules == rules
    assert ran.status == (1 if rules else 0)
    for rule in rules:
        assert rule in ran.stderr and rule in ran.page


def test_a_missing_part_of_a_record_is_its_own_finding_beside_what_it_leaves_blank(check):
    begin, end = RECORD.index("<Activities>"), RECORD.index("</Activities>") + 13
    ran = check(with_record(RECORD[:begin] + RECORD[end:]))
    assert ran.pairs == [("8860000000001", each) for each in ("200", "202", "203", "220", "240")]


def test_every_problem_of_the_reader_is_found_by_a_rule_of_every_pack():
    for version in available():
        document = load_pack(version).of_scope("document")
        for kind in xml.PROBLEMS:
            element = {"missing_element": "Activities"}.get(kind, "Town")
            problem = xml.Problem(kind, 1, 1, f"NCCIS/YoungPersonsRecord/{element}", "")
            assert len(check_return.rules_of_problem(problem, document)) == 1, (version, kind)
        assert [each for each in document if "refused" in each.found_by]


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 20))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (gzip.compress(SOUND.encode()), "compressed (gzip)"),
        (b"PK\x03\x04" + b"\0" * 40, "zip archive"),
        (b"young_persons_id,rule\n1,2\n", "well-formed"),
        (os.urandom(4_096), "well-formed"),
        (SOUND[: len(SOUND) // 2].encode(), "well-formed"),
        (SOUND + "<NCCIS/>", "junk after document element"),
        (SOUND.replace("Test", "caf\xe9").encode("latin-1"), "well-formed"),
        (SOUND.replace('"1.0"', '"1.0" encoding="klingon"', 1), "encoding"),
        (SOUND.encode("utf-16-le")[:-1], "line"),
        (f'<!DOCTYPE NCCIS [<!ENTITY a0 "ha">{BOMB}]><NCCIS>&a19;</NCCIS>', "entit"),
        ('<!DOCTYPE NCCIS [<!ENTITY a SYSTEM "file:///etc/passwd">]><NCCIS>&a;</NCCIS>', "entit"),
        (SOUND.replace("<Gender>", "<b>" * 10_000), "nested"),
        (SOUND.replace("<Gender>", f"<Gender a='{'x' * 2_000_000}'>"), "longer than"),
        (SOUND.replace("<Gender>", f"<Gender>{'x' * 200_000}"), "characters"),
        (SOUND.replace("</FileHeader>", f"{'<LEACode/>' * 3_000}</FileHeader>")
         .replace("<SourceLEAs>", f"<SourceLEAs>{'<LEACode/>' * 3_000}"), "repeated more than"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_whole_with_a_reason(check, content, words, warehouse):
    started = time.perf_counter()
    ran = check(content)
    assert ran.status == 3
    assert ran.rules == {"F2"}
    assert words in ran.stderr and "is refused whole" in ran.stderr
    assert "Refused" in ran.page and "root:" not in ran.page
    assert left_behind(warehouse) == []
    assert time.perf_counter() - started < 60


def test_no_outside_dtd_or_entity_is_ever_fetched(check):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/dtd"
        assert check(SOUND.replace("NCCIS2021", f'NCCIS2021 SYSTEM "{url}"')).status == 1
        entity = f'NCCIS2021 [<!ENTITY % a SYSTEM "{url}"> %a;]'
        assert check(SOUND.replace("NCCIS2021", entity)).status == 3
        with pytest.raises(BlockingIOError):
            server.accept()


def test_what_may_never_end_is_not_begun(warehouse, tmp_path):
    pipe = tmp_path / "pipe.xml"
    os.mkfifo(pipe)
    ran = Ran(pipe)
    assert ran.status == 3 and "no regular file" in ran.stderr


def test_a_file_beyond_the_limit_is_refused(warehouse, tmp_path):
    file = tmp_path / "endless.xml"
    file.write_text(SOUND[:RECORD_END] + RECORD * 2_000)
    limits = xml.Limits(max_bytes=1_000_000)
    with check_return.Check(warehouse.dsn["gate"], file, limits=limits) as check:
        result = check.run()
        assert "larger than 1000000 bytes" in result.refused
        assert [each["rule"] for each in check.findings()] == ["F2"]


# -- which rules ----------------------------------------------------------------------------------------


def test_the_rules_are_those_of_the_period_and_pack_overrides(check):
    text = return_of(valid_record(given_name="Example2"))
    assert check(text).rules == set()
    other = check(text, "--pack", "2026-27")
    assert other.rules == {"44"} and "requirement of 2026-27" in other.page
    moved = check(text.replace("2021-12-31", "2019-05-31"))
    assert "by the rules of 2019-20" in moved.stderr


@pytest.mark.parametrize(
    ("period", "words", "rules"),
    [
        ("2018-03-31", "lies in 2017-18, a year without rules", set()),
        ("2040-03-31", "lies in 2039-40, a year without rules", set()),
        ("31/12/2021", "its PeriodEnd is '31/12/2021'", {"F7"}),
        ("", "it gives no PeriodEnd", {"F7"}),
    ],
)
def test_a_period_without_rules_is_refused_and_says_what_to_do(check, period, words, rules):
    text = SOUND.replace("2021-12-31", period)
    ran = check(text)
    assert (ran.status, ran.rules) == (3, rules)
    assert words in ran.stderr and "--pack" in ran.stderr
    named = check(text, "--pack", "2021-22")
    if rules:
        assert named.status == 1 and named.rules == rules
        assert "Not judged: 9, 10, " in named.stderr
        assert "Rules that could not be judged" in named.page
    else:
        assert named.status in (0, 1)


def test_without_a_header_the_file_is_refused_and_the_fault_named(check):
    ran = check(SOUND.replace(FILE_HEADER, ""))
    assert ran.status == 3
    assert ran.rules == {"F1", "F4", "F5", "F6", "F7"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pack", "2018-19"], "There are: 2019-20, "),
        (["--pack", "2021-22", "--mode", "checker"], "only expectations/nccis/2019-20"),
        (["--report", "/nowhere/report.html"], "Name another place with --report"),
    ],
)
def test_a_check_that_cannot_be_done_is_neither_sound_nor_faulty(check, options, words):
    ran = check(SOUND, *options)
    assert ran.status == 2 and words in " ".join(ran.stderr.split())
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (codes.SeedError("no row for *"), "no row for *"),
        (RuntimeError("a bug"), "a bug"),
        (KeyboardInterrupt(), "Stopped"),
    ],
)
def test_whatever_breaks_is_never_taken_for_findings(check, monkeypatch, error, words):
    def broken(*_):
        raise error

    monkeypatch.setattr(codes, "load_owners", broken)
    ran = check(return_of(valid_record(1, send_flag="X")))
    assert ran.status == 2 and words in ran.stderr and ran.stdout == ""


def test_the_report_never_replaces_the_file(check, tmp_path):
    ran = check(SOUND, "--report", str(tmp_path / "return.xml"))
    assert ran.status == 2 and (tmp_path / "return.xml").read_text() == SOUND


def test_a_database_that_does_not_answer_is_explained(check, monkeypatch):
    monkeypatch.setenv("NEET_DSN_GATE", "postgresql://nobody@127.0.0.1:1/nothing")
    ran = check(SOUND)
    assert ran.status == 2 and "does not answer" in ran.stderr


def test_json_has_everything_a_machine_wants(warehouse, tmp_path):
    file = tmp_path / "return.xml"
    file.write_text(return_of(valid_record(1), valid_record(2, send_flag="X")))
    done = CliRunner().invoke(main, ["--json", "check-return", str(file)])
    data = json.loads(done.stdout)
    assert done.exit_code == 1
    assert data["findings"] == [
        {"young_persons_id": "8860000000002", "record_number": 2, "rule": "102"}
    ]
    assert (data["records"], data["pack"], data["refused"]) == (2, "2021-22", None)
    assert data["by_rule"] == {"102": 1}


@pytest.mark.skipif(not SAMPLE.exists(), reason="the published sample is not beside this checkout")
def test_the_published_sample_gives_the_public_checkers_own_rows(check):
    with SAMPLE.with_name("test2_expected_errors.csv").open(encoding="utf-8") as handle:
        expected = Counter(tuple(row.values()) for row in csv.DictReader(handle))
    ran = check(SAMPLE.read_bytes(), "--mode", "checker")
    assert ran.status == 1
    assert Counter(ran.pairs) == expected and sum(expected.values()) == 110
    assert "as the public checker tests them" in ran.page


def test_checker_mode_knows_no_faults_of_ours_and_yet_is_not_clean(check):
    ran = check(SOUND.replace("<NCCIS>", '<NCCIS xmlns="urn:x">'), "--mode", "checker")
    assert ran.pairs == [] and ran.status == 1
    assert "a return has no namespace" in ran.stderr


# -- nothing grows, nothing stays -----------------------------------------------------------------------


def test_memory_does_not_grow_with_the_file(warehouse, tmp_path):
    file = tmp_path / "big.xml"
    record = RECORD.replace("<SENDFlag>N", "<SENDFlag>X")
    file.write_text(SOUND[:RECORD_START] + record * 4_000 + "</NCCIS>")
    tracemalloc.start()
    try:
        with check_return.Check(warehouse.dsn["gate"], file) as check:
            result = check.run()
            check.write_csv(io.BytesIO())
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.record_count == 4_000 and result.finding_count > 8_000
    assert file.stat().st_size > 6_000_000 and peak < 5_000_000


def test_a_killed_check_leaves_nothing_behind(warehouse, tmp_path):
    file = tmp_path / "return.xml"
    file.write_text(SOUND)
    script = f"""
import os, sys
sys.path[:0] = [{str(PROJECT_ROOT / "plugins")!r}]
from pathlib import Path
from neet.rules import check_return
with check_return.Check({warehouse.dsn["gate"]!r}, Path({str(file)!r})) as check:
    assert check.run().is_clean
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while left_behind(warehouse) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_behind(warehouse) == []
