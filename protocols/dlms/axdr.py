"""A-XDR, the encoding of COSEM data (IEC 61334-6; the types of IEC 62056-6-2), both roles.

Every value stands behind a tag that says its type. Rules:
- depth, the number of elements and every length are bounded, and no element reaches beyond its bytes: any
  bytes give data or a ProtocolError, in linear time;
- a binary float is its shortest decimal, NaN and the infinities are None;
- what a meter encodes wrongly is read by `decode_data(..., lenient=True)` only, and only as recorded:
  Sagemcom XT211 (and EG.D's others) name an object by class, code and attribute without any tags, and a
  Landis+Gyr ZMF100 exchanges tag and length of a code (06 09 instead of 09 06).
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple, TypeAlias

from protocols.dlms.times import decode_time
from protocols.errors import ProtocolError
from protocols.obis import OBIS_BYTES, format_obis
from protocols.span import Span, octets_text
from protocols.value import Scaled, from_binary32, from_binary64

DEPTH_MAX = 10  # recorded telegrams reach 4
ELEMENTS_MAX = 4_096  # of a whole telegram; the largest recorded has 137
LENGTH_BYTES_MAX = 4

NULL, ARRAY, STRUCTURE, BOOLEAN, BIT_STRING = 0, 1, 2, 3, 4
INT32, UINT32 = 5, 6
OCTET_STRING, VISIBLE_STRING, UTF8_STRING, BCD = 9, 10, 12, 13
INT8, INT16, UINT8, UINT16 = 15, 16, 17, 18
COMPACT_ARRAY = 19
INT64, UINT64, ENUM, FLOAT32, FLOAT64 = 20, 21, 22, 23, 24
DATE_TIME, DATE, TIME = 25, 26, 27
DONT_CARE = 255
DESCRIPTOR = 0x100  # no tag of the standard: class, code and attribute as XT211 send them, nine bytes

STRINGS = (OCTET_STRING, VISIBLE_STRING, UTF8_STRING)
INTEGERS = {  # size in bytes, signed; 28 to 33: the differences of compact profiles
    INT32: (4, True),
    UINT32: (4, False),
    INT8: (1, True),
    INT16: (2, True),
    UINT8: (1, False),
    UINT16: (2, False),
    INT64: (8, True),
    UINT64: (8, False),
    ENUM: (1, False),
    28: (1, True),
    29: (2, True),
    30: (4, True),
    31: (1, False),
    32: (2, False),
    33: (4, False),
}
FIXED_OCTETS = {BCD: 1, DATE_TIME: 12, DATE: 5, TIME: 4}
NAMES = {
    NULL: "null",
    ARRAY: "array",
    STRUCTURE: "structure",
    BOOLEAN: "boolean",
    BIT_STRING: "bit-string",
    OCTET_STRING: "octets",
    VISIBLE_STRING: "text",
    UTF8_STRING: "text",
    COMPACT_ARRAY: "compact-array",
    ENUM: "enum",
    FLOAT32: "float",
    FLOAT64: "float",
    DATE_TIME: "date-time",
    DATE: "date",
    TIME: "time-of-day",
    BCD: "bcd",
    DONT_CARE: "dont-care",
    DESCRIPTOR: "descriptor",
}

DESCRIPTOR_BYTES = 9
# Class below 256, a code of a known medium that ends in FF, an attribute, and the tag of what follows.
_DESCRIPTOR = re.compile(
    rb"\x00[\x01-\xff][\x00-\x0f][\x00-\xff]{4}\xff[\x01-\x1f][\x00-\x06\x09\x0a\x0c\x0f-\x1b]"
)
_SWAPPED = re.compile(rb"\x06\x09[\x00-\x0f][\x00-\xff]{4}\xff")


class Bits(NamedTuple):
    """A bit string: `size` bits, the first in the highest bit of the first byte."""

    octets: bytes
    size: int


class Data(NamedTuple):
    """A value with its tag, so that encoding gives the same bytes again."""

    tag: int
    value: Content


Content: TypeAlias = "bool | int | bytes | Bits | Scaled | tuple[Data, ...] | None"


class _Type(NamedTuple):
    """What a compact array says of its elements: `inner` is what arrays and structures hold, an
    array's `size` times."""

    tag: int
    size: int = 0
    inner: tuple[_Type, ...] = ()

    @property
    def has_bytes(self) -> bool:
        """Whether a value of it takes any bytes; what takes none could be announced without end."""
        return self.tag not in (NULL, DONT_CARE) and (not self.inner or any(t.has_bytes for t in self.inner))


