"""Modbus RTU framing (Modbus over Serial Line V1.02, 2.5.1), both roles.

An RTU frame has no start mark and no length, only silence around it, and silence does not survive USB
adapters and serial servers. So nothing here looks at time. The client knows exactly what its answer
begins with (unit, function, byte count) and how long it is; it looks for that and a right CRC in whatever
arrives, and passes over everything else: noise, the echo of the request, other units, other lengths.

Rules:
- an answer of another length is never ours: a late answer to an earlier, different read stays unaccepted;
- every position is examined once for the answer and once for the refusal, so time is linear in the input;
- what is kept between calls is less than one frame.
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.checksums import crc16_modbus
from protocols.modbus.pdu import (
    EXCEPTION_BIT,
    FUNCTIONS,
    ReadRequest,
    data_size_bytes,
    device_error,
    encode_answer,
    encode_request,
)

UNIT_MAX = 255  # 1 to 247 by the standard; devices on 248 to 255 exist
REQUEST_BYTES = 8  # unit, function, address, count, CRC
EXCEPTION_BYTES = 5  # unit, function, exception code, CRC
FAST_BAUD = 19200
FAST_SILENCE_S = 0.00175  # 2.5.1.1: fixed above 19200 baud
SILENCE_CHARACTERS = 3.5

Answer = Callable[[int, ReadRequest], bytes | int | None]
"""What a simulated device says to (unit, read): data bytes, an exception code, or None to stay silent.

The read may be an impossible one (count 0): `pdu.fault_of_request` names the exception for it.
"""


def silence_s(baud: int, character_format: str) -> float:
    """The silence before a request in s: 3.5 characters such as "8N1", or 1.75 ms above 19200 baud."""
    if baud > FAST_BAUD:
        return FAST_SILENCE_S
    data_bits, parity, stop_bits = tuple(character_format)
    bits = 1 + int(data_bits) + (parity != "N") + int(stop_bits)
    return SILENCE_CHARACTERS * bits / baud


def add_crc(frame: bytes) -> bytes:
    """The frame with its CRC, low byte first."""
    return frame + crc16_modbus(frame).to_bytes(2, "little")


class _FrameSearch:
    """Finds frames of one length and one beginning; `position` is where the next may begin."""

    def __init__(self, header: bytes, size_bytes: int) -> None:
        self.header = header
        self.size_bytes = size_bytes
        self.position = 0

    def find(self, buffer: bytearray) -> bytes | None:
        while True:
            at = buffer.find(self.header, self.position)
            if at < 0:
                self.position = self._partial(buffer)
                return None
            if at + self.size_bytes > len(buffer):
                self.position = at
                return None
            frame = bytes(buffer[at : at + self.size_bytes])
            self.position = at + 1
            if crc16_modbus(frame) == 0:
                return frame

    def _partial(self, buffer: bytearray) -> int:
        """Where the longest beginning of the header at the buffer's end stands; the end if there is none."""
        for length in range(len(self.header) - 1, 0, -1):
            if buffer.endswith(self.header[:length]):
                return len(buffer) - length
        return len(buffer)


class RtuExchange:
    """One read on a serial line: what to send, and the search for its answer."""

    def __init__(self, unit: int, read: ReadRequest) -> None:
        """ValueError for a unit outside of 1 to 255 or a read that cannot be asked."""
        if not 1 <= unit <= UNIT_MAX:
            raise ValueError(f"unit {unit} cannot be read: 1 to {UNIT_MAX}")
        self.party = unit
        self.read = read
        self.request = add_crc(bytes((unit,)) + encode_request(read))
        data_bytes = data_size_bytes(read)
        self.response_size_bytes = data_bytes + 5
        self._answer = _FrameSearch(bytes((unit, read.function, data_bytes)), self.response_size_bytes)
        self._refusal = _FrameSearch(bytes((unit, read.function | EXCEPTION_BIT)), EXCEPTION_BYTES)
        self._buffer = bytearray()
        self._received_bytes = 0
        self._answer_bytes = 0

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that were no part of the answer, nor of what may still become it."""
        return self._received_bytes - self._answer_bytes - len(self._buffer)

    def receive_data(self, data: bytes) -> bytes | None:
        """The data bytes of the answer once it is complete, None while it is not.

        Raises DeviceError("modbus.exception") when the unit refuses this read. Call no more after either.
        """
        self._received_bytes += len(data)
        self._buffer += data
        while (frame := self._answer.find(self._buffer)) is not None:
            # With 17 to 24 coils asked at 0x03xx, the echo of the request is a valid answer to it.
            if frame != self.request:
                self._end(frame)
                return frame[3:-2]
        refusal = self._refusal.find(self._buffer)
        if refusal is not None:
            self._end(refusal)
            raise device_error(self.party, self.read, refusal[2])
        self._forget_examined()
        return None

    def missing_bytes(self) -> int:
        """The least number of bytes that could complete an answer or a refusal; at least 1."""
        kept = len(self._buffer)
        begun = [
            search.size_bytes - (kept - search.position)
            for search in (self._answer, self._refusal)
            if search.position < kept
        ]
        return max(1, min(begun, default=EXCEPTION_BYTES))

    def _end(self, frame: bytes) -> None:
        self._answer_bytes = len(frame)
        self._buffer.clear()

    def _forget_examined(self) -> None:
        examined = min(self._answer.position, self._refusal.position)
        del self._buffer[:examined]
        self._answer.position -= examined
        self._refusal.position -= examined


class RtuServer:
    """The device's side: finds the reads in what arrives and gives the frames to send."""

    def __init__(self, answer: Answer) -> None:
        self._ask = answer
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> list[bytes]:
        """One frame for each read that `answer` wants answered, in order."""
        self._buffer += data
        buffer = self._buffer
        frames: list[bytes] = []
        position = 0
        while position + REQUEST_BYTES <= len(buffer):
            frame = bytes(buffer[position : position + REQUEST_BYTES])
            if frame[1] in FUNCTIONS and crc16_modbus(frame) == 0:
                frames += self._answer(frame)
                position += REQUEST_BYTES
            else:
                position += 1
        del buffer[:position]
        return frames

    def _answer(self, frame: bytes) -> list[bytes]:
        unit = frame[0]
        read = ReadRequest(frame[1], int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big"))
        answer = self._ask(unit, read)
        return [] if answer is None else [add_crc(bytes((unit,)) + encode_answer(read, answer))]
