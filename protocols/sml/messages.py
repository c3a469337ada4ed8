"""SML messages and what a meter pushes in them (SML 1.04, sections 5 and 6).

A meter pushes a file of three messages: PublicOpenResponse, GetListResponse with the values,
PublicCloseResponse. Only the middle one tells anything; other kinds are read over. Real meters leave
optional fields out in ways of their own, so a field counts where its place and type are right and is
None otherwise; an object's name and the list that holds them are not optional.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from protocols.errors import ProtocolError
from protocols.obis import OBIS_BYTES
from protocols.sml.tlv import (
    END_OF_MESSAGE,
    LIST,
    Element,
    Number,
    decode_element,
    decode_length,
    encode_element,
)
from protocols.sml.transport import SmlFile, encode_file, sml_checksums
from protocols.value import Scaled

OPEN_RESPONSE = 0x0101
CLOSE_RESPONSE = 0x0201
GET_LIST_RESPONSE = 0x0701

MESSAGE_ELEMENTS = 6  # transaction, group, abort on error, body, CRC, end
LIST_ELEMENTS_MIN = 5  # client, server, list name, sensor time, values; signature and gateway time follow
ENTRY_ELEMENTS_MIN = 6  # name, status, time, unit, scaler, value; a signature follows
SCALER_MIN, SCALER_MAX = -128, 127  # Integer8

DZG_POWER = bytes((1, 0, 16, 7, 0, 255))
DZG_BYTES_MAX = 3

SmlTimeKind = Literal["index", "utc", "local"]
_TIME_KINDS: dict[int, SmlTimeKind] = {1: "index", 2: "utc", 3: "local"}


class SmlTime(NamedTuple):
    """A meter's own time in s: "index" counts its operation, "utc" and "local" are from 1970 on."""

    kind: SmlTimeKind
    seconds: int


class SmlValue(NamedTuple):
    """One object. `unit` is the DLMS unit code, `status` the meter's status word; None where not sent."""

    obis: bytes
    value: Scaled | bytes | bool | None
    unit: int | None = None
    status: int | None = None
    time: SmlTime | None = None


class SmlTelegram(NamedTuple):
    """One list of values. `server_id` names the meter; `offset` is where its file began in the stream.

    `message_crc_good`: the message's own CRC fits too. The file's CRC, which is always right here, covers
    the same bytes, so a wrong one is the sender's mistake and not the line's: recordings with one exist.
    """

    server_id: bytes
    values: tuple[SmlValue, ...]
    offset: int
    list_name: bytes = b""
    time: SmlTime | None = None
    message_crc_good: bool = True


class _Message(NamedTuple):
    tag: int
    body: list[Element]
    crc_good: bool


def decode_file(file: SmlFile, *, dzg_sign_quirk: bool = False) -> list[SmlTelegram]:
    """The value lists of a file, in order; ProtocolError where it is not SML or holds no list.

    `dzg_sign_quirk`: a DZG DVS 7412 sends total power (1-0:16.7.0) that is positive in one to three bytes
    marked as signed: recorded as -299.12 W for 356.24 W. A DVS 7420 and a DWSB20 of the same maker send
    true negatives in two and three bytes, so that neither maker nor bytes tell; it is said of one meter.
    """
    try:
        messages = list(_decode_messages(file.payload))
        _check_kermit(file, messages)
        server_of_open = next((_octets(m.body, 3) for m in messages if m.tag == OPEN_RESPONSE), b"")
        telegrams = [
            _decode_list(message, file.offset, server_of_open, dzg_sign_quirk=dzg_sign_quirk)
            for message in messages
            if message.tag == GET_LIST_RESPONSE
        ]
    except ProtocolError as error:
        within = error.offset or 0  # in the payload; START stands before it
        raise ProtocolError(error.code, error.text, file.offset + 8 + within) from None
    if not telegrams:
        raise ProtocolError("sml.no_list", "the file holds no list of values", file.offset)
    return telegrams


def _check_kermit(file: SmlFile, messages: Sequence[_Message]) -> None:
    """Where two checksums are tried, damage passes twice as often; so the second one counts only with its
    messages' own. (With the standard's, recorded meters are right whose messages' are wrong.)"""
    if file.kermit and not all(message.crc_good for message in messages):
        raise ProtocolError("sml.crc", "the file's checksum is only right as Kermit, a message's is wrong")


def _decode_messages(payload: bytes) -> Iterator[_Message]:
    at = 0
    while at < len(payload):
        if payload[at] == END_OF_MESSAGE:  # padding that the padding count does not cover
            at += 1
            continue
        message, at = _decode_message(payload, at)
        yield message


def _decode_message(payload: bytes, start: int) -> tuple[_Message, int]:
    kind, length, at = decode_length(payload, start)
    if (kind, length) != (LIST, MESSAGE_ELEMENTS):
        raise ProtocolError("sml.message", "no SML message begins here", start)
    for _ in range(3):  # transaction, group, abort on error: of no use to a listener
        _, at = decode_element(payload, at)
    body, crc_at = decode_element(payload, at)
    crc, at = decode_element(payload, crc_at)
    if payload[at : at + 1] != bytes((END_OF_MESSAGE,)):
        raise ProtocolError("sml.message", "the message has no end", at)
    crc_good = _is_crc_good(crc, payload[start:crc_at])
    match body:
        case [Number(integer=tag), list(content)]:
            return _Message(tag, content, crc_good), at + 1
        case _:
            return _Message(0, [], crc_good), at + 1


def _is_crc_good(crc: Element, covered: bytes) -> bool:
    """Whether a message's own CRC fits; sent as a number, in one byte where the first is 00."""
    if not isinstance(crc, Number) or crc.signed or crc.integer > 0xFFFF:
        return False
    return crc.integer.to_bytes(2, "big") in sml_checksums(covered)


