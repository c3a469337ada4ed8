"""Where in a stream APDUs stand: HDLC frames, M-Bus frames, or neither.

HDLC type 3 (IEC 62056-46, 6.4): no byte stuffing, the length stands in the frame.

    7E A|S|length destination source control [HCS] information FCS 7E

S (0x0800) says that the information goes on in the next frame; addresses have 1 to 4 bytes and end with the
byte whose lowest bit is set. M-Bus long frames as Austrian meters use them (EN 13757-3, transport layer):

    68 L L 68 control address CI STSAP DTSAP content checksum 16

CI 00 to 1F: its low four bits count the segments, 10 marks the last. A bare APDU has no frame: silence is its
beginning and its end, and `receive_end` gives out what stood between.

Rules:
- a frame is given out only whole and with right checksums; what is found does not depend on how the stream
  was cut into pieces;
- what a damaged frame took up is searched again, since a frame may begin inside of a cut one. Each byte is
  checked by at most FRAME_BYTES_MAX of such frames, at the speed of the checksum;
- at most a frame, and RAW_BYTES_MAX that belong to none, are kept.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from protocols.checksums import crc16_x25
from protocols.errors import DamagedTelegram

FLAG = 0x7E
HDLC_BYTES_MIN = 7  # format, two addresses, control, FCS
HDLC_BYTES_MAX = 0x7FF  # between the flags
SEGMENTED = 0x08  # bit of the first byte of the format
ADDRESS_SIZES = (1, 2, 4)
CRC_BYTES = 2
MBUS_START, MBUS_END = 0x68, 0x16
MBUS_HEAD_BYTES = 4
MBUS_CONTENT_MIN = 5  # control, address, CI and the two service points
MBUS_FRAME_BYTES_MAX = 0xFF + MBUS_HEAD_BYTES + 2
CI_FINAL, CI_NUMBER = 0x10, 0x0F
FRAME_BYTES_MAX = HDLC_BYTES_MAX + 2
RAW_BYTES_MAX = 16 * 1024
UI_COMMAND = 0x13  # unnumbered information, as most meters push

_START = re.compile(rb"\x7e[\xa0-\xaf]|\x68([\x05-\xff])\1\x68", re.DOTALL)
_START_BYTES = 4


class Frame(NamedTuple):
    """One frame whose checksums are right. It stood from `offset` to `end`, its information from `inside` on.

    `more`: the information goes on in the next frame. `number`: of M-Bus segments, None in HDLC.
    """

    information: bytes
    offset: int
    end: int
    inside: int
    more: bool = False
    number: int | None = None


class Outside(NamedTuple):
    """Bytes of no frame: all that came between a frame, an error or silence, and silence."""

    octets: bytes
    offset: int


class FrameReceiver:
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0  # of the buffer's first byte in the stream
        self._scanned = 0  # no frame begins before this place of the buffer
        self._claimed = 0  # what stands before this place of the stream is told: frames, errors, noise
        self._noise_bytes = 0
        self._needed = 1

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that belonged to no frame, good or bad; those that `receive_end` gave out aside."""
        return self._noise_bytes + max(0, self._offset + self._scanned - self._claimed)

    def receive_data(self, data: bytes) -> list[Frame | DamagedTelegram]:
        """The frames that became complete, and an error for each that turned out bad."""
        self._buffer += data
        found: list[Frame | DamagedTelegram] = []
        while self._step(found):
            pass
        return found

    def receive_end(self) -> list[Frame | DamagedTelegram | Outside]:
        """Nothing more comes: dlms.truncated for a frame that has begun, the frames that began within it, and
        what belongs to no frame."""
        found: list[Frame | DamagedTelegram] = []
        while self._start_known():
            start, end = self._offset + self._scanned, self._offset + len(self._buffer)
            found.append(DamagedTelegram("dlms.truncated", "the frame ends before its end", end, start, end))
            self._claim(start, end)
            self._leave(self._scanned + 1)
            while self._step(found):
                pass
        rest: list[Frame | DamagedTelegram | Outside] = [*found]
        end = self._offset + len(self._buffer)
        if self._offset <= self._claimed < end:
            rest.append(Outside(bytes(self._buffer[self._claimed - self._offset :]), self._claimed))
        else:
            self._noise_bytes += max(0, end - self._claimed)
        self._claimed = end
        self._leave(len(self._buffer))
        return rest

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        return max(1, self._needed - len(self._buffer))

    def _start_known(self) -> bool:
        """Whether a frame has begun whose header is right as far as it has come."""
        return _START.match(self._buffer, self._scanned) is not None

    def _step(self, found: list[Frame | DamagedTelegram]) -> bool:
        """One frame or false start on; False when it needs more bytes."""
        begin = _START.search(self._buffer, self._scanned)
        if begin is None:  # one may have begun in the last bytes
            self._scanned = max(self._scanned, len(self._buffer) - _START_BYTES + 1)
            self._needed = 0
            self._bound()
            return False
        self._scanned = start = begin.start()
        self._bound()
        start = self._scanned
        size = self._hdlc(start) if self._buffer[start] == FLAG else self._mbus(start)
        if size == 0:
            self._scanned += 1
            return True
        self._needed = start + size
        if len(self._buffer) < start + size:
            return False
        raw = bytes(self._buffer[start : start + size])
        found.append(self._read_hdlc(raw) if raw[0] == FLAG else self._read_mbus(raw))
        self._claim(self._offset + start, self._offset + start + size)
        if isinstance(found[-1], DamagedTelegram):
            self._leave(start + 1)
        else:  # the closing flag may be the next frame's opening one
            self._leave(start + size - (raw[0] == FLAG))
        return True

    def _claim(self, start: int, end: int) -> None:
        """This stretch of the stream is told; what stood before it, and was not, is noise."""
        self._noise_bytes += max(0, start - self._claimed)
        self._claimed = max(self._claimed, end)

    def _bound(self) -> None:
        """Forget what is too long ago to belong to an APDU without frame."""
        surplus = self._scanned - RAW_BYTES_MAX
        if surplus > RAW_BYTES_MAX:  # seldom, so that it costs little
            self._leave(surplus)

    def _hdlc(self, start: int) -> int:  # noqa: PLR0911 - each is a reason of its own
        """How long the HDLC frame is, flags included; 0 where none begins here. Where the header has not
        come, as long as is needed to tell."""
        head = bytes(self._buffer[start : start + 16])
        if len(head) < 3:
            return 3
        length = (head[1] & 0x07) << 8 | head[2]
        if length < HDLC_BYTES_MIN:
            return 0
        header = hdlc_header_bytes(head)
        if header < 0:
            return 0
        if header == 0:
            return len(head) + 1
        if header + CRC_BYTES == length + 1:  # no information: only an FCS
            return length + 2
        if len(head) < header + CRC_BYTES:
            return header + CRC_BYTES
        if header + 2 * CRC_BYTES > length + 1:
            return 0
        checked = head[1:header]
        right = crc16_x25(checked).to_bytes(CRC_BYTES, "little") == head[header : header + CRC_BYTES]
        return length + 2 if right else 0

    def _mbus(self, start: int) -> int:
        """How long the M-Bus frame is; 0 where none begins here that carries DLMS."""
        ci_at = start + MBUS_HEAD_BYTES + 2
        if len(self._buffer) <= ci_at:
            return ci_at + 1 - start
        if self._buffer[ci_at] > CI_FINAL | CI_NUMBER:
            return 0
        return self._buffer[start + 1] + MBUS_HEAD_BYTES + 2

    def _read_hdlc(self, raw: bytes) -> Frame | DamagedTelegram:
        start, end = self._offset + self._scanned, self._offset + self._scanned + len(raw)
        fcs_at = len(raw) - 1 - CRC_BYTES
        if crc16_x25(raw[1:fcs_at]).to_bytes(CRC_BYTES, "little") != raw[fcs_at:-1]:
            text = "the frame's checksum is wrong: damaged on the way"
            return DamagedTelegram("dlms.fcs", text, start + fcs_at, start, end)
        if raw[-1] != FLAG:
            text = f"the frame ends with {raw[-1]:02X} instead of 7E"
            return DamagedTelegram("dlms.flag", text, end - 1, start, end)
        inside = min(hdlc_header_bytes(raw) + CRC_BYTES, fcs_at)
        more = bool(raw[1] & SEGMENTED)
        return Frame(raw[inside:fcs_at], start, end, start + inside, more)

    def _read_mbus(self, raw: bytes) -> Frame | DamagedTelegram:
        start, end = self._offset + self._scanned, self._offset + self._scanned + len(raw)
        content = raw[MBUS_HEAD_BYTES:-2]
        if raw[-1] != MBUS_END or sum(content) & 0xFF != raw[-2]:
            text = "the frame's checksum or end is wrong: damaged on the way"
            return DamagedTelegram("dlms.checksum", text, end - 2, start, end)
        ci = content[2]
        inside = MBUS_HEAD_BYTES + MBUS_CONTENT_MIN
        return Frame(raw[inside:-2], start, end, start + inside, not ci & CI_FINAL, ci & CI_NUMBER)

    def _leave(self, count: int) -> None:
        """Forget the first bytes of the buffer."""
        del self._buffer[:count]
        self._offset += count
        self._scanned = max(0, self._scanned - count)


