"""The gateway's signing key: made on the first start, kept in a file that only the agent may read."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge_agent.private_file import write_private_file
from protocols.uplink.cose import PrivateKey, Signer

KEY_FILE = "signing-key.pem"


class IdentityError(Exception):
    """A signing key that is there and cannot be used; the text says what to do."""


def load_or_create_signer(folder: Path) -> Signer:
    """The signer of this gateway; the key is made where there is none.

    A file that is there but unreadable is never replaced: the backend trusts the key in it. Raises
    IdentityError.
    """
    return Signer(_load_key(folder))


def public_key_pem(folder: Path) -> bytes:
    """The public key that the backend must trust (PEM). Raises IdentityError."""
    return _load_key(folder).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _load_key(folder: Path) -> PrivateKey:
    path = folder / KEY_FILE
    if not path.exists():
        _create_key(path)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
            raise TypeError("neither Ed25519 nor P-256")  # noqa: TRY301
    except (OSError, ValueError, TypeError) as error:
        raise IdentityError(
            f"{path}: the signing key cannot be used ({error}). Restore it from your records, or move it "
            "away and let the backend trust the new key that is made then."
        ) from error
    return key


def _create_key(path: Path) -> None:
    """Write a new key durably: a half-written key after a power cut would be a lost identity."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private_file(path, pem)
