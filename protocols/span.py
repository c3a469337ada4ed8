"""What each byte of a telegram is, for people: the common form in which codecs explain recorded bytes.

Rules that keep it so:
- a codec's `explain` gives spans in order that touch and never overlap, and together cover the telegram;
- `kind` is a stable name (`"sml.scaler"`) for which the reader's language has its words;
- `value` is the same in every language: numbers, codes, hexadecimal, text as the device sent it;
- any bytes are explained as far as they go; the rest is one span of the kind `UNEXPLAINED`.
"""

from __future__ import annotations

from typing import NamedTuple

UNEXPLAINED = "rest"
NOT_SENT = "-"  # the value of an optional field that the device left out


class Span(NamedTuple):
    """Bytes `start` to `end` (behind the last) of the input. `depth`: how deep within lists or records."""

    start: int
    end: int
    kind: str
    value: str = ""
    depth: int = 0


def hex_text(data: bytes) -> str:
    """Bytes as a manual writes them: `1B 1B 1B 1B`."""
    return data.hex(" ").upper()


def octets_text(data: bytes, separator: str = " ") -> str:
    """Octets as the text they are, where all are printable ASCII, else in hexadecimal."""
    is_text = data != b"" and all(0x20 <= byte < 0x7F for byte in data)
    return data.decode("ascii") if is_text else hex_text(data).replace(" ", separator)
