"""The signed envelope of every uplink message: COSE_Sign1 (RFC 9052, section 4.2), one signer.

Protected header {1: algorithm, 4: key id}, empty unprotected header, external data `edge-uplink-1`.
Algorithms are the fully specified ones of RFC 9864: Ed25519 (-19) and ESP256 (-9: ECDSA on P-256 with
SHA-256, signature r || s). The key id is the first 8 bytes of the SHA-256 of the public key's
SubjectPublicKeyInfo in DER. Error codes: "cose.malformed", "cose.algorithm", "cose.key",
"cose.signature".
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from protocols.errors import ProtocolError
from protocols.uplink.deterministic import read_item, write_item
from protocols.uplink.messages import MESSAGE_SIZE_BYTES_MAX

EXTERNAL_DATA = b"edge-uplink-1"
ED25519 = -19
ESP256 = -9
ALGORITHM_NAMES = {ED25519: "Ed25519", ESP256: "ESP256"}
ENVELOPE_SIZE_BYTES = 86
"""What the envelope adds to a payload of 256 to 65535 bytes (1 or 2 fewer for shorter ones)."""
PAYLOAD_SIZE_BYTES_MAX = MESSAGE_SIZE_BYTES_MAX - ENVELOPE_SIZE_BYTES

_TAG_18 = b"\xd2"
_ALGORITHM, _KEY_ID = 1, 4
_SIGNATURE_SIZE_BYTES = 64

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class Envelope(NamedTuple):
    """What an envelope says of itself; nothing of it is verified yet."""

    key_id: bytes
    algorithm: int
    payload: bytes
    protected: bytes
    signature: bytes


def key_id_of(public_key: PublicKey) -> bytes:
    """The 8 bytes by which envelopes name a key."""
    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()[:8]


def algorithm_of(key: PrivateKey | PublicKey) -> int:
    """The only algorithm a key may be used with; ValueError for keys that cannot sign uplinks."""
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return ED25519
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) and isinstance(
        key.curve, ec.SECP256R1
    ):
        return ESP256
    raise ValueError("signing keys are Ed25519 or P-256")


class Signer:
    """Signs payloads with one private key."""

    def __init__(self, private_key: PrivateKey) -> None:
        self._key = private_key
        self.algorithm = algorithm_of(private_key)
        self.key_id = key_id_of(private_key.public_key())
        self._protected = write_item({_ALGORITHM: self.algorithm, _KEY_ID: self.key_id})

    def sign(self, payload: bytes) -> bytes:
        """The message; ValueError above 16 KiB."""
        if len(payload) > PAYLOAD_SIZE_BYTES_MAX:
            raise ValueError(f"a payload of {len(payload)} bytes, at most {PAYLOAD_SIZE_BYTES_MAX} fit")
        signature = self._signature(_signed_bytes(self._protected, payload))
        return _TAG_18 + write_item([self._protected, {}, payload, signature])

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        r, s = utils.decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def read_envelope(data: bytes) -> Envelope:
    """Take an envelope apart; "cose.malformed" or "cose.algorithm" where it is not one of ours."""
    if data[:1] != _TAG_18:
        raise ProtocolError("cose.malformed", "does not begin with tag 18 (COSE_Sign1)", 0)
    parts = read_item(data[1:], "cose.malformed", MESSAGE_SIZE_BYTES_MAX - 1)
    if not isinstance(parts, list) or len(parts) != 4:
        raise ProtocolError("cose.malformed", "a COSE_Sign1 is an array of four")
    protected, unprotected, payload, signature = parts
    if unprotected != {}:
        raise ProtocolError("cose.malformed", "the unprotected header must be an empty map")
    if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
        raise ProtocolError("cose.malformed", "protected header, payload and signature are byte strings")
    if len(signature) != _SIGNATURE_SIZE_BYTES:
        raise ProtocolError("cose.malformed", f"a signature of {len(signature)} bytes instead of 64")
    algorithm, key_id = _read_protected(protected)
    return Envelope(key_id, algorithm, payload, protected, signature)


def verify(data: bytes, public_key: PublicKey) -> bytes:
    """The payload of a message that `public_key` signed.

    ProtocolError "cose.key" where another key is named, "cose.algorithm" where the algorithm is not the
    key's, "cose.signature" where the signature does not hold, and those of `read_envelope`.
    """
    envelope = read_envelope(data)
    if envelope.key_id != key_id_of(public_key):
        raise ProtocolError("cose.key", f"signed under key {envelope.key_id.hex()}, not under this one")
    if envelope.algorithm != algorithm_of(public_key):
        raise ProtocolError("cose.algorithm", f"algorithm {envelope.algorithm} is not this key's")
    signed = _signed_bytes(envelope.protected, envelope.payload)
    try:
        _check(public_key, envelope.signature, signed)
    except InvalidSignature:
        raise ProtocolError("cose.signature", "the signature does not hold") from None
    return envelope.payload


def _check(public_key: PublicKey, signature: bytes, data: bytes) -> None:
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        public_key.verify(signature, data)
        return
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    public_key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


def _read_protected(protected: bytes) -> tuple[int, bytes]:
    header = read_item(protected, "cose.malformed", 64)
    if not isinstance(header, dict) or set(header) != {_ALGORITHM, _KEY_ID}:
        raise ProtocolError("cose.malformed", "the protected header holds 1 (algorithm) and 4 (key id)")
    algorithm, key_id = header[_ALGORITHM], header[_KEY_ID]
    if not isinstance(key_id, bytes) or len(key_id) != 8:
        raise ProtocolError("cose.malformed", "a key id is 8 bytes")
    if type(algorithm) is not int or algorithm not in ALGORITHM_NAMES:
        raise ProtocolError("cose.algorithm", f"algorithm {algorithm}: only -19 and -9 are allowed")
    return algorithm, key_id


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052, section 4.4."""
    return write_item(["Signature1", protected, EXTERNAL_DATA, payload])
