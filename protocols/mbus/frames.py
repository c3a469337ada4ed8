"""M-Bus link layer frames, both roles (EN 13757-2, 5.3; IEC 60870-5-1 format class FT 1.2).

    E5                                            acknowledgement
    10 C A cs 16                                  short frame
    68 L L 68 C A CI data... cs 16                control frame (no data) and long frame; L counts C to data

`cs` is the sum of the bytes from C on, modulo 256.

Rules:
- a frame is given out only whole, with a right checksum and stop byte; everything else is an error or noise;
- what is found does not depend on how the stream was cut into pieces;
- E5 is an acknowledgement wherever no frame is under way. In noise nothing tells a stray E5 from a real one:
  who asks looks at `noise_bytes` and at what else came, and believes an E5 only where it came alone;
- inside of the bytes that a damaged long frame claimed only another long frame is looked for: its data may
  hold E5 and 10 anywhere, and these must not become frames;
- at most FRAME_BYTES_MAX and one piece of input are kept, and a byte is looked at a bounded number of times.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from protocols.errors import DamagedTelegram

ACK = b"\xe5"
SHORT_START = 0x10
LONG_START = 0x68
STOP = 0x16
SHORT_BYTES = 5
HEADER_BYTES = 4
LENGTH_MIN = 3  # C, A and CI
LENGTH_MAX = 255
DATA_BYTES_MAX = LENGTH_MAX - LENGTH_MIN
FRAME_BYTES_MAX = LENGTH_MAX + 6
_STARTS = (SHORT_START, LONG_START, ACK[0])


class ShortFrame(NamedTuple):
    """Only from the master: SND_NKE, REQ_UD1, REQ_UD2."""

    control: int
    address: int


class LongFrame(NamedTuple):
    """User data in either direction; without data it is what the standard calls a control frame."""

    control: int
    address: int
    ci: int
    data: bytes = b""


class Ack(NamedTuple):
    """The single character E5: a slave took what was sent to it."""

    byte: int = ACK[0]


Frame: TypeAlias = "ShortFrame | LongFrame | Ack"


class Placed(NamedTuple):
    """A frame and where it stood in the stream; `end` is behind its last byte."""

    frame: Frame
    start: int
    end: int


def checksum(covered: bytes) -> int:
    """The sum of the bytes from C on, modulo 256 (EN 13757-2, 5.3)."""
    return sum(covered) & 0xFF


def encode_frame(frame: Frame) -> bytes:
    """The frame on the wire; ValueError for more than DATA_BYTES_MAX of data or a field beyond one byte."""
    if isinstance(frame, Ack):
        return ACK
    if isinstance(frame, ShortFrame):
        body = bytes(frame)
        return bytes((SHORT_START, *body, checksum(body), STOP))
    if len(frame.data) > DATA_BYTES_MAX:
        raise ValueError(f"{len(frame.data)} bytes of data, a long frame holds {DATA_BYTES_MAX}")
    body = bytes((frame.control, frame.address, frame.ci)) + frame.data
    header = bytes((LONG_START, len(body), len(body), LONG_START))
    return header + body + bytes((checksum(body), STOP))


class FrameReceiver:
    """Cuts a stream into frames. `noise_bytes` counts what belonged to no frame, good or bad."""

    def __init__(self) -> None:
        self.noise_bytes = 0
        self._buffer = bytearray()
        self._offset = 0  # of the buffer's first byte in the stream
        self._claimed = 0  # bytes at the buffer's head that a damaged long frame claimed

    def receive_data(self, data: bytes) -> list[Frame | DamagedTelegram]:
        """The frames that became complete, and an error for each that turned out bad, in stream order.

        Codes: mbus.length (the two lengths differ, or are below 3), mbus.checksum, mbus.stop; their offset
        counts from the start of the stream.
        """
        return [_frame_of(found) for found in self.receive_placed(data)]

    def receive_placed(self, data: bytes) -> list[Placed | DamagedTelegram]:
        """As `receive_data`, each frame with its place."""
        self._buffer += data
        found: list[Placed | DamagedTelegram] = []
        while self._read_frame(found):
            pass
        return found

    def receive_end(self) -> list[Frame | DamagedTelegram]:
        """What is there although nothing more comes: mbus.truncated for a frame begun."""
        return [_frame_of(found) for found in self.receive_placed_end()]

    def receive_placed_end(self) -> list[Placed | DamagedTelegram]:
        """As `receive_end`, each frame with its place."""
        found: list[Placed | DamagedTelegram] = []
        while self._buffer:
            size = len(self._buffer)
            text = f"a frame begins, and ends after {size} bytes"
            found.append(self._error("mbus.truncated", text, size, size))
            self._claimed = size if header_is_right(self._buffer) else self._claimed
            self._drop(1)
            found += self.receive_placed(b"")
        return found

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        held = self._buffer
        if not held:
            return 1
        if held[0] == SHORT_START:
            return SHORT_BYTES - len(held)
        return (held[1] + 6 if len(held) >= HEADER_BYTES else HEADER_BYTES) - len(held)

    def _read_frame(self, found: list[Placed | DamagedTelegram]) -> bool:
        """Handle what begins next; False when it has not all come."""
        if not self._find_start():
            return False
        if self._buffer[0] == ACK[0]:
            self._give(found, Ack(), 1)
            return True
        if self._buffer[0] == SHORT_START:
            return self._read_short(found)
        return self._read_long(found)

    def _find_start(self) -> bool:
        """Drop what begins no frame; False when nothing is left."""
        at = 0
        while at < len(self._buffer):
            byte = self._buffer[at]
            if byte == LONG_START or (byte in _STARTS and at >= self._claimed):
                break
            at += 1
        self._pass_over(at)
        return bool(self._buffer)

    def _read_short(self, found: list[Placed | DamagedTelegram]) -> bool:
        if len(self._buffer) < SHORT_BYTES:
            return False
        _, control, address, sent, stop = self._buffer[:SHORT_BYTES]
        if stop != STOP:  # a 10 in noise, and not worth a word
            self._pass_over(1)
        elif sent != checksum(bytes((control, address))):
            found.append(self._error("mbus.checksum", _SUM_TEXT, 3, SHORT_BYTES))
            self._claimed = SHORT_BYTES
            self._drop(1)
        else:
            self._give(found, ShortFrame(control, address), SHORT_BYTES)
        return True

    def _read_long(self, found: list[Placed | DamagedTelegram]) -> bool:
        held = self._buffer
        if len(held) >= HEADER_BYTES and held[3] != LONG_START:
            self._pass_over(1)
            return True
        if len(held) < HEADER_BYTES:
            return False
        if not header_is_right(held):
            size = max(held[1], held[2]) + 6
            found.append(self._error("mbus.length", _length_text(held[1], held[2]), 1, size))
            self._claim(size)
            return True
        size = held[1] + 6
        if len(held) < size:
            return False
        body = bytes(held[HEADER_BYTES : size - 2])
        if held[size - 2] != checksum(body):
            found.append(self._error("mbus.checksum", _SUM_TEXT, size - 2, size))
            self._claim(size)
        elif held[size - 1] != STOP:
            found.append(self._error("mbus.stop", f"{held[size - 1]:02X} instead of 16", size - 1, size))
            self._claim(size)
        else:
            self._give(found, LongFrame(body[0], body[1], body[2], body[3:]), size)
        return True

    def _claim(self, size: int) -> None:
        """The damaged frame at the buffer's head: of its bytes only a long frame may begin again."""
        self._claimed = max(self._claimed, size)
        self._drop(1)

    def _error(self, code: str, text: str, at: int, size: int) -> DamagedTelegram:
        start = self._offset
        return DamagedTelegram(code, text, start + at, start, start + size)

    def _give(self, found: list[Placed | DamagedTelegram], frame: Frame, size: int) -> None:
        found.append(Placed(frame, self._offset, self._offset + size))
        self._claimed = 0
        self._drop(size)

    def _pass_over(self, count: int) -> None:
        """Drop bytes that begin no frame; those that a damaged one claimed are no noise."""
        self.noise_bytes += max(0, count - self._claimed)
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._offset += count
        self._claimed = max(0, self._claimed - count)


_SUM_TEXT = "the frame's checksum is wrong: damaged on the way"


def _frame_of(found: Placed | DamagedTelegram) -> Frame | DamagedTelegram:
    return found.frame if isinstance(found, Placed) else found


def header_is_right(held: bytes | bytearray) -> bool:
    """Whether a long frame's header begins here: 68 L L 68 with a length that can be."""
    return len(held) >= HEADER_BYTES and held[0] == held[3] == LONG_START and LENGTH_MIN <= held[1] == held[2]


def _length_text(first: int, second: int) -> str:
    if first != second:
        return f"the two lengths differ: {first} and {second}"
    return f"a length of {first}, {LENGTH_MIN} is the least"
