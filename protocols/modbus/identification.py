"""Device identification, function 43/14 (Modbus Application Protocol V1.1b3, 6.21): a device's name plate.

A device gives its objects (maker, product, version, ...) in as many answers as it needs, each telling where
the next begins. `read_objects` walks through them without any I/O: a generator of requests.

Rules:
- the walk ends: each answer must lead further up in the object numbers, so that there are at most 256;
- what a device says is bytes of text in no stated encoding; `object_text` makes them readable.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.modbus.pdu import (
    CATEGORIES,
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    PDU_BYTES_MAX,
    IdentificationRequest,
)

BASIC, REGULAR, EXTENDED, ONE_OBJECT = 1, 2, 3, 4
OBJECT_NAMES = {
    0: "vendor",
    1: "product_code",
    2: "revision",
    3: "vendor_url",
    4: "product_name",
    5: "model",
    6: "application",
}
"""The objects that the standard names; 7 to 127 are reserved, 128 to 255 are the maker's own."""

CATEGORY_LAST_OBJECT = {BASIC: 2, REGULAR: 0x7F, EXTENDED: 0xFF}
MORE_FOLLOWS = 0xFF
_HEAD_BYTES = 4  # conformity, more follows, next object, number of objects
_OBJECTS_BYTES_MAX = PDU_BYTES_MAX - 7
CONFORMITY_INDIVIDUAL = 0x80  # single objects can be asked for, too


class IdentificationPart(NamedTuple):
    """One answer. `next_object` is None where nothing follows."""

    conformity: int
    next_object: int | None
    objects: tuple[tuple[int, bytes], ...]


def decode_part(data: bytes) -> IdentificationPart:
    """The answer's data (from the conformity level on); ProtocolError("modbus.identification")."""
    if len(data) < _HEAD_BYTES:
        raise ProtocolError("modbus.identification", f"{len(data)} bytes; the head alone has {_HEAD_BYTES}")
    conformity, more, following, count = data[:_HEAD_BYTES]
    objects = []
    place = _HEAD_BYTES
    for _ in range(count):
        if place + 2 > len(data) or place + 2 + data[place + 1] > len(data):
            raise ProtocolError("modbus.identification", f"{count} objects were said to come", place)
        objects.append((data[place], data[place + 2 : place + 2 + data[place + 1]]))
        place += 2 + data[place + 1]
    if place != len(data):
        raise ProtocolError("modbus.identification", f"{len(data) - place} bytes behind the objects", place)
    return IdentificationPart(conformity, following if more else None, tuple(objects))


def read_objects(category: int = REGULAR) -> Generator[IdentificationRequest, bytes, dict[int, bytes]]:
    """Yields requests, is sent the data of their answers, returns all objects of the category by number.

    ProtocolError("modbus.identification") for an answer that cannot be one or does not lead further. A
    refusal is the caller's: the walk is over then.
    """
    objects: dict[int, bytes] = {}
    place: int | None = 0
    while place is not None:
        part = decode_part((yield IdentificationRequest(category, place)))
        objects.update(part.objects)
        if part.next_object is not None and part.next_object <= place:
            text = f"object {part.next_object} is to follow object {place}: the walk would never end"
            raise ProtocolError("modbus.identification", text)
        place = part.next_object
    return objects


def encode_part(
    request: IdentificationRequest, objects: Mapping[int, bytes], conformity: int = REGULAR
) -> bytes | int:
    """The server role: the data of the answer with as many objects as fit, or the exception code.

    An unknown first object counts as 0, an unknown single one is refused (6.21). ValueError for an object
    that does not fit into an answer.
    """
    if request.category not in CATEGORIES:
        return ILLEGAL_VALUE
    level = (conformity | CONFORMITY_INDIVIDUAL,)
    if request.category == ONE_OBJECT:
        if request.object_id not in objects:
            return ILLEGAL_ADDRESS
        return bytes((*level, 0, 0, 1)) + _object(request.object_id, objects)
    last = CATEGORY_LAST_OBJECT[min(request.category, conformity)]
    numbers = sorted(number for number in objects if number <= last)
    if request.object_id in numbers:
        numbers = numbers[numbers.index(request.object_id) :]
    body, count = b"", 0
    for number in numbers:
        one = _object(number, objects)
        if len(body) + len(one) > _OBJECTS_BYTES_MAX:
            return bytes((*level, MORE_FOLLOWS, number, count)) + body
        body, count = body + one, count + 1
    return bytes((*level, 0, 0, count)) + body


def object_text(value: bytes) -> str:
    """An object as text: UTF-8 where it is that, else Latin-1; padding and control characters gone."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return "".join(character for character in text if character.isprintable()).strip()


def _object(number: int, objects: Mapping[int, bytes]) -> bytes:
    value = objects[number]
    if 2 + len(value) > _OBJECTS_BYTES_MAX:
        raise ValueError(
            f"object {number} has {len(value)} bytes; {_OBJECTS_BYTES_MAX - 2} fit into an answer"
        )
    return bytes((number, len(value))) + value
