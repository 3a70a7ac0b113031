"""An XML file of rows: one element a row, whose attributes and inner elements are its cells.

It is read twice, as a stream: once to learn which elements occur, for XML has no header, and once for the
rows. Names are compared without their namespace.
"""

from __future__ import annotations

from collections.abc import Iterator

from neet.feeds.contract import Contract
from neet.feeds.markup import Markup, MarkupRefused, local
from neet.feeds.unpacking import Content, FileRefused
from neet.feeds.workbook import FAULT

MAX_NAMES = 1_000
MAX_VALUE_CHARACTERS = 1 << 20


class FlatXml:
    """The rows of an XML file.

    Attributes:
        names: of the cells, in the order in which they first occur.
        row_count: rows in the file.
    Raises:
        FileRefused: not well-formed, hostile, or without a row where the contract expects them.
    """

    def __init__(self, content: Content, contract: Contract):
        self._content, self._contract = content, contract
        self._places: dict[str, int] = {}
        self.row_count = 0
        reader = self._pass()
        for _ in reader:
            self.row_count += 1
        self.names = list(self._places)
        if not self.row_count and self._has_elements:
            wanted = contract.row_element or "child of the root"
            raise FileRefused(
                "unknown_layout",
                f"it holds elements, but none is a row of this feed ({wanted}; rowElement in {contract.path}). "
                f"{contract.owner_service} must export it as agreed.",
            )

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of each row, the cells in the order of :attr:`names`. One that stands twice in its
        row begins with :data:`neet.feeds.workbook.FAULT`.

        Raises:
            FileRefused: see there.
        """
        width = len(self._places)
        for number, found in self._pass():
            cells = [""] * width
            for place, text in found.items():
                cells[place] = text
            yield number, cells

    def _pass(self) -> Iterator[tuple[int, dict[int, str]]]:
        collector = _Collector(self._places, self._contract.row_element)
        markup = Markup(collector.start, collector.end, collector.add)
        collector.markup = markup
        owner = self._contract.owner_service
        try:
            with self._content.open() as handle:
                for _ in markup.run(handle):
                    ready, collector.ready = collector.ready, []
                    yield from ready
        except MarkupRefused as error:
            if error.code == "entities":
                raise FileRefused(
                    "hostile_xml",
                    f"it is XML that could do harm ({error}), and no export needs that. {owner} must find out "
                    "who made the file.",
                ) from error
            raise FileRefused(
                "damaged_xml",
                f"it is XML that cannot be read ({error}): damaged, or cut short. {owner} must export it again.",
            ) from error
        self._has_elements = collector.has_elements


class _Collector:
    """Collects rows while a file is parsed."""

    def __init__(self, places: dict[str, int], row_element: str | None):
        self._places = places
        self._row_element = row_element and row_element.casefold()
        self.markup: Markup | None = None
        self.ready: list[tuple[int, dict[int, str]]] = []
        self.has_elements = False
        self._depth = 0
        self._row_depth: int | None = None
        self._row: dict[int, str] = {}
        self._line = 0
        # one piece list an open element; is it a leaf
        self._open: list[tuple[list[str], list[bool]]] = []
        self._length = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._row_depth is None:
            self.has_elements = self.has_elements or self._depth > 1
            is_row = name.casefold() == self._row_element if self._row_element else self._depth == 2
            if not is_row:
                return
            self._row_depth, self._row, self._line = self._depth, {}, self.markup.line
            self._length = 0
        if self._open:
            self._open[-1][1][0] = False
        self._open.append(([], [True]))
        for key, value in attributes.items():
            if key != "xmlns" and not key.startswith(("xmlns:", "xsi:", "xml:")):
                self._put(local(key), value)

    def add(self, piece: str) -> None:
        if self._open:
            self._open[-1][0].append(piece)
            self._length += len(piece)
            if self._length > MAX_VALUE_CHARACTERS:
                raise MarkupRefused(
                    "damaged",
                    f"line {self._line}: a row has more than {MAX_VALUE_CHARACTERS} characters",
                )

    def end(self, name: str) -> None:
        if self._row_depth is not None:
            pieces, leaf = self._open.pop()
            text = "".join(pieces)
            if self._depth == self._row_depth:
                if text.strip():
                    self._put(name, text)
                self.ready.append((self._line, self._row))
                self._row_depth = None
            elif leaf[0] or text.strip():
                self._put(name, text)
        self._depth -= 1

    def _put(self, name: str, text: str) -> None:
        place = self._places.setdefault(name, len(self._places))
        if len(self._places) > MAX_NAMES:
            raise MarkupRefused("damaged", f"it has more than {MAX_NAMES} kinds of elements")
        before = self._row.get(place)
        if before is not None and (before.strip() or text.strip()):
            text = FAULT + "twice"
        self._row[place] = text
