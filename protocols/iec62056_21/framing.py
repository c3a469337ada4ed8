"""Telegrams in a stream of bytes: from the identification line to the line with "!" (IEC 62056-21, 6.3, 6.5).

    /ident CR LF  [STX]  data lines  ! CR LF  [ETX BCC]      a read-out
    /ident CR LF  CR LF  data lines  !CRC CR LF              DSMR P1

Rules:
- what is found does not depend on how the stream was cut into pieces;
- a telegram refused is searched once more, for the beginning of another whose start was swallowed;
- every byte is looked at a bounded number of times, and at most TELEGRAM_BYTES_MAX stay between calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from protocols.errors import DamagedTelegram, ProtocolError
from protocols.iec62056_21.identification import LINE_BYTES_MAX, Identification, decode_identification

TELEGRAM_BYTES_MAX = 64 * 1024  # the longest recorded read-out, with 15 months of history, has 9.5 kB
TAIL_BYTES_MAX = 16  # between "!" and the end of its line
TELEGRAM_BYTES_MIN = len(b"/LGZ5\r\n!\r\n")

STX, ETX = 0x02, 0x03
_END_LINE = rb"\n!|\)!\r?\n"  # heat meters put their "!" behind the last data set
_EVENT_BYTES_MAX = 5  # the longest that the patterns below look at
_START = {False: re.compile(rb"/"), True: re.compile(rb"[/\x02]")}
_EVENT = {
    # (block check, identification known); before it is known, one may come after any noise
    (False, True): re.compile(rb"\n[/!]"),
    (True, True): re.compile(rb"[\x02\x03]|\n/|" + _END_LINE),
    (True, False): re.compile(rb"[\x02\x03]|/(?=\?|[A-Za-z]{3}[0-9A-F])|" + _END_LINE),
}
_REQUEST = re.compile(rb"/\?[^!\r\n]{0,32}!\r*\n")
_EMBEDDED = re.compile(rb"/[A-Za-z]{3}[!-.0-~][^\r\n/]*+\r*\n")

T = TypeVar("T")


class Frame(NamedTuple):
    """One telegram's bytes. `body`, `mark`, `end`: where data lines, "!" (else ETX) and what follows begin.

    `block_check`: the byte behind ETX, None where a block has none.
    """

    data: bytes
    offset: int
    identification: Identification | None
    body: int
    mark: int
    end: int
    block_check: int | None

    @property
    def lines(self) -> str:
        """The data lines, one character a byte."""
        return self.data[self.body : self.mark].decode("latin-1")


class FrameReceiver(Generic[T]):
    """Cuts a stream into telegrams and hands each to `decode`, which refuses it by ProtocolError.

    `block_checks`: STX, ETX and BCC mean something, a request may precede the identification. `begun`: the
    stream begins behind an identification.
    """

    def __init__(
        self, protocol: str, decode: Callable[[Frame], T], *, block_checks: bool, begun: bool = False
    ) -> None:
        self.noise_bytes = 0  # that belonged to no telegram, good or bad
        self.identification: Identification | None = None  # of the telegram that has begun
        self._protocol = protocol
        self._decode = decode
        self._block_checks = block_checks
        self._buffer = bytearray()
        self._offset = 0  # of the buffer's first byte in the stream
        self._scanned = 0  # nothing of interest begins before this place in the buffer
        self._inside = begun  # then the buffer begins with the telegram
        self._body = 0
        self._block = False
        self._data_began = False  # then STX no longer begins a block
        self._mark: int | None = None  # where "!" or ETX stands, once it came
        self._final = False

    def receive_data(self, data: bytes) -> list[T | ProtocolError]:
        """The telegrams that became complete, and an error for each that turned out bad, in stream order."""
        self._buffer += data
        found: list[T | ProtocolError] = []
        while self._step(found):
            pass
        return found

    def receive_end(self) -> list[T | ProtocolError]:
        """What is there although nothing more comes: the line went quiet, or the file ends here."""
        self._final = True
        found = self.receive_data(b"")
        self._final = False
        if self._inside and self._has_content(len(self._buffer)):
            end = len(self._buffer)
            found.append(self._error("truncated", "the telegram ends before its end", end, end))
        self._leave(len(self._buffer))
        return found

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        return 1 if self._inside else max(1, TELEGRAM_BYTES_MIN - len(self._buffer))

    def _step(self, found: list[T | ProtocolError]) -> bool:
        """One step on; False when it needs more bytes."""
        if not self._inside:
            return self._find_start()
        if self._mark is None:
            return self._find_mark(found)
        return self._close(self._mark, found)

    def _find_start(self) -> bool:
        match = _START[self._block_checks].search(self._buffer, self._scanned)
        at = match.start() if match else len(self._buffer)
        if match is None or self._buffer[at] == STX:
            self._enter(at, 1, None, block=True) if match else self._skip_noise(at)
            return match is not None
        end = self._buffer.find(b"\n", at, at + LINE_BYTES_MAX) + 1
        if not end and len(self._buffer) - at < LINE_BYTES_MAX:
            self._skip_noise(at)
            return False
        line = bytes(self._buffer[at:end])
        identification = decode_identification(line)
        if identification or (self._block_checks and _REQUEST.fullmatch(line)):
            self._enter(at, len(line), identification, block=False)
        else:
            self._scanned = at + 1
        return True

    def _enter(self, at: int, head: int, identification: Identification | None, *, block: bool) -> None:
        self._skip_noise(at)
        self._inside = True
        self.identification = identification
        self._body = head
        self._scanned = head - (not block)  # the line end before the body belongs to what ends it
        self._block = block

    def _find_mark(self, found: list[T | ProtocolError]) -> bool:
        pattern = _EVENT[self._block_checks, self.identification is not None]
        search_end = TELEGRAM_BYTES_MAX + _EVENT_BYTES_MAX
        event = pattern.search(self._buffer, self._scanned, search_end)
        at = event.start() if event else min(len(self._buffer), search_end)
        if at > TELEGRAM_BYTES_MAX:
            text = f"no end within {TELEGRAM_BYTES_MAX} bytes"
            found.append(self._error("size", text, 0, TELEGRAM_BYTES_MAX))
            self._leave(TELEGRAM_BYTES_MAX)
            return True
        if event is None:
            self._scanned = max(self._scanned, at - _EVENT_BYTES_MAX)
            return False
        self._handle(event[0], at, found)
        return True

    def _handle(self, event: bytes, at: int, found: list[T | ProtocolError]) -> None:
        self._scanned = at + 1
        if event == b"\x02":
            self._data_began = self._data_began or self._buffer.find(b"(", self._body, at) >= 0
            if not self._data_began:
                self._block, self._body = True, at + 1
        elif event == b"\x03":
            self._mark = at if self._block else None
        elif event.endswith(b"/"):
            end = at + len(event) - 1
            if self._has_content(at):
                found.append(self._error("cut", "a new telegram begins before the end of this one", at, end))
            self._leave(end)
        else:
            self._mark = at + 1

    def _has_content(self, end: int) -> bool:
        """Whether more than a request's echo and noise is there."""
        return self.identification is not None or self._buffer.find(b"(", self._body, end) >= 0

    def _close(self, mark: int, found: list[T | ProtocolError]) -> bool:
        """The mark has come: take what stands behind it, once it is there."""
        end = mark
        if self._buffer[mark] != ETX:
            end = self._buffer.find(b"\n", mark, mark + TAIL_BYTES_MAX) + 1
            if not end and len(self._buffer) < mark + TAIL_BYTES_MAX and not self._final:
                return False
            end = end or min(len(self._buffer), mark + TAIL_BYTES_MAX)
        behind = self._buffer[end : end + 2] if self._block else b""
        etx = behind[:1] == bytes((ETX,))
        if self._block and not self._final and len(behind) < 1 + etx:
            return False
        self._finish(mark, end, end + (len(behind) if etx else 0), found)
        return True

    def _finish(self, mark: int, end: int, stop: int, found: list[T | ProtocolError]) -> None:
        data = bytes(self._buffer[:stop])
        block_check = data[end + 1] if stop == end + 2 else None
        frame = Frame(data, self._offset, self.identification, self._body, mark, end, block_check)
        try:
            found.append(self._decode(frame))
        except ProtocolError as error:
            swallowed = [match.start() for match in _EMBEDDED.finditer(data, 1, mark)]
            # What stands in the place of a checksum may be the next telegram's first bytes.
            behind = _START[self._block_checks].search(data, mark + 1)
            stop = swallowed[-1] if swallowed else behind.start() if behind else stop
            at = self._offset if error.offset is None else error.offset
            found.append(DamagedTelegram(error.code, error.text, at, self._offset, self._offset + stop))
        self._leave(stop)

    def _error(self, kind: str, text: str, at: int, end: int) -> DamagedTelegram:
        """The telegram of which the first `end` bytes of the buffer are passed over; it showed at `at`."""
        code = f"{self._protocol}.{kind}"
        return DamagedTelegram(code, text, self._offset + at, self._offset, self._offset + end)

    def _skip_noise(self, count: int) -> None:
        self.noise_bytes += count
        self._leave(count)

    def _leave(self, count: int) -> None:
        del self._buffer[:count]
        self._offset += count
        self._scanned = 0
        self._inside = False
        self._mark = None
        self._block = False
        self._data_began = False
        self.identification = None