def decode_data(
    data: bytes, at: int = 0, *, lenient: bool = False, spans: list[Span] | None = None
) -> tuple[Data, int]:
    """The value at `at` and the place behind it. `spans`: gets what each byte is, as far as it is read.

    Codes: dlms.truncated, dlms.tag_unknown, dlms.length, dlms.depth, dlms.elements, dlms.compact.
    """
    return _Decoder(data, lenient, spans).value(at, 0)


class _Decoder:
    """Reads values and counts them."""

    def __init__(self, data: bytes, lenient: bool, spans: list[Span] | None) -> None:
        self._data = data
        self._lenient = lenient
        self._spans = spans
        self._elements = 0
        self._untagged = False  # a descriptor has come: a null in such a place is half of another

    def value(self, at: int, depth: int) -> tuple[Data, int]:
        """A value with its tag."""
        if at >= len(self._data):
            raise ProtocolError("dlms.truncated", "the telegram ends where a value begins", at)
        return self.content(self._data[at], at, at + 1, depth)

    def content(self, tag: int, at: int, inside: int, depth: int) -> tuple[Data, int]:
        """A value of which the tag is known; it began `at`, its content is `inside`."""
        self._elements += 1
        if self._elements > ELEMENTS_MAX:
            raise ProtocolError("dlms.elements", f"more than {ELEMENTS_MAX} values", at)
        if tag in (ARRAY, STRUCTURE):
            return self._several(tag, at, inside, depth)
        if tag == COMPACT_ARRAY:
            return self._compact(at, inside, depth)
        value, end = self._simple(tag, at, inside)
        item = Data(tag, value)
        self._tell(at, end, item, depth)
        return item, end

    def _several(self, tag: int, at: int, inside: int, depth: int) -> tuple[Data, int]:
        count, inside = decode_length(self._data, inside)
        if count > len(self._data) - inside:
            raise ProtocolError(
                "dlms.length", f"{count} values where {len(self._data) - inside} bytes are", at
            )
        self._tell_list(tag, at, inside, count, depth)
        items: list[Data] = []
        if self._lenient and tag == STRUCTURE and count > 1:
            first, inside = self._misencoded(inside, depth + 1)
            items += first
        while len(items) < count:
            item, inside = self.value(inside, depth + 1)
            items.append(item)
        return Data(tag, tuple(items)), inside

    def _misencoded(self, at: int, depth: int) -> tuple[list[Data], int]:
        """The first element of a structure, where it is one of those that meters encode wrongly."""
        if _DESCRIPTOR.match(self._data, at):
            self._untagged = True
            end = at + DESCRIPTOR_BYTES
            item = Data(DESCRIPTOR, self._data[at:end])
        elif _SWAPPED.match(self._data, at):
            end = at + 2 + OBIS_BYTES
            item = Data(OCTET_STRING, self._data[at + 2 : end])
        elif self._untagged and self._data[at : at + 1] == b"\0":
            raise ProtocolError("dlms.truncated", "an object among others that is named by halves", at)
        else:
            return [], at
        self._elements += 1
        self._tell(at, end, item, depth)
        return [item], end

    def _simple(self, tag: int, at: int, inside: int) -> tuple[Content, int]:  # noqa: PLR0911 - one for each type
        if (integer := INTEGERS.get(tag)) is not None:
            size, signed = integer
            return int.from_bytes(self._octets(at, inside, size), "big", signed=signed), inside + size
        if tag in STRINGS:
            size, inside = decode_length(self._data, inside)
            return self._octets(at, inside, size), inside + size
        if tag in (NULL, DONT_CARE):
            return None, inside
        if tag in FIXED_OCTETS:
            size = FIXED_OCTETS[tag]
            return self._octets(at, inside, size), inside + size
        if tag == BOOLEAN:
            return self._octets(at, inside, 1) != b"\0", inside + 1
        if tag == BIT_STRING:
            count, inside = decode_length(self._data, inside)
            size = (count + 7) // 8
            return Bits(self._octets(at, inside, size), count), inside + size
        if tag == FLOAT32:
            return from_binary32(self._octets(at, inside, 4)), inside + 4
        if tag == FLOAT64:
            return from_binary64(self._octets(at, inside, 8)), inside + 8
        raise ProtocolError("dlms.tag_unknown", f"no value is of type {tag}", at)

    def _octets(self, at: int, inside: int, size: int) -> bytes:
        end = inside + size
        if end > len(self._data):
            left = max(0, len(self._data) - inside)
            raise ProtocolError("dlms.truncated", f"{size} bytes announced, {left} left", at)
        return self._data[inside:end]

    def _compact(self, at: int, inside: int, depth: int) -> tuple[Data, int]:
        """An array whose elements' type is told once, and whose contents have no tags."""
        kind, inside = self._type(inside, depth + 1)
        size, inside = decode_length(self._data, inside)
        end = inside + len(self._octets(at, inside, size))
        self._tell_list(COMPACT_ARRAY, at, inside, size, depth)
        items: list[Data] = []
        whole, self._data = self._data, self._data[:end]
        while inside < end:
            item, after = self._typed(kind, inside, depth + 1)
            if after == inside:
                raise ProtocolError("dlms.compact", "a compact array of elements without bytes", at)
            items.append(item)
            inside = after
        self._data = whole
        return Data(COMPACT_ARRAY, tuple(items)), end

    def _type(self, at: int, depth: int) -> tuple[_Type, int]:
        """A type description."""
        self._elements += 1
        _check_depth(depth, at)
        if self._elements > ELEMENTS_MAX:
            raise ProtocolError("dlms.elements", f"more than {ELEMENTS_MAX} values", at)
        tag = self._octets(at, at, 1)[0]
        inside = at + 1
        if tag == ARRAY:
            count = int.from_bytes(self._octets(at, inside, 2), "big")
            inner, inside = self._type(inside + 2, depth + 1)
            if not inner.has_bytes:
                raise ProtocolError("dlms.compact", "an array of elements without bytes", at)
            return _Type(tag, count, (inner,)), inside
        if tag == STRUCTURE:
            count, inside = decode_length(self._data, inside)
            inners: list[_Type] = []
            for _ in range(min(count, ELEMENTS_MAX + 1)):
                inner, inside = self._type(inside, depth + 1)
                inners.append(inner)
            return _Type(tag, 0, tuple(inners)), inside
        if tag == COMPACT_ARRAY:
            raise ProtocolError("dlms.compact", "a compact array within a compact array", at)
        return _Type(tag), inside

    def _typed(self, kind: _Type, at: int, depth: int) -> tuple[Data, int]:
        """A value without tag."""
        if kind.tag not in (ARRAY, STRUCTURE):
            return self.content(kind.tag, at, at, depth)
        self._elements += 1
        if kind.size > len(self._data) - at:
            left = len(self._data) - at
            raise ProtocolError("dlms.truncated", f"{kind.size} elements announced, {left} bytes left", at)
        inners = kind.inner * kind.size if kind.tag == ARRAY else kind.inner
        items: list[Data] = []
        for inner in inners:
            if self._elements > ELEMENTS_MAX:
                raise ProtocolError("dlms.elements", f"more than {ELEMENTS_MAX} values", at)
            item, at = self._typed(inner, at, depth + 1)
            items.append(item)
        return Data(kind.tag, tuple(items)), at

    def _tell_list(self, tag: int, at: int, inside: int, count: int, depth: int) -> None:
        _check_depth(depth, at)
        if self._spans is not None:
            self._spans.append(Span(at, inside, f"dlms.{NAMES[tag]}", str(count), depth))

    def _tell(self, at: int, end: int, item: Data, depth: int) -> None:
        if self._spans is not None:
            self._spans.append(Span(at, end, f"dlms.{_kind(item)}", data_text(item), depth))


