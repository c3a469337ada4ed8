"""From frames to whole APDUs: HDLC and M-Bus segments, and blocks of a transfer, put together.

Rules:
- nothing is put together over a hole: a lost segment or block is named, and what was there of it is an error;
- at most APDU_BYTES_MAX of one APDU are kept.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.dlms.apdu import GENERAL_BLOCK_TRANSFER, LLC_BYTES, LLCS, decode_block
from protocols.dlms.framing import Frame, Outside
from protocols.errors import DamagedTelegram, ProtocolError

APDU_BYTES_MAX = 16 * 1024  # recorded: up to 561


class Piece(NamedTuple):
    """Bytes of an APDU, `size` of them, and where in the stream they stood."""

    at: int
    size: int


class Whole(NamedTuple):
    """One APDU. Its frames stood from `offset` to `end`; `pieces` says where which of its bytes stood."""

    apdu: bytes
    offset: int
    end: int
    pieces: tuple[Piece, ...]
    is_bare: bool = False


class _Growing:
    """An APDU of which the end has not come."""

    def __init__(self, offset: int) -> None:
        self.octets = bytearray()
        self.pieces: list[Piece] = []
        self.offset = self.end = offset
        self.next = 0  # number of the next segment or block

    def take(self, octets: bytes, at: int, end: int) -> None:
        """Append what stood `at` in the stream, in a frame that ended at `end`."""
        self.octets += octets
        if octets:
            self.pieces.append(Piece(at, len(octets)))
        self.end = end
        self.next += 1

    def whole(self) -> Whole:
        """What has come, as a whole APDU."""
        return Whole(bytes(self.octets), self.offset, self.end, tuple(self.pieces))

    def error(self, code: str, text: str) -> DamagedTelegram:
        """What has come, as an error."""
        return DamagedTelegram(code, text, self.end, self.offset, self.end)


Found = Whole | DamagedTelegram


class Assembler:
    """Puts frames together. Give it what a FrameReceiver finds, in that order."""

    def __init__(self) -> None:
        self._segments: _Growing | None = None
        self._blocks: _Growing | None = None

    def take(self, found: Frame | DamagedTelegram) -> list[Found]:
        """The APDUs that became whole, and errors."""
        if isinstance(found, DamagedTelegram):
            self._segments = self._blocks = None  # the damaged frame is the reason, and told
            return [found]
        try:
            return self._take_frame(found)
        except ProtocolError as error:
            self._segments = self._blocks = None
            return [DamagedTelegram(error.code, error.text, found.inside, found.offset, found.end)]

    def take_end(self) -> list[Found]:
        """Nothing more comes: errors for what has begun."""
        lost = [growing for growing in (self._segments, self._blocks) if growing is not None]
        self._segments = self._blocks = None
        text = "the telegram ends before its last part"
        return [growing.error("dlms.truncated", text) for growing in lost]

    def _take_frame(self, frame: Frame) -> list[Found]:
        information = frame.information
        if frame.number is None:
            is_first = information[:LLC_BYTES] in LLCS or self._segments is None
        else:
            is_first = frame.number == 0
        found: list[Found] = []
        if is_first:
            found += self._cut()
            self._segments = _Growing(frame.offset)
        segments = self._segments
        if segments is None or (frame.number is not None and frame.number != segments.next):
            found += self._lost(frame)
            return found
        llc = LLC_BYTES if frame.number is None and is_first and information[:LLC_BYTES] in LLCS else 0
        segments.take(information[llc:], frame.inside + llc, frame.end)
        _check_size(segments)
        if frame.more:
            return found
        self._segments = None
        return found + self._take_apdu(segments.whole())

    def _cut(self) -> list[Found]:
        """A new APDU begins: what had begun before it is cut."""
        segments, self._segments = self._segments, None
        text = "a new telegram begins before the last segment of this one"
        return [] if segments is None else [segments.error("dlms.cut", text)]

    def _lost(self, frame: Frame) -> list[Found]:
        expected = 0 if self._segments is None else self._segments.next
        start = frame.offset if self._segments is None else self._segments.offset
        self._segments = None
        text = f"segment {expected} did not come, but segment {frame.number}"
        return [DamagedTelegram("dlms.segment", text, frame.offset, start, frame.end)]

    def _take_apdu(self, whole: Whole) -> list[Found]:
        if not whole.apdu:
            return []  # a frame that only says hello
        if whole.apdu[0] != GENERAL_BLOCK_TRANSFER:
            return [*self._cut_blocks(), whole]
        block, end = decode_block(whole.apdu)
        if end != len(whole.apdu):
            raise ProtocolError(
                "dlms.trailing", f"{len(whole.apdu) - end} bytes too many behind a block", end
            )
        found: list[Found] = []
        if block.number == 1:
            found += self._cut_blocks()
            self._blocks = _Growing(whole.offset)
            self._blocks.next = 1
        blocks = self._blocks
        if blocks is None or block.number != blocks.next:
            if blocks is not None and block.number == blocks.next - 1:
                return found  # sent once more
            return found + self._lost_block(whole, block.number)
        inside = end - len(block.content)
        blocks.take(b"", whole.offset, whole.end)
        blocks.octets += block.content
        blocks.pieces += _shifted(whole.pieces, inside)
        _check_size(blocks)
        if not block.is_last:
            return found
        self._blocks = None
        return [*found, blocks.whole()]

    def _cut_blocks(self) -> list[Found]:
        blocks, self._blocks = self._blocks, None
        if blocks is None:
            return []
        return [blocks.error("dlms.block", f"block {blocks.next} of the transfer did not come")]

    def _lost_block(self, whole: Whole, number: int) -> list[Found]:
        expected = 1 if self._blocks is None else self._blocks.next
        start = whole.offset if self._blocks is None else self._blocks.offset
        self._blocks = None
        text = f"block {expected} of the transfer did not come, but block {number}"
        return [DamagedTelegram("dlms.block", text, whole.offset, start, whole.end)]


def bare(outside: Outside) -> list[Found]:
    """The APDUs without frames that these bytes are, with or without LLC; none where they are none."""
    octets, at = outside.octets, 0
    assembler = Assembler()
    found: list[Found] = []
    if octets[:LLC_BYTES] in LLCS:
        at = LLC_BYTES
    while at < len(octets) and octets[at] == GENERAL_BLOCK_TRANSFER:
        try:
            end = decode_block(octets, at)[1]
        except ProtocolError as error:
            start, stop = outside.offset, outside.offset + len(octets)
            return [DamagedTelegram(error.code, error.text, start + at, start, stop)]
        start = outside.offset + at
        found += assembler.take(Frame(octets[at:end], start, outside.offset + end, start))
        at = end
    found += assembler.take_end()
    if found:
        return [each._replace(is_bare=True) if isinstance(each, Whole) else each for each in found]
    start, end = outside.offset, outside.offset + len(octets)
    return [Whole(octets[at:], start, end, (Piece(start + at, len(octets) - at),), is_bare=True)]


def _check_size(growing: _Growing) -> None:
    if len(growing.octets) > APDU_BYTES_MAX:
        raise ProtocolError("dlms.size", f"a telegram of more than {APDU_BYTES_MAX} bytes")


def _shifted(pieces: tuple[Piece, ...], count: int) -> list[Piece]:
    """The pieces without their first `count` bytes."""
    left: list[Piece] = []
    for piece in pieces:
        skipped = min(count, piece.size)
        count -= skipped
        if piece.size > skipped:
            left.append(Piece(piece.at + skipped, piece.size - skipped))
    return left
