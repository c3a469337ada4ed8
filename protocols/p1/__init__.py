"""DSMR P1, the customer's port of electricity meters in many countries, both roles, plain and encrypted.

`telegram` gives telegrams their meaning, `encryption` opens the frames of Luxembourg and Austria; framing
and line grammar are those of `protocols.iec62056_21`.
"""

from __future__ import annotations

from protocols.errors import DamagedTelegram, ProtocolError
from protocols.iec62056_21.data_sets import DataSet, Value
from protocols.iec62056_21.framing import FrameReceiver
from protocols.iec62056_21.identification import Identification
from protocols.p1.encryption import CipheredFrame, CipheredReceiver, encrypt_telegram, is_encrypted
from protocols.p1.telegram import (
    Channel,
    Checksums,
    P1Log,
    P1Telegram,
    P1Time,
    P1Value,
    decode_telegram,
    decode_text,
    decode_time,
    encode_telegram,
)

__all__ = [
    "Channel",
    "DataSet",
    "Identification",
    "P1Log",
    "P1Receiver",
    "P1Telegram",
    "P1Time",
    "P1Value",
    "Value",
    "decode_text",
    "decode_time",
    "encode_telegram",
    "encrypt_telegram",
    "is_encrypted",
]


class P1Receiver:
    """From a stream of bytes to telegrams; bad ones come out as errors, and reading goes on behind them.

    `key`: for a meter that encrypts; then only encrypted frames are looked for. `authentication_key`: see
    CipheredReceiver. `checksums`: "by_version" wants one from telegrams that call themselves DSMR 4 or later,
    "required" from all, "ignored" looks at none.
    """

    def __init__(
        self,
        *,
        key: bytes | None = None,
        authentication_key: bytes | None = None,
        checksums: Checksums = "by_version",
    ) -> None:
        if key is not None and authentication_key is None:
            checksums = "required"
        self._checksums = checksums
        self._telegrams = self._new_receiver()
        self._ciphered = None if key is None else CipheredReceiver(key, authentication_key)

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that belonged to no telegram or frame, good or bad."""
        return (self._ciphered or self._telegrams).noise_bytes

    def receive_data(self, data: bytes) -> list[P1Telegram | ProtocolError]:
        """What became complete, in stream order: telegrams, and an error for each that is bad.

        Codes: p1.cut, p1.size, p1.truncated, p1.end of the framing, p1.crc and p1.crc_missing of the
        checksum, p1.line and p1.number of the data where no checksum vouches for them, p1.decrypt and
        p1.plaintext of encryption. Offsets count from the start of the stream; within an encrypted frame
        they are those of the frame.
        """
        if self._ciphered is None:
            return self._telegrams.receive_data(data)
        found: list[P1Telegram | ProtocolError] = []
        for frame in self._ciphered.receive_data(data):
            found += [frame] if isinstance(frame, ProtocolError) else self._open(frame)
        return found

    def receive_end(self) -> list[P1Telegram | ProtocolError]:
        """What is there although nothing more comes; p1.truncated where that is half a telegram."""
        if self._ciphered is None:
            return self._telegrams.receive_end()
        return [*self._ciphered.receive_end()]

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        return (self._ciphered or self._telegrams).missing_bytes()

    def _open(self, frame: CipheredFrame) -> list[P1Telegram | ProtocolError]:
        """The telegrams inside of a frame; they have the frame's place."""
        inner = self._new_receiver()
        end = frame.offset + frame.size_bytes
        found: list[P1Telegram | ProtocolError] = []
        for item in inner.receive_data(frame.plaintext) + inner.receive_end():
            if isinstance(item, ProtocolError):
                text = f"{item.text} (in an encrypted frame)"
                found.append(DamagedTelegram(item.code, text, frame.offset, frame.offset, end))
            else:
                found.append(item._replace(offset=frame.offset, end=end))
        text = "no telegram in the decrypted frame: wrong key?"
        return found or [DamagedTelegram("p1.plaintext", text, frame.offset, frame.offset, end)]

    def _new_receiver(self) -> FrameReceiver[P1Telegram]:
        checksums = self._checksums
        return FrameReceiver("p1", lambda frame: decode_telegram(frame, checksums), block_checks=False)
