"""Modbus TCP framing (Modbus Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3), both roles.

TCP neither loses nor invents bytes, so the MBAP header can be believed: it says where each frame ends and
which request it answers. The transaction identifier decides; frames of other transactions are late
answers and are passed over. A header that is wrong means that both sides no longer agree where frames
begin, and only a new connection mends that.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.modbus.pdu import (
    EXCEPTION_BIT,
    ILLEGAL_FUNCTION,
    PDU_BYTES_MAX,
    Answer,
    Identify,
    ReadRequest,
    Request,
    answer_data,
    answer_size_bytes,
    answer_size_bytes_max,
    answer_start,
    decode_request,
    device_error,
    encode_answer,
    encode_request,
)
from protocols.modbus.rtu import answer_of

UNIT_MAX = 255
HEADER_BYTES = 7  # transaction, protocol, length, unit
LENGTH_MIN = 2  # unit and function; the field counts from the unit on
LENGTH_MAX = 1 + PDU_BYTES_MAX
EXCEPTION_BYTES = HEADER_BYTES + 2


class _Frame(NamedTuple):
    transaction: int
    unit: int
    pdu: bytes


def _encode_frame(frame: _Frame) -> bytes:
    return struct.pack(">HHHB", frame.transaction, 0, 1 + len(frame.pdu), frame.unit) + frame.pdu


class _FrameStream:
    """Cuts a TCP stream into frames. Keeps less than one frame beyond what was last fed."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.offset = 0  # of the buffer's first byte in the stream

    def next_frame(self) -> _Frame | None:
        """The next whole frame; ProtocolError("modbus.mbap") when no frame can begin here."""
        if len(self.buffer) < HEADER_BYTES:
            return None
        transaction, protocol, length, unit = struct.unpack_from(">HHHB", self.buffer)
        if protocol != 0 or not LENGTH_MIN <= length <= LENGTH_MAX:
            raise ProtocolError(
                "modbus.mbap",
                f"no Modbus TCP frame begins here: protocol {protocol} instead of 0, or length {length} "
                f"instead of {LENGTH_MIN} to {LENGTH_MAX}; the connection must be opened anew",
                self.offset,
            )
        end = HEADER_BYTES - 1 + length
        if len(self.buffer) < end:
            return None
        frame = _Frame(transaction, unit, bytes(self.buffer[HEADER_BYTES:end]))
        del self.buffer[:end]
        self.offset += end
        return frame

    def missing_bytes(self) -> int:
        if len(self.buffer) < HEADER_BYTES:
            return EXCEPTION_BYTES - len(self.buffer)
        return HEADER_BYTES - 1 + int.from_bytes(self.buffer[4:6], "big") - len(self.buffer)


class TcpExchange:
    """One request over TCP. `transaction` 0 to 65535 must differ from those of reads given up before."""

    def __init__(self, unit: int, read: Request, transaction: int) -> None:
        """ValueError for a unit outside of 0 to 255, a transaction outside of 0 to 65535, or a bad
        request."""
        if not 0 <= unit <= UNIT_MAX or not 0 <= transaction <= 0xFFFF:
            raise ValueError(f"unit {unit} is 0 to {UNIT_MAX}, transaction {transaction} 0 to 65535")
        self.party = unit
        self.read = read
        self.transaction = transaction
        self.request = _encode_frame(_Frame(transaction, unit, encode_request(read)))
        self.response_size_bytes = HEADER_BYTES + answer_size_bytes_max(read)
        self._start = answer_start(read)
        self.noise_bytes = 0
        self._stream = _FrameStream()

    @property
    def leftover(self) -> bytes:
        """What came behind the answer; the beginning of a next frame that the next exchange must be fed."""
        return bytes(self._stream.buffer)

    def receive_data(self, data: bytes) -> bytes | None:
        """The data bytes of the answer once it is complete, None while it is not.

        Raises DeviceError("modbus.exception") when the unit refuses this read, ProtocolError("modbus.mbap")
        when the stream is no longer Modbus TCP. Call no more after any of these.
        """
        self._stream.buffer += data
        while (frame := self._stream.next_frame()) is not None:
            found = self._data_of(frame)
            if found is not None:
                return found
            self.noise_bytes += HEADER_BYTES + len(frame.pdu)
        return None

    def missing_bytes(self) -> int:
        """The least number of bytes that could complete a frame; at least 1."""
        return max(1, self._stream.missing_bytes())

    def _data_of(self, frame: _Frame) -> bytes | None:
        """The data if this frame is the answer; None for one of another transaction, unit or shape."""
        pdu = frame.pdu
        if (frame.transaction, frame.unit) != (self.transaction, self.party):
            return None
        if len(pdu) == 2 and pdu[0] == self.read.function | EXCEPTION_BIT:
            raise device_error(self.party, self.read, pdu[1])
        if pdu.startswith(self._start) and len(pdu) == answer_size_bytes(self.read, pdu):
            return answer_data(self.read, pdu)
        return None


class TcpServer:
    """The device's side of one connection. Without `identify` it knows the four reads only."""

    def __init__(self, answer: Answer, identify: Identify | None = None) -> None:
        self._ask = answer
        self._identify = identify
        self._stream = _FrameStream()

    def receive_data(self, data: bytes) -> list[bytes]:
        """One frame for each request to answer; ProtocolError("modbus.mbap") when the stream is broken."""
        self._stream.buffer += data
        frames: list[bytes] = []
        while (frame := self._stream.next_frame()) is not None:
            frames += self._answer(frame)
        return frames

    def _answer(self, frame: _Frame) -> list[bytes]:
        request = decode_request(frame.pdu)
        if request is None or (self._identify is None and not isinstance(request, ReadRequest)):
            refusal = bytes((frame.pdu[0] | EXCEPTION_BIT, ILLEGAL_FUNCTION))
            return [_encode_frame(frame._replace(pdu=refusal))]
        answer = answer_of(frame.unit, request, self._ask, self._identify)
        return [] if answer is None else [_encode_frame(frame._replace(pdu=encode_answer(request, answer)))]
