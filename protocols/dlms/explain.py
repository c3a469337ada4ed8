"""A DLMS push byte range by byte range, with the field names of IEC 62056-46 and 62056-5-3.

It walks frames as `framing` and data as `axdr` do, and believes nothing: a frame with a wrong checksum is
explained as far as it is encoded rightly, since a person looks at it to find out what is wrong. What is
ciphered is explained apart, once it is open: `explain_apdu`. Time is linear in the bytes.
"""

from __future__ import annotations

from protocols.checksums import crc16_x25
from protocols.dlms.apdu import (
    BLOCK_HEAD_BYTES,
    DATA_NOTIFICATION,
    GENERAL_BLOCK_TRANSFER,
    LAST_BLOCK,
    LLC_BYTES,
    LLCS,
    decode_notification,
)
from protocols.dlms.axdr import INT8, decode_length
from protocols.dlms.framing import (
    CI_FINAL,
    CI_NUMBER,
    CRC_BYTES,
    FLAG,
    HDLC_BYTES_MIN,
    MBUS_CONTENT_MIN,
    MBUS_HEAD_BYTES,
    MBUS_START,
    SEGMENTED,
    hdlc_header_bytes,
)
from protocols.dlms.security import COUNTER_BYTES, GENERAL_GLO_CIPHERING, TITLE_BYTES, split_ciphered
from protocols.errors import ProtocolError
from protocols.span import UNEXPLAINED, Span, hex_text, octets_text
from protocols.units import DLMS_UNITS

HEAD_BYTES_MAX = 16


def explain_push(data: bytes, start: int = 0) -> list[Span]:
    """What each byte of a stretch is; `start` is where it stood in the input. Any bytes."""
    walk = _Walk(data)
    walk.run()
    return [span._replace(start=span.start + start, end=span.end + start) for span in walk.spans()]


def explain_apdu(apdu: bytes) -> list[Span]:
    """What each byte of an APDU is. Any bytes."""
    spans: list[Span] = []
    try:
        if apdu[:1] == bytes((DATA_NOTIFICATION,)):
            decode_notification(apdu, spans=spans)
        elif apdu[:1] == bytes((GENERAL_GLO_CIPHERING,)):
            spans += _ciphered(apdu)
    except ProtocolError:
        pass  # explained as far as it goes
    return _scales_named(_covering(spans, len(apdu)), apdu)


def _scales_named(spans: list[Span], apdu: bytes) -> list[Span]:
    """Structures of an integer of one byte and an enum are scaler and unit."""
    named = list(spans)
    for at in range(len(spans) - 2):
        head, scaler, unit = spans[at : at + 3]
        is_scale = (head.kind, head.value, unit.kind) == ("dlms.structure", "2", "dlms.enum")
        if is_scale and apdu[scaler.start] == INT8:
            code = int(unit.value)
            name = f"{code} = {DLMS_UNITS[code]}" if code in DLMS_UNITS else unit.value
            named[at + 1] = scaler._replace(kind="dlms.scaler", value=f"10^{scaler.value}")
            named[at + 2] = unit._replace(kind="dlms.unit", value=name)
    return named


def _covering(spans: list[Span], size: int) -> list[Span]:
    """The spans without empty ones, and one for each hole."""
    covered: list[Span] = []
    at = 0
    for span in sorted(spans, key=lambda each: each.start):
        if span.end <= max(at, span.start):
            continue
        if span.start > at:
            covered.append(Span(at, span.start, UNEXPLAINED))
        covered.append(span._replace(start=max(at, span.start)))
        at = span.end
    return covered + ([Span(at, size, UNEXPLAINED)] if at < size else [])


def _ciphered(apdu: bytes) -> list[Span]:
    ciphered, end = split_ciphered(apdu)
    title = 2 + TITLE_BYTES
    length = decode_length(apdu, title)[1]
    counter = length + 1
    content = counter + COUNTER_BYTES
    tag = end - len(ciphered.tag)
    name = ciphered.system_title
    return [
        Span(0, 2, "dlms.ciphered"),
        Span(2, title, "dlms.title", f"{octets_text(name[:3])} {hex_text(name[3:])}"),
        Span(title, length, "dlms.length", str(end - length)),
        Span(length, counter, "dlms.security", hex_text(bytes((ciphered.control,)))),
        Span(counter, content, "dlms.counter", str(ciphered.counter)),
        Span(content, tag, "dlms.ciphertext"),
        Span(tag, end, "dlms.tag"),
    ]


