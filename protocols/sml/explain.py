"""An SML file byte range by byte range, with the field names of the specification (SML 1.04, 5, 6 and 8).

It walks the same elements as `messages`, and believes nothing: a file with a wrong checksum or with
messages of any kind is explained as far as it is encoded rightly, since a person looks at it to find out
what is wrong. Depth and list length are bounded by `tlv`; time is linear in the file.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left

from protocols.errors import ProtocolError
from protocols.obis import OBIS_BYTES, format_obis
from protocols.sml.messages import MESSAGE_ELEMENTS
from protocols.sml.tlv import (
    DEPTH_MAX,
    END_OF_MESSAGE,
    LIST,
    LIST_ELEMENTS_MAX,
    Element,
    Number,
    decode_element,
    decode_length,
)
from protocols.sml.transport import (
    END_COMMAND,
    ESCAPE,
    ESCAPED_BYTES,
    PADDING_MAX,
    START,
    sml_checksums,
)
from protocols.span import NOT_SENT, UNEXPLAINED, Span, hex_text, octets_text
from protocols.units import DLMS_UNITS
from protocols.value import Scaled

MESSAGE_NAMES = {
    0x0100: "PublicOpen.Req",
    0x0101: "PublicOpen.Res",
    0x0200: "PublicClose.Req",
    0x0201: "PublicClose.Res",
    0x0300: "GetProfilePack.Req",
    0x0301: "GetProfilePack.Res",
    0x0400: "GetProfileList.Req",
    0x0401: "GetProfileList.Res",
    0x0500: "GetProcParameter.Req",
    0x0501: "GetProcParameter.Res",
    0x0600: "SetProcParameter.Req",
    0x0601: "SetProcParameter.Res",
    0x0700: "GetList.Req",
    0x0701: "GetList.Res",
    0xFF01: "Attention.Res",
}
_BODIES = {0x0101: "open", 0x0201: "close", 0x0701: "get-list"}
_LISTS = {
    "body": ("body-tag", "content"),
    "open": ("codepage", "client-id", "file-id", "server-id", "ref-time", "version"),
    "close": ("signature",),
    "get-list": (
        *("client-id", "server-id", "list-name", "sensor-time"),
        *("values", "list-signature", "gateway-time"),
    ),
    "entry": ("obis", "status", "entry-time", "unit", "scaler", "value", "value-signature"),
    "time": ("time-choice", "time-value"),
    "local-time": ("time-value", "local-offset", "season-offset"),
}
_TIMES = ("ref-time", "sensor-time", "gateway-time", "entry-time")
_DATED = (2, 3)  # choices of SML_Time: timestamp, local timestamp; 1 is an index of seconds
_DATE_SECONDS_MAX = 1 << 32
_SCALER_LIMIT = 128


def explain_file(file: bytes, start: int = 0) -> list[Span]:
    """What each byte of a file is, from its start escape on; `start` is where it stood in the input.

    Any bytes: what is no SML comes out as one span of kind `span.UNEXPLAINED`.
    """
    if not file.startswith(START):
        return _rest(start, start + len(file), 0)
    escapes, end = _scan(file)
    ends_right = file[end : end + 4] == ESCAPE and len(file) >= end + ESCAPED_BYTES
    command = file[end + 4 : end + ESCAPED_BYTES]
    is_end = ends_right and command[0] == END_COMMAND
    payload = file[len(START) : end].replace(ESCAPE + ESCAPE, ESCAPE)
    padding = command[1] if is_end and command[1] <= min(PADDING_MAX, len(payload)) else 0
    walk = _Walk(payload[: len(payload) - padding], escapes, start + len(START))
    spans = [Span(start, start + len(START), "sml.start"), *walk.spans()]
    if padding:
        spans.append(Span(start + end - padding, start + end, "sml.padding"))
    if is_end:
        spans.append(Span(start + end, start + end + 6, "sml.end", str(command[1])))
        spans.append(_checksum(file[: end + 6], command[2:], start + end + 6))
        end += ESCAPED_BYTES
    return spans + _rest(start + end, start + len(file), 0)


def _scan(file: bytes) -> tuple[list[int], int]:
    """Where in the payload escaped escapes stand, and where in the file the payload ends."""
    escapes: list[int] = []
    at = len(START)
    while True:
        at = file.find(ESCAPE, at)
        if at < 0:
            return escapes, len(file)
        if file[at + 4 : at + ESCAPED_BYTES] != ESCAPE:
            return escapes, at
        escapes.append(at - len(START) - 4 * len(escapes))
        at += ESCAPED_BYTES


def _checksum(covered: bytes, sent: bytes, at: int) -> Span:
    right = sml_checksums(covered)
    if sent in right:
        return Span(at, at + 2, "sml.file-crc", hex_text(sent))
    return Span(at, at + 2, "sml.file-crc-wrong", hex_text(right[0]))


def _rest(start: int, end: int, depth: int) -> list[Span]:
    return [Span(start, end, UNEXPLAINED, "", depth)] if end > start else []


class _Walk:
    """The elements of a payload, each with its name; remembers what a later field needs."""

    def __init__(self, payload: bytes, escapes: list[int], start: int) -> None:
        self._payload = payload
        self._escapes = escapes
        self._start = start
        self._spans: list[Span] = []
        self._done = 0  # explained up to here
        self._tag = self._choice = 0
        self._unit: int | None = None
        self._scaler = 0

    def spans(self) -> list[Span]:
        try:
            at = 0
            while at < len(self._payload):
                at = self._message(at)
        except ProtocolError:
            return self._spans + _rest(self._place(self._done), self._place(len(self._payload)), 1)
        return self._spans

    def _place(self, at: int) -> int:
        """Where a place of the payload stood in the input: each escape before it was sent twice."""
        return self._start + at + 4 * bisect_left(self._escapes, at)

    def _add(self, at: int, end: int, name: str, value: str, depth: int) -> int:
        self._spans.append(Span(self._place(at), self._place(end), f"sml.{name}", value, depth))
        self._done = end
        return end

    def _message(self, start: int) -> int:
        if self._payload[start] == END_OF_MESSAGE:
            return self._add(start, start + 1, "fill", "", 0)
        kind, length, inside = decode_length(self._payload, start)
        if (kind, length) != (LIST, MESSAGE_ELEMENTS):
            raise ProtocolError("sml.message", "no SML message begins here", start)
        at = self._add(start, inside, "message", str(length), 0)
        for name in ("transaction", "group", "abort", "body"):
            at = self._element(at, name, 1)
        crc, end = decode_element(self._payload, at)
        at = self._message_crc(crc, self._payload[start:at], at, end)
        if self._payload[at : at + 1] != bytes((END_OF_MESSAGE,)):
            raise ProtocolError("sml.message", "the message has no end", at)
        return self._add(at, at + 1, "message-end", "", 1)

    def _message_crc(self, crc: Element, covered: bytes, at: int, end: int) -> int:
        right = sml_checksums(covered)
        sent = crc.integer.to_bytes(8, "big")[-2:] if isinstance(crc, Number) and crc.integer >= 0 else b""
        if sent in right:
            return self._add(at, end, "message-crc", hex_text(sent), 1)
        return self._add(at, end, "message-crc-wrong", hex_text(right[0]), 1)

    def _element(self, at: int, name: str, depth: int) -> int:
        kind, length, inside = decode_length(self._payload, at)
        if kind == LIST:
            return self._list(at, inside, length, name, depth)
        element, end = decode_element(self._payload, at)
        value = NOT_SENT if element is None else self._text(name, element)
        return self._add(at, end, name, value, depth)

    def _list(self, at: int, inside: int, length: int, name: str, depth: int) -> int:
        if length > min(LIST_ELEMENTS_MAX, len(self._payload) - inside) or depth > DEPTH_MAX:
            raise ProtocolError("sml.list", f"a list of {length} elements where they cannot be", at)
        if name == "entry":
            self._unit, self._scaler = None, 0
        body = _BODIES.get(self._tag, name) if name == "content" else name
        at = self._add(at, inside, body, str(length), depth)
        names = self._names(body)
        for place in range(length):
            each = "entry" if body == "values" else names[place] if place < len(names) else "element"
            at = self._element(at, each, depth + 1)
        return at

    def _names(self, name: str) -> tuple[str, ...]:
        if name in _TIMES:
            return _LISTS["time"]
        return _LISTS.get("local-time" if name == "time-value" else name, ())

    def _text(self, name: str, element: Element) -> str:
        if isinstance(element, Number):
            return self._number_text(name, element.integer)
        if isinstance(element, bytes):
            if name == "obis" and len(element) == OBIS_BYTES:
                return format_obis(element)
            return hex_text(element) if name in ("server-id", "transaction") else octets_text(element)
        return str(element).lower()

    def _number_text(self, name: str, integer: int) -> str:
        text = str(integer)
        match name:
            case "body-tag":
                self._tag = integer
                text = f"{integer:04X} {MESSAGE_NAMES.get(integer, '')}".rstrip()
            case "time-choice":
                self._choice = integer
            case "time-value" if self._choice in _DATED and 0 <= integer < _DATE_SECONDS_MAX:
                text = dt.datetime.fromtimestamp(integer, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
            case "status":
                text = f"{integer:#x}"
            case "unit":
                self._unit = integer
                text = f"{integer} = {DLMS_UNITS[integer]}" if integer in DLMS_UNITS else text
            case "scaler":
                self._scaler = integer if abs(integer) <= _SCALER_LIMIT else 0
                text = f"10^{integer}"
            case "value":
                unit = DLMS_UNITS.get(self._unit or 0, "1")
                text = f"{Scaled(integer, self._scaler)} {unit if unit != '1' else ''}".rstrip()
        return text
