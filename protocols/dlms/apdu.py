"""APDUs that a meter pushes: Data-Notification and General-Block-Transfer (IEC 62056-5-3, 8 and 9).

    0F <invoke id, 4> <length> [<date-time>] <data>
    E0 <block control> <number, 2> <acknowledged, 2> <length> <block>

Kaifa writes the date as data with its tag (09 0C), not as the octet string that stands here.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.dlms.axdr import Data, decode_data, decode_length, encode_data, encode_length
from protocols.dlms.times import DATE_TIME_BYTES, DlmsTime, decode_time, encode_time
from protocols.errors import ProtocolError
from protocols.span import Span

DATA_NOTIFICATION = 0x0F
GENERAL_BLOCK_TRANSFER = 0xE0
LLC_BYTES = 3
LLCS = (b"\xe6\xe7\x00", b"\xe6\xe6\x00")  # of a meter's answer, which pushes have, and of a request
LAST_BLOCK = 0x80
BLOCK_HEAD_BYTES = 6
INVOKE_ID_BYTES = 4
_KAIFA_DATE = bytes((0x09, DATE_TIME_BYTES))


class Notification(NamedTuple):
    """A Data-Notification; `time` is None where it tells none, or none that can be. `is_kaifa`: its date was
    written as only that maker does."""

    invoke_id: int
    time: DlmsTime | None
    body: Data
    is_kaifa: bool = False


class Block(NamedTuple):
    """One block of a transfer."""

    number: int
    is_last: bool
    content: bytes


def decode_notification(
    apdu: bytes, at: int = 0, spans: list[Span] | None = None
) -> tuple[Notification, int]:
    """The notification at `at`, which begins with 0F, and the place behind it.

    Codes: dlms.truncated, dlms.date, and those of `axdr.decode_data`.
    """
    head = _Head(apdu, at, spans)
    body, end = _decode_body(apdu, head.end, spans)
    return Notification(head.invoke_id, head.time, body, head.is_kaifa), end


def _decode_body(apdu: bytes, at: int, spans: list[Span] | None) -> tuple[Data, int]:
    """The data as the standard has them; where that fails, as meters are known to send them instead."""
    strict: list[Span] | None = None if spans is None else []
    try:
        found = decode_data(apdu, at, spans=strict)
    except ProtocolError as error:
        if error.code in ("dlms.elements", "dlms.depth"):  # it would cost as much again
            raise
        lenient: list[Span] | None = None if spans is None else []
        try:
            found = decode_data(apdu, at, lenient=True, spans=lenient)
        except ProtocolError:
            if spans is not None:
                spans += strict or []
            raise error from None
        strict = lenient
    if spans is not None:
        spans += strict or []
    return found


class _Head:
    """What stands before the data."""

    def __init__(self, apdu: bytes, at: int, spans: list[Span] | None) -> None:
        date_at = at + 1 + INVOKE_ID_BYTES
        if date_at >= len(apdu):
            raise ProtocolError("dlms.truncated", "the telegram ends before its data", at)
        self.invoke_id = int.from_bytes(apdu[at + 1 : date_at], "big")
        self.is_kaifa = apdu.startswith(_KAIFA_DATE, date_at)
        size, inside = decode_length(apdu, date_at + self.is_kaifa)
        if size not in (0, DATE_TIME_BYTES):
            raise ProtocolError("dlms.date", f"a date of {size} bytes instead of {DATE_TIME_BYTES}", date_at)
        self.end = inside + size
        if self.end > len(apdu):
            raise ProtocolError("dlms.truncated", "the telegram ends inside of its date", date_at)
        self.time = decode_time(apdu[inside : self.end]) if size else None
        if spans is not None:
            spans.append(Span(at, at + 1, "dlms.notification"))
            spans.append(Span(at + 1, date_at, "dlms.invoke-id", str(self.invoke_id)))
            text = (self.time.text() if self.time else None) or "-"
            spans.append(Span(date_at, self.end, "dlms.header-time", text))


def encode_notification(
    body: Data, *, invoke_id: int = 0, time: DlmsTime | None = None, kaifa: bool = False
) -> bytes:
    """The notification; `kaifa` writes the date as that maker does."""
    date = b"" if time is None else encode_time(time)
    head = bytes((DATA_NOTIFICATION,)) + invoke_id.to_bytes(INVOKE_ID_BYTES, "big")
    tag = b"\x09" if kaifa and date else b""
    return head + tag + encode_length(len(date)) + date + encode_data(body)


def decode_block(apdu: bytes, at: int = 0) -> tuple[Block, int]:
    """The block at `at`, which begins with E0, and the place behind it. Code: dlms.truncated."""
    size, inside = decode_length(apdu, at + BLOCK_HEAD_BYTES)
    end = inside + size
    if end > len(apdu):
        raise ProtocolError("dlms.truncated", f"{size} bytes announced, {len(apdu) - inside} left", at)
    number = int.from_bytes(apdu[at + 2 : at + 4], "big")
    return Block(number, bool(apdu[at + 1] & LAST_BLOCK), apdu[inside:end]), end


def encode_blocks(apdu: bytes, block_bytes: int) -> list[bytes]:
    """The APDU as blocks of a transfer, numbered from 1 and streamed; ValueError for none or over 65535."""
    pieces = [apdu[at : at + block_bytes] for at in range(0, len(apdu), block_bytes)]
    if not 1 <= len(pieces) <= 0xFFFF:
        raise ValueError(f"{len(pieces)} blocks; right are 1 to 65535")
    streaming = 0x40
    blocks = []
    for number, piece in enumerate(pieces, 1):
        control = streaming | (LAST_BLOCK if number == len(pieces) else 0)
        head = bytes((GENERAL_BLOCK_TRANSFER, control)) + number.to_bytes(2, "big") + bytes(2)
        blocks.append(head + encode_length(len(piece)) + piece)
    return blocks
