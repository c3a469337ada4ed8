"""SML transport protocol version 1: files in a stream of bytes (SML 1.04, section 8; BSI TR-03109-1, IV).

    1B1B1B1B 01010101  payload, padded with 00 to a multiple of 4  1B1B1B1B 1A nn cc cc

`nn` is the number of padding bytes, `cc cc` the CRC-16/X.25 over everything before it, low byte first;
some Holley DTZ541 send CRC-16/KERMIT instead, high byte first (recorded, and told by smllib's readme).
Four 1B in the payload are sent twice. A meter pushes without being asked, so a stream is joined anywhere.

Rules:
- a file is given out only whole and with a right CRC; everything else is an error or noise;
- what is found does not depend on how the stream was cut into pieces;
- every byte is scanned once, and at most FILE_BYTES_MAX and one escape are kept between calls.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.checksums import crc16_kermit, crc16_x25
from protocols.errors import DamagedTelegram

FILE_BYTES_MAX = 16 * 1024  # from the start escape to the end escape; the largest recorded file has 1.2 kB
ESCAPE = b"\x1b" * 4
VERSION_1 = b"\x01" * 4
START = ESCAPE + VERSION_1
END_COMMAND = 0x1A
ESCAPED_BYTES = 8  # an escape and its command
PADDING_MAX = 3


def sml_checksums(covered: bytes) -> tuple[bytes, bytes]:
    """The two bytes that the standard wants behind `covered`, and those that some Holley meters send."""
    return crc16_x25(covered).to_bytes(2, "little"), crc16_kermit(covered).to_bytes(2, "big")


class SmlFile(NamedTuple):
    """The payload of a file without escapes and padding; in the stream it stood from `offset` to `end`.

    `kermit`: its checksum is not the standard's, but that of some Holley meters.
    """

    payload: bytes
    offset: int
    end: int
    kermit: bool = False


class FileReceiver:
    """Cuts a stream into files. `noise_bytes` counts what belonged to no file; joining makes some."""

    def __init__(self) -> None:
        self.noise_bytes = 0
        self._buffer = bytearray()
        self._offset = 0  # of the buffer's first byte in the stream
        self._in_file = False  # then the buffer begins with START
        self._scanned = 0  # no unread escape begins before this place in the buffer

    def receive_data(self, data: bytes) -> list[SmlFile | DamagedTelegram]:
        """The files that became complete, and an error for each that turned out bad, in stream order."""
        self._buffer += data
        found: list[SmlFile | DamagedTelegram] = []
        while self._read_escape(found) if self._in_file else self._find_start():
            pass
        return found

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        return ESCAPED_BYTES - min(len(self._buffer) - self._scanned, ESCAPED_BYTES - 1)

    def _find_start(self) -> bool:
        at = self._buffer.find(START)
        skipped = at if at >= 0 else max(0, len(self._buffer) - len(START) + 1)
        self.noise_bytes += skipped
        self._drop(skipped)
        self._in_file = at >= 0
        self._scanned = len(START) if at >= 0 else 0
        return self._in_file

    def _read_escape(self, found: list[SmlFile | DamagedTelegram]) -> bool:
        """Handle the next escape of a file; False when it has not come."""
        at = self._buffer.find(ESCAPE, self._scanned)
        self._scanned = at if at >= 0 else max(self._scanned, len(self._buffer) - len(ESCAPE) + 1)
        if self._scanned > FILE_BYTES_MAX:
            text = f"no end of the file within {FILE_BYTES_MAX} bytes"
            found.append(self._error("sml.size", text, 0, FILE_BYTES_MAX))
            self._leave_file(FILE_BYTES_MAX)
            return True
        if at < 0 or at + ESCAPED_BYTES > len(self._buffer):
            return False
        command = bytes(self._buffer[at + len(ESCAPE) : at + ESCAPED_BYTES])
        if command == ESCAPE:
            self._scanned = at + ESCAPED_BYTES
        elif command[0] == END_COMMAND:
            found.append(self._file(at, command))
            self._leave_file(at + ESCAPED_BYTES)
        elif command == VERSION_1:
            found.append(self._error("sml.cut", "a new file begins before the end of this one", at, at))
            self._leave_file(at)
        else:
            found.append(self._error("sml.escape", f"unknown escape {command.hex(' ')}", at, at + 1))
            self._leave_file(at + 1)
        return True

    def _file(self, at: int, command: bytes) -> SmlFile | DamagedTelegram:
        """The file whose end escape stands at `at`."""
        end = at + ESCAPED_BYTES
        standard, kermit = sml_checksums(bytes(self._buffer[: at + 6]))
        if command[2:] not in (standard, kermit):
            return self._error("sml.crc", "the file's checksum is wrong: damaged on the way", at, end)
        payload = bytes(self._buffer[len(START) : at]).replace(ESCAPE + ESCAPE, ESCAPE)
        padding = command[1]
        if padding > min(PADDING_MAX, len(payload)):
            text = f"{padding} padding bytes instead of 0 to {PADDING_MAX}"
            return self._error("sml.padding", text, at, end)
        whole = payload[: len(payload) - padding]
        return SmlFile(whole, self._offset, self._offset + end, command[2:] != standard)

    def _error(self, code: str, text: str, at: int, end: int) -> DamagedTelegram:
        """The file of which the first `end` bytes of the buffer are passed over; it showed at `at`."""
        return DamagedTelegram(code, text, self._offset + at, self._offset, self._offset + end)

    def _leave_file(self, count: int) -> None:
        self._drop(count)
        self._in_file = False
        self._scanned = 0

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._offset += count


def encode_file(payload: bytes, *, kermit: bool = False) -> bytes:
    """The payload as a file on the wire; `kermit` uses the CRC of some Holley meters."""
    padding = -len(payload) % 4
    body = payload.replace(ESCAPE, ESCAPE + ESCAPE) + bytes(padding)
    file = START + body + ESCAPE + bytes((END_COMMAND, padding))
    return file + sml_checksums(file)[kermit]
