"""One CBOR item in and out, in the subset of CBOR that uplinks are made of.

The subset (docs/uplink.md, section 2): RFC 8949 core deterministic encoding (section 4.2.1: shortest
heads, definite lengths, map keys in bytewise order), and of CBOR's types only integers (bignums up
to 64 bytes included), byte strings, text, arrays, maps with text or integer keys, false, true and null.
No floats, no other tags. Hostile bytes are judged here, in linear time and before cbor2 sees them, so
that no tag decoder (dates, decimals, regular expressions, shared references) ever runs on them.
"""

from __future__ import annotations

from typing import Any

import cbor2

from protocols.errors import ProtocolError

DEPTH_MAX = 12
INTEGER_SIZE_BYTES_MAX = 64

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE_TRUE_NULL = (20, 21, 22)
_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


def write_item(item: Any) -> bytes:
    """The deterministic encoding of anything made of the types named above."""
    return bytes(cbor2.dumps(item, canonical=True))


def read_item(data: bytes, code: str, size_bytes_max: int) -> Any:
    """The one item that `data` is; ProtocolError(`code`, ...) for anything outside of the subset."""
    if len(data) > size_bytes_max:
        raise ProtocolError(code, f"{len(data)} bytes, at most {size_bytes_max} are allowed")
    end = _Scan(data, code).item(0, 0)
    if end != len(data):
        raise ProtocolError(code, f"{len(data) - end} bytes after the end of the item", end)
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, ValueError) as wrong:
        raise ProtocolError(code, f"not CBOR: {wrong}") from None


class _Scan:
    """Walks the heads of an item and refuses what is outside of the subset."""

    def __init__(self, data: bytes, code: str) -> None:
        self._data = data
        self._code = code

    def item(self, at: int, depth: int) -> int:
        """Where the item that begins at `at` ends."""
        major, argument, after = self._head(at)
        if major <= _NEGATIVE or major == _SIMPLE:
            return after
        if major <= _TEXT:
            return self._string_end(argument, after)
        if major == _TAG:
            return self._bignum(argument, after)
        if depth >= DEPTH_MAX:
            raise self._wrong(f"nested deeper than {DEPTH_MAX}", at)
        if major == _MAP:
            return self._map(argument, after, depth)
        for _ in range(argument):
            after = self.item(after, depth + 1)
        return after

    def _head(self, at: int) -> tuple[int, int, int]:
        if at >= len(self._data):
            raise self._wrong("cut short", at)
        major, info = divmod(self._data[at], 32)
        if major == _SIMPLE and info not in _FALSE_TRUE_NULL:
            raise self._wrong("a float, an undefined or an unassigned simple value", at)
        if info < 24:
            return major, info, at + 1
        if info > 27:
            raise self._wrong("indefinite length", at)
        end = at + 1 + (1 << (info - 24))
        argument = int.from_bytes(self._data[at + 1 : end], "big")
        if end > len(self._data):
            raise self._wrong("cut short", at)
        if argument < _SMALLEST[info]:
            raise self._wrong("a head that is not the shortest", at)
        return major, argument, end

    def _string_end(self, size: int, at: int) -> int:
        if size > len(self._data) - at:
            raise self._wrong("a string cut short", at)
        return at + size

    def _bignum(self, tag: int, at: int) -> int:
        if tag not in (2, 3):
            raise self._wrong(f"tag {tag}", at)
        major, size, start = self._head(at)
        end = self._string_end(size, start) if major == _BYTES else at
        if major != _BYTES or not 9 <= size <= INTEGER_SIZE_BYTES_MAX or not self._data[start]:
            raise self._wrong(f"a bignum that is not 9 to {INTEGER_SIZE_BYTES_MAX} bytes", at)
        return end

    def _map(self, pairs: int, at: int, depth: int) -> int:
        before = b""
        for _ in range(pairs):
            if self._head(at)[0] not in (_UNSIGNED, _NEGATIVE, _TEXT):
                raise self._wrong("a map key that is neither text nor integer", at)
            end = self.item(at, depth + 1)
            key = self._data[at:end]
            if key <= before:
                raise self._wrong("map keys repeated or out of order", at)
            before = key
            at = self.item(end, depth + 1)
        return at

    def _wrong(self, what: str, at: int) -> ProtocolError:
        return ProtocolError(self._code, what, at)
