"""Bytes that a person hands over: a file, standard input, or hexadecimal digits on the command line.

Rules:
- what is hexadecimal text (digits, blanks, commas, 0x) is taken as the bytes that it writes down;
- for a protocol of bytes, text that is no hexadecimal is refused, naming its first wrong character: a log
  or a hex dump with offsets would otherwise be searched for telegrams in vain;
- for a protocol of text (Modbus ASCII, D0, P1) any other text is the recording itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

INPUT_BYTES_MAX = 16 * 1024 * 1024
_FILLING = re.compile(rb"0[xX](?=[0-9A-Fa-f])|[\s,;]+")
_DIGITS = re.compile(rb"[0-9A-Fa-f]*+")
_CONTROLS = bytes(byte for byte in (*range(0x20), 0x7F) if byte not in b"\t\r\n\f\v")


class NotBytes(Exception):
    """What was given is no recording. `code` is stable, `fields` fill the text of that code."""

    def __init__(self, code: str, offset: int = 0, **fields: object) -> None:
        super().__init__(code)
        self.code = code
        self.offset = offset
        self.fields = fields


def read_recording(source: str, *, is_text: bool) -> bytes:
    """The bytes of `-`, of a file, or of hexadecimal digits; `is_text`: the protocol's bytes are text.

    NotBytes: input.size, input.unreadable, input.not-found, input.empty, input.odd, input.not-hex.
    """
    if source == "-":
        given = _read(sys.stdin.buffer.read)
    elif _exists(source):
        given = _read_file(Path(source))
    else:
        given = source.encode("utf-8", "surrogateescape")
        if is_text and source.startswith((":", "/")):
            return given
        if decode_hex(given) is None:
            raise NotBytes("input.not-found", name=source[:60])
    if not given.strip():
        raise NotBytes("input.empty")
    return _recorded(given, is_text=is_text)


def _recorded(given: bytes, *, is_text: bool) -> bytes:
    try:
        octets = decode_hex(given)
    except NotBytes:
        if not is_text:
            raise
        octets = None
    if octets is not None:
        return octets
    if not is_text and _is_text(given):
        wrong = _first_wrong(given)
        line = given.count(b"\n", 0, wrong) + 1
        column = wrong - given.rfind(b"\n", 0, wrong)
        character = given[wrong:].decode("utf-8", "replace")[0]
        raise NotBytes("input.not-hex", wrong, character=character, line=line, column=column)
    return given


def _is_text(given: bytes) -> bool:
    """Whether a person or a program wrote characters here, and no recording of bytes."""
    try:
        given.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(given.translate(None, _CONTROLS)) == len(given)


def decode_hex(text: bytes) -> bytes | None:
    """The bytes that hexadecimal text writes down; None where it is none. NotBytes("input.odd")."""
    digits = _FILLING.sub(b"", text)
    if not digits or not _DIGITS.fullmatch(digits):
        return None
    if len(digits) % 2:
        raise NotBytes("input.odd", len(text), digits=len(digits))
    return bytes.fromhex(digits.decode("ascii"))


def _first_wrong(text: bytes) -> int:
    blanked = _FILLING.sub(lambda match: b"0" * len(match[0]), text)
    found = _DIGITS.match(blanked)
    return found.end() if found is not None else 0


def _exists(name: str) -> bool:
    """Hexadecimal digits may be longer than any file's name."""
    try:
        return Path(name).exists()
    except OSError:
        return False


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _read(file.read)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NotBytes("input.unreadable", name=str(path), reason=reason) from None


def _read(read: Callable[[int], bytes]) -> bytes:
    data = read(INPUT_BYTES_MAX + 1)
    if len(data) > INPUT_BYTES_MAX:
        raise NotBytes("input.size", size=f"{INPUT_BYTES_MAX >> 20} MiB")
    return data