def _decode_list(
    message: _Message, offset: int, server_of_open: bytes, *, dzg_sign_quirk: bool
) -> SmlTelegram:
    body = message.body
    if len(body) < LIST_ELEMENTS_MIN or not isinstance(body[4], list):
        raise ProtocolError("sml.values", "a GetListResponse without a list of values")
    values = tuple(_decode_value(entry, dzg_sign_quirk=dzg_sign_quirk) for entry in body[4])
    server_id = _octets(body, 1) or server_of_open
    time = _decode_time(body[3])
    return SmlTelegram(server_id, values, offset, _octets(body, 2), time, message.crc_good)


def _decode_value(entry: Element, *, dzg_sign_quirk: bool) -> SmlValue:
    if not isinstance(entry, list) or len(entry) < ENTRY_ELEMENTS_MIN:
        raise ProtocolError("sml.entry", "a list entry without its fields")
    obis, status, time, unit, scaler, value = entry[:ENTRY_ELEMENTS_MIN]
    if not isinstance(obis, bytes) or len(obis) != OBIS_BYTES:
        raise ProtocolError("sml.object", "a list entry without the six bytes of its object")
    exponent = _integer(scaler) or 0
    if not SCALER_MIN <= exponent <= SCALER_MAX:
        raise ProtocolError("sml.scaler", f"10^{exponent} is no scaler")
    if isinstance(value, Number):
        unsigned = dzg_sign_quirk and obis == DZG_POWER and value.size_bytes <= DZG_BYTES_MAX
        integer = value.integer % (1 << 8 * value.size_bytes) if unsigned else value.integer
        return SmlValue(obis, Scaled(integer, exponent), _integer(unit), _integer(status), _decode_time(time))
    plain = None if isinstance(value, list) else value  # a list: a time or a table as value, of no use here
    return SmlValue(obis, plain, _integer(unit), _integer(status), _decode_time(time))


def _decode_time(element: Element) -> SmlTime | None:
    match element:
        case [Number(integer=1 | 2 as tag), Number(integer=seconds)]:
            return SmlTime(_TIME_KINDS[tag], seconds)
        case [Number(integer=3), [Number(integer=seconds), *_]]:
            return SmlTime("local", seconds)
        case Number(integer=seconds):  # Holley DTZ541: a second index without the choice around it
            return SmlTime("index", seconds)
        case _:
            return None


def _integer(element: Element) -> int | None:
    return element.integer if isinstance(element, Number) else None


def _octets(body: list[Element], place: int) -> bytes:
    element = body[place] if place < len(body) else None
    return element if isinstance(element, bytes) else b""


def encode_telegram(
    server_id: bytes,
    values: Sequence[SmlValue],
    *,
    transaction: int = 0,
    list_name: bytes = b"",
    time: SmlTime | None = None,
    kermit: bool = False,
) -> bytes:
    """A meter's push as it goes on the wire. `transaction` 0 to 2^32-1 numbers the push.

    OverflowError for a value beyond 64 bits, `kermit` as in `transport.encode_file`.
    """
    name = transaction.to_bytes(4, "big")
    entries: list[Element] = [_entry_of(value) for value in values]
    open_body: list[Element] = [None, None, name, server_id, None, None]
    list_body: list[Element] = [None, server_id, list_name, _time_element(time), entries, None, None]
    close_body: list[Element] = [None]
    messages = (OPEN_RESPONSE, open_body), (GET_LIST_RESPONSE, list_body), (CLOSE_RESPONSE, close_body)
    payload = b"".join(
        _encode_message(name + bytes((place,)), tag, body, kermit=kermit)
        for place, (tag, body) in enumerate(messages)
    )
    return encode_file(payload, kermit=kermit)


def _encode_message(transaction: bytes, tag: int, body: list[Element], *, kermit: bool) -> bytes:
    choice: list[Element] = [Number(tag, 4, signed=False), body]
    zero = Number(0, 1, signed=False)
    fields: list[Element] = [transaction, zero, zero, choice]
    covered = bytes((LIST << 4 | MESSAGE_ELEMENTS,)) + b"".join(map(encode_element, fields))
    crc = int.from_bytes(sml_checksums(covered)[kermit], "big")
    return covered + encode_element(Number(crc, 2, signed=False)) + bytes((END_OF_MESSAGE,))


def _entry_of(value: SmlValue) -> list[Element]:
    content: Element
    scaler: Element = None
    if isinstance(value.value, Scaled):
        content = _number(value.value.integer)
        scaler = Number(value.value.exponent, 1, signed=True)
    else:
        content = value.value
    unit = None if value.unit is None else Number(value.unit, 1, signed=False)
    status = None if value.status is None else _number(value.status, signed=False)
    return [value.obis, status, _time_element(value.time), unit, scaler, content, None]


def _number(integer: int, *, signed: bool = True) -> Number:
    """In the fewest of 1, 2, 4 or 8 bytes that hold it; beyond 63 bits unsigned."""
    signed = signed and integer < 1 << 63
    bits = (integer if integer >= 0 else ~integer).bit_length() + signed
    return Number(integer, next((size for size in (1, 2, 4) if bits <= 8 * size), 8), signed)


def _time_element(time: SmlTime | None) -> Element:
    if time is None:
        return None
    tag = next(number for number, kind in _TIME_KINDS.items() if kind == time.kind)
    seconds = Number(time.seconds, 4, signed=False)
    zero = Number(0, 2, signed=True)
    content: Element = [seconds, zero, zero] if time.kind == "local" else seconds
    return [Number(tag, 1, signed=False), content]
