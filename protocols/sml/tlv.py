"""SML's binary encoding: type-length fields and what they hold (SML 1.04, section 6.3).

An element is bytes, bool, Number, a list of elements, or None where an optional field is empty. Depth,
list length and integer width are bounded, and an element never reaches beyond its file, so that any
bytes give elements or a ProtocolError in linear time.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from protocols.errors import ProtocolError

DEPTH_MAX = 10  # a value inside of a time inside of a list entry stands at depth 7
LIST_ELEMENTS_MAX = 1024
LENGTH_BYTES_MAX = 4
INTEGER_BYTES_MAX = 8

OCTETS, BOOLEAN, INTEGER, UNSIGNED, LIST = 0, 4, 5, 6, 7
END_OF_MESSAGE = 0x00
EMPTY = b"\x01"  # an optional field that is not there


class Number(NamedTuple):
    """An integer with the width and sign it was sent with; some meters get the sign wrong."""

    integer: int
    size_bytes: int
    signed: bool


Element: TypeAlias = "bytes | bool | Number | list[Element] | None"


def decode_length(data: bytes, at: int) -> tuple[int, int, int]:
    """Type, length and the place behind a type-length field; bytes of content, for a list elements."""
    kind = length = 0
    for count in range(LENGTH_BYTES_MAX):
        if at + count >= len(data):
            raise ProtocolError("sml.truncated", "the file ends inside of a length", at)
        byte = data[at + count]
        if count == 0:
            kind = byte >> 4 & 7
        length = length << 4 | byte & 0x0F
        if not byte & 0x80:
            size = count + 1
            return kind, length if kind == LIST else length - size, at + size
    raise ProtocolError("sml.length", f"a length of more than {LENGTH_BYTES_MAX} bytes", at)


def decode_element(data: bytes, at: int, depth: int = 0) -> tuple[Element, int]:
    """The element at `at` and the place behind it."""
    if at < len(data) and (byte := data[at]) < 0x80:  # a length of one byte: nearly all are
        kind, inside = byte >> 4, at + 1
        length = byte & 0x0F if kind == LIST else (byte & 0x0F) - 1
    else:
        kind, length, inside = decode_length(data, at)
    if kind == LIST:
        return _decode_list(data, at, inside, length, depth)
    if length < 0:  # a bare 00: where a meter leaves out an optional field without saying so
        return None, inside
    end = inside + length
    if end > len(data):
        raise ProtocolError("sml.truncated", f"{length} bytes announced, {len(data) - inside} left", at)
    content = data[inside:end]
    if kind == OCTETS:
        return content or None, end
    if kind in (INTEGER, UNSIGNED) and 1 <= length <= INTEGER_BYTES_MAX:
        signed = kind == INTEGER
        return Number(int.from_bytes(content, "big", signed=signed), length, signed), end
    if kind == BOOLEAN and length == 1:
        return content != b"\x00", end
    raise ProtocolError("sml.type", f"no element is of type {kind} with {length} bytes", at)


def _decode_list(data: bytes, at: int, inside: int, length: int, depth: int) -> tuple[Element, int]:
    if length > LIST_ELEMENTS_MAX or length > len(data) - inside:
        raise ProtocolError("sml.list", f"a list of {length} elements where they cannot be", at)
    if depth == DEPTH_MAX:
        raise ProtocolError("sml.depth", f"lists within lists deeper than {DEPTH_MAX}", at)
    elements: list[Element] = []
    for _ in range(length):
        element, inside = decode_element(data, inside, depth + 1)
        elements.append(element)
    return elements, inside


def _encode_length(kind: int, length: int) -> bytes:
    """A type-length field; for everything but lists the length counts the field itself."""
    size = 1
    while (length if kind == LIST else length + size) >> 4 * size:
        size += 1
    total = length if kind == LIST else length + size
    nibbles = [total >> 4 * place & 0x0F for place in range(size - 1, -1, -1)]
    field = bytearray(0x80 | nibble for nibble in nibbles)
    field[0] |= kind << 4
    field[-1] &= 0x7F
    return bytes(field)


def encode_element(element: Element) -> bytes:
    """The element on the wire; OverflowError for a Number wider than it says."""
    if element is None:
        return EMPTY
    if isinstance(element, bool):
        return b"\x42\x01" if element else b"\x42\x00"
    if isinstance(element, Number):
        kind = INTEGER if element.signed else UNSIGNED
        content = element.integer.to_bytes(element.size_bytes, "big", signed=element.signed)
        return _encode_length(kind, len(content)) + content
    if isinstance(element, list):
        return _encode_length(LIST, len(element)) + b"".join(map(encode_element, element))
    return _encode_length(OCTETS, len(element)) + element