def hdlc_header_bytes(frame: bytes) -> int:
    """From the opening flag to behind the control byte; 0 where that has not all come, -1 where an address
    has a length that no address has."""
    at = 3
    for _ in range(2):
        size = 1
        while at < len(frame) and not frame[at] & 1 and size < max(ADDRESS_SIZES):
            at += 1
            size += 1
        if at >= len(frame):
            return 0
        if not frame[at] & 1 or size not in ADDRESS_SIZES:
            return -1
        at += 1
    return at + 1 if at < len(frame) else 0


def encode_hdlc(
    information: bytes,
    *,
    destination: bytes = b"\x41",
    source: bytes = b"\x08\x83",
    control: int = UI_COMMAND,
    segment_bytes: int = 0,
) -> bytes:
    """The information in one frame, or in as many as segments of `segment_bytes` make.

    ValueError for addresses that HDLC does not have, and for a frame longer than its length can say.
    """
    size = segment_bytes or max(1, len(information))
    pieces = [information[at : at + size] for at in range(0, len(information), size)]
    for address in (destination, source):
        if len(address) not in ADDRESS_SIZES or [byte & 1 for byte in address] != [0] * (len(address) - 1) + [
            1
        ]:
            raise ValueError(f"{address.hex()} is no HDLC address")
    frames = []
    for place, piece in enumerate(pieces):
        length = 2 + len(destination) + len(source) + 1 + CRC_BYTES + len(piece) + CRC_BYTES
        if length > HDLC_BYTES_MAX:
            raise ValueError(f"a frame of {length} bytes; at most {HDLC_BYTES_MAX}: use segments")
        segmented = SEGMENTED if place + 1 < len(pieces) else 0
        head = (
            bytes((0xA0 | segmented | length >> 8, length & 0xFF)) + destination + source + bytes((control,))
        )
        head += crc16_x25(head).to_bytes(CRC_BYTES, "little")
        body = head + piece
        frames.append(bytes((FLAG,)) + body + crc16_x25(body).to_bytes(CRC_BYTES, "little") + bytes((FLAG,)))
    return b"".join(frames)


def encode_mbus(apdu: bytes, *, segment_bytes: int = 245) -> bytes:
    """The APDU in M-Bus frames; ValueError where it takes more than the 16 that can be counted."""
    if not 1 <= segment_bytes <= 0xFF - MBUS_CONTENT_MIN:
        raise ValueError(f"segments of {segment_bytes} bytes; right are 1 to {0xFF - MBUS_CONTENT_MIN}")
    pieces = [apdu[at : at + segment_bytes] for at in range(0, len(apdu), segment_bytes)]
    if len(pieces) > CI_NUMBER + 1:
        raise ValueError(f"{len(pieces)} segments; at most {CI_NUMBER + 1}")
    frames = []
    for place, piece in enumerate(pieces):
        ci = place | (CI_FINAL if place + 1 == len(pieces) else 0)
        content = bytes((0x53, 0xFF, ci, 0x01, 0x67)) + piece
        head = bytes((MBUS_START, len(content), len(content), MBUS_START))
        frames.append(head + content + bytes((sum(content) & 0xFF, MBUS_END)))
    return b"".join(frames)
