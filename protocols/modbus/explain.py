"""A Modbus frame byte range by byte range (Modbus Application Protocol V1.1b3, section 6).

Addresses are those on the wire, from 0: a manual's "register 40101" is address 100. What a register means
its maker's manual says; here stand its 16 bits as a number.
"""

from __future__ import annotations

from typing import Literal

from protocols.checksums import crc16_modbus
from protocols.modbus.identification import OBJECT_NAMES
from protocols.modbus.listen import (
    WRITE_COIL,
    WRITE_COILS,
    WRITE_REGISTERS,
    BusFrame,
    first_address,
)
from protocols.modbus.pdu import (
    ENCAPSULATED_INTERFACE,
    EXCEPTION_BIT,
    READ_BYTES,
    READ_DISCRETE_INPUTS,
    READ_INPUT_REGISTERS,
    REPORT_SERVER_ID,
    ReadRequest,
)
from protocols.span import UNEXPLAINED, Span, hex_text, octets_text

Framing = Literal["rtu", "tcp", "ascii"]


def explain_frame(frame: BusFrame, data: bytes, framing: Framing) -> list[Span]:
    """What each byte of a frame is; `data` is the whole input in which it was found."""
    head, pdu, end = frame.start, frame.pdu_start, frame.end
    if framing == "tcp":
        transaction = Span(head, head + 2, "modbus.transaction", str(frame.transaction))
        protocol = Span(head + 2, head + 4, "modbus.protocol", "0")
        length = Span(head + 4, head + 6, "modbus.length", str(1 + len(frame.pdu)))
        unit = Span(head + 6, head + 7, "modbus.unit", str(frame.unit))
        return [transaction, protocol, length, unit, *_Walk(frame, 1).spans()]
    if framing == "rtu":
        right = crc16_modbus(data[head : end - 2]).to_bytes(2, "little")
        kind = "modbus.crc" if data[end - 2 : end] == right else "modbus.crc-wrong"
        crc = Span(end - 2, end, kind, hex_text(right))
        return [Span(head, pdu, "modbus.unit", str(frame.unit)), *_Walk(frame, 1).spans(), crc]
    tail = pdu + 2 * len(frame.pdu)
    spans = [
        Span(head, head + 1, "modbus.colon"),
        Span(head + 1, pdu, "modbus.unit", str(frame.unit)),
        *_Walk(frame, 2).spans(),
        Span(tail, tail + 2, "modbus.lrc", data[tail : tail + 2].decode("latin-1")),
    ]
    return spans + ([Span(tail + 2, end, "modbus.line-end")] if tail + 2 < end else [])


class _Walk:
    """Goes through a PDU; `scale` is how many bytes of the input one byte of it takes."""

    def __init__(self, frame: BusFrame, scale: int) -> None:
        self._frame = frame
        self._pdu = frame.pdu
        self._scale = scale
        self._at = 0
        self._spans: list[Span] = []

    def spans(self) -> list[Span]:
        function = self._pdu[0]
        if self._frame.role == "refusal":
            self._take(1, "refused", str(function ^ EXCEPTION_BIT))
            self._number(1, "exception")
            return self._spans
        self._take(1, "function", str(function))
        if self._frame.role == "request":
            self._request(function)
        else:
            self._answer(function)
        if self._at < len(self._pdu):
            self._take(len(self._pdu) - self._at, "")
        return self._spans

    def _take(self, size: int, name: str, value: str = "", depth: int = 0) -> bytes:
        size = min(size, len(self._pdu) - self._at)
        data = self._pdu[self._at : self._at + size]
        start = self._frame.pdu_start + self._scale * self._at
        if size:
            kind = f"modbus.{name}" if name else UNEXPLAINED
            self._spans.append(Span(start, start + self._scale * size, kind, value, depth))
        self._at += size
        return data

    def _number(self, size: int, name: str) -> int:
        number = int.from_bytes(self._pdu[self._at : self._at + size], "big")
        self._take(size, name, str(number))
        return number

    def _request(self, function: int) -> None:
        if function <= READ_INPUT_REGISTERS:
            self._number(2, "address")
            self._number(2, "count")
        elif function == ENCAPSULATED_INTERFACE:
            self._number(1, "mei")
            self._number(1, "category")
            self._number(1, "object")
        elif function != REPORT_SERVER_ID:
            self._write(function)

    def _write(self, function: int) -> None:
        address = self._number(2, "address")
        if function not in (WRITE_COILS, WRITE_REGISTERS):
            self._number(2, "coil" if function == WRITE_COIL else "written")
            return
        count = self._number(2, "count")
        if len(self._pdu) > READ_BYTES:
            self._number(1, "bytes")
            self._registers(address) if function == WRITE_REGISTERS else self._bits(address, count)

    def _answer(self, function: int) -> None:
        address = first_address(self._frame)
        if function <= READ_INPUT_REGISTERS:
            self._number(1, "bytes")
            if function <= READ_DISCRETE_INPUTS:
                request = self._frame.request
                self._bits(address, request.count if isinstance(request, ReadRequest) else None)
            else:
                self._registers(address)
        elif function == ENCAPSULATED_INTERFACE:
            self._identification()
        elif function == REPORT_SERVER_ID:
            self._number(1, "bytes")
            rest = self._pdu[self._at :]
            self._take(len(rest), "server-id", octets_text(rest))
        else:
            self._write(function)

    def _registers(self, address: int | None) -> None:
        for place in range((len(self._pdu) - self._at) // 2):
            number = int.from_bytes(self._pdu[self._at : self._at + 2], "big")
            signed = f" ({number - 0x10000})" if number & 0x8000 else ""
            self._take(2, "register", f"{register_name(address, place)}: {number}{signed}", 1)

    def _bits(self, address: int | None, count: int | None) -> None:
        total = 8 * (len(self._pdu) - self._at) if count is None else count
        for first in range(0, total, 8):
            byte = self._pdu[self._at] if self._at < len(self._pdu) else 0
            bits = " ".join(str(byte >> place & 1) for place in range(min(8, total - first)))
            self._take(1, "bits", f"{register_name(address, first)}: {bits}", 1)

    def _identification(self) -> None:
        for name in ("mei", "category", "conformity", "more", "next-object", "objects"):
            self._number(1, name)
        while self._at + 2 <= len(self._pdu):
            number, length = self._pdu[self._at : self._at + 2]
            self._take(1, "object", f"{number} {OBJECT_NAMES.get(number, '')}".rstrip(), 1)
            self._take(1, "object-length", str(length), 1)
            self._take(length, "object-value", octets_text(self._pdu[self._at : self._at + length]), 1)


def register_name(address: int | None, place: int) -> str:
    """The address of the register or coil `place` behind the first: `100`, or `+0` where none is known."""
    return f"+{place}" if address is None else str(address + place)
