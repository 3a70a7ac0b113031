"""What a delivered file is, by its content, and what is packed in it: zip, gzip and UTF-16 are taken off.

A file may have been made to harm whoever opens it. So nothing is believed that it says of itself: sizes are
counted while they are unpacked, nothing is written under a name of an archive's, and what is unpacked lies
in a file without a name, which is gone with the process however that ends.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from neet.feeds.contract import Contract
from neet.feeds.profile import Profile, profile

CHUNK_BYTES = 1 << 20
# Small things may be packed as tightly as they like.
RATIO_FROM_BYTES = 8 << 20
MAX_NAME_SHOWN = 80
DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, gzip.BadGzipFile, zlib.error, EOFError, struct.error,
    NotImplementedError, RuntimeError, ValueError, OverflowError, KeyError, IndexError, OSError,
)  # fmt: skip
"""What the libraries raise over a damaged archive; a disk that fails is an ``OSError`` too, and is told apart
by its ``errno``."""
# What archivers and file managers add of their own accord.
LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")


class FileRefused(ValueError):
    """A whole file cannot be used.

    Attributes:
        code: short name of the cause.
        reason: what, why and what to do.
    """

    def __init__(self, code: str, reason: str):
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass
class Content:
    """The file that holds the rows, out of whatever it came in.

    Attributes:
        kind: ``text``, ``xlsx``, ``xml`` or the name of something that is no feed; see
            :attr:`neet.feeds.profile.Profile.kind`.
        name: as the sender called it, or the archive does.
        notes: what a person should know of the packing.
        packed_bytes: of the landed file.
    """

    kind: str
    name: str
    profile: Profile
    packed_bytes: int
    path: Path | None = None
    file: BinaryIO | None = None
    notes: list[str] = field(default_factory=list)

    def open(self) -> BinaryIO:
        """A new reader at the beginning; one at a time, where the content was unpacked."""
        if self.path is not None:
            return self.path.open("rb")
        reader = os.fdopen(os.dup(self.file.fileno()), "rb")
        reader.seek(0)
        return reader

    def close(self) -> None:
        """Let go of what was unpacked."""
        if self.file is not None:
            self.file.close()


def unpack(path: Path, contract: Contract, found: Profile) -> Content:
    """The content of a landed file.

    Args:
        found: the profile of the file as it landed.
    Raises:
        FileRefused: it is packed in a way that cannot be used, or must not.
    """
    content = Content(found.kind, path.name, found, found.size, path=path)
    for _ in range(2):
        if content.kind == "zip":
            with refusing_damage(contract, content, "an Excel workbook or a zip archive"):
                if (kind := _kind_of_package(content, contract)) != "zip":
                    content.kind = kind
                    return content
        elif content.kind == "gzip":
            pass
        else:
            break
        if content.path is None:
            content.close()
            raise FileRefused(
                "nested_archive",
                f"it is an archive that holds another ({_shown(content.name)}), and only one is opened, for "
                f"archives in archives are how a small file is made to fill a disk. {contract.owner_service} "
                "must send the data file itself, or one archive with it.",
            )
        content = _unzip(content, contract) if content.kind == "zip" else _gunzip(content, contract)
    if content.kind == "utf-16" and "utf-16" in contract.encodings:
        content = _from_utf_16(content, contract)
    return content


@contextlib.contextmanager
def refusing_damage(contract: Contract, content: Content, what: str) -> Iterator[None]:
    """Turn what a library says of damage into a refusal."""
    try:
        yield
    except FileRefused:
        raise
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None and not _is_bad_seek(error):
            raise  # the disk's fault, not the file's
        raise FileRefused(
            "damaged_archive",
            f"it is {what} that cannot be opened ({_shown(str(error)) or type(error).__name__}): cut short "
            f"on its way, or damaged. {contract.owner_service} must send it again, and should open it once "
            "before.",
        ) from error


def _is_bad_seek(error: OSError) -> bool:
    return error.errno == 22


def members_of(archive: BinaryIO, contract: Contract) -> zipfile.ZipFile:
    """An archive, opened after a look at how many members it can have: each is an object in memory, and a
    megabyte can announce ten thousand.

    Raises:
        FileRefused: more than the contract's ``maxMembers``, or two of one name, encrypted, or packed by a
            method that spreadsheets and archivers do not use.
    """
    entries, tail = 0, b""
    archive.seek(0)
    while chunk := archive.read(CHUNK_BYTES):
        # a signature may lie across two chunks
        entries += (tail + chunk).count(b"PK\x01\x02") - tail.count(b"PK\x01\x02")
        tail = chunk[-3:]
    if entries > contract.max_members:
        raise FileRefused(
            "too_many_members",
            f"its directory has {entries} entries, more than the {contract.max_members} that {contract.path} "
            f"allows (maxMembers). {contract.owner_service} must send one data file.",
        )
    archive.seek(0)
    opened = zipfile.ZipFile(archive)
    names = [member.filename for member in opened.infolist()]
    for member in opened.infolist():
        if member.flag_bits & 0x1:
            raise FileRefused(
                "encrypted_archive",
                f"its member {_shown(member.filename)} is protected by a password, so nothing in it can be "
                f"read. {contract.owner_service} must send it without; the transport is protected already.",
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileRefused(
                "unknown_compression",
                f"its member {_shown(member.filename)} is packed by method {member.compress_type}; only "
                f"Deflate is read. {contract.owner_service} must make it with an ordinary zip program.",
            )
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise FileRefused(
            "ambiguous_archive",
            f"it holds {_shown(twice[0])} twice, and which is meant cannot be known. "
            f"{contract.owner_service} must make the file anew.",
        )
    return opened


def _kind_of_package(content: Content, contract: Contract) -> str:
    """What a zip archive is: a package of an office program, or an archive (``zip``)."""
    with content.open() as handle, members_of(handle, contract) as archive:
        names = {member.filename for member in archive.infolist()}
        if "[Content_Types].xml" in names:
            folders = {name.split("/")[0] for name in names}
            if "xl/workbook.bin" in names:
                return "xlsb"
            if "xl" in folders:
                return "xlsx"
            return "docx" if "word" in folders else "office"
        if "mimetype" in names and "content.xml" in names:
            return "ods"
    return "zip"


def check_member(member: zipfile.ZipInfo, contract: Contract) -> None:
    """Refuse a member that says of itself what no honest one does.

    Raises:
        FileRefused: see the message.
    """
    name = member.filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise FileRefused(
            "unsafe_member_name",
            f"its member is called {_shown(name)}, which leads out of the folder it would be unpacked in. "
            f"Nothing was unpacked. {contract.owner_service} must find out who made the file.",
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise FileRefused(
            "link_in_archive",
            f"its member {_shown(name)} is a link to another file, not a file. {contract.owner_service} must "
            "send the data itself.",
        )
    _check_size(member.file_size, member.compress_size, contract)


def _check_size(expanded: int, packed: int, contract: Contract) -> None:
    if expanded > contract.max_expanded_bytes:
        raise FileRefused(
            "expands_too_far",
            f"it unpacks to more than the {contract.max_expanded_bytes} bytes that {contract.path} allows "
            f"(maxExpandedBytes). If the feed has grown, raise the limit there; else {contract.owner_service} "
            "must look at what was sent.",
        )
    if expanded > RATIO_FROM_BYTES and expanded > contract.max_expansion_ratio * max(packed, 1):
        raise FileRefused(
            "expands_too_far",
            f"it unpacks to more than {contract.max_expansion_ratio} times its size, as files do that are made "
            f"to fill a disk; {contract.path} allows no more (maxExpansionRatio). {contract.owner_service} "
            "must look at what was sent.",
        )


def _unzip(content: Content, contract: Contract) -> Content:
    """The only data file of an archive."""
    with (
        refusing_damage(contract, content, "a zip archive"),
        content.open() as handle,
        members_of(handle, contract) as archive,
    ):
        for member in archive.infolist():
            check_member(member, contract)
        data = [
            member
            for member in archive.infolist()
            if not member.is_dir()
            and not any(
                member.filename.startswith(name) or Path(member.filename).name == name
                for name in LITTER
            )
        ]
        if len(data) != 1:
            named = ", ".join(_shown(member.filename) for member in data[:10]) or "none"
            raise FileRefused(
                "several_members" if data else "empty_archive",
                f"it is an archive of {len(data)} files ({named}), and must hold exactly one: a delivery is "
                f"one file, accepted or refused as a whole. {contract.owner_service} must send each by itself.",
            )
        with archive.open(data[0]) as reader:
            file = _spooled(reader, data[0].compress_size, contract)
    return _unpacked(file, data[0].filename.split("/")[-1], content)


def _gunzip(content: Content, contract: Contract) -> Content:
    with refusing_damage(contract, content, "a gzip archive"), content.open() as handle:
        with gzip.GzipFile(fileobj=handle) as reader:
            file = _spooled(reader, content.profile.size, contract)
    name = content.name[:-3] if content.name.lower().endswith(".gz") else content.name
    return _unpacked(file, name, content)


def _from_utf_16(content: Content, contract: Contract) -> Content:
    """Text that the rest reads as UTF-8. Halves of surrogate pairs become bytes that are no UTF-8, so that the
    rows with them are rejected one by one."""
    decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
    file = _temporary()
    try:
        with content.open() as handle:
            while chunk := handle.read(CHUNK_BYTES):
                file.write(decoder.decode(chunk).encode("utf-8", "surrogatepass"))
            file.write(decoder.decode(b"", True).encode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        file.close()
        content.close()
        raise FileRefused(
            "unknown_encoding",
            f"it is UTF-16 text with a piece missing ({error.reason}), so it was cut short or damaged. "
            f"{contract.owner_service} must export it again.",
        ) from error
    except BaseException:
        file.close()
        raise
    unpacked = _unpacked(file, content.name, content)
    content.close()
    return unpacked


def _temporary() -> BinaryIO:
    return tempfile.TemporaryFile(prefix="neet-unpacked-")


def _spooled(reader: BinaryIO, packed: int, contract: Contract) -> BinaryIO:
    file, size = _temporary(), 0
    try:
        while chunk := reader.read(CHUNK_BYTES):
            size += len(chunk)
            _check_size(size, packed, contract)
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    return file


def _unpacked(file: BinaryIO, name: str, content: Content) -> Content:
    file.flush()
    file.seek(0)
    found = profile(file)
    return Content(found.kind, name, found, content.packed_bytes, file=file, notes=content.notes)


def is_password_protected(content: Content) -> bool:
    """Whether an old-style compound file holds an encrypted workbook; else it is an .xls."""
    with content.open() as handle:
        tail = b""
        while chunk := handle.read(CHUNK_BYTES):
            if ENCRYPTED_PACKAGE in tail + chunk:
                return True
            tail = chunk[-len(ENCRYPTED_PACKAGE) :]
    return False


def _shown(text: str) -> str:
    shown = text.encode("ascii", "backslashreplace").decode()
    shown = "".join(mark if mark.isprintable() else f"\\x{ord(mark):02x}" for mark in shown)
    return shown if len(shown) <= MAX_NAME_SHOWN else shown[: MAX_NAME_SHOWN - 3] + "..."
