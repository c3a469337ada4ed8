"""Modbus RTU framing (Modbus over Serial Line V1.02, 2.5.1), both roles; also behind serial servers (TCP).

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

import heapq
from collections.abc import Callable

from protocols.checksums import crc16_modbus
from protocols.modbus.pdu import (
    EXCEPTION_BIT,
    FUNCTIONS,
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
    request_size_bytes,
)

UNIT_MAX = 255  # 1 to 247 by the standard; devices on 248 to 255 exist
FRAMING_BYTES = 3  # unit, and two of CRC
REQUEST_BYTES_MAX = 8  # unit, function, address, count, CRC
EXCEPTION_BYTES = 5  # unit, function, exception code, CRC
FAST_BAUD = 19200
FAST_SILENCE_S = 0.00175  # 2.5.1.1: fixed above 19200 baud
SILENCE_CHARACTERS = 3.5


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
    """Finds whole frames of one beginning. `size_of(buffer, place)`: how long a frame that begins there is,
    exact once so many bytes are there, the least it can be before, 0 for none.

    While the end of one frame is waited for, another that began later may be complete: all that have begun
    stand in a heap by the least end that they can have, as (end, place) in the whole stream.
    """

    def __init__(self, header: bytes, size_of: Callable[[bytearray, int], int]) -> None:
        self.header = header
        self.size_of = size_of
        self.begun: list[tuple[int, int]] = []
        self.position = 0  # in the buffer: up to where beginnings were looked for
        self.gone = 0  # bytes of the stream before the buffer

    def find(self, buffer: bytearray) -> bytes | None:
        """The next whole frame with a right CRC."""
        self._note_beginnings(buffer)
        while self.begun and self.begun[0][0] <= self.gone + len(buffer):
            known_end, place = heapq.heappop(self.begun)
            start = place - self.gone
            size_bytes = self.size_of(buffer, start)
            if place + size_bytes > known_end:
                heapq.heappush(self.begun, (place + size_bytes, place))
            elif size_bytes:
                frame = bytes(buffer[start : start + size_bytes])
                if crc16_modbus(frame) == 0:
                    return frame
        return None

    def oldest(self) -> int:
        """From where on the buffer is still needed."""
        return min((place for _, place in self.begun), default=self.gone + self.position) - self.gone

    def forget(self, count: int) -> None:
        """The first `count` bytes of the buffer go."""
        self.position -= count
        self.gone += count

    def missing_bytes(self, buffer: bytearray) -> int | None:
        """The least number of bytes that could complete what has begun; None where nothing has."""
        ends = [self.begun[0][0] - self.gone] if self.begun else []
        if self.position < len(buffer):  # a header has begun
            ends.append(self.position + self.size_of(buffer, self.position))
        return min(ends) - len(buffer) if ends else None

    def _note_beginnings(self, buffer: bytearray) -> None:
        while (start := buffer.find(self.header, self.position)) >= 0:
            heapq.heappush(self.begun, (self.gone + start + 1, self.gone + start))
            self.position = start + 1
        for length in range(len(self.header) - 1, 0, -1):
            if len(buffer) - length >= self.position and buffer.endswith(self.header[:length]):
                self.position = len(buffer) - length
                return
        self.position = len(buffer)


class RtuExchange:
    """One request on a serial line: what to send, and the search for its answer."""

    def __init__(self, unit: int, read: Request) -> None:
        """ValueError for a unit outside of 1 to 255 or a request that cannot be asked."""
        if not 1 <= unit <= UNIT_MAX:
            raise ValueError(f"unit {unit} cannot be read: 1 to {UNIT_MAX}")
        self.party = unit
        self.read = read
        self.request = add_crc(bytes((unit,)) + encode_request(read))
        self.response_size_bytes = answer_size_bytes_max(read) + FRAMING_BYTES
        self._answer = _FrameSearch(bytes((unit,)) + answer_start(read), self._size_bytes)
        refusal = bytes((unit, read.function | EXCEPTION_BIT))
        self._refusal = _FrameSearch(refusal, lambda _buffer, _place: EXCEPTION_BYTES)
        self._buffer = bytearray()
        self._received_bytes = 0
        self._answer_bytes = 0

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that were no part of the answer, nor of what may still become it."""
        return self._received_bytes - self._answer_bytes - len(self._buffer)

    def receive_data(self, data: bytes) -> bytes | None:
        """The data bytes of the answer once it is complete, None while it is not.

        Raises DeviceError("modbus.exception") when the unit refuses this request. Call no more after either.
        """
        self._received_bytes += len(data)
        self._buffer += data
        while (frame := self._answer.find(self._buffer)) is not None:
            # With 17 to 24 coils asked at 0x03xx, the echo of the request is a valid answer to it.
            if frame != self.request:
                self._end(frame)
                return answer_data(self.read, frame[1:-2])
        refusal = self._refusal.find(self._buffer)
        if refusal is not None:
            self._end(refusal)
            raise device_error(self.party, self.read, refusal[2])
        self._forget_examined()
        return None

    def missing_bytes(self) -> int:
        """The least number of bytes that could complete an answer or a refusal; at least 1."""
        hints = [search.missing_bytes(self._buffer) for search in (self._answer, self._refusal)]
        return max(1, min((hint for hint in hints if hint is not None), default=EXCEPTION_BYTES))

    def others_bytes(self, received: bytes) -> int:
        """How many of these bytes are whole frames of other units: no sign that this one has answered."""
        total = place = 0
        while place + EXCEPTION_BYTES <= len(received):
            size_bytes = 0 if received[place] == self.party else _whole_frame_bytes(received, place)
            total += size_bytes
            place += size_bytes or 1
        return total

    def _size_bytes(self, buffer: bytearray, place: int) -> int:
        size_bytes = answer_size_bytes(self.read, buffer, place + 1)
        return size_bytes + FRAMING_BYTES if size_bytes else 0

    def _end(self, frame: bytes) -> None:
        self._answer_bytes = len(frame)
        self._buffer.clear()

    def _forget_examined(self) -> None:
        examined = min(self._answer.oldest(), self._refusal.oldest())
        del self._buffer[:examined]
        self._answer.forget(examined)
        self._refusal.forget(examined)


