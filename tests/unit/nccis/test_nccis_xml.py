"""NCCIS XML: what is written reads back the same; what is hostile is refused and never followed."""

import datetime as dt
import io
import socket
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neet.nccis.layout import layout_for, record_columns
from neet.nccis.xml import Header, Limits, NccisFileError, NccisValueError, read, write

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data" / "nccis"
LAYOUT = layout_for(dt.date(2021, 12, 31))
COLUMNS = record_columns(LAYOUT)
HEADER = Header(
    database_ids=("886",),
    source_leas=("886",),
    date_of_send="2022-01-10",
    period_end="2021-12-31",
    supplier_name="NEET warehouse",
    supplier_xml_version="1.0",
    xml_schema_version="1.0",
    doctype="NCCIS2021",
)
# The public sample stands beside the checkout on the machines of those who have it.
SAMPLES = [
    DATA / "other_supplier.xml",
    *sorted((ROOT.parent / "shared").glob("domain/*/test2.xml")),
]


def record(**values) -> dict:
    codes = values.pop("characteristic_codes", [])
    return {**dict.fromkeys(COLUMNS), **values, "characteristic_codes": codes}


def written(records, header=HEADER) -> bytes:
    file = io.BytesIO()
    assert write(file, header, iter(records), LAYOUT) == len(records)
    return file.getvalue()


def values_of(found: dict) -> dict:
    return {key: found[key] for key in (*COLUMNS, "characteristic_codes")}


def parse(text: str | bytes, limits: Limits | None = None):
    found = read(io.BytesIO(text.encode() if isinstance(text, str) else text), limits)
    return found, list(found)


def kinds(found) -> list[str]:
    return [problem.kind for problem in found.problems]


def document(inside: str, root: str = "NCCIS") -> str:
    return (
        f'<?xml version="1.0" standalone="no"?>\n<!DOCTYPE NCCIS2021>\n<{root}>{inside}</{root}>\n'
    )


PERSON = "<YoungPersonsRecord><PersonalDetails/><Activities/></YoungPersonsRecord>"


def test_a_return_is_written_byte_for_byte_as_the_kept_example():
    records = [
        record(
            young_persons_id="8860000000001", cohort_status="P", given_name="Zoë", family_name="<O'Test> & \"Co\"",
            address_line1=" 1 Sample  Street ", address_line2="two\nlines\r\nand\ttab", postcode="ZZ99 9ZZ",
            year12_guarantee_status="140", send_flag="Y", activity_code="619", neet_start_date="2021-09-06",
            characteristic_codes=["110", "130"],
        ),
        record(young_persons_id="8860000000002", year11_lea_code="886", town=""),
        record(),
    ]  # fmt: skip
    assert written(records) == (DATA / "written.xml").read_bytes()


def test_what_is_written_reads_back():
    records = [
        record(young_persons_id=f"886{n:010}", town="" if n % 2 else "Town") for n in range(3)
    ]
    found, back = parse(written(records))
    assert found.header == HEADER
    assert [row["record_number"] for row in back] == [1, 2, 3]
    assert [values_of(row) for row in back] == [
        {**row, "town": row["town"] or None} for row in records
    ]
    assert found.problems == []


