"""The NCCIS XML: our writer against a bare streaming writer, our reader against a bare pass of the parser."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.parsers import expat

from lxml import etree

from benchmarks.harness import Bench, Figure, PeakMemory, alternate
from neet.nccis import xml
from neet.nccis.layout import HEADER, RECORD, layout_for, record_columns
from neet.rules.pack import load_pack

PERIOD = dt.date(2021, 12, 31)
HEADER_VALUES = xml.Header(
    ("886",), ("886",), "2022-01-06", "2021-12-31", "Benchmark", "1.0", "1.0", "NCCIS2021"
)
FAULTY = 0.03
"""Share of records with one wrong value: what a county's extract has before it is mended."""


def record_count(people: int) -> int:
    """Records of a return measured at a size of the county: 36,000, for which the targets are set, at Kent's 52,000."""
    return people * 36 // 52


def records(count: int) -> Iterator[dict]:
    """Records of December 2021, every one of another person; the same in every run."""
    _, (base,) = load_pack("2021-22").example_return()
    base = dict.fromkeys(record_columns()) | base | {"characteristic_codes": []}
    chance = random.Random(2021)
    for number in range(1, count + 1):
        letters = "".join(chr(97 + number // 26**place % 26) for place in range(4))
        born = dt.date(2003, 9, 1) + dt.timedelta(days=chance.randrange(1_000))
        record = base | {
            "young_persons_id": f"886{number:010}",
            "unique_learner_no": str(1_000_000_000 + number),
            "unique_pupil_number": f"A88629{number:07}",
            "given_name": f"Example{letters[:2]}",
            "family_name": f"Person{letters}",
            "gender": chance.choice("FM"),
            "dob": born.isoformat(),
        }
        if born >= dt.date(2005, 9, 1):
            record["activity_code"] = "110"
        elif chance.random() < 0.05:
            record |= {
                "activity_code": "619", "neet_start_date": record["start_date"],
                "due_to_lapse_date": None, "predicted_end_date": None,
            }  # fmt: skip
        if chance.random() < 0.1:
            record["characteristic_codes"] = ["110", "200"][: chance.randint(1, 2)]
        if chance.random() < FAULTY:
            column = chance.choice(["dob", "postcode", "send_flag", "activity_code"])
            record[column] = chance.choice([None, "x"])
        yield record


def return_file(bench: Bench, count: int) -> Path:
    """A return of so many records, written once."""
    file = bench.folder / f"return-{count}.xml"
    if not file.exists():
        draft = file.with_suffix(".draft")
        xml.write(draft, HEADER_VALUES, records(count), layout_for(PERIOD))
        draft.rename(file)
    return file


def bare_write(file: Path, rows: list[Mapping]) -> None:
    """The same elements with lxml's streaming writer and nothing else: no templates, no check of values."""
    layout = layout_for(PERIOD)
    with file.open("wb") as out, etree.xmlfile(out, encoding="UTF-8") as stream:
        with stream.element(layout[0].path[0]):
            for section, values in ((HEADER, [vars(HEADER_VALUES)]), (RECORD, rows)):
                places = [row for row in layout if row.path[1] == section]
                for record in values:
                    elements: dict[tuple[str, ...], etree._Element] = {}
                    root = elements[places[0].path[:2]] = etree.Element(section)
                    for row in places:
                        value = record.get(row.column)
                        members = (value or ()) if row.repeats else (value,)
                        if row.omitted and not any(members):
                            continue
                        for depth in range(3, len(row.path)):
                            path = row.path[:depth]
                            if path not in elements:
                                elements[path] = etree.SubElement(elements[path[:-1]], path[-1])
                        for member in members:
                            etree.SubElement(elements[row.path[:-1]], row.path[-1]).text = member
                    stream.write(root)


def read(file: Path) -> int:
    """Our streamed read of a file, every record looked at; gives their number."""
    return sum(1 for _ in xml.read(file))


def bare_parse(file: Path) -> None:
    """Every element and text of the file handed to a Python function that does nothing."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: None
    parser.EndElementHandler = lambda name: None
    parser.CharacterDataHandler = lambda data: None
    with file.open("rb") as opened:
        parser.ParseFile(opened)


def measure(bench: Bench, people: int) -> Iterator[Figure]:
    count = record_count(people)
    ours, bare = bench.folder / "ours.xml", bench.folder / "bare.xml"
    try:
        yield _writing(ours, bare, count)
        with PeakMemory() as peak:
            ours_s, bare_s = alternate(lambda: read(ours), lambda: bare_parse(ours))
        yield Figure(
            "xml_read", count, "records", ours_s, bare_s, peak.mb,
            f"reference: expat calling empty functions; {ours.stat().st_size / 1e6:.0f} MB",
        )  # fmt: skip
    finally:
        ours.unlink(missing_ok=True)
        bare.unlink(missing_ok=True)


def _writing(ours: Path, bare: Path, count: int) -> Figure:
    layout, rows = layout_for(PERIOD), list(records(count))
    with PeakMemory() as peak:
        ours_s, bare_s = alternate(
            lambda: xml.write(ours, HEADER_VALUES, rows, layout), lambda: bare_write(bare, rows)
        )
    pairs = zip(xml.read(ours), xml.read(bare), strict=True)
    if any(a | {"line_number": 0} != b | {"line_number": 0} for a, b in pairs):
        raise AssertionError("the bare writer does not write the same return")
    return Figure(
        "xml_write", count, "records", ours_s, bare_s, peak.mb,
        "reference: lxml.etree.xmlfile with the same elements, unchecked; memory is mostly the records to be written",
    )  # fmt: skip