class RtuServer:
    """The device's side: finds the requests in what arrives and gives the frames to send.

    Without `identify` it knows the four reads only.
    """

    def __init__(self, answer: Answer, identify: Identify | None = None) -> None:
        self._ask = answer
        self._identify = identify
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> list[bytes]:
        """One frame for each request that is to be answered, in order."""
        self._buffer += data
        buffer = self._buffer
        frames: list[bytes] = []
        position = 0
        while position + 1 < len(buffer):
            size_bytes = self._request_bytes(buffer[position + 1])
            frame = bytes(buffer[position : position + size_bytes])
            if size_bytes and len(frame) == size_bytes and crc16_modbus(frame) == 0:
                frames += self._answer(frame)
                del buffer[: position + size_bytes]
                position = 0
            else:
                position += 1
        del buffer[: max(0, len(buffer) - REQUEST_BYTES_MAX + 1)]
        return frames

    def _request_bytes(self, function: int) -> int:
        size_bytes = request_size_bytes(function)
        known = function in FUNCTIONS or self._identify is not None
        return size_bytes + FRAMING_BYTES if size_bytes and known else 0

    def _answer(self, frame: bytes) -> list[bytes]:
        unit, request = frame[0], decode_request(frame[1:-2])
        if request is None:
            return []
        answer = answer_of(unit, request, self._ask, self._identify)
        return [] if answer is None else [add_crc(bytes((unit,)) + encode_answer(request, answer))]


def _whole_frame_bytes(received: bytes, place: int) -> int:
    """The length of the whole frame that begins here: a read, its answer or refusal; 0 for none."""
    function, count = received[place + 1 : place + 3]
    if function & ~EXCEPTION_BIT not in FUNCTIONS:
        return 0
    sizes = (EXCEPTION_BYTES,) if function & EXCEPTION_BIT else (count + EXCEPTION_BYTES, REQUEST_BYTES_MAX)
    for size_bytes in sizes:
        frame = received[place : place + size_bytes]
        if len(frame) == size_bytes and crc16_modbus(frame) == 0:
            return size_bytes
    return 0


def answer_of(unit: int, request: Request, answer: Answer, identify: Identify | None) -> bytes | int | None:
    """What a simulated device says to a request of either kind; None: it stays silent."""
    if isinstance(request, ReadRequest):
        return answer(unit, request)
    return None if identify is None else identify(unit, request)
