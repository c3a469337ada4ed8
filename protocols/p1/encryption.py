"""Encrypted P1 telegrams: DLMS General-Glo-Ciphering with AES-128-GCM (Luxmetering P1 1.1.3, 3.2.5).

    DB 08 <system title> <length> 30 <counter> <ciphertext> <tag>
             8 bytes     1 to 3       4 bytes                12 bytes

The nonce is system title and counter, the tag also covers 30 and the authentication key. Inside stands a
whole telegram with its own CRC. Luxembourg has the same public authentication key in all meters.

Rules:
- a frame whose tag or contents do not fit is refused and searched for another that begins inside of it;
- at most FRAME_BYTES_MAX stay between calls.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

from protocols.errors import DamagedTelegram, ProtocolError

KEY_BYTES = 16
TITLE_BYTES = 8
TAG_BYTES = 12
FRAME_BYTES_MAX = 8 * 1024
FRAME_BYTES_MIN = 2 + TITLE_BYTES + 3 + 5 + TAG_BYTES
HEADER_BYTES_MAX = 2 + TITLE_BYTES + 3 + 1
SECURITY_CONTROL = 0x30  # suite 0, authenticated and encrypted
_START = b"\xdb\x08"
# A system title begins with the maker's three letters; 82 and 81 announce a length of two bytes and one.
_HEADER = re.compile(
    rb"\xdb\x08([A-Za-z]{3}[\x00-\xff]{5})(\x82[\x00-\xff]{2}|\x81[\x00-\xff]|[\x14-\x7f])\x30"
)


class CipheredFrame(NamedTuple):
    """One frame: the telegram inside, decrypted; `offset` and `size_bytes` of the frame in the stream."""

    plaintext: bytes
    system_title: bytes
    counter: int
    offset: int
    size_bytes: int


class CipheredReceiver:
    """Cuts a stream into frames and decrypts them.

    `key`: the meter's own, 16 bytes. `authentication_key`: 16 bytes; None leaves the tag unchecked, so that
    only the CRC of the telegram inside vouches for it. ValueError for keys of another size.
    """

    def __init__(self, key: bytes, authentication_key: bytes | None) -> None:
        for what, octets in (("key", key), ("authentication key", authentication_key)):
            if octets is not None and len(octets) != KEY_BYTES:
                raise ValueError(f"the {what} has {len(octets)} bytes; right are {KEY_BYTES}")
        self.noise_bytes = 0
        self._key = key
        self._authentication_key = authentication_key
        self._buffer = bytearray()
        self._offset = 0

    def receive_data(self, data: bytes) -> list[CipheredFrame | ProtocolError]:
        """The frames that became complete, and p1.decrypt for each whose tag does not fit."""
        self._buffer += data
        found: list[CipheredFrame | ProtocolError] = []
        while self._step(found):
            pass
        return found

    def receive_end(self) -> list[ProtocolError]:
        """Nothing more comes: p1.truncated where a frame has begun."""
        start, end = self._offset, self._offset + len(self._buffer)
        found: list[ProtocolError] = []
        if _HEADER.match(self._buffer):
            found = [DamagedTelegram("p1.truncated", "the frame ends before its end", start, start, end)]
        self._drop(len(self._buffer))
        return found

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        header = _HEADER.match(bytes(self._buffer[:HEADER_BYTES_MAX]))
        return max(1, _frame_size(header) - len(self._buffer)) if header else 1

    def _step(self, found: list[CipheredFrame | ProtocolError]) -> bool:
        """One frame or false start on; False when it needs more bytes."""
        begin = _HEADER.search(self._buffer)
        # Without one, a header may have begun in the last bytes.
        self._skip_noise(begin.start() if begin else max(0, len(self._buffer) - HEADER_BYTES_MAX + 1))
        header = _HEADER.match(bytes(self._buffer[:HEADER_BYTES_MAX]))
        if header is None:
            return False
        size = _frame_size(header)
        if not FRAME_BYTES_MIN <= size <= FRAME_BYTES_MAX:
            self._skip_noise(len(_START))
        elif len(self._buffer) < size:
            return False
        else:
            found.append(self._decrypt(bytes(self._buffer[:size]), header[1], header.end() - header.start()))
            self._drop(size if isinstance(found[-1], CipheredFrame) else len(_START))
        return True

    def _decrypt(self, frame: bytes, title: bytes, counter_at: int) -> CipheredFrame | ProtocolError:
        counter = frame[counter_at : counter_at + 4]
        ciphertext, tag = frame[counter_at + 4 : -TAG_BYTES], frame[-TAG_BYTES:]
        nonce = title + counter
        try:
            if self._authentication_key is None:
                mode = CTR(nonce + (2).to_bytes(4, "big"))  # GCM without its tag
                plaintext = Cipher(AES(self._key), mode).decryptor().update(ciphertext)
            else:
                decryptor = Cipher(AES(self._key), GCM(nonce, tag, TAG_BYTES)).decryptor()
                decryptor.authenticate_additional_data(bytes((SECURITY_CONTROL,)) + self._authentication_key)
                plaintext = decryptor.update(ciphertext) + decryptor.finalize()
        except InvalidTag:
            text = "the tag does not fit: wrong key, wrong authentication key, or damaged on the way"
            start = self._offset
            return DamagedTelegram("p1.decrypt", text, start, start, start + len(frame))
        return CipheredFrame(plaintext, title, int.from_bytes(counter, "big"), self._offset, len(frame))

    def _skip_noise(self, count: int) -> None:
        self.noise_bytes += count
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._offset += count


def is_encrypted(data: bytes) -> bool:
    """Whether a frame begins somewhere in `data`: what a receiver without key hears as noise."""
    return _HEADER.search(data) is not None


def _frame_size(header: re.Match[bytes]) -> int:
    """From DB to the tag's end."""
    length = header[2]
    announced = length[0] if len(length) == 1 else int.from_bytes(length[1:], "big")
    return len(_START) + TITLE_BYTES + len(length) + announced


def encrypt_telegram(
    telegram: bytes, *, key: bytes, authentication_key: bytes, system_title: bytes, counter: int
) -> bytes:
    """The telegram as an encrypted frame. `counter` must never come twice with the same key and title."""
    nonce = system_title + counter.to_bytes(4, "big")
    encryptor = Cipher(AES(key), GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(bytes((SECURITY_CONTROL,)) + authentication_key)
    ciphertext = encryptor.update(telegram) + encryptor.finalize()
    content = bytes((SECURITY_CONTROL,)) + nonce[TITLE_BYTES:] + ciphertext + encryptor.tag[:TAG_BYTES]
    return _START + system_title + b"\x82" + len(content).to_bytes(2, "big") + content
