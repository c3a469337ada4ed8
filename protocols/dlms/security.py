"""Ciphered APDUs: General-Glo-Ciphering in security suite 0, AES-128-GCM (IEC 62056-5-3, 5.3 and 5.7).

    DB 08 <system title> <length> <security control> <invocation counter> <content> [<tag of 12 bytes>]

The nonce is system title and counter. The tag also covers the security control byte and the authentication
key; where the content is not encrypted, the content too. Whoever has no authentication key can decrypt, but
cannot tell who wrote it. Keys are 16 bytes, come as arguments and stand in no error's text.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

from protocols.dlms.axdr import decode_length, encode_length
from protocols.errors import ProtocolError

GENERAL_GLO_CIPHERING = 0xDB
KEY_BYTES = 16
TITLE_BYTES = 8
COUNTER_BYTES = 4
TAG_BYTES = 12
AUTHENTICATED, ENCRYPTED, COMPRESSED = 0x10, 0x20, 0x80  # bits of the security control byte
SUITE_MASK = 0x0F


class Ciphered(NamedTuple):
    """A ciphered APDU taken apart. `tag` is empty where it is not authenticated."""

    system_title: bytes
    control: int
    counter: int
    content: bytes
    tag: bytes

    @property
    def nonce(self) -> bytes:
        return self.system_title + self.counter.to_bytes(COUNTER_BYTES, "big")


class Opened(NamedTuple):
    """The APDU inside. `authenticated`: its tag was verified."""

    apdu: bytes
    authenticated: bool


class Keys(NamedTuple):
    """A meter's keys, each 16 bytes or None; never shown."""

    key: bytes | None = None
    authentication_key: bytes | None = None

    def __repr__(self) -> str:
        return "Keys(...)"

    def check(self) -> None:
        """ValueError for keys of another size."""
        for what, octets in (("key", self.key), ("authentication key", self.authentication_key)):
            if octets is not None and len(octets) != KEY_BYTES:
                raise ValueError(f"the {what} has {len(octets)} bytes; right are {KEY_BYTES}")


def split_ciphered(data: bytes, at: int = 0) -> tuple[Ciphered, int]:
    """The ciphered APDU at `at`, which begins with DB, and the place behind it.

    Codes: dlms.truncated, dlms.length, dlms.title, dlms.suite, dlms.compressed.
    """
    title_size, inside = decode_length(data, at + 1)
    if title_size != TITLE_BYTES:
        raise ProtocolError(
            "dlms.title", f"a system title of {title_size} bytes instead of {TITLE_BYTES}", at
        )
    title = data[inside : inside + TITLE_BYTES]
    size, inside = decode_length(data, inside + TITLE_BYTES)
    end = inside + size
    if end > len(data):
        raise ProtocolError("dlms.truncated", f"{size} bytes announced, {len(data) - inside} left", at)
    control = data[inside] if size else 0
    tag_size = TAG_BYTES if control & AUTHENTICATED else 0
    if size < 1 + COUNTER_BYTES + tag_size:
        raise ProtocolError("dlms.truncated", f"{size} bytes are no ciphered content", at)
    if control & SUITE_MASK:
        suite = control & SUITE_MASK
        raise ProtocolError("dlms.suite", f"security suite {suite}; only suite 0 is known here", inside)
    if control & COMPRESSED:
        raise ProtocolError("dlms.compressed", "the content is compressed, which is not known here", inside)
    counter = int.from_bytes(data[inside + 1 : inside + 1 + COUNTER_BYTES], "big")
    content = data[inside + 1 + COUNTER_BYTES : end - tag_size]
    return Ciphered(title, control, counter, content, data[end - tag_size : end]), end


def open_ciphered(ciphered: Ciphered, keys: Keys) -> Opened:
    """Decrypt, and verify the tag where the authentication key is there.

    Codes: dlms.key_missing, dlms.tag.
    """
    control, content, tag = ciphered.control, ciphered.content, ciphered.tag
    if not control & (AUTHENTICATED | ENCRYPTED):
        return Opened(content, authenticated=False)
    if keys.key is None:
        if not control & ENCRYPTED:
            return Opened(content, authenticated=False)
        raise ProtocolError(
            "dlms.key_missing", f"encrypted by {ciphered.system_title.hex().upper()}, and no key is known"
        )
    if not tag or keys.authentication_key is None:
        return Opened(_decrypted(ciphered, keys.key), authenticated=False)
    header = bytes((control,)) + keys.authentication_key
    decryptor = Cipher(AES(keys.key), GCM(ciphered.nonce, tag, TAG_BYTES)).decryptor()
    try:
        if control & ENCRYPTED:
            decryptor.authenticate_additional_data(header)
            content = decryptor.update(content)
        else:
            decryptor.authenticate_additional_data(header + content)
        decryptor.finalize()
    except InvalidTag:
        text = "the tag does not fit: wrong key, wrong authentication key, or a forged telegram"
        raise ProtocolError("dlms.tag", text) from None
    return Opened(content, authenticated=True)


def _decrypted(ciphered: Ciphered, key: bytes) -> bytes:
    """The content without looking at its tag."""
    if not ciphered.control & ENCRYPTED:
        return ciphered.content
    mode = CTR(ciphered.nonce + (2).to_bytes(4, "big"))  # GCM without its tag
    return Cipher(AES(key), mode).decryptor().update(ciphered.content)


def encode_ciphered(
    apdu: bytes, *, keys: Keys, system_title: bytes, counter: int, control: int = AUTHENTICATED | ENCRYPTED
) -> bytes:
    """The APDU ciphered. `counter` must never come twice with the same key and title.

    ValueError for a missing key or a system title of another size.
    """
    if keys.key is None or (control & AUTHENTICATED and keys.authentication_key is None):
        raise ValueError("a key is missing")
    if len(system_title) != TITLE_BYTES:
        raise ValueError(f"a system title has {TITLE_BYTES} bytes, not {len(system_title)}")
    nonce = system_title + counter.to_bytes(COUNTER_BYTES, "big")
    encryptor = Cipher(AES(keys.key), GCM(nonce)).encryptor()
    header = bytes((control,)) + (keys.authentication_key or b"")
    is_encrypted = bool(control & ENCRYPTED)
    encryptor.authenticate_additional_data(header if is_encrypted else header + apdu)
    content = encryptor.update(apdu) if is_encrypted else apdu
    encryptor.finalize()
    tag = encryptor.tag[:TAG_BYTES] if control & AUTHENTICATED else b""
    body = bytes((control,)) + nonce[TITLE_BYTES:] + content + tag
    head = bytes((GENERAL_GLO_CIPHERING, TITLE_BYTES)) + system_title
    return head + encode_length(len(body)) + body