class _Walk:
    """Goes from frame to frame and collects the bytes of the APDU."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._spans: list[Span] = []
        self._pieces: list[tuple[int, int]] = []  # of the APDU: place and size
        self._more = False

    def run(self) -> None:
        """All frames, as far as they follow each other."""
        at = 0
        while at < len(self._data):
            first = self._data[at]
            end = self._hdlc(at) if first == FLAG else self._mbus(at) if first == MBUS_START else at
            if end == at:
                break
            at = end
        if at == 0:
            self._information(0, len(self._data), is_first=True)

    def spans(self) -> list[Span]:
        """Those of the frames, and between them those of the APDU."""
        apdu = b"".join(self._data[at : at + size] for at, size in self._pieces)
        inner = iter(explain_apdu(apdu))
        placed = list(self._spans)
        span = next(inner, None)
        before = 0
        for at, size in self._pieces:
            while span is not None and span.start < before + size:
                end = min(span.end, before + size)
                value = span.value if end == span.end else ""
                placed.append(
                    Span(at + span.start - before, at + end - before, span.kind, value, span.depth + 1)
                )
                span = next(inner, None) if end == span.end else span._replace(start=end)
            before += size
        return _covering(placed, len(self._data))

    def _add(self, start: int, end: int, kind: str, value: str = "", depth: int = 0) -> None:
        self._spans.append(Span(start, min(end, len(self._data)), f"dlms.{kind}", value, depth))

    def _hdlc(self, at: int) -> int:
        """The frame at this flag; returns the place behind it, or `at` where none begins."""
        data = self._data
        if data[at + 1 : at + 2] == bytes((FLAG,)) or at + 1 == len(data):
            self._add(at, at + 1, "flag")
            return at + 1
        head = data[at : at + HEAD_BYTES_MAX]
        header = hdlc_header_bytes(head)
        length = (head[1] & 0x07) << 8 | head[2] if len(head) > 2 else 0
        if header <= 0 or length < HDLC_BYTES_MIN or head[1] & 0xF0 != 0xA0:
            return at
        more = bool(head[1] & SEGMENTED)
        self._add(at, at + 1, "flag")
        self._add(at + 1, at + 3, "format", f"{length}{' +' if more else ''}")
        destination = next(place for place in range(3, header) if head[place] & 1) + 1
        self._add(at + 3, at + destination, "destination", hex_text(head[3:destination]), 1)
        self._add(at + destination, at + header - 1, "source", hex_text(head[destination : header - 1]), 1)
        self._add(at + header - 1, at + header, "control", hex_text(head[header - 1 : header]), 1)
        fcs = at + length + 1 - CRC_BYTES
        inside = min(at + header + CRC_BYTES, fcs)
        self._checksum("hcs", at + 1, at + header)
        self._information(inside, min(fcs, len(data)), is_first=not self._more)
        self._more = more
        if fcs < len(data):
            self._checksum("fcs", at + 1, fcs)
        if fcs + CRC_BYTES < len(data) and data[fcs + CRC_BYTES] == FLAG:
            self._add(fcs + CRC_BYTES, fcs + CRC_BYTES + 1, "flag")
            return fcs + CRC_BYTES + 1
        return min(fcs + CRC_BYTES, len(data))

    def _checksum(self, kind: str, start: int, at: int) -> None:
        sent = self._data[at : at + CRC_BYTES]
        right = crc16_x25(self._data[start:at]).to_bytes(CRC_BYTES, "little")
        self._add(at, at + CRC_BYTES, kind if sent == right else f"{kind}-wrong", hex_text(right), 1)

    def _mbus(self, at: int) -> int:
        """The M-Bus frame that begins here; returns the place behind it, or `at` where none does."""
        data = self._data
        inside = at + MBUS_HEAD_BYTES + MBUS_CONTENT_MIN
        if len(data) < inside or data[at + 1] < MBUS_CONTENT_MIN or data[at + 3] != MBUS_START:
            return at
        end = at + MBUS_HEAD_BYTES + data[at + 1]
        ci = data[at + 6]
        self._add(at, at + 4, "mbus-start", str(data[at + 1]))
        self._add(at + 4, at + 6, "mbus-address", hex_text(data[at + 4 : at + 6]), 1)
        last = " =" if ci & CI_FINAL else " +"
        self._add(at + 6, at + 7, "mbus-segment", f"{ci & CI_NUMBER}{last}", 1)
        self._add(at + 7, inside, "mbus-service", hex_text(data[at + 7 : inside]), 1)
        self._information(inside, min(end, len(data)), is_first=ci & CI_NUMBER == 0)
        if end < len(data):
            right = bytes((sum(data[at + MBUS_HEAD_BYTES : end]) & 0xFF,))
            is_right = data[end : end + 1] == right
            self._add(end, end + 1, "fcs" if is_right else "fcs-wrong", hex_text(right), 1)
            self._add(end + 1, end + 2, "mbus-end")
        return min(end + 2, len(data))

    def _information(self, at: int, end: int, *, is_first: bool) -> None:
        """What a frame brings of the APDU."""
        if is_first and self._data[at : at + LLC_BYTES] in LLCS:
            self._add(at, at + LLC_BYTES, "llc", hex_text(self._data[at : at + LLC_BYTES]), 1)
            at += LLC_BYTES
        if is_first and self._data[at : at + 1] == bytes((GENERAL_BLOCK_TRANSFER,)):
            head = self._data[at : at + BLOCK_HEAD_BYTES]
            try:
                inside = decode_length(self._data, at + BLOCK_HEAD_BYTES)[1]
            except ProtocolError:
                return
            number = int.from_bytes(head[2:4], "big")
            last = " =" if head[1] & LAST_BLOCK else " +"
            self._add(at, min(inside, end), "block", f"{number}{last}", 1)
            at = inside
        if end > at:
            self._pieces.append((at, end - at))
