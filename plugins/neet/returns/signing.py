"""The installation's signing key (Ed25519): made once, never leaves ``<home>/keys``."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from neet.returns.files import sync_folder
from neet.settings import Settings

PRIVATE, PUBLIC = "signing.key", "signing.pub"


class KeyUnusable(RuntimeError):
    """The signing key cannot be read, or is open to others."""


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def keys_folder(settings: Settings) -> Path:
    return settings.home / "keys"


def _draft(folder: Path, content: bytes) -> Path:
    """A new file of mode 0600 with this content, on the disk, under a name of its own."""
    handle, name = tempfile.mkstemp(prefix=".draft-", dir=folder)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return Path(name)


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The private key, made when there is none.

    Two processes that both find none agree on one: the file appears whole, by a link that fails
    when the name is taken.

    Raises:
        KeyUnusable: the file is not an Ed25519 key, or others may read it.
    """
    folder = keys_folder(settings)
    file = folder / PRIVATE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        draft = _draft(folder, pem)
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
        sync_folder(folder)
    if file.stat().st_mode & 0o077:
        raise KeyUnusable(
            f"{file} may be read by others than its owner, so nothing is signed with it. "
            f"If nobody else had access to it: chmod 600 {file}"
        )
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except ValueError as error:
        raise KeyUnusable(
            f"{file} is not a private key: {error}. Restore it from a backup."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{file} is not an Ed25519 key. Restore it from a backup.")
    public = folder / PUBLIC
    if not public.exists() or public.read_bytes() != _public_pem(key.public_key()):
        _draft(folder, _public_pem(key.public_key())).replace(public)
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public half as PEM, for the file beside the signature."""
    return _public_pem(key.public_key())


def is_genuine(signed: bytes, signature: bytes, public: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``signed`` was made with the key whose public PEM is given."""
    try:
        key = serialization.load_pem_public_key(public)
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(signature, signed)
    except (ValueError, InvalidSignature):
        return False
    return True


def trusted(folder: Path) -> list[bytes]:
    """Public keys (PEM) that an installation trusts: every ``*.pub`` of its key folder, so that
    packages signed before a change of key stay verifiable."""
    return [file.read_bytes() for file in sorted(folder.glob("*.pub"))]