def _check_depth(depth: int, at: int) -> None:
    if depth > DEPTH_MAX:
        raise ProtocolError("dlms.depth", f"lists within lists deeper than {DEPTH_MAX}", at)


def _kind(item: Data) -> str:
    return "obis" if is_obis(item) else NAMES.get(item.tag, "number")


def is_obis(item: Data) -> bool:
    """Whether an octet string can be the code of an object: six bytes, of a medium (group A, 0 to 15)."""
    value = item.value
    return (
        item.tag == OCTET_STRING and isinstance(value, bytes) and len(value) == OBIS_BYTES and value[0] <= 15
    )


def data_text(item: Data) -> str:
    """A simple value for people."""
    value = item.value
    if item.tag == DESCRIPTOR and isinstance(value, bytes):
        return f"{int.from_bytes(value[:2], 'big')} {format_obis(value[2:8])} {value[8]}"
    if isinstance(value, bytes):
        time = decode_time(value)
        text = time.text() if time is not None else None
        return format_obis(value) if is_obis(item) else text or octets_text(value)
    if isinstance(value, Bits):
        return bits_text(value)
    return "-" if value is None else str(value).lower()


def bits_text(bits: Bits) -> str:
    """A bit string as 0 and 1."""
    return "".join(f"{byte:08b}" for byte in bits.octets)[: bits.size]


