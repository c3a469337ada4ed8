"""Modbus ASCII framing (Modbus over Serial Line V1.02, 2.5.2), both roles.

A frame is a colon, pairs of upper-case hexadecimal digits for unit, PDU and LRC, and CR LF. A colon
always begins a frame anew, so that noise, echoes and cut frames cost nothing but themselves.

The LRC is one byte, a sum: two damaged characters can cancel out, and of arbitrary damage one frame in 256
passes. The standard leans on the parity bit instead, which is why the line's format is 7E1; a serial port
must have parity checked, a character without it delivered as NUL. NUL is no digit, and the frame is gone.

Rules:
- an answer of another unit, function or length is never ours; digits in lower case, which no device may
  send and which a flipped bit makes, are damage;
- what is kept between calls is less than one frame; time is linear in the input.
"""

from __future__ import annotations

from protocols.modbus.pdu import (
    EXCEPTION_BIT,
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
from protocols.modbus.rtu import UNIT_MAX, answer_of

START = b":"
END = b"\r\n"
FRAME_CHARACTERS_MAX = 1 + 2 * (PDU_BYTES_MAX + 2) + 2  # 513, as 2.5.2.1 has it
EXCEPTION_CHARACTERS = 11  # colon, unit, function, exception code, LRC, CR LF
LINE_CHARACTERS_MIN = 6  # unit, function, LRC
_DIGITS = frozenset(b"0123456789ABCDEF")


def lrc(data: bytes) -> int:
    """The longitudinal redundancy check (6.2.1): the two's complement of the sum of the bytes, modulo 256."""
    return -sum(data) & 0xFF


def encode_frame(unit: int, pdu: bytes) -> bytes:
    """The frame as it goes over the line."""
    content = bytes((unit,)) + pdu
    return START + (content + bytes((lrc(content),))).hex().upper().encode("ascii") + END


def decode_frame(line: bytes) -> tuple[int, bytes] | None:
    """Unit and PDU of the characters between colon and CR LF, or None for what is no whole frame."""
    if not LINE_CHARACTERS_MIN <= len(line) <= FRAME_CHARACTERS_MAX - 3 or len(line) % 2:
        return None
    if not _DIGITS.issuperset(line):
        return None
    content = bytes.fromhex(line.decode("ascii"))
    return None if sum(content) & 0xFF else (content[0], content[1:-1])


class _FrameStream:
    """Cuts what arrives into frames; `passed_bytes` counts what was none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.passed_bytes = 0

    def receive_data(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames with a right LRC that these bytes complete: unit and PDU."""
        searched = max(0, len(self._buffer) - 1)
        self._buffer += data
        *lines, rest = self._lines(searched)
        frames = []
        for line in lines:
            head, colon, content = line.rpartition(START)
            frame = decode_frame(content) if colon else None
            self.passed_bytes += len(head) if frame is not None else len(line) + len(END)
            if frame is not None:
                frames.append(frame)
        self._keep(rest)
        return frames

    def begun(self) -> bytes:
        """What is there of a frame, from its colon on; empty while none has begun."""
        return bytes(self._buffer)

    def _lines(self, searched: int) -> list[bytes]:
        if self._buffer.find(END, searched) < 0:
            return [bytes(self._buffer)]
        return bytes(self._buffer).split(END)

    def _keep(self, rest: bytes) -> None:
        """From the last colon on, if a frame can still come of it."""
        start = rest.rfind(START)
        kept = rest[start:] if start >= 0 else b""
        if len(kept) > FRAME_CHARACTERS_MAX:
            kept = b""
        self.passed_bytes += len(rest) - len(kept)
        self._buffer[:] = kept


class AsciiExchange:
    """One request on a serial line with ASCII framing: what to send, and the search for its answer."""

    def __init__(self, unit: int, read: Request) -> None:
        """ValueError for a unit outside of 1 to 255 or a request that cannot be asked."""
        if not 1 <= unit <= UNIT_MAX:
            raise ValueError(f"unit {unit} cannot be read: 1 to {UNIT_MAX}")
        self.party = unit
        self.read = read
        self._request_pdu = encode_request(read)
        self.request = encode_frame(unit, self._request_pdu)
        self.response_size_bytes = _frame_size(answer_size_bytes_max(read))
        self._start = answer_start(read)
        self._head = encode_frame(unit, self._start)[:5]  # of the answer: colon, unit, function
        self._fixed = isinstance(read, ReadRequest)
        self._stream = _FrameStream()
        self._others_bytes = 0

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that were no part of the answer, nor of what may still become it."""
        return self._stream.passed_bytes + self._others_bytes

    def receive_data(self, data: bytes) -> bytes | None:
        """The data bytes of the answer once it is complete, None while it is not.

        Raises DeviceError("modbus.exception") when the unit refuses this request. Call no more after either.
        """
        for unit, pdu in self._stream.receive_data(data):
            if unit == self.party and self._is_answer(pdu):
                return answer_data(self.read, pdu)
            if unit == self.party and len(pdu) == 2 and pdu[0] == self.read.function | EXCEPTION_BIT:
                raise device_error(self.party, self.read, pdu[1])
            self._others_bytes += _frame_size(len(pdu))
        return None

    def missing_bytes(self) -> int:
        """The least number of bytes that could complete an answer or a refusal; at least 1."""
        begun = self._stream.begun()
        whole = self.response_size_bytes if begun.startswith(self._head) else EXCEPTION_CHARACTERS
        return max(1, (whole if self._fixed else EXCEPTION_CHARACTERS) - len(begun))

    def others_bytes(self, received: bytes) -> int:
        """How many of these bytes are whole frames of other units: no sign that this one has answered."""
        frames = _FrameStream().receive_data(received)
        return sum(_frame_size(len(pdu)) for unit, pdu in frames if unit != self.party)

    def _is_answer(self, pdu: bytes) -> bool:
        """With 17 to 24 coils asked at 0x03xx, the echo of the request would be one, too."""
        whole = len(pdu) == answer_size_bytes(self.read, pdu)
        return whole and pdu.startswith(self._start) and pdu != self._request_pdu


class AsciiServer:
    """The device's side. Without `identify` it knows the four reads only."""

    def __init__(self, answer: Answer, identify: Identify | None = None) -> None:
        self._ask = answer
        self._identify = identify
        self._stream = _FrameStream()

    def receive_data(self, data: bytes) -> list[bytes]:
        """One frame for each request that is to be answered, in order."""
        frames = []
        for unit, pdu in self._stream.receive_data(data):
            request = decode_request(pdu)
            answer = None if request is None else answer_of(unit, request, self._ask, self._identify)
            if request is not None and answer is not None:
                frames.append(encode_frame(unit, encode_answer(request, answer)))
        return frames


def _frame_size(pdu_bytes: int) -> int:
    return 1 + 2 * (pdu_bytes + 2) + len(END)
