"""Every source other than Core+'s four feeds: the same people, written down by somebody else.

A source is a class with ``person``, told of everybody in turn; it writes to the files it opened when it was made. All of
them speak of the same lives, each with its own keys, manner, lateness and faults (``corruption.yml``, ``sources.yml``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from synthetic_county.facts import Facts
from synthetic_county.parameters import Tables
from synthetic_county.places import Places
from synthetic_county.schedule import Extract
from synthetic_county.sources.casework import Calls, Casework, Contacts, Feedback, Offices, Sheets
from synthetic_county.sources.files import Days, Files, SourceFile
from synthetic_county.sources.learning import Apprenticeships, Colleges, Providers, Schools
from synthetic_county.sources.manners import Desk
from synthetic_county.sources.needs import Census, EarlyHelp, Liberi, Synergy, YouthJustice
from synthetic_county.sources.reference import FlatExtract, Publications
from synthetic_county.sources.strangers import strangers
from synthetic_county.sources.subject import Ledger, Subject
from synthetic_county.sources.transition import KentChoices, OtherAuthorities

__all__ = ["SourceFile", "Subject", "write_sources"]

_SOURCES = (
    Schools, Colleges, Providers, Apprenticeships, Census, Synergy, Liberi, YouthJustice, EarlyHelp, KentChoices,
    OtherAuthorities, Casework, Contacts, Calls, Sheets, Feedback, Offices, FlatExtract, Publications,
)  # fmt: skip


def write_sources(
    subjects: Iterable[Subject],
    how_many: int,
    county_people: int,
    facts: Facts,
    tables: Tables,
    places: Places,
    extracts: list[Extract],
    opening: date,
    until: date,
    folder: Path,
    with_header: bool,
    say: Callable[[str, int, int], None],
) -> list[SourceFile]:
    """Write the files of every source for the people of one block, ``source_keys.csv`` and ``conflicts.csv``.

    Args:
        how_many: subjects of this block.
        county_people: people of the whole county, about.
        folder: of the block; files go to ``exports/<day>`` and ``truth``.
        with_header: yes for the first block, whose files the others continue.
    Returns:
        every file with its number of rows; the same files, in the same order, whatever the block.
    """
    days = Days(extracts, opening)
    files = Files(folder, days, with_header)
    ledger = Ledger(tables, extracts)
    desk = Desk(facts, tables, places, days, ledger, county_people)
    sources = [make(desk, files) for make in _SOURCES]
    ledger.expect((slot.feed, slot.deliver_on) for slot in files.slots)
    for done, one in enumerate(subjects, 1):
        one.facts = facts
        ledger.core_plus(one)
        for source in sources:
            source.person(one)
        ledger.compare(one)
        if done % 500 == 0 or done == how_many:
            say("writing other sources", done, how_many)
    for one in strangers(facts, tables, places, opening, until, how_many):
        for source in sources:
            source.person(one)
    for source in sources:
        if hasattr(source, "strangers"):
            source.strangers(facts.block)
    merged = desk.merged if with_header else {}
    schools = [
        ("SCHOOL_MERGED", number, place.number, on.isoformat())
        for number, (on, place) in merged.items()
    ]
    ledger.write(folder / "truth", with_header, [*schools, *facts.rows()])
    return files.close()