legal_text = st.text(
    st.one_of(
        st.sampled_from("\t\n\r \x85\xa0\u2028<>&'\"]=\ufffd\U0001f600"),
        st.characters(min_codepoint=0x20, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"),
    ),
    max_size=12,
)  # fmt: skip
values = st.none() | legal_text
people = st.fixed_dictionaries({c: st.none() for c in COLUMNS}).flatmap(
    lambda blank: st.builds(
        lambda some, codes: {**blank, **some, "characteristic_codes": codes},
        st.dictionaries(st.sampled_from(COLUMNS), values, max_size=10),
        st.lists(legal_text, max_size=4),
    )
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(people, max_size=4), st.lists(legal_text, max_size=3), values)
def test_any_legal_text_survives_a_round_trip(records, database_ids, supplier):
    header = Header(
        database_ids=tuple(database_ids), supplier_name=supplier, doctype="NCCIS2021"
    )  # the other header elements are empty tags
    first = written(records, header)
    found, back = parse(first)
    blank = lambda value: value or None  # noqa: E731
    assert found.header == Header(
        database_ids=tuple(database_ids), supplier_name=blank(supplier), doctype="NCCIS2021"
    )
    assert [values_of(row) for row in back] == [
        {c: blank(row[c]) for c in COLUMNS}
        | {"characteristic_codes": [blank(code) for code in row["characteristic_codes"]]}
        for row in records
    ]
    assert written([values_of(row) for row in back], found.header) == first
    assert kinds(found) == ([] if records else ["no_records"])


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_another_supplier_s_return_survives_being_written_in_our_order(file):
    found = read(file)
    records = list(found)
    again, back = parse(written([values_of(row) for row in records], found.header))
    assert again.header == found.header
    assert [values_of(row) for row in back] == [values_of(row) for row in records]
    assert len(records) in (3, 304)


def test_names_rule_not_order_and_text_is_kept_as_found():
    found = read(DATA / "other_supplier.xml")
    first, second, third = found
    assert found.header.source_leas == ("886", "887")
    assert found.header.supplier_name == "Invented & Sons"
    assert first["neet_start_date"] == "2021-09-06"
    assert first["address_line1"] == " 1 Sample  Street "
    assert first["town"] == "Fish & Chips"
    assert first["given_name"] == "Zoë"
    assert first["characteristic_codes"] == ["110", "130"]
    assert (first["year11_lea_code"], first["year12_guarantee_status"]) == (None, "140")
    assert second["young_persons_id"] == first["young_persons_id"]
    assert second["activity_code"] == "000210"
    assert (second["cohort_status"], third["young_persons_id"]) == (None, None)
    assert [row["line_number"] for row in (first, second, third)] == [14, 51, 58]
    assert found.problems == []


def test_the_same_records_give_the_same_bytes_whatever_their_key_order():
    person = record(young_persons_id="8860000000001", town="Town", characteristic_codes=("110",))
    other = dict(reversed(list(person.items()))) | {"person_id": "not of the return"}
    assert written([person]) == written([other])


def test_a_return_of_nobody_is_a_header():
    file = written([])
    found, back = parse(file)
    assert back == [] and kinds(found) == ["no_records"]
    assert file.endswith(b"  </FileHeader>\n</NCCIS>\n")


@pytest.mark.parametrize("bad", ["\x00", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_a_character_that_xml_cannot_carry_is_named_not_dropped(bad):
    people = [record(), record(young_persons_id="8860000000007", town=f"To{bad}wn")]
    people[1]["owner_service_code"] = "MI"
    with pytest.raises(NccisValueError) as refused:
        write(io.BytesIO(), HEADER, people, LAYOUT)
    for part in ("record 2", "8860000000007", "town", f"U+{ord(bad):04X}", "position 3", "MI"):
        assert part in str(refused.value)


def test_an_illegal_character_in_a_list_or_the_header_is_named_too():
    with pytest.raises(NccisValueError, match="record 1 .*characteristic_codes.*U[+]0001"):
        write(io.BytesIO(), HEADER, [record(characteristic_codes=["110", "\x01"])], LAYOUT)
    with pytest.raises(NccisValueError, match="FileHeader: supplier_name.*U[+]0002"):
        write(io.BytesIO(), Header(doctype="NCCIS2021", supplier_name="\x02"), [], LAYOUT)


@pytest.mark.parametrize("doctype", [None, "", "NCCIS [<!ENTITY a 'b'>]", "2021"])
def test_a_doctype_that_is_no_name_is_refused(doctype):
    with pytest.raises(NccisValueError, match="nccis_header.csv"):
        write(io.BytesIO(), Header(doctype=doctype), [], LAYOUT)


def test_a_missing_column_or_a_number_is_an_error_not_an_empty_element():
    person = record()
    del person["dob"]
    with pytest.raises(NccisValueError, match="'dob'.*was not given"):
        write(io.BytesIO(), HEADER, [person], LAYOUT)
    with pytest.raises(NccisValueError, match="activity_code is int 210"):
        write(io.BytesIO(), HEADER, [record(activity_code=210)], LAYOUT)


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 20))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("billion laughs", f'<!DOCTYPE NCCIS [<!ENTITY a0 "ha">{BOMB}]><NCCIS>&a19;</NCCIS>'),
        ("declared, never used", '<!DOCTYPE NCCIS [<!ENTITY a "b">]><NCCIS/>'),
        ("outside entity", '<!DOCTYPE NCCIS [<!ENTITY a SYSTEM "{file}">]><NCCIS>&a;</NCCIS>'),
        ("over the network", '<!DOCTYPE NCCIS [<!ENTITY a SYSTEM "{url}">]><NCCIS>&a;</NCCIS>'),
        ("parameter entity", '<!DOCTYPE NCCIS [<!ENTITY % a SYSTEM "{url}"> %a;]><NCCIS/>'),
        ("undeclared, by an outside DTD", '<!DOCTYPE NCCIS SYSTEM "{file}"><NCCIS><FileHeader><PeriodEnd>&a;</PeriodEnd></FileHeader></NCCIS>'),
    ],
    ids=lambda value: value if "<" not in value else "",
)  # fmt: skip
def test_entities_are_refused_and_nothing_is_fetched(name, text, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/dtd"
        filled = text.replace("{file}", secret.as_uri()).replace("{url}", url)
        with pytest.raises(NccisFileError, match="entit") as refused:
            parse(filled)
        assert "the secret" not in str(refused.value)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_an_outside_dtd_is_reported_and_never_fetched():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/dtd"
        found, rows = parse(f'<!DOCTYPE NCCIS SYSTEM "{url}"><NCCIS><FileHeader/>{PERSON}</NCCIS>')
        with pytest.raises(BlockingIOError):
            server.accept()
    assert len(rows) == 1 and kinds(found) == ["external_dtd"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (b"", 1, "no element found"),
        (b"young_persons_id,town\n1,2\n", 1, "well-formed"),
        (document("\n<FileHeader>Fish & Chips</FileHeader>"), 4, "well-formed"),
        (document(PERSON)[:-12], 3, "well-formed"),
        (document(PERSON) + "<NCCIS/>", 4, "junk after document element"),
        (document("<FileHeader><PeriodEnd></FileHeader></PeriodEnd>"), 3, "mismatched tag"),
        (document("<FileHeader><SupplierName>\x0b</SupplierName></FileHeader>"), 3, "well-formed"),
        (document("\n<FileHeader><SupplierName>caf\xe9</SupplierName></FileHeader>").encode("latin-1"), 4, "well-formed"),
        ('<?xml version="1.0" encoding="utf-7"?><NCCIS/>', 1, "encoding"),
        ('<?xml version="1.0" encoding="klingon"?><NCCIS/>', 1, "encoding"),
        (b"PK\x03\x04\x14\x00\x00\x00", 1, "well-formed"),
    ],
)  # fmt: skip
def test_an_ill_formed_file_is_refused_with_its_line(text, line, message):
    with pytest.raises(NccisFileError, match=message) as refused:
        parse(text)
    assert refused.value.line == line
    assert str(refused.value).startswith(f"line {line}: ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_the_encodings_that_suppliers_use_are_read(encoding):
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    text = document(f"<FileHeader><SupplierName>Café</SupplierName></FileHeader>{PERSON}")
    text = text.replace('version="1.0"', f'version="1.0" encoding="{declared}"').replace(
        "\n", "\r\n"
    )
    found, rows = parse(text.encode(encoding))
    assert found.header.supplier_name == "Café" and len(rows) == 1


FIELD = (
    "<YoungPersonsRecord><PersonalDetails>{}</PersonalDetails><Activities/></YoungPersonsRecord>"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (document("<FileHeader/>" + PERSON, root="NCCIS2015"), ["wrong_root"]),
        (document("<FileHeader/>"), ["no_records"]),
        (document(PERSON), ["no_header"]),
        (document(PERSON + "<FileHeader/>"), ["header_after_records"]),
        (document("<FileHeader/><FileHeader/>" + PERSON), ["repeated_element"]),
        (document("<FileHeader/><YoungPersonsRecord><PersonalDetails/></YoungPersonsRecord>"), ["missing_element"]),
        (document("<FileHeader/>" + FIELD.format("<Town>A</Town><Town>B</Town>")), ["repeated_element"]),
        (document("<FileHeader/>" + FIELD.format("<Shoe><Size>9</Size></Shoe>")), ["unknown_element"]),
        (document("<FileHeader/>" + FIELD.format("loose words<Town>A</Town>")), ["text_beside_elements"]),
        (document("<FileHeader/>" + FIELD.format("<Town><b/>A</Town>")), ["unknown_element"]),
        (document("<FileHeader/>" + FIELD.format('<Town lang="en">A</Town>')), ["attribute"]),
        (document("<FileHeader/>loose words" + PERSON), ["text_beside_elements"]),
        (document("<FileHeader/>" + PERSON).replace("<NCCIS>", '<NCCIS xmlns="urn:x">'), ["namespace"]),
        (f'<n:NCCIS xmlns:n="urn:x"><n:FileHeader/>{PERSON}</n:NCCIS>', ["namespace"]),
        ("<html><body/></html>", ["wrong_root", "unknown_element", "no_header", "no_records"]),
    ],
)  # fmt: skip
def test_a_strange_shape_is_read_and_reported(text, expected):
    found, _ = parse(text)
    assert kinds(found) == expected
    assert found.problem_count == len(expected)


