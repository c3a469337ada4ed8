"""A read-out or P1 telegram byte range by byte range: its lines, their data sets, and what guards them.

Both are text in the same grammar (IEC 62056-21, 6.3 and 6.5), so one explanation serves both: the line with
"!" tells a P1 checksum from a block check. Any bytes are explained line by line, in linear time.
"""

from __future__ import annotations

import re

from protocols.checksums import crc16_arc
from protocols.iec62056_21.data_sets import (
    MEDIUM_ELECTRICITY,
    DataSet,
    Stretch,
    Value,
    decode_data_sets,
    obis_of,
    unit_name,
)
from protocols.iec62056_21.framing import ETX, STX
from protocols.iec62056_21.identification import decode_identification
from protocols.iec62056_21.telegram import HEAT_ADDRESSES, MEDIUM_HEAT, block_check
from protocols.obis import format_obis
from protocols.span import NOT_SENT, UNEXPLAINED, Span

_BLANKS = b" \t\r\n\0"
_END = re.compile(rb"!([0-9A-Fa-f]{0,4})\r*\n?\Z")
_HEAT_ADDRESSES = "|".join(map(re.escape, HEAT_ADDRESSES)).encode()
_HEAT = re.compile(rb"(?:\A|[\x02\r\n)])(?:" + _HEAT_ADDRESSES + rb")\(")
LINE_BYTES_MAX = 4096  # of what is read as data sets; the longest recorded line has 1.3 kB


def explain_telegram(data: bytes, start: int = 0) -> list[Span]:
    """What each byte is; `start` is where `data` stood in the input."""
    medium = MEDIUM_HEAT if _HEAT.search(data) else MEDIUM_ELECTRICITY
    return _Walk(data, start, medium).spans()


class _Walk:
    def __init__(self, data: bytes, start: int, medium: int) -> None:
        self._data = data
        self._start = start
        self._medium = medium
        self._at = 0
        self._identified = 0  # where the identification began: a P1 checksum counts from there
        self._block = 0  # where the block check counts from
        self._ended = False
        self._spans: list[Span] = []

    def spans(self) -> list[Span]:
        while self._at < len(self._data):
            if self._data[self._at] == STX and not self._ended:
                self._add(self._at + 1, "d0.stx")
                self._block = self._at
            elif self._data[self._at] == ETX:
                self._etx()
            else:
                self._line()
        return self._spans

    def _add(self, end: int, kind: str, value: str = "", depth: int = 0) -> None:
        if end > self._at:
            self._spans.append(Span(self._start + self._at, self._start + end, kind, value, depth))
            self._at = end

    def _etx(self) -> None:
        covered = self._data[self._block : self._at + 1]
        self._add(self._at + 1, "d0.etx")
        if self._at < len(self._data):
            sent, right = self._data[self._at], block_check(covered)
            kind = "d0.bcc" if sent == right else "d0.bcc-wrong"
            self._add(self._at + 1, kind, f"{right:02X}")

    def _line(self) -> None:
        end = self._data.find(b"\n", self._at, self._at + LINE_BYTES_MAX) + 1
        end = end or min(len(self._data), self._at + LINE_BYTES_MAX)
        line = self._data[self._at : end]
        blanks = len(line) - len(line.lstrip(_BLANKS))
        closing = _END.search(line)
        if blanks:
            self._add(self._at + blanks, "blank")
        elif line.startswith(b"/"):
            self._identify(line, end)
        elif closing is not None:
            self._data_sets(line[: closing.start()])
            self._close(closing, end)
        else:
            self._data_sets(line)

    def _identify(self, line: bytes, end: int) -> None:
        start = self._at
        self._identified, self._ended = start, False
        found = decode_identification(line)
        if found is None:
            self._add(end, "d0.request" if line.startswith(b"/?") else UNEXPLAINED)
            return
        self._add(start + 4, "d0.maker", found.manufacturer)
        self._add(start + 5, "d0.baud", f"{found.baud_character}: {found.baud} baud, {found.mode}")
        self._add(start + 5 + len(found.enhanced), "d0.enhanced", found.enhanced)
        self._add(end, "d0.device", found.device)
        self._block = self._at

    def _close(self, closing: re.Match[bytes], end: int) -> None:
        covered = self._data[self._identified : self._at + 1]
        self._ended = True
        if not closing[1]:
            self._add(end, "d0.end")
            return
        self._add(self._at + 1, "d0.end")
        right = crc16_arc(covered)
        self._add(end, "p1.crc" if int(closing[1], 16) == right else "p1.crc-wrong", f"{right:04X}")

    def _data_sets(self, line: bytes) -> None:
        """Each data set up to the next; what is none between them."""
        place, stop = self._start + self._at, self._at + len(line)
        sets, unread = decode_data_sets(line.decode("latin-1"), place)
        found: list[DataSet | Stretch] = sorted([*sets, *unread], key=lambda each: each.offset)
        ends = [each.offset - self._start for each in found[1:]] + [stop]
        for each, end in zip(found, ends, strict=False):
            if isinstance(each, DataSet):
                kind = "d0.data-set" if each.address else "d0.values"
                self._add(end, kind, self._data_set_text(each), 1)
            else:
                self._add(end, UNEXPLAINED, "", 1)
        self._add(stop, UNEXPLAINED, "", 1)

    def _data_set_text(self, data_set: DataSet) -> str:
        obis = obis_of(data_set.address, self._medium)
        address = data_set.address if obis is None else format_obis(obis)
        return f"{address} {', '.join(map(_value_text, data_set.values))}".strip()


def _value_text(value: Value) -> str:
    text = str(value.content) or NOT_SENT
    return f"{text} {unit_name(value.unit) or value.unit}".rstrip()
