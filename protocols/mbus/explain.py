"""An M-Bus frame byte range by byte range, in the terms of EN 13757-2 and -3.

It believes nothing: a frame that is cut, or whose checksum is wrong, is explained as far as its bytes tell,
since a person looks at it to find out what is wrong.
"""

from __future__ import annotations

from protocols.errors import ProtocolError
from protocols.mbus.address import decode_maker
from protocols.mbus.fixed import COUNTER_BYTES, FIXED_BYTES, decode_fixed
from protocols.mbus.frames import (
    ACK,
    HEADER_BYTES,
    SHORT_BYTES,
    SHORT_START,
    STOP,
    checksum,
    header_is_right,
)
from protocols.mbus.records import (
    FILLER,
    FUNCTIONS,
    MANUFACTURER_DATA,
    MORE_FOLLOWS,
    Layout,
    MbusRecord,
    decode_record,
    lay_out,
)
from protocols.mbus.telegram import (
    APPLICATION_ERROR,
    ENCRYPTION_MODES,
    FIXED,
    FRAME_HEAD_BYTES,
    HEADER_SIZES,
    layout_of,
)
from protocols.mbus.vif import Meaning, head_of, meaning_of
from protocols.span import UNEXPLAINED, Span, hex_text

RESET, SEND_DATA, SELECT = 0x50, 0x51, 0x52
FROM_MASTER_CI = (RESET, SEND_DATA, SELECT, *range(0xB8, 0xC0))  # the last: set the baud rate
_CONTROLS = {
    0x40: "SND_NKE",
    0x53: "SND_UD",
    0x73: "SND_UD",
    0x5A: "REQ_UD1",
    0x7A: "REQ_UD1",
    0x5B: "REQ_UD2",
    0x7B: "REQ_UD2",
}
_RSP_UD_BITS = 0x4F
_RSP_UD = 0x08
_LONG_HEADER = (
    ("id", 4),
    ("manufacturer", 2),
    ("version", 1),
    ("medium", 1),
    ("access", 1),
    ("status", 1),
    ("configuration", 2),
)
_SELECTION = _LONG_HEADER[:4]


def explain_frame(frame: bytes, start: int = 0) -> list[Span]:
    """What each byte of a frame is; `start` is where it stood in the input.

    Any bytes: what is no frame comes out as one span of kind `span.UNEXPLAINED`.
    """
    if frame == ACK:
        return [Span(start, start + 1, "mbus.ack")]
    if len(frame) == SHORT_BYTES and frame[0] == SHORT_START:
        return _explain_short(frame, start)
    if not header_is_right(frame) or len(frame) <= HEADER_BYTES:
        return [Span(start, start + len(frame), UNEXPLAINED)] if frame else []
    return _Walk(frame, start).spans()


def control_text(control: int) -> str:
    """`08 RSP_UD`, `7B REQ_UD2`."""
    name = "RSP_UD" if control & _RSP_UD_BITS == _RSP_UD else _CONTROLS.get(control, "")
    return f"{control:02X} {name}".rstrip()


def _explain_short(frame: bytes, start: int) -> list[Span]:
    return [
        Span(start, start + 1, "mbus.short"),
        Span(start + 1, start + 2, "mbus.control", control_text(frame[1])),
        Span(start + 2, start + 3, "mbus.address", str(frame[2])),
        _sum(frame[1:3], frame[3], start + 3),
        _stop(frame[4], start + 4),
    ]


def _sum(covered: bytes, sent: int, at: int) -> Span:
    right = checksum(covered)
    kind = "mbus.checksum" if sent == right else "mbus.checksum-wrong"
    return Span(at, at + 1, kind, f"{right:02X}")


def _stop(byte: int, at: int) -> Span:
    return Span(at, at + 1, "mbus.stop" if byte == STOP else UNEXPLAINED)


