"""An encrypted P1 frame byte range by byte range (Luxmetering P1 1.1.3, 3.2.5); no key is needed for it.

The telegram inside is explained by `protocols.iec62056_21.explain`, as a plain one is.
"""

from __future__ import annotations

from protocols.p1.encryption import TAG_BYTES, TITLE_BYTES
from protocols.span import UNEXPLAINED, Span, hex_text, octets_text

START = b"\xdb\x08"


def explain_frame(frame: bytes, start: int = 0) -> list[Span]:
    """What each byte of a frame is, from DB 08 on; `start` is where it stood in the input. Any bytes."""
    if not frame.startswith(START) or len(frame) < len(START) + TITLE_BYTES + 1:
        return [Span(start, start + len(frame), UNEXPLAINED)] if frame else []
    title = len(START) + TITLE_BYTES
    length = frame[title] & 0x7F if frame[title] & 0x80 else 0
    counter = title + 1 + length + 1
    announced = frame[title + 1 : title + 1 + length] or frame[title : title + 1]
    name = frame[len(START) : title]
    places = [
        (len(START), "p1.start", ""),
        (title, "p1.title", f"{octets_text(name[:3])} {hex_text(name[3:])}"),
        (title + 1 + length, "p1.length", str(int.from_bytes(announced, "big"))),
        (counter, "p1.security", hex_text(frame[counter - 1 : counter])),
        (counter + 4, "p1.counter", str(int.from_bytes(frame[counter : counter + 4], "big"))),
        (len(frame) - TAG_BYTES, "p1.ciphertext", ""),
        (len(frame), "p1.tag", ""),
    ]
    spans: list[Span] = []
    at = 0
    for end, kind, value in places:
        end = min(end, len(frame))  # noqa: PLW2901 - a frame may be cut anywhere
        if end > at:
            spans.append(Span(start + at, start + end, kind, value))
            at = end
    return spans