def test_a_problem_says_where_it_is():
    text = document("<FileHeader/>\n" + PERSON + "\n" + FIELD.format("\n<Town>A</Town><Shoe/>"))
    found, rows = parse(text)
    (problem,) = found.problems
    assert (problem.line, problem.record_number) == (6, 2)
    assert problem.path == "NCCIS/YoungPersonsRecord/PersonalDetails/Shoe"
    assert rows[1]["town"] == "A"


def test_the_first_of_a_repeated_element_is_kept():
    inside = "<Town>A</Town><Town>B</Town><NEETStartDate/>"
    _, rows = parse(document("<FileHeader/>" + FIELD.format(inside)))
    assert rows[0]["town"] == "A"
    both = "<Cohort><NEETStartDate>1</NEETStartDate><NeetStartDate>2</NeetStartDate></Cohort>"
    found, rows = parse(
        document(
            "<FileHeader/>" + PERSON.replace("<Activities/>", f"<Activities>{both}</Activities>")
        )
    )
    assert rows[0]["neet_start_date"] == "1" and kinds(found) == ["repeated_element"]


class Endless(io.RawIOBase):
    """A file that never ends, for what must be refused before memory or time run out."""

    def __init__(self, start: bytes, again: bytes):
        self.start, self.again = start, again * (65_536 // len(again))

    def readable(self):
        return True

    def read(self, size=-1):
        chunk, self.start = self.start or self.again, b""
        return chunk


class Counting(Endless):
    """Ever new names."""

    def __init__(self, start: bytes):
        super().__init__(start, b" ")
        self.number = 0

    def read(self, size=-1):
        if self.start:
            return super().read(size)
        self.number += 1_000
        return b"".join(b"<a%d/>" % n for n in range(self.number - 1_000, self.number))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "message"),
    [
        (Endless(b"<NCCIS>", b"<a>"), "nested"),
        (Endless(b"<NCCIS><!--", b"x"), "one tag, comment or declaration"),
        (Endless(b"<NCCIS a='", b"x"), "one tag, comment or declaration"),
        (Endless(b"<NCCIS><FileHeader><SupplierName>", b"x"), "characters"),
        (Endless(b"<NCCIS><FileHeader><Databases>", b"<DatabaseID/>"), "repeated more than"),
        (Endless(b"<NCCIS>", b"<FileHeader/>"), "larger than"),
        (Endless(b"<NCCIS>", b" "), "larger than"),
        (Endless(b"<NCCIS>", PERSON.encode()), "larger than"),
        (Counting(b"<NCCIS>"), "names that no return has"),
    ],
    ids=["depth", "comment", "attribute", "value", "list", "problems", "space", "records", "names"],
)
def test_what_never_ends_is_refused_in_little_memory(file, message):
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(NccisFileError, match=message):
            for _ in read(file, Limits(max_bytes=4_000_000)):
                pass
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 60


@pytest.mark.slow
def test_reading_and_writing_hold_one_record_not_the_file(tmp_path):
    person = record(young_persons_id="8860000000001", family_name="Testcase" * 10)
    file = tmp_path / "return.xml"
    tracemalloc.start()
    try:
        write(file, HEADER, (person for _ in range(5_000)), LAYOUT)
        assert sum(1 for _ in read(file)) == 5_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.stat().st_size > 6_000_000
    assert peak < 3_000_000


def test_a_file_cut_short_gives_its_whole_records_and_then_the_error(tmp_path):
    whole = written([record(young_persons_id=f"886{n:010}") for n in range(500)])
    cut = read(io.BytesIO(whole[: len(whole) // 2]))
    seen = []
    with pytest.raises(NccisFileError, match="well-formed"):
        seen.extend(row["record_number"] for row in cut)
    assert cut.record_count in (len(seen), len(seen) + 1)


def test_a_file_is_closed_whatever_happens(tmp_path):
    file = tmp_path / "return.xml"
    file.write_bytes(written([record()] * 3))
    with read(file) as found:
        next(iter(found))
    assert found._file.closed
    file.write_text("<NCCIS>")
    with pytest.raises(NccisFileError):
        read(file)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.xml")
