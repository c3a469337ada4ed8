"""Receivers for the protocols whose meters push, as the push worker wants them."""

from __future__ import annotations

from config.keys import MeterKeys
from protocols.errors import ProtocolError
from protocols.iec62056_21 import D0Receiver
from protocols.p1 import P1Receiver, P1Telegram, is_encrypted

HEADER_BYTES_MAX = 16  # of what tells an encrypted frame, cut anywhere


def p1_receiver(keys: MeterKeys) -> PlainP1Receiver | EncryptedP1Receiver:
    """For a meter with these keys; for one that has none, plain text."""
    return PlainP1Receiver() if keys.key is None else EncryptedP1Receiver(keys)


class PlainP1Receiver:
    """P1 telegrams in plain text. That a meter encrypts is told as an error, not as silence."""

    def __init__(self) -> None:
        self._receiver = P1Receiver()
        self._tail = b""

    def receive_data(self, data: bytes) -> list[P1Telegram | ProtocolError]:
        """As P1Receiver; p1.encrypted for the beginning of an encrypted frame."""
        found = self._receiver.receive_data(data)
        before, self._tail = self._tail, (self._tail + data)[-HEADER_BYTES_MAX:]
        if not found and is_encrypted(before + data):
            self._tail = b""
            return [ProtocolError("p1.encrypted", "the meter encrypts, and no key is configured for it")]
        return found

    def missing_bytes(self) -> int:
        """As P1Receiver."""
        return self._receiver.missing_bytes()

    def receive_end(self) -> list[P1Telegram | ProtocolError]:
        """As P1Receiver."""
        return self._receiver.receive_end()


class EncryptedP1Receiver:
    """Encrypted P1 telegrams. One in plain text is an error: anybody could have sent it."""

    def __init__(self, keys: MeterKeys) -> None:
        self._receiver = P1Receiver(key=keys.key, authentication_key=keys.authentication_key)
        self._plain = P1Receiver()

    def receive_data(self, data: bytes) -> list[P1Telegram | ProtocolError]:
        """As P1Receiver; p1.plain for a telegram in plain text."""
        plain = [item for item in self._plain.receive_data(data) if isinstance(item, P1Telegram)]
        text = "a telegram in plain text, from a meter with a key"
        return [*self._receiver.receive_data(data), *(ProtocolError("p1.plain", text) for _ in plain)]

    def missing_bytes(self) -> int:
        """As P1Receiver."""
        return min(self._receiver.missing_bytes(), self._plain.missing_bytes())

    def receive_end(self) -> list[P1Telegram | ProtocolError]:
        """As P1Receiver."""
        return self._receiver.receive_end()


def pushed_read_outs() -> D0Receiver:
    """For meters in mode D, which mostly send no block check."""
    return D0Receiver(bcc="if_sent")