def decode_length(data: bytes, at: int) -> tuple[int, int]:
    """A length or count, and the place behind it."""
    if at >= len(data):
        raise ProtocolError("dlms.truncated", "the telegram ends where a length begins", at)
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= LENGTH_BYTES_MAX:
        raise ProtocolError("dlms.length", f"a length of {size} bytes", at)
    end = at + 1 + size
    if end > len(data):
        raise ProtocolError("dlms.truncated", "the telegram ends inside of a length", at)
    return int.from_bytes(data[at + 1 : end], "big"), end


def encode_length(length: int) -> bytes:
    """A length or count in the fewest bytes."""
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def encode_data(item: Data) -> bytes:
    """The value on the wire; OverflowError for an integer wider than its type, ValueError for what no
    type is, TypeError for a content that is not its type's."""
    if item.tag == DESCRIPTOR:
        return _encode_content(item)
    if item.tag == COMPACT_ARRAY:
        items = items_of(item)
        kinds = {_type_of(each) for each in items} or {b"\x00"}
        if len(kinds) > 1:
            raise ValueError("the elements of a compact array have one type")
        contents = b"".join(map(_encode_content, items))
        return bytes((item.tag,)) + kinds.pop() + encode_length(len(contents)) + contents
    if item.tag in (ARRAY, STRUCTURE):
        items = items_of(item)
        return bytes((item.tag,)) + encode_length(len(items)) + b"".join(map(encode_data, items))
    return bytes((item.tag,)) + _encode_content(item)


def items_of(item: Data) -> tuple[Data, ...]:
    """What a list holds; TypeError for what is none."""
    value = item.value
    if isinstance(value, tuple) and not isinstance(value, Bits | Scaled):
        return value
    raise TypeError(f"type {item.tag} holds values, not {value!r}")


def _type_of(item: Data) -> bytes:
    """The type description of a value in a compact array."""
    if item.tag == STRUCTURE:
        items = items_of(item)
        return bytes((item.tag,)) + encode_length(len(items)) + b"".join(map(_type_of, items))
    if item.tag == ARRAY:
        items = items_of(item)
        inner = _type_of(items[0]) if items else b"\x00"
        return bytes((item.tag,)) + len(items).to_bytes(2, "big") + inner
    return bytes((item.tag,))


def _encode_content(item: Data) -> bytes:  # noqa: PLR0911 - one for each kind of type
    """A value without its tag."""
    tag, value = item
    if tag in (ARRAY, STRUCTURE):
        return b"".join(map(_encode_content, items_of(item)))
    if tag in (NULL, DONT_CARE):
        return b""
    if isinstance(value, Bits) and tag == BIT_STRING:
        return encode_length(value.size) + value.octets
    if isinstance(value, bytes):
        return encode_length(len(value)) + value if tag in STRINGS else value
    if tag in (FLOAT32, FLOAT64):
        number = float("nan") if value is None else float(str(value))
        return struct.pack(">f" if tag == FLOAT32 else ">d", number)
    if isinstance(value, int):
        if tag == BOOLEAN:
            return b"\x01" if value else b"\x00"
        if tag in INTEGERS:
            size, signed = INTEGERS[tag]
            return value.to_bytes(size, "big", signed=signed)
    raise TypeError(f"{value!r} is no content of type {tag}")
