"""XML of strangers, read as a stream: no entities, no document type with content, no depth without end.

Everything below ``xl/`` of a workbook, and XML feeds, come through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

CHUNK_BYTES = 64 << 10
MAX_DEPTH = 64
MAX_MARKUP_BYTES = 1 << 20
"""A tag, comment or piece of text that the parser must hold until it ends."""


class MarkupRefused(ValueError):
    """Not well-formed, or of a kind that is only made to do harm.

    Attributes:
        code: ``entities`` for the second, else ``damaged``.
    """

    def __init__(self, code: str, reason: str):
        super().__init__(reason)
        self.code = code


def local(name: str) -> str:
    """The name without its prefix; which namespace it belongs to is not asked."""
    return name.rpartition(":")[2] if ":" in name else name


class Markup:
    """A parser and what it calls.

    Args:
        start: called with the local name and the attributes.
        end: called with the local name.
        text: called with pieces of text.
    """

    def __init__(
        self,
        start: Callable[[str, dict[str, str]], Any],
        end: Callable[[str], Any] | None = None,
        text: Callable[[str], Any] | None = None,
    ):
        self._start, self._end = start, end
        self._depth = 0
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = CHUNK_BYTES
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        if text:
            parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.EntityDeclHandler = self._on_entity
        parser.SkippedEntityHandler = self._on_entity
        parser.ExternalEntityRefHandler = self._on_entity
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    @property
    def line(self) -> int:
        """Line of the file the parser has come to, from 1."""
        return self.parser.CurrentLineNumber

    def run(self, handle: BinaryIO) -> Iterator[None]:
        """Read a file to its end; gives way after each piece, so that what was found can be taken.

        Raises:
            MarkupRefused: see there.
        """
        parser, fed = self.parser, 0
        try:
            while chunk := handle.read(CHUNK_BYTES):
                parser.Parse(chunk, False)
                fed += len(chunk)
                if fed - max(parser.CurrentByteIndex, 0) > MAX_MARKUP_BYTES:
                    raise MarkupRefused(
                        "damaged", f"line {self.line}: a tag or a piece of text does not end"
                    )
                yield
            parser.Parse(b"", True)
            yield
        except (expat.ExpatError, UnicodeError, LookupError) as error:
            raise MarkupRefused("damaged", f"line {self.line}: {error}") from error
        except ValueError as error:
            if type(error) is not ValueError:  # a handler's own
                raise
            raise MarkupRefused("damaged", f"line {self.line}: {error}") from error

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MarkupRefused(
                "damaged", f"line {self.line}: elements stand {MAX_DEPTH} deep in each other"
            )
        self._start(local(name), attributes)

    def _on_end(self, name: str) -> None:
        self._depth -= 1
        if self._end:
            self._end(local(name))

    def _on_doctype(self, name: str, system_id: str | None, public_id: str | None, inside: int):
        if system_id or public_id or inside:
            raise MarkupRefused(
                "entities",
                f"line {self.line}: it brings a document type of its own, by which a small file can grow "
                "without end or read files of this machine",
            )

    def _on_entity(self, *_: Any) -> int:
        raise MarkupRefused("entities", f"line {self.line}: it defines or asks for an entity")
