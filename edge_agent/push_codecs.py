"""Receivers for the protocols whose meters push, as the push worker wants them."""

from __future__ import annotations

from protocols.errors import ProtocolError
from protocols.iec62056_21 import D0Receiver
from protocols.p1 import P1Receiver, P1Telegram, is_encrypted

HEADER_BYTES_MAX = 16  # of what tells an encrypted frame, cut anywhere


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
            text = (
                "the meter encrypts, and keys cannot be configured yet; ask the grid operator for plain text"
            )
            return [ProtocolError("p1.encrypted", text)]
        return found

    def missing_bytes(self) -> int:
        """As P1Receiver."""
        return self._receiver.missing_bytes()

    def receive_end(self) -> list[P1Telegram | ProtocolError]:
        """As P1Receiver."""
        return self._receiver.receive_end()


def pushed_read_outs() -> D0Receiver:
    """For meters in mode D, which mostly send no block check."""
    return D0Receiver(bcc="if_sent")