class _Walk:
    """Goes through a long frame, whole or cut."""

    def __init__(self, frame: bytes, start: int) -> None:
        self._frame = frame
        self._start = start
        self._size = frame[1] + 6
        self._body_end = min(len(frame), self._size - 2)
        self._spans: list[Span] = []
        self._done = 0

    def spans(self) -> list[Span]:
        frame, end = self._frame, self._body_end
        self._take(HEADER_BYTES, "start", str(frame[1]))
        self._take(1, "control", control_text(frame[4]))
        if len(frame) > 5:
            self._take(1, "address", str(frame[5]))
        if len(frame) > FRAME_HEAD_BYTES - 1:
            self._take(1, "ci", f"{frame[6]:02X}")
            self._application(frame[6])
        self._rest(end)
        if len(frame) > end:
            self._spans.append(_sum(frame[HEADER_BYTES:end], frame[end], self._start + end))
        if len(frame) > end + 1:
            self._spans.append(_stop(frame[end + 1], self._start + end + 1))
        self._done = min(len(frame), self._size)
        self._rest(len(frame))
        return self._spans

    def _take(self, count: int, kind: str, value: str = "", depth: int = 0) -> None:
        end = min(self._done + count, len(self._frame))
        if end > self._done:
            self._spans.append(
                Span(self._start + self._done, self._start + end, f"mbus.{kind}", value, depth)
            )
        self._done = end

    def _rest(self, end: int) -> None:
        if end > self._done:
            self._spans.append(Span(self._start + self._done, self._start + end, UNEXPLAINED))
            self._done = end

    def _application(self, ci: int) -> None:
        if ci == SELECT:
            self._fields(_SELECTION, high_byte_first=False)
        if ci in (SELECT, SEND_DATA):
            self._records(high_byte_first=False)
            return
        try:
            layout, high_byte_first = layout_of(ci)
        except ProtocolError:
            return
        if layout == APPLICATION_ERROR:
            if self._body_end > self._done:
                self._take(1, "application-error", str(self._frame[self._done]))
        elif layout == FIXED:
            self._fixed(high_byte_first=high_byte_first)
        else:
            size = HEADER_SIZES[layout]
            fields = _LONG_HEADER if size == HEADER_SIZES[0x72] else _LONG_HEADER[4:] if size else ()
            if self._fields(fields, high_byte_first=high_byte_first):
                self._take(self._body_end - self._done, "encrypted")
            else:
                self._records(high_byte_first=high_byte_first)

    def _fields(self, fields: tuple[tuple[str, int], ...], *, high_byte_first: bool) -> bool:
        """The fields of a header; whether they say that what follows is encrypted."""
        mode = 0
        for name, size in fields:
            piece = self._frame[self._done : min(self._done + size, self._body_end)]
            if len(piece) < size:
                return False
            number = int.from_bytes(piece, "big" if high_byte_first else "little")
            if name == "configuration":
                mode = number >> 8 & 0x1F
            self._take(size, name, _field_text(name, number))
        return mode in ENCRYPTION_MODES

    def _fixed(self, *, high_byte_first: bool) -> None:
        data = self._frame[self._done : self._body_end]
        if len(data) != FIXED_BYTES:
            return
        fixed = decode_fixed(data, high_byte_first=high_byte_first)
        self._take(4, "id", fixed.id)
        self._take(1, "access", str(fixed.access))
        self._take(1, "status", _field_text("status", fixed.status))
        self._take(2, "medium-units", str(fixed.medium))
        for record in fixed.records:
            self._take(COUNTER_BYTES, "counter", _value_text(record))

    def _records(self, *, high_byte_first: bool) -> None:
        data = self._frame[: self._body_end]
        while self._done < len(data):
            dif = data[self._done]
            if dif == FILLER:
                self._take(1, "filler")
            elif dif in (MANUFACTURER_DATA, MORE_FOLLOWS):
                self._take(1, "manufacturer-follows" if dif == MANUFACTURER_DATA else "more-follows")
                self._take(len(data) - self._done, "manufacturer-data")
            elif not self._record(data, high_byte_first=high_byte_first):
                return

    def _record(self, data: bytes, *, high_byte_first: bool) -> bool:
        at = self._done
        try:
            layout = lay_out(data, at)
        except ProtocolError:
            return False
        record = decode_record(data, at, layout, high_byte_first=high_byte_first)
        self._take(1, "dif", _dif_text(layout, record))
        self._take(layout.head.end - self._done, "dife", _place_text(record), 1)
        meaning, vife = head_of(record.vib)
        self._take(len(record.vib) - len(vife), "vif", _meaning_text(meaning), 1)
        whole = meaning_of(record.vib)
        self._take(len(vife), "vife", ", ".join((*_scale_text(whole), *whole.qualifiers, *_error(whole))), 1)
        self._take(layout.data_start - self._done, "lvar", str(layout.end - layout.data_start), 1)
        self._take(layout.end - self._done, "data", _value_text(record), 1)
        return True


def _field_text(name: str, number: int) -> str:
    match name:
        case "id":
            return f"{number:08X}"
        case "manufacturer":
            return decode_maker(number)
        case "version":
            return f"{number:02X}"
        case "status":
            return f"{number:08b}"
        case "configuration":
            return f"{number:04X}"
        case _:
            return str(number)


def _dif_text(layout: Layout, record: MbusRecord) -> str:
    storage = layout.head.dif >> 6 & 1
    function = FUNCTIONS[layout.head.dif >> 4 & 3]
    return f"{record.coding}, {function}" + (", storage +1" if storage else "")


def _place_text(record: MbusRecord) -> str:
    return f"storage {record.storage}, tariff {record.tariff}, subunit {record.subunit}"


def _meaning_text(meaning: Meaning) -> str:
    return ", ".join((meaning.kind, *_scale_text(meaning)))


def _scale_text(meaning: Meaning) -> tuple[str, ...]:
    """By what the number is multiplied, and its unit; nothing for a plain number."""
    power = f"10^{meaning.exponent}" if meaning.exponent else ""
    unit = "" if meaning.unit == "1" else meaning.unit
    text = f"{power} {unit}".strip()
    return (text,) if text else ()


def _error(meaning: Meaning) -> tuple[str, ...]:
    return (meaning.error,) if meaning.error else ()


def _value_text(record: MbusRecord) -> str:
    value = record.value
    if value is None:
        return record.reason
    text = hex_text(value) if isinstance(value, bytes) else str(value)
    return text if record.unit in ("", "1") else f"{text} {record.unit}"
